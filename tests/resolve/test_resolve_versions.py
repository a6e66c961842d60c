"""Which release's migrations explain a schema, and whether the table of a clean database is right."""

import os
from types import SimpleNamespace

import pytest
from resolveworld import SHOP, Database, dbmate, golang, goose, leftovers

from lastgood.database.drift import drift
from lastgood.database.resolve import look, settle
from lastgood.model.database import Difference
from lastgood.model.errors import Refused
from lastgood.model.facts import Known, Unknown
from lastgood.model.standing import Truth

ONE, TWO, THREE = (up for up, _ in SHOP)
FILES, OLDER = golang(*SHOP), golang(*SHOP[:2])
SETS = {"dbmate": dbmate(*SHOP), "goose": goose(*SHOP)}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, worker_id: str) -> str:
    """The name of everything throw-away of this test."""
    named = SimpleNamespace(token_hex=lambda _: f"test-{worker_id}-{os.getpid()}")
    monkeypatch.setattr("lastgood.database.resolve.secrets", named)
    return f"resolve-{named.token_hex(8)}"


def test_a_clean_and_right_version_needs_nothing(db: Database, run: str) -> None:
    db.lives(ONE, TWO, says="2, false")
    found = db.look(FILES).resolution
    assert (found.truth, found.matches, found.to, found.next) == (Truth.RIGHT, ("2",), None, ())
    assert db.rows() == "2|f"
    assert leftovers(db.server, run) == []


def test_a_wrong_clean_version_is_found(db: Database) -> None:
    """Somebody forced it."""
    db.lives(ONE, TWO, says="3, false")
    found = db.resolved(FILES)
    assert found.said == ("the schema is that of version 2; noted and not applied: 3",)
    assert db.rows() == "2|f"


def test_a_version_that_only_another_release_knows_is_explained_by_that(db: Database) -> None:
    db.lives(ONE, TWO, THREE, says="3, true")
    found = db.resolved(OLDER, "its commit is not known", FILES)
    assert (found.to, found.where) == ("3", "migrations of release 2")
    assert db.rows() == "3|f"


def test_a_failed_down_is_found_by_the_release_that_was_left(db: Database) -> None:
    """The table has a version that the running release knows, and the schema is that of one that it does not."""
    db.lives(ONE, TWO, THREE, says="2, true")
    found = db.resolved(OLDER, FILES)
    assert (found.to, found.where) == ("3", "migrations of release 1")


def test_a_version_that_nobody_knows_is_said_to_be_so(db: Database) -> None:
    db.lives(ONE, TWO, says="99, false")
    found = db.resolved(FILES)
    assert "no release that is known has version 99" in found.said
    assert db.rows() == "2|f"


def test_without_any_migrations_nothing_is_told(db: Database) -> None:
    db.lives(ONE, says="1, true")
    with pytest.raises(Refused) as refused:
        db.look("no host has the image")
    assert refused.value.because == ("no host has the image",)


def test_a_tampered_file_is_named_with_what_differs(db: Database) -> None:
    db.lives(ONE, TWO, THREE, says="3, false")
    tampered = golang(SHOP[0], (TWO.replace("text", "varchar(10)"), "SELECT 1;"), SHOP[2])
    here = db.case(tampered)
    looked = look(here)
    assert (looked.resolution.truth, looked.resolution.to, looked.resolution.nearest) == (Truth.DIFFERENT, None, "3")
    (one,) = looked.resolution.differences
    assert one.said == 'column public.orders.note was "character varying(10)", and is "text"'
    assert (one.path, one.line) == ("0002_step.up.sql", 1)
    with pytest.raises(Refused):
        settle(here, looked)
    assert db.rows() == "3|f"


def test_a_tampered_file_is_told_from_the_one_that_was_applied(db: Database) -> None:
    db.lives(ONE, TWO, THREE, says="3, false")
    tampered = golang(SHOP[0], (TWO.replace("text", "varchar(10)"), "SELECT 1;"), SHOP[2])
    found = db.look(tampered, FILES).resolution
    assert found.truth is Truth.RIGHT
    assert "the release that runs has another 0002_step.up.sql than migrations of release 1" in found.said


@pytest.mark.parametrize("kind", SETS)
def test_a_set_of_applied_versions_is_put_right(db: Database, kind: str) -> None:
    db.kind = kind
    db.sql(f"{ONE}\n{TWO}")
    db.applied("1", "2", "3")
    assert db.resolved(SETS[kind]).said == ("the schema is that of version 2; noted and not applied: 3",)
    assert db.says().applied == ("1", "2")


@pytest.mark.parametrize("kind", SETS)
def test_missing_versions_are_noted_in_their_order(db: Database, kind: str) -> None:
    db.kind = kind
    db.sql(f"{ONE}\n{TWO}\n{THREE}")
    db.applied("1", "3")
    found = db.resolved(SETS[kind])
    assert found.said == ("the schema is that of version 3; applied and not noted: 2",)
    assert (db.says().version, db.says().applied) == ("3", ("1", "2", "3"))
    assert db.look(SETS[kind]).resolution.truth is Truth.RIGHT


