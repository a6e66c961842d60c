"""Going down with a database's schema: what is undone, what that loses, and what a person accepted."""

from typing import TypeAlias

import msgspec

from lastgood.model.facts import Fact
from lastgood.model.schema import What


class Undo(msgspec.Struct, frozen=True):
    """One migration to undo: its version, where its SQL was read, the SHA-256 of that file, and the SQL itself.

    `sql` is what is run: without a transaction's own beginning and end. `alone` is why it cannot run in a transaction;
    empty where it can.
    """

    version: str
    path: str
    sha256: str
    sql: str
    alone: str = ""


class OwnTool(msgspec.Struct, frozen=True):
    """The migration tool's own program, for migrations that are no SQL: run as `argv` in a container of `image`.

    `image` is an image's id or its reference by digest, that of the release that brought the migrations; `folder` is
    where the program starts, empty for the image's own. `unseen` is why its SQL cannot be shown; empty where it can.
    The rest is what the rehearsal reached, and has to be reached again: `changes` to the schema in sentences, the parts
    of it that are new or another (`altered`), and `reached`, the SHA-256 of all parts' names and of those parts.
    """

    image: str
    argv: tuple[str, ...]
    folder: str = ""
    unseen: str = ""
    changes: tuple[str, ...] = ()
    altered: tuple[str, ...] = ()
    reached: str = ""


class Descent(msgspec.Struct, frozen=True):
    """The way down of one database: from the version `before` to `to`, by what is `undone`, newest first.

    `table` is the migration tool's (`kind`), `schema` is put first on the search path. All of it runs in one
    transaction, its note in the tool's table included, unless something of it cannot. `vacant` is what it takes away
    that held nothing: it goes only while that is still so. `own` is there where only the tool itself can do it: then
    the SQL of `undone` is what the tool says that it would run, and may be empty.
    """

    kind: str
    table: str
    schema: str
    before: str
    to: str
    undone: tuple[Undo, ...]
    vacant: tuple["Loss", ...] = ()
    own: OwnTool | None = None

    @property
    def whole(self) -> bool:
        """Whether all of it is known to run in one transaction, so that it happens or does not."""
        return self.own is None and not any(one.alone for one in self.undone)


class Loss(msgspec.Struct, frozen=True):
    """What going down takes away for good: `column public.orders.note`, so many values or rows of it.

    `count` is what the rehearsal found, `since` how much of it was written since the deploy. `most` is the largest
    number that the plan goes on with: somebody may be writing until the writers are stopped. `relation` is the table,
    quoted and with its schema, and `column` its column, quoted; empty where whole rows are meant.
    """

    what: What
    name: str
    count: int
    most: int
    since: Fact[int]
    because: str
    relation: str
    column: str = ""

    @property
    def called(self) -> str:
        """How the loss is named where a person accepts it: `column public.orders.note`."""
        return f"{self.what} {self.name}"


class Accepted(msgspec.Struct, frozen=True):
    """A loss that a person accepted by its name, up to a number of rows or values."""

    name: str
    most: int

    def __str__(self) -> str:
        return f"{self.name}={self.most}"


class KeptBackup(msgspec.Struct, frozen=True, tag="backup", tag_field="backup"):
    """What can be restored: the backup that the plan's step `step` makes, while nobody writes."""

    step: str


class NoBackup(msgspec.Struct, frozen=True, tag="none", tag_field="backup"):
    """There is no backup, and why a person may accept even that."""

    because: str


Kept: TypeAlias = KeptBackup | NoBackup
