"""What a way down would lose, kept in files beside the backups, and putting it back."""

import msgspec

from lastgood.model.database import Column
from lastgood.model.errors import Exit
from lastgood.model.schema import What


def titled(run: str, step: str) -> str:
    """The name of what a run's step keeps: the run's own for the one that there mostly is, else with the step's id."""
    return run if step == "1.salvage" else f"{run}-{step}"


class Part(msgspec.Struct, frozen=True):
    """One loss as it was kept: `rows` lines of COPY's text format in `file`, which is empty where there is none.

    `relation` is the table, quoted and with its schema; `column` the lost one, unquoted, empty where whole rows are
    kept. `columns` are those in the file, in their order, and `keys` those of them that tell rows apart. Where the loss
    is of changed values, the file's last column, which is not in `columns`, is the value that the way down left. `note`
    is why lastgood does not put it back; empty where it does.
    """

    what: What
    name: str
    relation: str
    column: str
    columns: tuple[Column, ...]
    keys: tuple[str, ...]
    rows: int
    size: int
    sha256: str
    file: str
    note: str = ""

    @property
    def called(self) -> str:
        """As the loss is called: `column public.orders.note`."""
        return f"{self.what} {self.name}"


class PutBack(msgspec.Struct, frozen=True):
    """What became of one part's rows: put `back`, there already (`same`), written since and kept (`newer`), or `gone`.

    Gone are the rows that values belong to and that are no more.
    """

    name: str
    back: int
    same: int
    newer: int
    gone: int


class Done(msgspec.Struct, frozen=True):
    """That a salvage was put back: when (Unix seconds), by whom, and what became of it."""

    at: int
    by: str
    parts: tuple[PutBack, ...]


class Salvage(msgspec.Struct, frozen=True):
    """What one run kept before it took a schema down from `before` to `to`, in `folder` on the database's host.

    `at` is Unix seconds. `done` is None until it was put back.
    """

    run: str
    target: str
    database: str
    host: str
    folder: str
    before: str
    to: str
    at: int
    parts: tuple[Part, ...]
    done: Done | None = None


class Salvages(msgspec.Struct, frozen=True):
    """The salvages below `folder`, newest first; `unreadable` are paths of manifests that cannot be read."""

    target: str
    database: str
    folder: str
    salvages: tuple[Salvage, ...]
    unreadable: tuple[str, ...]


class PuttingBack(msgspec.Struct, frozen=True):
    """How putting a salvage back would go, or went: `happened` says which. `by_hand` are commands for what is left."""

    target: str
    run: str
    exit: Exit
    happened: bool
    what: str
    because: tuple[str, ...]
    parts: tuple[PutBack, ...]
    by_hand: tuple[str, ...]
    next: tuple[str, ...]
