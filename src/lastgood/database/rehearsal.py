"""Going down on a copy of the database first: what it loses, locks and takes, and whether the older release starts."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final, TypeVar

import msgspec

from lastgood.database import booting, owntool
from lastgood.database.booting import Boot, Model
from lastgood.database.choices import ALONE, OTHERWISE
from lastgood.database.contents import Contents, contents, losses, vacant
from lastgood.database.desk import DatabaseDesk
from lastgood.database.down import script
from lastgood.database.oneoff import OneOff
from lastgood.database.tables import Tool
from lastgood.model.command import Command, Completed
from lastgood.model.database import Backup, Failed, Format, Ran
from lastgood.model.descent import Descent, OwnTool
from lastgood.model.errors import Refused
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.rehearsal import Booted, Rehearsal
from lastgood.model.schema import Lock, Mode, What
from lastgood.postgres import facts, kept, scratch
from lastgood.postgres.asking import ask, execute, told
from lastgood.postgres.backup import Wanted, backup
from lastgood.postgres.client import Client
from lastgood.postgres.fingerprint import fingerprint
from lastgood.postgres.restore import load

T = TypeVar("T")
_NANO: Final = 1_000_000_000
_BOOT_SECONDS: Final = 60.0
_NEXT: Final = (ALONE, OTHERWISE)
_NOTES: Final = """
CREATE SCHEMA lastgood_rehearsal;
CREATE TABLE lastgood_rehearsal.dropped (kind text, name text);
CREATE TABLE lastgood_rehearsal.locks (relation text, mode text);
"""
# What is dropped by itself, or as a victim of CASCADE; not what was a part of that. Takes a superuser. A tool may come
# as another user, who could note nothing.
_WATCH: Final = """
CREATE FUNCTION lastgood_rehearsal.note() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp AS $lastgood$ BEGIN
  INSERT INTO lastgood_rehearsal.dropped
    SELECT object_type, object_identity FROM pg_event_trigger_dropped_objects()
    WHERE (original OR normal) AND NOT is_temporary AND object_type <> 'rule';
END $lastgood$;
CREATE EVENT TRIGGER lastgood_rehearsal ON sql_drop EXECUTE FUNCTION lastgood_rehearsal.note();
"""
_LOCKS: Final = """
INSERT INTO lastgood_rehearsal.locks
  SELECT DISTINCT c.oid::regclass::text, l.mode FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
  WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND c.relkind IN ('r', 'p', 'm')
  AND c.relnamespace <> 'pg_catalog'::regnamespace AND c.relnamespace <> 'lastgood_rehearsal'::regnamespace;
"""
_DROPPED: Final = (
    "SELECT coalesce(json_agg(kind || ' ' || name ORDER BY kind, name), '[]') FROM lastgood_rehearsal.dropped"
)
_HELD: Final = "SELECT coalesce(json_agg(json_build_array(relation, mode)), '[]') FROM lastgood_rehearsal.locks"
_UNWATCH: Final = "DROP EVENT TRIGGER IF EXISTS lastgood_rehearsal; DROP SCHEMA lastgood_rehearsal CASCADE;"


@dataclass(frozen=True)
class Older:
    """The release that would run after it: its image on the database's host, and how its service is configured."""

    image: str
    model: Model
    aliases: tuple[str, ...]


@dataclass(frozen=True)
class Rehearsing:
    """What is rehearsed: `run` names what is thrown away afterwards; `tell` hears what is being done.

    `way` finds the way down, and raises Refused where there is none; it is asked only where one is needed. With
    `compatible` none is, where the older release starts with the schema as it is. `others` are older releases of
    services that use the same database, and have to start as well.
    """

    desk: DatabaseDesk
    tool: Tool
    way: Callable[[], Descent]
    run: str
    older: Fact[Older]
    compatible: bool
    tell: Callable[[str], None]
    others: tuple[Older, ...] = ()


class Copies(ExitStack):
    """The copy of a database that releases are tried on, one after the other, each from where the one before left it.

    It is made when it is first needed, and gone afterwards.
    """

    def __init__(self) -> None:
        super().__init__()
        self._made: tuple[Client, Rehearsal] | None = None

    @property
    def made(self) -> bool:
        """Whether there is a copy already: trying a further release on it takes little time."""
        return self._made is not None

    def rehearse(self, it: Rehearsing) -> Rehearsal:
        """Try a release. Raises Refused where that cannot be done, or shows that it must not be.

        All that are tried on one copy are of one database, and have the same `run`.
        """
        copy, done = self._made or self._make(it)
        self._made = (copy, done)
        it.tell("starting the older release against the copy as it is")
        done = msgspec.structs.replace(done, before=_boot(it))
        if it.compatible and isinstance(done.before, Known) and done.before.value.healthy:
            return done
        it.tell("going down on the copy")
        return _went(it, copy, it.way(), done)

    def _make(self, it: Rehearsing) -> tuple[Client, Rehearsal]:
        live = it.desk.client(f"rehearsal-{it.run}")
        it.tell("backing the database up, for a copy")
        copy = self.enter_context(_copy(it, live))
        snapshot, loaded = _filled(it, live, copy)
        _whole(copy, snapshot)
        rows = sum((snapshot.rows or {}).values())
        return copy, Rehearsal(snapshot.size, snapshot.seconds, loaded.elapsed, rows, Unknown("it was not started yet"))


