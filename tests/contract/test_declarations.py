"""What every kind of stream, store and channel declares about itself."""

from __future__ import annotations

import pytest

from tests.contract.settings import SECRET, example, kinds
from whereupon.kit.config import Config
from whereupon.kit.registry import Kind

KINDS = [*kinds("stream"), *kinds("store"), *kinds("channel")]
CONFIGS: set[type[Config]] = {config for kind in KINDS for config in (kind.config, kind.provider)}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind.role} {kind.name}")
class TestEveryKind:
    """A title and a sentence."""

    def test_it_says_what_it_is(self, kind: Kind) -> None:
        assert kind.title
        assert (kind.make.__doc__ or "").strip()


@pytest.mark.parametrize("config", sorted(CONFIGS, key=str), ids=str)
class TestEverySettingsModel:
    """Form, file and help come from it."""

    def test_it_has_a_sentence_and_every_setting_a_title_and_a_description(
        self, config: type[Config]
    ) -> None:
        assert (config.__doc__ or "").strip()
        bare = [name for name, info in config.model_fields.items() if not (info.title and info.description)]
        assert bare == []

    def test_it_is_built_from_its_example_and_from_what_it_wrote(self, config: type[Config]) -> None:
        made = example(config)
        again = config.model_validate(made.written())
        assert again.written() == made.written()

    def test_its_secrets_show_nowhere(self, config: type[Config]) -> None:
        made = example(config)
        assert SECRET not in f"{made!r} {made} {made.written()}"

    def test_a_setting_it_does_not_know_is_refused(self, config: type[Config]) -> None:
        with pytest.raises(ValueError, match=r"noSuchSetting|not permitted"):
            config.model_validate({**example(config).written(), "noSuchSetting": 1})
