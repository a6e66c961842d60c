"""What planning works on, before it is a plan."""

from typing import Final

import msgspec

from lastgood.model.descent import Descent, Loss
from lastgood.model.observed import Observed
from lastgood.model.plan import FileChange, LeftOut, Scope
from lastgood.model.release import Image
from lastgood.model.step import Runnable, Step
from lastgood.model.target import Target
from lastgood.plan.choose import Candidate
from lastgood.plan.running import Running


class Tree(msgspec.Struct, frozen=True):
    """The deploy repo's tree as it would be: built in lastgood's own copy, not yet committed.

    `services` are the Compose services that use the pin's image in it; `kept` names later configuration
    commits that stay. `changes` is empty where the service's folder needs no change.
    """

    id: str
    pin: Image
    services: tuple[str, ...]
    changes: tuple[FileChange, ...]
    kept: tuple[str, ...] = ()


class Schema(msgspec.Struct, frozen=True):
    """What becomes of a service's database: `said` in one clause, `rehearsed` what was seen on a copy of it.

    Where the schema goes down, `descent` is the way, `losses` what that takes away, `host` and `folder` where the
    backup is kept. None: nothing is done to the database. `database` is the service that the database is looked after
    with, where several share one.
    """

    said: str
    rehearsed: tuple[str, ...] = ()
    descent: Descent | None = None
    losses: tuple[Loss, ...] = ()
    host: str = ""
    folder: str = ""
    database: str = ""


class Schemas(msgspec.Struct, frozen=True):
    """What becomes of the databases: for each round one for each service, as far as that can be told.

    Empty `rounds`: nothing becomes of any, in no round. `ends` is why no further round is tried.
    """

    rounds: tuple[tuple[Schema, ...], ...] = ()
    ends: str = ""


UNTOUCHED: Final = Schema("database schema untouched; whether this release works with it is unproven")


class Draft(msgspec.Struct, frozen=True):
    """What planning works on for one service: the target and everything that was found out about it.

    `pin_first` says that the engine runs what the branch says, so that the pin comes before the switch.
    """

    target: Target
    observed: Observed
    running: Running
    scope: Scope
    named: bool = False
    pin_first: bool = False


class Round(msgspec.Struct, frozen=True):
    """One attempt in the making, for each service in the order of the drafts: a candidate, and the tree to be.

    `schemas` is what becomes of their databases, each from where the rounds before leave it; empty: nothing does.
    """

    candidates: tuple[Candidate, ...]
    trees: tuple[Tree, ...]
    schemas: tuple[Schema, ...] = ()

    def schema(self, number: int) -> Schema:
        """What becomes of the database of the draft of that number."""
        return self.schemas[number] if self.schemas else UNTOUCHED


class Extra(msgspec.Struct, frozen=True):
    """What else is done: `before` the first attempt, and `after` the last whatever happens; and what is to be said."""

    before: tuple[Step, ...] = ()
    after: tuple[Step, ...] = ()
    warnings: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()


class Going(msgspec.Struct, frozen=True):
    """Where one service goes in an attempt: to which image, out of which tree; `moves` is False where it stays.

    `ways` are those by which its database gets there from how it is now, with the number of the attempt that each
    begins with. `database` is the service that its database is looked after with, while that one goes down.
    """

    draft: Draft
    image: Runnable
    tree: Tree
    moves: bool = True
    ways: tuple[tuple[int, Schema], ...] = ()
    database: str = ""

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts that it goes there on: those that were seen."""
        return tuple(self.draft.observed.hosts)
