"""Destinations that `lastgood.yaml` names no more: what waits for them is let go of, but not at the first look.

The file may be that of another branch, or of a clone that is behind: a destination may be back in a minute, and what
was to be told there must not be lost for that.
"""

from collections.abc import Collection
from typing import Final

from lastgood.model.message import Fate
from lastgood.outbox.store import Outbox

PATIENCE: Final = 86_400 * 1_000_000_000
"""Nanoseconds for which a destination has to be missing in the file."""
BECAUSE: Final = "lastgood.yaml names no such destination any more"
_NOTE: Final = "gone:"


def let_go(outbox: Outbox, configured: Collection[str], now: int) -> None:
    """Settle what waits for destinations that have been missing for long enough. Raises NeedsHuman."""
    missing = set(outbox.awaited()) - set(configured)
    since = {name.removeprefix(_NOTE): int(value) for name, value in outbox.notes(_NOTE) if value}
    for name in since.keys() - missing:
        outbox.note(f"{_NOTE}{name}", "")
    for name in missing:
        if name not in since or since[name] > now:  # a clock that was set back begins anew
            outbox.note(f"{_NOTE}{name}", str(now))
        elif now - since[name] >= PATIENCE:
            forget(outbox, name)


def forget(outbox: Outbox, name: str) -> int:
    """Settle everything that waits for a destination; how much that was. Raises NeedsHuman."""
    waiting = outbox.waiting(name)
    for post in waiting:
        outbox.settle(post, Fate.SUPERSEDED, because=BECAUSE)
    return len(waiting)
