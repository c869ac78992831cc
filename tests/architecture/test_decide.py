"""What becomes of an event is decided in one place: only `engine/decide.py` asks the model's conditions and content.

Table runs, rehearsals and dead letters that are sent again go through it, so they can't decide otherwise than live.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.modules import Module, modules

DECIDES = "engine/decide.py"
# Its rows are chosen where other tables have a WHERE: no SQL of ours is understood by every ODBC driver.
CHOOSES_ROWS = {"components/sources/odbc.py": ["imports compiled"]}
ASKED = {
    "whereupon.model.conditions": {"compiled", "outcomes"},
    "whereupon.model.content": {"plan"},
}
# The compiled audience, and the rendering of a compiled message.
ASKING = ("admits", "content.render")


def asks(module: Module) -> Iterator[str]:
    """What a module does of what only one may do."""
    for package, taken, _ in module.imports():
        if taken in ASKED.get(package, ()) or (package in ASKED and not taken):
            yield f"imports {taken or package}"
        if f"{package}.{taken}" in ASKED:
            yield f"imports {package}.{taken}"
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node).endswith(ASKING):
            yield f"line {node.lineno} uses {ast.unparse(node)}"


@pytest.mark.parametrize("module", modules(), ids=lambda each: each.name)
def test_conditions_and_content_are_asked_in_one_place(module: Module) -> None:
    if module.layer != "model" and module.name != DECIDES:
        assert list(asks(module)) == CHOOSES_ROWS.get(module.name, [])


def test_that_place_asks_them() -> None:
    [decide] = [each for each in modules() if each.name == DECIDES]
    found = " ".join(asks(decide))
    assert all(word in found for word in ("compiled", "outcomes", "plan", "admits", "content.render"))


@pytest.mark.parametrize(
    "line",
    [
        "from whereupon.model.conditions import compiled as ready",
        "from whereupon.model import content",
        "import whereupon.model.conditions as c",
        "campaign.content.render(known)",
        "if campaign.admits(known): ...",
        "ask = campaign.admits",
    ],
)
def test_a_second_place_would_be_seen(line: str, tmp_path: Path) -> None:
    file = tmp_path / "second.py"
    file.write_text(f"{line}\n", encoding="utf-8")
    assert list(asks(Module(file, root=tmp_path)))
