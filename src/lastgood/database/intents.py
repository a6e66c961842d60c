"""What a restore meant to do, as a file on the database's host, and what of it reality shows."""

from typing import Final

import msgspec

from lastgood.database.desk import DatabaseDesk
from lastgood.model.database import SwapState
from lastgood.model.errors import InDoubt, LastgoodError, NeedsHuman, Refused
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.restoring import Intent, Phase, again
from lastgood.model.target import shown as host
from lastgood.model.text import sanitise
from lastgood.postgres import facts
from lastgood.postgres.swap import state

OLD: Final = "the database is the one from before"
NEW: Final = "the database is the restored one"


def place(desk: DatabaseDesk) -> str:
    """The file's path on the database's host."""
    return desk.target.place("databases", "json")


def read(desk: DatabaseDesk) -> Intent | None:
    """The restore that has not ended, or None. Raises NeedsHuman where the file cannot be read."""
    path = place(desk)
    try:
        content = desk.files.read(path)
        return None if content is None else msgspec.json.decode(content, type=Intent)
    except (OSError, msgspec.MsgspecError) as error:
        because = (sanitise(getattr(error, "strerror", None) or str(error)),)
        said = f"There is a note of a restore at {path}, and it cannot be read."
        raise NeedsHuman(said, because=because, next=(f"look at {path} on the host",)) from error


def create(desk: DatabaseDesk, intent: Intent) -> None:
    """Write a new one. Raises InDoubt where there is one already, Refused where it cannot be written."""
    path = place(desk)
    try:
        made = desk.files.create(path, msgspec.json.encode(intent))
    except OSError as error:
        because = (f"{path}: {sanitise(error.strerror or str(error))}",)
        room = f"df -h {desk.target.state}   # on {host(desk.spec.host)}: is there room, and may we write there?"
        raise Refused("The restore cannot be noted, so it was not begun.", because=because, next=(room,)) from error
    if not made:
        raise interrupted(desk, read(desk) or intent)


def replace(desk: DatabaseDesk, intent: Intent) -> None:
    """Write how far it has come. Raises InDoubt where that cannot be noted: nothing more must be done then."""
    try:
        desk.files.replace(place(desk), msgspec.json.encode(intent))
    except OSError as error:
        because = (f"{place(desk)}: {sanitise(error.strerror or str(error))}",)
        said = "The restore stopped: how far it has come cannot be noted any more."
        raise InDoubt(said, because=because, next=_next(desk, intent)) from error


def remove(desk: DatabaseDesk, intent: Intent) -> None:
    """It has ended. Raises InDoubt where the file cannot be removed: taken up again, it ends at once."""
    try:
        desk.files.remove(place(desk))
    except OSError as error:
        because = (f"{place(desk)}: {sanitise(error.strerror or str(error))}",)
        raise InDoubt(
            "The restore is done, and its note is still there.", because=because, next=_next(desk, intent)
        ) from error


def interrupted(desk: DatabaseDesk, intent: Intent) -> InDoubt:
    """That a restore did not come to its end, and where it left the database."""
    because = (standing(desk, intent), f"begun by {intent.holder}, accepted by {intent.by} ({intent.how})")
    return InDoubt(
        f"A restore of {intent.plan.database} was begun and has not ended.", because=because, next=_next(desk, intent)
    )


def standing(desk: DatabaseDesk, intent: Intent) -> str:
    """Which database is in use now, from reality; a clause."""
    if intent.phase is Phase.LOADING or intent.swap is None:
        return f"{OLD}: the new one was still being made"
    found = reality(desk, intent)
    if isinstance(found, Unknown):
        return f"which database is in use is not known: {found.reason}"
    return {
        SwapState.BEFORE: OLD,
        SwapState.CLOSED: f"{OLD}, and nobody can connect to it",
        SwapState.RENAMED: f"{NEW}, and nobody can connect to it",
        SwapState.DONE: NEW,
        SwapState.UNCLEAR: "somebody renamed or dropped one of both databases",
    }[found.value]


def reality(desk: DatabaseDesk, intent: Intent) -> Fact[SwapState]:
    """How far the swap has come, as the server shows it."""
    if intent.swap is None:
        return Known(SwapState.BEFORE)
    maintenance = facts.maintenance(desk.client(intent.run))
    return maintenance if isinstance(maintenance, Unknown) else state(maintenance.value, intent.swap)


def shown(desk: DatabaseDesk) -> str:
    """A restore that has not ended, in one sentence; empty where there is none."""
    try:
        found = read(desk)
    except LastgoodError as error:
        return error.what
    return f"{found.run}, begun by {found.holder}, has not ended; {standing(desk, found)}" if found else ""


def _next(desk: DatabaseDesk, intent: Intent) -> tuple[str, ...]:
    command = again(intent.run, desk.target.name)
    return (command, f"{command.replace('--resume', '--abort')}   # back to the database from before")
