"""The commands that look back: activity, explain, load-communications."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whereupon.cli.showing import moment, note, say, say_json
from whereupon.cli.systems import HERE, Json, Opened, System, opened

if TYPE_CHECKING:
    from whereupon.engine.explain import CampaignStory, Story

LOOK = 0.25
"""Seconds between two looks with --follow."""


def activity(
    context: typer.Context,
    system: System = HERE,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Stay, and show what comes; Ctrl+C ends it.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show what is recorded: each event with what every campaign made of it, repeats, and dead letters.

    With the service running or not. With --follow an outcome is shown once it has ended. Times in JSON are UTC
    milliseconds.
    """
    with opened(context, system) as there:
        for each in _rows(there, follow=follow):
            if as_json:
                say_json(each)
            else:
                say(line(each))


def _rows(there: Opened, *, follow: bool) -> Iterator[dict[str, Any]]:
    from whereupon.storage.activity import Activity, Place

    place, never = Place(), threading.Event()
    with closing(Activity(there.shop.databases.streams, _names(there))) as recorded:
        yield from recorded.rows(place, ended_only=follow)
        while follow:
            sys.stdout.flush()
            never.wait(LOOK)
            recorded.names = _names(there)
            yield from recorded.rows(place, ended_only=True)


def _names(there: Opened) -> dict[tuple[str, int], str]:
    return {(role, number): name for (role, name), number in there.repository.ids().items()}


def line(row: dict[str, Any]) -> str:
    """One thing that is recorded, for people."""
    number = f"{row['event']}" if row["event"] is not None else "–"
    who = " ".join(str(each) for each in (row["stream"], row["person"]) if each)
    way = " → ".join(str(each) for each in (row["campaign"], row["channel"]) if each)
    took = f"{row['milliseconds']:,} ms" if row["milliseconds"] is not None else ""
    what = f"{row['outcome']} ({row['reason']})" if row["reason"] else row["outcome"]
    parts = (moment(row["at"]), number, who, way, what, took)
    return "  ".join(each for each in parts if each).replace("\n", "\\n")


def explain(
    context: typer.Context,
    event: Annotated[
        str,
        typer.Option(
            "--event", metavar="ID", help="Its number, which `activity` shows; with --person its own id."
        ),
    ] = "",
    person: Annotated[str, typer.Option("--person", metavar="URN", help="All events of this person.")] = "",
    last: Annotated[
        int, typer.Option("--last", min=1, max=10_000, help="With --person: at most so many.")
    ] = 20,
    system: System = HERE,
    as_json: Json = False,
) -> None:
    """Tell why a message went, or didn't: the event, its conditions, look-up, limits, message and every try.

    Everything as it was at the time: the record, the counters, and the version of the campaign.
    """
    from whereupon.engine.story import stories

    if not event and not person:
        raise typer.BadParameter("Name an event (--event ID), or a person (--person URN).")
    if event and not person and not event.isdecimal():
        raise typer.BadParameter(
            "The number of an event is digits, as `activity` shows it. Its own id needs --person."
        )
    with opened(context, system) as there:
        for each in stories(there.shop, there.repository, event=event, person=person, most=last):
            if as_json:
                say_json(each)
            else:
                _tell(each)


def _tell(story: Story) -> None:
    say(f"Event {story.event} ({story.event_id}) of {story.person} on {story.stream}, {moment(story.at)}")
    if not story.kept:
        say("  What it held is no longer kept; only how it ended is.")
    for name, value in story.fields.items():
        say(f"  {name}: {value}")
    for store, record in story.stores.items():
        known = (
            ", ".join(f"{name}: {value}" for name, value in record.items())
            if record is not None
            else "no record"
        )
        say(f"  {store} knew: {known}")
    if story.steps:
        took = ", ".join(f"{step} {each:,.1f} ms" for step, each in story.steps.items())
        say(f"  decided {moment(story.seen)}, with its batch: {took}")
    for each in story.campaigns:
        _tell_campaign(each)
    say()


def _tell_campaign(story: CampaignStory) -> None:
    say(f"  Campaign {story.name}, version {story.version}: {_ended(story)}")
    for each in story.conditions:
        met = f" (it is “{each.value}”)" if each.value else ""
        say(f"    {'holds' if each.held else 'fails'}: {each.words}{met}")
    reason = why(story.ended.reason if story.ended else "", story.detail)
    for said in [*story.limits, *([reason] if reason else [])]:
        say(f"    {said}")
    for name, value in story.fields.items():
        say(f"    {name}: {value}")
    for attempt in story.attempts:
        say(
            f"    try {attempt.n}: {moment(attempt.started)}, {attempt.ended - attempt.started:,} ms, {attempt.answer}"
        )


def why(reason: str, detail: str) -> str:
    """The detail of a reason as a sentence; of some reasons the journal keeps but a name."""
    if reason == "not in store" and detail:
        return f"{detail} {'have' if ', ' in detail else 'has'} no record of this person."
    if reason in ("empty subject", "empty field"):
        return f"{detail} was rendered empty."
    return detail


def _ended(story: CampaignStory) -> str:
    if story.ended is None:
        return "its audience isn't met" if not story.matched else "not recorded"
    ended = story.ended
    reason = f" ({ended.reason})" if ended.reason else ""
    took = f" after {ended.finished - ended.decided:,} ms" if ended.finished and ended.tries else ""
    return f"{ended.state}{reason}{took}"


def load_communications(context: typer.Context, system: System = HERE, as_json: Json = False) -> None:
    """Load what was sent, from the files in Stash into the communications table. None is loaded twice."""
    from whereupon.storage.loading import load

    with opened(context, system) as there:
        shop = there.shop
        done = load(shop.databases.system, shop.system.stash, folder_id=shop.system.id, clock=shop.clock)
    if as_json:
        say_json(done)
    else:
        note(f"{done}.")
