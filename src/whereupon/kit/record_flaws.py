"""Why a record can't be kept in a store, in words that follow its key."""

from __future__ import annotations

from whereupon.model.events import Record

LONGEST_KEY = 200


def key_flaw(key: str) -> str:
    """What is wrong with a trimmed key; "" if nothing."""
    if not key:
        return "has no key"
    if len(key) > LONGEST_KEY:
        return f"has a key of more than {LONGEST_KEY} characters"
    return text_flaw(key)


def fields_flaw(record: Record) -> str:
    """What is wrong with the first bad name or value of a record's fields; "" if nothing."""
    # In one piece first, as there may be a million; a sign between them keeps two halves of a character apart.
    if not text_flaw("\n".join([*record.fields, *record.fields.values()])):
        return ""
    found = (text_flaw(text) for pair in record.fields.items() for text in pair)
    return next(filter(None, found), "")


def text_flaw(text: str) -> str:
    """Why no database and no JSON takes a text; "" if they do."""
    if "\x00" in text:
        return "holds the character U+0000"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "holds half of a character (a lone surrogate)"
    return ""
