"""Assembly: what a part is made of, what a campaign becomes, and what a channel's address is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Logs
from tests.servers.processes import wait_until
from tests.world import BACK, PLAIN, World, running_of, setup_of, sign_in
from whereupon.engine.assembly import (
    Order,
    Workshop,
    address_of,
    channel_order,
    named_parts,
    opened,
    plans,
    store_order,
    stream_order,
)
from whereupon.model.errors import Mistakes, SetupError
from whereupon.model.events import Result
from whereupon.model.setup import Channel, Setup

FILL = {
    "name": "Fill",
    "type": "pull_marketing",
    "settings": {"store": "TealGreen"},
    "fields": ["urn", "firstname"],
}
HOOK = {
    "name": "Hook",
    "type": "webhook",
    "settings": {"url": "https://esp.example/send", "token": "${secret:esp/token}"},
    "fields": ["email"],
}
PEOPLE = {
    "name": "People", "file": "people.csv", "key": "Person URN",
    "variables": [{"name": "Person URN", "column": "urn"}, {"name": "Email Address", "column": "email"}],
}  # fmt: skip
Change = tuple[Any, ...]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A line that isn't started yet."""
    found = World(tmp_path)
    found.shop.vault.write("esp/token", "hunter22")
    yield found
    found.close()


@pytest.fixture
def shop(world: World) -> Workshop:
    """What its parts are made with."""
    return world.shop


# -- what a part is made of ----------------------------------------------------------------------------------------


def setup(*change: Any) -> Setup:
    """The worked example in small; `change` is a path into it, and at its end what is put there."""
    made = setup_of(channels=[FILL, HOOK], data={"tables": [PEOPLE]})
    data: Any = made.model_dump(mode="json", by_alias=True)
    if change:
        *path, last, value = change
        place = data
        for step in path:
            place = place[step]
        place[last] = value
    return Setup.model_validate(data)


def stream(shop: Workshop, found: Setup) -> Order:
    return stream_order(shop, found, found.streams.streams[0])


def store(shop: Workshop, found: Setup) -> Order:
    return store_order(shop, found, found.pull_marketing.stores[0])


def filling(shop: Workshop, found: Setup) -> Order:
    return channel_order(shop, found, found.channels[0])


def hook(shop: Workshop, found: Setup) -> Order:
    return channel_order(shop, found, found.channels[1])


STREAM: Change = ("streams", "streams", 0)
STORE: Change = ("pull_marketing", "stores", 0)
LATER_FIELDS = [{"name": "urn", "type": "Reference", "variable": "Person URN"}]


@pytest.mark.parametrize(
    ("order", "change"),
    [
        (stream, (*STREAM, "settings", {"name": "other"})),
        (stream, (*STREAM, "fields", LATER_FIELDS)),
        (stream, (*STREAM, "start", "latest")),
        (stream, (*STREAM, "event_id", "")),
        (stream, (*STREAM, "event_time", "")),
        (stream, ("streams", "providers", 0, "settings", {"more": "1"})),
        (stream, ("streams", "providers", 0, "type", "local")),
        (stream, ("system", "time_zone", "Asia/Tokyo")),
        (stream, ("data", "tables", 0, "variables", 1, "type", "number")),
        (store, (*STORE, "settings", {"dataStoreName": "other"})),
        (store, (*STORE, "fields", LATER_FIELDS)),
        (store, ("pull_marketing", "providers", 0, "settings", {"more": "1"})),
        (filling, (*STORE, "settings", {"dataStoreName": "other"})),
        (filling, (*STORE, "fields", LATER_FIELDS)),
        (hook, ("channels", 1, "settings", "url", "https://other.example/send")),
        (hook, ("channels", 1, "type", "file")),
    ],
)
def test_a_part_is_opened_anew_after_what_it_is_made_of_has_changed(
    order: Callable[[Workshop, Setup], Order], change: Change, shop: Workshop
) -> None:
    assert order(shop, setup(*change)).fingerprint != order(shop, setup()).fingerprint


@pytest.mark.parametrize(
    ("order", "change"),
    [
        (stream, ()),
        (stream, (*STREAM, "data_definition", {"folder": "Elsewhere"})),
        (stream, (*STORE, "settings", {"dataStoreName": "other"})),
        (stream, ("data", "tables", 0, "variables", 0, "column", "person")),
        (stream, ("realtime_data", "recognise_repeats", "9 days")),
        (stream, ("campaigns", [PLAIN | {"message": {"content": [], "delivery": {"channel": "Hook"}}}])),
        (store, ("system", "time_zone", "Asia/Tokyo")),
        (store, (*STREAM, "start", "latest")),
        (filling, ("channels", 0, "fields", ["urn"])),
        (filling, (*STORE, "data_definition", {"folder": "Elsewhere"})),
        (hook, ("channels", 1, "fields", ["email", "subject"])),
        (hook, ("channels", 1, "additional_variables", ["Email Address"])),
        (hook, (*STORE, "settings", {"dataStoreName": "other"})),
    ],
)
def test_a_part_stays_open_whatever_else_has_changed(
    order: Callable[[Workshop, Setup], Order], change: Change, shop: Workshop
) -> None:
    assert order(shop, setup(*change)).fingerprint == order(shop, setup()).fingerprint


