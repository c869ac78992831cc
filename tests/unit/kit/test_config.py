"""Settings: names in every spelling, mistakes in words, secrets by declaration and by name."""

from __future__ import annotations

from typing import Annotated, ClassVar

import pytest
from pydantic import Field, SecretStr, field_validator

from whereupon.kit.config import Config, Ui, folded, read_settings, sounds_secret
from whereupon.model.errors import Mistakes


class Plain(Config):
    """Settings of a part."""

    servers: str = Field("localhost", alias="BootstrapServers")
    timeout: Annotated[int, Ui(advanced=True)] = Field(10, ge=1)
    password: Annotated[SecretStr, Ui(advanced=True)] = SecretStr("")
    token: SecretStr | None = Field(None, alias="ApiToken")


class Open(Config):
    """Settings of a part that takes others."""

    takes_others: ClassVar[bool] = True
    topic: str = ""


@pytest.mark.parametrize(
    "spelling",
    ["BootstrapServers", "bootstrap.servers", "bootstrap_servers", "BOOTSTRAPSERVERS", "servers", "Servers"],
)
def test_a_setting_is_read_in_every_case_and_spelling(spelling: str) -> None:
    assert read_settings(Plain, {spelling: "kafka:9092"}, where="Confluent").servers == "kafka:9092"


def test_settings_are_written_with_the_seed_s_names_and_without_defaults_and_secrets() -> None:
    settings = Plain.model_validate({"servers": "kafka:9092", "password": "hush"})
    written = settings.written()
    assert set(written) == {"BootstrapServers", "password"}
    assert "hush" not in f"{written} {settings!r}"


def test_a_setting_given_in_two_spellings_is_a_mistake() -> None:
    with pytest.raises(Mistakes) as raised:
        read_settings(Plain, {"timeout": 1, "Time.Out": 2}, where="Confluent")
    assert raised.value.mistakes == ["Confluent: Time.Out is given twice, in two spellings"]


def test_a_mistake_of_a_component_s_own_may_hold_braces() -> None:
    class Braced(Config):
        """Refuses everything."""

        name: str = ""

        @field_validator("name")
        @classmethod
        def _refuse(cls, value: str) -> str:
            raise ValueError("write it as {name}")

    with pytest.raises(Mistakes) as raised:
        read_settings(Braced, {"name": "x"}, where="Mine")
    assert raised.value.mistakes == ["Mine: name write it as {name}"]


def test_every_mistake_names_its_setting_and_no_value() -> None:
    with pytest.raises(Mistakes) as raised:
        read_settings(Plain, {"timeout": "s3cret", "timeot": 3, "BootstrapServers": 7}, where="Confluent")
    mistakes = raised.value.mistakes
    assert "Confluent: timeot is not a setting of this kind; did you mean timeout?" in mistakes
    assert "Confluent: timeout must be a whole number" in mistakes
    assert "Confluent: BootstrapServers must be text" in mistakes
    assert "s3cret" not in " ".join(mistakes)


def test_a_missing_setting_is_said_to_be_missing() -> None:
    class Needy(Config):
        path: str

    with pytest.raises(Mistakes) as raised:
        read_settings(Needy, {}, where="Outbox")
    assert raised.value.mistakes == ["Outbox: path is missing"]


def test_the_text_of_a_validation_error_shows_no_value() -> None:
    with pytest.raises(ValueError, match="timeout") as raised:
        Plain.model_validate({"timeout": "s3cret"})
    assert "s3cret" not in str(raised.value)


def test_settings_that_are_no_mapping_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="dictionary"):
        Plain.model_validate("text")


def test_other_settings_are_refused_unless_the_part_takes_them() -> None:
    assert Open.model_validate({"Topic": "t", "ssl.ca.location": "x"}).model_extra == {"ssl.ca.location": "x"}
    with pytest.raises(ValueError, match="ssl"):
        Plain.model_validate({"ssl.ca.location": "x"})


def test_declared_secrets_are_known_in_every_spelling() -> None:
    given = {"PassWord": "a", "api_token": "b", "timeout": 3, "SaslPassword": "c"}
    assert Plain.secret_names(given) == {"PassWord", "api_token", "SaslPassword"}


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("sasl.password", True),
        ("SaslPassword", True),
        ("sasl.oauthbearer.client.secret", True),
        ("ssl.key.pem", True),
        ("SslKeyPem", True),
        ("my.key", True),
        ("private.key.passphrase", True),
        ("ssl.key.location", False),
        ("sasl.oauthbearer.token.endpoint.url", False),
        ("group.id", False),
    ],
)
def test_a_free_setting_is_a_secret_if_it_sounds_like_one(name: str, secret: bool) -> None:
    assert sounds_secret(name) is secret
    assert (name in Open.secret_names({name: "x"})) is secret


def test_folding_keeps_letters_of_every_alphabet() -> None:
    assert folded("Größe-1_a.B") == "grösse1ab"
