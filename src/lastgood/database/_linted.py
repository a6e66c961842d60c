"""Migrations with their statements, as the rules of `lint` ask for them."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from lastgood import sql
from lastgood.model.lint import Finding, Mark
from lastgood.model.schema import Doomed, Migration, Script, Statement, What

_WORD: Final = re.compile(r'"((?:[^"]|"")+)"|([^\W\d][\w$]*)')


@dataclass(frozen=True)
class Read:
    """One direction: its file and its statements. `unread` is the finding where it does not parse."""

    script: Script
    statements: tuple[Statement, ...]
    unread: Finding | None = None

    def finding(self, line: int, rule: str, mark: Mark, said: str, then: str = "") -> Finding:
        """A finding in this file."""
        return Finding(self.script.path, line, rule, mark, said, then)

    @property
    def words(self) -> frozenset[str]:
        """Every name that the statements mention, in strings and bodies too."""
        return frozenset(word for one in self.statements for word in mentioned(one))

    @property
    def doomed(self) -> tuple[Doomed, ...]:
        """All that its statements take away."""
        return tuple(lost for one in self.statements for lost in one.doomed)

    @property
    def made(self) -> frozenset[str]:
        """The names, as `key` has them, of all that its statements make and that was not there under another name."""
        return frozenset(key(new.name) for one in self.statements for new in one.makes if new.what != "name")


@dataclass(frozen=True)
class Pair:
    """One migration with both directions read; a direction that has no file is None."""

    migration: Migration
    up: Read | None
    down: Read | None

    @property
    def sides(self) -> tuple[Read, ...]:
        """The directions that there are."""
        return tuple(side for side in (self.up, self.down) if side is not None)


Rule = Callable[[Pair], Iterator[Finding]]


def pair(migration: Migration) -> Pair:
    """A migration, read."""
    return Pair(migration, _read(migration.up), _read(migration.down))


def _read(script: Script | None) -> Read | None:
    if script is None:
        return None
    try:
        return Read(script, sql.read(script.sql))
    except sql.Unparsed as error:
        said = f"PostgreSQL cannot read it: {error.why}"
        return Read(script, (), Finding(script.path, error.line, "does-not-parse", Mark.ERROR, said))


def key(name: str) -> str:
    """A name without the schema that is there by itself, so that `public.orders` and `orders` are one."""
    return name.removeprefix("public.")


def last(name: str) -> str:
    """The last part of a name, bare."""
    return sql.parts(name)[-1] if name else ""


def mentioned(statement: Statement) -> Iterator[str]:
    """The words of a statement that can be names, folded as PostgreSQL folds them."""
    for match in _WORD.finditer(statement.text):
        yield match[1].replace('""', '"') if match[1] else match[2].lower()


def lost(statements: Sequence[Statement], *kinds: What) -> frozenset[str]:
    """The names, as `key` has them, of things of these kinds that statements take away."""
    return frozenset(key(gone.name) for one in statements for gone in one.doomed if gone.what in kinds)