def _filled(it: Rehearsing, live: Client, copy: Client) -> tuple[Backup, Ran]:
    """The copy filled by a backup, which is gone afterwards, whatever happens."""
    snapshot = _done("a copy of the database cannot be made", _snapshot(it.desk, live))
    try:
        it.tell("loading the copy")
        return snapshot, _done("the copy cannot be loaded", load(copy, snapshot.path, Format.CUSTOM))
    finally:
        kept.remove(live, (snapshot,))


def _snapshot(desk: DatabaseDesk, live: Client) -> Backup | Failed:
    now = desk.tools.clock.now() // _NANO
    wanted = Wanted(desk.spec.backups, now, "rehearsal")
    return backup(live, desk.files, wanted, f"rehearsal-{live.mark}")


def _done(what: str, found: T | Failed) -> T:
    """What was done. Raises Refused where it failed."""
    if isinstance(found, Failed):
        raise Refused(f"The way down was not rehearsed: {what}.", because=(found.reason,), next=_NEXT)
    return found


def _had(what: str, found: Fact[T]) -> T:
    """What was looked up. Raises Refused where it is unknown."""
    if isinstance(found, Unknown):
        raise Refused(f"The way down was not rehearsed: {what}.", because=(found.reason,), next=_NEXT)
    return found.value


@contextmanager
def _copy(it: Rehearsing, live: Client) -> Iterator[Client]:
    """An empty database like the live one, in a network that leads nowhere; gone afterwards, whatever happens."""
    network = f"lastgood-{it.run}" if it.desk.spec.container else "none"
    try:
        if it.desk.spec.container:
            _network(it, "create", "--internal", "--label", f"{scratch.LABEL}={it.run}", network)
        made = _done("no copy can be made", scratch.make(live, it.run, network=network))
        if isinstance(it.older, Known) and made.container:
            _named(it, network, made.container, it.older.value.aliases)
        yield live.at(made.reach)
    finally:
        scratch.remove(live, it.run)
        if it.desk.spec.container:
            _docker(it, "network", "rm", network)


def _network(it: Rehearsing, *argv: str) -> None:
    _docker(it, "network", "rm", argv[-1])  # of a run that was killed
    done = _docker(it, "network", *argv)
    if not done.ok:
        raise Refused("The way down was not rehearsed: no network can be made.", because=(done.why(),), next=_NEXT)


def _named(it: Rehearsing, network: str, container: str, aliases: Sequence[str]) -> None:
    """The copy answers to the names that the application knows the database by."""
    words = tuple(word for alias in aliases for word in ("--alias", alias))
    done = _docker(it, "network", "disconnect", network, container)
    done = _docker(it, "network", "connect", *words, network, container) if done.ok else done
    if not done.ok:
        raise Refused("The way down was not rehearsed: the copy cannot be named.", because=(done.why(),), next=_NEXT)


def _docker(it: Rehearsing, *argv: str) -> Completed:
    return it.desk.tools.process.run(Command(("docker", *argv), host=it.desk.spec.host))


def _whole(copy: Client, snapshot: Backup) -> None:
    """The backup holds what it was counted to hold. Raises Refused where it does not."""
    rows = _had("the copy cannot be counted", facts.counts(copy))
    if snapshot.rows is not None and rows != snapshot.rows:
        wrong = [name for name in {*rows, *snapshot.rows} if rows.get(name) != snapshot.rows.get(name)]
        raise Refused(
            "A backup of the database does not hold what the database does.",
            because=(f"rows differ in {', '.join(sorted(wrong))}",),
            next=("lastgood db backup SERVICE ENV --prove   # does it hold what it should?", ALONE),
        )


def _boot(it: Rehearsing) -> Fact[Booted]:
    """How the older release fares on the copy, with nothing else in reach; of several, the one that fares worst."""
    if isinstance(it.older, Unknown):
        return it.older
    found = [_booted(it, older) for older in (it.older.value, *it.others)]
    return min(found, key=lambda one: 1 if isinstance(one, Unknown) else 2 * one.value.healthy)


