"""A database's schema: migrations as files, what the database says of itself, and what an SQL statement would do."""

import enum
from typing import Final

import msgspec

NOTHING: Final = ""
"""The version of a database to which no migration was applied."""


class Script(msgspec.Struct, frozen=True):
    """One direction of a migration: where it was read, its SQL, and the SHA-256 of the file's bytes.

    `transaction` is False where the file itself tells its tool not to run it in one.
    """

    path: str
    sql: str
    sha256: str
    transaction: bool = True


class Migration(msgspec.Struct, frozen=True):
    """One migration. `version` is the tool's own text for it, without leading zeros where it is a number.

    `irreversible` is the reason that the file gives in a comment `-- irreversible: REASON`; empty where it gives none.
    """

    version: str
    name: str
    up: Script | None
    down: Script | None
    irreversible: str = ""


class Migrations(msgspec.Struct, frozen=True):
    """The migrations of one release, oldest first. `problems` are sentences about files that cannot be what they are.

    `native` is False where they are no SQL: then only the tool itself can tell and run them.
    """

    steps: tuple[Migration, ...]
    problems: tuple[str, ...] = ()
    native: bool = True

    @property
    def newest(self) -> str:
        """The version of a database that has all of them."""
        return self.steps[-1].version if self.steps else NOTHING


class Program(msgspec.Struct, frozen=True):
    """A tool's own program, for migrations that are no SQL: the argv that goes down, to be run where the release is.

    `preview` is the argv that prints the SQL of the same way instead, without a database. `folder` is the absolute path
    in the image to start either in; empty is the image's own.
    """

    down: tuple[str, ...]
    preview: tuple[str, ...]
    folder: str = ""


class SchemaState(msgspec.Struct, frozen=True):
    """What a tool's own table says. `table` is its name, quoted and with its schema.

    `version` is the newest that is applied. `applied` are all of them, oldest first; None where the tool keeps only
    the newest. `dirty`: the tool began a step and did not note its end. `doubt` is why the table cannot be believed.
    """

    table: str
    version: str
    applied: tuple[str, ...] | None = None
    dirty: bool = False
    doubt: str = ""


class Mode(enum.IntEnum):
    """The lock modes of tables, from weak to strong (PostgreSQL manual, 13.3.1)."""

    ACCESS_SHARE = 1
    ROW_SHARE = 2
    ROW_EXCLUSIVE = 3
    SHARE_UPDATE_EXCLUSIVE = 4
    SHARE = 5
    SHARE_ROW_EXCLUSIVE = 6
    EXCLUSIVE = 7
    ACCESS_EXCLUSIVE = 8

    @property
    def words(self) -> str:
        """As PostgreSQL calls it: `ACCESS EXCLUSIVE`."""
        return self.name.replace("_", " ")


class Lock(msgspec.Struct, frozen=True):
    """A lock that a statement takes: on which relation (as the statement names it), how strong, and for what.

    `because` are the clauses that need it: `SET NOT NULL, DROP COLUMN`.
    """

    relation: str
    mode: Mode
    because: str = ""


class What(enum.StrEnum):
    """Kinds of things that can be lost."""

    TABLE = "table"
    COLUMN = "column"
    ROWS = "rows"
    VALUES = "values"
    VIEW = "materialized view"
    SEQUENCE = "sequence"
    SCHEMA = "schema"
    TYPE = "type"
    EXTENSION = "extension"
    DATABASE = "database"
    OWNED = "everything of a role"


class Doomed(msgspec.Struct, frozen=True):
    """Data that a statement takes away, or may: what it is, and its name as the statement has it (`orders.note`).

    `because` is one clause: `DROP COLUMN`, or `the cast may cut values off`.
    """

    what: What
    name: str
    because: str


class Made(msgspec.Struct, frozen=True):
    """Something that a statement makes: what it is in SQL's words (`index`), its name, and the relation it is of.

    `what` is `name` for a new name of something that was there before, and `of` is then its old name.
    """

    what: str
    name: str
    of: str = ""


class Statement(msgspec.Struct, frozen=True):
    """One SQL statement, read without running it.

    `line` counts from 1 in its file; `verb` is how people call it (`ALTER TABLE`). `opaque` is why nobody can tell what
    it does (`DO runs code`). `outside` is why it cannot run in a transaction. `control` is the transaction command that
    it is (`BEGIN`). `masked` says that it is content where there is nothing to do (`IF EXISTS`). `rewrites` are tables
    that are written anew, or may be. `makes` is what is there afterwards and was not before. All texts are empty where
    there is no such reason. Names are as SQL would write them: `orders`, `shop.orders`, `"Orders".note`.
    """

    text: str
    line: int
    verb: str
    doomed: tuple[Doomed, ...] = ()
    locks: tuple[Lock, ...] = ()
    opaque: str = ""
    outside: str = ""
    control: str = ""
    masked: bool = False
    rewrites: tuple[str, ...] = ()
    makes: tuple[Made, ...] = ()
