"""Restoring a database: what would be done, how far it has come, and how it ended. Times are Unix seconds."""

import enum
from typing import Final

import msgspec

from lastgood.model.command import Child
from lastgood.model.database import Format, Swap
from lastgood.model.errors import ConsentNeeded, Exit

PREFIX: Final = "restore-"
"""How the names of restores begin, by which they are told from other runs that hold a lease."""


def again(run: str, target: str, *options: str) -> str:
    """The command that takes a run up again, a restore or any other. `target` is `service/env`."""
    if run.startswith(PREFIX):
        return " ".join(("lastgood db restore", target.replace("/", " "), "--resume", *options))
    return " ".join(("lastgood resume", run, *options))


class Rows(msgspec.Struct, frozen=True):
    """A table's rows in the database as it is, and in what it would become; None where it has no such table."""

    table: str
    now: int | None
    then: int | None


class Loss(msgspec.Struct, frozen=True):
    """What a restore takes out of use: everything written `since`, 0 where nobody knows when the dump was made.

    `rows` are tables whose numbers differ; `uncounted` is why there are none, empty where they were counted.
    """

    since: int
    rows: tuple[Rows, ...]
    uncounted: str = ""


class Stopped(msgspec.Struct, frozen=True):
    """A container that runs now, and is stopped for the moment of the swap."""

    host: str
    name: str


class Restoring(msgspec.Struct, frozen=True):
    """What a restore would do to the database `database`, number `oid`.

    It is made of `source`: a dump's path with its SHA-256 and `form`, or with `back` a kept database, whose number is
    `side_oid`. `side` is the new database's name until both trade names, `aside` that of the present one afterwards.
    `rows` are what the dump's manifest counted. `schema_version` is the backup's, empty where it is not known.
    """

    target: str
    database: str
    shown: str
    oid: int
    back: bool
    source: str
    form: Format | None
    sha256: str
    rows: dict[str, int] | None
    schema_version: str
    side: str
    side_oid: int
    aside: str
    stops: tuple[Stopped, ...]
    loss: Loss
    warnings: tuple[str, ...] = ()


_MINT: Final = object()


class Agreed:
    """A restore whose loss somebody accepted. Only `agree()` can make one."""

    __slots__ = ("by", "how", "plan")

    def __init__(self, plan: Restoring, by: str, how: str, *, _mint: object) -> None:
        if _mint is not _MINT:
            message = "only agree() accepts a loss"
            raise TypeError(message)
        self.plan = plan
        self.by = by
        self.how = how


def agree(plan: Restoring, accepted: str, by: str, how: str) -> Agreed:
    """The consent to what a restore loses: the database's name, as it is. Raises ConsentNeeded for any other."""
    if accepted != plan.database or not by:
        raise ConsentNeeded("Nothing was touched: the loss was not accepted by the database's name.")
    return Agreed(plan, by, how, _mint=_MINT)


class Phase(enum.StrEnum):
    """How far a restore meant to go when it was last heard of."""

    LOADING = "loading"
    SWAPPING = "swapping"
    STARTING = "starting"


class Intent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A restore that was begun and has not ended, as its file on the host says: written before each phase's effects.

    `swap` is None until the new database is there. `children` are processes that may outlive their lastgood.
    """

    run: str
    holder: str
    machine: str
    at: int
    plan: Restoring
    by: str
    how: str
    phase: Phase
    swap: Swap | None = None
    children: tuple[Child, ...] = ()


class Restored(msgspec.Struct, frozen=True):
    """How a restore ended. `aside` is the name that the former database is kept under, empty where none is.

    `rows` are those of the restored database by table, None where it did not come to that.
    """

    target: str
    run: str
    exit: Exit
    what: str
    because: tuple[str, ...]
    next: tuple[str, ...]
    database: str
    aside: str
    rows: dict[str, int] | None
    seconds: float
