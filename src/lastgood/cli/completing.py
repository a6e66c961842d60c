"""What a shell completes: names of the configuration, and ids of runs, newest first.

Somebody has pressed a key: it is answered from what is on this machine's disk, and whatever is wrong with that is not
said here.
"""

import contextlib
import functools
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeAlias

import click

from lastgood.cli.session import Session
from lastgood.model.errors import Exit, LastgoodError

if TYPE_CHECKING:
    from lastgood.model.event import Run

_SHOWN: Final = 50
"""Ids of runs that are completed at most."""
_READ: Final = 100
"""The newest runs that are read for how they stand."""

Complete: TypeAlias = Callable[[click.Context, click.Parameter, str], list[str]]
"""Click's `shell_complete`: what the word that was begun may become."""


def _silent(found: Callable[[Session, str], Iterable[str]]) -> Complete:
    """What `found` knows that begins so, and nothing where it fails."""

    @functools.wraps(found)
    def complete(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
        session = Session((), json=False, repo=context.params.get("repo"), no_color=True, quiet=True)
        try:
            return [one for one in found(session, incomplete) if one.startswith(incomplete)][:_SHOWN]
        except Exception:  # noqa: BLE001 - an error's text would land in the middle of what is being typed
            return []

    return complete


@_silent
def services(session: Session, _incomplete: str) -> Iterable[str]:
    """Completes the name of a service."""
    return session.service.config.file.services


@_silent
def environments(session: Session, _incomplete: str) -> Iterable[str]:
    """Completes the name of an environment."""
    return session.service.config.file.environments


@_silent
def runs(session: Session, _incomplete: str) -> Iterable[str]:
    """Completes the id of a run, be it a check."""
    return session.journal.runs()


@_silent
def acted(session: Session, _incomplete: str) -> Iterable[str]:
    """Completes the id of a run that was more than a look; of a check where there is no other."""
    return session.journal.acted() or session.journal.runs()


@_silent
def unfinished(session: Session, incomplete: str) -> Iterable[str]:
    """Completes the id of a run that can be taken up: it stopped half-way, or waits to be settled."""
    return (run.id for run in _still(session, incomplete) if run.open)


@_silent
def mitigated(session: Session, incomplete: str) -> Iterable[str]:
    """Completes the id of a run that waits to be settled."""
    return (run.id for run in _still(session, incomplete) if run.ended and run.ended.exit is Exit.MITIGATED)


@_silent
def called(session: Session, _incomplete: str) -> Iterable[str]:
    """Completes the id of what people are called for: of a run, or of an ask."""
    waiting = [one for one in session.service.post_office.asks(stops=True) if not one.by]
    return (one.id for one in sorted(waiting, key=lambda one: -one.at))


def _still(session: Session, incomplete: str) -> "Iterator[Run]":
    """The newest runs that nobody carries out at this moment; one that cannot be read hides no other."""
    from msgspec import MsgspecError

    from lastgood.journal.fold import fold

    begun = (run for run in session.journal.acted() if run.startswith(incomplete))
    for run in islice(begun, _READ):
        with contextlib.suppress(LastgoodError, ValueError, MsgspecError):
            if not session.live.alive(run):
                yield fold(session.journal.entries(run))
