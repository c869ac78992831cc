"""The test servers are real: each answers a client of its kind."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Callable
from contextlib import closing
from email.message import EmailMessage

import psycopg
import pycurl
import pytest
from confluent_kafka import Consumer

from tests.servers import smtp as mail
from tests.servers.authority import Authority
from tests.servers.http import DRIP, LOST, RESET, Answer, HttpSink
from tests.servers.kafka import Kafka
from tests.servers.keyring import KeyringBus
from tests.servers.postgresql import PostgreSQL
from tests.servers.scripted_smtp import ScriptedSmtp
from tests.servers.smtp import SmtpServer

pytestmark = pytest.mark.outside


def read(settings: dict[str, str], topic: str, *, count: int) -> list[bytes | None]:
    """The first `count` events of a topic."""
    consumer = Consumer({**settings, "group.id": topic, "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    with closing(consumer):
        return [each.value() for each in consumer.consume(count, 20)]


def test_kafka_keeps_its_events_over_kill_9(kafka: Kafka) -> None:
    topic = kafka.new_topic(partitions=1)
    kafka.produce(topic, [b"one", b"two", None])
    kafka.kill()
    kafka.restart()
    assert read({"bootstrap.servers": kafka.plain}, topic, count=3) == [b"one", b"two", None]


def test_kafka_speaks_sasl_over_tls(kafka: Kafka) -> None:
    topic = kafka.new_topic(partitions=1)
    kafka.produce(topic, [b"one"], keys=[b"key"])
    assert read(kafka.secure_settings(), topic, count=1) == [b"one"]


def test_a_topic_grows_and_goes(kafka: Kafka) -> None:
    topic = kafka.new_topic(partitions=2)
    kafka.add_partitions(topic, total=4)
    assert kafka.partitions(topic) == 4
    kafka.delete_topic(topic)
    assert kafka.partitions(topic) == 0


def test_postgresql_keeps_its_rows_over_kill_9(postgresql: PostgreSQL) -> None:
    database = postgresql.create_database()
    postgresql.execute(database, "CREATE TABLE person (name text)")
    postgresql.execute(database, "INSERT INTO person VALUES (%s)", ["Ada"])
    postgresql.kill()
    postgresql.restart()
    assert postgresql.rows(database, "SELECT name FROM person") == [("Ada",)]
    postgresql.drop_database(database)


def test_postgresql_speaks_tls_with_a_checked_name(postgresql: PostgreSQL) -> None:
    with psycopg.connect(postgresql.dsn("postgres", secure=True)) as connection:
        assert connection.pgconn.ssl_in_use
    with psycopg.connect(postgresql.url("postgres")) as connection:
        assert not connection.pgconn.ssl_in_use


def test_odbc_reads_from_postgresql(postgresql: PostgreSQL, odbc: Callable[[str], str]) -> None:
    import pyodbc

    with closing(pyodbc.connect(odbc("postgres"))) as connection:
        row = connection.execute("SELECT 'Zoë', true").fetchone()
    assert tuple(row) == ("Zoë", True)


def test_the_keyring_holds_secrets_and_can_be_locked(keyring_bus: KeyringBus) -> None:
    from keyring.backends import SecretService
    from keyring.errors import KeyringLocked

    ring = SecretService.Keyring()
    ring.set_password("whereupon", "someone", "a secret")
    assert ring.get_password("whereupon", "someone") == "a secret"
    keyring_bus.lock()
    with pytest.raises(KeyringLocked):
        SecretService.Keyring().get_password("whereupon", "someone")


def letter(to: str = "ada@example.org") -> EmailMessage:
    """A mail."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "shop@example.org", to, "Zoë"
    message["Message-ID"] = "<key-1@example.org>"
    message.set_content("Hello.\n.\nBye.")
    return message


def test_a_mail_arrives_as_it_was_sent(smtp: SmtpServer) -> None:
    smtp.refuse.add("nobody@example.org")
    with smtplib.SMTP(smtp.host, smtp.port) as client:
        client.send_message(letter())
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            client.send_message(letter(to="nobody@example.org"))
    (taken,) = smtp.wait_for(1)
    assert (taken.key, taken.message["Subject"], taken.recipients) == ("key-1", "Zoë", ("ada@example.org",))
    assert taken.message.get_content().splitlines() == ["Hello.", ".", "Bye."]


