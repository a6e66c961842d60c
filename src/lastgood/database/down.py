"""Taking a schema down: what is undone, in which SQL, and whether it happened."""

from collections.abc import Sequence
from typing import Final

from lastgood.database.choices import ALONE, OTHERWISE
from lastgood.database.desk import DatabaseDesk
from lastgood.database.tables import Tool, recognised, state
from lastgood.model.database import Failed, Ran
from lastgood.model.descent import Descent, Loss, Undo
from lastgood.model.errors import Refused
from lastgood.model.facts import No, Unclear, Unknown, Verdict, Yes
from lastgood.model.schema import NOTHING, Migration, Migrations, SchemaState, What
from lastgood.ports import Clock
from lastgood.postgres import sessions
from lastgood.postgres.asking import execute, told
from lastgood.postgres.client import Client
from lastgood.postgres.facts import overview
from lastgood.postgres.quoting import literal

_LOCK_SECONDS: Final = 3.0
_TRIES: Final = 5
_PAUSE: Final = 2.0
_LIMIT: Final = 3600.0
_MOVED: Final = "LG001"
_MORE: Final = "LG002"


def undone(known: Migrations, found: SchemaState, to: str, whose: str) -> tuple[Migration, ...]:
    """The migrations between what is applied and the version `to`, newest first.

    `known` are those of the release that brought them, `whose` says which that is. Raises Refused where one of them
    cannot be undone, or the database has versions that it does not know.
    """
    versions = [one.version for one in known.steps]
    applied = found.applied if found.applied is not None else (found.version,) if found.version != NOTHING else ()
    strange = tuple(one for one in applied if one not in versions)
    if strange:
        raise Refused(
            "The database has migrations that the release which runs does not know.",
            because=(f"not in {whose}: {', '.join(strange)}",),
            next=("deploy the release that brought them, or go down by hand", ALONE),
        )
    if to != NOTHING and to not in versions:
        because = (f"there are: {', '.join(versions) or 'none'}",)
        raise Refused(f"There is no version {to} in {whose}.", because=because, next=(ALONE, OTHERWISE))
    top = versions.index(found.version) + 1 if found.version != NOTHING else 0
    bottom = versions.index(to) + 1 if to != NOTHING else 0
    steps = known.steps[bottom:top]
    if found.applied is not None:
        steps = tuple(one for one in steps if one.version in found.applied)
    return tuple(reversed(steps))


def undo(one: Migration) -> Undo:
    """One migration as it will be undone. Raises Refused where nobody can answer for what its down does."""
    from lastgood.sql import body, read, transactional

    if one.irreversible:
        raise _refused(one, f"it says of itself that it is irreversible: {one.irreversible}")
    if one.down is None:
        raise _refused(one, "it has no down file")
    try:
        statements = read(one.down.sql)
    except ValueError as error:
        raise _refused(one, f"its down cannot be read: {error}") from error
    inner = body(statements)
    if not inner:
        raise _refused(one, "its down file is empty")
    opaque = next((f"line {each.line}: {each.opaque}" for each in statements if each.opaque), "")
    if opaque:
        raise _refused(one, f"nobody can tell what its down does: {opaque}")
    alone = transactional(statements) or ("" if one.down.transaction else "the file asks for no transaction")
    sql = one.down.sql if alone else ";\n".join(each.text.rstrip().rstrip(";") for each in inner) + ";\n"
    return Undo(one.version, one.down.path, one.down.sha256, sql, alone)


def _refused(one: Migration, because: str) -> Refused:
    called = f"{one.version} {one.name}".strip()
    return Refused(
        f"Migration {called} cannot be undone by lastgood.",
        because=(because,),
        next=(
            ALONE,
            OTHERWISE,
            "write a new migration that repairs it, and roll forward",
        ),
    )


def descent(tool: Tool, found: SchemaState, steps: Sequence[Migration], to: str, schema: str) -> Descent:
    """The way down. Raises Refused as `undo` does."""
    return Descent(tool.kind, tool.table, schema, found.version, to, tuple(undo(one) for one in steps))


