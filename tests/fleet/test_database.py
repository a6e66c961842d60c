"""A database in its container on a server, worked on from a laptop over SSH; and the way there breaks in the middle."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from fleetdb import BACKUPS, FleetDatabase
from servers import ROLLBACK, Servers, begin, ended, run_id, run_lines, step

from lastgood.model.errors import Exit
from sandbox.fleet import HOME_GO, FleetWorld
from sandbox.run import wait_until

RESTORE = ("--yes", "--accept-loss", "shop")


@pytest.fixture(scope="module")
def world() -> Iterator[FleetDatabase]:
    with FleetWorld.up(1, engine="compose") as fleet:
        yield FleetDatabase.known(Servers(fleet))


@pytest.fixture
def database(world: FleetDatabase) -> Iterator[FleetDatabase]:
    """Three orders and no backup; whatever is done has to leave nothing but what it is meant to."""
    world.order(3)
    world.forget()
    yield world
    assert world.left() == [], "left behind"


@pytest.fixture
def bad(database: FleetDatabase) -> FleetDatabase:
    """A bad release in production, whose second migration the database has."""
    database.at_version(2)
    if database.servers.world.pinned(HOME_GO) != database.servers.tag("index-500"):
        database.servers.world.ship(HOME_GO, "index-500")
    return database


def test_from_a_laptop_it_is_looked_at_saved_proven_restored_and_put_back(database: FleetDatabase) -> None:
    found = database.db("status")
    assert (found["schema_version"], found["dirty"], found["runs"]["value"]["pending"]) == ("1", False, [])
    made = database.db("backup", "--because", "before the import")["backup"]
    name = made["path"].removeprefix(f"{BACKUPS}/")
    assert database.files() >= {name, f"{name}.json", f"{name}.sha256"}
    assert database.db("verify")["rows"]["public.orders"] == 3
    old = database.oid()
    database.order(5)
    done = database.db("restore", name, *RESTORE)
    assert (database.orders(), database.oid() == old) == (3, False)
    assert database.sql("SELECT count(*) FROM orders", done["aside"]) == "5"
    assert database.servers.everywhere("strict-1")
    database.db("restore", "--back", *RESTORE)
    assert (database.orders(), database.oid()) == (5, old)
    assert database.servers.everywhere("strict-1")


def test_a_backup_that_was_cut_off_is_none_and_the_next_one_tidies_up_after_it(database: FleetDatabase) -> None:
    with database.locked(), begin(database.servers.world.laptop, "db", "backup", HOME_GO, "prod") as session:
        session.until(lambda: database.waits("LOCK TABLE"), "the dump waits for a lock")
        database.host.stop_sshd()
        code, said = session.ends()
    assert code == Exit.IN_DOUBT, said
    assert "was lost" in said
    assert f"lastgood db backup {HOME_GO} prod" in said
    database.host.start_sshd()
    assert database.dumps() == set()
    assert database.db("backups")["backups"] == []
    made = database.db("backup")["backup"]
    assert database.dumps() == {made["path"].removeprefix(f"{BACKUPS}/")}
    assert database.left() == []
    assert database.db("verify")["rows"]["public.orders"] == 3


def stops(database: FleetDatabase) -> int:
    """How often a run has begun to stop the writers."""
    wanted = step("stop", database.host)
    lines = run_lines(database.host)
    return sum(line["kind"] == "step-started" and line["event"]["step"] == wanted for line in lines)


def test_a_rollback_whose_backup_was_cut_off_goes_back_to_what_ran(bad: FleetDatabase) -> None:
    servers, before = bad.servers, stops(bad)
    with begin(servers.world.laptop, *ROLLBACK) as session:
        session.until(lambda: stops(bad) > before, "writers are being stopped")
        with ExitStack() as stack:
            with session.sleeping():
                stack.enter_context(bad.locked())
            session.until(lambda: bad.waits("LOCK TABLE"), "the dump waits for a lock")
            bad.host.stop_sshd()
            code, said = session.ends()
    bad.host.start_sshd()
    assert code == Exit.IN_DOUBT, said
    assert f"lastgood resume {run_id(servers)}" in said
    assert len(servers.leases()) == 1
    servers.does("resume", run_id(servers), ends=Exit.FAILED_RESTORED)
    assert servers.runs(0) == [(servers.world.digest(HOME_GO, "index-500"), "running")]
    assert servers.world.pinned(HOME_GO) == servers.tag("index-500")
    assert (bad.version(), bad.schema(), bad.orders(), bad.dumps()) == (2, 2, 3, set())


def test_a_way_down_that_went_on_without_us_is_seen_and_the_rollback_ended(bad: FleetDatabase) -> None:
    servers, old, before = bad.servers, bad.oid(), stops(bad)
    with begin(servers.world.laptop, *ROLLBACK) as session:
        session.until(lambda: stops(bad) > before, "writers are being stopped")  # it is planned by now
        with ExitStack() as stack:
            with session.sleeping():
                stack.enter_context(bad.slow())
            session.until(lambda: bad.waits("DROP INDEX"), "the index is being dropped")
            bad.host.down()
            code, said = session.ends()
            assert (bad.schema(), len(bad.dumps())) == (2, 1)
        wait_until(lambda: bad.schema() == 1, "the transaction ends")
    bad.host.up_again()
    assert code == Exit.IN_DOUBT, said
    assert f"lastgood resume {run_id(servers)}" in said
    assert servers.runs(0) == [(servers.world.digest(HOME_GO, "index-500"), "exited")]
    assert len(servers.leases()) == 1
    servers.does("resume", run_id(servers))
    assert servers.everywhere("strict-1")
    assert (bad.version(), bad.schema(), bad.orders(), bad.oid() == old) == (1, 1, 3, True)
    assert ended(bad.host)[-1] == Exit.DONE
    (kept,) = bad.dumps()
    assert bad.db("verify", kept)["rows"]["public.orders"] == 3
