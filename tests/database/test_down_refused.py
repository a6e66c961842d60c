"""Ways down that nobody can answer for: refused with the reason, and nothing is run."""

import pytest
from descending import SHOP, Database, Step, pairs, read

from lastgood.database.down import undo, undone
from lastgood.model.database import Failed
from lastgood.model.errors import NeedsHuman, Refused
from lastgood.model.schema import SchemaState
from lastgood.postgres.client import Client
from tests.postgres.pgworld import Server

TABLE = '"public"."schema_migrations"'
NEXT = ("ALTER TABLE orders ADD paid boolean", "ALTER TABLE orders DROP COLUMN paid")

DOWNS = {
    "missing": (None, "it has no down file"),
    "empty": ("", "its down file is empty"),
    "blank": ("\n \t\n", "its down file is empty"),
    "nothing but comments": ("-- to do\n/* later */\n", "its down file is empty"),
    "nothing in a transaction": ("BEGIN;\nCOMMIT;\n", "its down file is empty"),
    "no SQL": ("DROP TABEL orders;", "its down cannot be read: line 1"),
    "psql's own command": ("DROP INDEX orders_note_idx;\n\\! rm -rf /", "its down cannot be read: line 2"),
    "a block of code": ("DROP INDEX orders_note_idx; DO $$ BEGIN DELETE FROM orders; END $$;", "line 1: DO runs code"),
    "a prepared statement": ("\nEXECUTE undo;", "line 2: EXECUTE runs"),
    "a procedure": ("CALL undo();", "line 1: CALL runs the procedure undo"),
    "a function": ("SELECT undo_everything();", "undo_everything"),
    "irreversible": ("-- irreversible: mails were sent\nDROP TABLE orders;", "irreversible: mails were sent"),
}


@pytest.fixture(scope="module")
def database(server: Server) -> Database:
    """One database for all: nothing of this changes it."""
    server.sql("postgres", "CREATE DATABASE refused TEMPLATE template0")
    return Database(server, server.client("refused", "refused"), pairs(*SHOP, NEXT))


@pytest.mark.parametrize("last", [False, True], ids=["in between", "the newest"])
@pytest.mark.parametrize("case", DOWNS)
def test_a_down_that_nobody_can_answer_for_is_refused(case: str, last: bool) -> None:  # noqa: FBT001 - a parameter
    down, because = DOWNS[case]
    steps: tuple[Step, ...] = (*SHOP[:2], (SHOP[2][0], down), *(() if last else (NEXT,)))
    migrations = read(pairs(*steps))
    way = undone(migrations, SchemaState(TABLE, migrations.newest), "2", "this release")
    assert way[-1].version == "3"
    with pytest.raises(Refused) as refused:
        undo(way[-1])
    assert refused.value.what == "Migration 3 step cannot be undone by lastgood."
    assert because in refused.value.because[0]
    assert any("--image-only" in line for line in refused.value.next)


@pytest.mark.parametrize("case", ["missing", "nothing but comments", "a block of code"])
def test_what_is_refused_runs_nothing_though_the_newest_could_be_undone(database: Database, case: str) -> None:
    before = database.whole()
    database.migrations = read(pairs(*SHOP[:2], (SHOP[2][0], DOWNS[case][0]), NEXT))
    with pytest.raises(Refused):
        database.down("2")
    assert database.at == ("4", False)
    assert database.whole() == before


def test_versions_that_the_release_does_not_know_are_refused(database: Database) -> None:
    database.migrations = read(pairs(*SHOP[:2]))
    with pytest.raises(Refused, match="does not know") as refused:
        database.way("1")
    assert refused.value.because == ("not in the release that runs: 4",)


def test_one_unknown_version_among_those_applied_is_refused() -> None:
    migrations = read({f"{n}_a.sql": "-- migrate:up\nSELECT 1;\n-- migrate:down\nSELECT 1;" for n in (1, 3)}, "dbmate")
    found = SchemaState(TABLE, "3", ("1", "2", "3"))
    with pytest.raises(Refused) as refused:
        undone(migrations, found, "1", "this release")
    assert refused.value.because == ("not in this release: 2",)


def test_a_version_that_the_release_does_not_have_is_no_goal(database: Database) -> None:
    database.migrations = read(pairs(*SHOP, NEXT))
    with pytest.raises(Refused, match="There is no version 9 in the release that runs") as refused:
        database.way("9")
    assert refused.value.because == ("there are: 1, 2, 3, 4",)


def test_to_where_it_is_nothing_is_undone() -> None:
    assert undone(read(pairs(*SHOP)), SchemaState(TABLE, "3"), "3", "this release") == ()
    assert undone(read(pairs(*SHOP)), SchemaState(TABLE, ""), "", "this release") == ()


def test_what_was_never_applied_is_not_undone() -> None:
    migrations = read(
        {f"{n}_a.sql": "-- migrate:up\nSELECT 1;\n-- migrate:down\nSELECT 1;" for n in (1, 2, 3)}, "dbmate"
    )
    steps = undone(migrations, SchemaState(TABLE, "3", ("1", "3")), "1", "this release")
    assert [one.version for one in steps] == ["3"]


def test_a_dirty_schema_is_not_taken_down(server: Server, client: Client) -> None:
    database = Database(server, client, pairs(*SHOP))
    way = database.way("1")
    database.sql("UPDATE schema_migrations SET dirty = true")
    before = database.whole()
    failed = database.down(way)
    assert isinstance(failed, Failed)
    assert (failed.sqlstate, failed.reason) == (
        "LG001",
        "the database is at version 3, dirty now, and not at version 3",
    )
    assert database.whole() == before


def test_a_table_of_the_tool_that_cannot_be_believed_is_not_taken_down(server: Server, client: Client) -> None:
    database = Database(server, client, pairs(*SHOP))
    way = database.way("1")
    database.sql("INSERT INTO schema_migrations VALUES (2, false)")
    assert isinstance(database.down(way), Failed)
    assert database.sql("SELECT count(*) FROM pg_indexes WHERE indexname = 'orders_note_idx'") == "1"
    database.sql("DROP TABLE schema_migrations")
    with pytest.raises((Refused, NeedsHuman)):
        database.down(way)
