"""Setting the version in a migration tool's table: under the tool's own locks, and only what was looked at."""

from collections.abc import Iterable
from typing import Final

import msgspec

from lastgood.database.choices import unanswered
from lastgood.database.tables import Tool
from lastgood.model.database import Failed, Ran, Session
from lastgood.model.errors import LeaseHeld, WorldMoved
from lastgood.model.facts import Known
from lastgood.model.schema import NOTHING, SchemaState
from lastgood.ports import Clock, Migrator
from lastgood.postgres.asking import script
from lastgood.postgres.client import Client
from lastgood.postgres.facts import overview
from lastgood.postgres.quoting import literal
from lastgood.postgres.sessions import blockers, holders
from lastgood.sql import parts

_PATIENCE: Final = 3.0
_PAUSE: Final = 0.3
_LOCK_TIMEOUT: Final = 3000
# Of our own class: PostgreSQL has none that begins with L.
_HELD: Final = "LG006"
_MOVED: Final = "LG007"


def keys(client: Client, tool: Tool) -> tuple[int, ...]:
    """The keys of the advisory locks that the tool takes in this database. Raises Refused where it cannot be asked."""
    there = overview(client)
    if not isinstance(there, Known):
        raise unanswered(client, there.reason)
    schema, table = parts(tool.table)
    return tool.migrator.locks(there.value.name, schema, table)


def check_free(client: Client, tool: Tool) -> None:
    """Make sure that nobody migrates. Raises LeaseHeld, with who does, where somebody holds one of the tool's locks.

    Raises Refused where that cannot be told.
    """
    found = holders(client, keys(client, tool))
    if not isinstance(found, Known):
        raise unanswered(client, found.reason, "It is not known whether a migration runs.")
    if found.value:
        raise _held(tool, found.value)


def sql(migrator: Migrator, state: SchemaState, wanted: tuple[str, ...]) -> str:
    """What makes the table say that exactly `wanted`, oldest first, are applied, and that nothing is under way."""
    to = wanted[-1] if wanted else NOTHING
    if state.applied is None:
        return migrator.noting(state, (), to)
    pairs = zip(state.applied, wanted, strict=False)
    kept = next((at for at, (there, one) in enumerate(pairs) if there != one), min(len(state.applied), len(wanted)))
    lines = [migrator.noting(state, tuple(reversed(state.applied[kept:])), wanted[kept - 1] if kept else NOTHING)]
    for at in range(kept, len(wanted)):
        before = msgspec.structs.replace(state, applied=wanted[:at], version=wanted[at - 1] if at else NOTHING)
        lines.append(migrator.noting(before, (), wanted[at]))
    return "\n".join(filter(None, lines))


def note(client: Client, tool: Tool, seen: str, noting: str, clock: Clock) -> Ran | Failed:
    """Run `noting` where the table still says what was `seen`, in one transaction under the tool's locks.

    Locks are tried again and again for a while, and never waited for. Raises LeaseHeld where somebody holds one, and
    WorldMoved where the table says something else; nothing was touched then.
    """
    taken = keys(client, tool)
    text = _text(tool, taken, seen, noting)
    end = clock.monotonic() + _PATIENCE
    while True:
        done = script(client, text, timeout=60.0)
        if not isinstance(done, Failed) or done.sqlstate != _HELD or clock.monotonic() > end:
            break
        clock.sleep(_PAUSE)
    if isinstance(done, Failed):
        _refuse(client, tool, taken, done)
    return done


def _refuse(client: Client, tool: Tool, taken: tuple[int, ...], why: Failed) -> None:
    if why.sqlstate == _MOVED:
        raise WorldMoved(
            f"{tool.table} no longer says what was looked at; nothing was set.",
            because=("somebody migrated meanwhile",),
            next=("look again: call the same command",),
        )
    if why.sqlstate == _HELD or why.locked:
        found = holders(client, taken) if why.sqlstate == _HELD else blockers(client, (tool.table,))
        raise _held(tool, found.value if isinstance(found, Known) else ())


def _text(tool: Tool, taken: tuple[int, ...], seen: str, noting: str) -> str:
    """All of it in one session, whose end lets go of the locks."""
    same = f"({tool.migrator.question(tool.table)}) IS NOT DISTINCT FROM {literal(seen)}::pg_catalog.text"
    return "\n".join(
        (
            f"SET lock_timeout = {_LOCK_TIMEOUT};",
            *(_unless(f"pg_catalog.pg_try_advisory_lock({key})", f"the lock {key} is held", _HELD) for key in taken),
            "BEGIN;",
            f"LOCK TABLE {tool.table} IN ACCESS EXCLUSIVE MODE;",
            _unless(same, "it says something else by now", _MOVED),
            noting,
            "COMMIT;",
        )
    )


def _unless(condition: str, said: str, code: str) -> str:
    inner = f"BEGIN IF NOT ({condition}) THEN RAISE EXCEPTION {literal(said)} USING ERRCODE = '{code}'; END IF; END"
    return f"DO {literal(inner)};"


def _held(tool: Tool, found: Iterable[Session]) -> LeaseHeld:
    because = tuple(map(_who, found)) or ("whoever it was has gone by now",)
    return LeaseHeld(
        f"Somebody else works with {tool.table}; nothing was touched.",
        because=because,
        next=("wait until it has ended, and call the same command again",),
    )


def _who(one: Session) -> str:
    words = (
        f"process {one.pid}",
        f"application {one.application}" if one.application else "",
        f"user {one.user}",
        f"from {one.client}" if one.client else "",
        one.state,
    )
    return ", ".join(filter(None, words))
