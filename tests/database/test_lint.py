"""Findings in migration files. A case is the files as a team has them, and everything that must be found in them.

A finding is written as `FILE:LINE MARK RULE`; `8_x.up.sql` stands for the up file of version 8.
"""

import msgspec
import pytest
from linted import Case, migration, script, short

from lastgood.database.lint import lint
from lastgood.model.lint import Finding, Mark
from lastgood.model.schema import Migration, Migrations

CLEAN_UP = """\
-- Orders of the shop.
CREATE TABLE orders (
  id bigserial PRIMARY KEY,
  item text NOT NULL,
  state text NOT NULL DEFAULT 'new;'
);
CREATE INDEX orders_state_idx ON orders (state);
COMMENT ON TABLE orders IS 'orders; one row each';
"""


TRIGGER_UP = """\
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.changed_at = now();
  RETURN NEW;
END;
$$;
CREATE TRIGGER orders_touch BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION touch();
"""


PAIRS = (
    Case("a table with an index and its drop are clean", CLEAN_UP, "DROP TABLE orders;"),
    Case("no down", CLEAN_UP, None, ("8_x.up.sql:1 error missing-down",), said=("-- irreversible: REASON",)),
    Case("no up", None, "DROP TABLE orders", ("8_x.down.sql:1 info heavy-lock", "8_x.down.sql:1 error missing-up")),
    Case("an empty down", CLEAN_UP, "\n", ("8_x.down.sql:1 error empty-down",), said=("the down file is empty",)),
    Case("a down of comments", CLEAN_UP, "-- TODO\n;", ("8_x.down.sql:1 error empty-down",), said=("comments only",)),
    Case(
        "no down, and the reason why",
        "DROP TABLE carts;",
        None,
        ("8_x.up.sql:1 info heavy-lock", "8_x.up.sql:1 info irreversible"),
        irreversible="carts were never used",
        said=("irreversible: carts were never used",),
    ),
    Case(
        "an empty down, and the reason why",
        "DELETE FROM carts;",
        "-- irreversible: test data",
        ("8_x.down.sql:1 info irreversible",),
        irreversible="test data",
    ),
    Case(
        "text that is not SQL",
        "CREATE TABLE a (b int);\nCRATE TABLE c (d int);",
        "\\i drop.sql",
        ("8_x.down.sql:1 error does-not-parse", "8_x.up.sql:2 error does-not-parse"),
        said=('syntax error at or near "CRATE"', 'syntax error at or near "\\"'),
    ),
    Case(
        "a down that is content with nothing",
        "CREATE TABLE a (b int); CREATE TABLE c (d int);",
        "BEGIN;\nDROP TABLE IF EXISTS a;\nDROP TABLE IF EXISTS c;\nCOMMIT;",
        (
            "8_x.down.sql:1 info transaction-control",
            "8_x.down.sql:2 info heavy-lock",
            "8_x.down.sql:2 warning masked-down",
            "8_x.down.sql:3 info heavy-lock",
        ),
    ),
    Case(
        "a down of which one statement must find something",
        "CREATE TABLE a (b int); CREATE TABLE c (d int);",
        "SET lock_timeout = '2s'; DROP TABLE IF EXISTS a; DROP TABLE c;",
    ),
    Case(
        "code in both directions",
        "DO $$ BEGIN CREATE TABLE a (b int); END $$;",
        "DO $$ BEGIN DROP TABLE a; END $$;",
        ("8_x.down.sql:1 warning opaque", "8_x.up.sql:1 info opaque"),
        said=("DO runs code", "a rollback stops and asks before it runs this"),
    ),
    Case(
        "BEGIN without COMMIT",
        "BEGIN;\nCREATE TABLE a (b int);",
        "SET lock_timeout = 1000; DROP TABLE a;",
        ("8_x.up.sql:1 error transaction-control",),
        said=("left dirty",),
    ),
    Case(
        "two transactions in a file",
        "BEGIN; CREATE TABLE a (b int); COMMIT; BEGIN; CREATE TABLE c (b int); COMMIT;",
        "SET lock_timeout = 1000; DROP TABLE a, c;",
        ("8_x.up.sql:1 warning transaction-control",),
        said=("BEGIN, COMMIT, BEGIN, COMMIT",),
    ),
    Case(
        "an index built concurrently, alone in its file",
        "CREATE INDEX CONCURRENTLY i ON orders (state);",
        "DROP INDEX CONCURRENTLY i;",
    ),
    Case(
        "an index built concurrently among others",
        "SET statement_timeout = 0;\nCREATE INDEX CONCURRENTLY i ON orders (state);",
        "DROP INDEX CONCURRENTLY i;",
        ("8_x.up.sql:2 error not-alone",),
        said=("sent as one query it fails", "give CREATE INDEX CONCURRENTLY a file of its own"),
    ),
    Case(
        "the same where the file asks for no transaction",
        "SET statement_timeout = 0;\nCREATE INDEX CONCURRENTLY i ON orders (state);",
        "DROP INDEX CONCURRENTLY i;",
        ("8_x.up.sql:2 warning not-alone",),
        transaction=False,
    ),
    Case(
        "an enum value among others",
        "ALTER TYPE mood ADD VALUE 'cross';\nCREATE TABLE a (b int);",
        "DROP TABLE a;",
        ("8_x.up.sql:1 info enum-value", "8_x.up.sql:1 warning not-undone"),
        said=("enum value 'cross'",),
    ),
)


