"""The way down on a real server: all of it or nothing, whatever the migrations hold, wherever the tool's table is."""

import pytest
from descending import ROWS, SHOP, Database, pairs

from lastgood.model.database import Failed
from lastgood.model.facts import No, Unclear, Yes
from lastgood.postgres.client import Client
from tests.postgres.pgworld import Server, failed, ran

FIVE = (
    *SHOP,
    ("CREATE TABLE bills (id int REFERENCES orders)", "DROP TABLE bills"),
    ("ALTER TABLE orders ADD paid boolean DEFAULT false", "ALTER TABLE orders DROP COLUMN paid"),
)


def test_two_releases_back_is_one_transaction(server: Server, client: Client) -> None:
    database = Database(server, client, pairs(*FIVE), rows="INSERT INTO orders (item) VALUES ('one'), ('two')")
    database.sql("CREATE TABLE log (xact xid8 DEFAULT pg_current_xact_id())")
    database.sql(
        "CREATE FUNCTION noted() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO log DEFAULT VALUES; END';"
        "CREATE EVENT TRIGGER noted ON ddl_command_end EXECUTE FUNCTION noted()"
    )
    way = database.way("1")
    assert [one.version for one in way.undone] == ["5", "4", "3", "2"]
    ran(database.down(way))
    assert database.at == ("1", False)
    assert database.happened(way) == Yes()
    assert database.sql("SELECT count(*), count(DISTINCT xact) FROM log") == "4|1"
    assert database.sql("SELECT * FROM orders") == "1|one\n2|two"


def test_down_to_nothing_leaves_the_tool_s_table_empty(server: Server, client: Client) -> None:
    database = Database(server, client, pairs(*FIVE))
    ran(database.down(""))
    assert database.at == ("", False)
    assert database.sql("SELECT count(*) FROM schema_migrations") == "0"
    assert sorted(database.contents().rows) == ['"public"."schema_migrations"']


def test_of_three_downs_of_which_one_fails_none_is_applied(server: Server, client: Client) -> None:
    steps = (*SHOP[:2], (SHOP[2][0], "DROP INDEX orders_note_idx; DROP INDEX it_never_was;"), FIVE[3])
    database = Database(server, client, pairs(*steps), rows=ROWS)
    before, way = database.whole(), database.way("1")
    said = failed(database.down(way))
    assert (said.sqlstate, said.reason) == ("42704", 'index "it_never_was" does not exist')
    assert not said.in_doubt
    assert database.whole() == before
    assert database.at == ("4", False)
    assert database.happened(way) == No()


def test_a_session_that_is_ended_halfway_leaves_everything(server: Server, client: Client) -> None:
    killing = "SELECT pg_terminate_backend(pg_backend_pid())"
    database = Database(server, client, pairs(*SHOP, FIVE[3]), rows=ROWS)
    before, way = database.whole(), database.way("1")
    database.sql(
        f"CREATE FUNCTION ending() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN PERFORM {killing[7:]}; END';"
        "CREATE EVENT TRIGGER ending ON ddl_command_end WHEN tag IN ('DROP INDEX') EXECUTE FUNCTION ending()"
    )
    assert failed(database.down(way)).in_doubt
    database.sql("DROP EVENT TRIGGER ending; DROP FUNCTION ending")
    assert database.happened(way) == No()
    assert database.whole() == before
    ran(database.down(way))
    assert database.happened(way) == Yes()


def test_a_database_somewhere_else_is_unclear(server: Server, client: Client) -> None:
    database = Database(server, client, pairs(*FIVE))
    way = database.way("1")
    database.sql("UPDATE schema_migrations SET version = 3")
    assert database.happened(way) == Unclear("the database is at version 3")
    assert failed(database.down(way)).sqlstate == "LG001"


def test_a_schema_of_its_own_is_where_it_happens(server: Server, client: Client) -> None:
    database = Database(server, client, pairs(*SHOP), schema="Tenant A", rows=ROWS)
    database.sql("CREATE TABLE orders (id int, note text); CREATE INDEX orders_note_idx ON orders (note)")
    ran(database.down("1"))
    assert database.at == ("1", False)
    assert database.sql('SELECT * FROM "Tenant A".orders LIMIT 1') == "1|item"
    assert database.sql('SELECT * FROM "Tenant A".schema_migrations') == "1|f"
    assert database.sql("SELECT count(note) FROM public.orders") == "0"
    assert database.sql("SELECT schemaname FROM pg_indexes WHERE indexname = 'orders_note_idx'") == "public"


@pytest.mark.parametrize("table", ['"migrate.versions"', 'migrate."The ""Versions"""', "migrate.versions"])
def test_the_tool_s_table_may_have_any_name(server: Server, client: Client, table: str) -> None:
    database = Database(server, client, pairs(*SHOP), table=table, rows=ROWS)
    way = database.way("1")
    ran(database.down(way))
    assert database.sql(f"SELECT * FROM {table}") == "1|f"  # noqa: S608 - ours
    assert database.happened(way) == Yes()


