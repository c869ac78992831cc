"""Sessions and connections on a real PostgreSQL."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from tests.servers.postgresql import PostgreSQL
from tests.unit.connect.behaviours import KEYED, ROWS, Behaviours, session
from whereupon.connect.databases import Database, database
from whereupon.connect.postgresql import Patient
from whereupon.connect.session import CommitUnknown, Session
from whereupon.model.errors import Away, Refused, SetupError, Unavailable

__all__ = ["session"]
pytestmark = pytest.mark.outside
To = Callable[..., Database]


@pytest.fixture
def name(postgresql: PostgreSQL) -> Iterator[str]:
    made = postgresql.create_database()
    yield made
    postgresql.drop_database(made)


@pytest.fixture
def to(postgresql: PostgreSQL, name: str, tmp_path: Path) -> To:
    """A connection string to the test's database, with parts of it changed."""

    def connect(
        *, host: str = "127.0.0.1", port: int = postgresql.port, user: str = "owner", database_name: str = name,
        options: str = "", password: str | None = postgresql.password,
    ) -> Database:  # fmt: skip
        url = f"postgresql://{user}@{host}:{port}/{database_name}{options}"
        return database(url, folder=tmp_path, password=password)

    return connect


@pytest.fixture(name="database")
def _database(to: To) -> Database:
    return to()


@pytest.mark.req("DAT-01")
class TestPostgresql(Behaviours):
    """A server."""


# ------------------------------------------------------------------------------------- who can't come in
def test_a_wrong_password_is_for_a_person(to: To) -> None:
    with pytest.raises(SetupError, match="doesn't accept the login of owner"):
        to(password="wrong").session()


def test_a_missing_password_is_for_a_person(to: To) -> None:
    with pytest.raises(SetupError, match="asks for a password"):
        to(password=None).session()


def test_an_unknown_database_is_for_a_person(to: To) -> None:
    with pytest.raises(SetupError, match="nowhere doesn't exist"):
        to(database_name="nowhere").session()


def test_a_database_that_one_may_not_open_is_for_a_person(postgresql: PostgreSQL, name: str, to: To) -> None:
    postgresql.execute(name, "DROP ROLE IF EXISTS stranger")
    postgresql.execute(name, "CREATE ROLE stranger LOGIN PASSWORD 'x'")
    postgresql.execute(name, f'REVOKE CONNECT ON DATABASE "{name}" FROM PUBLIC')
    with pytest.raises(SetupError, match="may not be opened"):
        to(user="stranger", password="x").session()


def test_a_server_that_isnt_there_is_away(to: To) -> None:
    with pytest.raises(Away, match="can't be reached"):
        to(port=1).session()


def test_an_option_that_postgresql_doesnt_know_is_for_a_person(to: To) -> None:
    with pytest.raises(SetupError, match="options"):
        to(options="?nonsense=1").session()


def test_the_engine_says_the_same(to: To) -> None:
    with pytest.raises(SetupError, match="doesn't accept the login"):
        to(password="wrong").engine.connect()


@pytest.mark.req("SEC-01")
def test_a_certificate_that_isnt_trusted_is_for_a_person(to: To) -> None:
    with pytest.raises(SetupError, match="certificate of localhost can't be trusted"):
        to(host="localhost", options="?sslmode=verify-full").session()


@pytest.mark.req("SEC-01")
def test_a_certificate_that_is_trusted_lets_in(postgresql: PostgreSQL, to: To) -> None:
    opened = to(host="localhost", options=f"?sslmode=verify-full&sslrootcert={postgresql.ca}").session()
    assert opened.one("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()") == (True,)
    opened.close()


def test_a_file_of_authorities_that_isnt_there_is_for_a_person(to: To) -> None:
    with pytest.raises(SetupError, match=r"nowhere\.pem isn't there"):
        to(options="?sslmode=verify-full&sslrootcert=nowhere.pem").session()


def test_options_of_the_connection_string_win(to: To) -> None:
    opened = to(options="?application_name=mine&connect_timeout=7&options=-c work_mem=5MB").session()
    assert opened.one("SELECT current_setting('application_name'), current_setting('work_mem')") == (
        "mine",
        "5MB",
    )
    opened.close()


def test_transactions_are_read_committed_whatever_the_database_is_set_to(
    postgresql: PostgreSQL, name: str, to: To
) -> None:
    postgresql.execute(name, f"ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'")
    opened = to().session()
    with opened.transaction():
        assert opened.one("SHOW transaction_isolation") == ("read committed",)
    assert opened.one("SHOW transaction_isolation") == ("read committed",)
    opened.close()


# ------------------------------------------------------------------------------------------ what goes wrong
def test_a_statement_that_takes_too_long_can_be_tried_again(to: To) -> None:
    opened = to().session(timeout=0.1)
    with pytest.raises(Unavailable, match="timeout"):
        opened.one("SELECT pg_sleep(5)")
    assert opened.one("SELECT 1") == (1,)
    opened.close()