def _booted(it: Rehearsing, older: Older) -> Fact[Booted]:
    host, apart = it.desk.spec.host, older.model.apart(older.aliases)
    wanted = Boot(it.run, host, older.image, (f"lastgood-{it.run}",), apart, _BOOT_SECONDS)
    return booting.boot(it.desk.tools.process, it.desk.tools.clock, wanted)


def _went(it: Rehearsing, copy: Client, way: Descent, done: Rehearsal) -> Rehearsal:
    """Down on the copy, and what is different then."""
    first = _had("the copy cannot be counted", contents(copy))
    shape = _had("the copy cannot be looked at", fingerprint(copy))
    _done("nothing can be noted on the copy", execute(copy, _NOTES))
    watched = execute(copy, _WATCH)
    took = _down(it, copy, way)
    dropped = _had("what was dropped cannot be told", ask(copy, _DROPPED, tuple[str, ...]))
    held = _had("what was locked cannot be told", ask(copy, _HELD, tuple[tuple[str, str], ...]))
    _done("the copy cannot be left alone", execute(copy, _UNWATCH))
    then = _had("the copy cannot be counted", contents(copy))
    way = owntool.reached(way, shape, _had("the copy cannot be looked at", fingerprint(copy)))
    lost = tuple(losses(first, then, it.tool.table, _altered(way, first)))
    if way.own:
        lost = tuple(owntool.doubted(lost))
    elif lost and not way.whole:
        raise Refused(
            "Going down loses data, and cannot be done in one transaction.",
            because=(*(one.called for one in lost), *(f"{one.path}: {one.alone}" for one in way.undone if one.alone)),
            next=_NEXT,
        )
    it.tell("starting the older release against the copy gone down")
    blind = f"(what CASCADE takes could not be watched: {watched.reason})" if isinstance(watched, Failed) else ""
    return msgspec.structs.replace(
        done,
        descent=msgspec.structs.replace(way, vacant=tuple(vacant(first, then, it.tool.table))),
        down_seconds=took,
        dropped=(*dropped, *filter(None, (blind,))),
        locks=owntool.locks(way) if way.own else _strongest(held),
        losses=lost,
        after=_boot(it),
    )


def _altered(way: Descent, first: Contents) -> frozenset[tuple[str, str]]:
    """The columns whose values the statements change, as table and column: all, where a program may change any."""
    from lastgood.sql import parts, read

    if way.own:
        return frozenset((parts(table)[-1], column) for table, columns in first.values.items() for column in columns)
    doomed = (each for one in way.undone for statement in read(one.sql) for each in statement.doomed)
    names = (parts(each.name) for each in doomed if each.what is What.VALUES)
    return frozenset((name[-2], name[-1]) for name in names if len(name) > 1)


def _down(it: Rehearsing, copy: Client, way: Descent) -> float:
    """Seconds that it takes. Raises Refused with the server's words where it fails."""
    if way.own:
        return owntool.on_copy(it.desk.tools.process.run, copy, it.tool, way, _tool(it, copy, way.own))
    if not way.whole:
        return sum(
            _done(f"{one.path} fails", execute(copy, one.sql, transaction=not one.alone, schema=way.schema)).elapsed
            for one in way.undone
        )
    answer = _had("the copy cannot be asked", told(copy, it.tool.migrator.question(it.tool.table)))
    sql = script(copy, it.tool, way, answer)
    ran = execute(copy, f"{sql}\n{_LOCKS}", schema=way.schema) if isinstance(sql, str) else sql
    return _done("it fails on the copy, and nothing was applied there", ran).elapsed


def _tool(it: Rehearsing, copy: Client, own: OwnTool) -> OneOff:
    """The migration tool of the release that runs, with nothing in reach but the copy. Raises Refused."""
    older, network = _had("its tool cannot be kept apart", it.older), f"lastgood-{it.run}"
    env = owntool.environment(copy, older.model.apart(older.aliases).env)
    return OneOff(
        it.run, it.desk.spec.host, own.image, own.argv, own.folder, (network,), env, owntool.LIMIT, scratch=True
    )


def _strongest(held: Sequence[tuple[str, str]]) -> tuple[Lock, ...]:
    found: dict[str, Mode] = {}
    for relation, mode in held:
        words = mode.removesuffix("Lock")
        name = "".join(f"_{char}" if char.isupper() and at else char for at, char in enumerate(words)).upper()
        found[relation] = max(found.get(relation, Mode.ACCESS_SHARE), Mode[name])
    return tuple(Lock(relation, mode) for relation, mode in sorted(found.items()) if mode > Mode.ROW_SHARE)
