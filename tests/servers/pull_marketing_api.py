"""A Pull Marketing web API as existing installations have it, with the traps that a client must survive."""

from __future__ import annotations

import json
import threading
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

WORDS = {"NULL": "", "NUL": "", "NONE": "", "TAB": "\t", "SPACE": " ", "COMMA": ",", "PIPE": "|"}


class PullMarketingApi:
    """Listens on 127.0.0.1. `stores` maps a data store's name to its key field, `records` to key → fields.

    An unknown key gets 200 without fields, unless `honest`; lines of a bulk file are split on the delimiter wherever
    it stands, and short ones are dropped without being counted. With `token` other calls get 401. `script` answers
    the next requests of a method; `busiest` is how many were under way at once.
    """

    def __init__(self, *, token: str = "", honest: bool = False) -> None:
        self.token, self.honest = token, honest
        self.stores: dict[str, str] = {}
        self.records: dict[str, dict[str, dict[str, str]]] = {}
        self.requests: list[str] = []
        self.connections = self.busiest = self._busy = 0
        self.delay = threading.Event()
        self.wait = 0.0
        self._scripts: list[tuple[str, int, str, dict[str, str]]] = []
        self.lock = threading.RLock()
        api = self

        class Handler(_Handler):
            served = api

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        """Its end point."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/pmm"

    def start(self) -> PullMarketingApi:
        """Begin to answer."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """End; what waits is let go."""
        self.delay.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def script(self, method: str, status: int, body: str = "", **headers: str) -> None:
        """The next request of that method gets this."""
        self._scripts.append((method, status, body, headers))

    def answer(self, method: str, target: str, head: Any, body: bytes) -> tuple[int, str, dict[str, str]]:
        """What a request gets."""
        with self.lock:
            self._busy += 1
            self.busiest = max(self.busiest, self._busy)
            self.requests.append(f"{method} {target}")
        self.delay.wait(self.wait)
        with self.lock:
            self._busy -= 1
            scripted = next((each for each in self._scripts if each[0] == method), None)
            if scripted is not None:
                self._scripts.remove(scripted)
                return scripted[1], scripted[2], {n.replace("_", "-"): v for n, v in scripted[3].items()}
            if self.token and head.get("Authorization") != f"Bearer {self.token}":
                return 401, "", {}
            return self._routed(
                method, [unquote(each) for each in urlsplit(target).path.split("/")[3:]], head, body
            )

    def _routed(
        self, method: str, steps: list[str], head: Any, body: bytes
    ) -> tuple[int, str, dict[str, str]]:
        match method, steps:
            case "GET", ["DataStores", name]:
                found = {"name": name, "primaryKeyFieldName": self.stores.get(name)}
                return (
                    (200, json.dumps(found), {})
                    if name in self.stores
                    else (404, _error(2001, "no such store"), {})
                )
            case "POST", ["DataStores"]:
                asked = json.loads(body)
                self.stores[asked["name"]] = asked["primaryKeyFieldName"]
                return 201, "", {"Location": f"/pmm/api/DataStores/{asked['name']}"}
            case "POST", ["Records", name, "BulkUpsertRecords"]:
                return self._bulk(name, head, body)
            case "GET", ["Records", name, key]:
                fields = self.records.get(name, {}).get(key)
                if fields is None and self.honest:
                    return 404, "", {}
                pairs = [{"key": field, "value": value} for field, value in (fields or {}).items()]
                return 200, json.dumps({"dataStoreName": name, "key": key, "fields": pairs}), {}
            case "PUT", ["Records", name, key]:
                pairs = json.loads(body)["fields"]
                if not pairs or len(key) > 50:
                    return 400, _error(3006, "no record details"), {}
                self.records.setdefault(name, {}).setdefault(key, {}).update(
                    {p["key"]: p["value"] for p in pairs}
                )
                return 201, "", {}
        return 404, "", {}

    def _bulk(self, name: str, head: Any, body: bytes) -> tuple[int, str, dict[str, str]]:
        if name not in self.stores:
            return 400, _error(2002, "no such store"), {}
        form = _form(head["Content-Type"], body)
        delimiter, encloser = (
            WORDS.get(form[each][0], form[each][0][:1]) for each in ("Delimiter", "Encloser")
        )
        lines = [
            line.strip("\r").split(delimiter) for line in form["File"][0].split("\n") if line.strip("\r")
        ]
        titles = lines[0]
        mapping = dict(zip(form["SourceFieldNames"], form["DestinationFieldNames"], strict=True))
        done = 0
        for row in lines[1:]:
            if len(row) < len(titles):
                continue
            source = {
                title: value.strip(encloser or None) if encloser else value
                for title, value in zip(titles, row, strict=False)
            }
            key = source[form["PrimaryKeyFieldName"][0]]
            fields = {
                mapping[title]: value
                for title, value in source.items()
                if title != form["PrimaryKeyFieldName"][0]
            }
            self.records.setdefault(name, {}).setdefault(key, {}).update(fields)
            done += 1
        return (
            200,
            json.dumps({"dataStoreName": name, "numberOfRecordsUpserted": done, "numberOfRecordsSkipped": 0}),
            {},
        )


def _error(code: int, message: str) -> str:
    return json.dumps({"errors": [{"code": code, "id": "x", "message": message, "parameters": {}}]})


def _form(kind: str, body: bytes) -> dict[str, list[str]]:
    parsed = message_from_bytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body)
    fields: dict[str, list[str]] = {}
    for part in parsed.walk():
        name = part.get_param("name", header="content-disposition")
        if name is not None:
            payload = part.get_payload(decode=True)
            assert isinstance(payload, bytes)
            fields.setdefault(str(name), []).append(payload.decode("utf-8"))
    return fields


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is none of the server's mistakes."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    served: PullMarketingApi

    def setup(self) -> None:
        super().setup()
        with self.served.lock:
            self.served.connections += 1

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, said, headers = self.served.answer(self.command, self.path, self.headers, body)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(said.encode())))
        self.end_headers()
        self.wfile.write(said.encode())

    do_GET = do_POST = do_PUT = _serve

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""
