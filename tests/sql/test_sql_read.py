"""What is read of statements that are not run here: what they take away, hide and make, and how a text is cut."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from postgast import pg_query_pb2

from lastgood.model.schema import Doomed, Made, Statement, What
from lastgood.sql import Unparsed, parts, quoted, read, spelled
from lastgood.sql._statements import _KNOWN

DOOMED: tuple[tuple[str, tuple[tuple[What, str], ...]], ...] = (
    ("DROP TABLE orders", ((What.TABLE, "orders"),)),
    ('DROP TABLE IF EXISTS shop."Orders", lines CASCADE', ((What.TABLE, 'shop."Orders"'), (What.TABLE, "lines"))),
    (
        "ALTER TABLE orders DROP COLUMN note, DROP IF EXISTS n",
        ((What.COLUMN, "orders.note"), (What.COLUMN, "orders.n")),
    ),
    ("DROP SCHEMA shop CASCADE", ((What.SCHEMA, "shop"),)),
    ("DROP MATERIALIZED VIEW shop.totals", ((What.VIEW, "shop.totals"),)),
    ("DROP SEQUENCE numbers", ((What.SEQUENCE, "numbers"),)),
    ("DROP EXTENSION hstore", ((What.EXTENSION, "hstore"),)),
    ("DROP TYPE mood CASCADE", ((What.TYPE, "mood"),)),
    ("DROP DOMAIN shop.email", ((What.TYPE, "shop.email"),)),
    ("DROP OWNED BY app, CURRENT_USER", ((What.OWNED, "app"), (What.OWNED, "current_user"))),
    ("DROP DATABASE shop", ((What.DATABASE, "shop"),)),
    ("TRUNCATE orders, shop.lines", ((What.ROWS, "orders"), (What.ROWS, "shop.lines"))),
    ("DELETE FROM ONLY orders o WHERE o.id = 1", ((What.ROWS, "orders"),)),
    ("UPDATE shop.orders SET a = 1, (b, c) = (2, 3)", tuple((What.VALUES, f"shop.orders.{name}") for name in "abc")),
    ("WITH x AS (DELETE FROM a RETURNING *) SELECT * FROM x", ((What.ROWS, "a"),)),
    ("WITH x AS (UPDATE a SET b = 1 RETURNING *) INSERT INTO c SELECT * FROM x", ((What.VALUES, "a.b"),)),
    ("INSERT INTO a VALUES (1) ON CONFLICT (id) DO UPDATE SET b = excluded.b", ((What.VALUES, "a.b"),)),
    ("INSERT INTO a VALUES (1) ON CONFLICT DO NOTHING", ()),
    ("MERGE INTO a USING b ON a.id = b.id WHEN MATCHED THEN DELETE", ((What.ROWS, "a"),)),
    ("EXPLAIN DELETE FROM a", ()),
    ("EXPLAIN (ANALYZE) DELETE FROM a", ((What.ROWS, "a"),)),
    ("EXPLAIN (ANALYZE off) DELETE FROM a", ()),
    ("COPY (DELETE FROM a RETURNING *) TO STDOUT", ((What.ROWS, "a"),)),
    ("CREATE TABLE t AS WITH x AS (DELETE FROM a RETURNING *) SELECT * FROM x", ((What.ROWS, "a"),)),
    ("ALTER TABLE log DETACH PARTITION log_old", ((What.ROWS, "log"),)),
    ("ALTER TYPE point3 DROP ATTRIBUTE z", ((What.COLUMN, "point3.z"),)),
    ("DROP FUNCTION f(int) CASCADE", ((What.VALUES, "f"),)),
    ("DROP VIEW v", ()),
    ("DROP INDEX i CASCADE", ()),
    ("DROP FUNCTION f(int)", ()),
    ("CREATE RULE r AS ON INSERT TO a DO ALSO DELETE FROM b", ()),
    ("CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$ DROP TABLE a; $$", ()),
    ("PREPARE x AS DELETE FROM a", ()),
)
# The new type, and what is said of the old values; empty where all of them stay.
TYPES = (
    ("text", ""),
    ("varchar", ""),
    ("text USING note::text", ""),
    ("varchar(10)", "values that do not fit varchar(10) make it fail"),
    ("varchar(10) USING note::varchar(10)", "the cast to varchar(10) cuts longer values off without a word"),
    ("varchar(10) USING CAST(orders.note AS char(10))", "the cast to bpchar(10) cuts longer values off without a word"),
    ("text USING note::varchar(3)::text", "the cast to varchar(3) cuts longer values off without a word"),
    ("varchar(10) USING left(note, 10)", "USING computes other values"),
    ("text USING other", "USING computes other values"),
    ("integer", "values may be rounded or cut to int4, or make it fail"),
    ("numeric(10,2)", "values may be rounded or cut to numeric(10,2), or make it fail"),
    ("date USING note::date", "values may be rounded or cut to date, or make it fail"),
    ("mood USING note::text::mood", "values may change or fail when cast to mood"),
)
OPAQUE = (
    ("DO $$ BEGIN EXECUTE 'DROP TABLE a; DROP TABLE b'; END $$", "DO runs code"),
    ("CALL tidy(1)", "CALL runs the procedure tidy"),
    ("EXECUTE x", "EXECUTE runs a statement"),
    ("CREATE TABLE t AS EXECUTE x", "EXECUTE runs a statement"),
    ("SELECT tidy(id) FROM a", "tidy() may do anything"),
    ("SELECT shop.lower('A')", "shop.lower() may do anything"),
    ("UPDATE a SET b = tidy(b)", "tidy() may do anything"),
    ("SELECT query_to_xml('DROP TABLE a', true, true, '')", "query_to_xml() may do anything"),
    ("SELECT pg_advisory_unlock_all()", "may do anything"),
    ("COPY a FROM PROGRAM 'curl x'", "COPY … PROGRAM runs a program on the server"),
    ("COPY a TO '/etc/x'", "COPY … TO writes a file on the server"),
    ("LOAD 'x'", "LOAD runs a library"),
    ("ALTER EXTENSION postgis UPDATE", "ALTER EXTENSION UPDATE runs scripts of postgis"),
    ("SET standard_conforming_strings = off", "it changes how the server reads strings"),
    ("SELECT set_config('standard_conforming_strings', 'off', false)", "it changes how the server reads strings"),
    ("SET session_replication_role = replica", "it switches triggers and foreign keys off"),
    ("SELECT set_config(name, '1', false) FROM a", "it changes a setting whose name it computes"),
    ("SELECT " + " || ".join(["a"] * 200), "it is nested too deeply to be read"),
)
CLEAR = (
    "SELECT setval('numbers', (SELECT max(id) FROM a))",
    "SELECT pg_catalog.set_config('search_path', '', false)",
    "INSERT INTO a SELECT public.uuid_generate_v4(), coalesce(max(b), 0) FROM c",
    "SET search_path TO shop, public",
    "RESET ALL",
    "SET standard_conforming_strings = on",
    "SELECT pg_catalog.set_config('standard_conforming_strings', 'on', false)",
    "SET session_replication_role = DEFAULT",
    "INSERT INTO a VALUES ('DO $$ x $$; DROP TABLE b')",
    "COPY a FROM '/srv/a.csv'",
)
MASKED = (
    ("DROP TABLE IF EXISTS a", True),
    ("DROP TABLE a", False),
    ("CREATE TABLE IF NOT EXISTS a (b int)", True),
    ("CREATE INDEX IF NOT EXISTS i ON a (b)", True),
    ("CREATE EXTENSION IF NOT EXISTS hstore", True),
    ("CREATE SCHEMA IF NOT EXISTS s", True),
    ("ALTER TABLE IF EXISTS a DROP COLUMN b", True),
    ("ALTER TABLE a DROP COLUMN IF EXISTS b, DROP COLUMN IF EXISTS c", True),
    ("ALTER TABLE a DROP COLUMN IF EXISTS b, DROP COLUMN c", False),
    ("ALTER TABLE a ADD COLUMN IF NOT EXISTS b int", True),
    ("ALTER TYPE mood ADD VALUE IF NOT EXISTS 'x'", True),
    ("DROP ROLE IF EXISTS app", True),
    ("CREATE OR REPLACE VIEW v AS SELECT 1", False),
)
VERBS = (
    ("create unique index i on a (b)", "CREATE INDEX"),
    ("create index concurrently i on a (b)", "CREATE INDEX CONCURRENTLY"),
    ("drop index concurrently i", "DROP INDEX CONCURRENTLY"),
    ("drop materialized view v", "DROP MATERIALIZED VIEW"),
    ("alter table a rename column b to c", "ALTER TABLE"),
    ("alter view v rename to w", "ALTER VIEW"),
    ("alter index i rename to j", "ALTER INDEX"),
    ("alter type mood add value 'x'", "ALTER TYPE ADD VALUE"),
    ("alter type mood rename value 'x' to 'y'", "ALTER TYPE"),
    ("alter type mood rename to feel", "ALTER TYPE"),
    ("alter function f() owner to app", "ALTER FUNCTION"),
    ("create materialized view v as select 1", "CREATE MATERIALIZED VIEW"),
    ("create procedure p() language sql as ''", "CREATE PROCEDURE"),
    ("reindex (concurrently) table a", "REINDEX CONCURRENTLY"),
    ("analyze a", "ANALYZE"),
    ("with x as (select 1) delete from a", "DELETE"),
    ("values (1)", "SELECT"),
    ("end", "COMMIT"),
)
MAKES: tuple[tuple[str, tuple[Made, ...]], ...] = (
    ("CREATE TABLE shop.a (b int)", (Made("table", "shop.a"),)),
    ("CREATE TEMP TABLE a (b int)", (Made("temporary table", "a"),)),
    ("CREATE INDEX ON shop.a (b, lower(c))", (Made("index", "shop.a_b_expr_idx", "shop.a"),)),
    ("ALTER TABLE a ADD COLUMN b int REFERENCES c", (Made("column", "a.b", "a"), Made("constraint", "a_b_fkey", "a"))),
    ("ALTER TABLE a ADD UNIQUE (b, c)", (Made("constraint", "a_b_c_key", "a"),)),
    ("ALTER TABLE a ADD PRIMARY KEY USING INDEX i", (Made("constraint", "i", "a"),)),
    ("ALTER TABLE shop.a RENAME TO b", (Made("name", "shop.b", "shop.a"),)),
    ("ALTER TABLE a RENAME b TO c", (Made("name", "a.c", "a.b"),)),
    ("ALTER TABLE a SET SCHEMA s", (Made("name", "s.a", "a"),)),
    ("ALTER SCHEMA s RENAME TO t", (Made("name", "t", "s"),)),
    ("ALTER TYPE shop.mood ADD VALUE 'so so'", (Made("enum value", "'so so'", "shop.mood"),)),
    ("CREATE SCHEMA s CREATE TABLE a (b int)", (Made("schema", "s"), Made("table", "a"))),
    ("CREATE OR REPLACE FUNCTION s.f() RETURNS int LANGUAGE sql AS 'select 1'", (Made("function", "s.f"),)),
)
UNREADABLE = (
    ("SELECT 1;\n\n  SELEC 2;\nSELECT 3", 3, 'syntax error at or near "SELEC"'),
    ("\\d orders\n", 1, 'syntax error at or near "\\"'),
    ("-- é\nSELECT 'ü' FROM WHERE", 2, 'syntax error at or near "WHERE"'),
    ("COPY a (b) FROM stdin;\n1\n\\.\n", 2, 'syntax error at or near "1"'),
    ("SELECT 1;\nSELECT 'open\n", 2, "unterminated quoted string"),
    ("SELECT 1;\n\0DROP TABLE a", 2, "NUL"),
    ("SELECT '\ud800'", 1, "no Unicode"),
    ("SELECT (", 1, "syntax error at end of input"),
    ("SELECT " + "(" * 50_000, 1, "memory exhausted"),
)


def one(sql: str) -> Statement:
    (statement,) = read(sql)
    return statement


@pytest.mark.parametrize(("sql", "doomed"), DOOMED)
def test_what_a_statement_takes_away_is_named(sql: str, doomed: tuple[tuple[What, str], ...]) -> None:
    assert tuple((lost.what, lost.name) for lost in one(sql).doomed) == doomed


@pytest.mark.parametrize(("new", "because"), TYPES)
def test_a_change_of_type_says_what_becomes_of_the_values(new: str, because: str) -> None:
    doomed = (Doomed(What.VALUES, "orders.note", because),) if because else ()
    statement = one(f"ALTER TABLE orders ALTER COLUMN note TYPE {new}")
    assert (statement.doomed, statement.rewrites) == (doomed, ("orders",) if because else ())


@pytest.mark.parametrize(("sql", "why"), OPAQUE)
def test_what_nobody_can_tell_is_opaque(sql: str, why: str) -> None:
    assert why in one(sql).opaque


@pytest.mark.parametrize("sql", CLEAR)
def test_what_can_be_told_is_not_opaque(sql: str) -> None:
    assert (one(sql).opaque, one(sql).doomed) == ("", ())


@pytest.mark.parametrize(("sql", "masked"), MASKED)
def test_a_statement_that_is_content_with_nothing_is_masked(sql: str, masked: bool) -> None:  # noqa: FBT001
    assert one(sql).masked is masked


@pytest.mark.parametrize(("sql", "verb"), VERBS)
def test_a_statement_is_called_as_people_call_it(sql: str, verb: str) -> None:
    assert one(sql).verb == verb


@pytest.mark.parametrize(("sql", "makes"), MAKES)
def test_what_a_statement_makes_is_named(sql: str, makes: tuple[Made, ...]) -> None:
    assert one(sql).makes == makes


@pytest.mark.parametrize(("sql", "line", "why"), UNREADABLE)
def test_what_does_not_parse_is_refused_with_its_line(sql: str, line: int, why: str) -> None:
    with pytest.raises(Unparsed, match="line") as refused:
        read(sql)
    assert refused.value.line == line
    assert why in refused.value.why


def test_a_text_is_cut_where_statements_end_and_nowhere_else() -> None:
    text = """\
