"""The way down where migrations are no SQL: which of them, by which program, and the SQL that it would run.

That SQL is shown and no more: the program is free to do something else. What it did on a copy is what is believed.
"""

import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from lastgood.database import oneoff
from lastgood.database.choices import ALONE, OTHERWISE
from lastgood.database.desk import DatabaseDesk
from lastgood.database.down import undone
from lastgood.database.oneoff import OneOff
from lastgood.database.rehearsal import Older
from lastgood.database.releases import Sourced
from lastgood.database.tables import Tool
from lastgood.model.database import Failed
from lastgood.model.descent import Descent, OwnTool, Undo
from lastgood.model.errors import Refused
from lastgood.model.facts import Fact, Unknown
from lastgood.model.schema import Migration, Migrations, Program, SchemaState
from lastgood.model.step import Runnable

_PREVIEW: Final = 60.0
_WAYS: Final = (ALONE, OTHERWISE, "write a new migration that repairs it, and roll forward")
# What Alembic's offline mode prints before each revision (`alembic/runtime/migration.py`, `run_migrations`).
_STEP: Final = re.compile(r"^-- Running downgrade (\S+) -> ?(\S*)[ \t]*$", re.MULTILINE)


def by_tool(  # noqa: PLR0913, PLR0917 - what moves, from where, to where, by what
    desk: DatabaseDesk,
    tool: Tool,
    found: SchemaState,
    newer: Sourced,
    older: Sourced,
    runs: Runnable,
    apart: Fact[Older],
) -> Descent:
    """The way down to what `older` has, by the program of the release `runs` that brought `newer`.

    Raises Refused where there is none, where their order is not certain, or where it cannot be tried apart.
    """
    for one in (newer, older):
        _straight(one.migrations, one.where)
    to = older.migrations.newest
    steps = undone(newer.migrations, found, to, newer.where)
    if isinstance(apart, Unknown):
        raise Refused(
            f"Only {tool.kind} itself can take the schema down, and it cannot be tried where nothing else is in reach.",
            because=(apart.reason,),
            next=_WAYS,
        )
    try:
        program = tool.migrator.tool(found, tuple(one.version for one in steps), to)
    except ValueError as error:
        raise Refused(f"{tool.kind} cannot be told where to go.", because=(str(error),), next=_WAYS) from error
    if program is None:
        raise Refused(f"{tool.kind} has no program that goes down.", next=_WAYS)
    image = runs.image_id or f"{runs.image.repository}@{runs.image.digest}"
    own = OwnTool(image, program.down, program.folder)
    undos = tuple(_undoable(one) for one in steps)
    way = Descent(tool.kind, tool.table, desk.spec.schema, found.version, to, undos, own=own)
    env = apart.value.model.apart(apart.value.aliases).env
    return _shown(desk, way, own, program, env)


def _undoable(one: Migration) -> Undo:
    """One migration as its tool will undo it. Raises Refused where it says that it cannot be, or does nothing."""
    called = f"{one.version} {one.name}".strip()
    if one.irreversible or one.down is None:
        why = f"it says of itself that it is irreversible: {one.irreversible}" if one.irreversible else ""
        why = why or "its way down does nothing"
        raise Refused(f"Migration {called} cannot be undone by lastgood.", because=(why,), next=_WAYS)
    return Undo(one.version, one.down.path, one.down.sha256, "")


def _straight(known: Migrations, where: str) -> None:
    """Raises Refused where the order of migrations is not certain: they branch, or one is missing."""
    if known.problems:
        raise Refused(f"The migrations in {where} are no single chain.", because=known.problems, next=_WAYS)


def _shown(desk: DatabaseDesk, way: Descent, own: OwnTool, program: Program, env: Mapping[str, str]) -> Descent:
    """The way with the SQL that the tool prints for it, where it does. It has no network, and no other secret."""
    runs, host = desk.tools.process.run, desk.spec.host
    name = f"preview-{secrets.token_hex(4)}"
    wanted = OneOff(name, host, own.image, program.preview, program.folder, ("none",), env, _PREVIEW, scratch=True)
    try:
        ended = oneoff.once(runs, wanted)
    finally:
        oneoff.remove(runs, host, wanted.container)
    if isinstance(ended, Failed) or ended.failed:
        why = ended.reason if isinstance(ended, Failed) else ended.failed.reason if ended.failed else ""
        return _unseen(way, own, f"its offline mode does not work: {why}")
    try:
        sql = _parts(ended.output, tuple(one.version for one in way.undone))
    except ValueError as error:
        return _unseen(way, own, str(error))
    undone = tuple(_with(one, text) for one, text in zip(way.undone, sql, strict=True))
    return msgspec.structs.replace(way, undone=undone)


def _unseen(way: Descent, own: OwnTool, why: str) -> Descent:
    why = re.sub(r"\b0x[0-9a-f]+", "0x…", why)  # Python's addresses would make it another plan each time
    return msgspec.structs.replace(way, own=msgspec.structs.replace(own, unseen=why))


def _parts(output: str, versions: Sequence[str]) -> list[str]:
    """The SQL of each version, without transaction control. Raises ValueError where it cannot be told apart or read."""
    from lastgood.sql import read

    found = list(_STEP.finditer(output))
    if [one[1] for one in found] != list(versions):
        raise ValueError("its offline mode does not name the migrations that are to be undone, in their order")
    ends = [*(one.start() for one in found[1:]), len(output)]
    parts: list[str] = []
    for one, end in zip(found, ends, strict=True):
        statements = read(output[one.end() : end])  # Unparsed is a ValueError
        parts.append("".join(f"{each.text.strip().rstrip(';')};\n" for each in statements if not each.control))
    return parts


def _with(one: Undo, sql: str) -> Undo:
    from lastgood.sql import read

    outside = next((f"{each.verb}: {each.outside}" for each in read(sql) if each.outside), "")
    return msgspec.structs.replace(one, sql=sql, alone=outside)
