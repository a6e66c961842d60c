"""Rules about the way back: does the down undo what the up did, and what does not come back with it."""

from collections.abc import Iterator, Sequence
from typing import Final

from lastgood.database._linted import Pair, Read, Rule, key, last, lost, mentioned
from lastgood.model.lint import Finding, Mark
from lastgood.model.schema import Doomed, Made, Statement, What
from lastgood.sql import parts

_FILLS: Final = ("INSERT", "UPDATE", "MERGE", "COPY")
_EMPTY_UNLESS_CASCADE: Final = (What.SCHEMA, What.TYPE, What.EXTENSION)
_REASON: Final = "keep the data elsewhere until it is surely not needed, or say so in the file: -- irreversible: REASON"


def _undone(pair: Pair) -> Iterator[Finding]:
    up, down = pair.up, pair.down
    if up is None or down is None or not down.statements or any(one.opaque for one in down.statements):
        return
    for at, statement in enumerate(up.statements):
        later = up.statements[at + 1 :]
        for made in (_in_the_end(one, later) for one in statement.makes):
            if not _goes(made, statement, down) and not _dropped_again(made, later):
                yield _left(made, statement, up)


def _in_the_end(made: Made, later: Sequence[Statement]) -> Made:
    """The same under the name that it has when the up is done."""
    for new in (new for statement in later for new in statement.makes):
        if new.what == "name" and key(new.of) == key(made.name):
            made = Made(made.what, new.name, made.of)
    return made


def _left(made: Made, statement: Statement, up: Read) -> Finding:
    what = f"the new name {made.name}" if made.what == "name" else f"{made.what} {made.name}"
    mark = Mark.INFO if made.what == "extension" else Mark.WARNING
    return up.finding(statement.line, "not-undone", mark, f"{what}: the down does not mention it")


def _goes(made: Made, statement: Statement, down: Read) -> bool:
    """Whether the down undoes it: by name, or together with what it is part of."""
    if made.what == "temporary table" or last(made.of if made.what == "enum value" else made.name) in down.words:
        return True
    gone = lost(down.statements, What.TABLE, What.SCHEMA, What.VIEW, What.TYPE)
    if key(made.of) in gone or any(name in gone for name in _schemas(made)):
        return True
    columns = lost(down.statements, What.COLUMN)
    dropped = {last(name) for name in columns if key(made.of) and name.startswith(f"{key(made.of)}.")}
    return made.what != "column" and not dropped.isdisjoint(mentioned(statement))


def _schemas(made: Made) -> Iterator[str]:
    for name in (made.name, made.of) if made.what != "enum value" else (made.of,):
        if name and "." in name:
            yield key(parts(name)[0])


def _dropped_again(made: Made, later: Sequence[Statement]) -> bool:
    dropping = (one for one in later if one.verb.startswith("DROP ") and made.what != "enum value")
    return any(last(made.name) in mentioned(one) for one in dropping)


def _resurrected(pair: Pair) -> Iterator[Finding]:
    """The down makes again what the up dropped: it is there, and empty."""
    up, down = pair.up, pair.down
    if up is None or down is None or pair.migration.irreversible:
        return
    for statement, made in _empty_again(up, down):
        said = f"it makes {made.what} {made.name} again, which the up drops: what was in it does not come back"
        yield down.finding(statement.line, "resurrected-empty", Mark.ERROR, said, _REASON)


def _empty_again(up: Read, down: Read) -> Iterator[tuple[Statement, Made]]:
    gone = lost(up.statements, What.TABLE, What.COLUMN)
    for at, statement in enumerate(down.statements):
        if statement.rewrites or any(lock.because == "reads" for lock in statement.locks):
            continue  # CREATE TABLE AS, or a value that is computed for each row
        for made in statement.makes:
            name = made.of if made.what == "column" else made.name
            if key(made.name) in gone and made.what in ("table", "column") and not _filled(name, down.statements[at:]):
                yield statement, made


def _filled(table: str, statements: Sequence[Statement]) -> bool:
    locks = (lock for one in statements for lock in one.locks if key(lock.relation) == key(table))
    return any(lock.because.startswith(_FILLS) for lock in locks)


def _lossy(pair: Pair) -> Iterator[Finding]:
    up, down = pair.up, pair.down
    if up is None or pair.migration.irreversible:
        return
    again = down.made if down is not None else frozenset()
    new = frozenset[str]()
    for statement in up.statements:
        for doomed in statement.doomed:
            name = key(doomed.name)
            if _matters(doomed) and name not in again | new and name.rpartition(".")[0] not in new:
                yield _loses(doomed, statement, up)
        new |= {key(made.name) for made in statement.makes}


def _matters(doomed: Doomed) -> bool:
    return doomed.what not in _EMPTY_UNLESS_CASCADE or "CASCADE" in doomed.because


def _loses(doomed: Doomed, statement: Statement, up: Read) -> Finding:
    said = f"{doomed.what} {doomed.name} may be lost, and no down brings that back: {doomed.because}"
    mark = Mark.INFO if statement.rewrites and doomed.what is What.VALUES else Mark.WARNING
    return up.finding(statement.line, "lossy-up", mark, said, _REASON)


RULES: Final[tuple[Rule, ...]] = (_undone, _resurrected, _lossy)
"""What is asked of every migration."""