-- first; a comment
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
  UPDATE a SET b = 'x;y'; RETURN NEW;
END $body$;
;;
INSERT INTO "a;b" VALUES ('é;', E'\\';', $$;$$) -- not; here
  /* nor; here */;

  SELECT 1 /* ; */ + 2 -- the end"""
    assert [(found.line, found.text.splitlines()[0]) for found in read(text)] == [
        (2, "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $body$"),
        (7, "INSERT INTO \"a;b\" VALUES ('é;', E'\\';', $$;$$)"),
        (10, "SELECT 1 /* ; */ + 2"),
    ]


def test_one_statement_that_is_too_deep_does_not_hide_its_neighbours() -> None:
    deep = "SELECT " + " + ".join(["é"] * 300)
    found = read(f"DROP TABLE a; -- {deep};\n{deep};\n\nDROP TABLE b")
    assert [(each.line, each.verb, bool(each.opaque)) for each in found] == [
        (1, "DROP TABLE", False),
        (2, "SELECT", True),
        (4, "DROP TABLE", False),
    ]


@pytest.mark.parametrize("text", ["", "\n", "-- nothing\n", "/* nothing */ ; ;"])
def test_a_text_without_statements_has_none(text: str) -> None:
    assert read(text) == ()


def test_every_statement_of_the_grammar_is_known() -> None:
    fields = pg_query_pb2.Node.DESCRIPTOR.fields
    kinds = {field.message_type.name for field in fields if field.message_type}
    # Parts of others, or of functions' bodies, that never stand alone.
    parts_of_others = {"RawStmt", "SetOperationStmt", "ReturnStmt", "PLAssignStmt", "ReplicaIdentityStmt"}
    assert {kind for kind in kinds if kind.endswith("Stmt")} - parts_of_others == _KNOWN.keys()


@given(st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=4))
def test_a_name_can_be_taken_apart_again(names: list[str]) -> None:
    assert parts(spelled(*names)) == parts(quoted(*names)) == tuple(names)


@pytest.mark.parametrize("name", ["", ".", "a.", ".a", 'a"b', '"a', "a..b"])
def test_what_is_no_name_is_not_taken_apart(name: str) -> None:
    with pytest.raises(ValueError, match="no name"):
        parts(name)


WORDS = "SELECT DROP TABLE a b , ; ( ) ' \" $$ $x$ -- /* */ \n :: . 1 é FROM ALTER ADD COLUMN int INDEX ON E' \\ \0"
words = st.sampled_from(WORDS.split(" "))


@given(st.one_of(st.text(), st.lists(words).map(" ".join)))
@example("SELECT 1;\x85SELECT 2")
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = read(text)
    except ValueError:
        return
    assert all(each.text and each.text in text for each in found)


pieces: Any = st.sampled_from(
    [
        *(sql for sql, _ in (*DOOMED, *OPAQUE, *MASKED, *VERBS)),
        *CLEAR,
        "INSERT INTO a VALUES (';', $x$;$x$, U&'\\0041', 'é')",
    ]
)
between = st.sampled_from([";", ";\n", " ; -- no; not here\n", ";/* ;\n/* nested; */ */", ";;\n\n"])


@given(st.lists(st.tuples(pieces, between), max_size=6))
def test_cutting_keeps_every_statement_in_its_place(made: list[tuple[str, str]]) -> None:
    text = "".join(sql + end for sql, end in made)
    begins = [len("".join(sql + end for sql, end in made[:at])) for at in range(len(made))]
    assert [(each.text, each.line) for each in read(text)] == [
        (sql, text.count("\n", 0, begin) + 1) for (sql, _), begin in zip(made, begins, strict=True)
    ]
