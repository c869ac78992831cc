"""Kafka's settings, as existing installations write them, in the words of librdkafka."""

from __future__ import annotations

import re

_KNOWN = """
    api.version.request.timeout.ms auto.commit.interval.ms auto.offset.reset bootstrap.servers
    broker.address.family broker.address.ttl check.crcs client.dns.lookup client.id client.rack
    connections.max.idle.ms coordinator.query.interval.ms debug enable.auto.commit
    enable.auto.offset.store enable.metrics.push enable.partition.eof enable.random.seed
    enable.sasl.oauthbearer.unsecure.jwt enable.sparse.connections enable.ssl.certificate.verification
    fetch.error.backoff.ms fetch.max.bytes fetch.message.max.bytes fetch.min.bytes fetch.queue.backoff.ms
    fetch.wait.max.ms group.id group.instance.id group.protocol group.remote.assignor
    heartbeat.interval.ms https.ca.location https.ca.pem isolation.level log.connection.close
    max.in.flight max.in.flight.requests.per.connection max.partition.fetch.bytes max.poll.interval.ms
    message.max.bytes metadata.max.age.ms metadata.recovery.rebootstrap.trigger.ms
    metadata.recovery.strategy partition.assignment.strategy queued.max.messages.kbytes
    queued.min.messages receive.message.max.bytes reconnect.backoff.max.ms reconnect.backoff.ms
    retry.backoff.max.ms retry.backoff.ms sasl.kerberos.keytab sasl.kerberos.kinit.cmd
    sasl.kerberos.min.time.before.relogin sasl.kerberos.principal sasl.kerberos.service.name
    sasl.mechanism sasl.mechanisms sasl.oauthbearer.client.id sasl.oauthbearer.client.secret
    sasl.oauthbearer.config sasl.oauthbearer.extensions sasl.oauthbearer.grant.type
    sasl.oauthbearer.method sasl.oauthbearer.scope sasl.oauthbearer.token.endpoint.url sasl.password
    sasl.username security.protocol session.timeout.ms socket.connection.setup.timeout.ms
    socket.keepalive.enable socket.max.fails socket.nagle.disable socket.receive.buffer.bytes
    socket.send.buffer.bytes socket.timeout.ms ssl.ca.certificate.stores ssl.ca.location ssl.ca.pem
    ssl.certificate.location ssl.certificate.pem ssl.cipher.suites ssl.crl.location ssl.curves.list
    ssl.endpoint.identification.algorithm ssl.key.location ssl.key.password ssl.key.pem
    ssl.keystore.location ssl.keystore.password ssl.providers ssl.sigalgs.list statistics.interval.ms
    topic.metadata.refresh.interval.ms
"""
KNOWN = frozenset(_KNOWN.split())
"""What a consumer may be told (librdkafka 2.16, CONFIGURATION.md), for names in any case and spelling."""

_BY_FOLDED = {each.replace(".", ""): each for each in KNOWN}
_MECHANISMS = {
    "gssapi": "GSSAPI",
    "plain": "PLAIN",
    "scramsha256": "SCRAM-SHA-256",
    "scramsha512": "SCRAM-SHA-512",
    "oauthbearer": "OAUTHBEARER",
}
_VALUES: dict[str, dict[str, str]] = {
    "security.protocol": {
        "plaintext": "plaintext",
        "ssl": "ssl",
        "saslplaintext": "sasl_plaintext",
        "saslssl": "sasl_ssl",
    },
    "sasl.mechanism": _MECHANISMS,
    "sasl.mechanisms": _MECHANISMS,
    "isolation.level": {"readcommitted": "read_committed", "readuncommitted": "read_uncommitted"},
    "partition.assignment.strategy": {
        "range": "range",
        "roundrobin": "roundrobin",
        "cooperativesticky": "cooperative-sticky",
    },
    "client.dns.lookup": {
        "usealldnsips": "use_all_dns_ips",
        "resolvecanonicalbootstrapserversonly": "resolve_canonical_bootstrap_servers_only",
    },
    "acks": {"none": "0", "leader": "1", "all": "-1"},
}
_LOWER = frozenset(
    {
        "auto.offset.reset",
        "broker.address.family",
        "compression.type",
        "group.protocol",
        "sasl.oauthbearer.method",
        "ssl.endpoint.identification.algorithm",
    }
)


def kafka_name(name: str) -> str:
    """`BootstrapServers`, `bootstrapservers` and `BOOTSTRAP_SERVERS` are `bootstrap.servers`.

    A name that isn't known passes as it is if it has a dot, else gets one before every capital but the first.
    """
    known = _BY_FOLDED.get(_folded(name))
    if known is not None or "." in name:
        return known or name.lower()
    return re.sub(r"(?<=.)(?=[A-Z])", ".", name).lower()


def kafka_value(name: str, value: object) -> str:
    """The value of the setting `name` (as librdkafka calls it); raises ValueError naming the choices."""
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value).strip()
    choices = _VALUES.get(name)
    if choices is None:
        return text.lower() if name in _LOWER else text
    if _folded(text) in choices:
        return choices[_folded(text)]
    if text in choices.values():
        return text
    raise ValueError(f"{name} can't be {text!r}; choose one of: {', '.join(choices.values())}.")


def _folded(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())
