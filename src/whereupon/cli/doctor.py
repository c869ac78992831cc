"""The command that tests everything a system names."""

from __future__ import annotations

from typing import Annotated

import typer

from whereupon.cli.boundary import FAILED
from whereupon.cli.showing import say, say_json
from whereupon.cli.systems import HERE, Json, System, opened


def doctor(
    context: typer.Context,
    system: System = HERE,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show only what is broken.")] = False,
    as_json: Json = False,
) -> None:
    """Test everything that the system names: databases, secrets, streams, stores, channels, disk, the service.

    Nothing is sent. Ends with 1 if something is broken.
    """
    from whereupon.control import launch
    from whereupon.engine.doctor import Finding, examined

    broken = 0
    with opened(context, system) as there:
        state = launch.state(there.shop.system.path)
        service = Finding("Service", state.state != "lost", str(state), "", advice=not state.up)
        for each in (*examined(there.shop, there.repository), service):
            broken += not each.holds
            if as_json:
                say_json(each)
            elif not (quiet and each.holds):
                say(str(each))
    if broken:
        raise typer.Exit(FAILED)