UNDO = (
    Case(
        "a trigger and its function", TRIGGER_UP, "DROP FUNCTION touch() CASCADE; DROP TRIGGER orders_touch ON orders;"
    ),
    Case(
        "a forgotten function",
        TRIGGER_UP,
        "DROP TRIGGER orders_touch ON orders;",
        ("8_x.up.sql:1 warning not-undone",),
        said=("function touch: the down does not mention it",),
    ),
    Case(
        "a forgotten index",
        "ALTER TABLE orders ADD COLUMN note text;\nCREATE INDEX orders_item_idx ON orders (item);",
        "ALTER TABLE orders DROP COLUMN note;",
        ("8_x.up.sql:2 warning not-undone",),
        said=("index orders_item_idx",),
    ),
    Case(
        "an index that goes with its column, and a constraint that goes with its table",
        "ALTER TABLE orders ADD COLUMN note text;\nCREATE INDEX ON orders (note);\n"
        "CREATE TABLE lines (id int);\nALTER TABLE lines ADD CONSTRAINT positive CHECK (id > 0);",
        "ALTER TABLE orders DROP COLUMN note;\nDROP TABLE lines;",
    ),
    Case(
        "all that is in a schema that goes",
        "CREATE SCHEMA shop; CREATE TABLE shop.a (b int); CREATE VIEW shop.v AS SELECT b FROM shop.a;"
        "CREATE INDEX ON shop.a (b); CREATE TYPE shop.mood AS ENUM ('x');",
        "DROP SCHEMA shop CASCADE;",
    ),
    Case(
        "names in other letters, with quotes and with the usual schema",
        'CREATE TABLE Orders2 (id int); CREATE TABLE public.lines (id int); CREATE TABLE "Weird.One" (id int);',
        'DROP TABLE orders2; DROP TABLE "lines"; DROP TABLE public."Weird.One";',
    ),
    Case(
        "a view, a type, a column and a sequence forgotten",
        "CREATE VIEW v AS SELECT 1;\nCREATE TYPE mood AS ENUM ('x');\nALTER TABLE orders ADD COLUMN feel mood;\n"
        "CREATE SEQUENCE numbers;\nCREATE TABLE a (b int);",
        "-- v, mood, feel and numbers stay\nDROP TABLE a;",
        tuple(f"8_x.up.sql:{line} warning not-undone" for line in (1, 2, 3, 4)),
    ),
    Case(
        "an extension that stays",
        "CREATE EXTENSION IF NOT EXISTS hstore; CREATE TABLE a (b hstore);",
        "DROP TABLE a;",
        ("8_x.up.sql:1 info not-undone",),
    ),
    Case(
        "a column renamed and not renamed back",
        "ALTER TABLE orders RENAME note TO remark;\nCREATE TABLE a (b int);",
        "DROP TABLE a;",
        ("8_x.up.sql:1 warning not-undone",),
        said=("the new name orders.remark",),
    ),
    Case(
        "an enum made anew under its old name",
        "CREATE TYPE new_mood AS ENUM ('fine', 'cross');\n"
        "ALTER TABLE orders ALTER feel TYPE new_mood USING feel::text::new_mood;\n"
        "DROP TYPE mood;\nALTER TYPE new_mood RENAME TO mood;",
        "CREATE TYPE old_mood AS ENUM ('fine');\n"
        "ALTER TABLE orders ALTER feel TYPE old_mood USING feel::text::old_mood;\n"
        "DROP TYPE mood;\nALTER TYPE old_mood RENAME TO mood;",
        ("8_x.down.sql:2 warning rewrite", "8_x.up.sql:2 warning rewrite", "8_x.up.sql:2 info lossy-up"),
    ),
    Case(
        "what is made for the migration only",
        "CREATE TEMP TABLE t AS SELECT 1 AS id; CREATE TABLE swap (id int); DROP TABLE swap; CREATE TABLE a (b int);",
        "DROP TABLE a;",
    ),
    Case(
        "a down with code in it may do anything",
        "CREATE TABLE a (b int); CREATE VIEW v AS SELECT 1;",
        "DO $$ BEGIN EXECUTE 'DROP ' || 'TABLE a'; END $$",
        ("8_x.down.sql:1 warning opaque",),
    ),
    Case(
        "a dropped column that comes back empty",
        "ALTER TABLE orders DROP COLUMN note;",
        "SELECT 1;\nALTER TABLE public.orders ADD COLUMN note text;",
        ("8_x.down.sql:2 error resurrected-empty",),
        said=("it makes column public.orders.note again, which the up drops", "-- irreversible: REASON"),
    ),
    Case(
        "the same, told beforehand",
        "ALTER TABLE orders DROP COLUMN note;",
        "ALTER TABLE orders ADD COLUMN note text;",
        ("8_x.down.sql:1 info irreversible",),
        irreversible="nobody reads notes",
    ),
    Case(
        "a dropped table that comes back empty",
        "DROP TABLE carts;",
        "CREATE TABLE carts (id int);",
        ("8_x.down.sql:1 error resurrected-empty",),
    ),
    Case(
        "a dropped column that is filled again",
        "ALTER TABLE orders DROP COLUMN note;",
        "ALTER TABLE orders ADD COLUMN note text; UPDATE orders SET note = n.note FROM notes n WHERE n.id = orders.id;",
    ),
    Case(
        "a dropped table that nothing brings back",
        "DROP TABLE carts;",
        "SELECT 1;",
        ("8_x.up.sql:1 warning lossy-up",),
        said=("table carts may be lost, and no down brings that back: DROP TABLE",),
    ),
    Case(
        "rows deleted and values overwritten",
        "DELETE FROM carts WHERE at < '2020-01-01';\nUPDATE orders SET item = lower(item);",
        "SELECT 1;",
        ("8_x.up.sql:1 warning lossy-up", "8_x.up.sql:2 warning lossy-up"),
        said=("rows carts", "values orders.item"),
    ),
    Case(
        "a new column that is filled",
        "ALTER TABLE orders ADD COLUMN total int;\nUPDATE orders SET total = 0;\nDELETE FROM carts;",
        "ALTER TABLE orders DROP COLUMN total;",
        ("8_x.up.sql:3 warning lossy-up",),
    ),
    Case(
        "a type that nothing uses, dropped and made again",
        "DROP TYPE mood; DROP VIEW v; DROP INDEX CONCURRENTLY i;",
        "CREATE TYPE mood AS ENUM ('x'); CREATE VIEW v AS SELECT 1; CREATE INDEX i ON empty (a);",
        ("8_x.up.sql:1 error not-alone",),
    ),
)


