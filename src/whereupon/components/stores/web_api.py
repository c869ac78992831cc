"""Records behind a Pull Marketing web API, an existing installation's or ours."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar
from urllib.parse import quote, urlsplit
from uuid import uuid4

import msgspec
from pydantic import Field, SecretStr

from whereupon.connect import probe
from whereupon.connect.http import Answer, Call, Failure, Http
from whereupon.connect.vetting import warnings_for
from whereupon.kit.config import Config
from whereupon.kit.record_flaws import fields_flaw, key_flaw
from whereupon.kit.registry import store
from whereupon.kit.roles import Context, Nothing, Stage, Store
from whereupon.model.errors import Away, Refused, SetupError, Unavailable, WhereuponError
from whereupon.model.events import Filled, Record

_A = TypeVar("_A")
log = logging.getLogger(__name__)
IN_FLIGHT = 32
LOOK_UP, FILL = 2.0, 60.0
"""Seconds that a look-up of a batch, and one request of a fill, may take."""
AT_ONCE = 2000
"""Records in one file of a bulk request."""
DELIMITERS = "|;,~^\x1f\x1e\x1d\x1c\x07"
"""The receiver may split lines without looking at quotes, so one is taken that stands in no value."""
FOUND, NOT_FOUND = 200, 404


class WebApiConfig(Config):
    """One data store of a Pull Marketing web API."""

    data_store_name: str = Field(
        alias="dataStoreName",
        min_length=1,
        max_length=200,
        title="Data store",
        description="Its name in the web API; made with the first fill if it isn't there.",
        examples=["TealGreen"],
    )
    end_point: str = Field(
        alias="endPoint",
        pattern=r"^https?://[^\s/?#]+[^\s?#]*$",
        title="End point",
        description="The web API's address, such as https://host/pmm; /api/… is put behind it.",
        examples=["https://localhost/pmm"],
    )
    token: SecretStr = Field(
        SecretStr(""), title="Token", description="Sent as a bearer token, where the web API wants one."
    )


class Pair(msgspec.Struct):
    """A field's name and value, as the web API writes them."""

    key: str
    value: str | None = None


class Fields(msgspec.Struct):
    """A record's fields."""

    fields: list[Pair] | None = None


class Upserted(msgspec.Struct, rename="camel"):
    """What a bulk request did."""

    number_of_records_upserted: int = -1


