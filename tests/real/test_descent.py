"""Rollbacks that need an older schema, on a real database: rehearsed, backed up, gone down, or left as it was."""

import signal
import sys
from collections.abc import Callable

import pexpect  # type: ignore[import-untyped] # it ships no types
import pytest
from operating import ROLLBACK, begin, lines, stalled
from schema import Database
from shop import API, ENV, Shop

from lastgood.model.errors import Exit
from lastgood.model.release import Grade
from sandbox.releases import WEB
from sandbox.run import wait_until
from sandbox.world import World

STEPS = ("1.stop.local", "1.backup", "1.down", "1.trial", "1.switch.local")


def in_trouble(shop: Shop, good: str, bad: str, version: int) -> Database:
    """A good release in history, a bad one in production, whose migrations the database has."""
    database = Database(shop)
    shop.ships(good)
    database.migrated(version)
    shop.ships(bad)
    database.known()
    return database


def test_a_release_that_starts_with_the_newer_schema_goes_back_alone(shop: Shop) -> None:
    database = in_trouble(shop, "good-1", "notes-500", 3)
    database.orders(5, "fragile")
    plan = shop.does("plan", API, ENV)["plan"]
    assert plan["plan"] == "reversible"
    assert "stays at version 3" in plan["schema"]
    shop.rollback(ends=Exit.DONE)
    assert shop.serves("good-1")
    assert database.version() == 3
    assert database.asked("SELECT count(note) FROM orders") == 5
    assert database.databases() == ["postgres", "shop"]
    assert database.leftovers() == []


def test_a_schema_that_the_release_knows_is_not_looked_at_any_closer(shop: Shop) -> None:
    database = in_trouble(shop, "strict-2", "index-500", 2)
    plan = shop.does("plan", API, ENV)["plan"]
    assert plan["schema"] == "stays at version 2, which this release knows"
    shop.rollback(ends=Exit.DONE)
    assert shop.serves("strict-2")
    assert database.kept() == []


def test_a_way_down_without_loss_is_gone_and_the_backup_is_kept(shop: Shop) -> None:
    database = in_trouble(shop, "strict-1", "index-500", 2)
    database.orders(3)
    shop.does("db", "down", API, ENV, "--to", "2", "--yes", ends=Exit.USAGE)
    shop.does("db", "down", API, ENV, "--to", "1", "--yes", ends=Exit.DONE)
    assert shop.serves("strict-1")
    assert database.version() == 1
    assert database.deployed() == shop.tag("strict-1")
    assert database.asked("SELECT to_regclass('orders_item_idx') IS NULL")
    assert database.asked("SELECT count(*) FROM orders") == 3
    assert len(database.kept()) == 1
    assert database.leftovers() == []


def test_a_way_down_that_loses_values_touches_nothing_without_a_person(shop: Shop) -> None:
    database = in_trouble(shop, "strict-1", "notes-500", 3)
    database.orders(4, "before")
    shop.does("check", API, ENV, ends=Exit.NEEDS_HUMAN)  # at the end of the deploy script: it is bad, and noted
    database.orders(3, "fragile")
    before = shop.scene()
    database.sql("CREATE INDEX by_hand ON orders (note)")
    refused = shop.does("plan", API, ENV, ends=Exit.REFUSED)
    assert refused["because"] == ["index public.by_hand is there and was not"]
    database.sql("DROP INDEX by_hand")
    plan = shop.does("plan", API, ENV)["plan"]
    (loss,) = next(step["losses"] for step in plan["attempts"][0]["steps"] if step["step"] == "lossy-down")
    assert (loss["what"], loss["name"], loss["count"]) == ("column", "public.orders.note", 7)
    assert loss["since"] == {"fact": "known", "value": 3}
    said = shop.rollback(ends=Exit.CONSENT_NEEDED)
    assert any("column public.orders.note" in each for each in said["because"])
    assert database.version() == 3
    assert database.asked("SELECT count(note) FROM orders") == 7
    assert shop.scene() == before
    assert database.kept() == []


def test_a_person_who_types_the_name_of_the_loss_goes_down_and_the_backup_has_it_all(shop: Shop) -> None:
    database = in_trouble(shop, "strict-1", "notes-500", 3)
    database.orders(7, "fragile")
    assert asked(shop, "y") == Exit.CONSENT_NEEDED
    assert database.version() == 3
    assert asked(shop, "column public.orders.note") == Exit.DONE
    assert shop.serves("strict-1")
    assert database.version() == 1
    assert database.asked("SELECT count(*) FROM orders") == 7
    (backup,) = database.backups.glob("*.dump")
    database.sql("CREATE DATABASE again", "postgres")
    database.restored(backup, "again")
    assert database.sql("SELECT count(note), min(note) FROM orders", "again") == "7|fragile"