def script(client: Client, tool: Tool, way: Descent, answer: str, losses: Sequence[Loss] = ()) -> str | Failed:
    """SQL for one transaction: nobody else migrates, the state is still `answer`, no more is lost than accepted."""
    keys = _keys(client, tool)
    if isinstance(keys, Failed):
        return keys
    found = tool.migrator.read(tool.table, answer)
    return "\n".join(
        (
            _guarded(tool, keys, answer),
            *(_counted(loss) for loss in (*losses, *way.vacant)),
            *(_noted(number, loss) for number, loss in enumerate(losses) if loss.what is What.ROWS),
            *(one.sql for one in way.undone),
            *(_compared(number, loss) for number, loss in enumerate(losses) if loss.what is What.ROWS),
            tool.migrator.noting(found, tuple(one.version for one in way.undone), way.to),
        )
    )


def _keys(client: Client, tool: Tool) -> tuple[int, ...] | Failed:
    """The tool's own locks."""
    from lastgood.sql import parts

    there = overview(client)
    return (
        Failed(there.reason)
        if isinstance(there, Unknown)
        else tool.migrator.locks(there.value.name, *parts(tool.table))
    )


def _guarded(tool: Tool, keys: Sequence[int], answer: str) -> str:
    """Until the transaction ends, nobody migrates or notes anything, and what is noted is still `answer`."""
    table = f"LOCK TABLE {tool.table} IN SHARE ROW EXCLUSIVE MODE;"
    return "\n".join((*map(_locked, keys), table, _still(tool.migrator.question(tool.table), answer)))


def _raising(condition: str, message: str, code: str) -> str:
    inner = f"BEGIN IF {condition} THEN RAISE EXCEPTION {message} USING ERRCODE = '{code}'; END IF; END"
    return f"DO {literal(inner)};"


def _locked(key: int, how: str = "pg_try_advisory_xact_lock") -> str:
    """Never wait inside the lock: a waiting session's snapshot deadlocks with CREATE INDEX CONCURRENTLY."""
    said = "'the migration tool is at work: it holds its advisory lock'"
    return _raising(f"NOT {how}({key})", said, "55P03")


def _still(question: str, answer: str) -> str:
    said = "'the migration tool has noted something since this was planned'"
    return _raising(f"({question.rstrip().rstrip(';')}) IS DISTINCT FROM {literal(answer)}", said, _MOVED)


def _counted(loss: Loss) -> str:
    """Nobody writes there from now on; what is there already is no more than was accepted."""
    lock = f"LOCK TABLE {loss.relation} IN SHARE ROW EXCLUSIVE MODE;"
    if loss.what is What.ROWS:
        return lock
    many = f"(SELECT count({loss.column or '*'}) FROM {loss.relation})"  # noqa: S608 - quoted names
    return f"{lock}\n" + _raising(f"{many} > {loss.most}", _too_many(loss, many), _MORE)


def _too_many(loss: Loss, many: str) -> str:
    return f"'%', {literal(f'{loss.called}: accepted up to {loss.most}, and there are ')} || {many}"


def _noted(number: int, loss: Loss) -> str:
    return f"SELECT set_config('lastgood.rows{number}', (SELECT count(*)::text FROM {loss.relation}), true);"  # noqa: S608 - quoted names


def _compared(number: int, loss: Loss) -> str:
    gone = f"(current_setting('lastgood.rows{number}')::bigint - (SELECT count(*) FROM {loss.relation}))"  # noqa: S608 - quoted names
    return _raising(f"{gone} > {loss.most}", _too_many(loss, gone), _MORE)


def go_down(
    desk: DatabaseDesk, client: Client, way: Descent, losses: Sequence[Loss], *, clock: Clock | None = None
) -> Ran | Failed:
    """Take the database down, as far as it is still where `way` begins.

    A lock that is not had in time is asked for again a few times; `Failed.locked` then, with those who hold it.
    """
    tool = recognised(client, desk.spec.migrator)
    found = state(client, tool)
    if found.version != way.before or found.dirty or found.doubt:
        said = f"version {found.version or 'none'}{', dirty' if found.dirty else ''}"
        return Failed(f"the database is at {said} now, and not at version {way.before}", _MOVED)
    if not way.whole:
        return _one_by_one(client, tool, way, clock or desk.tools.clock)
    answer = told(client, tool.migrator.question(tool.table))
    if isinstance(answer, Unknown):
        return Failed(answer.reason)
    sql = script(client, tool, way, answer.value, losses)
    if isinstance(sql, Failed):
        return sql
    return patiently(client, sql, way.schema, clock or desk.tools.clock)


