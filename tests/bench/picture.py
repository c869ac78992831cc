"""How the rate grows, as the README's table and as a picture, from results.json: `python -m tests.bench.picture`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from tests.bench.results import FILE, stored
from tests.servers.processes import ROOT

README, SVG = ROOT / "README.md", ROOT / "resources" / "growth.svg"
BEGIN, END = "<!-- growth -->", "<!-- /growth -->"
WIDTH, LABELS, NUMBERS, BAR, GAP, HEAD = 720, 200, 80, 16, 6, 30
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1f2328}.head{font-weight:600}.value{text-anchor:end}"
    "rect{fill:#1a9988}@media(prefers-color-scheme:dark){text{fill:#e6edf3}rect{fill:#2dbfae}}"
)
Groups = Sequence[tuple[str, Sequence[tuple[str, float]]]]


def groups(figures: Iterable[Mapping[str, Any]]) -> Groups:
    """What was varied, with (value, rate) of each, in the order measured."""
    found: dict[str, list[tuple[str, float]]] = {}
    for each in figures:
        if "varied" in each:
            found.setdefault(each["varied"], []).append((each["value"], each["ours"]))
    return list(found.items())


def table(varied: Groups) -> str:
    """Markdown: a row for each thing that was varied, a cell for each of its values."""
    width = max(len(cells) for _, cells in varied)
    lines = [f"| Varied | {' | '.join(['Messages/s'] + [''] * (width - 1))} |", "|---|" + "---|" * width]
    for name, cells in varied:
        said = [f"{value}: **{rate:,.0f}**" for value, rate in cells] + [""] * (width - len(cells))
        lines.append(f"| {name} | {' | '.join(said)} |")
    return "\n".join(lines)


def svg(varied: Groups) -> str:
    """Bars from the left, a group for each thing that was varied; without a background, so it suits light and dark."""
    most = max(rate for _, cells in varied for _, rate in cells)
    parts, y = list[str](), 0
    for name, cells in varied:
        parts.append(f'<text class="head" x="0" y="{y + HEAD - 10}">{escape(name)}</text>')
        y += HEAD
        for value, rate in cells:
            parts += _bar(value, rate, most, y)
            y += BAR + GAP
    title = "<title>Messages a second, by what is varied</title>"
    size = f'viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" height="{y}"'
    inside = "\n".join([title, f"<style>{STYLE}</style>", *parts])
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">\n{inside}\n</svg>\n'


def _bar(value: str, rate: float, most: float, y: int) -> list[str]:
    length = max(1.0, rate / most * (WIDTH - LABELS - NUMBERS))
    return [
        f'<text class="value" x="{LABELS - 8}" y="{y + 13}">{escape(value)}</text>',
        f'<rect x="{LABELS}" y="{y}" width="{length:.1f}" height="{BAR}" rx="2"/>',
        f'<text x="{LABELS + length + 6:.1f}" y="{y + 13}">{rate:,.0f}</text>',
    ]


def shown(readme: str, text: str) -> str:
    """The README with this table between its marks; as it is where it has none."""
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    return f"{before}{BEGIN}\n{text}\n{END}{after}" if begin and end else readme


def draw(*, file: Path = FILE, readme: Path = README, picture: Path = SVG) -> None:
    """Both, if growth was ever measured."""
    bench = stored(file)["benches"].get("growth")
    if bench is None:
        return
    varied = groups(bench["figures"])
    picture.write_text(svg(varied), encoding="utf-8")
    readme.write_text(shown(readme.read_text(encoding="utf-8"), table(varied)), encoding="utf-8")


if __name__ == "__main__":
    draw()
