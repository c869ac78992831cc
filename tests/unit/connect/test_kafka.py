"""What a Kafka cluster says, in a person's words."""

from __future__ import annotations

import json
import logging
import sys

import pytest
from confluent_kafka import KafkaError, KafkaException

from tests.servers.processes import free_port
from whereupon.connect.kafka import (
    ClientLog,
    Cluster,
    Place,
    counted,
    gone,
    trouble,
    unusable,
    with_certificates,
)
from whereupon.model.errors import Away, SetupError


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        (KafkaError._AUTHENTICATION, Away, "refused the sign-in of app: why Check the user name"),
        (KafkaError.SASL_AUTHENTICATION_FAILED, Away, "refused the sign-in"),
        (KafkaError._SSL, Away, "No secure connection to Kafka: why Check SecurityProtocol"),
        (KafkaError._RESOLVE, Away, "address isn't known: why Check BootstrapServers"),
        (KafkaError._TRANSPORT, Away, "can't be reached: why"),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, SetupError, "doesn't let app read the topic sign-ins"),
        (KafkaError.GROUP_AUTHORIZATION_FAILED, SetupError, "doesn't let app read the group g"),
        (KafkaError.UNKNOWN_TOPIC_OR_PART, SetupError, "no topic called sign-ins"),
        (KafkaError.FENCED_INSTANCE_ID, SetupError, "Another copy of this service reads the topic sign-ins"),
    ],
)
def test_each_error_says_who_has_to_act(code: int, kind: type[Exception], words: str) -> None:
    said = trouble(KafkaError(code, "why"), topic="sign-ins", user="app", group="g")
    assert type(said) is kind
    assert words in str(said)


def test_a_refused_setting_is_named_without_its_secret() -> None:
    said = unusable(
        KafkaException(KafkaError(KafkaError._INVALID_ARG, "ssl.key.pem: hush is no key")), ["hush", ""]
    )
    assert (
        str(said)
        == "Kafka's client can't use these settings: ssl.key.pem: … is no key Correct the provider's settings."
    )


def test_the_authorities_are_mozillas_unless_others_are_named() -> None:
    assert ("ssl.ca.location" in with_certificates({})) == (sys.platform != "win32")
    assert with_certificates({"ssl.ca.pem": "x"}) == {"ssl.ca.pem": "x"}


def test_the_clients_log_repeats_no_line_and_warns_of_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    log = ClientLog()
    for milliseconds in range(50):
        log.log(
            logging.ERROR,
            "%s [%s] %s",
            "FAIL",
            "rdkafka",
            f"refused (after {milliseconds}ms in state CONNECT)",
        )
    log.log(logging.ERROR, "%s", "something else")
    assert [each.levelname for each in caplog.records] == ["INFO", "INFO"]


def test_statistics_tell_the_connection_and_each_partitions_place() -> None:
    partitions = {
        "0": {"next_offset": 7, "ls_offset": 9, "fetchq_cnt": 0, "more": 1},
        "1": {"next_offset": 7, "ls_offset": 9, "fetchq_cnt": 2},
        "-1": {},
    }
    said = {
        "brokers": {"a": {"state": "UP"}, "b": {"state": "DOWN"}},
        "topics": {"t": {"partitions": partitions}},
    }
    assert counted(json.dumps(said), "t") == (True, {0: (9, 7), 1: (9, -1)})
    assert counted('{"brokers": {"a": {"state": "INIT"}}}', "t") == (False, {})


def test_the_lag_counts_events_and_no_markers_of_transactions() -> None:
    place = Place(0, 0, end=10)
    assert place.lag == 10
    place.next = 8
    place.counted(10, 10)
    assert place.lag == 2  # the statistics are older than what the line got
    place.counted(10, 10)
    assert place.lag == 0


def test_a_partition_is_stuck_if_two_looks_find_events_and_no_progress() -> None:
    place = Place(0, 0)
    assert [place.ends(5), place.ends(5), place.ends(5)] == [False, False, True]
    place.next = 3
    assert [place.ends(5), place.ends(5)] == [False, False]
    place.next = 5
    assert [place.ends(5), place.ends(5), place.ends(5), place.ends(5)] == [False] * 4


def test_a_cluster_that_is_not_there_is_away_and_says_why() -> None:
    cluster = Cluster({"bootstrap.servers": f"127.0.0.1:{free_port()}"}, topic="t")
    with pytest.raises(Away, match=r"can't be reached: .*Connection refused"):
        cluster.topic(within=0.5)
    with pytest.raises(Away):
        cluster.topics(within=0.5)
    with pytest.raises(Away):
        cluster.offsets([0], "latest", within=0.5)
    assert "no longer has event 7" in gone(None, "t", 0, 7, hint="").message


def test_a_setting_that_does_not_exist_is_for_a_person() -> None:
    with pytest.raises(SetupError, match="No such configuration property"):
        Cluster({"no.such": "1"}, topic="t")
