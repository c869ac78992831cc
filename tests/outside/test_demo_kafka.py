"""The demo with somebody's own Kafka."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.servers.kafka import Kafka

pytestmark = [
    pytest.mark.outside,
    pytest.mark.process,
    pytest.mark.req("NEW-04"),
    pytest.mark.usefixtures("home"),
]


def test_the_same_happens_on_a_real_kafka_and_its_topics_go_with_it(kafka: Kafka) -> None:
    from confluent_kafka.admin import AdminClient

    command = [sys.executable, "-m", "whereupon", "demo", "--events", "60", "--json", "--kafka", kafka.plain]
    done = subprocess.run(command, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    totals = json.loads(done.stdout.splitlines()[-1])
    assert (totals["events"], totals["unaccounted"]) == (60, 0)
    assert totals["sent"] >= 30
    topics = AdminClient({"bootstrap.servers": kafka.plain}).list_topics(timeout=10).topics
    assert not [each for each in topics if each.startswith("whereupon-demo-")]
