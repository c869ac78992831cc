"""What every test may ask for.

Servers are real, are started when the first test asks, and live until the session ends (`kafka`, `postgresql`) or the
test does (`smtp`, `scripted_smtp`, `http_sink`, `keyring_bus`). Where one can't run, its tests are skipped with the
reason; with `CI` set only a reason that begins with "cannot run here:" is taken, any other skip of a test marked
`outside` fails.

    kafka          a broker: `kafka.plain`, `kafka.secure`, `kafka.new_topic()`, `kafka.produce(topic, values)`,
                   `kafka.kill()`, `kafka.restart()`. Take a new topic for each test.
    postgresql     a cluster: `postgresql.create_database()`, then `.dsn(name)`, `.url(name)`, `.rows(name, query)`
    odbc           `odbc(database)`: a connection string of that cluster by its ODBC driver
    keyring_bus    a Secret Service; the environment points to it while the test runs; `keyring_bus.lock()`
    smtp           a mail server as one should be; `smtp.wait_for(2)` gives the mails
    scripted_smtp  a mail server that fails where it is told: `scripted_smtp.script("end", then="close")`
    http_sink      an HTTP sink: `http_sink.url`, `http_sink.script(key, Answer(503), LOST)`, `http_sink.wait_for(5)`
    authority      a certificate authority for localhost; hand it to a server of your own to make it speak TLS

    home           an empty home of the test's own. Without it a test still lives in the session's throw-away home,
                   without a keyring and without `WHEREUPON_…` variables.
    logs           a log record of WARNING or above fails the test that didn't ask for it: `logs.expect("no answer")`
                   (must come) or `logs.allow("no answer")` (may come), regular expressions searched in the message.
                   A test that takes `caplog` looks at the log itself.
    bar            `bar(quick=40, full=200)`: how hard a fault test tries; full with `dev.py test --faults`
    fault_report   `fault_report(account.row(1, seed=seed, ...))`: what a row came to; `--faults` and `--row N` keep it
                   in `tests/faults/results.json`, any other run leaves the tree alone (`tests/faults/results.py`)
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pytest
from hypothesis import settings

from tests.architecture import floors
from tests.faults import results
from tests.servers import kafka as kafka_server
from tests.servers import keyring as keyring_server
from tests.servers import odbc as odbc_driver
from tests.servers import postgresql as postgresql_server
from tests.servers.authority import Authority
from tests.servers.http import HttpSink
from tests.servers.kafka import Kafka
from tests.servers.keyring import KeyringBus
from tests.servers.postgresql import PostgreSQL
from tests.servers.processes import ROOT
from tests.servers.scripted_smtp import ScriptedSmtp
from tests.servers.smtp import SmtpServer

IN_CI = os.environ.get("CI", "").lower() not in {"", "0", "false"}
T = TypeVar("T")

settings.register_profile("suite", deadline=None, derandomize=IN_CI, print_blob=True)
settings.load_profile("suite")


# ------------------------------------------------------------------------------------------------- options
def pytest_addoption(parser: pytest.Parser) -> None:
    """The suite's own words on pytest's command line."""
    group = parser.getgroup("whereupon")
    group.addoption("--faults", action="store_true", help="only the fault rows, at their full bar")
    group.addoption("--row", action="append", type=int, default=[], help="only this row of the fault matrix")
    group.addoption("--floors", action="store_true", help="fail where coverage is below its floors")


def pytest_configure(config: pytest.Config) -> None:
    """The fault rows' results are collected where all tests report to."""
    if not hasattr(config, "workerinput"):
        whole = bool(config.getoption("--faults"))
        kept = whole or bool(config.getoption("--row"))
        config.pluginmanager.register(results.Collector(tier="full" if whole else "quick", kept=kept))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave only the fault rows that were asked for, where they were; a full figure has more time."""
    for each in items:
        each.user_properties.append((results.ROWS, results.rows_of(each)))
    whole = bool(config.getoption("--faults"))
    kept = [each for each in items if _wanted(each, set(config.getoption("--row")), whole=whole)]
    for each in kept:
        if whole and each.get_closest_marker("timeout") is None:
            each.add_marker(pytest.mark.timeout(3_600))
    config.hook.pytest_deselected(items=list(set(items).difference(kept)))
    items[:] = kept


def _wanted(item: pytest.Item, rows: set[int], *, whole: bool) -> bool:
    mark = item.get_closest_marker("fault")
    if mark is None:
        return not (rows or whole)
    if mark.kwargs.get("full_only") and not whole:
        return False
    return not rows or bool(rows & set(mark.args))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a test against a real server may be skipped only where the machine can't run that server."""
    report = yield
    if IN_CI and report.skipped and item.get_closest_marker("outside") and not hasattr(report, "wasxfail"):
        reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
        if "cannot run here:" not in reason:
            report.outcome = "failed"
            report.longrepr = f"Skipped in CI, where it must run: {reason}"
    return report


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """With --floors: a run whose coverage is too low fails."""
    if not session.config.getoption("--floors") or hasattr(session.config, "workerinput"):
        return
    session.config.stash[floors.KEY] = below = floors.below(ROOT)
    if below and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Says before the closing line what coverage lacks."""
    below = config.stash.get(floors.KEY, None)
    if below is not None:
        terminalreporter.section("coverage floors")
        terminalreporter.write_line("\n".join(below) or "All hold.")


# --------------------------------------------------------------------------------------- home and log
_HOMES = {
    "HOME": "",
    "USERPROFILE": "",
    "APPDATA": "AppData/Roaming",
    "LOCALAPPDATA": "AppData/Local",
    "XDG_CONFIG_HOME": ".config",
    "XDG_DATA_HOME": ".local/share",
    "XDG_STATE_HOME": ".local/state",
    "XDG_CACHE_HOME": ".cache",
    "XDG_RUNTIME_DIR": "run",
}


def _move_in(folder: Path, patch: pytest.MonkeyPatch) -> Path:
    for name, place in _HOMES.items():
        (folder / place).mkdir(parents=True, exist_ok=True)
        patch.setenv(name, str(folder / place))
    (folder / "run").chmod(0o700)
    for name in [each for each in os.environ if each.startswith("WHEREUPON_")]:
        patch.delenv(name)
    return folder


@pytest.fixture(scope="session", autouse=True)
def _away_from_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        _move_in(tmp_path_factory.mktemp("session") / "home", patch)
        patch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
        patch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
        yield


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home of the test's own."""
    return _move_in(tmp_path / "home", monkeypatch)


