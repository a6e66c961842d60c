"""The throw-away database that migrations are proved in: what is done with it, and that nothing of it stays."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import msgspec

from lastgood import sql
from lastgood.database import _proof_seeds
from lastgood.database._proof_rows import Rows, contents
from lastgood.database.choices import AGAIN
from lastgood.model.database import Failed, Fingerprint, Overview, Ran, Scratch
from lastgood.model.errors import Refused
from lastgood.model.facts import Unknown
from lastgood.model.schema import Script, Statement
from lastgood.postgres import facts, scratch
from lastgood.postgres.asking import execute
from lastgood.postgres.client import Client
from lastgood.postgres.fingerprint import fingerprint

_SECONDS: Final = 600.0


class State(msgspec.Struct, frozen=True):
    """A database as it stands: its schema, and its rows by table."""

    shape: Fingerprint
    rows: dict[str, Rows]

    @property
    def filled(self) -> bool:
        """Whether any table has rows."""
        return any(one.count for one in self.rows.values())

    @property
    def empty(self) -> bool:
        """Whether any table has none."""
        return not all(one.count for one in self.rows.values())


@dataclass
class Bench:
    """A throw-away database. Methods raise Refused where the server does not do what it must be able to do."""

    client: Client
    run: str
    like: Overview
    _seeded: dict[str, bytes] = field(default_factory=dict)

    def renew(self) -> None:
        """Begin with an empty database."""
        made = scratch.renew(self.client, self.run, self.like)
        if isinstance(made, Failed):
            raise Refused("The throw-away database cannot be made anew.", because=(made.reason,), next=(AGAIN,))
        self._seeded.clear()

    def apply(self, script: Script) -> Ran | Failed:
        """Run one direction of a migration as its tool does. What does not parse is not run."""
        try:
            statements = sql.read(script.sql)
        except sql.Unparsed as error:
            return Failed(f"it does not parse: {error.why}", line=error.line)
        return execute(self.client, script.sql, transaction=_together(script, statements), timeout=_SECONDS)

    def state(self) -> State:
        """How it stands now."""
        shape = fingerprint(self.client)
        if isinstance(shape, Unknown):
            said = "The schema of the throw-away database cannot be read."
            raise Refused(said, because=(shape.reason,), next=(AGAIN,))
        return self._filled(shape.value)

    def filled(self, before: State) -> State:
        """How it stands now, where nothing but rows changed since."""
        return self._filled(before.shape)

    def _filled(self, shape: Fingerprint) -> State:
        rows = contents(self.client, shape)
        if isinstance(rows, Unknown):
            raise Refused("The rows of the throw-away database cannot be read.", because=(rows.reason,), next=(AGAIN,))
        return State(shape, rows.value)

    def seed(self, number: int, before: State | None = None) -> dict[str, str]:
        """Put rows into tables that are new, changed, or took none so far; and why some did not, by name.

        Tables without rows in `before` are new as well. `number` counts the times from 0: equal numbers, equal rows.
        """
        found = _proof_seeds.catalogue(self.client)
        if isinstance(found, Unknown):
            said = "The tables of the throw-away database cannot be read."
            raise Refused(said, because=(found.reason,), next=(AGAIN,))
        types = found.value.types
        now = {
            one.name: msgspec.json.encode((one, [types[column.oid] for column in one.columns]))
            for one in found.value.tables
        }
        new = {name for name in now if before and not (name in before.rows and before.rows[name].count)}
        wanted = [name for name, text in now.items() if name in new or self._seeded.get(name) != text]
        made = _proof_seeds.seed(self.client, found.value, wanted, number * _proof_seeds.ROWS + 1)
        if isinstance(made, Unknown):
            return dict.fromkeys(wanted, made.reason)
        self._seeded |= {name: now[name] for name, why in made.value.items() if not why}
        return {name: why for name, why in made.value.items() if why}


def _together(script: Script, statements: tuple[Statement, ...]) -> bool:
    """Whether it is run in one transaction: tools do that unless told otherwise, or the file has its own commands.

    A statement that cannot be in one is let go by itself; among others it fails, here as with the tools.
    """
    if not script.transaction or any(one.control and "SAVEPOINT" not in one.control for one in statements):
        return False
    return len(statements) > 1 or not any(one.outside for one in statements)


@contextmanager
def opened(client: Client, image: str) -> Iterator[Bench]:
    """A throw-away database for the block: on a server of `image`, or where that is empty beside the client's own.

    Raises Refused where there is none to be had.
    """
    run = f"prove-{secrets.token_hex(4)}"
    made = _made(client, image, run)
    if isinstance(made, Failed):
        said = "There is no throw-away database to prove the migrations in."
        raise Refused(
            said, because=(made.reason,), next=("--image IMAGE: one that is here", "--dsn env:NAME: a server")
        )
    there = client.at(made.reach)
    try:
        like = facts.overview(there)
        if isinstance(like, Unknown):
            raise Refused("The throw-away database does not answer.", because=(like.reason,), next=(AGAIN,))
        yield Bench(there, run, like.value)
    finally:
        _ended(there if image else client, run)


def _made(client: Client, image: str, run: str) -> Scratch | Failed:
    if image:
        return scratch.serve(client, image, run)
    try:
        return scratch.make(client, run)
    except BaseException:
        scratch.remove(client, run)
        raise


def _ended(client: Client, run: str) -> None:
    """Nothing of it stays, even where somebody presses Ctrl-C while it is removed."""
    try:
        left = scratch.remove(client, run)
    except KeyboardInterrupt:
        scratch.remove(client, run)
        raise
    if left is not None:
        raise Refused("The throw-away database could not be removed.", because=(left.reason,), next=(_WHERE,))


_WHERE: Final = "docker ps --filter label=lastgood.scratch; or databases with `lastgood scratch` in their comment"