@pytest.mark.parametrize("kind", SETS)
def test_a_version_left_out_on_purpose_is_right(db: Database, kind: str) -> None:
    db.kind = kind
    db.sql(f"{ONE}\n{THREE.split('CREATE INDEX')[0]}")
    db.applied("1", "3")
    files = {
        name: content.replace(b"CREATE INDEX orders_note_idx ON orders (note);", b"")
        for name, content in SETS[kind].items()
    }
    found = db.look(files).resolution
    assert (found.truth, found.to) == (Truth.RIGHT, None)
    assert db.says().applied == ("1", "3")


def test_a_table_of_goose_without_its_first_row_gets_it(db: Database) -> None:
    db.kind = "goose"
    db.sql(ONE)
    db.applied()
    db.sql("DELETE FROM goose_db_version")
    assert db.resolved(SETS["goose"]).to == "1"
    assert db.sql("SELECT version_id, is_applied FROM goose_db_version ORDER BY id") == "0|t\n1|t"


def test_migrations_that_are_no_sql_are_refused(db: Database) -> None:
    db.kind = "alembic"
    db.sql("CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)")
    with pytest.raises(Refused) as refused:
        db.look({"versions/a.py": b"revision = 'a'\ndown_revision = None\n"})
    assert "no SQL" in refused.value.what


def test_two_rows_where_the_tool_keeps_one_are_made_one(db: Database) -> None:
    db.lives(ONE, TWO, says="2, false")
    db.sql("INSERT INTO schema_migrations VALUES (1, false)")
    assert db.resolved(FILES).to == "2"
    assert db.rows() == "2|f"


def test_migrations_that_make_schema_and_extension_are_replayed(db: Database) -> None:
    first = "CREATE SCHEMA shop;\nCREATE EXTENSION citext SCHEMA shop;\nCREATE TABLE shop.orders (id int, item citext);"
    db.lives("SET search_path = shop, public;", first, says="2, true")
    db.schema = "shop"
    files = golang((first.replace("item citext", "item shop.citext"), "DROP SCHEMA shop CASCADE;"), SHOP[1])
    found = db.resolved(files)
    assert (found.to, found.taken) == ("1", ())
    assert db.rows() == "1|f"


def test_a_schema_of_its_own_and_a_quoted_table_must_work(db: Database) -> None:
    table = '"mi""grate"."Ver sions"'
    db.sql(f'CREATE SCHEMA "Shop"; CREATE SCHEMA "mi""grate"; CREATE TABLE {table} (version bigint, dirty boolean);')
    db.sql(f'SET search_path = "Shop", public;\n{ONE}\n{TWO}\nINSERT INTO {table} VALUES (3, true);')
    db.schema, db.options = "Shop", {"table": table}
    found = db.resolved(FILES)
    assert (found.to, found.table) == ("2", table)
    assert found.taken == (
        'the schema mi"grate was there before the first migration',
        "the schema Shop was there before the first migration",
    )
    assert db.sql(f"TABLE {table}") == "2|f"


def test_an_extension_that_the_migrations_need_and_do_not_make_is_put_there_first(db: Database) -> None:
    table = "CREATE TABLE orders (id serial PRIMARY KEY, item citext NOT NULL);"
    db.lives("CREATE EXTENSION citext;", table, says="2, true")
    found = db.resolved(golang((table, "DROP TABLE orders;"), SHOP[1]))
    assert (found.to, found.taken) == ("1", ("the extension citext was there before the first migration",))


def test_an_extension_that_no_migration_needs_is_no_difference(db: Database) -> None:
    db.lives(ONE, TWO, "CREATE EXTENSION pg_trgm;", says="3, true")
    found = db.resolved(FILES)
    assert (found.to, found.taken) == ("2", ("the extension pg_trgm was put there by no migration",))


def test_a_database_by_dsn_is_compared_with_one_beside_it(db: Database, run: str) -> None:
    db.dsn = True
    db.lives(ONE, TWO, says="3, true")
    assert db.resolved(FILES).to == "2"
    assert db.rows() == "2|f"
    assert leftovers(db.server, run) == []


def test_drift_is_what_the_migrations_did_not_make(db: Database) -> None:
    db.lives(ONE, TWO, says="2, false")
    here = db.case(OLDER)
    assert drift(here.stand(), db.says(), here.sources) == Known(Difference())
    db.sql("CREATE TABLE extra (id int); ALTER TABLE orders ALTER item DROP NOT NULL")
    found = drift(here.stand(), db.says(), here.sources)
    assert found == Known(
        Difference(
            (
                "table public.extra is there and was not",
                'column public.orders.item was "text not null", and is "text"',
            )
        )
    )


def test_drift_is_unknown_where_the_version_cannot_be_believed(db: Database) -> None:
    db.lives(ONE, says="2, true")
    here = db.case(OLDER)
    found = drift(here.stand(), db.says(), here.sources)
    assert isinstance(found, Unknown)
    assert "dirty" in found.reason
    db.sql("UPDATE schema_migrations SET version = 7, dirty = false")
    assert drift(here.stand(), db.says(), here.sources) == Unknown("no release that is known has 7")
