"""Setting a version disturbs nobody, and is done only where everything is as it was looked at."""

import pytest
from resolveworld import SHOP, Database, after, golang, locking

from lastgood.database.resolve import look, settle
from lastgood.model.errors import LeaseHeld, Refused, WorldMoved

ONE, TWO, THREE = (up for up, _ in SHOP)
FILES = golang(*SHOP)


def keys(db: Database) -> tuple[int, ...]:
    """The locks of the tool's command line, and of programs that have it built in."""
    return db.case(FILES).tool.migrator.locks(db.name, "public", "schema_migrations")


@pytest.mark.parametrize("which", [0, 1])
def test_a_migration_under_way_is_nothing_to_resolve(db: Database, which: int) -> None:
    db.lives(ONE, TWO, says="3, true")
    with locking(db, keys(db)[which], "the app") as pid, pytest.raises(LeaseHeld) as held:
        db.look(FILES)
    assert held.value.because[0].startswith(f"process {pid}, application the app, user shop")
    assert db.rows() == "3|t"
    assert db.told == []


@pytest.mark.parametrize("which", [0, 1])
def test_a_lock_taken_since_the_look_keeps_the_version_from_being_set(db: Database, which: int) -> None:
    db.lives(ONE, TWO, says="3, true")
    here = db.case(FILES)
    looked = look(here)
    with locking(db, keys(db)[which], "migrate") as pid, pytest.raises(LeaseHeld) as held:
        settle(here, looked)
    assert f"process {pid}, application migrate" in held.value.because[0]
    assert db.rows() == "3|t"
    settle(here, looked)
    assert db.rows() == "2|f"


def test_a_lock_that_is_let_go_of_soon_is_no_reason_to_give_up(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lastgood.database._setting._PATIENCE", 60.0)  # to let go takes a busy machine a while
    db.lives(ONE, TWO, says="3, true")
    here = db.case(FILES)
    looked = look(here)
    with locking(db, keys(db)[0], "migrate") as pid:
        timer = after(0.5, lambda: _end(db, pid))
        settle(here, looked)
        timer.join()
    assert db.rows() == "2|f"


def _end(db: Database, pid: int) -> None:
    db.sql(f"SELECT pg_terminate_backend({pid})")


def test_no_lock_stays_behind(db: Database) -> None:
    db.lives(ONE, TWO, says="3, true")
    db.resolved(FILES)
    assert db.sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == "0"


@pytest.mark.parametrize("change", ["UPDATE schema_migrations SET dirty = false", "TRUNCATE schema_migrations"])
def test_a_version_changed_since_the_look_is_not_set(db: Database, change: str) -> None:
    db.lives(ONE, TWO, says="3, true")
    here = db.case(FILES)
    looked = look(here)
    db.sql(change)
    before = db.rows()
    with pytest.raises(WorldMoved):
        settle(here, looked)
    assert db.rows() == before != "3|t"


def test_a_schema_changed_since_the_look_sets_no_version(db: Database) -> None:
    db.lives(ONE, TWO, says="3, true")
    here = db.case(FILES)
    looked = look(here)
    db.sql(THREE)
    with pytest.raises(WorldMoved) as moved:
        settle(here, looked)
    assert "table public.parcels is there and was not" in moved.value.because
    assert db.rows() == "3|t"


def test_a_table_that_may_not_be_written_is_left_as_it_is(db: Database) -> None:
    db.lives(ONE, TWO, says="3, true")
    db.sql("CREATE RULE no AS ON INSERT TO schema_migrations DO ALSO SELECT 1 / 0")
    here = db.case(FILES)
    with pytest.raises(Refused) as refused:
        settle(here, look(here))
    assert "division by zero" in refused.value.because[0]
    assert db.rows() == "3|t"
