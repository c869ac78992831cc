"""The real service: soon at work, up to the last event, and modest while nothing comes."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable

import psutil
import pytest

from tests.faults.service import (
    Send,
    System,
    ToKafka,
    local,
    mail,
    on_kafka,
    setup,
    sign_ins,
    to_local,
    web_hook,
)
from tests.servers.http import HttpSink
from tests.servers.kafka import Kafka
from tests.servers.processes import slowness
from tests.servers.scripted_smtp import ScriptedSmtp

pytestmark = [pytest.mark.process, pytest.mark.slow]


def test_it_consumes_within_three_seconds_of_its_start(
    http_sink: HttpSink, system_of: Callable[..., System]
) -> None:
    system = system_of(setup(stream=local(), channels=[web_hook(http_sink.url)]))
    to_local(system)([value for _, value in sign_ins(range(1))])
    system.start()
    http_sink.wait_for(1)
    assert time.monotonic() - system.began <= 3 * slowness()
    assert system.status()["streams"][0]["state"] == ""
    assert system.stop() <= 10


@pytest.mark.outside
def test_it_consumes_from_kafka_within_three_seconds_of_a_restart(
    http_sink: HttpSink, kafka: Kafka, system_of: Callable[..., System]
) -> None:
    topic = kafka.new_topic("soon")
    system = system_of(setup(stream=on_kafka(kafka, topic), channels=[web_hook(http_sink.url)]))
    for turn in range(2):
        kafka.produce(topic, [value for _, value in sign_ins(range(turn, turn + 1))])
        system.start()
        http_sink.wait_for(turn + 1)
        assert time.monotonic() - system.began <= 3 * slowness()
        system.stop()


def bursts(http_sink: HttpSink, send: Send) -> None:
    """Bursts of many sizes; the last event of each is sent though nothing follows it."""
    sent = 0
    for size in (1, 2, 63, 64, 65, 500, 501, 2_000, 2_001, 3):
        send([value for _, value in sign_ins(range(sent, sent + size))])
        sent += size
        http_sink.wait_for(sent, within=20)


def test_the_last_event_of_a_burst_is_sent_without_further_traffic(
    http_sink: HttpSink, system_of: Callable[..., System]
) -> None:
    system = system_of(setup(stream=local(), channels=[web_hook(http_sink.url)]))
    system.start()
    bursts(http_sink, to_local(system))


@pytest.mark.outside
def test_the_last_event_of_a_burst_on_kafka_is_sent_without_further_traffic(
    http_sink: HttpSink, kafka: Kafka, system_of: Callable[..., System]
) -> None:
    topic = kafka.new_topic("burst")
    system = system_of(setup(stream=on_kafka(kafka, topic), channels=[web_hook(http_sink.url)]))
    system.start()
    bursts(http_sink, ToKafka(kafka, topic))


@pytest.mark.outside
@pytest.mark.skipif(sys.platform == "win32", reason="the bar is Linux's")
def test_at_rest_it_is_small_and_quiet(
    http_sink: HttpSink, scripted_smtp: ScriptedSmtp, kafka: Kafka, system_of: Callable[..., System],
    record_property: Callable[[str, object], None],
) -> None:  # fmt: skip
    topic = kafka.new_topic("rest")
    channels = [web_hook(http_sink.url), mail(scripted_smtp.port)]
    system = system_of(setup(stream=on_kafka(kafka, topic), channels=channels, store=True))
    persons = [f"p{each}" for each in range(200)]
    system.know(persons)
    child = system.start()
    ToKafka(kafka, topic)([value for _, value in sign_ins(range(200))])
    http_sink.wait_for(200)
    scripted_smtp.wait_for(200)
    process, pause = psutil.Process(child.process.pid), threading.Event()
    pause.wait(2)
    before, began = process.cpu_times(), time.monotonic()
    pause.wait(5)
    after, seconds = process.cpu_times(), time.monotonic() - began
    cpu = 100 * (after.user + after.system - before.user - before.system) / seconds
    resident = process.memory_info().rss / 1_000_000
    record_property("cpu_percent", round(cpu, 2))
    record_property("resident_megabytes", round(resident))
    sys.stdout.write(f"at rest: {cpu:.1f} % of a core, {resident:.0f} MB\n")
    assert resident <= 120
    assert cpu < 2 * slowness()
