"""Names of secrets and how settings mention them."""

from __future__ import annotations

import pytest

from whereupon.model.errors import SetupError
from whereupon.storage.secret_names import named, reference, references, variable


def test_a_variable_is_the_name_in_capitals_with_underscores() -> None:
    assert variable("confluent/password") == "WHEREUPON_SECRET_CONFLUENT_PASSWORD"
    assert variable("straße 1") == "WHEREUPON_SECRET_STRASSE_1"


def test_references_are_found_however_deep_and_inside_of_texts() -> None:
    settings = {
        "a": "${secret:one}",
        "b": [{"c": "x${secret:two}y${secret:three}"}],
        "d": 4,
        "e": ("${secret:one}",),
    }
    assert references(settings) == {"one", "two", "three"}


def test_a_reference_is_found_again() -> None:
    assert references(reference("part/channel/3/token")) == {"part/channel/3/token"}


@pytest.mark.parametrize("name", ["", " a", "a{b", "a}b", "a#1", "a\nb", "x" * 201, "whereupon:names"])
def test_a_name_that_could_not_be_found_again_is_refused(name: str) -> None:
    with pytest.raises(SetupError):
        named(name)


def test_a_name_with_slashes_and_points_is_fine() -> None:
    assert named("part/stream_provider/4/sasl.password") == "part/stream_provider/4/sasl.password"
