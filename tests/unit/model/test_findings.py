"""Problems as they are told, and names that were probably meant."""

from __future__ import annotations

import pytest

from whereupon.model.findings import Problem, advice, at, error, letters, near, no_such, repeated, unknown


@pytest.mark.parametrize(
    ("name", "there", "meant"),
    [
        ("Forename", ["email", "forename"], "forename"),
        ("first_name", ["firstName"], "firstName"),
        ("firstname", ["email", "forename"], "forename"),
        ("e-mail", ["address", "email"], "email"),
        ("locaton", ["location"], "location"),
        ("offer", ["location"], ""),
        ("mobile", ["email"], ""),
    ],
)
def test_the_name_that_was_meant_is_found(name: str, there: list[str], meant: str) -> None:
    assert near(name, there) == meant
    assert letters("E-Mail Address") == "emailaddress"


def test_a_problem_reads_as_place_sentence_and_hint() -> None:
    assert str(error(at("a", "b"), "It is wrong.", "Change it.")) == "a › b: It is wrong. Change it."
    assert advice("a", "b", "c") == Problem("advice", "a", "b", "c")


def test_an_unknown_name_comes_with_what_to_do() -> None:
    assert unknown("p", "stream", "signin", ["SignIn"]).fix == "SignIn"
    assert "it is written SignIn" in unknown("p", "stream", "signin", ["SignIn"]).message
    assert unknown("p", "stream", "SignInn", ["SignIn"]).hint == "Did you mean SignIn?"
    assert unknown("p", "stream", "x", ["SignIn", "Register"]).hint == "Choose one of: SignIn, Register."
    assert unknown("p", "stream", "", []).message == "There is no stream (no name)."


def test_a_name_that_a_command_was_given_is_an_error_with_the_same_words() -> None:
    assert str(no_such("stream", "SignInn", ["SignIn"])) == "There is no stream SignInn. Did you mean SignIn?"
    assert no_such("stream", "signin", ["SignIn"]).hint == "Did you mean SignIn?"
    assert no_such("stream", "x", ["SignIn"]).hint == "Choose one of: SignIn."


def test_repeated_names_are_told_once() -> None:
    assert [each.place for each in repeated("p", "things", ["a", "b", "a", "a"])] == ["p › a"]
