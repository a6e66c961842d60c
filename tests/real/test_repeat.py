from shop import API, ENV, Shop

from lastgood.model.errors import Exit
from lastgood.model.release import Grade


def test_going_to_what_runs_already_touches_nothing(shop: Shop) -> None:
    shop.ships("good-1", "good-2")
    before = shop.scene()
    shop.rollback("--to", shop.tag("good-2"), ends=Exit.DONE)
    assert shop.scene() == before


def test_a_repeated_call_touches_nothing_and_names_the_run(shop: Shop) -> None:
    shop.ships("good-1", "good-2", "http-500")
    shop.rollback(ends=Exit.DONE)
    run, before = shop.latest_run(), shop.scene()
    said = shop.rollback(ends=Exit.DONE)
    assert shop.scene() == before
    assert run in said["what"]


def test_a_repeated_call_while_the_release_now_fails_calls_a_human(shop: Shop) -> None:
    shop.ships("good-1", "good-2", "http-500")
    shop.rollback(ends=Exit.DONE)
    shop.world.database.stop()
    shop.fails_with(503)
    before = shop.scene()
    shop.rollback(ends=Exit.NEEDS_HUMAN)
    assert shop.scene() == before
    assert shop.grades()[shop.tag("good-2")] is not Grade.BAD


def test_further_goes_further_back(shop: Shop) -> None:
    shop.ships("good-1", "good-2", "http-500")
    shop.rollback(ends=Exit.DONE)
    shop.rollback("--further", ends=Exit.DONE)
    assert shop.serves("good-1")


def test_another_machine_knows_from_the_containers_what_was_rolled_back(shop: Shop) -> None:
    shop.ships("good-1", "http-500")
    shop.rollback(ends=Exit.DONE)
    run, before = shop.latest_run(), shop.scene()
    said = shop.rollback(ends=Exit.DONE, on=shop.another_machine())
    assert shop.scene() == before
    assert run in said["what"]


def test_another_machine_knows_from_git_which_release_was_bad_and_skips_it(shop: Shop) -> None:
    shop.ships("good-1", "good-2", "http-500")
    shop.fails_with(500)
    shop.rollback(ends=Exit.DONE)
    shop.ships("good-3")
    shop.lose("good-2")
    there = shop.another_machine()
    skipped = shop.does("plan", API, ENV, on=there)["plan"]["skipped"]
    reasons = {one["release"]["image"]["tag"]: one["because"] for one in skipped}
    assert reasons[shop.tag("http-500")].startswith("quarantined: marked bad by commit")
    shop.rollback(ends=Exit.DONE, on=there)
    assert shop.serves("good-1")


def test_a_check_records_that_what_runs_is_good(shop: Shop) -> None:
    shop.ships("good-1")
    before = shop.scene()
    shop.does("check", API, ENV)
    assert shop.scene() == before
    assert shop.grades() == {shop.tag("good-1"): Grade.VERIFIED}
    (past,) = shop.does("history", API, ENV)["releases"]
    assert past["evidence"]["grade"] == Grade.VERIFIED


def test_a_plan_names_the_evidence_that_a_check_recorded(shop: Shop) -> None:
    shop.ships("good-1")
    shop.does("check", API, ENV)
    shop.ships("http-500")
    (attempt,) = shop.does("plan", API, ENV)["plan"]["attempts"]
    (part,) = attempt["parts"]
    assert part["release"]["image"]["tag"] == shop.tag("good-1")
    assert part["evidence"]["grade"] == Grade.VERIFIED


def test_a_check_of_a_failing_release_calls_a_human_and_condemns_nothing(shop: Shop) -> None:
    shop.ships("http-500")
    before = shop.scene()
    said = shop.does("check", API, ENV, ends=Exit.NEEDS_HUMAN)
    assert "does not pass the gate" in said["what"]
    assert shop.scene() == before
    assert shop.grades() == {shop.tag("http-500"): Grade.INCONCLUSIVE}


def test_a_restart_starts_the_same_release_anew(shop: Shop) -> None:
    shop.ships("good-1")
    before, (old,) = shop.scene(), shop.running()
    shop.does("restart", API, ENV)
    (new,) = shop.running()
    assert (new.container, new.digest) == (old.container, old.digest)
    assert shop.scene().containers != before.containers
    assert shop.scene().commits == before.commits
    assert shop.serves("good-1")


def test_a_restart_is_journalled_with_its_verdict(shop: Shop) -> None:
    shop.ships("good-1")
    shop.does("restart", API, ENV)
    assert shop.latest_run()
    assert shop.grades() == {shop.tag("good-1"): Grade.VERIFIED}


def test_a_restart_that_does_not_help_calls_a_human(shop: Shop) -> None:
    shop.ships("good-1", "http-500")
    history = shop.world.log()
    shop.does("restart", API, ENV, ends=Exit.NEEDS_HUMAN)
    assert shop.runs("http-500")
    assert shop.world.log() == history
