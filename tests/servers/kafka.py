"""A real Apache Kafka (KRaft, one node) with a plain and a SASL_SSL listener, and one for a proxy before it."""

from __future__ import annotations

import base64
import functools
import itertools
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterable
from pathlib import Path
from xml.sax.saxutils import escape

from confluent_kafka import KafkaError, KafkaException, Producer, TopicCollection
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions, NewTopic

from tests.servers.authority import Authority
from tests.servers.processes import ROOT, STARTED_WITH, Child, free_port, listening

JARS = {"org.apache.kafka:kafka_2.13": "4.1.2", "org.apache.logging.log4j:log4j-slf4j-impl": "2.25.3"}
USER, PASSWORD = "app", "app-secret"
_CACHE = ROOT / ".cache" / "kafka-4.1.2"


@functools.cache
def available() -> str | None:
    """Why Kafka can't run, or None. Fetches it once, from Maven Central, into the project's `.cache`."""
    if sys.platform == "win32":
        return "cannot run here: Kafka is started on Linux and macOS only"
    if shutil.which("java") is None:
        return "Kafka needs java (Debian: default-jre-headless)"
    if (_CACHE / "complete").exists():
        return None
    if shutil.which("mvn") is None:
        return "Kafka is fetched by mvn (Debian: maven)"
    return _fetch()