def patiently(  # noqa: PLR0913 - as `execute`
    client: Client, sql: str, schema: str, clock: Clock, *, transaction: bool = True, tries: int = _TRIES
) -> Ran | Failed:
    """Run a script, again where a lock was not to be had: a queue behind a long query stops everybody else.

    What is tried only once, outside of a transaction, waits as long as it takes: CONCURRENTLY keeps nobody out
    meanwhile, and giving up would leave half of it.
    """
    limit = _LOCK_SECONDS if transaction or tries > 1 else 0.0
    while True:
        ran = execute(
            client, sql, lock_timeout=limit, timeout=_LIMIT, schema=schema, transaction=transaction, lasting=True
        )
        tries -= 1
        if isinstance(ran, Ran) or not ran.locked or not tries:
            return ran
        clock.sleep(_PAUSE)


def _one_by_one(client: Client, tool: Tool, way: Descent, clock: Clock) -> Ran | Failed:
    """Where something cannot run in a transaction: each migration by itself, noted as the tool would have it."""
    elapsed, output = 0.0, ""
    for number, one in enumerate(way.undone):
        below = way.undone[number + 1].version if number + 1 < len(way.undone) else way.to
        scripts = _scripts(client, tool, one, below)
        if isinstance(scripts, Failed):
            return scripts
        for sql, transaction, tries in scripts:
            ran = patiently(client, sql, way.schema, clock, transaction=transaction, tries=tries)
            if isinstance(ran, Failed):
                return Failed(f"{one.path}: {ran.reason}", ran.sqlstate, ran.line, ran.detail, ran.hint, ran.in_doubt)
            elapsed, output = elapsed + ran.elapsed, output + ran.output
    return Ran(output, elapsed)


def _scripts(client: Client, tool: Tool, one: Undo, below: str) -> list[tuple[str, bool, int]] | Failed:
    """What undoes one migration: SQL, whether in a transaction, and how often it is tried.

    Outside of one, the tool's locks are held until the beginning is noted: who comes then sees that. They are not held
    any longer, where it can be helped: a tool that waits for them would deadlock with CONCURRENTLY.
    """
    keys, answer = _keys(client, tool), told(client, tool.migrator.question(tool.table))
    if isinstance(keys, Failed):
        return keys
    if isinstance(answer, Unknown):
        return Failed(answer.reason)
    found = tool.migrator.read(tool.table, answer.value)
    noting = tool.migrator.noting(found, (one.version,), below)
    if not one.alone:
        return [(f"{_guarded(tool, keys, answer.value)}\n{one.sql}\n{noting}", True, _TRIES)]
    free = "\n".join(_locked(key, "pg_try_advisory_lock") for key in keys)
    still = _still(tool.migrator.question(tool.table), answer.value)
    begun = tool.migrator.begun(found, one.version, below)
    return [(f"{free}\n{still}\n{begun}", False, _TRIES), (one.sql, False, 1), (noting, True, _TRIES)]


def happened(desk: DatabaseDesk, client: Client, way: Descent) -> Verdict:
    """Whether the database went down, from the database alone. Sessions that we left behind are ended first."""
    there = overview(client)
    if isinstance(there, Unknown):
        return Unclear(there.reason)
    ended = sessions.reap(client, there.value.name)
    if isinstance(ended, Unknown):
        return Unclear(ended.reason)
    found = state(client, recognised(client, desk.spec.migrator))
    if found.dirty or found.doubt:
        return Unclear(f"the database is dirty at version {found.version or 'none'}; lastgood db resolve says more")
    if found.version == way.to:
        return Yes()
    return No() if found.version == way.before else Unclear(f"the database is at version {found.version or 'none'}")
