"""Any migrations, with rows written: back and forth schema and rows are as before, but for the losses announced."""

import itertools
import json
from dataclasses import dataclass, field

from descending import Database, Step, pairs, read
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from lastgood.database.contents import losses
from lastgood.model.schema import What
from lastgood.postgres.fingerprint import difference
from tests.postgres.pgworld import Server, ran

_NUMBERS = itertools.count(1)
BASE = (
    (
        "CREATE TABLE orders (id serial PRIMARY KEY, item text NOT NULL, count int, code varchar(4));"
        "INSERT INTO orders (item, count, code) SELECT 'item ' || n, n, 'c' || n FROM generate_series(1, 6) n;"
        "CREATE TABLE seeds (id int); INSERT INTO seeds VALUES (1), (2)"
    ),
    "DROP TABLE orders, seeds",
)


@dataclass
class World:
    """Migrations drawn so far, what is written once all are applied, and what their way down has to lose by name."""

    steps: list[Step] = field(default_factory=list)
    writes: list[str] = field(default_factory=list)
    lost: dict[tuple[What, str], int] = field(default_factory=dict)
    touched: set[str] = field(default_factory=set)


def column(draw: st.DrawFn, world: World) -> None:
    number, written = len(world.steps), draw(st.integers(0, 4))
    type_, value = draw(st.sampled_from([("text", "'x'"), ("jsonb", "'{}'"), ("int[]", "'{1,2}'"), ("bytea", "'a'")]))
    world.steps.append((f"ALTER TABLE orders ADD c{number} {type_}", f"ALTER TABLE orders DROP c{number}"))
    world.writes.append(f"UPDATE orders SET c{number} = {value} WHERE id <= {written}")  # noqa: S608 - ours
    if written:
        world.lost[What.COLUMN, f"public.orders.c{number}"] = written


def index(draw: st.DrawFn, world: World) -> None:
    number, unique = len(world.steps), draw(st.sampled_from(["", "UNIQUE "]))
    world.steps.append((f"CREATE {unique}INDEX i{number} ON orders (item, id)", f"DROP INDEX i{number}"))


def table(draw: st.DrawFn, world: World) -> None:
    number, rows = len(world.steps), draw(st.integers(0, 3))
    world.steps.append((f"CREATE TABLE t{number} (id int REFERENCES orders)", f"DROP TABLE t{number}"))
    world.writes.append(f"INSERT INTO t{number} SELECT generate_series(1, {rows})")
    if rows:
        world.lost[What.TABLE, f"public.t{number}"] = rows


def widen(draw: st.DrawFn, world: World) -> None:
    """Wider, and cut off again by a cast that says nothing."""
    if "code" in world.touched:
        index(draw, world)
        return
    world.touched.add("code")
    down = "ALTER TABLE orders ALTER code TYPE varchar(4) USING code::varchar(4)"
    world.steps.append(("ALTER TABLE orders ALTER code TYPE text", down))
    if draw(st.booleans()):
        world.writes.append("UPDATE orders SET code = 'longer' WHERE id = 2")
        world.lost[What.VALUES, "public.orders.code"] = 6


def narrow(draw: st.DrawFn, world: World) -> None:
    """Other types that hold the same."""
    if "count" in world.touched:
        index(draw, world)
        return
    world.touched.add("count")
    type_ = draw(st.sampled_from(["smallint", "bigint", "numeric(6, 0)"]))
    world.steps.append((f"ALTER TABLE orders ALTER count TYPE {type_}", "ALTER TABLE orders ALTER count TYPE int"))


def rows(draw: st.DrawFn, world: World) -> None:
    """Rows that the migration itself brings."""
    number, many = 100 * len(world.steps), draw(st.integers(1, 3))
    up = f"INSERT INTO seeds SELECT generate_series({number + 101}, {number + 100 + many})"
    world.steps.append((up, f"DELETE FROM seeds WHERE id BETWEEN {number + 101} AND {number + 200}"))  # noqa: S608 - ours
    world.lost[What.ROWS, "public.seeds"] = world.lost.get((What.ROWS, "public.seeds"), 0) + many


@st.composite
def worlds(draw: st.DrawFn) -> World:
    world = World()
    for make in draw(st.lists(st.sampled_from([column, index, table, widen, narrow, rows]), min_size=1, max_size=5)):
        make(draw, world)
    return world


def base(database: Database) -> list[dict[str, object]]:
    """The columns that the first version had."""
    found = database.sql("SELECT json_agg(o ORDER BY id) FROM (SELECT id, item, count, code FROM orders) o")
    return list(json.loads(found))


@settings(
    max_examples=5,
    deadline=None,
    phases=(Phase.generate,),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(world=worlds())
def test_down_again_the_schema_is_the_one_before_and_only_what_was_announced_is_lost(
    server: Server, world: World
) -> None:
    name = f"random {next(_NUMBERS)}"
    server.sql("postgres", f'CREATE DATABASE "{name}" TEMPLATE template0')
    database = Database(server, server.client(name, "random"), pairs(BASE))
    shape, first = database.shape(), base(database)
    database.moves_up(pairs(BASE, *world.steps), ";".join(world.writes))
    top, written, held = database.shape(), base(database), database.contents()
    copy = database.copied()
    ran(copy.down("1"))
    found = list(losses(held, copy.contents(), copy.tool.table))
    assert {(one.what, one.name): one.count for one in found} == world.lost
    ran(database.down("1", found))
    assert difference(shape, database.shape()).real == ()
    assert database.sql("SELECT array_agg(id) FROM seeds") == "{1,2}"
    if (What.VALUES, "public.orders.code") in world.lost:
        assert [one["code"] for one in written] != [one["code"] for one in first]
        written = [one | {"code": str(one["code"])[:4]} for one in written]
    assert base(database) == written
    database.migrations = read(pairs(BASE))
    database.moves_up(pairs(BASE, *world.steps))
    assert difference(top, database.shape()).real == ()
    assert base(database) == written
    again = [one for one in found if one.what is What.ROWS]  # all else that was lost is lost: nobody wrote it again
    ran(database.down("1", again))
    assert difference(shape, database.shape()).real == ()
    assert base(database) == written
