"""Set-ups with more than one stream, and what the service says of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.faults.service import System, setup
from tests.servers.processes import wait_until
from whereupon.control.wire import WireClient


def beside(
    first: Mapping[str, Any], *, name: str, stream: dict[str, Any], channel: dict[str, Any], **more: Any
) -> dict[str, Any]:
    """The set-up with a second stream, which has a campaign and a channel of its own; `more` as `setup` takes it."""
    second = setup(stream=stream, channels=[channel], **more)
    (provider,), (events,) = (second["streams"][each] for each in ("providers", "streams"))
    provider["name"] = f"{name}'s provider"
    events |= {"name": name, "provider": provider["name"]}
    campaign = second["campaigns"][0]
    campaign["audience"]["stream"] = name
    for content in campaign["message"]["content"]:
        content |= {
            word: content[word].replace("SignIn.", f"{name}.") for word in ("from",) if word in content
        }
    found = dict(first)
    found["streams"] = {
        "providers": [*first["streams"]["providers"], provider],
        "streams": [*first["streams"]["streams"], events],
    }
    found["channels"] = [*first["channels"], channel]
    found["campaigns"] = [*first["campaigns"], campaign]
    return found


def state_of(system: System, stream: str = "SignIn") -> str:
    """Why a stream stands still, or nothing; as the running service says it."""
    streams = WireClient(system.folder).status()["streams"]
    said: list[str] = [each["state"] for each in streams if each["name"] == stream]
    return said[0]


def said_of(system: System, words: str, stream: str = "SignIn", *, within: float = 90.0) -> str:
    """Wait until the service says that of a stream; all it says."""
    said: list[str] = []

    def heard() -> bool:
        said.append(state_of(system, stream))
        return words in said[-1] if words else not said[-1]

    try:
        wait_until(heard, within=within)
    except AssertionError as error:
        raise AssertionError(f"{stream}: {said[-1]!r} instead of {words!r}") from error
    return said[-1]