def test_a_part_is_opened_anew_after_its_secret_has_changed(shop: Workshop) -> None:
    before, neighbour = hook(shop, setup()).fingerprint, filling(shop, setup()).fingerprint
    shop.vault.write("esp/token", "hunter23")
    assert hook(shop, setup()).fingerprint != before
    assert filling(shop, setup()).fingerprint == neighbour


def test_a_fingerprint_shows_no_secret_and_the_logs_know_it(shop: Workshop) -> None:
    order = hook(shop, setup())
    assert order.settings["token"] == "hunter22"
    assert "hunter22" not in order.fingerprint
    assert "hunter22" not in shop.redactor.text("it said hunter22")


@pytest.mark.parametrize(
    ("order", "change", "said"),
    [
        (stream, (*STREAM, "provider", "Kafka"), "The stream SignIn names the provider Kafka, which isn't there"),
        (store, (*STORE, "provider", "Kafka"), "The store TealGreen names the provider Kafka, which isn't there"),
        (filling, ("channels", 0, "settings", "store", "Gone"), "The channel Fill names the store Gone, which isn't"),
        (hook, ("channels", 1, "settings", "token", "${secret:x}"), "The channel Hook: token needs the secret x"),
        (
            stream,
            ("streams", "providers", 0, "settings", {"sasl": {"password": "${secret:k}"}}),
            "The provider Memory: sasl.password needs the secret k",
        ),
        (hook, ("channels", 1, "type", "fax"), "There is no kind of channel called 'fax'"),
    ],
)  # fmt: skip
def test_what_is_missing_is_said_with_the_form_and_the_field(
    order: Callable[[Workshop, Setup], Order], change: Change, said: str, shop: Workshop
) -> None:
    with pytest.raises(SetupError) as refused:
        order(shop, setup(*change))
    assert said in refused.value.message
    assert refused.value.hint


def test_a_setting_that_cannot_be_used_is_said_with_the_form_and_the_field(shop: Workshop) -> None:
    order = hook(shop, setup("channels", 1, "settings", "concurrency", 0))
    with pytest.raises(Mistakes) as refused:
        opened(shop, order)
    [mistake] = refused.value.mistakes
    assert mistake.startswith("The channel Hook: concurrency ")


def test_a_part_is_told_what_it_is_made_of(shop: Workshop) -> None:
    part = opened(shop, stream(shop, setup(*STREAM, "start", "latest")))
    context = part.context
    assert (context.name, context.folder, context.start) == ("SignIn", shop.system.path, "latest")
    assert [each.name for each in context.fields] == ["urn", "email", "location"]
    part.close()


def test_a_channel_is_given_the_store_that_it_fills(shop: Workshop) -> None:
    order = filling(shop, setup())
    assert named_parts(shop.registry.kind("channel", order.kind).config, order.settings) == {
        "TealGreen": "store"
    }
    there = opened(shop, store(shop, setup()))
    channel = opened(shop, order, {"TealGreen": there})
    assert channel.address({"urn": "1001"}) == "1001"  # type: ignore[attr-defined]
    channel.close()
    there.close()


def test_a_channel_whose_store_cannot_be_opened_waits_with_that_reason_and_no_other_does(
    world: World, logs: Logs
) -> None:
    logs.expect("a part can't be opened")
    broken = setup_of().pull_marketing.model_dump(mode="json")
    broken["providers"][0]["type"] = "carrier pigeon"
    world.start(setup_of(PLAIN, channels=[*memory(), FILL], pull_marketing=broken))
    world.send(sign_in(1))
    wait_until(lambda: world.outcomes() == ["sent"])
    reasons = {name: reason for name, _, reason in world.engine.lanes()}
    assert reasons["ESP"] == ""
    assert "carrier pigeon" in reasons["Fill"]


def memory() -> list[dict[str, Any]]:
    """The channel in memory."""
    return [each.model_dump(mode="json") for each in setup_of().channels]


# -- what a campaign becomes ---------------------------------------------------------------------------------------

BROKEN = {
    **BACK,
    "audience": {"stream": "SignIn", "where": {"all": [{"field": "SignIn.town", "is": "not empty"}]}},
}


