"""What a bench says of what it found."""

from __future__ import annotations

import json

import pytest

from tests.bench.figures import Figure, line, paired, rounded


def test_a_pair_is_judged_by_the_middle_of_its_ratios() -> None:
    # Arrange: the third pair was measured on a busy machine, both sides of it.
    figure = paired("line", [60.0, 50.0, 10.0], [100.0, 100.0, 20.0], goal=0.5, unit="messages/s")
    # Assert
    assert (figure.ours, figure.theirs, figure.ratio, figure.pairs) == (50, 100, 0.5, 3)
    assert figure.met


@pytest.mark.parametrize(
    ("figure", "met"),
    [
        (Figure("a", 50, 0.5, "x/s", theirs=100, ratio=0.49), False),
        (Figure("a", 50, 50, "x/s", judged="ours"), True),
        (Figure("a", 121, 120, "MB", judged="ours", most=True), False),
        (Figure("a", 10, 3, "ms", theirs=8, judged="difference", most=True), True),
        (Figure("a", 12, 3, "ms", theirs=8, judged="difference", most=True), False),
        (Figure("a", 12, None, "ms"), True),
    ],
)
def test_a_goal_is_met_by_what_is_judged(figure: Figure, met: bool) -> None:
    assert figure.met is met


def test_a_fault_misses_every_goal() -> None:
    figure = Figure("line", 90, 0.5, "x/s", theirs=100, ratio=0.9, faults=["3 events unaccounted for"])
    assert not figure.met
    assert "FAULT: 3 events unaccounted for" in str(figure)


def test_the_last_line_has_the_first_figure_and_the_others_beside_it() -> None:
    # Arrange
    first = Figure("start", 1.7, 3, "s", judged="ours", most=True)
    second = Figure("start help", 0.9, 0.5, "s", judged="ours", most=True)
    # Act
    found = json.loads(line([first, second]))
    # Assert
    assert list(found)[:7] == ["name", "ours", "theirs", "ratio", "goal", "unit", "pairs"]
    assert (found["name"], found["met"], found["also"][0]["name"]) == ("start", False, "start help")


def test_large_figures_are_whole() -> None:
    assert [rounded(each) for each in (12345.67, 1.234)] == [12346, 1.23]
