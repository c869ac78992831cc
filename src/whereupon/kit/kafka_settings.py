"""A Kafka cluster's settings, and what a consumer of ours is told beside them."""

from __future__ import annotations

import hashlib
import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, ConfigDict, Field, SecretStr, model_validator

from whereupon.kit.config import Config, folded, sounds_secret
from whereupon.kit.kafka_names import KNOWN, kafka_name, kafka_value

TUNED = {
    "fetch.queue.backoff.ms": "2",
    "isolation.level": "read_committed",
    "reconnect.backoff.max.ms": "2000",
    "reconnect.backoff.ms": "500",
    "socket.connection.setup.timeout.ms": "10000",
    "socket.keepalive.enable": "true",
    "socket.timeout.ms": "10000",
    "topic.metadata.refresh.interval.ms": "30000",
}
FIXED = {
    "auto.offset.reset": "error",
    "enable.auto.commit": "false",
    "enable.auto.offset.store": "false",
    "enable.partition.eof": "false",
    "group.protocol": "classic",
    "partition.assignment.strategy": "range",
    "statistics.interval.ms": "1000",
}
"""With any other value events would be lost, doubled or stand still."""
OURS = frozenset({*FIXED, "group.id", "group.instance.id", "client.id"})
CONNECTION = {name: each for name, each in TUNED.items() if name.startswith(("reconnect.", "socket."))}


def _choice(*choices: str) -> BeforeValidator:
    meant = {folded(each): each for each in choices}
    return BeforeValidator(lambda value: meant.get(folded(str(value)), value))


PROTOCOLS = ("Plaintext", "Ssl", "SaslPlaintext", "SaslSsl")
MECHANISMS = ("Plain", "ScramSha256", "ScramSha512", "OAuthBearer", "Gssapi")


class KafkaProvider(Config):
    """A Kafka cluster. Any other setting of Kafka's client may stand beside these, named like them."""

    model_config = ConfigDict(extra="allow")
    takes_others: ClassVar[bool] = True

    bootstrap_servers: str = Field(
        alias="BootstrapServers",
        min_length=1,
        title="Bootstrap servers",
        description="One or more brokers as host:port, separated by commas.",
        examples=["localhost:9092"],
    )
    security_protocol: Annotated[Literal[PROTOCOLS], _choice(*PROTOCOLS)] = Field(  # type: ignore[valid-type]
        "Plaintext",
        alias="SecurityProtocol",
        title="Security protocol",
        description="SaslSsl for a hosted Kafka; Plaintext encrypts nothing.",
    )
    sasl_mechanism: Annotated[Literal[MECHANISMS], _choice(*MECHANISMS)] = Field(  # type: ignore[valid-type]
        "Plain",
        alias="SaslMechanism",
        title="SASL mechanism",
        description="How the user signs in, where the protocol is one with SASL.",
    )
    sasl_username: str = Field(
        "", alias="SaslUsername", title="User name", description="The user, or the API key of a hosted Kafka."
    )
    sasl_password: SecretStr = Field(
        SecretStr(""),
        alias="SaslPassword",
        title="Password",
        description="The password, or the API secret of a hosted Kafka.",
    )

    @model_validator(mode="before")
    @classmethod
    def _others(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        known = {folded(each) for each in cls.model_fields}
        return {name: each if folded(name) in known else _other(name, each) for name, each in value.items()}

    def client(self) -> tuple[dict[str, str], list[str]]:
        """The settings as Kafka's client takes them, without those that are ours, and the secrets among them."""
        given: dict[str, Any] = {
            "bootstrap.servers": self.bootstrap_servers,
            "security.protocol": self.security_protocol,
        }
        if self.security_protocol.startswith("Sasl"):
            given |= {"sasl.mechanism": self.sasl_mechanism, "sasl.username": self.sasl_username}
            given["sasl.password"] = self.sasl_password
        given |= {kafka_name(name): each for name, each in (self.model_extra or {}).items()}
        secrets = [each.get_secret_value() for each in given.values() if isinstance(each, SecretStr)]
        plain = {n: v.get_secret_value() if isinstance(v, SecretStr) else v for n, v in given.items()}
        plain = {name: each for name, each in plain.items() if name not in OURS and each != ""}
        return {name: kafka_value(name, each) for name, each in plain.items()}, secrets

    def weaknesses(self) -> list[str]:
        """No encryption, no checking of certificates, settings that are ours."""
        settings, _ = self.client()
        ours = [name for name in self.model_extra or {} if kafka_name(name) in OURS]
        found = [f"{name} is set by Whereupon itself; the provider's value is not used." for name in ours]
        if not settings["security.protocol"].endswith("ssl"):
            found.append("Nothing is encrypted on the way from Kafka (SecurityProtocol).")
        elif settings.get("enable.ssl.certificate.verification") == "false":
            found.append("Kafka's certificate is not checked (EnableSslCertificateVerification).")
        if self.sasl_username and not settings["security.protocol"].startswith("sasl"):
            found.append("SaslUsername is not used, because SecurityProtocol is one without SASL.")
        return found


def _other(name: str, value: object) -> object:
    if not isinstance(value, str | int | float | bool | SecretStr):
        raise ValueError(f"{name} must be a text, a number, true or false")
    if kafka_name(name) not in KNOWN and "." not in name:
        raise ValueError(f"{name} is not a setting of Kafka's client")
    if isinstance(value, SecretStr):
        return value
    kafka_value(kafka_name(name), value)
    return SecretStr(str(value)) if sounds_secret(name) else value


def instance_id(system: str, name: str, folder_id: str) -> str:
    """The lasting name of this service in the group, in the letters that Kafka takes."""
    full = f"{system}.{name}.{folder_id}"
    if re.fullmatch(r"[A-Za-z0-9._-]{1,200}", full):
        return full
    return f"{re.sub(r'[^A-Za-z0-9._-]+', '-', full)[:120]}-{hashlib.sha256(full.encode()).hexdigest()[:16]}"
