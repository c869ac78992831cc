"""YAML with places."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from whereupon.model.errors import Mistakes
from whereupon.storage import places

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs", "Cc"])),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abcdefgh", min_size=1), inner, max_size=4)
    ),
    max_leaves=20,
)


def mistakes(text: str) -> list[str]:
    with pytest.raises(Mistakes) as raised:
        places.read(text)
    return raised.value.mistakes


@given(VALUES)
def test_what_yaml_writes_is_read_as_it_was(value: object) -> None:
    assert places.read(yaml.safe_dump(value, allow_unicode=True)).data == value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_read_as_they_were(value: float) -> None:
    assert places.read(yaml.safe_dump([value])).data == [value]


@pytest.mark.parametrize("word", ["yes", "No", "on", "12:30", "2026-01-01", "0123", "1e5", "nULL", "5 %"])
def test_words_that_old_yaml_takes_for_something_else_stay_text(word: str) -> None:
    assert places.read(f"a: {word}").data == {"a": word}


@pytest.mark.parametrize(
    ("word", "value"), [("5", 5), ("-3.50", -3.5), ("true", True), ("~", None), ("", None)]
)
def test_plain_numbers_truths_and_nothing_are_read(word: str, value: object) -> None:
    assert places.read(f"a: {word}").data == {"a": value}


def test_each_value_knows_its_line_and_a_plain_one_its_text() -> None:
    document = places.read("a: 1\nb:\n  - name: x\n    c: 007\n")
    assert document.lines[("b", 0, "c")] == 4
    assert document.texts[("b", 0, "c")] == "007"
    assert document.spoken(("b", 0, "c")) == "line 4, b › x › c"
    assert document.spoken(()) == "line 1"


def test_a_place_passes_over_steps_that_the_file_has_not() -> None:
    document = places.read("a:\n  - b: 1\n")
    assert document.place(("a", "tuple", 0, "b", "c")) == ("a", 0, "b")


def test_the_line_of_names_goes_as_far_as_they_lead() -> None:
    document = places.read(
        "campaigns:\n  - name: Hello\n    message:\n      content:\n        - field: subject\n"
    )
    assert document.line_of(["campaigns", "Hello", "message", "content", "subject"]) == 5
    assert document.line_of(["campaigns", "Hello", "audience"]) == 2
    assert document.line_of(["streams"]) is None
    assert places.read("fields: [urn, email]").line_of(["fields", "email"]) == 1


def test_a_key_that_stands_twice_is_said_with_both_lines_and_the_first_counts() -> None:
    document = places.read("a: 1\nb: 2\na: {c: 3}\n")
    assert document.data == {"a": 1, "b": 2}
    assert document.mistakes == ["line 3: a stands twice, first on line 1"]


def test_a_key_that_is_no_word_is_said() -> None:
    document = places.read("? [a, b]\n: 1\nc: 2\n")
    assert document.data == {"c": 2}
    assert document.mistakes == ["line 1: a key must be a plain word"]


@pytest.mark.parametrize(
    "text", ["a: &x 1", "a: &x {b: 1}\nc: 2", "a: !tag 1", "a: !!python/object:os.system {}"]
)
def test_anchors_and_tags_are_said(text: str) -> None:
    assert "aren't read" in places.read(text).mistakes[0]


def test_aliases_make_nothing_grow() -> None:
    bomb = "a: &a [x, x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)}, *{chr(97 + n)}]\n" for n in range(20)
    )
    document = places.read(bomb)
    assert len(document.mistakes) > 20
    assert document.data["u"] == [None, None]


def test_a_second_document_is_said() -> None:
    assert places.read("a: 1\n---\nb: 2\n").mistakes == ["line 2: a second document begins; a set-up is one"]


def test_a_tab_is_named() -> None:
    assert mistakes("a:\n\t- b\n") == ["line 2: begins with a tab; YAML is indented with spaces"]


def test_a_text_with_a_colon_gets_advice() -> None:
    assert mistakes("a: 1\nb: no: this\n")[0].endswith("into quotes")
    assert mistakes("a: 1\nb: no: this\n")[0].startswith("line 2, column")


def test_an_open_bracket_names_the_place() -> None:
    assert mistakes("a: [1, 2\nb: 3\n")[0].startswith("line 2")


def test_a_control_character_names_the_line() -> None:
    assert mistakes("a: 1\nb: \x00\n") == ["line 2: a character that a text can't have"]


@pytest.mark.parametrize("text", ["a: " + "[" * 100_000, "{a: " * 60 + "1" + "}" * 60])
def test_what_is_nested_too_deep_is_refused(text: str) -> None:
    assert "nested more than 50 deep" in mistakes(text)[0]


def test_too_many_values_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "MOST_VALUES", 100)
    assert "more than 100" in mistakes("[" + "1," * 200 + "]")[0]


def test_an_empty_file_has_no_data() -> None:
    assert places.read("").data is None
    assert places.read("# nothing\n").data is None


def test_utf8_is_read_with_and_without_a_byte_order_mark() -> None:
    assert places.decoded("\ufeffü".encode()) == "ü"
    assert places.decoded("ü".encode()) == "ü"


def test_another_encoding_is_refused_with_the_line() -> None:
    with pytest.raises(Mistakes) as raised:
        places.decoded("a: 1\nb: ü\n".encode("latin-1"))
    assert raised.value.mistakes == ["line 2: byte 0xFC is not UTF-8"]


def test_a_huge_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "LARGEST", 10)
    with pytest.raises(Mistakes, match="too large"):
        places.decoded(b"x" * 11)
