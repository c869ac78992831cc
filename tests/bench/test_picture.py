"""The README's table of growth, and its picture."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

from tests.bench import picture, results
from tests.bench.figures import Figure

FIGURES = [
    Figure("growth", 9000, 0.75, "messages/s", theirs=10000, ratio=0.9),
    *(
        Figure(f"growth {varied} {value}", rate, None, "messages/s", more={"varied": varied, "value": value})
        for varied, value, rate in (
            ("partitions", "1", 12000),
            ("partitions", "4", 11000),
            ("partitions", "16", 10500),
            ("receiver takes", "1 ms", 11500),
            ("receiver takes", "500 ms", 126),
        )
    ),
]


def parsed() -> ET.Element:
    """The picture."""
    return ET.fromstring(picture.svg(picture.groups(each.object() for each in FIGURES)))  # noqa: S314


def test_the_table_has_a_row_for_each_thing_that_is_varied() -> None:
    varied = picture.groups(each.object() for each in FIGURES)
    assert picture.table(varied).splitlines()[2:] == [
        "| partitions | 1: **12,000** | 4: **11,000** | 16: **10,500** |",
        "| receiver takes | 1 ms: **11,500** | 500 ms: **126** |  |",
    ]


def test_the_longest_bar_is_the_highest_rate() -> None:
    # Act
    drawn = parsed()
    # Assert
    bars = [float(each.attrib["width"]) for each in drawn.iter("{http://www.w3.org/2000/svg}rect")]
    assert len(bars) == 5
    assert max(bars) == bars[0] == picture.WIDTH - picture.LABELS - picture.NUMBERS


def test_no_bar_leaves_the_picture() -> None:
    drawn = parsed()
    below = [float(each.attrib["y"]) for each in drawn.iter("{http://www.w3.org/2000/svg}rect")]
    assert max(below) + picture.BAR <= float(drawn.attrib["height"])


def test_a_kept_growth_is_drawn_into_the_readme(tmp_path: Path) -> None:
    # Arrange
    file, readme, drawn = tmp_path / "results.json", tmp_path / "README.md", tmp_path / "growth.svg"
    readme.write_text("before\n<!-- growth -->\nold\n<!-- /growth -->\nafter\n", encoding="utf-8")
    results.keep("growth", FIGURES, file=file)
    # Act
    picture.draw(file=file, readme=readme, picture=drawn)
    # Assert
    said = readme.read_text(encoding="utf-8")
    assert said.startswith("before\n<!-- growth -->\n| Varied |")
    assert said.endswith("<!-- /growth -->\nafter\n")
    assert "old" not in said
    assert drawn.exists()


def test_a_readme_without_the_marks_stays_as_it_is() -> None:
    assert picture.shown("no table here", "| a |") == "no table here"
