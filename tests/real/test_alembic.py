"""A way down by Alembic itself, out of the bad release's image, on a real database."""

import sys

import pexpect  # type: ignore[import-untyped] # it ships no types
import pytest
from alembicshop import FIND, NOTES, AlembicShop
from operating import begin, stalled
from shop import API, ENV, Shop

from lastgood.model.errors import Exit

DOWN = ("rollback", API, ENV, "--down", "--yes")
REHEARSED = 150  # seconds: on a busy machine a backup, its copy and three containers take their time
# A call that starts the tool's container of a run; those of rehearsals have the database's name in theirs.
STARTS = '{ case "$*" in "start -- lastgood-tool-2"*) true;; *) false;; esac; }'


def test_alembic_goes_down_by_itself_and_loses_only_what_a_person_named(shop: Shop) -> None:
    team = AlembicShop(shop, FIND, NOTES)
    team.orders(7, "fragile")
    before = shop.scene()
    planned = shop.does("plan", API, ENV, "--down")
    (step,) = (one for one in planned["plan"]["attempts"][0]["steps"] if one["step"] == "lossy-down")
    assert [(loss["name"], loss["count"]) for loss in step["losses"]] == [("public.orders.note", 7)]
    assert step["descent"]["own"]["changes"] == [
        "column public.orders.note is missing",
        "index public.orders_item_idx is missing",
    ]
    assert "ALTER TABLE orders DROP COLUMN note;" in planned["commands"][step["id"]]
    assert (shop.scene(), team.at(), team.kept(), team.tools()) == (before, "c3_notes", [], [])
    words = ["-m", "lastgood", "rollback", API, ENV, "--down"]
    child = pexpect.spawn(
        sys.executable, words, cwd=str(shop.world.laptop), env=shop.world.env, encoding="utf-8", timeout=240
    )
    child.expect("Type its name to accept that, or Enter to stop: ")
    child.sendline("column public.orders.note")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == Exit.DONE
    assert shop.world.serving(API) == shop.tag("good-1")
    assert team.runs("good-1")
    assert team.at() == "a1_orders"
    assert team.asked("SELECT count(*) FROM orders") == 7
    assert not team.indexed()
    (backup,) = team.backups.glob("*.dump")
    team.sql("CREATE DATABASE again", "postgres")
    team.restored(backup, "again")
    assert team.sql("SELECT count(note), min(note) FROM orders", "again") == "7|fragile"
    assert (team.leftovers(), team.tools()) == ([], [])


@pytest.mark.timeout(900)  # three rollbacks, each with its rehearsal
def test_killed_beside_the_tool_or_gone_astray_it_is_put_back_and_at_last_finished(shop: Shop) -> None:
    team = AlembicShop(shop, FIND)
    team.orders(3)
    team.sql("ALTER SYSTEM SET autovacuum = off")  # what it commits cannot be told from what the tool does
    team.sql("SELECT pg_reload_conf()")
    with stalled(shop, "docker", STARTS) as docker, begin(shop, *DOWN, on=docker.path(shop.world.env)) as session:
        docker.reached(within=REHEARSED)
        session.dies()
        assert team.tools() == [f"lastgood-tool-{session.run}"]
        shop.does("abort", session.run, ends=Exit.DONE)
    assert as_before(team)
    assert team.databases() == ["postgres", "shop"]  # nothing was committed: nothing had to be restored
    again(shop)
    with stalled(shop, "docker", STARTS) as docker, begin(shop, *DOWN, on=docker.path(shop.world.env)) as session:
        docker.reached(within=REHEARSED)
        team.sql("CREATE TABLE odd (id int)")  # the schema will not be that of the copy
        docker.go()
        ended = session.end()
    assert ended.code == Exit.FAILED_RESTORED, ended.said
    assert "table public.odd is there and was not" in ended.said
    assert as_before(team)
    assert team.asked("SELECT to_regclass('odd') IS NULL")
    assert len([name for name in team.databases() if "broken" in name]) == 1
    again(shop)
    with (
        stalled(shop, "docker", STARTS, after=True) as docker,
        begin(shop, *DOWN, on=docker.path(shop.world.env)) as session,
    ):
        docker.reached(within=REHEARSED)
        session.dies()
        shop.does("resume", session.run, ends=Exit.DONE)
    assert shop.world.serving(API) == shop.tag("good-1")
    assert (team.at(), team.indexed(), team.tools()) == ("a1_orders", False, [])
    assert team.asked("SELECT count(*) FROM orders") == 3


def as_before(team: AlembicShop) -> bool:
    """Whether the bad release runs with the schema and the rows that it had."""
    return team.runs("http-500") and (team.at(), team.indexed(), team.tools()) == ("b2_find", True, [])


def again(shop: Shop) -> None:
    """Lets the next rollback stand still too."""
    (shop.world.root / "stall-docker").rename(shop.world.root / f"stalled-{shop.latest_run()}")
