"""Row 43: the database of the configuration, or the journal, is damaged, locked, or of another version."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.faults.checker import account
from tests.faults.service import System, local, made, setup, sign_in, sign_ins, to_local, web_hook
from tests.faults.sinks import KeyedSink

Report = Callable[[Mapping[str, Any]], None]
pytestmark = [pytest.mark.fault(43), pytest.mark.process, pytest.mark.slow]
FILES = {"system": "TealHols.db", "streams": "SD_TealHols.db"}
both = pytest.mark.parametrize("which", FILES)


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, KeyedSink]]:
    """The folder of a system that has sent something, and stands still now; and where that went."""
    folder = tmp_path_factory.mktemp("sent")
    sink = KeyedSink(folder)
    with made(folder, setup(stream=local(), channels=[web_hook(sink.url)])) as system:
        system.start()
        to_local(system)([value for _, value in sign_ins(range(20))])
        system.settle(events=20)
        system.stop()
    yield folder, sink
    sink.stop()


@pytest.fixture
def used(sent: tuple[Path, KeyedSink], tmp_path: Path, system_of: Callable[..., System]) -> System:
    """A copy of that system."""
    shutil.copytree(sent[0], tmp_path / "here")
    return system_of(None)


def prints(system: System) -> dict[str, str]:
    """What every database file of the system holds, by its hash."""
    files = sorted(system.folder.glob("*.db*"))
    return {each.name: hashlib.sha256(each.read_bytes()).hexdigest() for each in files if each.stat().st_size}


def refused(system: System, *said: str) -> None:
    """Neither the service nor `apply` begins; both say why, and leave every byte where it is."""
    before = prints(system)
    file = next(system.folder.parent.glob("setup-*.yaml"))
    for words in (("service", "run"), ("apply", str(file))):
        done = system.run(*words)
        assert done.returncode == 3, done.stdout + done.stderr
        for each in said:
            assert each in done.stderr
        assert "Traceback" not in done.stderr
        assert "Something unexpected" not in done.stderr
    assert {name: print for name, print in prints(system).items() if name in before} == before


@both
def test_a_damaged_database_is_named_with_the_way_back_and_nothing_is_overwritten(
    used: System, which: str, fault_report: Report
) -> None:
    file = used.folder / FILES[which]
    with file.open("rb+") as damaged:
        damaged.seek(4096)
        damaged.write(bytes(255 - each % 256 for each in range(3 * 4096)))
    refused(used, f"{file.name} is damaged", "Backups")
    fault_report({"row": 43, "fault": f"{which} damaged", "lost": 0})


@both
def test_a_file_that_is_no_database_is_named_and_not_overwritten(used: System, which: str) -> None:
    file = used.folder / FILES[which]
    file.write_bytes(b"Dear diary, " * 1_000)
    refused(used, file.name)


@both
def test_a_newer_or_unknown_version_is_refused_and_not_touched(
    used: System, which: str, fault_report: Report
) -> None:
    version = "9999"
    with closing(sqlite3.connect(used.folder / FILES[which])) as database:
        before = database.execute(f"SELECT version_num FROM schema_{which}").fetchone()[0]
        set_version(database, which, version)
    refused(used, f"schema {version}", "newer Whereupon", "nothing was changed")
    with closing(sqlite3.connect(used.folder / FILES[which])) as database:
        set_version(database, which, before)
    used.start()
    used.stop()
    fault_report({"row": 43, "fault": f"{which} of version {version}", "lost": 0})


def set_version(database: sqlite3.Connection, which: str, version: str) -> None:
    """Call the schema's version another one, and leave no log behind."""
    database.execute(f"UPDATE schema_{which} SET version_num = ?", (version,))
    database.commit()
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def test_a_database_that_another_program_locks_is_waited_for(
    used: System, sent: tuple[Path, KeyedSink], fault_report: Report
) -> None:
    held, sink = 3.0, sent[1]
    used.start()
    locks = [sqlite3.connect(used.folder / each, isolation_level=None) for each in FILES.values()]
    for each in locks:
        each.execute("BEGIN EXCLUSIVE")
    began, pause = time.monotonic(), threading.Event()
    to_local(used)([sign_in(20)[1]])
    changed = setup(stream=local(), channels=[web_hook(sink.url)], subject="Good to see you")
    applied: list[str] = []
    applying = threading.Thread(target=lambda: applied.append(used.apply(changed)))
    applying.start()
    pause.wait(held)
    assert not applied
    for each in locks:
        each.execute("ROLLBACK")
        each.close()
    applying.join(30)
    assert "Revision 2" in applied[0]
    used.settle(events=21)
    assert time.monotonic() - began >= held
    used.stop()
    result = account([each for each, _ in sign_ins(range(21))], sink.arrived(), used.activity())
    fault_report(result.row(43, seed=0, kills=0, seconds=time.monotonic() - began))
    assert (result.delivered, result.problems) == (21, [])
