"""Killed at any moment: a backup is tidied up, a restore is finished or undone by one command, and it is told which."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from dbshop import Base, opened, stamp
from shop import API, ENV

from lastgood.database.intents import NEW, OLD
from lastgood.model.errors import Exit
from sandbox.run import wait_until

BACKUP = (
    *("create leases", "dump", "replace backups", "replace backups", "name the dump", "replace backups"),
    "remove leases",
)
RESTORE = (
    *("create leases", "create databases", "make the database", "load the dump", "replace databases"),
    *("dress the database", "replace databases", "stop the service", "replace databases", "swap", "replace databases"),
    *("replace databases", "start the service", "remove databases", "remove leases"),
)
NOTED = range(RESTORE.index("create databases") + 2, RESTORE.index("remove databases") + 2)
KILLS = [f"before {number}" for number in range(1, len(RESTORE) + 1)]
KILLS += [f"during {RESTORE.index(name) + 1}" for name in ("load the dump", "stop the service", "swap")]


@pytest.fixture(scope="module")
def world() -> Iterator[Base]:
    with opened() as base:
        base.db("backup")
        yield base


@pytest.fixture
def base(world: Base) -> Base:
    """A database that has more than its backup, and no former one."""
    world.forget()
    world.order()
    assert world.traces() == []
    return world


def backup(base: Base) -> str:
    return next(path.name for path in sorted(base.folder.glob("*.dump")))


def killed(base: Base, at: str) -> int:
    """Kills a restore; the number of the database that was in use before."""
    old = base.oid()
    done = base.crash(at, "db", "restore", API, ENV, backup(base), "--yes", "--accept-loss", "shop")
    assert done.returncode == -9, done.stderr
    assert tuple(base.effects()) == RESTORE[: len(base.effects())]
    return old


@pytest.mark.parametrize("at", KILLS)
def test_a_killed_restore_is_told_from_reality_and_finished_by_one_command(base: Base, at: str) -> None:
    old, number = killed(base, at), int(at.split()[1])
    begun = number in NOTED and number > 2
    assert base.serves() or number > RESTORE.index("stop the service")
    if begun and number <= RESTORE.index("remove databases") + 1:
        before, said, now = base.oid(), base.told(), base.oid()  # the server may be still at what it was told to do
        assert any((OLD if each == old else NEW) in said for each in (before, now)), said
        refused = base.db("restore", backup(base), "--dry-run", ends=Exit.IN_DOUBT)
        assert refused["next"][0] == f"lastgood db restore {API} {ENV} --resume"
    base.db("restore", "--resume", ends=Exit.USAGE if number == 1 else Exit.DONE)
    assert base.traces() == []
    assert base.open()
    assert base.serves()
    assert (base.oid() == old) == (number <= 2)
    if base.oid() != old:
        assert base.count() == 3
        assert [base.oid(name) for name in base.databases() if "_broken_" in name] == [old]


@pytest.mark.parametrize("at", ["before 4", "before 9", "during 10"])
def test_a_killed_restore_can_be_given_up_until_it_is_in_use(base: Base, at: str) -> None:
    old, count = killed(base, at), base.count
    wait_until(lambda: not base.sessions(), "the server has done what it was told to do")
    if base.oid() == old:
        base.db("restore", "--abort", ends=Exit.FAILED_RESTORED)
        assert (base.oid(), base.open(), base.databases()) == (old, True, {"shop", "postgres"})
    else:
        assert base.db("restore", "--abort", ends=Exit.REFUSED)["because"] == [NEW]
        base.db("restore", "--resume")
    assert count() >= 3
    assert base.traces() == []
    assert base.serves()


@pytest.mark.parametrize(
    ("cut", "old"), [("BEGIN;", True), ("COMMIT;", True), ("ALTER DATABASE {live} WITH ALLOW_CONNECTIONS true", False)]
)
def test_a_swap_cut_off_between_its_statements_is_finished(base: Base, cut: str, old: bool) -> None:  # noqa: FBT001
    import msgspec

    from lastgood.model.restoring import Intent
    from lastgood.postgres.swap import statements

    before = killed(base, f"before {RESTORE.index('swap') + 1}")
    noted = msgspec.json.decode((base.state / f"databases/{API}@{ENV}.json").read_bytes(), type=Intent).swap
    assert noted
    text = statements(noted)
    base.sql(text[: text.index(cut.format(live='"shop"'))], "postgres")
    assert (base.oid() == before, base.open()) == (old, False)
    assert base.told() == f"{OLD if old else NEW}, and nobody can connect to it"
    base.db("restore", "--resume")
    assert (base.oid() == before, base.open(), base.count()) == (False, True, 3)


def test_a_run_keeps_off_a_database_that_is_being_restored(base: Base) -> None:
    killed(base, "before 9")
    held = base.shop.does("restart", API, ENV, ends=Exit.LEASE_HELD)
    assert f"lastgood db restore {API} {ENV} --resume --take-over   # if it died" in held["next"]
    elsewhere = base.shop.another_machine()
    base.db("restore", "--resume", ends=Exit.LEASE_HELD, on=elsewhere)
    base.db("restore", "--resume", "--take-over", on=elsewhere)
    assert (base.count(), base.traces()) == (3, [])


@pytest.mark.parametrize("at", [*(f"before {number}" for number in range(1, len(BACKUP) + 1)), "during 2"])
def test_what_a_killed_backup_left_is_tidied_by_the_next_one(base: Base, at: str) -> None:
    before = set(base.folder.iterdir())
    done = base.crash(at, "db", "backup", API, ENV)
    assert done.returncode == -9, done.stderr
    assert tuple(base.effects()) == BACKUP[: len(base.effects())]
    listed = base.db("backups")
    assert bool(listed["busy"]) == (at != "before 1")
    parts = {str(path) for path in base.folder.glob("*.part")}
    assert set(listed["unfinished"]) == parts
    made = base.db("backup")["backup"]
    assert base.traces() == []
    assert base.db("backups")["busy"] == ""
    whole = int(at.split()[1]) > BACKUP.index("name the dump") + 1
    new = {path for path in set(base.folder.iterdir()) - before if stamp(made["path"]) not in path.name}
    assert sum(path.suffix == ".dump" for path in new) == whole
    assert {path.suffix for path in new} <= {".dump", ".json", ".sha256", ".checked"}
    assert base.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'lastgood-%'") == "0"
    for path in {*new, *map(Path, [made["path"]])}:
        path.unlink(missing_ok=True)
