"""What going down takes away, counted on a real server; and that no more of it goes than a person accepted."""

import msgspec
import pytest
from descending import Database, Waiting, pairs

from lastgood.database.contents import Contents, contents, losses, most
from lastgood.model.descent import Loss
from lastgood.model.facts import Unknown
from lastgood.model.schema import What
from lastgood.postgres.client import Client
from tests.postgres.pgworld import Server, failed, known, ran

BEFORE = """
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TABLE dropped (id int, note text);
INSERT INTO dropped SELECT n, CASE WHEN n <= 4 THEN 'x' END FROM generate_series(1, 9) n;
CREATE TABLE gone (id int); INSERT INTO gone SELECT generate_series(1, 7);
CREATE TABLE bare (id int);
CREATE TABLE hollow (id int, note text); INSERT INTO hollow VALUES (1), (2);
CREATE TABLE parent (id int PRIMARY KEY); INSERT INTO parent VALUES (1), (2);
CREATE TABLE child (id int, of int REFERENCES parent); INSERT INTO child VALUES (1, 1);
CREATE TABLE cut (id int, note text); INSERT INTO cut VALUES (1, 'ab'), (2, 'abcdef'), (3, NULL);
CREATE TABLE fits (id int, note text); INSERT INTO fits VALUES (1, 'ab'), (2, 'abc');
CREATE TABLE wide (id int, n bigint); INSERT INTO wide VALUES (1, 5), (2, 2147483647);
CREATE TABLE rounded (id int, price numeric(8, 3)); INSERT INTO rounded VALUES (1, 1.005), (2, 2);
CREATE TABLE deleted (id int, note text); INSERT INTO deleted SELECT n, 'x' FROM generate_series(1, 6) n;
CREATE TABLE emptied (id int); INSERT INTO emptied VALUES (1), (2), (3);
CREATE TABLE updated (id int, paid boolean, note text); INSERT INTO updated VALUES (1, true, 'a'), (2, false, 'b');
CREATE TABLE swapped (id int, note text); INSERT INTO swapped VALUES (1, 'a'), (2, 'b');
CREATE TABLE renamed (id int, note text); INSERT INTO renamed VALUES (1, 'a');
CREATE TABLE same (id int, note text); INSERT INTO same VALUES (1, 'a');
CREATE TABLE "Odd.name" (id int, "Note ""1""!" text); INSERT INTO "Odd.name" VALUES (1, 'a'), (2, 'b');
CREATE SCHEMA other; CREATE TABLE other.gone (id int); INSERT INTO other.gone VALUES (1);
CREATE TABLE types (id int, j json, jb jsonb, b bytea, a text[], e mood, p point, x xml, t tstzrange);
INSERT INTO types VALUES (1, '{"a": 1}', '{"a": 1}', '\\x00ff', ARRAY['a', NULL], 'ok', '(1,2)', '<a/>', '[today,)');
CREATE TABLE kept_types (LIKE types); INSERT INTO kept_types SELECT * FROM types;
CREATE TABLE moods (id int, e mood); INSERT INTO moods VALUES (1, 'happy'), (2, 'ok'), (3, 'happy');
CREATE TABLE logs (id int, note text) PARTITION BY RANGE (id);
CREATE TABLE logs_1 PARTITION OF logs FOR VALUES FROM (0) TO (10); INSERT INTO logs VALUES (1, 'a'), (2, 'b');
"""
DOWN = """
ALTER TABLE dropped DROP COLUMN note;
DROP TABLE gone, bare;
ALTER TABLE hollow DROP COLUMN note;
DROP TABLE parent CASCADE;
ALTER TABLE cut ALTER COLUMN note TYPE varchar(3) USING note::varchar(3);
ALTER TABLE fits ALTER COLUMN note TYPE varchar(3) USING note::varchar(3);
ALTER TABLE wide ALTER COLUMN n TYPE int;
ALTER TABLE rounded ALTER COLUMN price TYPE numeric(8, 2);
DELETE FROM deleted WHERE id > 4;
TRUNCATE emptied;
UPDATE updated SET paid = false;
UPDATE swapped SET note = CASE id WHEN 1 THEN 'b' ELSE 'a' END;
ALTER TABLE renamed RENAME COLUMN note TO said;
CREATE INDEX ON same (note); ALTER TABLE same ALTER COLUMN note SET NOT NULL, ADD COLUMN more text DEFAULT 'x';
ALTER TABLE "Odd.name" DROP COLUMN "Note ""1""!";
DROP SCHEMA other CASCADE;
ALTER TABLE types DROP j, DROP jb, DROP b, DROP a, DROP e, DROP p, DROP x, DROP t;
ALTER TABLE moods ALTER COLUMN e TYPE text USING CASE WHEN e = 'happy' THEN 'ok' ELSE e::text END;
ALTER TABLE logs_1 DROP CONSTRAINT IF EXISTS nothing; DROP TABLE logs;
"""

