"""One command for those who build Whereupon: sets itself up on a fresh machine, then runs, checks, tests or measures.

    python packaging/dev.py demo [ARGUMENT ...]    the worked example, no server needed
    python packaging/dev.py test [ARGUMENT ...]    everything: format, lint, types, import contracts, tests, coverage
    python packaging/dev.py check                  the quick part of it: no servers, no processes
    python packaging/dev.py bench [NAME] [--json]  how fast it is; without a name the list of what is measured

It needs Python 3.11 or newer and nothing else: it makes a virtual environment (`.venv`, or `$WHEREUPON_VENV`) from
`packaging/requirements.lock` and, where it may, installs the Debian packages that the test servers need.
What it says itself goes to standard error.
"""

from __future__ import annotations

import argparse
import glob
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "packaging" / "requirements.lock"
PEERS_LOCK = ROOT / "packaging" / "bench-requirements.lock"
VENV = Path(os.environ.get("WHEREUPON_VENV") or ROOT / ".venv")
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
# Each Debian package: the program or file that shows it is there, however it came, and whose tests need it.
SYSTEM_PACKAGES = {
    "default-jre-headless": ("java", "Kafka"),
    "maven": ("mvn", "Kafka"),
    "postgresql": ("/usr/lib/postgresql/*/bin/initdb", "PostgreSQL"),
    "unixodbc": ("odbcinst", "ODBC"),
    "odbc-postgresql": ("/usr/lib/*/odbc/psqlodbcw.so", "ODBC"),
    "dbus": ("dbus-daemon", "the keyring"),
    "gnome-keyring": ("gnome-keyring-daemon", "the keyring"),
    "faketime": ("/usr/lib/*/faketime/libfaketimeMT.so.1", "a clock that is set"),
}


def say(words: str) -> None:
    """A sentence of ours, kept apart from what the tools print."""
    print(words, file=sys.stderr, flush=True)


def run(*command: str | Path, folder: Path = ROOT) -> int:
    """Run a tool as the user would; its exit code."""
    sys.stdout.flush()
    return subprocess.run([str(each) for each in command], cwd=folder, check=False).returncode


# ------------------------------------------------------------------------------------------ setting up
def set_up() -> None:
    """Make the virtual environment, or bring it up to the lock, if either changed since the last time."""
    install(
        VENV, [("-r", LOCK), ("--no-deps", "--no-build-isolation", "-e", ROOT)], LOCK, ROOT / "pyproject.toml"
    )


def set_up_peers() -> None:
    """The same for those that the line is measured beside, apart from our own libraries."""
    install(ROOT / ".cache" / "bench" / "venv", [("-r", PEERS_LOCK)], PEERS_LOCK)


def install(place: Path, steps: Sequence[Sequence[str | Path]], *sources: Path) -> None:
    """Make a virtual environment by these steps of pip, unless these files are as they were the last time."""
    asked = b"".join(each.read_bytes() for each in sources) + platform.python_version().encode()
    stamp, wanted = place / "whereupon.stamp", hashlib.sha256(asked).hexdigest()
    python = place / PYTHON.relative_to(VENV)
    if python.exists() and stamp.exists() and stamp.read_text(encoding="ascii") == wanted:
        return
    if not python.exists():
        say(f"Making the virtual environment {place} ...")
        make_environment(place)
    say(f"Installing what {sources[0].relative_to(ROOT)} names ...")
    pip = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    if any(run(*pip, *step) for step in steps):
        sys.exit("The libraries could not be installed; pip said why above.")
    stamp.write_text(wanted, encoding="ascii")


def make_environment(place: Path) -> None:
    """Debian keeps a part of venv in a package of its own."""
    try:
        venv.create(place, with_pip=True)
    except subprocess.CalledProcessError:
        shutil.rmtree(place, ignore_errors=True)
        install_system(["python3-venv"])
        venv.create(place, with_pip=True)


def install_servers() -> None:
    """Install what the test servers need where that is allowed; else say which tests will be skipped."""
    missing = [package for package, (sign, _) in SYSTEM_PACKAGES.items() if not found(sign)]
    if missing and not install_system(missing):
        parts = sorted({SYSTEM_PACKAGES[each][1] for each in missing})
        say(f"Tests that need {', '.join(parts)} are skipped.")


