"""A dump proves itself by being restored: into a throw-away database, whose rows are then counted."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lastgood.database.desk import DatabaseDesk
from lastgood.model.database import Failed, Format
from lastgood.model.facts import Unknown
from lastgood.postgres import facts, scratch
from lastgood.postgres.restore import load

_EVERY = 5.0


@contextmanager
def watched(look: Callable[[], str], tell: Callable[[str], None], every: float = _EVERY) -> Iterator[None]:
    """Tell what `look` sees, again and again, as long as the block takes; nothing where it sees nothing."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(every):
            said = look()
            if said and not over.is_set():
                tell(said)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def tried(desk: DatabaseDesk, path: str, kind: Format, run: str) -> dict[str, int] | Failed:
    """The rows of each table that a dump restores to. Nothing of it stays."""
    client = desk.client(run)
    made = scratch.make(client, run)
    if isinstance(made, Failed):
        return made
    try:
        there = client.at(made.reach)
        loaded = load(there, path, kind, jobs=1)
        if isinstance(loaded, Failed):
            return Failed(f"it cannot be restored: {loaded.reason}")
        found = facts.counts(there)
        return Failed(found.reason) if isinstance(found, Unknown) else found.value
    finally:
        scratch.remove(client, run)


def unlike(wanted: dict[str, int], found: dict[str, int]) -> tuple[str, ...]:
    """How the rows of a restored dump differ from those that were counted when it was made, in sentences."""
    said = []
    for table in sorted(wanted.keys() | found.keys()):
        if wanted.get(table) != found.get(table):
            counted = f"{wanted[table]} rows were counted" if table in wanted else "there was no such table"
            said.append(f"{table}: {found.get(table, 'none')} restored, and {counted} when it was made")
    return tuple(said)
