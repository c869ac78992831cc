"""A real Secret Service: a D-Bus session of its own with an unlocked GNOME keyring."""

from __future__ import annotations

import contextlib
import functools
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.servers.processes import STARTED_WITH, Child

# Without the system's service folders: nobody is started because somebody asks for him.
_BUS = """<busconfig>
  <type>session</type>
  <listen>unix:path={folder}/bus</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>
  </policy>
</busconfig>
"""


@functools.cache
def available() -> str | None:
    """Why there is no keyring to test with, or None."""
    if not sys.platform.startswith("linux"):
        return "cannot run here: the Secret Service is Linux's keyring"
    missing = [each for each in ("dbus-daemon", "gnome-keyring-daemon") if shutil.which(each) is None]
    return f"{' and '.join(missing)} missing (Debian: dbus gnome-keyring)" if missing else None


class KeyringBus:
    """A bus and a keyring; `environment` is what a process needs to find them.

    `daemon=False` starts the bus alone: nobody answers for the Secret Service.
    """

    def __init__(self, *, daemon: bool = True) -> None:
        # A socket's path holds at most 107 characters: not below a folder of pytest's.
        self._folder = Path(tempfile.mkdtemp(prefix="whereupon-keyring-"))
        self._with_daemon = daemon
        self._children: list[Child] = []
        self.environment: Mapping[str, str] = {}

    def start(self) -> None:
        """Start both and wait until the keyring has its name on the bus."""
        home, runtime = self._folder / "home", self._folder / "run"
        home.mkdir(mode=0o700)
        runtime.mkdir(mode=0o700)
        settings = {"HOME": str(home), "XDG_RUNTIME_DIR": str(runtime), "XDG_DATA_HOME": str(home / "data")}
        address = self._start_bus({**STARTED_WITH, **settings})
        self.environment = {**settings, "DBUS_SESSION_BUS_ADDRESS": address}
        if self._with_daemon:
            self._start_daemon(b"the keyring's password\n")

    def _start_bus(self, environment: Mapping[str, str]) -> str:
        log = self._folder / "bus.log"
        settings = self._folder / "bus.conf"
        settings.write_text(_BUS.format(folder=self._folder), encoding="utf-8")
        command = ["dbus-daemon", f"--config-file={settings}", "--print-address=1", "--nofork"]
        bus = Child(command, log=log, environment=environment)
        self._children.append(bus)
        bus.wait_for(lambda: b"\n" in log.read_bytes(), within=10, what="The D-Bus session")
        return log.read_text(encoding="utf-8").splitlines()[0].strip()

    def lock(self) -> None:
        """Start the keyring anew without its password: every question to it meets a locked collection."""
        self._children.pop().stop()
        self._start_daemon(None)

    def _start_daemon(self, password: bytes | None) -> None:
        command = ["gnome-keyring-daemon", "--foreground", "--components=secrets"]
        daemon = Child(
            command if password is None else [*command, "--unlock"],
            log=self._folder / "keyring.log",
            environment={**STARTED_WITH, **self.environment},
            feed=password,
        )
        self._children.append(daemon)
        daemon.wait_for(self._named, within=10, what="The keyring")

    def _named(self) -> bool:
        from jeepney import DBusAddress, new_method_call
        from jeepney.io.blocking import open_dbus_connection

        bus = DBusAddress("/org/freedesktop/DBus", "org.freedesktop.DBus", "org.freedesktop.DBus")
        question = new_method_call(bus, "NameHasOwner", "s", ("org.freedesktop.secrets",))
        with contextlib.closing(
            open_dbus_connection(self.environment["DBUS_SESSION_BUS_ADDRESS"])
        ) as connection:
            return bool(connection.send_and_get_reply(question).body[0])

    def stop(self) -> None:
        """End both and delete what they held; twice is fine."""
        for each in reversed(self._children):
            each.stop()
        self._children.clear()
        shutil.rmtree(self._folder, ignore_errors=True)