def test_killed_while_it_salvages_it_is_finished_and_every_value_comes_back_after_the_next_roll_forward(
    shop: Shop,
) -> None:
    database = in_trouble(shop, "strict-1", "notes-500", 3)
    database.orders(7, "fragile")
    database.sql("UPDATE orders SET note = NULL WHERE id = 2; UPDATE orders SET note = E'a\\tb\\\\' WHERE id = 3")
    notes = "SELECT id, note FROM orders ORDER BY id"
    before = database.sql(notes)
    child = rolling_back(shop)
    child.sendline("column public.orders.note")
    wait_until(lambda: "1.salvage" in started(shop), "it salvages", within=120, every=0.01)
    child.kill(signal.SIGKILL)
    child.close()
    assert database.version() == 3
    (run,) = {line.run for line in lines(shop) if line.kind == "run-started"}
    command = f"lastgood db salvage put-back {API} {ENV} {run}"
    assert command in " ".join(shop.does("resume", run, ends=Exit.DONE)["next"])
    assert shop.serves("strict-1")
    assert database.version() == 1
    put_back = tuple(command.split()[1:])
    shop.does(*put_back, "--yes", ends=Exit.REFUSED)
    database.migrated(3)
    database.sql("UPDATE orders SET note = 'newer' WHERE id = 1; DELETE FROM orders WHERE id = 7")
    since = database.sql(notes)
    (kept,) = shop.does("db", "salvage", "list", API, ENV)["salvages"]
    assert [(part["name"], part["rows"]) for part in kept["parts"]] == [("public.orders.note", 6)]
    looked = shop.does(*put_back, "--dry-run")
    shop.does(*put_back, ends=Exit.CONSENT_NEEDED)
    assert database.sql(notes) == since
    done = shop.does(*put_back, "--yes")
    assert done["parts"] == looked["parts"]
    assert done["parts"] == [{"name": "column public.orders.note", "back": 4, "same": 0, "newer": 1, "gone": 1}]
    assert database.sql(notes).splitlines() == ["1|newer", *before.splitlines()[1:6]]
    after = database.sql(notes)
    assert shop.does(*put_back, "--yes")["happened"] is False
    assert database.sql(notes) == after
    assert database.leftovers() == []


def started(shop: Shop) -> set[str]:
    """The steps that were begun."""
    return {line.event["step"] for line in lines(shop) if line.kind == "step-started"}


def rolling_back(shop: Shop) -> pexpect.spawn:
    """A rollback on a terminal, at the one question."""
    words = ["-m", "lastgood", "rollback", API, ENV]
    child = pexpect.spawn(
        sys.executable, words, cwd=str(shop.world.laptop), env=shop.world.env, encoding="utf-8", timeout=240
    )
    child.expect("Type its name to accept that, or Enter to stop: ")
    return child


def asked(shop: Shop, answer: str, meanwhile: Callable[[], object] = lambda: None) -> int | None:
    """Rolls back on a terminal, and answers the one question like that, after what happens meanwhile."""
    child = rolling_back(shop)
    meanwhile()
    child.sendline(answer)
    child.expect(pexpect.EOF)
    child.close()
    status: int | None = child.exitstatus
    return status


def test_more_than_was_accepted_is_not_lost(shop: Shop) -> None:
    database = in_trouble(shop, "strict-1", "notes-500", 3)
    database.orders(7, "fragile")
    assert asked(shop, "column public.orders.note", lambda: database.orders(50, "late")) == Exit.FAILED_RESTORED
    assert database.version() == 3
    assert database.asked("SELECT count(note) FROM orders") == 57
    assert shop.world.pinned(API) == shop.tag("notes-500")
    assert shop.runs("notes-500")


def test_killed_in_every_step_one_after_the_other_it_is_finished_by_resume(shop: Shop) -> None:
    database = in_trouble(shop, "strict-1", "index-500", 2)
    database.orders(3)
    run, words = "", ROLLBACK
    for step in STEPS:
        with begin(shop, *words) as session:
            run = session.begun(step, within=120)
            session.dies()
        words = ("resume", run)
    assert {line.run for line in lines(shop) if line.kind == "run-started"} == {run}
    shop.does("resume", run, ends=Exit.DONE)
    assert shop.serves("strict-1")
    assert database.version() == 1
    assert database.asked("SELECT count(*) FROM orders") == 3
    assert database.leftovers() == []


@pytest.mark.parametrize("step", ["1.down", "1.trial"])  # tests/run has all boundaries
def test_killed_before_any_traffic_it_is_put_back_by_abort(shop: Shop, step: str) -> None:
    database = in_trouble(shop, "strict-1", "index-500", 2)
    database.orders(3)
    with begin(shop, *ROLLBACK) as session:
        run = session.begun(step)
        if step == "1.trial":  # what is tried must not go on beside what is put back
            wait_until(lambda: database.leftovers() != [], "the older release runs out of traffic", every=0.02)
        session.dies()
    if step == "1.trial":  # killed once more, while the backup is put back
        with begin(shop, "abort", run) as session:
            session.begun("restore.reload")
            session.dies()
    shop.does("abort", run, ends=Exit.DONE)
    assert shop.runs("index-500")
    assert database.version() == 2
    assert database.asked("SELECT count(*) FROM orders") == 3
    assert database.asked("SELECT to_regclass('orders_item_idx') IS NOT NULL")
    assert database.leftovers() == []


