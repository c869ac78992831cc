"""The methods and properties a template may use, by kind of value: a list of names, never a look into an object."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Final

from whereupon.model.velocity.arithmetic import short_whole
from whereupon.model.velocity.errors import RenderError
from whereupon.model.velocity.scope import Scope
from whereupon.model.velocity.splitting import split
from whereupon.model.velocity.values import Comparison, Entry, Gathered, Loop, has_key, is_map

# A method takes the scope, the value and the arguments, which it knows by number only.
Method = Callable[..., object]
Methods = dict[tuple[str, int], Method]

# What a list costs, counted in characters, for each of its items.
CELL: Final = 8


class Unfit(Exception):
    """There is no method of this name for arguments of these kinds: the reference has no value."""


def called(scope: Scope, value: object, name: str, arguments: tuple[object, ...]) -> object:
    """What a method gives; `None` when values of this kind have no such method."""
    scope.step()
    method = METHODS.get(type(value), {}).get((name, len(arguments)))
    if method is None:
        return None
    try:
        return method(scope, value, *arguments)
    except Unfit:
        return None


def property_of(scope: Scope, value: object, name: str) -> object:
    """`$value.name`: the entry of a map, or what getName(), name() or isName() gives.

    An entry comes before a method of the same name, so that `$stream.size` is the size that was sent.
    """
    pairs = value.notes if type(value) is Loop else value
    if is_map(pairs) and name in pairs:
        return pairs[name]
    methods = METHODS.get(type(value), {})
    capital = name[0].upper() + name[1:]
    names = (f"get{capital}", name) if is_map(value) else (f"get{capital}", name, f"is{capital}")
    method = next((methods[known, 0] for known in names if (known, 0) in methods), None)
    return None if method is None else method(scope, value)


def item_of(scope: Scope, value: object, key: object) -> object:
    """`$value[key]`: an entry of a map, an item of a list; -1 is the last one."""
    if type(key) is int and key < 0:
        key += _size(scope, value)
    return called(scope, value, "get", (key,))


def put(value: object, key: object, item: object) -> None:
    """`#set($value.key = item)`; like Velocity it does nothing to what is no map."""
    pairs = value.notes if type(value) is Loop else value
    if is_map(pairs):
        pairs[checked_key(key)] = item


def put_item(scope: Scope, value: object, key: object, item: object) -> None:
    """`#set($value[key] = item)`, where -1 is the last item of a list."""
    if type(key) is int and key < 0:
        key += _size(scope, value)
    if type(value) is range:
        raise RenderError("A range can't be changed.", hint="Make a list of your own: #set($list = [1, 2]).")
    if type(value) is list and key is not None:
        value[_place(value, key)] = item
    else:
        put(value, key, item)


def checked_key(key: object) -> object:
    """A key for a map: a list or a map can't be one."""
    if type(key) in {str, int, float, bool, Decimal, type(None)}:
        return key
    raise RenderError("Only texts and numbers can be the keys of a map.", hint="Use a text as the key.")


def _size(scope: Scope, value: object) -> int:
    size = called(scope, value, "size", ())
    if type(size) is not int:
        raise RenderError("Only a list can be counted from its end.", hint="Use an index from 0 on.")
    return size


def _index(key: object) -> int:
    """A whole number from what Velocity takes for one."""
    if type(key) is int:
        return key
    if type(key) in {float, Decimal}:
        return short_whole(key)  # type: ignore[arg-type]
    if type(key) is bool:
        return int(key)
    if type(key) is str:
        return _index_in_words(key)
    raise Unfit


def _index_in_words(key: str) -> int:
    if len(key) < 12 and key.isascii() and key.removeprefix("-").isdigit():
        return int(key)
    raise RenderError("A place in a list or text is no number.", hint="Use a whole number, such as get(0).")


def _place(items: list[object] | range, key: object) -> int:
    index = _index(key)
    if 0 <= index < len(items):
        return index
    raise RenderError(f"A list has no item {index}.", hint="Ask before with #if, or use #foreach.")


def _get_item(_scope: Scope, items: list[object], key: object) -> object:
    return items[_place(items, key)]


def _get_entry(_scope: Scope, pairs: dict[object, object], key: object) -> object:
    return pairs[key] if has_key(pairs, key) else None


def _find(scope: Scope, items: list[object] | range, wanted: object) -> int:
    for index, item in enumerate(items):
        if Comparison(scope.step).same(item, wanted):
            return index
    return -1


def _gathered(scope: Scope, items: list[object]) -> Gathered:
    scope.made(CELL * len(items))
    return Gathered(items)


def _text(argument: object) -> str:
    """An argument that has to be a text; Java ends with an error when it is missing."""
    if argument is None:
        raise RenderError(
            "A text method was given nothing.", hint="Ask before with #if whether there is a value."
        )
    if type(argument) is not str:
        raise Unfit
    return argument


def _text_or_number(scope: Scope, argument: object) -> str:
    if type(argument) in {int, float, bool, Decimal}:
        return scope.text_of(argument)
    return _text(argument)


def _units(text: str) -> bytes:
    """Java counts a text in UTF-16 units, of which an emoji has two; here each unit is two bytes."""
    return text.encode("utf-16-le", "surrogatepass")