ODD = (
    ('CREATE TABLE "Odd; names" ("a.b" text, "say ""hi""" int)', 'DROP TABLE "Odd; names";'),
    (
        """ALTER TABLE "Odd; names" ADD "it's" text;
           CREATE FUNCTION greet() RETURNS text LANGUAGE sql AS $$ SELECT 1; $$""",
        """
        CREATE OR REPLACE FUNCTION greet() RETURNS text LANGUAGE plpgsql AS $greet$
          BEGIN DELETE FROM "Odd; names"; RETURN '$$; -- not a comment '';'; END
        $greet$; -- a comment; with semicolons;
        COMMENT ON TABLE "Odd; names" IS 'a; b -- c';
        ALTER TABLE "Odd; names" DROP COLUMN "it's" /* no semicolon at the end; */ -- nor here""",
    ),
    ('CREATE INDEX ON "Odd; names" ("a.b")', 'BEGIN;\nDROP INDEX "Odd; names_a.b_idx";\nCOMMIT;\n-- that is all'),
)


def test_quotes_bodies_and_semicolons_are_no_ends_of_statements(server: Server, client: Client) -> None:
    database = Database(server, client, pairs(*ODD), rows="INSERT INTO \"Odd; names\" VALUES ('a', 1)")
    way = database.way("1")
    assert way.whole
    ran(database.down(way))
    assert database.at == ("1", False)
    assert database.sql('SELECT * FROM "Odd; names"') == "a|1"
    assert database.sql("SELECT obj_description('\"Odd; names\"'::regclass)") == "a; b -- c"
    assert "not a comment" in database.sql("SELECT prosrc FROM pg_proc WHERE proname = 'greet'")


def test_what_psql_would_take_for_its_own_is_left_to_the_server(server: Server, client: Client) -> None:
    down = r"""UPDATE orders SET item = 'C:\temp \q :item' || (ARRAY['x', 'y'])[1:1]::text;
               ALTER TABLE orders DROP COLUMN note;"""
    database = Database(server, client, pairs(SHOP[0], (SHOP[1][0], down)), rows=ROWS)
    ran(database.down("1"))
    assert database.sql("SELECT DISTINCT item FROM orders") == r"C:\temp \q :item{x}"


def test_a_transaction_of_its_own_in_a_file_does_not_end_ours(server: Server, client: Client) -> None:
    steps = (*SHOP[:2], (SHOP[2][0], "BEGIN; DROP INDEX orders_note_idx; COMMIT;"), FIVE[3])
    broken = (steps[0], (steps[1][0], "ALTER TABLE orders DROP COLUMN it_never_was"), *steps[2:])
    database = Database(server, client, pairs(*broken), rows=ROWS)
    before, way = database.whole(), database.way("1")
    assert way.whole
    assert failed(database.down(way)).sqlstate == "42703"
    assert database.whole() == before


def test_a_transaction_in_the_middle_of_a_file_is_not_taken_for_one(server: Server, client: Client) -> None:
    down = "DROP INDEX orders_note_idx; COMMIT; BEGIN; COMMENT ON TABLE orders IS 'x';"
    database = Database(server, client, pairs(*SHOP[:2], (SHOP[2][0], down)))
    way = database.way("2")
    assert not way.whole
    assert "COMMIT controls the transaction itself" in way.undone[0].alone


def native(kind: str) -> dict[str, str]:
    """The shop's migrations as dbmate and goose have them: with a table that both may note."""
    up, down = {"dbmate": ("-- migrate:up", "-- migrate:down"), "goose": ("-- +goose Up", "-- +goose Down")}[kind]
    return {f"2026010{n}_step.sql": f"{up}\n{first};\n{down}\n{then};\n" for n, (first, then) in enumerate(FIVE, 1)}


@pytest.mark.parametrize(
    ("kind", "question", "left"),
    [
        ("dbmate", "SELECT version FROM schema_migrations ORDER BY 1", "20260101\n20260102\n20260103"),
        (
            "goose",
            "SELECT version_id, is_applied FROM goose_db_version ORDER BY id",
            "0|t\n20260101|t\n20260102|t\n20260103|t",
        ),
    ],
)
def test_dbmate_and_goose_go_down_by_two(server: Server, client: Client, kind: str, question: str, left: str) -> None:
    database = Database(server, client, native(kind), kind, rows="INSERT INTO orders (item) VALUES ('one')")
    way = database.way("20260103")
    ran(database.down(way))
    assert database.sql(question) == left
    assert database.found.applied == ("20260101", "20260102", "20260103")
    assert database.happened(way) == Yes()
    assert database.sql("SELECT to_regclass('bills') IS NULL, count(*) FROM orders") == "t|1"


@pytest.mark.parametrize("kind", ["dbmate", "goose"])
def test_dbmate_and_goose_go_down_to_nothing(server: Server, client: Client, kind: str) -> None:
    database = Database(server, client, native(kind), kind)
    way = database.way("")
    ran(database.down(way))
    assert database.happened(way) == Yes()
    assert database.found.applied == ()
    if kind == "goose":  # its base has to stay, or it refuses to go up again
        assert database.sql("SELECT version_id, is_applied FROM goose_db_version") == "0|t"


@pytest.mark.parametrize("kind", ["dbmate", "goose"])
def test_of_two_downs_of_which_the_second_fails_none_is_noted(server: Server, client: Client, kind: str) -> None:
    files = native(kind)
    files["20260104_step.sql"] = files["20260104_step.sql"].replace("DROP TABLE bills", "DROP TABLE it_never_was")
    database = Database(server, client, files, kind)
    before = database.whole()
    assert isinstance(database.down("20260103"), Failed)
    assert database.whole() == before
    assert database.found.version == "20260105"
