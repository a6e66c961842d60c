from shop import API, ENV, Shop

from lastgood.model.errors import Exit
from lastgood.model.release import Grade
from sandbox.run import docker


def test_a_target_that_is_bad_too_is_walked_past(shop: Shop) -> None:
    shop.ships("good-1")
    shop.commits("crash-loop")
    shop.ships("http-500")
    shop.rollback(ends=Exit.DONE)
    assert shop.serves("good-1")


def test_what_failed_beside_a_release_that_passed_is_recorded_as_bad_for_everybody(shop: Shop) -> None:
    shop.ships("good-1")
    shop.commits("crash-loop")
    shop.ships("http-500")
    shop.fails_with(500)
    shop.rollback(ends=Exit.DONE)
    assert set(shop.trailers()["Lastgood-Bad"]) == {str(shop.image("crash-loop")), str(shop.image("http-500"))}
    assert shop.grades() == {
        shop.tag("good-1"): Grade.VERIFIED,
        shop.tag("crash-loop"): Grade.BAD,
        shop.tag("http-500"): Grade.BAD,
    }


def test_walking_back_makes_one_commit_for_the_release_that_passed(shop: Shop) -> None:
    shop.ships("good-1")
    shop.commits("crash-loop")
    shop.ships("http-500")
    history = shop.world.log()
    shop.rollback(ends=Exit.DONE)
    assert shop.world.log()[1:] == history


def test_two_unproven_releases_that_share_a_bug_are_both_walked_past(shop: Shop) -> None:
    shop.ships("good-1")
    shop.commits("http-500-b")
    shop.ships("http-500")
    shop.fails_with(500)
    shop.rollback(ends=Exit.DONE)
    assert shop.serves("good-1")
    assert shop.grades()[shop.tag("http-500-b")] is Grade.BAD


def test_when_nothing_passes_the_state_from_before_is_restored(shop: Shop) -> None:
    shop.commits("crash-loop", "config-error")
    shop.ships("http-500")
    shop.fails_with(500)
    history = shop.world.log()
    shop.rollback(ends=Exit.FAILED_RESTORED)
    assert shop.runs("http-500")
    assert shop.world.log() == history
    shop.fails_with(500)


def test_when_nothing_passes_no_release_is_condemned(shop: Shop) -> None:
    shop.commits("crash-loop")
    shop.ships("http-500")
    shop.rollback(ends=Exit.FAILED_RESTORED)
    assert shop.grades() == {shop.tag("crash-loop"): Grade.INCONCLUSIVE}


def test_a_verified_release_that_now_fails_the_same_way_ends_the_walk(shop: Shop) -> None:
    shop.commits("good-1")
    shop.ships("good-2")
    shop.does("check", API, ENV)
    shop.ships("good-3")
    cut_off_the_database(shop)
    shop.fails_with(503)
    history = shop.world.log()
    shop.rollback(ends=Exit.NEEDS_HUMAN)
    assert shop.runs("good-3")
    assert shop.world.log() == history
    assert Grade.BAD not in shop.grades().values()
    assert shop.tag("good-1") not in shop.grades()


def test_a_database_that_is_down_is_seen_and_no_release_is_blamed(shop: Shop) -> None:
    shop.ships("good-1", "good-2")
    shop.world.database.stop()
    shop.fails_with(503)
    history = shop.world.log()
    shop.rollback("--anyway", ends=Exit.NEEDS_HUMAN)
    assert shop.runs("good-2")
    assert shop.world.log() == history
    assert Grade.BAD not in shop.grades().values()


def test_once_the_database_is_back_the_same_release_can_be_gone_back_to(shop: Shop) -> None:
    shop.ships("good-1", "good-2")
    shop.world.database.stop()
    shop.rollback(ends=Exit.NEEDS_HUMAN)
    shop.world.database.start()
    shop.world.wait_serving(API, shop.tag("good-2"))
    shop.rollback(ends=Exit.DONE)
    assert shop.serves("good-1")


def test_nothing_to_go_back_to_is_refused_with_the_reason_of_every_release(shop: Shop) -> None:
    shop.commits("good-1")
    shop.ships("good-2", "http-500")
    shop.fails_with(500)
    shop.rollback(ends=Exit.DONE)
    shop.ships("good-3")
    shop.lose("good-1")
    shop.lose("good-2")
    before = shop.scene()
    said = shop.rollback(ends=Exit.REFUSED)
    assert shop.scene() == before
    reasons = " ".join(because(said))
    assert f"{shop.tag('http-500')} (" in reasons
    assert "bad" in reasons
    assert reasons.count("its image is gone") >= 2
    assert shop.tag("good-1") in reasons


def test_a_first_release_has_nothing_before_it(shop: Shop) -> None:
    shop.ships("good-1")
    before = shop.scene()
    shop.rollback(ends=Exit.REFUSED)
    assert shop.scene() == before


def because(said: dict[str, object]) -> list[str]:
    found = said["because"]
    assert isinstance(found, list)
    return [str(reason) for reason in found]


def cut_off_the_database(shop: Shop) -> None:
    """The database runs, and nobody reaches it: no container is seen to be down."""
    (database,) = shop.world.database.ids()
    docker("network", "disconnect", f"lastgood-sandbox-{shop.world.name}", database)
