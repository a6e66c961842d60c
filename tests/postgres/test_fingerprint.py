"""A schema in normal form tells what is different, and only that."""

from pathlib import Path

import pytest
from pgworld import Server, known, ran

from lastgood.model.database import Difference, Fingerprint
from lastgood.postgres.asking import execute
from lastgood.postgres.client import Client
from lastgood.postgres.fingerprint import difference, fingerprint

_SEQUENCE = "integer start 1 by 1 from 1 to 2147483647 cache 1"

# What was done, and what is said of it afterwards.
CHANGES = {
    "DROP INDEX orders_note_idx": ("index public.orders_note_idx is missing",),
    "ALTER TYPE state ADD VALUE 'held'": ('enum public.state has one value more: "held"',),
    "ALTER TYPE state RENAME VALUE 'paid' TO 'sent'": (
        'enum public.state has one value less: "paid"',
        'enum public.state has one value more: "sent"',
    ),
    "ALTER TABLE orders ALTER state DROP DEFAULT": (
        'column public.orders.state was "public.state default \'new\'::public.state", and is "public.state"',
    ),
    "ALTER TABLE orders DROP COLUMN item": ("column public.orders.item is missing",),
    "ALTER TABLE orders ALTER note TYPE varchar(9)": (
        'column public.orders.note was "text", and is "character varying(9)"',
    ),
    "ALTER TABLE orders ADD CONSTRAINT short CHECK (length(note) < 9)": (
        "constraint public.orders.short is there and was not",
    ),
    "ALTER TABLE orders DROP CONSTRAINT orders_pkey": ("constraint public.orders.orders_pkey is missing",),
    "CREATE TABLE extra (id int PRIMARY KEY, at timestamptz DEFAULT now())": (
        "table public.extra is there and was not",
    ),
    "CREATE VIEW items AS SELECT item FROM orders": ("view public.items is there and was not",),
    "ALTER SEQUENCE orders_id_seq CYCLE": (
        (
            f'sequence public.orders_id_seq was "{_SEQUENCE} owned by public.orders.id", '
            f'and is "{_SEQUENCE} cycle owned by public.orders.id"'
        ),
    ),
    "CREATE FUNCTION f(int) RETURNS int LANGUAGE sql AS 'SELECT 1'": (
        "function public.f(integer) is there and was not",
    ),
    "CREATE DOMAIN cents AS int CHECK (VALUE >= 0)": (
        "constraint public.cents.cents_check is there and was not",
        "domain public.cents is there and was not",
    ),
    'CREATE SCHEMA "o\'dd $$"': ('schema "o\'dd $$" is there and was not',),
    "ALTER TABLE orders ENABLE ROW LEVEL SECURITY": ('table public.orders was "plain", and is "row level security"',),
    "CREATE RULE quiet AS ON DELETE TO orders DO INSTEAD NOTHING": ("rule public.orders.quiet is there and was not",),
    "INSERT INTO orders (item) VALUES ('more')": (),
    "COMMENT ON TABLE orders IS 'x'; ANALYZE": (),
}


@pytest.fixture(scope="session")
def before(server: Server, _orders: str) -> Fingerprint:
    return known(fingerprint(server.client("orders")))


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_told(orders: Client, before: Fingerprint, change: str) -> None:
    ran(execute(orders, change, transaction=False))
    after = known(fingerprint(orders))
    assert difference(before, after) == Difference(CHANGES[change])
    assert (after.digest == before.digest) == (not CHANGES[change])


def test_a_column_that_comes_back_last_is_no_real_difference(orders: Client, before: Fingerprint) -> None:
    ran(execute(orders, "ALTER TABLE orders DROP COLUMN item; ALTER TABLE orders ADD item text NOT NULL DEFAULT ''"))
    ran(execute(orders, "ALTER TABLE orders ALTER item DROP DEFAULT"))
    after = known(fingerprint(orders))
    said = "columns of public.orders stand in another order: id, note, state, item"
    assert difference(before, after) == Difference((), (said,))
    assert after.digest == before.digest


def test_the_tools_own_table_is_left_out_with_all_it_owns(orders: Client, before: Fingerprint) -> None:
    ran(
        execute(orders, 'CREATE TABLE "goose db" (id serial PRIMARY KEY, version bigint UNIQUE, at date DEFAULT now())')
    )
    after = known(fingerprint(orders, without=('public."goose db"', "public.not_there")))
    assert difference(before, after) == Difference()


def test_grants_are_told_on_request(orders: Client) -> None:
    before = known(fingerprint(orders, grants=True))
    ran(execute(orders, "GRANT SELECT ON orders TO careful"))
    after = known(fingerprint(orders, grants=True))
    (said,) = difference(before, after).real
    assert "grants on table public.orders" in said
    assert "SELECT to careful" in said


def test_schemas_of_any_search_path_have_the_same_fingerprint(orders: Client, before: Fingerprint) -> None:
    ran(execute(orders, f'ALTER DATABASE "{orders.reach.name}" SET search_path = nowhere'))
    assert known(fingerprint(orders)) == before


def test_everything_that_a_schema_may_hold_can_be_told(client: Client) -> None:
    ran(execute(client, (Path(__file__).parent / "everything.sql").read_text()))
    print_ = known(fingerprint(client, grants=True))
    kinds = {line.split(" app.")[0] for line in print_.lines}
    assert {"aggregate", "function", "procedure", "materialized view", "policy", "range", "statistics", "type"} <= kinds
    assert print_.values == {"app.mood": ("sad", 'it\'s "fine"')}
    assert print_.parts["table app.part_1"] == "FOR VALUES FROM (1) TO (10) inherits app.parts"
    assert print_.parts["column app.things.double"] == "integer generated (id * 2)"
    assert print_.parts["column app.things.id"] == "integer not null identity always"
    assert print_.parts["event trigger watch"].startswith("sql_drop app.on_drop O")
    assert "trigger app.things.touch" in print_.parts
