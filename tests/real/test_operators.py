import json

from operating import ROLLBACK, bad_release_in_production, begin, edit, lease_file, says, says_no, stalled
from shop import API, ENV, Shop

from lastgood.model.errors import Exit


def patient(shop: Shop) -> None:
    """The gate has time for somebody who stands still in it."""
    edit(shop, "window: 1s", "window: 4s")
    edit(shop, "limit: 25s", "limit: 120s")


def test_of_two_operators_at_once_one_wins_and_the_other_is_told_who_acts(shop: Shop) -> None:
    bad_release_in_production(shop)
    with (
        stalled(shop, "docker", says("up")) as compose,
        begin(shop, *ROLLBACK, on=compose.path(shop.world.env)) as first,
    ):
        compose.reached()
        holder = json.loads(lease_file(shop).read_bytes())["holder"]
        told = says_no(shop, *ROLLBACK, ends=Exit.LEASE_HELD, on=shop.another_machine())
        assert holder in told
        assert first.run in told
        compose.go()
        assert first.end().code == Exit.DONE
    assert shop.serves("good-1")
    assert not lease_file(shop).exists()


def test_a_second_operator_is_kept_out_while_the_first_one_s_release_is_being_verified(shop: Shop) -> None:
    bad_release_in_production(shop)
    patient(shop)
    with begin(shop, *ROLLBACK) as first:
        run = first.begun("1.verify")
        with first.sleeping():
            told = says_no(shop, *ROLLBACK, ends=Exit.LEASE_HELD, on=shop.another_machine())
        assert run in told
        assert first.end().code == Exit.DONE
    assert shop.serves("good-1")


def test_two_calls_on_one_machine_are_kept_apart_too(shop: Shop) -> None:
    bad_release_in_production(shop)
    patient(shop)
    with begin(shop, *ROLLBACK) as first:
        run = first.begun("1.verify")
        with first.sleeping():
            assert run in says_no(shop, *ROLLBACK, ends=Exit.LEASE_HELD)
        assert first.end().code == Exit.DONE
    assert shop.serves("good-1")


def test_status_says_who_acts(shop: Shop) -> None:
    bad_release_in_production(shop)
    with begin(shop, *ROLLBACK) as first:
        run = first.begun("1.verify")
        with first.sleeping():
            assert run in shop.does("status", API, ENV)["lease"]
        first.dies()


def test_a_lease_whose_holder_is_gone_can_be_taken_over_and_the_old_run_stays_out(shop: Shop) -> None:
    bad_release_in_production(shop)
    with stalled(shop, "docker", says("up")) as compose:
        with begin(shop, *ROLLBACK, on=compose.path(shop.world.env)) as first:
            compose.reached()
            run = first.run
            first.dies()
        colleague = shop.another_machine()
        says_no(shop, *ROLLBACK, ends=Exit.LEASE_HELD, on=colleague)
        shop.rollback("--take-over", ends=Exit.DONE, on=colleague)
    assert shop.serves("good-1")
    says_no(shop, "resume", run, ends=Exit.WORLD_MOVED)


def test_taking_over_what_a_killed_run_had_put_there_looks_again_and_says_that_git_is_behind(shop: Shop) -> None:
    bad_release_in_production(shop)
    with begin(shop, *ROLLBACK) as first:
        run = first.begun("1.verify")
        first.dies()
    containers = shop.scene().containers
    shop.rollback("--take-over", ends=Exit.MITIGATED, on=shop.another_machine())
    assert shop.scene().containers == containers
    shop.does("resume", run, ends=Exit.DONE)
    assert shop.serves("good-1")


def test_a_holder_that_was_taken_over_stops_before_its_next_effect(shop: Shop) -> None:
    bad_release_in_production(shop)
    with (
        stalled(shop, "docker", says("config")) as compose,
        begin(shop, *ROLLBACK, on=compose.path(shop.world.env)) as first,
    ):
        compose.reached()
        shop.rollback("--take-over", ends=Exit.DONE, on=shop.another_machine())
        done = shop.scene()
        compose.go()
        assert first.end().code == Exit.LEASE_HELD
    assert shop.scene() == done
    assert shop.serves("good-1")


def test_a_deployment_between_plan_and_run_stops_the_run(shop: Shop) -> None:
    bad_release_in_production(shop)
    with (
        stalled(shop, "git", f"[ -e {lease_file(shop)} ]") as git,
        begin(shop, *ROLLBACK, on=git.path(shop.world.env)) as run,
    ):
        git.reached()
        shop.ships("good-2")
        moved = shop.scene()
        git.go()
        assert run.end().code == Exit.WORLD_MOVED
    assert shop.scene() == moved
    assert shop.serves("good-2")
    assert not lease_file(shop).exists()


def test_a_pin_that_moves_between_plan_and_run_stops_the_run(shop: Shop) -> None:
    bad_release_in_production(shop)
    with (
        stalled(shop, "git", f"[ -e {lease_file(shop)} ]") as git,
        begin(shop, *ROLLBACK, on=git.path(shop.world.env)) as run,
    ):
        git.reached()
        shop.commits("good-2")
        moved = shop.scene()
        git.go()
        assert run.end().code == Exit.WORLD_MOVED
    assert shop.scene() == moved
    assert not lease_file(shop).exists()


def test_the_digest_of_an_older_plan_does_not_approve_the_plan_of_now(shop: Shop) -> None:
    bad_release_in_production(shop)
    digest = shop.does("plan", API, ENV)["digest"]
    shop.ships("good-2")
    said = says_no(shop, "rollback", API, ENV, "--plan", digest, ends=Exit.WORLD_MOVED)
    assert digest in said


def test_the_digest_of_the_plan_of_now_approves_it(shop: Shop) -> None:
    bad_release_in_production(shop)
    digest = shop.does("plan", API, ENV)["digest"]
    shop.does("rollback", API, ENV, "--plan", digest, ends=Exit.DONE)
    assert shop.serves("good-1")
