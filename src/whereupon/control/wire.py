"""The wire: status, commands and live events between the processes of one user on one computer, as JSON lines."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import hmac
import json
import os
import secrets
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from whereupon.host.files import write_atomically
from whereupon.host.logs import logger
from whereupon.host.machine import machine
from whereupon.model import errors
from whereupon.model.errors import Away, Locked, SetupError, Unavailable, WhereuponError

VERSION = 1
Words = Mapping[str, object]
Command = Callable[[Words], Words]

# Seconds: to prove oneself and to say how one is; to carry a command out; between two signs of life of a subscription.
_PROMPT = 3.0
_PATIENT = 30.0
_SIGN_OF_LIFE = 10.0
# Between two batches of events, so at most 20 a second.
_BREATH = 0.05
# Bytes of a line before and after the proof; events that wait for one subscriber; talks at once.
_SHORT, _LONG = 4096, 16 * 1024 * 1024
_BACKLOG = 1000
_TALKS = 32

_log = logger("control")


def _proof(token: str, *said: str) -> str:
    return hmac.new(bytes.fromhex(token), "\n".join(said).encode("utf-8"), hashlib.sha256).hexdigest()


def _told(line: bytes) -> dict[str, Any]:
    """The JSON object of a line. Raises OSError: whoever sends another thing is not one of us."""
    try:
        told = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise OSError("Not a line of ours") from error
    if not isinstance(told, dict):
        raise OSError("Not a line of ours")
    return told


def _line(words: Words) -> bytes:
    return json.dumps(words, default=str).encode("utf-8")


def _file(folder: Path, name: str) -> Path:
    return folder / f"{name}.wire"


class _Subscriber:
    """One who listens to events; the oldest are dropped, and counted, if it is too slow."""

    def __init__(self) -> None:
        self._waiting: deque[Words] = deque(maxlen=_BACKLOG)
        self._missed = 0
        self._lock = threading.Lock()
        self.woken = threading.Event()

    def add(self, event: Words) -> None:
        with self._lock:
            self._missed += len(self._waiting) == _BACKLOG
            self._waiting.append(event)
        self.woken.set()

    def take(self) -> Words:
        self.woken.clear()
        with self._lock:
            batch = {"events": list(self._waiting), "missed": self._missed}
            self._waiting.clear()
            self._missed = 0
        return batch


class WireServer:
    """Answers this user's other processes: `status` in words, `commands` by name, and `publish` to whoever listens.

    `<folder>/<name>.wire`, readable by its owner alone, holds the address and the token that both sides prove.
    """

    def __init__(
        self,
        folder: Path,
        *,
        status: Callable[[], Words],
        commands: Mapping[str, Command] | None = None,
        name: str = "service",
    ) -> None:
        self._file = _file(folder, name)
        self._name = hashlib.sha256(os.fsencode(self._file.absolute())).hexdigest()[:20]
        self._token = secrets.token_hex(32)
        self._status = status
        self.commands: dict[str, Command] = dict(commands or {})
        self._subscribers: tuple[_Subscriber, ...] = ()
        self._talks: set[machine.Talk] = set()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._receive, name=f"wire of the {name}", daemon=True)
        self._listener: machine.Listener | None = None

    def start(self) -> None:
        """Be reachable from now on. Raises Locked if another process answers here, Unavailable where none could."""
        self._listen()
        self._thread.start()

    @property
    def deaf(self) -> bool:
        """Whether it was started and hears nobody any more."""
        return self._thread.ident is not None and not self._thread.is_alive()

    def stop(self) -> None:
        """Be reachable no more; a second call does nothing."""
        if self._stopping.is_set() or self._listener is None:
            return
        self._stopping.set()
        self._file.unlink(missing_ok=True)
        self._listener.close()
        with self._lock:
            talks = list(self._talks)
        for each in talks:
            each.close()
        for subscriber in self._subscribers:
            subscriber.woken.set()
        self._thread.join(_PROMPT)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def publish(self, event: Words) -> None:
        """Tell all who listen, at most 20 times a second; never waits, and costs nothing if nobody listens."""
        for each in self._subscribers:
            each.add(event)

    def _listen(self) -> None:
        if self._listener is not None:
            self._listener.close()
        try:
            self._listener = machine.Listener(self._name)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise Locked("Another process already answers here.", hint="Stop it first.") from error
            raise Unavailable(
                f"No place to be reached: {error.strerror or error}.", hint="Free it."
            ) from error
        content = {"address": self._listener.address, "token": self._token, "pid": os.getpid()}
        write_atomically(self._file, json.dumps(content), private=True)

    def _receive(self) -> None:
        while not self._stopping.is_set():
            try:
                self._take_next()
            except (OSError, WhereuponError):
                # Out of descriptors, say: those who ask are told nothing, the service itself goes on.
                self._stopping.wait(1.0)

    def _take_next(self) -> None:
        listener = self._listener
        if listener is None or not listener.present:
            return self._listen()
        talk = listener.accept(1.0)
        if talk is None:
            return
        with self._lock:
            crowded = len(self._talks) >= _TALKS or self._stopping.is_set()
            if not crowded:
                self._talks.add(talk)
        if crowded:
            return talk.close()
        threading.Thread(target=self._speak, args=(talk,), name="wire", daemon=True).start()

    def _speak(self, talk: machine.Talk) -> None:
        try:
            # Whoever hangs up or doesn't know the token has nothing to be told.
            with contextlib.suppress(OSError):
                self._greet(talk)
                while not self._stopping.is_set():
                    self._answer(talk, _told(talk.receive(_PATIENT, _LONG)))
        finally:
            with self._lock:
                self._talks.discard(talk)
            talk.close()

    def _greet(self, talk: machine.Talk) -> None:
        ours = secrets.token_hex(16)
        talk.send(_line({"whereupon": VERSION, "nonce": ours}), _PROMPT)
        reply = _told(talk.receive(_PROMPT, _SHORT))
        theirs = str(reply.get("nonce"))
        if not hmac.compare_digest(
            str(reply.get("proof")).encode(), _proof(self._token, "asks", ours, theirs).encode()
        ):
            raise OSError("A wrong proof")
        talk.send(_line({"proof": _proof(self._token, "answers", ours, theirs)}), _PROMPT)

    def _answer(self, talk: machine.Talk, asked: Words) -> None:
        if asked.get("ask") == "events":
            return self._tell_events(talk)
        try:
            answer: Words = {"answer": self._outcome(asked)}
        except WhereuponError as error:
            answer = {"error": type(error).__name__, "message": error.message, "hint": error.hint}
        except Exception:
            _log.exception("A command over the wire failed.", command=str(asked.get("command")))
            answer = {
                "error": "WhereuponError",
                "message": "The service failed to do that.",
                "hint": "See its log.",
            }
        talk.send(_line(answer), _PROMPT)

    def _outcome(self, asked: Words) -> Words:
        if asked.get("ask") == "status":
            return self._status()
        name, words = str(asked.get("command")), asked.get("words")
        if name not in self.commands:
            raise SetupError(
                f"The service doesn't know “{name}”.", hint="Restart it: it may be of an older version."
            )
        return self.commands[name](words if isinstance(words, dict) else {})

    def _tell_events(self, talk: machine.Talk) -> None:
        subscriber = _Subscriber()
        self._change_subscribers(lambda all_: (*all_, subscriber))
        try:
            talk.send(_line({"events": [], "missed": 0}), _PROMPT)
            while not self._stopping.is_set():
                subscriber.woken.wait(_SIGN_OF_LIFE)
                talk.send(_line(subscriber.take()), _PROMPT)
                self._stopping.wait(_BREATH)
        finally:
            self._change_subscribers(lambda all_: tuple(each for each in all_ if each is not subscriber))

    def _change_subscribers(
        self, change: Callable[[tuple[_Subscriber, ...]], tuple[_Subscriber, ...]]
    ) -> None:
        with self._lock:
            self._subscribers = change(self._subscribers)


class WireClient:
    """Asks the process that answers for a folder. Every question is a talk of its own."""

    def __init__(self, folder: Path, *, name: str = "service") -> None:
        self._file = _file(folder, name)
        self._name = name

    def status(self) -> dict[str, Any]:
        """How it goes, in the other's words. Raises Away if nobody answers within 3 s."""
        return self._ask({"ask": "status"}, _PROMPT)

    def command(self, name: str, **words: object) -> dict[str, Any]:
        """Have something done; returns what the other says to it. Raises Away, or the error that the other raised."""
        return self._ask({"ask": "command", "command": name, "words": words}, _PATIENT)

    def events(self) -> Iterator[dict[str, Any]]:
        """What happens from now on, event by event; {"missed": n} where we were too slow. Raises Away at its end.

        The subscription stands when the first value is asked for; closing the iterator ends it.
        """
        with self._talk() as talk:
            talk.send(_line({"ask": "events"}), _PROMPT)
            while True:
                batch = _told(talk.receive(3 * _SIGN_OF_LIFE, _LONG))
                if batch.get("missed"):
                    yield {"missed": batch["missed"]}
                yield from batch.get("events", ())

    def _ask(self, question: Words, patience: float) -> dict[str, Any]:
        with self._talk() as talk:
            talk.send(_line(question), _PROMPT)
            told = _told(talk.receive(patience, _LONG))
        if "error" in told:
            raise _error(told)
        answer: dict[str, Any] = told["answer"]
        return answer

    @contextlib.contextmanager
    def _talk(self) -> Iterator[machine.Talk]:
        try:
            written = json.loads(self._file.read_text(encoding="utf-8"))
            talk = machine.connect(str(written["address"]), _PROMPT)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Away(f"No {self._name} answers here.", hint="Start it: whereupon service start.") from error
        try:
            self._prove(talk, str(written["token"]))
            yield talk
        except TimeoutError as error:
            raise Away(f"The {self._name} doesn't respond.", hint="If it stays so, restart it.") from error
        except OSError as error:
            raise Away(f"The {self._name} broke off.", hint="Look at its log.") from error
        finally:
            talk.close()

    def _prove(self, talk: machine.Talk, token: str) -> None:
        hello = _told(talk.receive(_PROMPT, _SHORT))
        if hello.get("whereupon") != VERSION:
            raise SetupError(f"The running {self._name} is of another version.", hint="Restart it.")
        theirs, ours = str(hello.get("nonce")), secrets.token_hex(16)
        talk.send(_line({"proof": _proof(token, "asks", theirs, ours), "nonce": ours}), _PROMPT)
        welcome = _told(talk.receive(_PROMPT, _SHORT))
        if not hmac.compare_digest(
            str(welcome.get("proof")).encode(), _proof(token, "answers", theirs, ours).encode()
        ):
            raise OSError("A wrong proof")


def _error(told: Words) -> WhereuponError:
    kind = getattr(errors, str(told.get("error")), WhereuponError)
    known = isinstance(kind, type) and issubclass(kind, WhereuponError) and kind is not errors.Mistakes
    made: WhereuponError = (kind if known else WhereuponError)(
        str(told.get("message")), hint=str(told.get("hint", ""))
    )
    return made