LOST = {
    "a dropped column by its values": ("dropped", {("column", "public.dropped.note", 4)}),
    "a dropped table by its rows": ("gone", {("table", "public.gone", 7)}),
    "an empty table is no loss": ("bare", set()),
    "a column without values is no loss": ("hollow", set()),
    "a table that others refer to": ("parent", {("table", "public.parent", 2)}),
    "a table that loses only its foreign key": ("child", set()),
    "values that a cast cuts off": ("cut", {("values", "public.cut.note", 2)}),
    "values that fit the cast are no loss": ("fits", set()),
    "numbers that fit a smaller type are no loss": ("wide", set()),
    "numbers that are rounded": ("rounded", {("values", "public.rounded.price", 2)}),
    "deleted rows": ("deleted", {("rows", "public.deleted", 2)}),
    "all rows": ("emptied", {("rows", "public.emptied", 3)}),
    "values that are overwritten": ("updated", {("values", "public.updated.paid", 2)}),
    "values that trade places are not told apart": ("swapped", set()),
    "a column with another name": ("renamed", {("column", "public.renamed.note", 1)}),
    "what only gets more is no loss": ("same", set()),
    "names that need quotes": ("Odd.name", {("column", 'public.Odd.name.Note "1"!', 2)}),
    "a schema with all in it": ("other.gone", {("table", "other.gone", 1)}),
    "columns of any type": (
        "types",
        {("column", f"public.types.{name}", 1) for name in ("j", "jb", "b", "a", "e", "p", "x", "t")},
    ),
    "columns of any type that stay are no loss": ("kept_types", set()),
    "an enum's value": ("moods", {("values", "public.moods.e", 3)}),
    "partitions with their table": ("logs", {("table", "public.logs", 2)}),
}


@pytest.fixture(scope="module")
def found(server: Server) -> list[Loss]:
    """What is lost of the one large database."""
    server.sql("postgres", "CREATE DATABASE losses TEMPLATE template0")
    database = Database(server, server.client("losses", "losses"), pairs(("SELECT 1", "SELECT 1"), (BEFORE, DOWN)))
    first = database.contents()
    ran(database.down("1"))
    return list(losses(first, database.contents(), database.tool.table))


@pytest.mark.parametrize("case", LOST)
def test_what_is_lost_is_counted(found: list[Loss], case: str) -> None:
    table, wanted = LOST[case]
    schema, _, name = table.rpartition(".") if table.startswith("other.") else ("public", "", table)
    mine = {(one.what.value, one.name, one.count) for one in found if one.relation == f'"{schema}"."{name}"'}
    assert mine == wanted


def test_nothing_else_is_lost_and_the_tool_s_own_table_is_none(found: list[Loss]) -> None:
    known_ones = {name for _, wanted in LOST.values() for _, name, _ in wanted}
    assert {one.name for one in found} - known_ones == {"public.logs_1"}


def test_a_loss_names_what_counts_it_again(found: list[Loss]) -> None:
    (loss,) = (one for one in found if "Odd" in one.relation)
    assert (loss.relation, loss.column) == ('"public"."Odd.name"', '"Note ""1""!"')
    assert loss.called == 'column public.Odd.name.Note "1"!'
    assert loss.most == most(2)


def test_equal_counts_of_other_values_are_a_loss() -> None:
    first, then = (Contents({"t": 2}, {"t": {"note": (2, total)}}) for total in ("7", "8"))
    assert [(one.what, one.name, one.count) for one in losses(first, then)] == [(What.VALUES, "t.note", 2)]


@pytest.mark.parametrize(("count", "room"), [(0, 10), (1, 12), (7, 18), (30, 43), (1000, 1200), (123_456, 140_000)])
def test_a_little_more_than_was_counted_is_accepted_in_two_digits(count: int, room: int) -> None:
    assert most(count) == room


