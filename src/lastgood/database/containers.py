"""The service's own containers: stopped while its database changes, and started again."""

import time
from typing import Final

from lastgood.database.desk import DatabaseDesk
from lastgood.model.command import Command
from lastgood.model.database import Failed
from lastgood.model.errors import Refused
from lastgood.model.facts import Unknown
from lastgood.model.observed import Container, State
from lastgood.model.restoring import Stopped
from lastgood.model.target import shown
from lastgood.observe.hosts import look_everywhere
from lastgood.observe.world import pinned

_LIMIT: Final = 180.0
_UP: Final = (State.RUNNING, State.RESTARTING, State.PAUSED)
_LONGEST: Final = 90.0
_PAUSE: Final = 0.5


def running(desk: DatabaseDesk) -> tuple[Stopped, ...]:
    """The pin's containers that run now. Raises Refused where that cannot be seen."""
    return tuple(Stopped(host, one.name) for host, one in _mine(desk) if one.state in _UP)


def stop(desk: DatabaseDesk, which: tuple[Stopped, ...]) -> Failed | None:
    """Stop them, each with its own grace; None where all are. Can be repeated."""
    return _all(desk, which, "stop")


def start(desk: DatabaseDesk, which: tuple[Stopped, ...]) -> Failed | None:
    """Start them again; None where the engine says that it did. Can be repeated."""
    return _all(desk, which, "start")


def unwell(desk: DatabaseDesk, which: tuple[Stopped, ...]) -> str:
    """Wait until all of them run and their HEALTHCHECK, where they have one, passes; else what they do instead."""
    end = time.monotonic() + _LONGEST
    while True:
        said = _unwell(desk, which)
        if not said or time.monotonic() >= end:
            return said
        desk.tools.clock.sleep(_PAUSE)


def _unwell(desk: DatabaseDesk, which: tuple[Stopped, ...]) -> str:
    try:
        seen = {Stopped(host, one.name): one for host, one in _mine(desk)}
    except Refused as error:
        return "; ".join((error.what, *error.because))
    for one in which:
        found = seen.get(one)
        if found is None:
            return f"{one.name} on {shown(one.host)} is gone"
        if found.state is not State.RUNNING or found.health not in {"", "healthy"}:
            return f"{one.name} on {shown(one.host)} is {found.state}{', ' + found.health if found.health else ''}"
    return ""


def _mine(desk: DatabaseDesk) -> list[tuple[str, Container]]:
    target, tools = desk.target, desk.tools
    with tools.repo.lock():
        tools.repo.fetch()  # a silent remote is no reason to stop where there is a copy
        pin = pinned(target, tools, tools.repo.tip())
    if isinstance(pin, Unknown):
        raise Refused(f"It is not known which containers are {target.service}'s.", because=(pin.reason,), next=_KEEP)
    found = []
    for host, view in look_everywhere(target, tools, pin.value.repository, brief=True).items():
        if isinstance(view.containers, Unknown):
            said = f"It cannot be seen what runs on {shown(host)}."
            raise Refused(said, because=(view.containers.reason,), next=("docker info", *_KEEP))
        found += [(host, one) for one in view.containers.value if one.mine and not one.oneshot_done]
    return found


_KEEP: Final = ("--keep-running, if nothing of it writes",)


def _all(desk: DatabaseDesk, which: tuple[Stopped, ...], verb: str) -> Failed | None:
    names: dict[str, list[str]] = {}
    for one in which:
        names.setdefault(one.host, []).append(one.name)
    for host, each in names.items():
        done = desk.tools.process.run(Command(("docker", verb, "--", *each), host, timeout=_LIMIT))
        if not done.ok:
            return Failed(f"docker {verb} on {shown(host)}: {done.why()}")
    return None
