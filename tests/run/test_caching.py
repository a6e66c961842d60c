"""What customers get from a CDN decides how a rollback ends, and never which release it goes to."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from fault_words import shipped, state

from lastgood.model.details import FLOWS, UNTRIED
from lastgood.model.duration import Duration
from lastgood.model.errors import Exit
from lastgood.model.event import RunEnded
from lastgood.model.report import Health, Status
from lastgood.observe.world import observe
from lastgood.run import caching
from tests.standin.disk import memory
from tests.standin.fate import ANSWERS_500, CRASH_LOOP, EXITS, GOOD
from tests.standin.fronted import Fronted

DENIED = "api.cdn.example refused the login (401)"


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder in memory, where there is any."""
    with tempfile.TemporaryDirectory(dir=memory(), prefix="lastgood-") as folder:
        yield Path(folder)


@pytest.fixture
def shop(place: Path) -> Fronted:
    """v3 fails in production and is kept by the CDN; v2 and v1 are good."""
    world = Fronted(place)
    shipped(world, GOOD, GOOD, ANSWERS_500)
    world.visited()
    return world


def told(end: RunEnded) -> str:
    return " ".join((end.what, *end.because))


def steps(world: Fronted) -> list[str]:
    run = world.run()
    assert run
    return list(run.steps)


def good_for_customers(world: Fronted, version: str = "v2") -> bool:
    """Whether they get page and files of that release, and it runs, git pins it and nobody holds the lease."""
    page, style = world.customers(), world.customers("/style.css")
    return (f"app-{version}.js" in page, version in style, state(world)) == (True, True, ([version], version, False))


def test_customers_must_get_the_good_page_as_soon_as_it_runs(shop: Fronted) -> None:
    end = shop.rollback()
    assert end.exit is Exit.DONE
    assert good_for_customers(shop)
    assert shop.behind.shelf.purged == 1
    order = [step.partition(".")[2] for step in steps(shop) if step.startswith("1.")]
    assert order[-6:] == ["switch.local", "purge", "verify", "record", "fresh", "watch"]


def test_a_refused_purge_must_neither_condemn_a_release_nor_end_as_success(shop: Fronted) -> None:
    shop.behind.refuses = DENIED
    end = shop.rollback()
    assert end.exit is Exit.MITIGATED
    assert "mitigated, not resolved: the CDN still serves something else." in end.what
    assert DENIED in told(end)
    assert "app-v3.js" in told(end)
    assert state(shop) == (["v2"], "v2", False)
    assert (shop.judged()["v2"], "app-v3.js" in shop.customers()) == ("verified", True)
    assert shop.resume().exit is Exit.MITIGATED
    shop.behind.refuses = ""
    assert shop.resume().exit is Exit.DONE
    assert good_for_customers(shop)


def status(world: Fronted, *waiting: str) -> Status:
    """What `lastgood status` tells; these runs wait for the CDN."""
    with world.desk() as desk:
        tools = desk.tools[world.target.service]
        return caching.status(world.target, tools, observe(world.target, tools, (), 12), waiting.__contains__)


def test_a_stale_cdn_must_be_told_as_what_it_is_and_no_rollback_advised(shop: Fronted) -> None:
    assert status(shop).next == ("lastgood rollback shop prod",)
    shop.behind.refuses = DENIED
    assert shop.rollback().exit is Exit.MITIGATED
    run = shop.run()
    assert run
    said = status(shop, run.id)
    assert (said.health, said.run) == (Health.UNHEALTHY, run.id)
    assert said.health_because.startswith("what runs is healthy past the CDN, but customers still get something else: ")
    assert said.next == (f"lastgood resume {run.id}   # purges it again",)
    assert status(shop).next[0].startswith("curl -sSI ")  # nobody here knows of a run that waits
    box = shop.outside.engine.boxes["shop-api-1"]
    box.built = box.built.failing()
    assert status(shop, run.id).next == ("lastgood rollback shop prod",)


def test_a_cache_that_cannot_be_asked_round_must_condemn_no_release(shop: Fronted) -> None:
    shop.behind.refuses, shop.behind.shelf.ignores_query = DENIED, True
    end = shop.rollback()
    assert end.exit is Exit.NEEDS_HUMAN
    assert "a cache answers" in told(end)
    assert shop.versions() == ["v3"]
    assert not {"v1", "v2"} & set(shop.judged())
    assert "2.switch.local" not in steps(shop)


def test_a_cdn_that_accepts_and_forgets_nothing_must_not_be_believed(shop: Fronted) -> None:
    shop.behind.deaf = True
    end = shop.rollback()
    assert end.exit is Exit.MITIGATED
    assert "the purge was accepted" in told(end)
    assert (state(shop), shop.judged()["v2"]) == ((["v2"], "v2", False), "verified")
    shop.behind.deaf = False
    assert shop.resume().exit is Exit.DONE
    assert good_for_customers(shop)