def test_a_server_that_stands_still_is_given_up(to: To, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("whereupon.connect.postgresql.GRACE", 0.2)
    opened = to().session(timeout=0.1)
    (pid,) = opened.one("SELECT pg_backend_pid()") or (0,)
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(Away, match="no answer within"):
            opened.one("SELECT 1")
    finally:
        os.kill(pid, signal.SIGCONT)
    with pytest.raises(Away):
        opened.one("SELECT 1")
    opened.close()


def test_a_deadlock_can_be_tried_again(database: Database, session: Session) -> None:
    session.insert("thing", KEYED, ROWS)
    other, ended, both = database.session(), [], threading.Barrier(2)

    def crossed(mine: Session, first: int, then: int) -> None:
        try:
            with mine.transaction():
                mine.run("UPDATE thing SET n = 0 WHERE id = ?", (first,))
                both.wait(5)
                mine.run("UPDATE thing SET n = 0 WHERE id = ?", (then,))
            ended.append("done")
        except Unavailable as error:
            ended.append("away" if isinstance(error, Away) else "again")

    threads = [threading.Thread(target=crossed, args=each) for each in ((session, 1, 2), (other, 2, 1))]
    for each in threads:
        each.start()
    for each in threads:
        each.join(10)
    other.close()
    assert sorted(ended) == ["again", "done"]


def test_two_that_upsert_the_same_rows_dont_stop_each_other(database: Database, session: Session) -> None:
    rows = [(n, f"key {n}", 0) for n in range(300)]
    failures: list[Exception] = []

    def write(turned: bool) -> None:
        mine = database.session()
        try:
            for _ in range(10):
                with mine.transaction():
                    mine.upsert("thing", KEYED, rows[::-1] if turned else rows, key=("id",))
        except Exception as error:
            failures.append(error)
        mine.close()

    threads = [threading.Thread(target=write, args=(turned,)) for turned in (False, True)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(30)
    assert failures == []
    assert session.one("SELECT COUNT(*) FROM thing") == (300,)


def test_a_commit_after_a_hidden_error_is_no_commit(session: Session) -> None:
    def hides_it() -> None:
        with session.transaction():
            session.insert("thing", KEYED, ROWS)
            with pytest.raises(Refused):
                session.insert("thing", KEYED, ROWS)

    with pytest.raises(Refused, match="undid the transaction"):
        hides_it()
    assert session.one("SELECT COUNT(*) FROM thing") == (0,)


def test_a_backend_that_ends_before_the_commit_is_away(
    postgresql: PostgreSQL, name: str, session: Session
) -> None:
    (pid,) = session.one("SELECT pg_backend_pid()") or (0,)

    def cut_off() -> None:
        with session.transaction():
            session.insert("thing", KEYED, ROWS)
            postgresql.execute(name, f"SELECT pg_terminate_backend({pid}, 5000)")
            session.insert("thing", KEYED, ROWS)

    with pytest.raises(Away) as caught:
        cut_off()
    assert not isinstance(caught.value, CommitUnknown)


def test_a_backend_that_ends_with_the_commit_leaves_it_unknown(
    postgresql: PostgreSQL, name: str, session: Session
) -> None:
    (pid,) = session.one("SELECT pg_backend_pid()") or (0,)

    def cut_off() -> None:
        with session.transaction():
            session.insert("thing", KEYED, ROWS)
            postgresql.execute(name, f"SELECT pg_terminate_backend({pid}, 5000)")

    with pytest.raises(CommitUnknown):
        cut_off()


def test_a_right_that_is_missing_is_for_a_person(
    postgresql: PostgreSQL, name: str, session: Session, to: To
) -> None:
    postgresql.execute(name, "DROP ROLE IF EXISTS looker")
    postgresql.execute(name, "CREATE ROLE looker LOGIN PASSWORD 'x'")
    looker = to(user="looker", password="x").session()
    with pytest.raises(SetupError, match="rights"):
        looker.all("SELECT * FROM thing")
    looker.close()


# ------------------------------------------------------------------------- a server that is killed meanwhile
def test_a_killed_server_is_away_until_it_is_back_and_nothing_is_doubled(tmp_path: Path) -> None:
    """Row 18 in small: whatever moment the server dies at, each row is there once in the end."""
    server = PostgreSQL()
    server.start()
    try:
        place = database(server.url("postgres", password=None), folder=tmp_path, password=server.password)
        opened = place.session(timeout=5.0)
        opened.run("CREATE TABLE done (id bigint PRIMARY KEY)")
        opened.close()
        for kill in range(3):
            stop = threading.Event()
            worker = threading.Thread(target=_writing, args=(place, kill * 10_000, stop))
            worker.start()
            stop.wait(0.1)
            server.kill()
            server.restart()
            stop.set()
            worker.join(20)
            assert not worker.is_alive()
        rows = server.rows("postgres", "SELECT id FROM done")
        last = {kill: max(each for (each,) in rows if each // 10_000 == kill) for kill in range(3)}
        assert sorted(each for (each,) in rows) == [
            n for kill in last for n in range(kill * 10_000, last[kill] + 1)
        ]
    finally:
        server.remove()


def _writing(place: Database, number: int, stop: threading.Event) -> None:
    """Insert one number after the other, each until it surely stands; connect anew whenever the server is away."""
    opened: Session | None = None
    deadline = time.monotonic() + 20
    while not stop.is_set() and time.monotonic() < deadline:
        try:
            opened = opened or place.session(timeout=5.0)
            with opened.transaction():
                opened.insert_new("done", {"id": "id"}, [(number,)], key=("id",))
            number += 1
        except Away:
            if opened is not None:
                opened.close()
            opened = None
            stop.wait(0.02)
    if opened is not None:
        opened.close()


def test_a_connection_of_ours_is_closed_by_its_end(postgresql: PostgreSQL, name: str) -> None:
    with Patient.connect(postgresql.dsn(name)) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    with pytest.raises(psycopg.OperationalError):
        connection.execute("SELECT 1")
