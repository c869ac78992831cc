"""What holds for every kind of stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.contract.settings import kinds, made
from tests.servers.processes import free_port
from whereupon.kit.kafka_settings import KafkaProvider
from whereupon.kit.registry import Kind
from whereupon.kit.roles import Stream
from whereupon.model.errors import Away

KINDS = {kind.name: kind for kind in kinds("stream")}


def nothing(_topic: str, _partitions: Sequence[int]) -> Mapping[int, int]:
    """A journal that knows nothing."""
    return {}


def test_the_kinds_are_those_of_the_folder() -> None:
    assert set(KINDS) == {"kafka", "local", "memory"}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
class TestEveryStream:
    """Opened or not, with the other side away."""

    def stream(self, kind: Kind, folder: Path) -> Stream[KafkaProvider, KafkaProvider]:
        """One whose other side isn't there, where it has one."""
        away = KafkaProvider.model_validate({"BootstrapServers": f"127.0.0.1:{free_port()}"})
        stream: Stream[KafkaProvider, KafkaProvider] = made(
            kind, folder, away if kind.name == "kafka" else None
        )
        return stream

    def test_it_is_closed_twice_whether_it_was_opened_or_not(self, kind: Kind, tmp_path: Path) -> None:
        stream = self.stream(kind, tmp_path)
        stream.close()
        stream.close()

    def test_nothing_but_our_own_errors_comes_while_the_other_side_is_away(
        self, kind: Kind, tmp_path: Path
    ) -> None:
        stream = self.stream(kind, tmp_path)
        if kind.name == "kafka":
            with pytest.raises(Away, match="Kafka can't be reached") as error:
                stream.open(nothing)
            assert error.value.hint
        else:
            stream.open(nothing)
            assert list(stream.batch(most=10, size=1000, wait=0).events) == []
        assert set(stream.lag()) == set(stream.assigned())
        stream.commit({0: 0})
        stream.close()

    def test_a_test_ends_at_the_first_stage_that_fails(self, kind: Kind, tmp_path: Path) -> None:
        stages = list(self.stream(kind, tmp_path).check())
        assert stages
        assert all(each.ok for each in stages[:-1])
        assert all(each.name and each.message and (each.ok or each.hint) for each in stages)

    def test_it_can_be_made_without_reaching_anything(self, kind: Kind, tmp_path: Path) -> None:
        stream = self.stream(kind, tmp_path)
        assert stream.assigned() == {}
        assert all(isinstance(each, str) for each in stream.warnings())
        assert list(tmp_path.iterdir()) == []