def test_wide_tables_and_tables_without_columns_are_counted(server: Server, client: Client) -> None:
    columns = ", ".join(f"c{n} int DEFAULT {n}" for n in range(120))
    server.sql(
        client.reach.name, f"CREATE TABLE wide ({columns}); INSERT INTO wide DEFAULT VALUES; CREATE TABLE bare ()"
    )
    server.sql(client.reach.name, "INSERT INTO bare DEFAULT VALUES; INSERT INTO bare DEFAULT VALUES")
    now = known(contents(client))
    assert now.rows == {'"public"."wide"': 1, '"public"."bare"': 2}
    assert len(now.values['"public"."wide"']) == 120
    assert now.values['"public"."bare"'] == {}


def test_a_database_that_does_not_answer_is_unknown_and_not_empty(client: Client) -> None:
    assert isinstance(contents(client.of("nobody")), Unknown)


SHOP = "CREATE TABLE orders (id serial PRIMARY KEY, note text); CREATE TABLE bills (id int)"
ROWS = "INSERT INTO orders (note) SELECT 'note' || n FROM generate_series(1, 5) n; INSERT INTO bills VALUES (1), (2)"
KINDS = {
    What.TABLE: ("DROP TABLE bills", '"public"."bills"', "", 2, "INSERT INTO bills VALUES (3)"),
    What.COLUMN: (
        "ALTER TABLE orders DROP note", '"public"."orders"', '"note"', 5, "INSERT INTO orders (note) VALUES ('x')",
    ),
    What.VALUES: (
        "ALTER TABLE orders ALTER note TYPE varchar(3) USING note::varchar(3)", '"public"."orders"', '"note"', 5,
        "INSERT INTO orders (note) VALUES ('longer')",
    ),
    What.ROWS: ("DELETE FROM orders WHERE id > 2", '"public"."orders"', "", 3, "INSERT INTO orders (id) VALUES (99)"),
}  # fmt: skip


@pytest.mark.parametrize("what", KINDS)
def test_more_than_was_accepted_is_not_taken_and_exactly_that_is(server: Server, client: Client, what: What) -> None:
    down, relation, column, count, more = KINDS[what]
    database = Database(server, client, pairs(("SELECT 1", "SELECT 1"), (SHOP, down)), rows=ROWS)
    name = f"public.{relation.split('.')[1]}{'.' if column else ''}{column}".replace('"', "")
    loss = Loss(what, name, count, count, Unknown("nobody looked"), "it is so", relation, column)
    database.sql(more)
    before, way, clock = database.whole(), database.way("1"), Waiting()
    said = failed(database.down(way, (loss,), clock))
    assert said.sqlstate == "LG002"
    assert said.reason == f"{loss.called}: accepted up to {count}, and there are {count + 1}"
    assert clock.slept == []
    assert database.whole() == before
    ran(database.down(way, (msgspec.structs.replace(loss, most=count + 1),)))
    assert database.at == ("1", False)


def test_rows_that_were_not_deleted_do_not_count(server: Server, client: Client) -> None:
    down, relation, column, count, _ = KINDS[What.ROWS]
    database = Database(server, client, pairs(("SELECT 1", "SELECT 1"), (SHOP, down)), rows=ROWS)
    database.sql("INSERT INTO orders (id) SELECT -n FROM generate_series(1, 50) n")
    loss = Loss(What.ROWS, "public.orders", count, count, Unknown("nobody looked"), "it is so", relation, column)
    ran(database.down("1", (loss,)))
    assert database.sql("SELECT count(*) FROM orders") == "52"


def test_several_losses_are_each_held_to_their_own_number(server: Server, client: Client) -> None:
    down = "DELETE FROM orders WHERE id > 2; DELETE FROM bills"
    database = Database(server, client, pairs(("SELECT 1", "SELECT 1"), (SHOP, down)), rows=ROWS)
    each = [
        Loss(What.ROWS, f"public.{name}", count, count, Unknown("nobody looked"), "it is so", f'"public"."{name}"')
        for name, count in (("orders", 3), ("bills", 1))
    ]
    before = database.whole()
    assert failed(database.down("1", each)).reason == "rows public.bills: accepted up to 1, and there are 2"
    assert database.whole() == before
