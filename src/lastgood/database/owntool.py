"""Going down by the migration tool's own program, on a copy and then in earnest; and what that reached."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from lastgood.database import oneoff
from lastgood.database.choices import ALONE, OTHERWISE
from lastgood.database.desk import DatabaseDesk
from lastgood.database.oneoff import Ended, OneOff, Runs, named
from lastgood.database.tables import Tool, recognised, state
from lastgood.model.command import Command
from lastgood.model.database import Failed, Fingerprint, Ran
from lastgood.model.descent import Descent, Loss, OwnTool
from lastgood.model.errors import Refused
from lastgood.model.facts import Known, No, Unclear, Unknown, Verdict, Yes
from lastgood.model.schema import Lock, Mode, What
from lastgood.postgres import facts, sessions
from lastgood.postgres.asking import ask
from lastgood.postgres.client import Client
from lastgood.postgres.fingerprint import difference, fingerprint
from lastgood.postgres.untouched import next_number, untouched

LIMIT: Final = 3600.0
"""How long the tool may take, in seconds."""
_LOCK_SECONDS: Final = 3
_TRIES: Final = 5
_PAUSE: Final = 2.0
_ENDINGS: Final = 50  # each asks a psql, which takes its time
_MOVED: Final = "LG001"
_MORE: Final = "LG002"
_WAYS: Final = (ALONE, OTHERWISE, "write a new migration that repairs it, and roll forward")


def environment(client: Client, env: Mapping[str, str]) -> dict[str, str]:
    """What the tool's container is given: libpq names its sessions, and waits for no lock behind a long query.

    A driver that does not go by libpq's variables waits as long as it takes, up to `LIMIT`.
    """
    options = env.get("PGOPTIONS", "")
    if "lock_timeout" not in options:
        options = f"{options} -c lock_timeout={_LOCK_SECONDS}s".strip()
    return {**env, "PGAPPNAME": client.application, "PGOPTIONS": options}


def on_copy(runs: Runs, copy: Client, tool: Tool, way: Descent, wanted: OneOff) -> float:
    """Seconds that the way down takes on a copy. Raises Refused where it fails, or does not lead where it should."""
    try:
        ended = oneoff.once(runs, wanted)
    finally:
        oneoff.remove(runs, wanted.host, wanted.container)
    failed = ended if isinstance(ended, Failed) else ended.failed
    if failed or isinstance(ended, Failed):
        reason = failed.reason if failed else ""
        raise Refused("The way down was not rehearsed: it fails on the copy.", because=(reason,), next=_WAYS)
    found = state(copy, tool)
    if found.version != way.to or found.doubt:
        raise Refused(
            f"{wanted.argv[0]} ended well, and the copy is not at version {way.to or 'none'}.",
            because=(found.doubt or f"it is at {found.version or 'none'}: did it reach another database?",),
            next=("see where its configuration leads: the copy answers to the names of the database's container",),
        )
    return ended.elapsed


def reached(way: Descent, before: Fingerprint, after: Fingerprint) -> Descent:
    """The way, with what it made of the schema on a copy."""
    if way.own is None:
        return way
    there = _everything(before)
    altered = tuple(sorted(name for name, text in _everything(after).items() if there.get(name) != text))
    own = msgspec.structs.replace(
        way.own, changes=difference(before, after).real, altered=altered, reached=_digest(after, altered)
    )
    return msgspec.structs.replace(way, own=own)


def doubted(lost: Sequence[Loss]) -> Iterator[Loss]:
    """The losses as they are told where a program did it: where rows are gone, of no others can it be told."""
    shrunk = {one.relation for one in lost if one.what is What.ROWS}
    because = "the program may have changed it in the rows that stay: that cannot be told where others are deleted"
    for one in lost:
        unclear = one.what is What.VALUES and one.relation in shrunk
        yield msgspec.structs.replace(one, because=because) if unclear else one


def _digest(shape: Fingerprint, altered: Sequence[str]) -> str:
    """Of what is there by name; of `altered` by definition too.

    What was restored from a dump may be spelt otherwise than in the database that was dumped: only what the tool itself
    made is the same to the letter in both.
    """
    every = _everything(shape)
    lines = [f"{name}: {every[name]}" if name in altered else name for name in sorted(every)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _everything(shape: Fingerprint) -> dict[str, str]:
    return shape.parts | {f"enum {name}": repr(values) for name, values in shape.values.items()}


@dataclass(frozen=True)
class Going:
    """The way down of a database by its own tool: `host` is the database's, `run` names the tool's container.

    `losses` are those that were accepted.
    """

    way: Descent
    own: OwnTool
    losses: tuple[Loss, ...]
    host: str
    run: str


def go_down(desk: DatabaseDesk, client: Client, going: Going, wanted: OneOff) -> Ran | Failed:
    """Take the database down, while nobody writes, as far as it is still where the way begins, and look what became.

    Nothing is begun where more would be lost than was accepted. A lock that is not had in time is asked for again a few
    times, as long as the server shows that nothing was changed; `Failed.locked` then.
    """
    found = state(client, recognised(client, desk.spec.migrator))
    if found.version != going.way.before or found.doubt:
        said = f"the database is at version {found.version or 'none'} now, and not at {going.way.before}"
        return Failed(found.doubt or said, _MOVED)
    more = _too_many(client, going)
    first = more or _standing(client)
    if isinstance(first, Failed):
        return first
    ran = _patiently(desk, client, wanted)
    then = ran if isinstance(ran, Failed) else _standing(client)
    if isinstance(then, Failed):
        return then
    wrong = _unlike(going.own, first.shape, then.shape) or _gone(going, first.rows, then.rows)
    found = state(client, recognised(client, desk.spec.migrator))
    if found.version != going.way.to:
        wrong = f"{wanted.argv[0]} ended well, and the database is at version {found.version or 'none'}"
    return Failed(wrong, _MORE) if wrong else ran


@dataclass(frozen=True)
class _Standing:
    """A database at one moment: its schema, and the rows of each table."""

    shape: Fingerprint
    rows: dict[str, int]


def _standing(client: Client) -> _Standing | Failed:
    shape, rows = fingerprint(client), facts.counts(client)
    if isinstance(shape, Unknown):
        return Failed(shape.reason)
    return Failed(rows.reason) if isinstance(rows, Unknown) else _Standing(shape.value, rows.value)


def _too_many(client: Client, going: Going) -> Failed | None:
    """Why more would be lost than was accepted. Rows that go can only be counted afterwards."""
    bounds = (*going.losses, *going.way.vacant)
    counted = [(one.relation, one.column, one.most) for one in bounds if one.what is not What.ROWS]
    for relation, column, most in counted:
        many = ask(client, f"SELECT count({column or '*'}) FROM {relation}", int, timeout=LIMIT)  # noqa: S608 - quoted names
        if isinstance(many, Unknown):
            return Failed(many.reason)
        if many.value > most:
            name = f"{relation}.{column}" if column else relation
            return Failed(f"{name}: accepted up to {most}, and there are {many.value}", _MORE)
    return None


def _patiently(desk: DatabaseDesk, client: Client, wanted: OneOff) -> Ran | Failed:
    tries = _TRIES
    while True:
        since = next_number(client)
        ended = _alone(client, wanted)
        failed = ended if isinstance(ended, Failed) else ended.failed
        if isinstance(ended, Ended) and not failed:
            return Ran("", ended.elapsed)
        tries -= 1
        failed = failed or Failed("it failed")
        if not failed.locked or not tries or isinstance(since, Unknown):
            return failed
        nothing = untouched(client, since.value)
        if isinstance(nothing, Unknown) or not nothing.value:
            return failed
        desk.tools.clock.sleep(_PAUSE)


def _alone(client: Client, wanted: OneOff) -> Ended | Failed:
    try:
        return oneoff.once(client.process.run, wanted)
    finally:
        end(client, wanted.host, wanted.name)


def end(client: Client, host: str, run: str) -> Failed | None:
    """End and remove a run's tool, and the sessions that it leaves behind; None where nothing of it is left.

    A server goes on with what a client asked for last, locks and all, until it has an answer to give.
    """
    runs, container = client.process.run, named(run)
    there = oneoff.addresses(runs, host, container)
    gone = oneoff.remove(runs, host, container)
    seen = oneoff.state(runs, host, container)
    if isinstance(seen, Unknown) or seen.value is not None:
        return Failed(seen.reason if isinstance(seen, Unknown) else f"{container} cannot be ended: {gone.why()}")
    for _ in range(_ENDINGS):
        left = sessions.reap(client, client.reach.name, there)
        if isinstance(left, Unknown):
            return Failed(left.reason)
        if not left.value:
            return None
    return Failed("the sessions that the migration tool left behind do not end")


def _unlike(own: OwnTool, before: Fingerprint, after: Fingerprint) -> str:
    """How the schema is not what the rehearsal reached, in a clause; empty where it is."""
    if _digest(after, own.altered) == own.reached:
        return ""
    found = difference(before, after).real
    odd = [*(one for one in found if one not in own.changes), *(f"not: {o}" for o in own.changes if o not in found)]
    return f"the schema is not the one that the rehearsal reached: {'; '.join(odd) or 'it was another one before'}"


def _gone(going: Going, before: Mapping[str, int], after: Mapping[str, int]) -> str:
    """Which table lost more rows than was accepted, in a clause; empty where none did."""
    from lastgood.sql import parts

    most = {parts(loss.relation): loss.most for loss in going.losses if loss.what in {What.ROWS, What.TABLE}}
    for table, count in before.items():
        gone, accepted = count - after.get(table, 0), most.get(parts(table), 0)
        if gone > accepted and parts(table) != parts(going.way.table):
            return f"{table} lost {gone} rows, and {accepted} were accepted"
    return ""


def happened(
    desk: DatabaseDesk, client: Client, going: Going, rows: Mapping[str, int] | None, *, waiting: bool
) -> Verdict:
    """Whether the database went down, from the database alone, once the tool's container has ended.

    With `waiting` it is given the time that it would have had; else it is ended. It took effect where version and
    schema are those of the rehearsal, and no more rows are gone than was accepted: whatever else is there did not, or
    not as it should. `rows` are those of the backup, where they were counted.
    """
    run, container = client.process.run, named(going.run)
    there = oneoff.state(run, going.host, container)
    if waiting and isinstance(there, Known) and there.value and there.value[0] == "running":
        run(Command(("docker", "wait", "--", container), host=going.host, timeout=LIMIT))
    ended = end(client, going.host, going.run)
    if ended:
        return Unclear(ended.reason)
    found = state(client, recognised(client, desk.spec.migrator))
    if found.version != going.way.to or found.doubt:
        return No()
    now = _standing(client)
    if isinstance(now, Failed):
        return Unclear(f"the database is at version {found.version or 'none'}; what it holds is unknown: {now.reason}")
    odd = _digest(now.shape, going.own.altered) != going.own.reached or _gone(going, rows or {}, now.rows)
    return No() if odd else Yes()


def locks(way: Descent) -> tuple[Lock, ...]:
    """The strongest lock on each relation, as far as the SQL tells that the tool says it would run."""
    from lastgood.sql import read

    found: dict[str, Mode] = {}
    for lock in (each for one in way.undone for statement in read(one.sql) for each in statement.locks):
        found[lock.relation] = max(found.get(lock.relation, Mode.ACCESS_SHARE), lock.mode)
    return tuple(Lock(relation, mode) for relation, mode in sorted(found.items()) if mode > Mode.ROW_SHARE)