@store("web_api", title="Web API", config=WebApiConfig)
class WebApi(Store[Nothing, WebApiConfig]):
    """Looks up by up to 32 requests at once over kept connections; fills by bulk files, and one by one what can't stand
    in a file."""

    def __init__(self, provider: Nothing, config: WebApiConfig, context: Context) -> None:
        super().__init__(provider, config, context)
        self._root = f"{config.end_point.rstrip('/')}/api"
        self._name = quote(config.data_store_name, safe="")
        self._headers = ["Accept: application/json"]
        if token := config.token.get_secret_value():
            self._headers.append(f"Authorization: Bearer {token}")
        self._free: list[Http] = []
        self._lock = threading.Lock()
        self._there = False

    # ------------------------------------------------------------------------------------------ finding
    def find(self, keys: Sequence[str]) -> Mapping[str, dict[str, str]]:
        """The records of these keys, as asked for, that exist."""
        meant = {key: trimmed for key in keys if not _key_flaw(trimmed := key.strip())}
        calls = [self._call("GET", self._record(each), tag=each) for each in dict.fromkeys(meant.values())]
        found: dict[str, dict[str, str]] = {}
        for answer in self._answers(calls, within=LOOK_UP):
            if answer.status == NOT_FOUND:
                continue
            self._judge(answer, of_one=f"the key {answer.tag}")
            # The reference installation answers 200 without fields for a key that it doesn't know.
            if fields := self._read(answer, Fields).fields:
                found[str(answer.tag)] = {each.key: each.value or "" for each in fields}
        return {key: found[each] for key, each in meant.items() if each in found}

    # ------------------------------------------------------------------------------------------ filling
    def fill(self, records: Sequence[Record]) -> Filled:
        """Merge records; the web API doesn't say which were new, so all count as updated."""
        self._make_store()
        updated, rejected = 0, list[tuple[str, str]]()
        left = iter(records)
        while some := list(islice(left, AT_ONCE)):
            flaws = [(each.key, flaw) for each in some if (flaw := _flaw(each))]
            singly: list[Record] = []
            for file in files(merged(some), self.context.reference or "urn", singly):
                singly += [] if self._bulk(file) else file.records
            refused = self._put(singly)
            updated, rejected = updated + len(some) - len(flaws) - len(refused), rejected + flaws + refused
        return Filled(0, updated, tuple(rejected))

    def _make_store(self) -> None:
        if self._there:
            return
        answer = self._ask("GET", f"DataStores/{self._name}")
        if answer.status in (NOT_FOUND, 400):
            body = {
                "name": self.config.data_store_name,
                "primaryKeyFieldName": self.context.reference or "urn",
            }
            self._judge(self._ask("POST", "DataStores", msgspec.json.encode(body)))
            log.info("Made the data store %s at %s", self.config.data_store_name, self.config.end_point)
        else:
            self._judge(answer)
        self._there = True

    def _bulk(self, file: File) -> bool:
        kind, body = multipart(file)
        answer = self._ask("POST", f"Records/{self._name}/BulkUpsertRecords", body, kind=kind)
        if answer.status == 400:
            log.warning("The web API refused a bulk file, its records go one by one: %s", _words(answer))
            return False
        self._judge(answer)
        # Rows that the receiver dropped are in neither of its counts.
        return self._read(answer, Upserted).number_of_records_upserted == len(file.records)

    def _put(self, records: Sequence[Record]) -> list[tuple[str, str]]:
        calls = []
        for each in records:
            known = each.fields or {self.context.reference or "urn": each.key}
            fields = [{"key": name, "value": value} for name, value in known.items()]
            body = msgspec.json.encode({"fields": fields})
            calls.append(self._call("PUT", self._record(each.key), body, tag=each.key, timeout=FILL))
        refused = []
        for answer in self._answers(calls, within=FILL + len(calls)):
            try:
                self._judge(answer, of_one=f"the record {answer.tag}")
            except Refused as error:
                refused.append((str(answer.tag), error.message))
        return refused

    # ------------------------------------------------------------------------------------------- calling
    def _record(self, key: str) -> str:
        return f"Records/{self._name}/{quote(key, safe='')}"

    def _call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        tag: object = None,
        timeout: float = LOOK_UP,
        kind: str = "application/json",
    ) -> Call:
        headers = self._headers if body is None else [*self._headers, f"Content-Type: {kind}"]
        return Call(tag, method, f"{self._root}/{path}", headers, body, timeout)

    def _ask(
        self, method: str, path: str, body: bytes | None = None, *, kind: str = "application/json"
    ) -> Answer:
        call = self._call(method, path, body, timeout=FILL, kind=kind)
        (answer,) = self._answers([call], within=FILL + 1)
        return answer

    def _answers(self, calls: Sequence[Call], *, within: float) -> Iterator[Answer]:
        waiting, under_way, deadline = deque(calls), 0, time.monotonic() + within
        with self._http() as http:
            while waiting or under_way:
                while waiting and http.room():
                    http.send(waiting.popleft())
                    under_way += 1
                left = deadline - time.monotonic()
                if left <= 0:
                    raise Unavailable(
                        f"The web API at {self.config.end_point} didn't answer in {within:g} s."
                    )
                for answer in http.answers(left):
                    under_way -= 1
                    yield answer

    @contextmanager
    def _http(self) -> Iterator[Http]:
        """Connections of this thread's own; what is still under way after an error is broken off with them."""
        with self._lock:
            http = self._free.pop() if self._free else None
        http = http or Http(connections=IN_FLIGHT, once_only=False)
        try:
            yield http
        except BaseException:
            http.close()
            raise
        with self._lock:
            self._free.append(http)

    def _judge(self, answer: Answer, *, of_one: str = "") -> None:
        """Raise what an answer other than 2xx means."""
        where, status = f"The web API at {self.config.end_point}", answer.status
        if answer.failure is not None:
            tls = answer.failure is Failure.TLS
            raise Away(
                f"{where} can't be reached: {answer.text or answer.failure.value}.",
                hint="Check its certificate." if tls else "Check endPoint, the network, and that it runs.",
            )
        if 200 <= status < 300:
            return
        if status in (401, 403):
            raise Away(f"{where} refuses us ({status}).", hint="Check the store's token.")
        if status == 429:
            wait = answer.headers.get("retry-after", "")
            retry = float(wait) if wait.isdigit() else None
            raise Unavailable(f"{where} asks us to wait.", hint="It is tried again.", retry_after=retry)
        if status >= 500:
            raise Unavailable(f"{where} failed ({status}).", hint="Look into its own log.")
        if of_one and 400 <= status < 500 and status != NOT_FOUND:
            raise Refused(f"{where} refuses {of_one} ({status}): {_words(answer)}", hint="Look at the data.")
        raise SetupError(
            f"{where} answered {status}: {_words(answer)}",
            hint="Check endPoint: it must be a Pull Marketing web API.",
        )

    def _read(self, answer: Answer, kind: type[_A]) -> _A:
        try:
            return msgspec.json.decode(answer.body or b"{}", type=kind)
        except msgspec.DecodeError as error:
            raise SetupError(
                f"The web API at {self.config.end_point} answered what can't be read: {error}.",
                hint="Check endPoint: it must be a Pull Marketing web API.",
            ) from error

    # ------------------------------------------------------------------------------------------- testing
    def check(self) -> Iterator[Stage]:
        """Name, port, encryption, access, data store."""
        address = urlsplit(self.config.end_point)
        host, secure = address.hostname or "", address.scheme == "https"
        port = address.port or (443 if secure else 80)
        steps = [lambda: probe.resolve(host), lambda: probe.reach(host, port)]
        for step in [*steps, *([lambda: probe.tls(host, port)] if secure else []), self._store_stage]:
            stage = step()
            yield stage
            if not stage.ok:
                return
        yield from (Stage("Address", True, each, advice=True) for each in self.warnings())

    def _store_stage(self) -> Stage:
        name = self.config.data_store_name
        try:
            answer = self._ask("GET", f"DataStores/{self._name}")
            if answer.status in (NOT_FOUND, 400):
                return Stage(
                    "Data store", True, f"There is no {name} yet; the first fill makes it.", advice=True
                )
            self._judge(answer)
        except WhereuponError as error:
            return Stage("Access", False, error.message, error.hint or "Try again.")
        return Stage("Data store", True, f"The web API has the data store {name}.")

    def warnings(self) -> Sequence[str]:
        """Plain HTTP and private networks."""
        return warnings_for(self.config.end_point)

    def close(self) -> None:
        """Give the connections back."""
        with self._lock:
            free, self._free = self._free, []
        for each in free:
            each.close()


