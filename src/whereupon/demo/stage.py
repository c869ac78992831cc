"""The show itself: makes the system, starts the service, sends events, accounts for each, ends what it started."""

from __future__ import annotations

import secrets
import subprocess
import tempfile
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from whereupon.control.wire import WireClient
from whereupon.demo import system
from whereupon.demo.account import Account, Totals
from whereupon.demo.face import Face
from whereupon.demo.roads import Files, Road, Topics
from whereupon.demo.sinks import Arrival, Sinks
from whereupon.demo.traffic import Event, needed_people, traffic
from whereupon.engine.assembly import Workshop
from whereupon.host.clock import Clock
from whereupon.host.processes import on_stop, spawn, terminate, this_command, user_name
from whereupon.host.redaction import Redactor
from whereupon.jobs.table_run import run_campaign
from whereupon.kit.registry import discover
from whereupon.model.errors import Away, SetupError, Unavailable
from whereupon.model.events import message_key
from whereupon.service.runner import workshop
from whereupon.storage import folder as folders
from whereupon.storage.activity import Activity, Place
from whereupon.storage.apply import apply
from whereupon.storage.dead_letters import DeadLetters
from whereupon.storage.repository import Repository
from whereupon.storage.secret_names import variable

TICK = 0.02
LOOK = 0.3
"""Seconds between two hand-overs, and between two looks at what the service has recorded."""
SLOWEST, FASTEST, LASTING = 40.0, 1000.0, 15.0
"""Events a second, and the seconds that the sending shall take, as far as they allow that."""
PATIENCE = 20.0
"""Seconds without any news after which what is open stays unaccounted."""
STARTING, GRACE = 30.0, 15.0
FILL, SAID = "Fill TealGreen", "demo.out"


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the demo is asked for."""

    events: int = 300
    keep: Path | None = None
    kafka: str = ""
    as_json: bool = False


def show(wishes: Wishes, *, clock: Clock | None = None) -> bool:
    """Show everything; True if every event is accounted for. What it started has ended when it returns or raises."""
    stop, clock = threading.Event(), clock or Clock()
    with ExitStack() as stack:
        stack.enter_context(on_stop(stop.set))
        folder = stack.enter_context(_place(wishes.keep))
        face = Face(wishes.events, as_json=wishes.as_json)
        stack.callback(face.close)
        stage = Stage(wishes, folder, face, clock, stop)
        totals = stage.play()
        if stop.is_set():
            raise KeyboardInterrupt
        face.closing(
            totals,
            folder=folder,
            kept=wishes.keep is not None,
            kafka=wishes.kafka,
            stray=stage.account.strays,
        )
    return totals.unaccounted == 0


@contextmanager
def _place(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="whereupon-demo-", ignore_cleanup_errors=True) as folder:
            yield Path(folder).resolve()
        return
    if keep.exists() and (not keep.is_dir() or any(keep.iterdir())):
        raise SetupError(
            f"{keep} isn't an empty folder.", hint="Name a folder that is empty, or that isn't there yet."
        )
    keep.mkdir(parents=True, exist_ok=True)
    yield keep.resolve()


class Stage:
    """One show."""

    def __init__(self, wishes: Wishes, folder: Path, face: Face, clock: Clock, stop: threading.Event) -> None:
        self.account = Account(self._key)
        self._wishes, self._folder, self._face, self._clock, self._stop = wishes, folder, face, clock, stop
        self._run = secrets.token_hex(3)
        prefix = f"whereupon-demo-{self._run}-" if wishes.kafka else ""
        self._topics = {"SignIn": f"{prefix}sign-ins", "Register": f"{prefix}registrations"}
        self._ways: dict[str, tuple[int, int, int]] = {}
        self._arrivals: deque[Arrival] = deque()
        self._place, self._letters = Place(), set[int]()
        self._process: subprocess.Popen[bytes] | None = None

    def play(self) -> Totals:
        """From an empty folder to the account."""
        with ExitStack() as stack:
            sinks = stack.enter_context(Sinks(self._arrivals.append, clock=self._clock))
            self._make_system(sinks)
            shop = workshop(folders.opened(self._folder), Redactor())
            stack.callback(shop.databases.system.close)
            stack.callback(shop.databases.streams.close)
            repository = stack.enter_context(
                closing(Repository(shop.databases.system, shop.registry, shop.vault))
            )
            self._learn_ways(repository)
            self._fill(shop, repository)
            road = stack.enter_context(closing(self._road()))
            stack.enter_context(self._service())
            names = {(role, number): name for (role, name), number in repository.ids().items()}
            records = stack.enter_context(closing(Activity(shop.databases.streams, names)))
            letters = stack.enter_context(closing(DeadLetters(shop.databases.streams, clock=self._clock)))
            self._face.step("Sign-ins and registrations come ...")
            self._face.begin()
            self._send(road, records, letters)
            return self._wait(records, letters)

    # -- before ------------------------------------------------------------------------------------------------

    def _make_system(self, sinks: Sinks) -> None:
        people = needed_people(self._wishes.events)
        self._face.step(f"Making the system TealHols with {people:,} people in {self._folder} ...")
        file = system.written(
            self._folder,
            people=people,
            esp=sinks.esp,
            mail=sinks.mail,
            kafka=self._wishes.kafka,
            topics=self._topics,
        )
        apply(
            file,
            self._folder,
            author=user_name(),
            registry=discover(),
            vault_kind="environment",
            clock=self._clock,
        )

    def _learn_ways(self, repository: Repository) -> None:
        """Stream → the numbers of stream, campaign and channel that an event's message has in its key."""
        running = repository.running()
        for each in running.campaigns:
            if each.stream is not None:
                self._ways[each.stream.name] = (
                    running.ids["stream", each.stream.name],
                    each.id,
                    each.channel_id,
                )

    def _key(self, event: Event) -> str:
        stream, campaign, channel = self._ways[event.stream]
        return message_key(stream, event.event_id, campaign, event.person, channel)

    def _fill(self, shop: Workshop, repository: Repository) -> None:
        self._face.step("Filling the store TealGreen by the campaign on the table of people ...")
        run_campaign(shop, repository, FILL, progress=lambda done, total: None, stop=self._stop)

    def _road(self) -> Road:
        if self._wishes.kafka:
            return Topics(self._wishes.kafka, self._topics, keep=self._wishes.keep is not None)
        return Files(self._folder, self._topics, clock=self._clock)

    @contextmanager
    def _service(self) -> Iterator[None]:
        """The service as a process of its own; it has ended when this does."""
        self._face.step("Starting the service ...")
        words = [*this_command(), "service", "run", "--quiet", "--system", str(self._folder)]
        environment = {variable("esp/token"): secrets.token_hex(16)}
        self._process = process = spawn(words, env=environment, log_file=self._folder / "Logs" / SAID)
        try:
            deadline = self._clock.monotonic() + STARTING
            while not self._stop.is_set() and not self._reads():
                self._must_live()
                if self._clock.monotonic() > deadline:
                    raise self._down(f"doesn't answer after {STARTING:g} s")
                self._clock.wait(self._stop, 0.1)
            yield
        finally:
            terminate(process.pid, GRACE, clock=self._clock)
            process.wait()

    def _must_live(self) -> None:
        if self._process is not None and self._process.poll() is not None:
            raise self._down("has ended")

    def _down(self, how: str) -> Unavailable:
        logs = self._folder / "Logs"
        words = (logs / SAID).read_text(encoding="utf-8", errors="replace").strip()
        hint = f"See {logs}." if self._wishes.keep else "With --keep DIR its log stays for you to read."
        return Unavailable(f"The service {how}. {words[-2000:]}".rstrip(), hint=hint)

    def _reads(self) -> bool:
        """Whether the service answers, and has opened its streams."""
        try:
            status = WireClient(self._folder).status()
        except (Away, SetupError):
            return False
        return len(status["streams"]) == len(self._topics) and not any(
            each["state"] for each in status["streams"]
        )

    # -- the show ----------------------------------------------------------------------------------------------

    def _send(self, road: Road, records: Activity, letters: DeadLetters) -> None:
        coming = traffic(self._wishes.events, run=self._run)
        rate = min(FASTEST, max(SLOWEST, self._wishes.events / LASTING))
        begun, sent, look = self._clock.monotonic(), 0, 0.0
        while sent < self._wishes.events and not self._stop.is_set():
            due = min(self._wishes.events, 1 + int((self._clock.monotonic() - begun) * rate))
            some = [next(coming) for _ in range(due - sent)]
            sent = due
            for each in some:
                self.account.hand_over(each, self._clock.monotonic())
            road.send(some)
            self._book_arrivals()
            if self._clock.monotonic() - look > LOOK:
                self._look(records, letters)
                look = self._clock.monotonic()
            self._clock.wait(self._stop, TICK)

    def _wait(self, records: Activity, letters: DeadLetters) -> Totals:
        """Until every event has its end, or nothing new comes."""
        totals, quiet_since = self.account.totals(), self._clock.monotonic()
        while totals.unaccounted and not self._stop.is_set():
            self._clock.wait(self._stop, LOOK / 3)
            before = totals.unaccounted
            self._book_arrivals()
            self._look(records, letters)
            totals = self.account.totals()
            self._face.accounted(totals.events - totals.unaccounted)
            if totals.unaccounted != before:
                quiet_since = self._clock.monotonic()
            elif self._clock.monotonic() - quiet_since > PATIENCE:
                break
        return totals

    def _book_arrivals(self) -> None:
        while self._arrivals:
            arrival = self._arrivals.popleft()
            event = self.account.arrive(arrival)
            if event is not None:
                self._face.happened(
                    "sent", f"{event.stream} {event.person}", f"{arrival.sink}: {arrival.text}"
                )

    def _look(self, records: Activity, letters: DeadLetters) -> None:
        """What the service recorded since the last look."""
        self._must_live()
        for row in records.rows(self._place, ended_only=True):
            self.account.record(row)
            if row["outcome"] not in ("sent", "dead letter"):
                self._face.happened(row["outcome"], f"{row['stream']} {row['person']}", row["reason"])
        # Their numbers are taken in blocks, so a new one may be lower than those that are known.
        for letter in letters.listed(judged=True):
            if letter.id in self._letters:
                continue
            self._letters.add(letter.id)
            self.account.record_dead(letter.raw.encode())
            self._face.happened("dead letter", letter.place, letter.reason)
        totals = self.account.totals()
        self._face.accounted(totals.events - totals.unaccounted)
