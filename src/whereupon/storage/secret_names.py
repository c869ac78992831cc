"""Names of secrets, how settings mention them, and the environment variables that stand for them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from whereupon.model.errors import SetupError

REFERENCE = re.compile(r"\$\{secret:([^{}]*)\}")
"""How a secret is mentioned, anywhere in a text."""


def variable(name: str) -> str:
    """The environment variable that stands for a secret: `confluent/password` → WHEREUPON_SECRET_CONFLUENT_PASSWORD."""
    return "WHEREUPON_SECRET_" + re.sub(r"[^A-Z0-9]", "_", name.upper())


def named(name: str) -> str:
    """The name itself, if a secret can have it; raises SetupError where not."""
    if (
        not name
        or len(name) > 200
        or name != name.strip()
        or not name.isprintable()
        or set(name) & set("{}#")
    ):
        raise SetupError(
            f"A secret can't be called {name[:50]!r}.",
            hint="Use up to 200 letters, digits and signs but {, } and #, for example confluent/password.",
        )
    if name.startswith("whereupon:"):
        raise SetupError("Names that begin with whereupon: are Whereupon's own.", hint="Choose another name.")
    return name


def reference(name: str) -> str:
    """How a setting names a secret."""
    return f"${{secret:{name}}}"


def check_references(value: object) -> None:
    """Raise SetupError where a value, however deep, mentions a secret by what can't be a name, or not to the end."""
    for name in references(value):
        named(name)
    if any(each.count("${secret:") > len(REFERENCE.findall(each)) for each in _texts(value)):
        raise SetupError("A mention of a secret has no end.", hint="Write it as ${secret:NAME}.")


def references(value: object) -> set[str]:
    """The names of all secrets that a value mentions, however deep."""
    return {name for text in _texts(value) for name in REFERENCE.findall(text)}


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    inside = (
        value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    )
    for each in inside:
        yield from _texts(each)