# ----------------------------------------------------------------------------------------------- bulk files
@dataclass(frozen=True, slots=True)
class File:
    """Records with the same fields as lines of text; the first name is the key's."""

    names: Sequence[str]
    delimiter: str
    text: str
    records: Sequence[Record]


def merged(records: Sequence[Record]) -> list[Record]:
    """One record a key, in the order of the keys, without those that can't be sent."""
    fields: dict[str, dict[str, str]] = {}
    for each in records:
        if not _flaw(each):
            fields.setdefault(each.key.strip(), {}).update(each.fields)
    return [Record(key, each) for key, each in fields.items()]


def files(records: Sequence[Record], reference: str, singly: list[Record]) -> Iterator[File]:
    """Files of the records that can stand in one, a file for each set of fields: an absent field must stay as it is.

    What can't (a line break, no delimiter left, no field but the key) goes to `singly`.
    """
    alike: dict[tuple[str, ...], list[Record]] = {}
    for each in records:
        names = tuple(name for name in each.fields if name != reference)
        texts = (each.key, *names, *each.fields.values())
        fits = names and not any(
            mark in text for text in texts for mark in "\r\n\"'\0\u2028\u2029\x85\x0b\x0c"
        )
        (alike.setdefault(names, []) if fits else singly).append(each)
    for names, group in alike.items():
        rows = [[each.key, *(each.fields[name] for name in names)] for each in group]
        lines = [[reference, *names], *rows]
        used = {mark for line in lines for text in line for mark in text}
        delimiter = next((each for each in DELIMITERS if each not in used), None)
        if delimiter is None:
            singly += group
        else:
            yield File(lines[0], delimiter, "".join(f"{delimiter.join(line)}\r\n" for line in lines), group)


def multipart(file: File) -> tuple[str, bytes]:
    """A bulk request's content type and body."""
    boundary = uuid4().hex
    named = [("SourceFieldNames", each) for each in file.names]
    named += [("DestinationFieldNames", each) for each in file.names]
    named += [("PrimaryKeyFieldName", file.names[0]), ("Encoding", "UTF8")]
    named += [("Delimiter", file.delimiter), ("Encloser", "NONE")]
    parts = [f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in named]
    kind = 'Content-Disposition: form-data; name="File"; filename="records.csv"\r\nContent-Type: text/csv\r\n\r\n'
    text = "".join(f"--{boundary}\r\n{each}" for each in [*parts, f"{kind}{file.text}\r\n"])
    return f"multipart/form-data; boundary={boundary}", f"{text}--{boundary}--\r\n".encode()


def _key_flaw(key: str) -> str:
    return "has a key that can't stand in a web address" if key in (".", "..") else key_flaw(key)


def _flaw(record: Record) -> str:
    return _key_flaw(record.key.strip()) or fields_flaw(record)


def _words(answer: Answer) -> str:
    return answer.body[:300].decode("utf-8", "replace").strip() or "no reason given."
