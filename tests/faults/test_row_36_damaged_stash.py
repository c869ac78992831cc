"""Row 36: stash files torn, bit-flipped, cut short or filled with zeros, before they are loaded and settled."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Bar
from tests.faults.checker import account
from tests.faults.service import System, local, setup, sign_ins, to_local, web_hook
from tests.faults.sinks import KeyedSink
from tests.faults.stashes import aside, body, communications, counts, left, pieces, row, taken

Report = Callable[[Mapping[str, Any]], None]
Chance = random.Random
pytestmark = [pytest.mark.fault(36), pytest.mark.process, pytest.mark.slow]
LINES = 3
"""Lines of a file before it is damaged."""


# ------------------------------------------------------------------------------------------------- damage
def cut_short(whole: bytes, chance: Chance) -> bytes:
    """An append of which the disk got a part, or nothing of the file."""
    return whole[: chance.randrange(len(whole))]


def bits_flipped(whole: bytes, chance: Chance) -> bytes:
    """A disk or a cable that lies: up to five bits."""
    changed = bytearray(whole)
    for _ in range(chance.randint(1, 5)):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def zeros_inside(whole: bytes, chance: Chance) -> bytes:
    """Blocks that were never written."""
    begin = chance.randrange(len(whole))
    size = chance.choice((1, 50, 512, len(whole)))
    return whole[:begin] + bytes(len(whole[begin : begin + size])) + whole[begin + size :]


def zeros_behind(whole: bytes, chance: Chance) -> bytes:
    """A file whose length lasted, and whose data didn't."""
    return whole[: chance.randrange(len(whole) + 1)] + bytes(chance.randint(1, 4096))


def line_breaks_lost(whole: bytes, chance: Chance) -> bytes:
    """Lines run into one another, or broken in two."""
    place = chance.randrange(len(whole))
    return whole[:place] + chance.choice((b"\n", b"", b"\r")) + whole[place + 1 :]


def said_twice(whole: bytes, chance: Chance) -> bytes:
    """A part of the file behind itself, as a clumsy repair leaves it."""
    return whole + whole[chance.randrange(len(whole)) :]


def other_bytes(whole: bytes, chance: Chance) -> bytes:
    """Somebody else's data in the middle or at the end."""
    begin = chance.randrange(len(whole) + 1)
    return whole[:begin] + chance.randbytes(chance.randint(1, 200)) + whole[begin:]


DAMAGES = (
    cut_short, bits_flipped, zeros_inside, zeros_behind, line_breaks_lost, said_twice, other_bytes
)  # fmt: skip


class Damaged:
    """The stash of a system, divided into files of a few lines, all of them damaged; half look as if still open."""

    def __init__(self, stash: Path, files: int, chance: Chance) -> None:
        lines = taken(stash)
        assert len(lines) == LINES * files
        self.stash = stash
        self.bodies = set(map(body, lines))
        self.files: dict[str, bytes] = {}
        for number in range(files):
            content = b"".join(each + b"\n" for each in lines[number * LINES :][:LINES])
            damage = DAMAGES[number // 2 % len(DAMAGES)]
            name = f"{number:013d}-000"
            self.files[name] = damage(content, chance)
            (stash / name).with_suffix((".open", ".stash")[number % 2]).write_bytes(self.files[name])
        # A last line without its line break may be torn.
        self.sound = set(lines) & {
            each for content in self.files.values() for each in content.split(b"\n")[:-1]
        }


# --------------------------------------------------------------------------------------------------- the row
def test_of_damaged_stash_files_every_sound_line_is_loaded_and_the_rest_is_set_aside(
    keyed: KeyedSink, system_of: Callable[..., System], seed: int, bar: Bar, fault_report: Report
) -> None:
    files, more = bar(quick=200, full=2_000), 10
    events = files * LINES
    system = system_of(setup(stream=local(), channels=[web_hook(keyed.url)]))
    produced = list(sign_ins(range(events + more)))
    system.start()
    to_local(system)([value for _, value in produced[:events]])
    system.settle(events=events, within=120)
    system.stop()
    damaged = Damaged(system.folder / "Stash", files, random.Random(seed))
    began = time.monotonic()
    system.command("load-communications")
    child = system.start()
    to_local(system)([value for _, value in produced[events:]])
    system.settle(events=events + more)
    system.stop()
    assert "Traceback" not in child.last_words(1_000_000)
    system.command("load-communications")
    seconds = time.monotonic() - began
    result = account([each for each, _ in produced], keyed.arrived(), system.activity())
    fault_report({**result.row(36, seed=seed, kills=0, seconds=seconds), "files": files})
    assert (result.delivered, result.problems) == (events + more, [])
    counts_add_up(damaged, counts(system))
    no_row_is_wrong(damaged, communications(system), more)


def counts_add_up(damaged: Damaged, noted: Mapping[str, tuple[int, int]]) -> None:
    """Each piece of each file was loaded or is kept aside, and the counts say which; every file is put away."""
    for name, content in damaged.files.items():
        lines, bad = noted.get(name, (0, 0))
        there, kept = Counter(pieces(content)), Counter(aside(damaged.stash, name))
        assert kept.total() - bad in (0, 1), (name, content)  # a torn tail
        assert lines + kept.total() == there.total(), (name, content)
        assert kept <= there, (name, content)
        assert {body(each) for each in there - kept} <= damaged.bodies, (name, content)
    assert not left(damaged.stash)


def no_row_is_wrong(damaged: Damaged, found: list[tuple[Any, ...]], more: int) -> None:
    """The table holds what was sent and not a row else: every sound line, and each once."""
    right = {row(each) for each in damaged.bodies}
    keys, known = {each[0] for each in found}, {each[0] for each in right}
    assert len(keys) == len(found)
    assert {row(body(each))[0] for each in damaged.sound} <= keys
    assert len(keys - known) == more
    assert {each for each in found if each[0] in known} <= right
