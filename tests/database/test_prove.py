"""Migrations proved on a real PostgreSQL: what a down forgets or loses must be found, and nothing else."""

import pytest
from proving import SHOP, Proved, of, pairs, said, shop

from lastgood.database._proof_bench import Bench
from lastgood.model.lint import Mark, Outcome

UP, DOWN = "2_step.up.sql", "2_step.down.sql"


def test_a_clean_set_must_pass_with_rows_in_every_table(bench: Bench) -> None:
    found = shop(
        bench,
        ("ALTER TABLE orders ADD COLUMN total int NOT NULL DEFAULT 0;", "ALTER TABLE orders DROP COLUMN total;"),
        ("CREATE INDEX orders_note ON orders (note);", "DROP INDEX orders_note;"),
    )
    assert found.clean, found.findings
    assert found.server.startswith("15.")
    assert found.lines == [f"    {at} step: up, down and up again" for at in (1, 2, 3)]
    state = bench.state()
    assert {name: rows.count >= 3 for name, rows in state.rows.items()} == {
        "public.customers": True,
        "public.orders": True,
    }


@pytest.mark.parametrize(
    ("up", "down", "forgotten"),
    [
        (
            "ALTER TABLE orders ADD COLUMN total int; CREATE INDEX orders_note ON orders (note);",
            "ALTER TABLE orders DROP COLUMN total;",
            "after the down index public.orders_note is there and was not",
        ),
        (
            "ALTER TYPE state ADD VALUE 'sent';",
            "SELECT 1;",
            'after the down enum public.state has one value more: "sent"',
        ),
        (
            "ALTER TABLE orders ALTER COLUMN note SET DEFAULT 'none';",
            "ALTER TABLE orders ALTER COLUMN note SET STATISTICS 100;",
            'after the down column public.orders.note was "text", and is "text default \'none\'::text"',
        ),
        (
            "ALTER TABLE customers ALTER COLUMN email DROP NOT NULL;",
            "ALTER TABLE customers ALTER COLUMN email SET DEFAULT NULL;",
            'after the down column public.customers.email was "text not null", and is "text"',
        ),
        (
            "DROP INDEX customers_names; DROP TABLE keys;",
            "CREATE TABLE keys (id int PRIMARY KEY);",
            "after the down index public.customers_names is missing",
        ),
    ],
    ids=["index", "enum value", "default", "not null", "dropped index"],
)
def test_what_a_down_forgets_must_be_found_by_name(bench: Bench, up: str, down: str, forgotten: str) -> None:
    first = SHOP[0] + "CREATE TABLE keys (id int PRIMARY KEY); CREATE INDEX customers_names ON customers (email, id);"
    found = Proved(bench, pairs((first, "DROP TABLE keys;" + SHOP[1]), (up, down)))
    assert (DOWN, forgotten) in found.errors
    assert found.outcomes == [Outcome.PROVED, Outcome.FAILED]
    assert all(path != "1_step.down.sql" for path, _ in found.errors)


def test_a_migration_after_a_wrong_one_must_not_be_blamed_for_it(bench: Bench) -> None:
    found = shop(
        bench,
        ("CREATE INDEX orders_note ON orders (note);", "SELECT 1;"),
        ("CREATE TABLE later (id int PRIMARY KEY);", "DROP TABLE later;"),
    )
    assert found.outcomes == [Outcome.PROVED, Outcome.FAILED, Outcome.PROVED]
    assert {one.path for one in found.findings} == {UP, DOWN}
    (again,) = said(found, "the up, run again after the down, fails")
    assert 'relation "orders_note" already exists' in again.said


def test_a_down_that_drops_rows_of_another_table_must_be_found(bench: Bench) -> None:
    found = shop(bench, ("ALTER TABLE orders ADD COLUMN total int;", "TRUNCATE orders; ALTER TABLE orders DROP total;"))
    words = "after the down 3 of 3 rows of public.orders are gone, and they were there before the up"
    assert found.errors == [(DOWN, words)]


def test_a_down_that_changes_values_must_be_found_with_the_column(bench: Bench) -> None:
    down = "UPDATE orders SET note = upper(note); ALTER TABLE orders DROP total;"
    found = shop(bench, ("ALTER TABLE orders ADD COLUMN total int;", down))
    ((path, words),) = found.errors
    assert (path, "3 of 3 rows of public.orders are not as before: note" in words) == (DOWN, True)


def test_what_the_up_itself_drops_must_be_shown_and_be_no_error(bench: Bench) -> None:
    found = shop(bench, ("ALTER TABLE orders DROP COLUMN note;", "ALTER TABLE orders ADD COLUMN note text;"))
    assert found.outcomes == [Outcome.PROVED, Outcome.PROVED]
    (one,) = [one for one in found.findings if one.rule == "rows-announced"]
    assert one.mark is Mark.INFO
    assert "3 of 3 rows of public.orders are not as before: note, as line 1 of the up says" in one.said


