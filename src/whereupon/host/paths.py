"""Where the program keeps its own files, which systems it knows, and where its resources lie."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import platformdirs

from whereupon.host.files import private_folder, write_atomically
from whereupon.model.errors import SetupError

_PROGRAM = "Whereupon"
_KNOWN = 20


def config_folder() -> Path:
    """The program's own settings of this user, private; made when it isn't there."""
    return private_folder(platformdirs.user_config_path(_PROGRAM, appauthor=False))


def known_systems() -> list[Path]:
    """Folders of the systems that were opened lately and are still there, the latest first."""
    try:
        listed = json.loads(_systems_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        # The list is a convenience: without it the person opens the folder once more.
        return []
    names = listed if isinstance(listed, list) else []
    return [Path(each) for each in names if isinstance(each, str) and Path(each).is_dir()]


def remember_system(folder: Path) -> None:
    """Put a system's folder at the head of `known_systems`; at most 20 are kept."""
    latest = folder.resolve()
    others = [each for each in known_systems() if each != latest]
    names = [str(each) for each in [latest, *others][:_KNOWN]]
    write_atomically(_systems_file(), json.dumps(names, ensure_ascii=False, indent=1) + "\n")


def resources() -> Path:
    """The folder of the program's resources, whether it is installed, run from its sources, or frozen.

    Raises SetupError if the installation lacks it.
    """
    package = Path(__file__).resolve().parents[1]
    frozen = getattr(sys, "_MEIPASS", None)
    places = (
        [Path(frozen) / "resources"] if frozen else [package / "resources", package.parents[1] / "resources"]
    )
    for place in places:
        if place.is_dir():
            return place
    raise SetupError("The program's own files are missing.", hint="Install Whereupon again.")


def _systems_file() -> Path:
    return config_folder() / "systems.json"
