"""The product's modules as the architecture tests look at them: by name, size and syntax tree."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src" / "whereupon"


class Module:
    """One source file."""

    def __init__(self, path: Path, *, root: Path = SOURCE) -> None:
        self.path = path
        self.place = path.relative_to(root)
        self.text = path.read_text(encoding="utf-8")

    def __repr__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """`engine/line.py`."""
        return self.place.as_posix()

    @property
    def layer(self) -> str:
        """`engine`, or the module's own name at the top."""
        return self.place.parts[0].removesuffix(".py")

    @functools.cached_property
    def tree(self) -> ast.Module:
        """The file, parsed."""
        return ast.parse(self.text, str(self.path))

    def imports(self) -> Iterator[tuple[str, str, str]]:
        """Each import as package or module, name taken from it (or nothing), and the name it has here."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((each.name, "", each.asname or each.name) for each in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from ((node.module or "", each.name, each.asname or each.name) for each in node.names)

    def imported_packages(self) -> set[str]:
        """The outermost names of all that is imported, wherever in the file."""
        return {module.partition(".")[0] for module, _, _ in self.imports()}

    def calls(self, module: str, function: str) -> list[int]:
        """The lines that call `module.function`, under whatever name it was imported."""
        whole = {here for name, taken, here in self.imports() if name == module and not taken}
        bare = {here for name, taken, here in self.imports() if (name, taken) == (module, function)}
        wanted = {f"{each}.{function}" for each in whole} | bare
        called = (node for node in ast.walk(self.tree) if isinstance(node, ast.Call))
        return [node.lineno for node in called if ast.unparse(node.func) in wanted]


@functools.cache
def modules() -> tuple[Module, ...]:
    """All modules of the product; migrations are records of the past and follow no house rules."""
    files = sorted(SOURCE.rglob("*.py"))
    return tuple(Module(each) for each in files if "migrations" not in each.parts)
