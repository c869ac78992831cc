"""The Kafka stream, as far as it goes without a broker; the rest stands in tests/outside/test_kafka.py."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.servers.processes import free_port
from whereupon.components.streams.kafka import Kafka, KafkaConfig
from whereupon.host.clock import Clock
from whereupon.kit.kafka_settings import KafkaProvider
from whereupon.kit.roles import Context
from whereupon.model.errors import Away


def nothing(_topic: str, _partitions: Sequence[int]) -> Mapping[int, int]:
    """A journal that knows nothing."""
    return {}


@pytest.fixture
def kafka() -> Kafka:
    """A stream of a cluster that isn't there."""
    provider = KafkaProvider.model_validate({"BootstrapServers": f"127.0.0.1:{free_port()}"})
    context = Context("SignIn", "TealHols", Path(), "f", Clock())
    return Kafka(provider, KafkaConfig.model_validate({"topic": "sign-ins"}), context)


def test_a_cluster_that_is_not_there_is_away_and_asked_again_at_leisure(kafka: Kafka) -> None:
    with pytest.raises(Away, match="can't be reached"):
        kafka.open(nothing)
    started = time.monotonic()
    for _ in range(3):
        with pytest.raises(Away, match="can't be reached"):
            kafka.batch(most=10, size=1000, wait=0.1)
    assert 0.25 < time.monotonic() - started < 5
    kafka.seek({0: 1})
    assert (kafka.assigned(), kafka.lag()) == ({}, {})
    kafka.close()


def test_what_is_weak_is_said(kafka: Kafka) -> None:
    assert kafka.warnings() == ["Nothing is encrypted on the way from Kafka (SecurityProtocol)."]


def test_a_stream_names_its_topic_and_perhaps_its_group() -> None:
    assert KafkaConfig.model_validate({"Topic": "t", "GroupId": "g"}).written() == {
        "Topic": "t",
        "GroupId": "g",
    }
    for wrong in ({}, {"Topic": ""}, {"Topic": "t" * 250}):
        with pytest.raises(ValueError, match=r"Topic|topic"):
            KafkaConfig.model_validate(wrong)
