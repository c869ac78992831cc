"""Settings of a component: one declaration that is form, file format, check and help."""

from __future__ import annotations

import difflib
import fnmatch
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from whereupon.model.errors import Mistakes

SECRET_NAMES = ("*password*", "*passphrase*", "*secret*", "*pem", "*.key", "*token*")
# Where a secret is found or asked for is none itself: `ssl.key.location`, `sasl.oauthbearer.token.endpoint.url`.
PLACES = ("*url", "*location")


@dataclass(frozen=True, slots=True)
class Ui:
    """How a form shows a setting."""

    advanced: bool = False
    multiline: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """Marks a setting that names another part of this role; assembly opens it and passes it in."""

    role: str


class Config(BaseModel):
    """A component's settings. Keys are read in any case and spelling (`BootstrapServers`, `bootstrap.servers`)
    and written with the alias; unknown keys are refused unless `takes_others`."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, hide_input_in_errors=True)
    takes_others: ClassVar[bool] = False

    @classmethod
    def __pydantic_init_subclass__(cls, **_: object) -> None:
        if cls.takes_others and cls.model_config.get("extra") != "allow":
            cls.model_config["extra"] = "allow"
            cls.model_rebuild(force=True, raise_errors=False)

    @model_validator(mode="before")
    @classmethod
    def _known_names(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        names = cls._spellings()
        read: dict[str, object] = {}
        for spelled, each in value.items():
            name = names.get(folded(str(spelled)), str(spelled))
            if name in read:
                raise ValueError(f"{spelled} is given twice, in two spellings")
            read[name] = each
        return read

    def written(self) -> dict[str, Any]:
        """The settings under the names they are written with; secrets stay hidden."""
        return self.model_dump(by_alias=True, mode="json", exclude_defaults=True)

    @classmethod
    def secret_names(cls, settings: dict[str, Any]) -> frozenset[str]:
        """Which keys of `settings` hold a secret: declared ones, and undeclared ones whose name says so."""
        spellings = cls._spellings()
        return frozenset(name for name in settings if cls._secret(name, spellings.get(folded(name))))

    @classmethod
    def _secret(cls, spelled: str, name: str | None) -> bool:
        if name is None:
            return sounds_secret(spelled)
        annotation = cls.model_fields[name].annotation
        return annotation is SecretStr or SecretStr in get_args(annotation)

    @classmethod
    def _spellings(cls) -> dict[str, str]:
        """The folded spellings of each setting, by its own name and by the one it is written with."""
        fields = cls.model_fields.items()
        aliases = {folded(info.alias): name for name, info in fields if info.alias}
        return {folded(name): name for name, _ in fields} | aliases


K = TypeVar("K", bound=Config)


def folded(name: str) -> str:
    """A setting's name without case and punctuation: `BootstrapServers` and `bootstrap.servers` are one."""
    return re.sub(r"[\W_]", "", name.casefold())


def sounds_secret(name: str) -> bool:
    """True if a free setting of this name is a secret, though undeclared."""
    lower = name.lower()
    return not _like(lower, PLACES) and _like(lower, SECRET_NAMES)


def _like(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, each) for each in patterns)


class SendingConfig(Config):
    """What every channel that hands messages on can be told."""

    largest: Annotated[int, Ui(advanced=True)] = Field(
        1_000_000,
        ge=1_000,
        le=10_000_000,
        title="Largest message (bytes)",
        description="A larger message is withheld.",
    )


class TrustingConfig(Config):
    """What every component that speaks TLS can be told."""

    ca_file: Annotated[str, Ui(advanced=True)] = Field(
        "",
        title="File of authorities",
        description="PEM file of the certificate authorities to trust instead of the usual ones.",
    )


def read_settings(config: type[K], settings: dict[str, Any], *, where: str) -> K:
    """Settings checked against their declaration; raises Mistakes, each naming the setting and the reason."""
    try:
        return config.model_validate(settings)
    except ValidationError as error:
        names = {name: info.alias or name for name, info in config.model_fields.items()}
        raise Mistakes(
            f"{where} has settings that can't be used.",
            mistakes(error, where, names),
            hint="Correct or remove them.",
        ) from None


def mistakes(
    error: ValidationError, where: str, names: Mapping[str, str] = MappingProxyType({})
) -> list[str]:
    """One sentence for each thing that pydantic found, without the input's value (it may be a secret).

    `names` maps each setting there is to the name it is written with; the nearest is offered for one that there isn't.
    """
    lines = []
    for each in error.errors(include_url=False, include_input=False):
        place = ".".join(names.get(str(step), str(step)) for step in each["loc"])
        plain = _SAID.get(each["type"])
        said = plain.format(**each.get("ctx", {})) if plain else each["msg"].removeprefix("Value error, ")
        near = (
            difflib.get_close_matches(place, names.values(), 1) if each["type"] == "extra_forbidden" else []
        )
        hint = f"; did you mean {near[0]}?" if near else ""
        lines.append(f"{where}: {place} {said}{hint}" if place else f"{where}: {said}{hint}")
    return lines


_SAID = {
    "extra_forbidden": "is not a setting of this kind",
    "missing": "is missing",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "string_type": "must be text",
    "string_too_short": "is empty",
    "literal_error": "must be {expected}",
    "url_scheme": "must begin with one of {expected_schemes}, followed by ://",
    "url_parsing": "must be an address like https://host/path",
    "url_type": "must be an address like https://host/path",
}
