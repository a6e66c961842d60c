"""Rules about files: are they there, do they say something, can their tool run them as they are."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from lastgood import sql
from lastgood.database._linted import Pair, Read, Rule
from lastgood.model.lint import Finding, Mark
from lastgood.model.schema import Migration, Migrations

_TIMESTAMP: Final = 8
"""Numbers from so many digits on are dates or seconds, between which nothing is missing."""

_IRREVERSIBLE: Final = "write the down, or say in the file why there is none: -- irreversible: REASON"


def gaps(migrations: Migrations) -> Iterator[Finding]:
    """Numbers that are missing where files are numbered one by one, or in equal steps."""
    numbered = [one for one in migrations.steps if one.version.isdecimal() and len(one.version) < _TIMESTAMP]
    steps = [int(after.version) - int(before.version) for before, after in pairwise(numbered)]
    usual = min(steps, default=1)
    for (before, after), step in zip(pairwise(numbered), steps, strict=True):
        if step > usual:
            said = f"version {before.version} is followed by {after.version}: is something missing between them?"
            yield Finding(_path(after), 1, "gap", Mark.WARNING, said)


def _path(migration: Migration) -> str:
    script = migration.up or migration.down
    return script.path if script else ""


def _missing(pair: Pair) -> Iterator[Finding]:
    if pair.up is None and pair.down is not None:
        yield pair.down.finding(1, "missing-up", Mark.ERROR, "there is a down file but no up file")
    if pair.down is None and pair.up is not None and not pair.migration.irreversible:
        said = "there is no down file; tools take that for a down that did its work"
        yield pair.up.finding(1, "missing-down", Mark.ERROR, said, _IRREVERSIBLE)


def _irreversible(pair: Pair) -> Iterator[Finding]:
    side = pair.down or pair.up
    if pair.migration.irreversible and side is not None:
        yield side.finding(1, "irreversible", Mark.INFO, f"irreversible: {pair.migration.irreversible}")


def _empty(pair: Pair) -> Iterator[Finding]:
    down = pair.down
    if down is None or down.unread or down.statements or pair.migration.irreversible:
        return
    said = "the down file has comments only" if down.script.sql.strip() else "the down file is empty"
    yield down.finding(
        1, "empty-down", Mark.ERROR, f"{said}; tools take that for a down that did its work", _IRREVERSIBLE
    )


def _unread(pair: Pair) -> Iterator[Finding]:
    yield from (side.unread for side in pair.sides if side.unread is not None)


def _masked(pair: Pair) -> Iterator[Finding]:
    down = pair.down
    if down is None or not down.statements or not all(one.masked for one in sql.body(down.statements)):
        return
    if body := sql.body(down.statements):
        said = "every statement of the down is content where there is nothing to do (IF EXISTS, IF NOT EXISTS)"
        then = "leave that out, so that the down fails where the schema is not what the up made"
        yield down.finding(body[0].line, "masked-down", Mark.WARNING, said, then)


def _opaque(pair: Pair) -> Iterator[Finding]:
    for side in pair.sides:
        back = side is pair.down
        for one in side.statements:
            if one.opaque:
                said = f"nobody can tell beforehand what it does: {one.opaque}"
                then = "write it as plain statements; a rollback stops and asks before it runs this" if back else ""
                yield side.finding(one.line, "opaque", Mark.WARNING if back else Mark.INFO, said, then)


def _control(pair: Pair) -> Iterator[Finding]:
    for side in pair.sides:
        controls = [one for one in side.statements if one.control and "SAVEPOINT" not in one.control]
        if controls:
            yield _controlled(side, [one.control for one in controls], controls[0].line)


def _controlled(side: Read, words: list[str], line: int) -> Finding:
    begun = sum(word.startswith(("BEGIN", "START")) for word in words)
    said = f"the file controls transactions itself: {', '.join(words)}"
    if begun * 2 != len(words):
        then = "give every BEGIN its COMMIT: without it the work is thrown away and the version is left dirty"
        return side.finding(line, "transaction-control", Mark.ERROR, said, then)
    around = len(sql.body(side.statements)) == len(side.statements) - 2 == len(side.statements) - len(words)
    then = "leave it out: a file runs in one transaction by itself, and a failed BEGIN hides the error"
    return side.finding(line, "transaction-control", Mark.INFO if around else Mark.WARNING, said, then)


def _mixed(pair: Pair) -> Iterator[Finding]:
    for side in pair.sides:
        for one in side.statements if len(side.statements) > 1 else ():
            if one.outside:
                said = f"{one.outside}, and the file has more statements: sent as one query it fails"
                mark = Mark.ERROR if side.script.transaction else Mark.WARNING
                yield side.finding(one.line, "not-alone", mark, said, f"give {one.verb} a file of its own")


def _enum_value(pair: Pair) -> Iterator[Finding]:
    for side in pair.sides:
        for one in side.statements if len(side.statements) > 1 else ():
            if one.verb == "ALTER TYPE ADD VALUE":
                said = "the new value cannot be used in the same file; before PostgreSQL 12 it must be alone there"
                yield side.finding(one.line, "enum-value", Mark.INFO, said)


RULES: Final[tuple[Rule, ...]] = (
    _missing,
    _irreversible,
    _empty,
    _unread,
    _masked,
    _opaque,
    _control,
    _mixed,
    _enum_value,
)
"""What is asked of every migration."""
