"""Salvages of a service's database: made before a way down that loses something, and put back after the way up."""

import shlex
from typing import Final

import msgspec

from lastgood.database.choices import unanswered
from lastgood.database.desk import DatabaseDesk
from lastgood.database.down import script
from lastgood.database.tables import recognised
from lastgood.model.database import Failed
from lastgood.model.descent import Descent, Loss
from lastgood.model.errors import Exit, InDoubt, LastgoodError, NeedsHuman, Refused, UsageError
from lastgood.model.facts import Unknown
from lastgood.model.salvage import Done, Part, PutBack, PuttingBack, Salvage, Salvages
from lastgood.model.schema import What
from lastgood.model.target import shown
from lastgood.postgres import facts
from lastgood.postgres import salvage as files
from lastgood.postgres.asking import told
from lastgood.postgres.client import Client
from lastgood.postgres.quoting import ident

_TRIES: Final = 5
_PAUSE: Final = 2.0
_NANO: Final = 1_000_000_000
_UNREADY: Final = "LG004"
_WRONG: Final = "LG003"


def salvage(desk: DatabaseDesk, client: Client, way: Descent, losses: tuple[Loss, ...], run: str) -> Salvage | Failed:
    """Keep what going down that way will lose, whole and synced, in a folder of the run's. Can be done again."""
    there = facts.overview(client)
    if isinstance(there, Unknown):
        return Failed(there.reason)
    down = _down(desk, client, way, losses)
    if isinstance(down, Failed):
        return down
    folder = files.stamped(desk.spec.backups, run)
    parts = _taken(desk, client, files.Taken(losses, folder, down, way.schema))
    if isinstance(parts, Failed):
        return parts
    made = Salvage(
        run, desk.target.name, there.value.name, desk.spec.host, folder, way.before, way.to, _now(desk), parts
    )  # fmt: skip
    return files.keep(desk.files, made) or made


def _down(desk: DatabaseDesk, client: Client, way: Descent, losses: tuple[Loss, ...]) -> str | Failed:
    """The transaction of the way down, without its end; empty where only the migration tool itself can go it."""
    if way.own:
        return ""
    tool = recognised(client, desk.spec.migrator)
    answer = told(client, tool.migrator.question(tool.table))
    return Failed(answer.reason) if isinstance(answer, Unknown) else script(client, tool, way, answer.value, losses)


def _taken(desk: DatabaseDesk, client: Client, wanted: files.Taken) -> tuple[Part, ...] | Failed:
    """Again where a lock was not to be had, as the way down itself."""
    tries = _TRIES
    while True:
        parts = files.take(client, wanted)
        tries -= 1
        if not isinstance(parts, Failed) or not parts.locked or not tries:
            return parts
        desk.tools.clock.sleep(_PAUSE)


def listed(desk: DatabaseDesk) -> Salvages:
    """The salvages that are kept. Raises Refused where they cannot be listed."""
    folder = files.within(desk.spec.backups)
    found = files.salvages(desk.client(), folder)
    if isinstance(found, Unknown):
        next_ = (f"ls -l {folder}   # on {shown(desk.spec.host)}",)
        raise Refused("The salvages cannot be listed.", because=(found.reason,), next=next_)
    return Salvages(desk.target.name, desk.shown, folder, *found.value)


def chosen(desk: DatabaseDesk, run: str) -> Salvage:
    """The salvage of a run; of the only one that was not put back yet, where none is named, else of the newest.

    Raises UsageError where there is none, or several wait, and Refused where they cannot be listed.
    """
    words = f"{desk.target.service} {desk.target.env}"
    found = listed(desk).salvages
    mine = [one for one in found if one.run == run] if run else [one for one in found if not one.done] or found[:1]
    if len(mine) == 1:
        return mine[0]
    said = f"There is no salvage of run {run}." if run else "Which salvage?" if mine else "There is no salvage."
    next_ = [f"lastgood db salvage put-back {words} {one.run}" for one in mine]
    raise UsageError(said, because=tuple(one.run for one in found), next=(*next_, f"lastgood db salvage list {words}"))


def look(desk: DatabaseDesk, kept: Salvage, over: frozenset[str] = frozenset()) -> PuttingBack:
    """What putting it back would do; touches nothing. Raises Refused where it cannot be done now, and UsageError."""
    return _answered(desk, kept, _put(desk, kept, over, really=False), happened=False)


def put_back(desk: DatabaseDesk, kept: Salvage, by: str, over: frozenset[str] = frozenset()) -> PuttingBack:
    """Put it back, all of it or nothing, and mark it so. Raises Refused, NeedsHuman, InDoubt; nothing is changed then.

    In the parts called `over` what was written since is lost; raises UsageError where there is none called so. In doubt
    is only whether it took effect: it can be done again.
    """
    done = _put(desk, kept, over, really=True)
    marked = msgspec.structs.replace(kept, done=Done(_now(desk), by, done))
    answer = _answered(desk, kept, done, happened=True)
    failed = files.keep(desk.files, marked)
    if failed is None:
        return answer
    said = "It is put back, and could not be marked so: put back again, it changes nothing more"
    return msgspec.structs.replace(answer, because=(*answer.because, f"{said}: {failed.reason}"))


