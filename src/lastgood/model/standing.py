"""How a database stands to the releases of its service."""

import enum

import msgspec

from lastgood.model.database import Difference
from lastgood.model.facts import Fact
from lastgood.model.release import Image


class Ahead(msgspec.Struct, frozen=True):
    """A release against the database: `missing` are versions that the database has and the release does not know.

    `pending` are those that it knows and the database lacks. `where` says where its migrations were read.
    """

    image: Image
    where: str
    newest: str
    missing: tuple[str, ...]
    pending: tuple[str, ...]


class DatabaseStatus(msgspec.Struct, frozen=True):
    """A service's database at one look. `size` is in bytes, `number` the server's server_version_num.

    `tool` is the migration tool, `table` its table; `schema_version` is empty where no migration is applied. `meaning`
    says what a dirty version leaves open. `applied` is None where the tool keeps only the newest. `runs` compares with
    the release that runs, `back_to` with the last good one. `restore` is a restore that has not ended, empty where none
    is. `drift` is how the schema differs from what the applied migrations make; None where nobody asked.
    """

    target: str
    database: str
    server: str
    number: int
    size: int
    tool: str
    table: str
    schema_version: str
    dirty: bool
    applied: tuple[str, ...] | None
    doubt: str
    meaning: tuple[str, ...]
    runs: Fact[Ahead]
    back_to: Fact[Ahead]
    next: tuple[str, ...] = ()
    restore: str = ""
    drift: Fact[Difference] | None = None


class Truth(enum.StrEnum):
    """What a schema says of the version that the migration tool's table says.

    It is right; or wrong, and one other version is right; or several versions have this very schema; or none has; or
    that cannot be told.
    """

    RIGHT = "right"
    WRONG = "wrong"
    AMBIGUOUS = "ambiguous"
    DIFFERENT = "different"
    UNKNOWN = "unknown"


class Deviation(msgspec.Struct, frozen=True):
    """One difference from a version's schema, as a sentence, and the statement that has to do with it.

    `path` is empty and `line` 0 where no single statement is known to.
    """

    said: str
    path: str = ""
    line: int = 0


class Resolution(msgspec.Struct, frozen=True):
    """What was really applied to a database, by its schema.

    `schema_version`, `dirty`, `applied` and `doubt` are what the tool's table said; `where` tells whose migrations
    explain the schema. `matches` are the versions whose schema it is, "" for no migration at all. `to` is the version
    to be set, None where nothing is to be set or nobody can tell which; `sql` sets it, and `done` says that it was.
    `said` are sentences about what happened. `nearest` is the version that differs least, None where one matches;
    `differences` are from that. `taken` is what was taken for granted.
    """

    target: str
    database: str
    tool: str
    table: str
    schema_version: str
    dirty: bool
    applied: tuple[str, ...] | None
    doubt: str
    where: str
    truth: Truth
    matches: tuple[str, ...]
    to: str | None
    sql: str
    said: tuple[str, ...]
    nearest: str | None = None
    differences: tuple[Deviation, ...] = ()
    taken: tuple[str, ...] = ()
    done: bool = False
    next: tuple[str, ...] = ()