def _fetch() -> str | None:
    fetching = _CACHE.with_name(f"{_CACHE.name}.{os.getpid()}")
    fetching.mkdir(parents=True, exist_ok=True)
    (fetching / "pom.xml").write_text(_pom(), encoding="utf-8")
    done = subprocess.run(
        [
            "mvn",
            "-q",
            "-B",
            "dependency:copy-dependencies",
            "-DoutputDirectory=libs",
            "-DincludeScope=runtime",
        ],
        cwd=fetching,
        env=dict(STARTED_WITH),
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    if done.returncode != 0:
        shutil.rmtree(fetching, ignore_errors=True)
        return f"Maven could not fetch Kafka: {(done.stdout + done.stderr).strip()[-300:]}"
    (fetching / "complete").touch()
    shutil.rmtree(_CACHE, ignore_errors=True)
    fetching.replace(_CACHE)
    return None


def _pom() -> str:
    wanted = "".join(
        "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>".format(
            *map(escape, (*name.split(":"), version))
        )
        for name, version in JARS.items()
    )
    return (
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
        "<groupId>whereupon</groupId><artifactId>kafka</artifactId><version>1</version>"
        f"<dependencies>{wanted}</dependencies></project>"
    )


class Kafka:
    """One broker in `folder`. `plain` and `secure` are its bootstrap addresses, `ca` signs the secure one.

    A third listener, on port `behind`, is for a proxy: whoever comes by it is told that the broker is at `proxied`.

    It can be stopped, killed and started again on the same ports with what it holds. `quick` compiles less:
    it starts sooner and serves a bench worse.
    """

    def __init__(self, folder: Path, *, quick: bool = True) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._ports = {
            name: free_port() for name in ("PLAINTEXT", "SASL_SSL", "BEHIND", "PROXY", "CONTROLLER")
        }
        self.plain = f"127.0.0.1:{self._ports['PLAINTEXT']}"
        self.secure = f"localhost:{self._ports['SASL_SSL']}"
        self.proxied = f"127.0.0.1:{self._ports['PROXY']}"
        self.behind = self._ports["BEHIND"]
        self.authority = Authority(folder / "tls")
        self.ca = self.authority.ca
        self._settings = folder / "server.properties"
        self._settings.write_text(self._properties(), encoding="utf-8")
        self._java = ["java", "-Xmx512m", *(["-XX:TieredStopAtLevel=1"] if quick else [])]
        self._java += ["-Dlog4j2.level=WARN", "-cp", f"{_CACHE / 'libs'}/*"]
        self._child: Child | None = None
        self._admin: AdminClient | None = None

    def _properties(self) -> str:
        plain, secure, controller = (self._ports[each] for each in ("PLAINTEXT", "SASL_SSL", "CONTROLLER"))
        jaas = f'org.apache.kafka.common.security.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
        settings = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://127.0.0.1:{plain},SASL_SSL://127.0.0.1:{secure},"
            f"BEHIND://127.0.0.1:{self.behind},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{plain},SASL_SSL://localhost:{secure},"
            f"BEHIND://{self.proxied}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,BEHIND:PLAINTEXT,"
            "CONTROLLER:PLAINTEXT",
            "sasl.enabled.mechanisms": "PLAIN",
            "listener.name.sasl_ssl.plain.sasl.jaas.config": jaas,
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self.authority.keystore),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.authority.ca),
            "log.dirs": str(self._folder / "data"),
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            "broker.session.timeout.ms": "2000",  # after kill -9 the next start waits this long
            "broker.heartbeat.interval.ms": "300",
            "group.initial.rebalance.delay.ms": "0",
            "auto.create.topics.enable": "false",
            "delete.topic.enable": "true",
        }
        return "".join(f"{name}={value}\n" for name, value in settings.items())

    def start(self) -> None:
        """Start it and wait until it answers."""
        if not (self._folder / "data").exists():
            self._format()
        command = [*self._java, "kafka.Kafka", str(self._settings)]
        child = self._child = Child(command, log=self._folder / "kafka.log", environment=STARTED_WITH)
        child.wait_for(lambda: listening(self._ports["PLAINTEXT"]), within=60, what="Kafka")
        child.wait_for(self._answers, within=60, what="Kafka's first answer")

    def _format(self) -> None:
        tool = [*self._java, "kafka.tools.StorageTool", "format", "-c", str(self._settings)]
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        done = subprocess.run(
            [*tool, f"--cluster-id={cluster_id}"],
            env=dict(STARTED_WITH),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise AssertionError(f"Kafka's folder could not be formatted: {done.stdout}{done.stderr}")

    def _answers(self) -> bool:
        try:
            return bool(self.admin.list_topics(timeout=2).brokers)
        except KafkaException:
            return False

    @property
    def child(self) -> Child:
        """The broker's process."""
        if self._child is None:
            raise AssertionError("Kafka was not started.")
        return self._child

    @property
    def admin(self) -> AdminClient:
        """An administrator's client over the plain listener, kept until `stop`: its futures need it."""
        if self._admin is None:
            self._admin = AdminClient({"bootstrap.servers": self.plain, "log_level": 0})
        return self._admin

    def stop(self) -> None:
        """End it kindly; twice is fine."""
        self._admin = None
        if self._child is not None:
            self._child.stop(within=20)

    def kill(self) -> None:
        """kill -9."""
        self.child.kill()

    def restart(self) -> None:
        """Start it again, after `stop` or `kill`, with what it held."""
        self.stop()
        self.start()

    def new_topic(self, name: str = "events", *, partitions: int = 4) -> str:
        """Make a topic whose name begins with `name` and was never used before."""
        topic = f"{name}-{uuid.uuid4().hex[:8]}"
        self.create_topic(topic, partitions=partitions)
        return topic

    def create_topic(self, topic: str, *, partitions: int = 4) -> None:
        """Make a topic and wait until the broker knows it."""
        self.admin.create_topics([NewTopic(topic, partitions, 1)])[topic].result(20)
        self.child.wait_for(lambda: self.partitions(topic) == partitions, within=10, what=topic)

    def delete_topic(self, topic: str) -> None:
        """Delete a topic and wait until it is gone."""
        self.admin.delete_topics([topic])[topic].result(20)
        self.child.wait_for(lambda: self.partitions(topic) == 0, within=10, what=f"the end of {topic}")

    def add_partitions(self, topic: str, *, total: int) -> None:
        """Let a topic grow to `total` partitions."""
        self.admin.create_partitions([NewPartitions(topic, total)])[topic].result(20)
        self.child.wait_for(lambda: self.partitions(topic) == total, within=10, what=f"{topic}'s growth")

    def partitions(self, topic: str) -> int:
        """How many partitions a topic has; 0 if there is no such topic."""
        described = self.admin.describe_topics(TopicCollection([topic]))[topic]
        try:
            return len(described.result(10).partitions)
        except KafkaException:
            return 0

    def produce(
        self,
        topic: str,
        values: Iterable[bytes | None],
        *,
        keys: Iterable[bytes | None] | None = None,
        partition: int | None = None,
    ) -> None:
        """Put events on a topic, in order, and wait until the broker has every one."""
        failed: list[str] = []
        producer = Producer({"bootstrap.servers": self.plain, "acks": "all", "linger.ms": 5, "log_level": 0})

        def told(error: KafkaError | None, _: object) -> None:
            if error is not None:
                failed.append(str(error))

        names = iter(keys) if keys is not None else itertools.repeat(None)
        to = -1 if partition is None else partition
        for count, (value, key) in enumerate(zip(values, names, strict=False)):
            producer.produce(topic, value, key, partition=to, on_delivery=told)
            # librdkafka's queue holds 100,000.
            producer.flush() if count % 50_000 == 49_999 else producer.poll(0)
        if producer.flush(60) or failed:
            raise AssertionError(f"Events did not reach Kafka: {failed[:3]}")

    def secure_settings(self) -> dict[str, str]:
        """What a librdkafka client needs for the SASL_SSL listener."""
        return {
            "bootstrap.servers": self.secure,
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "PLAIN",
            "sasl.username": USER,
            "sasl.password": PASSWORD,
            "ssl.ca.location": str(self.ca),
        }