def test_a_column_that_comes_back_at_the_end_must_be_told_as_another_order_only(bench: Bench) -> None:
    first = ("CREATE TABLE t (a int, b int, c int);", "DROP TABLE t;")
    found = Proved(bench, pairs(first, ("ALTER TABLE t DROP b;", "ALTER TABLE t ADD b int;")))
    (one,) = [one for one in found.findings if one.rule == "column-order"]
    assert one.mark is Mark.INFO
    assert "columns of public.t stand in another order: a, c, b" in one.said
    assert found.errors == []


def test_a_change_that_the_down_turns_back_must_pass(bench: Bench) -> None:
    first = ("CREATE TABLE prices (id int PRIMARY KEY, amount int NOT NULL);", "DROP TABLE prices;")
    up = "ALTER TABLE prices ALTER amount TYPE bigint; UPDATE prices SET amount = amount * 100;"
    down = "UPDATE prices SET amount = amount / 100; ALTER TABLE prices ALTER amount TYPE int;"
    found = Proved(bench, pairs(first, (up, down)))
    assert found.clean, found.findings


def test_a_down_that_cuts_off_what_was_written_since_must_be_found(bench: Bench) -> None:
    first = ("CREATE TABLE t (id int PRIMARY KEY, code varchar(10));", "DROP TABLE t;")
    up = "ALTER TABLE t ALTER code TYPE text;"
    down = "ALTER TABLE t ALTER code TYPE varchar(10) USING code::varchar(10);"
    found = Proved(bench, pairs(first, (up, down)))
    (one,) = [one for one in found.findings if one.rule == "rows-since"]
    assert (one.mark, one.path) == (Mark.WARNING, DOWN)
    assert "3 of 6 rows of public.t are not as before: code" in one.said


def test_rows_that_the_up_puts_in_and_the_down_leaves_must_be_found(bench: Bench) -> None:
    first = ("CREATE TABLE settings (name text, value text);", "DROP TABLE settings;")
    found = Proved(bench, pairs(first, ("INSERT INTO settings VALUES ('colour', 'blue');", "SELECT 1;")))
    (one,) = [one for one in found.findings if one.rule == "rows-left"]
    assert "leaves 1 rows more in public.settings" in one.said


def test_a_down_that_fails_must_be_told_in_the_server_s_words_and_place(bench: Bench) -> None:
    down = "ALTER TABLE orders DROP COLUMN total;\n\nDROP INDEX nowhere;\n"
    found = shop(bench, ("ALTER TABLE orders ADD COLUMN total int;", down), ("SELECT 1;", "SELECT 2;"))
    (one,) = found.marked(Mark.ERROR)
    assert (one.path, one.line, one.rule) == (DOWN, 3, "down-fails")
    assert 'index "nowhere" does not exist' in one.said
    assert found.outcomes == [Outcome.PROVED, Outcome.FAILED, Outcome.PROVED]


def test_an_up_that_fails_must_end_the_proof_and_say_what_was_not_reached(bench: Bench) -> None:
    found = shop(bench, ("CREATE TABLE orders (id int);", "DROP TABLE orders;"), ("SELECT 1;", "SELECT 2;"))
    (one,) = found.marked(Mark.ERROR)
    assert (one.path, one.rule) == (UP, "up-fails")
    assert found.outcomes == [Outcome.PROVED, Outcome.FAILED, Outcome.NOT_REACHED]


def test_a_migration_without_an_up_must_end_the_proof(bench: Bench) -> None:
    files = {"1_a.down.sql": "SELECT 1;", "2_b.up.sql": "SELECT 1;", "2_b.down.sql": "SELECT 1;"}
    found = Proved(bench, of(files))
    assert found.errors == [("1_a.down.sql", "migration 1 has no up that could be run")]
    assert found.outcomes == [Outcome.FAILED, Outcome.NOT_REACHED]


def test_an_up_that_only_empty_tables_bear_must_be_a_warning_and_still_be_proved(bench: Bench) -> None:
    found = shop(
        bench,
        ("ALTER TABLE orders ADD COLUMN total int NOT NULL;", "ALTER TABLE orders DROP COLUMN total;"),
        ("ALTER TABLE orders ADD COLUMN more int;", "ALTER TABLE orders DROP COLUMN more;"),
    )
    assert found.outcomes == [Outcome.PROVED] * 3
    (one,) = found.findings
    assert (one.rule, one.mark, one.path) == ("up-fails-on-rows", Mark.WARNING, UP)
    assert 'column "total" of relation "orders" contains null values' in one.said
    assert bench.state().rows["public.orders"].count >= 3


def test_a_down_that_rows_of_the_new_schema_stop_must_be_a_warning(bench: Bench) -> None:
    down = """ALTER TYPE state RENAME TO state_old; CREATE TYPE state AS ENUM ('new', 'paid');
    ALTER TABLE orders ALTER state DROP DEFAULT, ALTER state TYPE state USING state::text::state,
                       ALTER state SET DEFAULT 'new'; DROP TYPE state_old;"""
    found = shop(bench, ("ALTER TYPE state ADD VALUE 'sent';", down))
    assert found.outcomes == [Outcome.PROVED] * 2, found.findings
    (one,) = found.findings
    assert (one.rule, one.mark, one.path) == ("down-fails-on-rows", Mark.WARNING, DOWN)
    assert 'invalid input value for enum state: "sent"' in one.said