def test_a_release_that_does_not_start_after_all_leaves_everything_as_it_was(shop: Shop) -> None:
    database = in_trouble(shop, "strict-1", "index-500", 2)
    database.orders(3)
    with (
        stalled(shop, "docker", _the_trial(), after=False) as docker,
        begin(shop, *ROLLBACK, on=docker.path(shop.world.env)) as session,
    ):
        docker.reached()
        assert database.version() == 1
        database.sql("UPDATE schema_migrations SET version = 9")  # which this release refuses to start with
        docker.go()
        ended = session.end()
    assert ended.code == Exit.FAILED_RESTORED, ended.said
    assert shop.runs("index-500")
    assert database.version() == 2
    assert database.asked("SELECT count(*) FROM orders") == 3
    assert len([name for name in database.databases() if "broken" in name]) == 1


def _the_trial() -> str:
    """The condition that a call starts the release that is tried, out of traffic, after the way down."""
    return '{ case "$*" in "start -- lastgood-trial-2"*) true;; *) false;; esac; }'


def two_back(shop: Shop) -> Database:
    """A bad release with six migrations; the one before knows three and gets ill, the one before that knows one."""
    shop.configure("window: 1s", "window: 6s")
    database = Database(shop)
    shop.ships("strict-1")
    database.migrated(3)
    shop.commits("flaky-notes")
    database.migrated(6)
    shop.ships("ledger-500")
    database.known()
    database.orders(3)
    return database


@pytest.mark.parametrize("killed", ["", "2.down"])
def test_two_releases_back_through_five_migrations_each_finds_the_schema_that_it_needs(shop: Shop, killed: str) -> None:
    database = two_back(shop)
    with begin(shop, *ROLLBACK) as session:
        run = session.begun("1.verify", within=240)
        with session.sleeping():
            assert database.version() == 3
            database.orders(2)  # which customers order while the release that gets ill serves them
        if killed:
            session.begun(killed, within=120)
            session.dies()
        else:
            ended = session.end()
            assert ended.code == Exit.DONE, ended.said
    if killed:
        shop.does("resume", run, ends=Exit.DONE)
    assert shop.serves("strict-1")
    assert database.version() == 1
    assert database.asked("SELECT count(*) FROM orders") == 5
    assert len(database.kept()) == 2
    assert database.leftovers() == []
    assert shop.grades()[shop.tag("flaky-notes")] is Grade.BAD


def test_what_was_written_in_between_and_would_be_lost_leaves_the_schema_to_a_human(shop: Shop) -> None:
    database = two_back(shop)
    with begin(shop, *ROLLBACK) as session:
        session.begun("1.verify", within=240)
        with session.sleeping():
            database.orders(2, "fragile")  # nobody accepted that: when it was planned there were no notes
        ended = session.end()
    assert ended.code == Exit.NEEDS_HUMAN, ended.said
    assert "column public.orders.note: accepted up to 0, and there are 5" in ended.said
    assert database.version() == 3
    assert database.asked("SELECT count(note) FROM orders") == 5
    assert shop.runs("flaky-notes")


def test_a_loss_of_a_further_release_is_named_as_such_and_nobody_but_a_person_risks_it(shop: Shop) -> None:
    database = two_back(shop)
    database.orders(4, "fragile")
    plan = shop.does("plan", API, ENV)["plan"]
    assert plan["plan"] == "reversible"
    assert [each["parts"][0]["release"]["image"]["tag"] for each in plan["attempts"]] == [shop.tag("flaky-notes")]
    assert "column public.orders.note would be lost" in plan["warnings"][-1]
    assert asked(shop, "column public.orders.note") == Exit.DONE
    assert shop.serves("strict-1")
    assert database.version() == 1
    assert database.asked("SELECT count(*) FROM orders") == 7


def test_an_app_goes_back_with_its_schema_or_not_at_all() -> None:
    with World.up(web=True) as world:
        shop = Shop(world)
        shop.configure("services:\n", f"apps:\n  shop: [{API}, {WEB}]\n\nservices:\n")
        world.ship(WEB, "good-1")
        shop.ships("strict-1")
        database = Database(shop).migrated(2)
        shop.ships("index-500")
        world.ship(WEB, "good-2")
        database.known(f"  {API}:\n")
        database.orders(3)
        with begin(shop, "rollback", "shop", ENV, "--yes") as session:
            run = session.begun(f"1.trial.{API}", within=240)
            session.dies()
        assert database.version() == 1
        shop.does("abort", run)
        assert shop.runs("index-500")
        assert (database.version(), database.asked("SELECT count(*) FROM orders")) == (2, 3)
        shop.does("rollback", "shop", ENV, "--yes")
        assert shop.serves("strict-1")
        assert {one.digest for one in world.running(WEB)} == {world.digest(WEB, "good-1")}
        assert (database.version(), database.asked("SELECT count(*) FROM orders")) == (1, 3)
        assert database.leftovers() == []
