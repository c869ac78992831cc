"""Kafka's settings under the names that existing installations use."""

from __future__ import annotations

import pytest

from whereupon.kit.kafka_names import KNOWN, kafka_name, kafka_value


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("BootstrapServers", "bootstrap.servers"),
        ("bootstrapservers", "bootstrap.servers"),
        ("BOOTSTRAP_SERVERS", "bootstrap.servers"),
        ("bootstrap.servers", "bootstrap.servers"),
        ("SslCaLocation", "ssl.ca.location"),
        ("EnableSslCertificateVerification", "enable.ssl.certificate.verification"),
        ("FetchQueueBackoffMs", "fetch.queue.backoff.ms"),
        ("SomethingNewMs", "something.new.ms"),
        ("Something.New.Ms", "something.new.ms"),
    ],
)
def test_a_name_is_understood_in_every_spelling(written: str, meant: str) -> None:
    assert kafka_name(written) == meant


def test_every_known_name_is_found_from_its_dotless_form() -> None:
    assert all(kafka_name("".join(step.title() for step in each.split("."))) == each for each in KNOWN)


@pytest.mark.parametrize(
    ("name", "written", "meant"),
    [
        ("security.protocol", "SaslSsl", "sasl_ssl"),
        ("security.protocol", "SASL_SSL", "sasl_ssl"),
        ("security.protocol", "Plaintext", "plaintext"),
        ("security.protocol", "SaslPlaintext", "sasl_plaintext"),
        ("sasl.mechanism", "Plain", "PLAIN"),
        ("sasl.mechanism", "plain", "PLAIN"),
        ("sasl.mechanism", "ScramSha256", "SCRAM-SHA-256"),
        ("sasl.mechanism", "SCRAM-SHA-512", "SCRAM-SHA-512"),
        ("sasl.mechanism", "OAuthBearer", "OAUTHBEARER"),
        ("sasl.mechanism", "Gssapi", "GSSAPI"),
        ("auto.offset.reset", "Earliest", "earliest"),
        ("acks", "All", "-1"),
        ("acks", "-1", "-1"),
        ("acks", "Leader", "1"),
        ("partition.assignment.strategy", "CooperativeSticky", "cooperative-sticky"),
        ("isolation.level", "ReadCommitted", "read_committed"),
        ("client.dns.lookup", "UseAllDnsIps", "use_all_dns_ips"),
        ("ssl.endpoint.identification.algorithm", "Https", "https"),
        ("enable.ssl.certificate.verification", False, "false"),
        ("fetch.wait.max.ms", 50, "50"),
        ("ssl.ca.location", " /Path/To/CA.pem ", "/Path/To/CA.pem"),
    ],
)
def test_a_value_is_translated(name: str, written: object, meant: str) -> None:
    assert kafka_value(name, written) == meant


def test_a_value_that_does_not_exist_is_refused_with_the_choices() -> None:
    with pytest.raises(ValueError, match=r"sasl\.mechanism can't be 'Plane'; choose one of: GSSAPI, PLAIN"):
        kafka_value("sasl.mechanism", "Plane")
