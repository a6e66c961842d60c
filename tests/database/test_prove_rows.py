"""Generated rows on a real PostgreSQL: what tables take, and what is said of those that take none."""

import pytest

from lastgood.database._proof_bench import Bench
from lastgood.model.database import Failed
from lastgood.model.schema import Script

TYPES = (
    *("smallint", "int", "bigint", "numeric", "numeric(4,2)", "numeric(3,3)", "real", "double precision", "money"),
    *("text", "varchar", "varchar(5)", "char(2)", "char(1)", "name", "boolean", "date", "timestamp", "timestamptz"),
    *("time", "timetz", "interval", "uuid", "json", "jsonb", "jsonpath", "xml", "bytea", "bit(3)", "varbit(4)", "bit"),
    *("inet", "cidr", "macaddr", "macaddr8", "point", "line", "lseg", "box", "path", "polygon", "circle"),
    *("tsvector", "tsquery", "pg_lsn", "int4range", "int8range", "numrange", "daterange", "tsrange", "tstzrange"),
    *("int4multirange", "int[]", "varchar(5)[]", "mood", "mood[]", "dozen", "code", "oid", "uuid[]"),
)
KINDS = """CREATE TYPE mood AS ENUM ('sad', 'so so', 'it''s good', 'best');
CREATE DOMAIN dozen AS int CHECK (VALUE BETWEEN 1 AND 12); CREATE DOMAIN code AS varchar(3) NOT NULL;
CREATE TYPE pair AS (a int, b int);"""


def seeded(bench: Bench, sql: str) -> dict[str, str]:
    """Make the tables in an empty database and put rows in; why those without took none."""
    bench.renew()
    made = bench.apply(Script("1_a.up.sql", sql, ""))
    assert not isinstance(made, Failed), made
    return bench.seed(0)


def rows(bench: Bench) -> dict[str, int]:
    return {name.removeprefix("public."): found.count for name, found in bench.state().rows.items()}


def test_every_type_must_have_values_of_three_rows(bench: Bench) -> None:
    columns = ", ".join(f'"{type_}" {type_} NOT NULL' for type_ in TYPES)
    assert seeded(bench, f"{KINDS} CREATE TABLE every ({columns});") == {}
    found = bench.state().rows["public.every"]
    assert found.rows is not None
    assert (found.count, len(found.columns)) == (3, len(TYPES))
    moods = {row[found.columns.index("mood")] for row in found.rows}
    assert len(moods) == 3


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, twice int GENERATED ALWAYS AS (2) STORED)",
        "CREATE TABLE t (size text NOT NULL UNIQUE CHECK (size IN ('S', 'M', 'it''s L')))",
        "CREATE TABLE t (stars smallint NOT NULL CHECK (stars BETWEEN 1 AND 5), id bigserial)",
        "CREATE TABLE t (email text NOT NULL CHECK (email ~ '^[^@ ]+@[^@ ]+$'))",
        "CREATE TABLE t (slug text PRIMARY KEY CHECK (slug ~ '^[a-z]+$'))",
        "CREATE TABLE t (a int NOT NULL CHECK (a > 0), b int NOT NULL, CHECK (a = b))",
        (
            "CREATE TABLE p (a int, b text, PRIMARY KEY (a, b)); CREATE TABLE t (b text, a int, UNIQUE (b, a), "
            "FOREIGN KEY (a, b) REFERENCES p)"
        ),
        "CREATE TABLE z (id int PRIMARY KEY); CREATE TABLE t (id int PRIMARY KEY REFERENCES z)",
        "CREATE TABLE t (id int PRIMARY KEY, up int NOT NULL REFERENCES t)",
        "CREATE TABLE t (id int PRIMARY KEY, up int REFERENCES t)",
        (
            "CREATE TABLE u (id int PRIMARY KEY, t int); CREATE TABLE t (id int PRIMARY KEY, u int REFERENCES u); "
            "ALTER TABLE u ADD FOREIGN KEY (t) REFERENCES t DEFERRABLE INITIALLY DEFERRED"
        ),
        "CREATE TABLE t ()",
    ],
)
def test_rules_of_a_table_must_be_kept(bench: Bench, sql: str) -> None:
    assert seeded(bench, sql) == {}
    assert rows(bench)["t"] == 3


def test_the_same_number_must_give_the_same_rows_and_another_one_more(bench: Bench) -> None:
    sql = "CREATE TABLE t (id int PRIMARY KEY, note text)"
    seeded(bench, sql)
    first = bench.state().rows
    seeded(bench, sql)
    assert bench.state().rows == first
    assert bench.seed(1) == {}
    assert rows(bench)["t"] == 3
    bench.apply(Script("2_a.up.sql", "ALTER TABLE t ADD more int", ""))
    assert bench.seed(1) == {}
    assert rows(bench)["t"] == 6


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("CREATE TABLE t (a pair NOT NULL)", "no value of type public.pair is known for a"),
        ("CREATE TABLE t (a int NOT NULL CHECK (a * a < 0))", 'violates check constraint "t_a_check"'),
        (
            (
                "CREATE TABLE t (a int); "
                "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; "
                "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()"
            ),
            "a trigger or a rule keeps rows out",
        ),
        ("CREATE TABLE t (a int) PARTITION BY LIST (a)", 'no partition of relation "t" found for row'),
    ],
)
def test_why_a_table_takes_no_rows_must_be_said(bench: Bench, sql: str, why: str) -> None:
    found = seeded(bench, f"{KINDS} {sql}; CREATE TABLE other (id int);")
    assert set(found) == {"public.t"}
    assert why in found["public.t"]
    assert rows(bench)["other"] == 3