def test_an_irreversible_migration_must_be_accepted_shown_and_not_run_down(bench: Bench) -> None:
    down = "-- irreversible: notes were merged by hand\nDROP TABLE orders;"
    found = shop(
        bench,
        ("ALTER TABLE orders DROP COLUMN note;", down),
        ("ALTER TABLE orders ADD COLUMN more int;", "ALTER TABLE orders DROP COLUMN more;"),
    )
    assert found.outcomes == [Outcome.PROVED, Outcome.IRREVERSIBLE, Outcome.PROVED]
    assert found.findings == ()
    assert "    2 step: up; irreversible: notes were merged by hand" in found.lines
    assert "public.orders" in bench.state().rows


def test_a_missing_down_must_not_pass_for_proved(bench: Bench) -> None:
    found = shop(bench, ("CREATE TABLE more (id int);", None))
    assert found.outcomes == [Outcome.PROVED, Outcome.NO_DOWN]


def test_an_empty_down_must_be_found_by_what_it_leaves(bench: Bench) -> None:
    found = shop(bench, ("CREATE TABLE more (id int);", "-- nothing to do"))
    assert (DOWN, "after the down table public.more is there and was not") in found.errors


def test_what_no_transaction_can_hold_must_be_run_by_itself(bench: Bench) -> None:
    concurrently = ("CREATE INDEX CONCURRENTLY orders_note ON orders (note);", "DROP INDEX CONCURRENTLY orders_note;")
    assert shop(bench, concurrently).clean


def test_what_no_transaction_can_hold_must_fail_among_others_as_with_the_tool(bench: Bench) -> None:
    found = shop(bench, ("SELECT 1; CREATE INDEX CONCURRENTLY i ON orders (note);", "DROP INDEX i;"))
    (one,) = found.marked(Mark.ERROR)
    assert "CREATE INDEX CONCURRENTLY cannot run inside a transaction block" in one.said


def test_other_schemas_and_quoted_names_must_be_proved_as_well(bench: Bench) -> None:
    up = """CREATE SCHEMA "My Shop"; CREATE TYPE "My Shop"."State" AS ENUM ('it''s new', 'B');
    CREATE TABLE "My Shop"."Order" ("The ""Id"" " int PRIMARY KEY, "State" "My Shop"."State" NOT NULL);
    CREATE TABLE "My Shop".line (of int NOT NULL REFERENCES "My Shop"."Order");"""
    more = """CREATE INDEX "Line of" ON "My Shop".line (of); ALTER TABLE "My Shop"."Order" ADD "Note" text;"""
    steps = (up, 'DROP SCHEMA "My Shop" CASCADE;'), (more, 'ALTER TABLE "My Shop"."Order" DROP "Note";')
    found = Proved(bench, pairs(*steps))
    assert (DOWN, 'after the down index "My Shop"."Line of" is there and was not') in found.errors
    assert found.outcomes == [Outcome.PROVED, Outcome.FAILED]
    assert all(bench.state().rows[name].count >= 3 for name in ('"My Shop"."Order"', '"My Shop".line'))


def test_a_table_that_takes_no_rows_must_be_said_once(bench: Bench) -> None:
    never = ("CREATE TABLE never (id int NOT NULL CHECK (id * id < 0));", "DROP TABLE never;")
    found = Proved(bench, pairs(never, ("CREATE TABLE t (id int);", "DROP TABLE t;")))
    (one,) = found.findings
    assert (one.rule, one.mark, one.path) == ("not-seeded", Mark.WARNING, "1_step.up.sql")
    assert "public.never takes no generated rows" in one.said
    assert 'violates check constraint "never_id_check"' in one.said
    assert set(found.outcomes) == {Outcome.PROVED}


def test_dbmate_and_goose_must_be_run_as_their_files_say(bench: Bench) -> None:
    dbmate = of(
        {
            "1_a.sql": "-- migrate:up\nCREATE TABLE t (id int);\n-- migrate:down\nDROP TABLE t;\n",
            "2_b.sql": "-- migrate:up transaction:false\nCREATE INDEX CONCURRENTLY i ON t (id); SELECT 1;\n"
            "-- migrate:down\nDROP INDEX i;\n",
        },
        "dbmate",
    )
    goose = of(
        {
            "1_a.sql": "-- +goose Up\nCREATE TABLE t (id int);\n-- +goose Down\nDROP TABLE t;\n",
            "2_b.sql": "-- +goose Up\n-- +goose StatementBegin\n"
            "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$\nBEGIN RETURN 1; END $$;\n"
            "-- +goose StatementEnd\n\n-- +goose Down\n\nSELECT 1;\n",
        },
        "goose",
    )
    assert Proved(bench, dbmate).clean
    found = Proved(bench, goose)
    (one, _) = found.marked(Mark.ERROR)
    assert (one.path, one.line) == ("2_b.sql", 9)
    assert one.said == "after the down function public.f() is there and was not"
