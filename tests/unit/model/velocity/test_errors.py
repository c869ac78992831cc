"""The errors of templates say where and what."""

from __future__ import annotations

from whereupon.model.errors import SetupError, WhereuponError
from whereupon.model.velocity.errors import RenderError, TemplateError


def test_a_template_error_is_a_mistake_in_the_setup_and_names_its_place() -> None:
    error = TemplateError("It ends.", hint="Go on.", line=3, column=7)
    assert isinstance(error, SetupError)
    assert (error.line, error.column) == (3, 7)
    assert str(error) == "Line 3, column 7: It ends. Go on."


def test_a_render_error_belongs_to_one_message() -> None:
    assert isinstance(RenderError("x"), WhereuponError)
    assert not isinstance(RenderError("x"), SetupError)