def test_a_mail_server_asks_for_tls_and_a_login(authority: Authority) -> None:
    server = SmtpServer(authority=authority, login=True)
    server.start()
    with closing(smtplib.SMTP(server.host, server.port)) as client:
        client.starttls(context=ssl.create_default_context(cafile=str(authority.ca)))
        with pytest.raises(smtplib.SMTPAuthenticationError):
            client.login(mail.USER, "wrong")
        client.login(mail.USER, mail.PASSWORD)
        client.send_message(letter())
        client.quit()
    server.stop()
    assert len(server.mails) == 1


def test_a_scripted_mail_server_closes_after_it_took_a_mail(scripted_smtp: ScriptedSmtp) -> None:
    scripted_smtp.script("rcpt", "451 4.2.1 later", recipient="bob@example.org")
    scripted_smtp.script("end", then="close")
    with closing(smtplib.SMTP(scripted_smtp.host, scripted_smtp.port)) as client:
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            client.send_message(letter(to="bob@example.org"))
        with pytest.raises(smtplib.SMTPServerDisconnected):
            client.send_message(letter())
    assert scripted_smtp.keys() == {"key-1": 1}


def test_a_scripted_mail_server_speaks_tls(authority: Authority) -> None:
    server = ScriptedSmtp(authority=authority)
    server.start()
    with smtplib.SMTP("localhost", server.port) as client:
        client.starttls(context=ssl.create_default_context(cafile=str(authority.ca)))
        client.login("anybody", "anything")
        client.send_message(letter())
    server.stop()
    assert server.mails[0].message.get_content().splitlines() == ["Hello.", ".", "Bye."]


def post(curl: pycurl.Curl, url: str, key: str, *, timeout: int = 5) -> int:
    """The status that a post gets; raises pycurl.error where there is none."""
    curl.setopt(pycurl.URL, url)
    curl.setopt(pycurl.HTTPHEADER, [f"Idempotency-Key: {key}"])
    curl.setopt(pycurl.POSTFIELDS, '{"urn": "u1"}')
    curl.setopt(pycurl.WRITEFUNCTION, len)
    curl.setopt(pycurl.TIMEOUT_MS, timeout * 1000)
    curl.perform()
    return int(curl.getinfo(pycurl.RESPONSE_CODE))


def test_the_http_sink_knows_a_key_again_and_keeps_the_connection(http_sink: HttpSink) -> None:
    with closing(pycurl.Curl()) as curl:
        http_sink.script("a", Answer(503, retry_after="2"))
        assert [post(curl, http_sink.url, each) for each in ("a", "a", "a", "b")] == [503, 200, 200, 200]
    seen = http_sink.wait_for(2)
    assert [(seen[key].attempts, seen[key].taken) for key in ("a", "b")] == [(3, 2), (1, 1)]
    assert (http_sink.connections, seen["a"].json) == (1, {"urn": "u1"})


@pytest.mark.parametrize(("answer", "taken"), [(LOST, 1), (RESET, 0), (DRIP, 1), (Answer(then="hang"), 0)])
def test_the_http_sink_takes_a_message_whose_answer_nobody_hears(
    http_sink: HttpSink, answer: Answer, taken: int
) -> None:
    http_sink.otherwise = answer
    with closing(pycurl.Curl()) as curl:
        curl.setopt(pycurl.FRESH_CONNECT, 1)
        with pytest.raises(pycurl.error):
            post(curl, http_sink.url, "a", timeout=1)
    assert http_sink.received["a"].taken == taken


def test_the_http_sink_tells_messages_apart_by_what_is_in_them() -> None:
    sink = HttpSink(identify=rb'"urn": *"([^"]*)"')
    sink.script("u1", Answer(302, location="http://127.0.0.1:1/"))
    sink.start()
    with closing(pycurl.Curl()) as curl:
        assert [post(curl, sink.url, "a"), post(curl, sink.url, "b")] == [302, 200]
    sink.stop()