class Logs(logging.Handler):
    """What was logged at WARNING or above while a test ran, and what of it the test asked for."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.records: list[logging.LogRecord] = []
        self._expected: list[str] = []
        self._allowed: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it, unless it is a test server's own."""
        if record.name != "mail.log":
            self.records.append(record)

    def expect(self, pattern: str) -> None:
        """A record whose message holds this has to come."""
        self._expected.append(pattern)

    def allow(self, pattern: str) -> None:
        """A record whose message holds this may come."""
        self._allowed.append(pattern)

    def complaints(self) -> list[str]:
        """Records that nobody asked for, and expected ones that didn't come."""
        said = [record.getMessage() for record in self.records]
        known = self._expected + self._allowed
        surprises = [
            f"{record.name} {record.levelname}: {record.getMessage()}"
            for record in self.records
            if not any(re.search(pattern, record.getMessage()) for pattern in known)
        ]
        missed = [each for each in self._expected if not any(re.search(each, text) for text in said)]
        return surprises + [f"expected in the log, but didn't come: {each}" for each in missed]


@pytest.fixture(autouse=True)
def logs(request: pytest.FixtureRequest) -> Iterator[Logs]:
    """The test's log; see the top of this file."""
    root, kept = logging.getLogger(), Logs()
    before, level = list(root.handlers), root.level
    root.addHandler(kept)
    yield kept
    for handler in [each for each in root.handlers if each not in before]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(level)
    if "caplog" not in request.fixturenames and (complaints := kept.complaints()):
        pytest.fail("Logged, though the test didn't ask for it:\n" + "\n".join(complaints), pytrace=False)


# ------------------------------------------------------------------------------------------------- servers
def _or_skip(reason: str | None) -> None:
    if reason is not None:
        pytest.skip(reason)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A certificate authority with a certificate for localhost."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def _kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    _or_skip(kafka_server.available())
    server = Kafka(tmp_path_factory.mktemp("kafka"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def kafka(_kafka: Kafka) -> Kafka:
    """The session's broker; started again if the test before left it dead."""
    if not _kafka.child.alive:
        _kafka.start()
    return _kafka


@pytest.fixture(scope="session")
def _postgresql() -> Iterator[PostgreSQL]:
    _or_skip(postgresql_server.available())
    server = PostgreSQL()
    server.start()
    yield server
    server.remove()


@pytest.fixture
def postgresql(_postgresql: PostgreSQL) -> PostgreSQL:
    """The session's cluster; started again if the test before left it dead."""
    if not _postgresql.child.alive:
        _postgresql.start()
    return _postgresql


@pytest.fixture
def odbc(postgresql: PostgreSQL) -> Callable[[str], str]:
    """A connection string for a database of the session's cluster."""
    _or_skip(odbc_driver.available())
    return lambda database: odbc_driver.connection_string(postgresql, database)


@pytest.fixture
def keyring_bus(monkeypatch: pytest.MonkeyPatch) -> Iterator[KeyringBus]:
    """A Secret Service of the test's own, unlocked and empty, found by the environment."""
    _or_skip(keyring_server.available())
    bus = KeyringBus()
    bus.start()
    monkeypatch.delenv("PYTHON_KEYRING_BACKEND", raising=False)
    for name, value in bus.environment.items():
        monkeypatch.setenv(name, value)
    yield bus
    bus.stop()


@pytest.fixture
def smtp() -> Iterator[SmtpServer]:
    """A mail server that takes everything, without TLS and login."""
    server = SmtpServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def scripted_smtp() -> Iterator[ScriptedSmtp]:
    """A mail server that fails where it is told."""
    server = ScriptedSmtp()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def http_sink() -> Iterator[HttpSink]:
    """An HTTP sink that takes everything until it is told otherwise."""
    sink = HttpSink()
    sink.start()
    yield sink
    sink.stop()


# -------------------------------------------------------------------------------------------------- faults
class Bar(Protocol):
    """Chooses between the quick figure and the full one."""

    def __call__(self, *, quick: T, full: T) -> T: ...


@pytest.fixture
def bar(request: pytest.FixtureRequest) -> Bar:
    """How hard a fault test tries."""
    whole = bool(request.config.getoption("--faults"))

    def choose(*, quick: T, full: T) -> T:
        return full if whole else quick

    return choose


@pytest.fixture
def fault_report(request: pytest.FixtureRequest) -> Callable[[Mapping[str, Any]], None]:
    """Takes what a fault row came to, in one line or several."""
    return lambda line: request.node.user_properties.append((results.LINE, dict(line)))