def test_an_answer_of_the_bad_release_that_comes_late_must_be_purged_as_well(shop: Fronted) -> None:
    old = dict(shop.behind.shelf.entries)

    def late(name: str) -> None:
        if name == "after StepDone 1.purge":
            shop.behind.shelf.entries |= old

    shop.at_point = late
    assert shop.rollback().exit is Exit.DONE
    assert shop.behind.shelf.purged == 2
    assert good_for_customers(shop)


def test_what_looks_right_from_here_must_not_stand_for_a_purge(shop: Fronted) -> None:
    shop.behind.refuses = DENIED
    shop.behind.shelf.entries.clear()
    end = shop.rollback()
    assert end.exit is Exit.MITIGATED
    assert "the CDN was not purged" in end.what
    shop.target = msgspec.structs.replace(shop.target, cdn=None)  # there is none any more
    assert shop.resume().exit is Exit.DONE


def test_a_page_that_is_another_at_every_look_must_be_told_by_its_assets(shop: Fronted) -> None:
    shop.behind.nonce = True
    assert shop.rollback().exit is Exit.DONE
    assert good_for_customers(shop)


def test_a_file_that_keeps_its_name_must_not_stay_that_of_the_bad_release(shop: Fronted) -> None:
    old = shop.behind.shelf.entries["/style.css"]

    def kept(name: str) -> None:
        if name in {"after StepDone 1.purge", "after the CDN forgot"}:
            shop.behind.shelf.entries["/style.css"] = old

    shop.at_point = kept
    end = shop.rollback()
    assert end.exit is Exit.MITIGATED
    assert "/style.css is another file than runs" in told(end)


def test_customers_must_not_wait_for_git(shop: Fronted) -> None:
    shop.plan()
    shop.remote_goes_away()
    shop.behind.refuses = DENIED
    end = shop.rollback()
    assert end.exit is Exit.MITIGATED
    assert ("the CDN still serves" in end.what, "Git does not say so yet" in end.what) == (True, True)
    shop.behind.refuses = ""
    end = shop.resume()
    assert (end.exit, "CDN" in end.what) == (Exit.MITIGATED, False)
    assert "app-v2.js" in shop.customers()
    shop.remote_comes_back()
    assert shop.resume().exit is Exit.DONE
    assert good_for_customers(shop)


def test_what_a_cache_keeps_must_be_no_failure_that_comes_later(shop: Fronted) -> None:
    shop.target = msgspec.structs.replace(shop.target, watch=Duration(30))
    shop.behind.refuses = DENIED
    end = shop.rollback()
    assert (end.exit, state(shop)) == (Exit.MITIGATED, (["v2"], "v2", False))
    assert shop.judged()["v2"] == "verified"


@pytest.mark.parametrize("by_itself", [False, True])
def test_a_user_flow_that_a_cache_answers_must_condemn_no_release(shop: Fronted, *, by_itself: bool) -> None:
    shop.flow(by_itself=by_itself)
    shop.behind.refuses = DENIED
    assert (shop.rollback().exit, shop.versions()) == (Exit.MITIGATED, ["v2"])
    run = shop.run()
    assert run
    details = run.done["1.verify"].details
    assert (UNTRIED in details, FLOWS in details) == (by_itself, not by_itself)
    shop.behind.refuses = ""
    assert shop.resume().exit is Exit.DONE
    assert good_for_customers(shop)


def test_a_user_flow_that_fails_without_any_cache_must_still_do(shop: Fronted) -> None:
    shop.flow(by_itself=True, wanted="v1")
    assert (shop.rollback().exit, shop.versions()) == (Exit.DONE, ["v1"])


def test_what_was_before_must_come_back_for_customers_as_well(place: Path) -> None:
    world = Fronted(place)
    shipped(world, EXITS, CRASH_LOOP, ANSWERS_500)
    world.visited()
    assert world.rollback().exit is Exit.FAILED_RESTORED
    assert "app-v3.js" in world.customers()
    assert [step for step in steps(world) if "purge" in step] == ["1.purge", "2.purge", "restore.purge"]
    assert not [step for step in steps(world) if "fresh" in step]


def test_an_abort_must_say_that_the_cdn_did_not_follow(shop: Fronted) -> None:
    (photo,) = (one for one in shop.photographed(shop.rollback) if "before StepStarted 1.verify" in one.name)
    shop.restore(photo)
    shop.behind.refuses = DENIED
    end = shop.resume(aborting=True)
    assert (end.exit, shop.versions()) == (Exit.MITIGATED, ["v3"])
    assert DENIED in told(end)


def test_a_kill_around_a_purge_must_change_nothing_about_the_end(shop: Fronted) -> None:
    photos = [one for one in shop.photographed(shop.rollback) if "purge" in one.name or "fresh" in one.name]
    wrong = []
    for photo in photos:
        shop.restore(photo)
        run = shop.run()
        end = run.ended if run and run.ended else shop.resume()
        if end.exit is not Exit.DONE or not good_for_customers(shop):
            wrong.append(f"{photo.name}: {end.what} {shop.customers()}")
    assert len(photos) >= 6
    assert wrong == []


def test_looking_and_restarting_must_purge_nothing(shop: Fronted) -> None:
    shop.check()
    shop.restart()
    assert shop.behind.shelf.purged == 0
