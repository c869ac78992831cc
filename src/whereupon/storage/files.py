"""The set-up file: one YAML text that holds a whole system, kept in git and applied by a command."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from whereupon.model.errors import Mistakes, SetupError
from whereupon.model.paste import repair_json
from whereupon.model.setup import Noun, Setup
from whereupon.storage import places, sentences
from whereupon.storage.differences import NAMED, normal
from whereupon.storage.places import Document

VERSION = 1
"""The version of the format that this program writes and the newest that it reads."""
_CURLY = "“”„‟‘’‚‛«»"
_HEADER = """\
# The set-up of {name}. Apply it with: whereupon apply FILE --system DIR
# Secrets are never in this file: ${{secret:NAME}} is looked up when it is used (whereupon secrets set NAME).
"""


class DatabaseUrls(Noun):
    """Connection strings; an empty one is a SQLite file in the system's folder."""

    system: str = ""
    pull_marketing: str = ""
    streams: str = ""


class WebDatabases(Noun):
    """Other logins for the web service."""

    pull_marketing: str = ""
    streams: str = ""


class WebService(Noun):
    """Where the web service listens, and its own logins."""

    address: str = ""
    databases: WebDatabases = WebDatabases()


class SetupDocument(Setup):
    """What may stand in a set-up file."""

    version: int
    databases: DatabaseUrls = DatabaseUrls()
    web_service: WebService | None = None


@dataclass(frozen=True, slots=True)
class SetupFile:
    """A set-up file that was read. `base` is the folder that its data files are relative to; `given` are the campaigns
    whose `publish` stands in the file, `repairs` what was put right while reading."""

    setup: Setup
    databases: DatabaseUrls
    web_service: WebService | None
    base: Path
    given: frozenset[str] = frozenset()
    repairs: tuple[str, ...] = ()
    document: Document = field(default_factory=lambda: Document({}))

    def spoken(self, *steps: str | int) -> str:
        """Where something stands in the file, in words."""
        return self.document.spoken(self.document.place(steps))


