"""Rules about locks: who is kept waiting while a migration runs, and what would be gentler."""

from collections.abc import Iterator
from typing import Final

from lastgood.database._linted import Pair, Read, Rule, key
from lastgood.model.lint import Finding, Mark
from lastgood.model.schema import Lock, Mode, Statement

_LATER: Final = "add it NOT VALID, and VALIDATE CONSTRAINT in a later migration"
_BY_INDEX: Final = "CREATE UNIQUE INDEX CONCURRENTLY in a file of its own, then ADD CONSTRAINT … USING INDEX"
_TIMEOUT: Final = "SET lock_timeout = '2s' before it: while it waits, everybody else waits behind it"
_COPY: Final = "add a new column or table, fill it in batches, then switch over"
_ALONE: Final = "in a file of its own"

# Held while the whole table is read or written; the others are held for a moment.
_LONG: Final = {
    "CREATE INDEX": f"CREATE INDEX CONCURRENTLY {_ALONE}",
    "REINDEX": f"REINDEX CONCURRENTLY {_ALONE}",
    "ADD FOREIGN KEY": _LATER,
    "ADD CHECK": _LATER,
    "ADD UNIQUE": _BY_INDEX,
    "ADD PRIMARY KEY": _BY_INDEX,
    "ADD EXCLUDE": _COPY,
    "SET NOT NULL": "first ADD CHECK (… IS NOT NULL) NOT VALID and VALIDATE it: then SET NOT NULL need not look",
    "REFRESH MATERIALIZED VIEW": "REFRESH MATERIALIZED VIEW CONCURRENTLY, which needs a unique index",
    "CLUSTER": "do it outside migrations, with pg_repack say",
    "VACUUM FULL": "do it outside migrations, with pg_repack say",
    "LOCK TABLE": _TIMEOUT,
}
_SHORT: Final = {
    "DROP INDEX": f"DROP INDEX CONCURRENTLY {_ALONE}",
    "DETACH PARTITION": f"DETACH PARTITION CONCURRENTLY {_ALONE}",
    "PARTITION OF": "CREATE TABLE by itself, then ATTACH PARTITION",
}
_WAITING: Final = {
    Mode.SHARE: "nobody writes meanwhile",
    Mode.SHARE_ROW_EXCLUSIVE: "nobody writes meanwhile",
    Mode.EXCLUSIVE: "nobody writes meanwhile",
    Mode.ACCESS_EXCLUSIVE: "nobody reads or writes meanwhile",
}


def _locks(pair: Pair) -> Iterator[Finding]:
    for side in pair.sides:
        patient = False
        new = frozenset[str]()
        for statement in side.statements:
            for lock in statement.locks:
                if lock.mode >= Mode.SHARE and key(lock.relation) not in new:
                    yield from _heavy(lock, statement, side, patient=patient)
            new |= {key(made.name) for made in statement.makes if made.what != "name"}
            patient = patient or (statement.verb == "SET" and "lock_timeout" in statement.text.lower())


def _heavy(lock: Lock, statement: Statement, side: Read, *, patient: bool) -> Iterator[Finding]:
    clauses = lock.because.split(", ")
    where = f"{lock.relation} and its table" if clauses == ["DROP INDEX"] else lock.relation
    taken = f"takes {lock.mode.words} on {where}: {_WAITING[lock.mode]}"
    if lock.relation in statement.rewrites:
        said = f"{lock.because} may write {lock.relation} anew and {taken}"
        then = next((_LONG[clause] for clause in clauses if clause in _LONG), _COPY)
        yield side.finding(statement.line, "rewrite", Mark.WARNING, said, then)
        return
    slow = [clause for clause in clauses if clause in _LONG]
    if slow:
        said = f"{', '.join(slow)} reads the whole table and {taken}"
        yield side.finding(statement.line, "heavy-lock", Mark.WARNING, said, _LONG[slow[0]])
    elif not patient:
        then = next((_SHORT[clause] for clause in clauses if clause in _SHORT), _TIMEOUT)
        yield side.finding(statement.line, "heavy-lock", Mark.INFO, f"{lock.because} {taken}", then)


RULES: Final[tuple[Rule, ...]] = (_locks,)
"""What is asked of every migration."""
