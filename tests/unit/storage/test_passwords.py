"""Passwords in connection strings."""

from __future__ import annotations

import pytest

from whereupon.storage.passwords import password_in, plain, with_password, without_password

STRINGS = [
    (
        "postgresql://ann:s%40cret@host:5432/db?sslmode=require",
        "s@cret",
        "postgresql://ann@host:5432/db?sslmode=require",
    ),
    ("postgresql://ann:p@ss/w@host/db", "p@ss/w", "postgresql://ann@host/db"),
    ("postgresql://ann@host/db?password=abc&x=1", "abc", "postgresql://ann@host/db?password=&x=1"),
    ("Driver={PG};UID=ann;PWD=abc;Port=1", "abc", "Driver={PG};UID=ann;PWD=;Port=1"),
    ("Driver={PG};Pwd={a;b}}c}", "a;b}c", "Driver={PG};Pwd="),
    ("mssql://ann:abc@host/db?Driver=ODBC Driver 18", "abc", "mssql://ann@host/db?Driver=ODBC Driver 18"),
    (
        "odbc:///?odbc_connect=DSN%3Dx%3BPWD%3Dabc%3BUID%3Dann",
        "abc",
        "odbc:///?odbc_connect=DSN%3Dx%3BPWD%3D%3BUID%3Dann",
    ),
]


@pytest.mark.req("SEC-01")
@pytest.mark.parametrize(("url", "password", "without"), STRINGS)
def test_a_password_is_found_and_taken_out(url: str, password: str, without: str) -> None:
    assert plain(url) == password
    assert without_password(url) == without
    assert password_in(without) is None
    assert password_in(with_password(url, "${secret:a}")) is None
    assert "${secret:a}" in with_password(url, "${secret:a}")


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///My@File:x.db",
        "postgresql://ann@host/db",
        "postgresql://ann:${secret:db/password}@host/db",
        "Driver=x;PWD=${secret:db/password}",
        "postgresql://host/db",
        "",
    ],
)
def test_without_a_password_a_string_stays_as_it_is(url: str) -> None:
    assert plain(url) is None
    assert without_password(url) == url
    assert with_password(url, "x") == url