def found(sign: str) -> bool:
    """True if the program is on the path, or a file like this exists."""
    return bool(glob.glob(sign)) if "/" in sign else shutil.which(sign) is not None


def install_system(packages: Sequence[str]) -> bool:
    """Install Debian packages as root or by a sudo that asks for no password; true if they are there then."""
    rights = rights_to_install()
    if rights is None:
        say(f"May not install system packages here. On Debian, as root: apt-get install {' '.join(packages)}")
        return False
    say(f"Installing system packages: {' '.join(packages)} ...")
    apt = [
        *rights,
        "env",
        "DEBIAN_FRONTEND=noninteractive",
        "apt-get",
        "-qq",
        "-o",
        "DPkg::Lock::Timeout=120",
    ]
    install = [*apt, "install", "-y", "--no-install-recommends", *packages]
    return quietly(install) or (quietly([*apt, "update"]) and quietly(install))


def quietly(command: Sequence[str]) -> bool:
    """Run a command without its words; true if it succeeded."""
    return subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode == 0


def rights_to_install() -> list[str] | None:
    """What to put before apt-get; None if we may not."""
    if sys.platform == "win32" or shutil.which("apt-get") is None:
        return None
    if os.getuid() == 0:
        return []
    if (
        shutil.which("sudo")
        and subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode == 0
    ):
        return ["sudo", "-n"]
    return None


# ----------------------------------------------------------------------------------------------- verbs
def demo(words: list[str]) -> int:
    """Run the worked example; `demo --help` tells what it takes."""
    return run(PYTHON, "-m", "whereupon", "demo", *words, folder=Path.cwd())


def test(words: list[str]) -> int:
    """Run everything. With arguments only pytest runs, and gets them: a path, -k WORD, -n 2,
    --row N (that row of the fault matrix at its quick figure) and --faults (at the full one; without --row all rows).
    Those two keep the results in tests/faults/results.json and the README's table."""
    install_servers()
    pytest = (PYTHON, "-m", "pytest", "--durations=10")
    if words:
        return run(*pytest, *words)
    failed = static_checks()
    tested = run(*pytest, "--cov", "--cov-report=", "--floors")
    return tested or failed


def check(words: list[str]) -> int:
    """Run format, lint, types, import contracts and the tests that need neither servers nor processes."""
    install_servers()
    failed = static_checks()
    quick = ("tests/unit", "tests/architecture", "-m", "not outside and not process and not slow")
    return run(PYTHON, "-m", "pytest", "-q", *quick, *words) or failed


def bench(words: list[str]) -> int:
    """Measure: without a name the list of benches, with one that bench, `all` for all of them; `bench --help`."""
    if words and not {"-h", "--help"} & set(words):
        install_servers()
    if {"faststream", "all"} & set(words):
        set_up_peers()
    return run(PYTHON, "-m", "tests.bench.run", *words)


def static_checks() -> int:
    """Format, lint and types, each to its end; 1 if one failed. The import contracts are a test."""
    steps = (("ruff", "format", "--check", "."), ("ruff", "check", "."), ("mypy",))
    failed = [" ".join(step) for step in steps if run(PYTHON, "-m", *step)]
    for each in failed:
        say(f"FAILED: {each}")
    return 1 if failed else 0


VERBS: dict[str, Callable[[list[str]], int]] = {"demo": demo, "test": test, "check": check, "bench": bench}


def main() -> int:
    """Read the command, set up, do it; the exit code is the tool's."""
    if sys.version_info < (3, 11):  # noqa: UP036  it is started by whatever Python there is
        sys.exit(f"Whereupon needs Python 3.11 or newer; this is {platform.python_version()}.")
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, verb in VERBS.items():
        verbs.add_parser(name, help=" ".join((verb.__doc__ or "").split()), add_help=False)
    asked, words = parser.parse_known_args(sys.argv[1:2])[0], sys.argv[2:]
    verb = VERBS[asked.verb]
    if verb in {test, check} and {"-h", "--help"} & set(words):
        print(verb.__doc__)
        return 0
    set_up()
    return verb(words)


if __name__ == "__main__":
    sys.exit(main())