GAPS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("1", "2", "3"), ()),
    (("1", "2", "4"), ("4",)),
    (("3", "4", "9", "10", "12"), ("9", "12")),
    (("10", "20", "30"), ()),
    (("10", "20", "40"), ("40",)),
    (("20240101120000", "20240301090000"), ()),
    (("1700000000", "1700009999"), ()),
    (("1", "2", "20240101120000"), ()),
    (("7",), ()),
    ((), ()),
    (("ae1027a6acf", "b3f1"), ()),
)


@pytest.mark.parametrize("case", PAIRS, ids=lambda case: case.says)
def test_files_are_there_and_can_be_run(case: Case) -> None:
    found = lint(Migrations((migration(case),)))
    expected = set(case.found)
    quiet = {short(one) for one in found if one.rule == "heavy-lock" and one.mark is Mark.INFO} - expected
    assert {short(one) for one in found} - quiet == expected
    assert all(any(text in f"{one.said} {one.next}" for one in found) for text in case.said)


@pytest.mark.parametrize("case", UNDO, ids=lambda case: case.says)
def test_the_down_undoes_what_the_up_did(case: Case) -> None:
    found = lint(Migrations((migration(case),)))
    assert {short(one) for one in found if one.rule != "heavy-lock"} == set(case.found)
    assert all(any(text in f"{one.said} {one.next}" for one in found) for text in case.said)


@pytest.mark.parametrize(("versions", "after"), GAPS)
def test_a_missing_number_is_told_but_not_between_timestamps(versions: tuple[str, ...], after: tuple[str, ...]) -> None:
    steps = tuple(
        Migration(at, "x", script(f"{at}_x.up.sql", "SELECT 1"), script(f"{at}_x.down.sql", "SELECT 1"))
        for at in versions
    )
    found = lint(Migrations(steps))
    assert [(one.path, one.rule, one.mark) for one in found] == sorted(
        (f"{at}_x.up.sql", "gap", Mark.WARNING) for at in after
    )


def test_files_that_cannot_be_what_they_are_come_first() -> None:
    files = Migrations((migration(Case("", CLEAN_UP, None)),), problems=("duplicate migration file: 1_a.up.sql",))
    assert lint(files)[0] == Finding("", 0, "bad-file", Mark.ERROR, "duplicate migration file: 1_a.up.sql")
    assert [one.rule for one in lint(files)] == ["bad-file", "missing-down"]


def test_migrations_that_are_no_sql_are_not_judged_by_their_text() -> None:
    found = lint(Migrations((Migration("ae10", "x", script("ae10.py", "def upgrade(): ..."), None),), native=False))
    assert [(one.rule, one.mark, one.next) for one in found] == [("not-sql", Mark.INFO, "")]


def test_findings_have_one_order_however_the_files_come() -> None:
    steps = tuple(
        msgspec.structs.replace(
            migration(case),
            version=str(at),
            up=script(f"{at}.up.sql", case.up),
            down=script(f"{at}.down.sql", case.down),
        )
        for at, case in enumerate((*PAIRS, *UNDO))
    )
    found = lint(Migrations(steps))
    assert [(one.path, one.line) for one in found] == sorted((one.path, one.line) for one in found)
    assert found == lint(Migrations(steps[::-1]))
