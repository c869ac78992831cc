"""How it goes: counts, lag, latencies, and the reason when nothing happens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from whereupon.engine.engine import Engine


def status(engine: Engine) -> dict[str, Any]:
    """A picture of the engine as plain values; asks no database."""
    running = engine.running
    streams = [
        {
            "name": name,
            "state": line.paused if line else problem,
            "lag": sum(lag.values()) if line and (lag := line.lag()) is not None else None,
        }
        for name, line, problem in engine.lines()
    ]
    channels = [
        {
            "name": name,
            "state": (lane.absence.reason if lane.absence else "") if lane else problem,
            "open": engine.finisher.open_messages(lane.manners.channel) if lane else None,
            "warnings": list(lane.channel.warnings()) if lane else [],
        }
        for name, lane, problem in engine.lanes()
    ]
    return {
        "revision": running.revision if running else 0,
        "campaigns": len(running.campaigns) if running else 0,
        "streams": streams,
        "channels": channels,
        "counts": engine.pulse.counts(),
        "latencies": engine.pulse.latencies(),
        "nothing": nothing_because(engine, streams, channels),
    }


def nothing_because(engine: Engine, streams: list[dict[str, Any]], channels: list[dict[str, Any]]) -> str:
    """Why nothing happens, or nothing if there is no obstacle but the lack of events."""
    running = engine.running
    if running is None or not running.campaigns:
        return "No campaign is published."
    stuck = engine.finisher.stuck or engine.operating.standstill()
    if stuck:
        return stuck
    for each in (*streams, *channels):
        if each["state"]:
            return f"{each['name']}: {each['state']}"
    if engine.operating.paused:
        return f"{len(engine.operating.paused)} campaigns are paused."
    return "" if any(each["lag"] for each in streams) else "No new events."