def _length(_scope: Scope, text: str) -> int:
    return len(text) if text.isascii() else len(_units(text)) // 2


def _substring(scope: Scope, text: str, begin: object, end: object = None) -> str:
    length = _length(scope, text)
    first = _index(begin)
    last = length if end is None else _index(end)
    if not 0 <= first <= last <= length:
        raise RenderError("A substring goes beyond its text.", hint="Ask for the length() before.")
    scope.made(last - first)
    return (
        text[first:last]
        if length == len(text)
        else _units(text)[2 * first : 2 * last].decode("utf-16-le", "replace")
    )


def _index_of(scope: Scope, text: str, part: object, start: object = 0) -> int:
    wanted = chr(part) if type(part) is int and 0 <= part < 0x110000 else _text_or_number(scope, part)
    first = min(max(_index(start), 0), _length(scope, text))
    found = text.find(wanted, len(_substring(scope, text, 0, first)))
    return found if found < 0 else _length(scope, text[:found])


def _starts_with(scope: Scope, text: str, part: object, start: object = 0) -> bool:
    wanted, first = _text_or_number(scope, part), _index(start)
    if first == 0:
        return text.startswith(wanted)
    return 0 < first <= _length(scope, text) and _substring(scope, text, first).startswith(wanted)


def _ends_with(scope: Scope, text: str, part: object) -> bool:
    return text.endswith(_text_or_number(scope, part))


def _trim(scope: Scope, text: str) -> str:
    scope.made(len(text))
    # Java's trim takes away everything up to the blank, and no other kind of space.
    return text.strip("".join(map(chr, range(33))))


def _replace(scope: Scope, text: str, old: object, new: object) -> str:
    wanted, instead = _text(old), _text(new)
    scope.check_length(len(text) + text.count(wanted) * (len(instead) - len(wanted)))
    return scope.made_text(text.replace(wanted, instead))


def _split(scope: Scope, text: str, pattern: object, limit: object = 0) -> list[str]:
    scope.made(len(text) + CELL)
    parts = split(text, _text_or_number(scope, pattern), _index(limit))
    scope.made(CELL * len(parts))
    return parts


SIZES: Final[Methods] = {
    ("size", 0): lambda _, items: len(items),
    ("isEmpty", 0): lambda _, items: not items,
}

GATHERED: Final[Methods] = {
    **SIZES,
    ("contains", 1): lambda scope, items, item: _find(scope, items, item) >= 0,
}

LIST: Final[Methods] = {**GATHERED, ("get", 1): _get_item, ("indexOf", 1): _find}

MAP: Final[Methods] = {
    **SIZES,
    ("get", 1): _get_entry,
    ("containsKey", 1): lambda _, pairs, key: has_key(pairs, key),
    ("keySet", 0): lambda scope, pairs: _gathered(scope, list(pairs)),
    ("values", 0): lambda scope, pairs: _gathered(scope, list(pairs.values())),
    ("entrySet", 0): lambda scope, pairs: _gathered(scope, [Entry(*pair) for pair in pairs.items()]),
}

TEXT: Final[Methods] = {
    ("length", 0): _length,
    ("isEmpty", 0): lambda _, text: not text,
    ("equals", 1): lambda _, text, other: type(other) is str and text == other,
    ("contains", 1): lambda _, text, part: _text(part) in text,
    ("indexOf", 1): _index_of,
    ("indexOf", 2): _index_of,
    ("startsWith", 1): _starts_with,
    ("startsWith", 2): _starts_with,
    ("endsWith", 1): _ends_with,
    ("substring", 1): _substring,
    ("substring", 2): _substring,
    ("toUpperCase", 0): lambda scope, text: scope.made_text(text.upper()),
    ("toLowerCase", 0): lambda scope, text: scope.made_text(text.lower()),
    ("trim", 0): _trim,
    ("replace", 2): _replace,
    ("split", 1): _split,
    ("split", 2): _split,
}

LOOP: Final[Methods] = {
    ("getIndex", 0): lambda _, loop: loop.index,
    ("getCount", 0): lambda _, loop: loop.index + 1,
    ("hasNext", 0): lambda _, loop: loop.has_next,
    ("getHasNext", 0): lambda _, loop: loop.has_next,
    ("isFirst", 0): lambda _, loop: loop.index < 1,
    ("getFirst", 0): lambda _, loop: loop.index < 1,
    ("isLast", 0): lambda _, loop: not loop.has_next,
    ("getLast", 0): lambda _, loop: not loop.has_next,
    ("getParent", 0): lambda _, loop: loop.parent,
    ("getTopmost", 0): lambda _, loop: loop.outermost,
    ("get", 1): lambda scope, loop, key: _get_entry(scope, loop.notes, key),
}

ENTRY: Final[Methods] = {("getKey", 0): lambda _, pair: pair.key, ("getValue", 0): lambda _, pair: pair.value}

METHODS: Final[dict[type, Methods]] = {
    str: TEXT,
    list: LIST,
    range: LIST,
    Gathered: GATHERED,
    dict: MAP,
    Entry: ENTRY,
    Loop: LOOP,
}
