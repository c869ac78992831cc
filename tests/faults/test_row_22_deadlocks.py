"""Row 22: transactions that the database undoes, in the journal and under two loaders of the same communications."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest

from tests.conftest import Bar
from tests.faults.checker import Produced, account
from tests.faults.service import (
    DATABASE_SECRETS,
    System,
    Trickle,
    local,
    on_postgresql,
    setup,
    sign_ins,
    to_local,
    web_hook,
)
from tests.faults.sinks import KeyedSink
from tests.faults.stashes import COLUMNS, body, row, taken
from tests.servers.postgresql import PostgreSQL
from tests.servers.processes import wait_until

Report = Callable[[Mapping[str, Any]], None]
pytestmark = [pytest.mark.fault(22), pytest.mark.outside, pytest.mark.process, pytest.mark.slow]

PIECE = 20
"""Lines of a stash file, and so of a loader's transaction."""


def test_what_a_deadlock_undid_is_done_again_and_once(
    postgresql: PostgreSQL, keyed: KeyedSink, system_of: Callable[..., System], seed: int, bar: Bar,
    fault_report: Report,
) -> None:  # fmt: skip
    count, rivals = bar(quick=400, full=10_000), bar(quick=2, full=20)
    databases = on_postgresql(postgresql, "row22")
    names = {name: url.rpartition("/")[2].partition("?")[0] for name, url in databases.items()}
    # A stricter default of the server's must not reach us.
    strict = f"ALTER DATABASE {names['streams']} SET default_transaction_isolation = 'serializable'"
    postgresql.execute("postgres", strict)
    wanted = setup(stream=local(), channels=[web_hook(keyed.url)], databases=databases, store=True)
    first, second = (system_of(wanted, name=each, secrets=DATABASE_SECRETS) for each in ("first", "second"))
    journal, began = Undoing(postgresql, names["streams"], every=4), time.monotonic()
    produced = lived(first, journal, count)
    result = account(produced, keyed.arrived(), first.activity())
    assert result.settled, result.problems
    assert not result.problems
    assert result.delivered == count
    files = shared(first, second, random.Random(seed))
    loads = Undoing(postgresql, names["system"], every=10)
    loads.begin("AFTER INSERT ON communications FOR EACH STATEMENT")
    with ExitStack() as stack:
        crossing = [
            stack.enter_context(Rival(postgresql, names["system"], files[place]))
            for place in range(0, len(files), max(1, len(files) // rivals))[:rivals]
        ]
        codes = together(first, second)
    line = result.row(22, seed=seed, kills=0, seconds=time.monotonic() - began)
    fault_report({**line, "undone": journal.undone + loads.undone})
    assert codes == [0, 0]
    assert any(each.won for each in crossing)
    kept = postgresql.rows(names["system"], "SELECT key FROM communications")
    assert sorted(key for (key,) in kept) == sorted(keyed.arrived())


def lived(system: System, journal: Undoing, count: int) -> list[Produced]:
    """Let a system decide and send so many events while its journal is undone now and then."""
    system.know([f"p{each}" for each in range(500)])
    journal.begin("AFTER INSERT ON event FOR EACH STATEMENT")
    journal.begin("AFTER UPDATE ON outcome FOR EACH STATEMENT")
    journal.begin(
        "AFTER INSERT ON batch DEFERRABLE INITIALLY DEFERRED FOR EACH ROW", kind="CONSTRAINT TRIGGER"
    )
    child = system.start()
    with Trickle(to_local(system), sign_ins(range(count), persons=500), rate=200) as trickle:
        trickle.rest()
    system.settle(events=count, within=120)
    assert child.alive
    system.stop()
    return trickle.produced


def shared(first: System, second: System, chance: random.Random) -> list[list[bytes]]:
    """The lines of the first one's stash, in files that both have, in opposite order: as after a take-over, each knows
    what was sent."""
    lines = taken(first.folder / "Stash")
    chance.shuffle(lines)
    files = [lines[begin : begin + PIECE] for begin in range(0, len(lines), PIECE)]
    for place, some in enumerate(files):
        content = b"".join(line + b"\n" for line in some)
        for system, number in ((first, place), (second, len(files) - place)):
            (system.folder / "Stash" / f"shared-{number:05d}.stash").write_bytes(content)
    return files


def together(*systems: System) -> list[int]:
    """Load the communications of all at once; how the commands ended."""
    codes = [-1] * len(systems)

    def load(number: int, system: System) -> None:
        codes[number] = system.run("load-communications").returncode

    threads = [threading.Thread(target=load, args=each) for each in enumerate(systems)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(120)
    return codes


class Undoing:
    """A database that undoes every n-th transaction, by a deadlock or a failed serialization in turn."""

    def __init__(self, server: PostgreSQL, database: str, *, every: int) -> None:
        self._server, self._database = server, database
        self._triggers = itertools.count()
        self._ask("CREATE SEQUENCE turn")
        self._ask(
            "CREATE FUNCTION undo() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE n bigint := nextval('turn'); BEGIN"
            f" IF n % {2 * every} = 0 THEN RAISE EXCEPTION 'deadlock' USING ERRCODE = '40P01'; END IF;"
            f" IF n % {every} = 0 THEN RAISE EXCEPTION 'not serializable' USING ERRCODE = '40001'; END IF;"
            " RETURN NULL; END $$"
        )
        self._every = every

    def begin(self, when: str, *, kind: str = "TRIGGER") -> None:
        """Undo what does this."""
        self._ask(f"CREATE {kind} undo_{next(self._triggers)} {when} EXECUTE FUNCTION undo()")

    def _ask(self, statement: str) -> None:
        self._server.execute(self._database, statement)

    @property
    def undone(self) -> int:
        """How many were undone so far."""
        ((turns,),) = self._server.rows(self._database, "SELECT last_value FROM turn")
        return int(turns) // self._every


class Rival:
    """Writes the last of a file's communications first and the first one last, once a loader waits for it.

    `won` says that the database undid the loader. It gives everything up at its end.
    """

    def __init__(self, server: PostgreSQL, database: str, lines: Sequence[bytes]) -> None:
        self.won = False
        self._keys = sorted(row(body(each))[0] for each in lines)
        self._connection = psycopg.connect(server.dsn(database))
        self._looker = psycopg.connect(server.dsn(database), autocommit=True)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._cross, name="rival", daemon=True)

    def __enter__(self) -> Rival:
        # Whoever looks for a deadlock first is undone: a loader, unless the machine is very slow.
        self._connection.execute("SET LOCAL deadlock_timeout = '4s'")
        self._connection.execute("SET LOCAL session_replication_role = replica")  # no triggers for us
        self._write(self._keys[-1])
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join(30)
        for each in (self._connection, self._looker):
            each.close()

    def _cross(self) -> None:
        wait_until(self._waited_for, within=120, what="A loader")
        try:
            self._write(self._keys[0])
            self.won = not self._end.is_set()
        except psycopg.errors.DeadlockDetected:
            self.won = False
        self._connection.rollback()

    def _waited_for(self) -> bool:
        mine = self._connection.info.backend_pid
        waiting = "SELECT 1 FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))"
        return self._end.is_set() or self._looker.execute(waiting, (mine,)).fetchone() is not None

    def _write(self, key: str) -> None:
        columns = ", ".join((*COLUMNS, "loaded_at"))
        values = "%s, '', 0, '', '', '', '', '', '', 0, 0, 0, 0"
        self._connection.execute(f"INSERT INTO communications ({columns}) VALUES ({values})".encode(), (key,))