def read_file(path: Path) -> SetupFile:
    """Read a set-up file; raises Mistakes with every mistake, each with its place and how to put it right."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SetupError(
            f"{path} can't be read: {error.strerror}.", hint="Name a set-up file, like tealhols.yaml."
        ) from error
    try:
        return read_text(places.decoded(data), base=path.resolve().parent)
    except Mistakes as error:
        count = len(error.mistakes)
        said = "a mistake" if count == 1 else f"{count} mistakes"
        raise Mistakes(f"{path.name} has {said}.", error.mistakes, hint=error.hint) from None


def read_text(text: str, *, base: Path) -> SetupFile:
    """The same from a text; `base` is the folder that its data files are relative to."""
    document = places.read(text)
    if not isinstance(document.data, dict):
        raise Mistakes("The file is no set-up.", ["line 1: a set-up file begins with version: 1"])
    _check_version(document)
    repairs = tuple(_repaired_settings(document))
    read, mistakes = _validated(document)
    mistakes = sorted([*document.mistakes, *mistakes], key=_line)
    if read is None or mistakes:
        raise Mistakes("The file has mistakes.", mistakes, hint="Put them right and apply the file again.")
    setup = Setup.model_construct(**{name: getattr(read, name) for name in Setup.model_fields})
    given = frozenset(each.name for each in setup.campaigns if "publish" in each.model_fields_set)
    return SetupFile(setup, read.databases, read.web_service, base, given, repairs, document)


def _check_version(document: Document) -> None:
    version = document.data.get("version")
    if isinstance(version, int) and version > VERSION:
        raise Mistakes(
            "The file was written for a newer Whereupon.",
            [f"{document.spoken(('version',))}: {version}; this program reads {VERSION}"],
            hint="Install the newer version of Whereupon.",
        )


def _validated(document: Document) -> tuple[SetupDocument | None, list[str]]:
    data = document.data
    try:
        read = SetupDocument.model_validate(data)
    except ValidationError as error:
        if _read_as_text(error, document):
            return _validated(document)
        return None, [*sentences.said(error, document, SetupDocument), *_twice(document)]
    found = [] if read.version == VERSION else [f"{document.spoken(('version',))}: must be {VERSION}"]
    return read, [*found, *_twice(document)]


def _line(mistake: str) -> int:
    found = re.match(r"line (\d+)", mistake)
    return int(found[1]) if found else 0


def _read_as_text(error: ValidationError, document: Document) -> bool:
    """Where text is asked for, a plain 5 or true is the text that stands there. True if anything was put right."""
    changed = False
    for each in error.errors(include_url=False):
        path = document.place(each["loc"])
        text = document.texts.get(path)
        if each["type"] == "string_type" and text and path and each["input"] is not None:
            _put(document.data, path, text)
            changed = True
    return changed


def _put(data: Any, path: places.Path, value: Any) -> None:
    for step in path[:-1]:
        data = data[step]
    data[path[-1]] = value


def _twice(document: Document) -> Iterator[str]:
    """Parts of one kind with the same name: files are merged by name."""
    for place, noun in NAMED.items():
        seen: dict[str, places.Path] = {}
        for path, part in _list_at(document, place):
            name = part.get("name") if isinstance(part, dict) else None
            if isinstance(name, str) and name in seen:
                first = document.lines[seen[name]]
                yield f"{document.spoken(path)}: there is another {noun.lower()} of this name on line {first}"
            elif isinstance(name, str):
                seen[name] = path


def _list_at(document: Document, place: places.Path) -> list[tuple[places.Path, Any]]:
    here = document.data
    for step in place:
        here = here.get(step) if isinstance(here, dict) else None
    return [((*place, number), each) for number, each in enumerate(here)] if isinstance(here, list) else []


# -- settings ------------------------------------------------------------------------------------------------------


def _repaired_settings(document: Document) -> Iterator[str]:
    """Settings may be pasted as the JSON that a form shows, with the quotes that a word processor made of them."""
    for place in (each for each in NAMED if each[-1] in ("providers", "stores", "streams", "channels")):
        for path, part in _list_at(document, place):
            if not isinstance(part, dict) or "settings" not in part:
                continue
            settings = (*path, "settings")
            try:
                value, repairs = repaired(part["settings"])
            except SetupError as error:
                document.mistakes.append(f"{document.spoken(settings)}: {error}")
                value, repairs = {}, []
            part["settings"] = value
            yield from (f"{document.spoken(settings)}: {each}" for each in repairs)


def repaired(settings: Any) -> tuple[Any, list[str]]:
    """Settings with straight quotes, and what was repaired."""
    if isinstance(settings, str):
        pasted = repair_json(settings)
        return pasted.value, list(pasted.repairs)
    if not isinstance(settings, dict):
        return settings, []
    plain = {_straight(name): _straight(value) for name, value in settings.items()}
    return plain, ["curly quotes taken off"] if plain != settings else []


def _straight(value: Any) -> Any:
    curly = isinstance(value, str) and len(value) > 1 and value[0] in _CURLY and value[-1] in _CURLY
    return value[1:-1] if curly else value


# -- writing -------------------------------------------------------------------------------------------------------


def written(setup: Setup, urls: Mapping[str, str]) -> str:
    """A set-up as the text of a file; applied to the system that it came from it changes nothing.

    `publish: true` stands at the campaigns whose draft is what is published.
    """
    data = normal(setup)
    for each, campaign in zip(data.get("campaigns", ()), setup.campaigns, strict=True):
        if campaign.publish:
            each["publish"] = True
    head = {"version": VERSION, "system": data.pop("system"), "databases": dict(urls)}
    blocks = [_dumped(_Block({name: value})) for name, value in {**head, **data}.items() if value]
    return _HEADER.format(name=setup.system.name) + "\n".join(blocks)


class _Dumper(yaml.SafeDumper):
    """Short mappings of plain values stand on one line, texts of several lines as they are."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)  # lists are indented below their key


class _Block(dict[str, Any]):
    """A mapping that never stands on one line."""


def _dumped(value: Any) -> str:
    return str(yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110))


def _mapping(dumper: _Dumper, value: dict[str, Any]) -> yaml.Node:
    plain = all(isinstance(each, str | int | float) and "\n" not in str(each) for each in value.values())
    short = sum(len(name) + len(str(each)) + 4 for name, each in value.items()) <= 96
    return dumper.represent_mapping("tag:yaml.org,2002:map", value.items(), flow_style=plain and short)


def _list(dumper: _Dumper, value: list[Any]) -> yaml.Node:
    plain = all(isinstance(each, str | int | float) for each in value) and len(str(value)) <= 100
    return dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=plain)


def _text(dumper: _Dumper, value: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(_Block, lambda dumper, value: dumper.represent_dict(value.items()))
_Dumper.add_representer(dict, _mapping)
_Dumper.add_representer(list, _list)
_Dumper.add_representer(str, _text)
