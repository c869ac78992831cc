"""A Kafka cluster's settings."""

from __future__ import annotations

import pytest

from whereupon.kit.config import read_settings
from whereupon.kit.kafka_settings import FIXED, KafkaProvider, instance_id
from whereupon.model.errors import Mistakes

SEED = {
    "BootstrapServers": "pkc-1.azure.confluent.cloud:9092",
    "SaslMechanism": "Plain",
    "SaslUsername": "6I5",
    "SaslPassword": "hush",
    "SecurityProtocol": "SaslSsl",
}


def provider(**others: object) -> KafkaProvider:
    """The seed's settings and others."""
    return KafkaProvider.model_validate({**SEED, **others})


def test_the_settings_of_the_seed_are_those_of_kafkas_client() -> None:
    settings, secrets = provider().client()
    assert settings == {
        "bootstrap.servers": "pkc-1.azure.confluent.cloud:9092",
        "security.protocol": "sasl_ssl",
        "sasl.mechanism": "PLAIN",
        "sasl.username": "6I5",
        "sasl.password": "hush",
    }
    assert secrets == ["hush"]


@pytest.mark.parametrize("spelling", ["SASL_SSL", "sasl_ssl", "saslssl", "SaslSsl"])
def test_values_are_taken_in_every_spelling_and_written_as_the_seed_does(spelling: str) -> None:
    assert provider(SecurityProtocol=spelling, SaslMechanism="SCRAM-SHA-256").written() == {
        **SEED,
        "SaslMechanism": "ScramSha256",
        "SaslPassword": "**********",
    }


def test_any_other_setting_of_the_client_passes() -> None:
    settings, _ = provider(FetchWaitMaxMs=50, sslcalocation="/ca.pem", **{"some.new.one": True}).client()
    assert settings["fetch.wait.max.ms"] == "50"
    assert settings["ssl.ca.location"] == "/ca.pem"
    assert settings["some.new.one"] == "true"


@pytest.mark.parametrize(
    ("others", "words"),
    [
        ({"BootstrapServer": "x"}, "BootstrapServer is not a setting of Kafka's client"),
        ({"FetchWaitMaxMs": [1]}, "must be a text, a number, true or false"),
        ({"SecurityProtocol": "Tls"}, "SecurityProtocol must be 'Plaintext', 'Ssl'"),
        ({"BrokerAddressFamily": "v4", "IsolationLevel": "some"}, "isolation.level can't be 'some'"),
    ],
)
def test_a_mistake_is_said_with_its_place(others: dict[str, object], words: str) -> None:
    with pytest.raises(Mistakes) as error:
        read_settings(KafkaProvider, {**SEED, **others}, where="provider Confluent")
    assert words in " ".join(error.value.mistakes)
    assert "hush" not in str(error.value.mistakes)


def test_secrets_among_the_other_settings_are_hidden() -> None:
    made = provider(
        SslKeyPem="-----BEGIN", SslKeyPassword="also hush", **{"sasl.oauthbearer.client.secret": "shh"}
    )
    assert not [
        each for each in ("-----BEGIN", "also hush", "shh", "hush'") if each in f"{made!r}{made.written()}"
    ]
    settings, secrets = made.client()
    assert settings["ssl.key.pem"] == "-----BEGIN"
    assert set(secrets) == {"hush", "-----BEGIN", "also hush", "shh"}
    assert KafkaProvider.secret_names({**SEED, "SslKeyPassword": "x"}) == {"SaslPassword", "SslKeyPassword"}


def test_without_sasl_no_user_is_sent() -> None:
    settings, _ = provider(SecurityProtocol="Ssl").client()
    assert not [each for each in settings if each.startswith("sasl")]


def test_what_loses_events_cannot_be_set_and_is_said() -> None:
    made = provider(AutoOffsetReset="Earliest", EnableAutoCommit=True)
    settings, _ = made.client()
    assert not FIXED.keys() & settings.keys()
    assert [each.split()[0] for each in made.weaknesses()] == ["AutoOffsetReset", "EnableAutoCommit"]


def test_what_is_weak_is_said() -> None:
    assert provider().weaknesses() == []
    plain = provider(SecurityProtocol="Plaintext").weaknesses()
    assert ["Nothing is encrypted" in plain[0], "SaslUsername is not used" in plain[1]] == [True, True]
    assert "not checked" in provider(EnableSslCertificateVerification=False).weaknesses()[0]


def test_the_lasting_name_has_only_letters_that_kafka_takes() -> None:
    assert instance_id("TealHols", "SignIn", "f-1") == "TealHols.SignIn.f-1"
    odd = [
        instance_id("Teal Hols", "Anmeldung ü", "f-1"),
        instance_id("Teal-Hols", "Anmeldung ü", "f-1"),
        instance_id("x" * 300, "", ""),
    ]
    assert len(set(odd)) == 3
    assert all(len(each) < 249 and each.isascii() and " " not in each for each in odd)
