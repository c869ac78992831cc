"""Templates of content fields."""

from __future__ import annotations

import pytest

from whereupon.model.errors import SetupError
from whereupon.model.templates import TemplateProblem, written


def test_a_template_says_what_it_refers_to() -> None:
    read = written("$!forename $stream.location $!store.get('Teal').get('x') $store", "body")
    assert read.references == {"forename", "stream", "store"}
    assert read.stores == {"Teal"}
    assert (
        read.maker(False)(None, {"forename": "A", "stream": {"location": "R"}, "store": {"Teal": {}}})
        is not None
    )


def test_a_reference_that_nothing_fills_is_a_problem_of_that_message() -> None:
    with pytest.raises(TemplateProblem, match=r"\$forename"):
        written("Dear $forename", "body").maker(False)(None, {})
    with pytest.raises(TemplateProblem):
        written("#set($x = [])$x.get(0)", "body").maker(False)(None, {})


def test_values_are_escaped_where_markup_is_made() -> None:
    assert written("<$!a>", "body").maker(True)(None, {"a": "&"}) == "<&amp;>"


def test_a_template_that_cannot_be_read_names_its_field_line_and_column() -> None:
    with pytest.raises(SetupError, match=r"The template of body can't be read: Line 2, column \d+"):
        written("Dear\n#if(", "body")