def test_campaigns_are_compiled_by_stream_and_fillers_are_known(shop: Workshop) -> None:
    running = running_of(setup_of(BACK, PLAIN, channels=[*memory(), FILL]))
    made = plans(shop, running, {})
    assert [each.name for each in made.streams["SignIn"].campaigns] == ["Hello", "Welcome back"]
    assert made.fills == {running.ids["channel", "Fill"]}


def test_a_campaign_that_cannot_be_compiled_is_broken_and_its_neighbours_are_not(shop: Workshop) -> None:
    plan = plans(shop, running_of(setup_of(BROKEN, PLAIN)), {}).streams["SignIn"]
    assert [(each.name, bool(each.broken)) for each in plan.campaigns] == [
        ("Hello", False), ("Welcome back", True),
    ]  # fmt: skip
    assert "SignIn.town" in plan.campaigns[1].broken


def test_the_events_of_a_broken_campaign_are_dead_letters(world: World) -> None:
    world.start(setup_of(BROKEN, PLAIN))
    world.send(sign_in(1))
    assert sorted(world.settle(3)) == ["dead letter", "failed", "sent"]
    [dead] = [each for each in world.activity() if each["outcome"] == "dead letter"]
    assert (dead["campaign"], dead["event_id"]) == ("Welcome back", "e1")
    assert "SignIn.town" in dead["reason"]


# -- where messages go ---------------------------------------------------------------------------------------------


def test_messages_go_to_another_place_with_another_store(shop: Workshop) -> None:
    moved = filling(shop, setup(*STORE, "settings", {"dataStoreName": "other"}))
    assert address_of(shop, moved) != address_of(shop, filling(shop, setup()))


def address(world: World, type: str, **settings: Any) -> str:
    """The fingerprint of a channel with these settings."""
    channel = Channel.model_validate({"name": "ESP", "type": type, "settings": settings})
    setup = setup_of(PLAIN).model_copy(update={"channels": (channel,)})
    return address_of(world.shop, channel_order(world.shop, setup, channel))


def test_where_and_as_whom_it_sends_is_an_address_and_how_fast_is_not(world: World) -> None:
    mail = {"host": "mail.example", "port": 587, "sender": "a@example.org", "username": "u", "password": "p"}
    same = address(world, "smtp", **mail)
    assert address(world, "smtp", **{**mail, "concurrency": 9, "timeout": 99}) == same
    for change in ({"host": "other.example"}, {"port": 465}, {"username": "v"}, {"password": "q"}):
        assert address(world, "smtp", **{**mail, **change}) != same, change


def with_file(path: str) -> Setup:
    """The set-up with a channel that writes into this file."""
    channel = setup_of(PLAIN).channels[0].model_copy(update={"type": "file", "settings": {"path": path}})
    return setup_of(PLAIN).model_copy(update={"channels": (channel,)})


def test_a_message_tried_at_another_address_is_unknown_and_the_others_go_to_the_new_one(
    world: World, logs: Logs
) -> None:
    logs.expect("tried at another address are unknown")
    logs.allow("channel is away|was made anew")
    world.start(setup_of(PLAIN))
    world.channel.answer(Result.UNAVAILABLE, to="1001@example.org", retry_after=600)
    world.send(sign_in(1, urn="1001"))
    wait_until(lambda: world.outcomes() == ["waiting"])
    world.channel.answer(Result.AWAY, times=1000, retry_after=600)
    world.send(sign_in(2, urn="1002"))
    wait_until(lambda: world.outcomes() == ["waiting", "queued"])
    world.running = running_of(with_file("new.jsonl"), revision=2)
    world.engine.take(world.running)
    wait_until(lambda: world.outcomes()[:2] == ["unknown", "sent"], within=15)
    assert "1002@example.org" in (world.folder / "new.jsonl").read_text(encoding="utf-8")
    assert [each["outcome"] for each in world.activity()][:2] == ["unknown", "sent"]


def test_a_change_while_no_service_runs_is_seen_at_the_next_start(world: World, logs: Logs) -> None:
    logs.expect("tried at another address are unknown")
    world.start(setup_of(PLAIN))
    world.channel.answer(Result.UNAVAILABLE, retry_after=600)
    world.send(sign_in(1))
    wait_until(lambda: world.outcomes() == ["waiting"])
    world.engine.stop()
    world.running = running_of(with_file("new.jsonl"), revision=2)
    logs.allow("was made anew")
    world.restart()
    wait_until(lambda: world.outcomes()[:1] == ["unknown"])


def test_the_same_address_leaves_what_waits_alone(world: World, logs: Logs) -> None:
    logs.allow("was made anew")
    world.start(setup_of(PLAIN))
    world.channel.answer(Result.UNAVAILABLE, retry_after=600)
    world.send(sign_in(1))
    wait_until(lambda: world.outcomes() == ["waiting"])
    world.engine.stop()
    world.restart()
    assert world.outcomes() == ["waiting"]
