"""The store behind a web API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers.processes import free_port
from tests.servers.pull_marketing_api import PullMarketingApi
from whereupon.components.stores import web_api
from whereupon.components.stores.web_api import WebApi, WebApiConfig, files
from whereupon.host.clock import Clock
from whereupon.kit.roles import Context, Nothing
from whereupon.model.errors import Away, Refused, SetupError, Unavailable
from whereupon.model.events import Filled, Record
from whereupon.model.setup import FieldDefinition


@pytest.fixture
def api() -> Iterator[PullMarketingApi]:
    """An existing installation."""
    server = PullMarketingApi().start()
    yield server
    server.stop()


@pytest.fixture
def store(api: PullMarketingApi) -> Iterator[WebApi]:
    """A store there."""
    made = of(api.url)
    yield made
    made.close()
    made.close()


def of(url: str, **others: Any) -> WebApi:
    """The store TealGreen of that end point."""
    fields = (FieldDefinition(name="urn", type="Reference"),)
    config = WebApiConfig.model_validate({"dataStoreName": "Teal Green", "endPoint": url, **others})
    return WebApi(Nothing(), config, Context("TealGreen", "TealHols", Path(), "f", Clock(), fields=fields))


def test_a_missing_data_store_is_made_once_and_said(
    api: PullMarketingApi, store: WebApi, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    assert [each.message for each in store.check()][
        -1
    ] == "There is no Teal Green yet; the first fill makes it."
    assert api.stores == {}
    store.fill([Record("7", {"offer": "A"})])
    store.fill([Record("8", {"offer": "A"})])
    assert api.stores == {"Teal Green": "urn"}
    assert caplog.text.count("Made the data store Teal Green") == 1
    assert len([each for each in api.requests if each == "POST /pmm/api/DataStores"]) == 1
    assert [each.message for each in store.check()][-1] == "The web API has the data store Teal Green."


def test_records_are_merged_and_found(api: PullMarketingApi, store: WebApi) -> None:
    people = [Record(str(number), {"offer": f"O{number}", "name": "ü"}) for number in range(2500)]
    assert store.fill(people) == Filled(0, 2500)
    assert store.fill([Record(" 7 ", {"offer": "new"})]) == Filled(0, 1)
    assert len([each for each in api.requests if "Bulk" in each]) == 3
    assert store.find(["7", "8", "none", " 7"]) == {
        "7": {"offer": "new", "name": "ü"},
        "8": {"offer": "O8", "name": "ü"},
        " 7": {"offer": "new", "name": "ü"},
    }


def test_values_that_would_break_a_bulk_file_arrive_as_they_are(api: PullMarketingApi, store: WebApi) -> None:
    odd = [
        Record("a", {"x": "one, two; three | four\t~ five"}),
        Record("b", {"x": 'she said "hi"'}),
        Record("c", {"x": "two\nlines\r\n"}),
        Record("d", {"x": "it's", "y": ""}),
        Record("e", {"x": "日本語 🎁", "y": " spaces "}),
        Record("f", {"x": web_api.DELIMITERS}),
        Record("g", {}),
        Record("h/../i?j#k%l&m", {"x": "1"}),
        Record("'; DROP TABLE x; --", {"x": "2"}),
    ]
    assert store.fill(odd) == Filled(0, len(odd))
    found = store.find([each.key for each in odd])
    assert found["g"] == {"urn": "g"}
    assert {key: each for key, each in found.items() if key != "g"} == {
        each.key: each.fields for each in odd if each.key != "g"
    }


def test_of_one_key_in_one_fill_the_last_value_counts(store: WebApi) -> None:
    store.fill([Record("7", {"a": "1"}), Record("7", {"a": "2", "b": "1"}), Record("7", {"a": "3"})])
    assert store.find(["7"]) == {"7": {"a": "3", "b": "1"}}


def test_what_cannot_be_sent_or_is_refused_is_rejected_and_the_rest_goes(store: WebApi) -> None:
    bad = [
        Record(" ", {}),
        Record("x" * 201, {}),
        Record("..", {}),
        Record("a", {"f": "\0"}),
        Record("b", {"f": "\ud800"}),
    ]
    filled = store.fill([*bad, Record("y" * 60, {"f": "two\nlines"}), Record("7", {"f": "1"})])
    assert filled.updated == 1
    assert [key for key, _ in filled.rejected] == [*(each.key for each in bad), "y" * 60]
    assert "no record details" in filled.rejected[-1][1]
    assert store.find(["7", "..", "", "a\0"]) == {"7": {"f": "1"}}


def test_rows_that_the_receiver_drops_go_one_by_one(api: PullMarketingApi, store: WebApi) -> None:
    api.stores["Teal Green"] = "urn"
    api.script("POST", 200, '{"numberOfRecordsUpserted": 1, "numberOfRecordsSkipped": 0}')
    assert store.fill([Record("7", {"f": "1"}), Record("8", {"f": "2"})]) == Filled(0, 2)
    api.script("POST", 400, "this file is odd")
    with pytest.MonkeyPatch.context() as patch:
        said: list[str] = []
        patch.setattr(web_api.log, "warning", lambda text, *values: said.append(text % values))
        assert store.fill([Record("9", {"f": "3"})]) == Filled(0, 1)
    assert said == ["The web API refused a bulk file, its records go one by one: this file is odd"]
    assert set(store.find(["7", "8", "9"])) == {"7", "8", "9"}


def test_a_batch_is_asked_by_32_requests_at_once_over_kept_connections(
    api: PullMarketingApi, store: WebApi
) -> None:
    store.fill([Record(str(number), {"n": str(number)}) for number in range(300)])
    before, api.wait = api.connections, 0.02
    assert len(store.find([str(number) for number in range(300)])) == 300
    assert 16 <= api.busiest <= 32
    store.find([str(number) for number in range(300)])
    assert api.connections - before <= 40


@pytest.mark.parametrize("honest", [True, False])
def test_an_unknown_key_is_not_found_however_the_receiver_says_so(
    api: PullMarketingApi, store: WebApi, honest: bool
) -> None:
    api.honest = honest
    assert store.find(["none"]) == {}


def test_a_token_is_sent_and_stays_hidden(api: PullMarketingApi, store: WebApi) -> None:
    api.token = "hush"
    with pytest.raises(Away, match=r"refuses us \(401\).*Check the store's token"):
        store.find(["7"])
    *_, last = store.check()
    assert (last.name, last.ok) == ("Access", False)
    known = of(api.url, token="hush")
    assert known.find(["7"]) == {}
    assert "hush" not in f"{known.config!r}{known.config.written()}"
    known.close()


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (500, Unavailable, "failed"),
        (429, Unavailable, "asks us to wait"),
        (400, Refused, "refuses the key 7"),
    ],
)
def test_each_answer_means_who_has_to_act(
    api: PullMarketingApi, store: WebApi, status: int, kind: type[Exception], words: str
) -> None:
    api.script("GET", status, "why", Retry_After="7")
    with pytest.raises(kind, match=words) as error:
        store.find(["7"])
    if status == 429:
        assert isinstance(error.value, Unavailable)
        assert error.value.retry_after == 7


def test_a_redirect_is_a_mistake_in_the_end_point(api: PullMarketingApi, store: WebApi) -> None:
    api.script("GET", 302, Location="/elsewhere")
    with pytest.raises(SetupError, match=r"answered 302.*Check endPoint"):
        store.find(["7"])


def test_an_answer_of_something_else_is_said_to_be_that(api: PullMarketingApi, store: WebApi) -> None:
    api.script("GET", 200, "<html>welcome</html>")
    with pytest.raises(SetupError, match="can't be read"):
        store.find(["7"])


def test_a_look_up_is_given_up_after_two_seconds(api: PullMarketingApi, store: WebApi) -> None:
    api.wait = 30
    with pytest.raises(Unavailable):
        store.find([str(number) for number in range(100)])
    api.wait = 0
    api.delay.set()
    assert store.find(["7"]) == {}


def test_where_nobody_listens_it_is_away() -> None:
    store = of(f"http://127.0.0.1:{free_port()}")
    with pytest.raises(Away, match="can't be reached"):
        store.find(["7"])
    with pytest.raises(Away):
        store.fill([Record("7", {})])
    *_, last = store.check()
    assert (last.name, last.ok) == ("Port", False)
    store.close()


def test_no_request_is_made_for_no_key(api: PullMarketingApi, store: WebApi) -> None:
    assert store.find(["", ".", ".."]) == {}
    assert api.requests == []


def test_plain_http_to_another_host_is_a_warning() -> None:
    assert of("http://127.0.0.1/pmm").warnings() == ()
    assert any("unencrypted" in each for each in of("http://pmm.example/pmm").warnings())


def test_an_end_point_must_be_an_address() -> None:
    for wrong in ("host/pmm", "ftp://host", "https://host/pmm?x=1", "https://"):
        with pytest.raises(ValueError, match=r"endPoint|end_point"):
            of(wrong)


def test_a_file_uses_a_delimiter_that_stands_in_no_value() -> None:
    singly: list[Record] = []
    (file,) = files([Record("1", {"a": "x|y"}), Record("2", {"a": "x;y"})], "urn", singly)
    assert (file.delimiter, singly) == (",", [])
    assert file.text == "urn,a\r\n1,x|y\r\n2,x;y\r\n"
