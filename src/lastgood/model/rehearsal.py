"""What a rehearsal on a copy of the database showed."""

import msgspec

from lastgood.model.descent import Descent, Loss
from lastgood.model.facts import Fact, Unknown
from lastgood.model.schema import Lock


class Booted(msgspec.Struct, frozen=True):
    """How a release fared when it was started where no traffic comes. `said` is one clause, `seconds` until then."""

    healthy: bool
    said: str
    seconds: float


class Rehearsal(msgspec.Struct, frozen=True):
    """What happened on a copy: `size` bytes of backup, the seconds of backup and restore, `rows` counted alike.

    `before` tells how the older release fares with the schema as it is. The rest is about the way down, where it was
    gone: the seconds it took, the objects that went, CASCADE victims among them, the strongest lock held on each table,
    what was lost, and how the older release fares `after`. Unknown where a release could not be tried.
    """

    size: int
    backup_seconds: float
    restore_seconds: float
    rows: int
    before: Fact[Booted]
    descent: Descent | None = None
    down_seconds: float = 0.0
    dropped: tuple[str, ...] = ()
    locks: tuple[Lock, ...] = ()
    losses: tuple[Loss, ...] = ()
    after: Fact[Booted] = Unknown("the way down was not gone")
