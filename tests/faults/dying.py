"""Whereupon as it is, in a process where a thread dies when its name is written to standard input.

    python -m tests.faults.dying service run --system FOLDER

An exception that nobody catches is raised inside the thread, wherever it is at the moment.
"""

from __future__ import annotations

import ctypes
import sys
import threading

from whereupon.__main__ import main


class Death(BaseException):
    """Nothing that any thread of ours expects."""


def kill(name: str) -> bool:
    """Raise in the thread of this name; true if there is one."""
    found = [each.ident for each in threading.enumerate() if each.name == name and each.ident is not None]
    return bool(found) and bool(
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(found[0]), ctypes.py_object(Death))
    )


def obey() -> None:
    """Do as each line says, and answer with what there was to kill."""
    for line in sys.stdin:
        name = line.strip()
        known = ", ".join(sorted(each.name for each in threading.enumerate()))
        sys.stdout.write(f"killed {name}\n" if kill(name) else f"no {name} among {known}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    threading.Thread(target=obey, name="death", daemon=True).start()
    sys.exit(main())