def _put(desk: DatabaseDesk, kept: Salvage, over: frozenset[str], *, really: bool) -> tuple[PutBack, ...]:
    names = tuple(part.called for part in kept.parts if part.column and part.keys)
    strange = sorted(over - set(names))
    if strange:
        because = (f"there are: {', '.join(names)}",)
        next_ = ("lastgood db salvage list SERVICE ENV",)
        raise UsageError(f"No values of {strange[0]} are salvaged.", because=because, next=next_)
    client = desk.client(f"salvage-{kept.run}")
    there = facts.overview(client)
    if isinstance(there, Unknown):
        raise unanswered(client, there.reason)
    if there.value.name != kept.database:
        raise Refused(
            f"The salvage is not of this database: it is of {kept.database}.",
            because=(f"lastgood.yaml names {there.value.name}",),
            next=_by_hand(desk, kept),
        )
    found = files.put_back(client, kept, really=really, over=over)
    if isinstance(found, Failed):
        raise _failed(desk, kept, found)
    return found


def _failed(desk: DatabaseDesk, kept: Salvage, why: Failed) -> LastgoodError:
    """What is in the way, and what to do then."""
    words = f"{desk.target.service} {desk.target.env}"
    again = f"lastgood db salvage put-back {words} {kept.run}"
    because = tuple(filter(None, (*why.reason.split("; "), why.detail)))
    if why.in_doubt:
        return InDoubt("Whether it was put back is not known.", because=because, next=(f"{again}   # again",))
    if why.sqlstate == _UNREADY:
        then = (
            f"roll forward to a release with version {kept.before} of the schema, and then",
            again,
            *_by_hand(desk, kept),
        )
        return Refused(
            "It cannot be put back into the schema as it is; nothing was changed.", because=because, next=then
        )
    if why.sqlstate == _WRONG:
        return NeedsHuman(
            "It cannot be put back as it is; nothing was changed.", because=because, next=_by_hand(desk, kept)
        )
    after = (f"{again}   # once the lock is free",) if why.locked else (again, *_by_hand(desk, kept))
    return Refused("It was not put back; nothing was changed.", because=because, next=after)


def _answered(desk: DatabaseDesk, kept: Salvage, found: tuple[PutBack, ...], *, happened: bool) -> PuttingBack:
    back, left = sum(one.back for one in found), [part for part in kept.parts if part.note and part.file]
    again = f"lastgood db salvage put-back {desk.target.service} {desk.target.env} {kept.run}"
    verb = "put back" if happened else "would be put back"
    said = f"{back} of {sum(part.rows for part in kept.parts)} rows and values of run {kept.run} {verb}."
    return PuttingBack(
        desk.target.name,
        kept.run,
        Exit.NEEDS_HUMAN if left and happened else Exit.DONE,
        happened,
        said,
        tuple(f"{part.called}: {part.note}" for part in kept.parts if part.note),
        found,
        _by_hand(desk, kept, alone=True),
        (*(() if happened else (again,)), *_newer(found, f"{again}{' --again' if happened else ''}")),
    )


def _newer(found: tuple[PutBack, ...], again: str) -> tuple[str, ...]:
    """How what was written since would be lost instead. No telling it from a default that is another for each row."""
    names = [one.name for one in found if one.newer and one.name.startswith((What.COLUMN, What.VALUES))]
    more = " ".join(f"--overwrite {shlex.quote(name)}" for name in names)
    return (f"{again} {more}   # where the newer values are to be lost",) if names else ()


def _by_hand(desk: DatabaseDesk, kept: Salvage, *, alone: bool = False) -> tuple[str, ...]:
    """How the files are loaded by hand: beside the table, or into it where all of it is in the file.

    With `alone` only those that lastgood does not load.
    """
    parts = [(n, part) for n, part in enumerate(kept.parts, 1) if part.file and (part.note or not alone)]
    return tuple(f"on {shown(kept.host)}: {_loading(desk, kept, n, part)}" for n, part in parts)


def _loading(desk: DatabaseDesk, kept: Salvage, number: int, part: Part) -> str:
    names = ", ".join(ident(one.name) for one in part.columns)
    place = shlex.quote(f"{kept.folder}/{part.file}")
    user = ("-U", desk.spec.user) if desk.spec.user else ()
    inside = ("docker", "exec", "-i", desk.spec.container) if desk.spec.container else ()
    psql = shlex.join((*inside, "psql", *user, f"--dbname={kept.database}"))
    if part.what is What.TABLE:
        return f"{psql} -c {shlex.quote(f'COPY {part.relation} ({names}) FROM STDIN')} < {place}"
    typed = ", ".join(f"{ident(one.name)} {one.type}" for one in part.columns)
    left = ", as_it_was_left text" if part.what is What.VALUES and part.keys else ""
    made = f"CREATE TABLE salvaged_{number} ({typed}{left})"
    copy = f"COPY salvaged_{number} FROM STDIN"
    return f"{psql} -c {shlex.quote(made)} -c {shlex.quote(copy)} < {place}"


def _now(desk: DatabaseDesk) -> int:
    return desk.tools.clock.now() // _NANO
