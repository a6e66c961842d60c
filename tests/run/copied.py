"""Stands in for a database, its migrations and a copy of it, where it is decided what becomes of the schema."""

from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any, Self, cast

import pytest
from msgspec.structs import replace

from lastgood.database import booting
from lastgood.database import drift as drifting
from lastgood.database.booting import Model
from lastgood.database.desk import DatabaseDesk
from lastgood.database.rehearsal import Rehearsing
from lastgood.database.releases import Sourced
from lastgood.database.tables import Tool, candidates
from lastgood.model.database import Difference
from lastgood.model.descent import Loss
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.observed import Observed
from lastgood.model.plan import Scope
from lastgood.model.rehearsal import Booted, Rehearsal
from lastgood.model.release import Evidence, Image
from lastgood.model.schema import SchemaState, What
from lastgood.model.step import Runnable
from lastgood.model.target import DatabaseSpec
from lastgood.plan.choose import Candidate
from lastgood.plan.draft import Draft, Schema
from lastgood.plan.running import identify
from lastgood.ports import Migrator
from lastgood.run import schema
from lastgood.run.lineage import User
from tests.plans.builders import TARGET, World, history, image, image_id

SPEC = DatabaseSpec(
    host="local", container="shop-api-db-1", name="shop", user="shop", password="", dsn="", schema="", migrator=None,
    migrations="migrations", repo="", branch="", in_image=False, backups="/backups", keep=7,
)  # fmt: skip


TABLE = '"public"."schema_migrations"'


GOLANG = candidates(None)["golang-migrate"]


TOOL = Tool("golang-migrate", GOLANG, TABLE)


FILES = {
    "1_orders": ("CREATE TABLE orders (id int);", "DROP TABLE orders;"),
    "2_index": ("CREATE INDEX orders_id ON orders (id);", "DROP INDEX orders_id;"),
    "3_note": ("ALTER TABLE orders ADD COLUMN note text;", "ALTER TABLE orders DROP COLUMN note;"),
}


STARTS = Known(Booted(healthy=True, said="its HEALTHCHECK says healthy", seconds=1.2))


FAILS = Known(Booted(healthy=False, said="it ended with exit code 1", seconds=0.4))


BLIND = Unknown("neither its image nor the container that runs has a HEALTHCHECK to tell by")


LOSS = Loss(What.COLUMN, "public.orders.note", 7, 20, Unknown("-"), "it is dropped", '"public"."orders"', '"note"')


def files(*names: str, **downs: str | None) -> dict[str, bytes]:
    """The files of these migrations; `_3="…"` gives another down, None none."""
    found: dict[str, bytes] = {}
    for name in names:
        up, down = FILES[name]
        other = downs.get(f"_{name[0]}", down)
        found[f"{name}.up.sql"] = up.encode()
        if other is not None:
            found[f"{name}.down.sql"] = other.encode()
    return found


class Copy:
    """Stands in for the database, the code repo and the copy: what they would say, and whether they were asked."""

    def __init__(self) -> None:
        self.state: SchemaState | Exception = SchemaState(TABLE, "3")
        self.tool: Tool | Exception = TOOL
        self.known: dict[str, dict[str, bytes] | None] = {"sha-bad": files(*FILES), "sha-two": files("1_orders")}
        self.before: Fact[Booted] = FAILS
        self.after: Fact[Booted] = STARTS
        self.losses: tuple[Loss, ...] = ()
        self.health: tuple[str, ...] = ("--health-cmd=true",)
        self.builtin: Fact[bool] = Known(value=False)
        self.drift: Fact[Difference] = Known(Difference())
        self.replayed = 0
        self.rehearsed: list[Rehearsing] = []
        self.made = False
        self.size = 2_500_000

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.made = False

    def recognised(self, *_: object) -> Tool:
        if isinstance(self.tool, Exception):
            raise self.tool
        return self.tool

    def asked(self, *_: object) -> SchemaState:
        if isinstance(self.state, Exception):
            raise self.state
        return self.state

    def written(self, _: DatabaseDesk, running: Runnable | None, losses: tuple[Loss, ...]) -> tuple[Loss, ...]:
        assert running
        assert running.image.tag == "sha-bad"
        return tuple(replace(loss, since=Known(3)) for loss in losses)

    def drifts(self, *_: object) -> Fact[Difference]:
        self.replayed += 1
        return self.drift

    def migrations(self, _: DatabaseDesk, __: Observed, image: Image, migrator: Migrator) -> Fact[Sourced]:
        found = self.known[image.tag]
        if found is None:
            return Unknown(f"it is not known which commit {image.tag} was built from")
        return Known(Sourced(migrator.migrations(found), f"migrations of {image.tag}"))

    def rehearse(self, it: Rehearsing) -> Rehearsal:
        """As the real one: a way down is looked for only where one is needed."""
        self.rehearsed.append(it)
        self.made = True
        if it.compatible and isinstance(self.before, Known) and self.before.value.healthy:
            return Rehearsal(2_500_000, 1.0, 2.0, 40, self.before)
        way = it.way()
        return Rehearsal(2_500_000, 1.0, 2.0, 40, self.before, way, 0.2, losses=self.losses, after=self.after)


@pytest.fixture
def copy(monkeypatch: pytest.MonkeyPatch) -> Copy:
    made = Copy()
    monkeypatch.setattr(schema, "recognised", made.recognised)
    monkeypatch.setattr(schema, "state", made.asked)
    monkeypatch.setattr(schema, "migrations", made.migrations)
    monkeypatch.setattr(schema, "Copies", lambda: made)
    monkeypatch.setattr(schema, "overview", lambda _: Known(SimpleNamespace(size=made.size)))
    monkeypatch.setattr(schema, "since", made.written)
    monkeypatch.setattr(drifting, "drift", made.drifts)
    monkeypatch.setattr(DatabaseDesk, "client", lambda _: None)
    monkeypatch.setattr(booting, "model", lambda *_: Known(Model({"DB_HOST": "db"}, made.health)))
    monkeypatch.setattr(booting, "checked", lambda *_: made.builtin)
    monkeypatch.setattr(booting, "aliases", lambda *_: Known(("db", "shop-api-db-1")))
    return made


def decided(
    *,
    scope: Scope = Scope.DEFAULT,
    down: bool = False,
    spec: DatabaseSpec = SPEC,
    world: World | None = None,
    pulled: bool = True,
) -> Schema:
    """Going back from sha-bad to sha-two."""
    seen = (world or World(history("sha-bad", "sha-two"))).observed()
    draft = Draft(TARGET, seen, identify(seen), scope)
    two = Runnable(image("sha-two", pinned_digest=True), image_id("sha-two") if pulled else "")
    candidate = Candidate(seen.history[1], Evidence(), two, ())
    desk = DatabaseDesk(TARGET, spec, cast("Any", SimpleNamespace(process=None)), cast("Any", None), cast("Any", None))
    with ExitStack() as stack:
        (found,) = schema.Course((User(desk, draft),), stack, lambda _: None, down=down).next((candidate,))
        return found


def untouched(found: Schema) -> bool:
    return found.descent is None and not found.losses
