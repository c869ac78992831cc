"""The command as a process: its start, its end, its streams."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lived import applied, lived, sign_in
from whereupon import __main__ as program

pytestmark = [pytest.mark.process, pytest.mark.usefixtures("home")]
COMMAND = [sys.executable, "-m", "whereupon"]
HEAVY = (
    "alembic",
    "confluent_kafka",
    "cryptography",
    "keyring",
    "pycurl",
    "pydantic",
    "rich",
    "sqlalchemy",
    "yaml",
)


def whereupon(
    *words: object, stdin: bytes = b"", environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*COMMAND, *map(str, words)], input=stdin, capture_output=True, timeout=60, check=False,
        env={**os.environ, **(environment or {})},
    )  # fmt: skip


def following(folder: Path) -> subprocess.Popen[bytes]:
    command = [*COMMAND, "activity", "--follow", "--json", "--system", str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_help_loads_nothing_that_takes_long() -> None:
    code = (
        "import sys; from whereupon.__main__ import main; code = main(['--help']);"
        f"print(sorted(set(sys.modules) & set({HEAVY!r})), code, file=sys.stderr)"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert said.stderr == "[] 0\n"


def test_without_words_it_tells_what_there_is() -> None:
    said = whereupon()
    assert said.returncode == 0
    assert b"whereupon demo" in said.stdout


def test_it_speaks_utf_8_whatever_the_console_speaks(tmp_path: Path) -> None:
    template = tmp_path / "t.vm"
    template.write_text("Łódź, Sørensen", encoding="utf-8")
    said = whereupon("render", template, environment={"PYTHONIOENCODING": "cp1252"})
    assert said.stdout == "Łódź, Sørensen".encode()


def test_a_reader_who_goes_early_is_no_error(tmp_path: Path) -> None:
    folder = lived(tmp_path / "TealHols")
    with following(folder) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        first = json.loads(process.stdout.readline())
        process.stdout.close()
        whereupon("dead-letters", "resend", "--all", "--system", folder)
        whereupon("events", "send", "SignIn", "--system", folder, stdin=sign_in("e8", "1001"))
        with subprocess.Popen([*COMMAND, "service", "run", "-q", "--system", str(folder)]) as service:
            try:
                process.wait(30)
            finally:
                service.terminate()
        assert process.stderr.read() == b""
    assert first["outcome"]


@pytest.mark.skipif(sys.platform == "win32", reason="it sends Ctrl+C as Linux and macOS do")
def test_following_goes_on_until_ctrl_c_and_ends_without_a_word(tmp_path: Path) -> None:
    folder = lived(tmp_path / "TealHols")
    with following(folder) as process:
        assert process.stdout is not None
        rows = [json.loads(process.stdout.readline()) for _ in range(6)]
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
    assert sorted(each["outcome"] for each in rows)[:3] == ["dead letter", "repeat", "sent"]
    assert said == b""
    assert process.returncode == 130


@pytest.mark.req("RTT-13")
def test_the_service_is_started_asked_restarted_and_stopped_by_words(tmp_path: Path) -> None:
    folder = applied(tmp_path / "TealHols")
    try:
        started = whereupon("service", "start", "--system", folder)
        assert (started.returncode, started.stderr) == (0, b"")
        first = json.loads(whereupon("service", "status", "--system", folder, "--json").stdout)
        assert first["state"] == "running"
        assert [each["name"] for each in first["streams"]] == ["SignIn", "Register"]
        second = whereupon("service", "run", "--system", folder)
        assert second.returncode == 5
        assert (
            b"already runs here: process" in second.stderr.replace(b",", b":") or b"process" in second.stderr
        )
        assert whereupon("service", "start", "--system", folder).returncode == 5
        again = json.loads(whereupon("service", "restart", "--system", folder, "--json").stdout)
        assert again["state"] == "running"
        assert again["pid"] != first["pid"]
    finally:
        stopped = whereupon("service", "stop", "--system", folder, "--json")
    assert json.loads(stopped.stdout)["state"] == "stopped"
    assert stopped.returncode == 0


@pytest.mark.skipif(sys.platform == "win32", reason="it asks for the end as Linux and macOS do")
@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGINT])
def test_the_service_in_the_foreground_ends_cleanly_when_it_is_asked_to(tmp_path: Path, asked: int) -> None:
    folder = applied(tmp_path / "TealHols")
    with subprocess.Popen(
        [*COMMAND, "service", "run", "--quiet", "--system", str(folder)], stderr=subprocess.PIPE
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == b"The service runs. Ctrl+C ends it.\n"
        process.send_signal(asked)
        _, said = process.communicate(timeout=20)
    assert (process.returncode, said) == (0, b"")


def test_main_hands_its_words_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("whereupon ")
