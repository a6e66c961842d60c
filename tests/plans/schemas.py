"""What becomes of a database, in a few situations: as it was decided and rehearsed before the plan is made."""

import hashlib

import msgspec

from lastgood.model.descent import Descent, Loss, OwnTool, Undo
from lastgood.model.facts import Known, Unknown
from lastgood.model.rehearsal import Booted, Rehearsal
from lastgood.model.schema import Lock, Mode, What
from lastgood.plan.draft import Schema
from lastgood.run.schema import _told

BACKUPS = "/var/backups/lastgood/shop-api"
HEALTHY = Known(Booted(healthy=True, said="healthy after 1.4 s", seconds=1.4))
BROKEN = Known(Booted(healthy=False, said='exits with 1: column "state" does not exist', seconds=0.6))
TABLE = '"public"."schema_migrations"'
DOWNS = {
    "12": ("rename_state", "ALTER TABLE orders RENAME COLUMN status TO state;\n"),
    "11": ("index", "DROP INDEX orders_item;\n"),
    "13": ("drop_note", "ALTER TABLE orders\n  DROP COLUMN note;\n"),
    "10": ("audit", "DROP TABLE audit;\n"),
    "14": ("drop_audit", "DROP TABLE audit CASCADE;\n"),
}


def undo(version: str) -> Undo:
    """One down, as it was read in the commit of the release that runs."""
    name, sql = DOWNS[version]
    path = f"migrations/{version}_{name}.down.sql"
    return Undo(version, path, hashlib.sha256(sql.encode()).hexdigest(), sql)


def down(*versions: str, to: str) -> Descent:
    """The way down from the first of the versions."""
    return Descent("golang-migrate", TABLE, "", versions[0], to, tuple(undo(each) for each in versions))


SINCE = Unknown("nobody noted the moment of the deploy")
NOTE = Loss(
    What.COLUMN, "public.orders.note", 1204, 1400, Known(311), "the column is dropped", '"public"."orders"', '"note"'
)
AUDIT = Loss(What.TABLE, "public.audit", 88_310, 98_000, SINCE, "the table is dropped", '"public"."audit"')
LOCKS = (Lock("public.orders", Mode.ACCESS_EXCLUSIVE),)

_STAYS = Rehearsal(48_230_114, 6.2, 14.8, 93_411, HEALTHY)
_DOWN = Rehearsal(
    48_230_114, 6.2, 14.8, 93_411, BROKEN, down("12", "11", to="10"), 0.1, ("index public.orders_item",), LOCKS,
    after=HEALTHY,
)  # fmt: skip
_LOSSY = Rehearsal(
    48_230_114, 6.2, 14.8, 93_411, BROKEN, down("14", "13", "12", to="11"), 2.3,
    ("index public.audit_pkey", "table public.audit", "table column public.orders.note", "view public.daily"),
    (Lock("public.audit", Mode.ACCESS_EXCLUSIVE), *LOCKS), (NOTE, AUDIT), HEALTHY,
)  # fmt: skip
_FURTHER = Rehearsal(
    48_230_114, 6.2, 14.8, 93_411, BROKEN, down("10", to="9"), 0.2, ("table public.audit",),
    (Lock("public.audit", Mode.ACCESS_EXCLUSIVE),), (AUDIT,), HEALTHY,
)  # fmt: skip
_OWN = OwnTool(
    "sha256:7368612d6261", ("poetry", "run", "alembic", "downgrade", "a1"), "/app",
    "its offline mode does not work: it ended with exit code 1: AttributeError: no attribute 'get'",
    ("column public.orders.note is missing",), (), "c0ffee",
)  # fmt: skip
_BY_TOOL = Rehearsal(
    48_230_114, 6.2, 14.8, 93_411, BROKEN,
    Descent("alembic", TABLE, "", "b2", "a1", (Undo("b2", "versions/b2_note.py", "291d30d45df9aa", ""),), (), _OWN),
    2.3, ("table column public.orders.note",), (), (NOTE,), HEALTHY,
)  # fmt: skip


def schema(shown: Rehearsal, host: str = "local") -> Schema:
    """What `run.schema` makes of a rehearsal."""
    way = shown.descent
    if way is None:
        raise ValueError(shown)
    said = f"goes down from version {way.before} to {way.to}, by the downs of the release that runs"
    return Schema(said, _told(shown), way, shown.losses, host, BACKUPS)


def stays(name: str = "sha-two") -> Schema:
    """The older release starts with the newer schema."""
    return Schema(f"stays at version 12: {name} was seen to start with it, on a copy", _told(_STAYS))


def goes_down(host: str = "local") -> Schema:
    """Down without loss: on a copy, nothing was missing afterwards."""
    return schema(_DOWN, host)


def goes_further_down() -> Schema:
    """From where `goes_down` leaves it, with the loss of a table."""
    return schema(_FURTHER)


def shared(one: Schema) -> tuple[Schema, ...]:
    """The database of two services, looked after with the first."""
    return (msgspec.structs.replace(one, database="shop-api"), Schema(one.said, database="shop-api"))


def goes_down_with_losses(host: str = "local") -> Schema:
    """Down with the loss of a column and of a table."""
    return schema(_LOSSY, host)


def goes_down_by_its_tool(host: str = "local") -> Schema:
    """Down by a program whose SQL nobody can see."""
    return schema(_BY_TOOL, host)
