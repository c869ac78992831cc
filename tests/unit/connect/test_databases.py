"""Connection strings: what they become, what is refused, and that none shows a password."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest

from whereupon.connect.databases import Database, database
from whereupon.connect.tls import Tls
from whereupon.model.errors import Away, SetupError

pytest.importorskip("pyodbc", reason="pyodbc needs unixodbc", exc_type=ImportError)
import pyodbc

HERE = Path(__file__).parent
SECRET = "s3cret;PWD=x}y'\" p"


def at(url: str, password: str | None = SECRET) -> Database:
    return database(url, folder=HERE, password=password)


@pytest.fixture
def libpq(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What psycopg would be given for a connection."""
    given: dict[str, Any] = {}

    def connect(**words: Any) -> None:
        given.update(words)
        raise psycopg.ProgrammingError("seen enough")

    monkeypatch.setattr("whereupon.connect.postgresql.Patient.connect", connect)
    return given


def opened(url: str, given: dict[str, Any], password: str | None = SECRET) -> dict[str, Any]:
    given.clear()
    with pytest.raises(SetupError):
        at(url, password).session()
    return given


@pytest.fixture
def odbc(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The connection strings that pyodbc would be given."""
    given: list[str] = []

    def connect(string: str, **_: Any) -> None:
        given.append(string)
        raise pyodbc.OperationalError("08001", "[08001] [Microsoft]Nobody there (10061) (SQLDriverConnect)")

    monkeypatch.setattr(pyodbc, "connect", connect)
    return given


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("sqlite:///a.db", "sqlite"),
        ("postgresql://u@h/d", "postgresql"),
        ("postgres://u@h/d", "postgresql"),
        ("postgresql+psycopg://u@h/d", "postgresql"),
        ("mssql://u@h/d", "sqlserver"),
        ("mssql+pyodbc://u@h/d", "sqlserver"),
    ],
)
def test_a_connection_string_says_which_database_it_is(url: str, name: str) -> None:
    assert at(url).dialect.name == name


@pytest.mark.parametrize(
    "url",
    ["", "nonsense", "sqlite://", "sqlite:///:memory:", "oracle://u@h/d", "postgresql://u@h:port/d", "postgresql://u@h",
     "mssql://u@h/"],
)  # fmt: skip
def test_a_connection_string_that_cant_be_used_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(SetupError) as caught:
        at(url)
    assert caught.value.hint


@pytest.mark.req("SEC-01")
@pytest.mark.parametrize("kind", ["postgresql", "mssql"])
@pytest.mark.parametrize(
    "name",
    ["host=evil.example", "a%3Db", "postgresql%3A%2F%2Fevil", "a b", "a%09b", "a%0Ab", "a=b host=evil"],
)
def test_a_name_that_a_client_would_read_as_a_connection_string_is_refused(kind: str, name: str) -> None:
    with pytest.raises(SetupError, match="can't be the name of a database"):
        at(f"{kind}://u@h/{name}")
    with pytest.raises(SetupError, match="can't be the name of a database"):
        at(f"{kind}://u@h/fine?dbname={name}")


def test_an_option_that_would_begin_another_one_is_refused() -> None:
    with pytest.raises(SetupError, match="can't be an option"):
        at("mssql://u@h/d?Encrypt%3Dno%3BServer=evil")


@pytest.mark.req("SEC-01")
@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:hidden@h/d",
        "postgresql://u@h/d?password=hidden&sslpassword=hidden",
        "mssql://u:hidden@h/d",
        "mssql://u@h/d?PWD=hidden&Password=hidden&pwd=hidden",
    ],
)
def test_a_password_is_never_shown(url: str) -> None:
    made = at(url)
    assert "hidden" not in f"{made} {made!r} {made.url} {made.words} {made.engine}"
    assert "u@h/d" in repr(made)
    made.close()


def test_a_file_is_relative_to_the_folder_unless_it_says_otherwise(tmp_path: Path) -> None:
    assert at("sqlite:///Name.db").path == HERE / "Name.db"
    assert at("sqlite:///sub/Name.db").path == HERE / "sub" / "Name.db"
    assert at(f"sqlite:///{tmp_path.as_posix()}/Name.db").path == tmp_path / "Name.db"


def test_nothing_is_connected_before_it_is_asked_for(tmp_path: Path) -> None:
    made = database("sqlite:///Name.db", folder=tmp_path)
    assert made.engine is made.engine
    assert not (tmp_path / "Name.db").exists()
    made.close()


@pytest.mark.req("SEC-01")
def test_postgresql_is_verified_unless_it_is_this_machine(libpq: dict[str, Any]) -> None:
    far = dict(opened("postgresql://u@db.example/d", libpq))
    assert (far["sslmode"], far["sslrootcert"]) == ("verify-full", Tls().authorities())
    for host in ("localhost", "127.0.0.1", "[::1]", ""):
        near = opened(f"postgresql://u@{host}/d" if host else "postgresql:///d", libpq)
        assert near["sslmode"] == "prefer"
        assert "sslrootcert" not in near


def test_the_connection_strings_own_choice_of_encryption_wins(libpq: dict[str, Any]) -> None:
    weak = opened("postgresql://u@db.example/d?sslmode=require", libpq)
    assert weak["sslmode"] == "require"
    assert "sslrootcert" not in weak
    own = opened("postgresql://u@db.example/d?sslmode=verify-ca&sslrootcert=/own.pem", libpq)
    assert (own["sslmode"], own["sslrootcert"]) == ("verify-ca", "/own.pem")


def test_postgresql_is_given_words_and_never_a_composed_string(libpq: dict[str, Any]) -> None:
    given = opened("postgresql://u%40x@h:77/d?target_session_attrs=read-write", libpq)
    wanted = {"host": "h", "port": 77, "user": "u@x", "dbname": "d", "password": SECRET}
    assert wanted.items() <= given.items()
    assert given["target_session_attrs"] == "read-write"
    assert "conninfo" not in given


def test_the_password_that_is_given_apart_wins(libpq: dict[str, Any]) -> None:
    assert opened("postgresql://u:old@h/d", libpq, "new")["password"] == "new"
    assert opened("postgresql://u:old@h/d", libpq, None)["password"] == "old"
    assert "password" not in opened("postgresql://u@h/d", libpq, None)


def test_sql_server_is_encrypted_and_each_value_stands_in_braces(odbc: list[str]) -> None:
    with pytest.raises(Away):
        at("mssql://u@h:77/d").session()
    assert odbc == [
        "Driver={ODBC Driver 18 for SQL Server};Server={h,77};Database={d};Encrypt={yes};UID={u};"
        "PWD={s3cret;PWD=x}}y'\" p}"
    ]


def test_sql_servers_options_pass_through_and_win(odbc: list[str]) -> None:
    url = "mssql://u@h/d?driver={FreeTDS}&Encrypt=no&TrustServerCertificate=yes&use_insertmanyvalues=false"
    with pytest.raises(Away):
        at(url, "p").session()
    assert odbc == [
        "Driver={FreeTDS};Server={h};Database={d};Encrypt={no};UID={u};PWD={p};TrustServerCertificate={yes}"
    ]


@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("mssql://u@h\\INST/d", "Server={h\\INST}"),
        ("mssql://u@h\\INST:77/d", "Server={h\\INST}"),
        ("mssql://h/d", "Trusted_Connection={yes}"),
        ("mssql://h/d?Authentication=ActiveDirectoryMsi", "Authentication={ActiveDirectoryMsi}"),
        ("mssql://h/d?A=1&A=2", "A={2}"),
    ],
)
def test_sql_server_is_named_as_odbc_wants_it(odbc: list[str], url: str, part: str) -> None:
    with pytest.raises(Away):
        at(url).session()
    assert part in odbc[0].split(";")


def test_the_engine_of_sql_server_connects_the_same_way(odbc: list[str]) -> None:
    made = at("mssql://u@h/d?use_insertmanyvalues=false", "p")
    with pytest.raises(Away, match="can't be reached"):
        made.engine.connect()
    assert odbc == [
        "Driver={ODBC Driver 18 for SQL Server};Server={h};Database={d};Encrypt={yes};UID={u};PWD={p}"
    ]
    assert made.engine.dialect.use_insertmanyvalues is False
    made.close()
