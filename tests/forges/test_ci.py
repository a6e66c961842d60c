"""Bump pull requests, runs in flight and the checks of a commit."""

from hub import PIN, Place, forge, known, reason

from lastgood.model.facts import Known
from lastgood.model.forge import Bump, Checks, CheckState
from sandbox.github.server import GitHub
from sandbox.github.state import Rules

OTHER = "envs/prod/apps/other/values.yaml"


def bumping(place: Place, hub: GitHub, name: str, files: dict[str, str], base: str = "main") -> str:
    commit = place.commit(name, files, name)
    hub.state.open_pull(name, base, f"Bump {name}", author="renovate[bot]")
    return commit


def bumps(hub: GitHub) -> tuple[Bump, ...]:
    fact = forge(hub).bumps(PIN, "main")
    assert isinstance(fact, Known), fact
    return fact.value


def waiting(place: Place, hub: GitHub) -> Bump:
    bumping(place, hub, "renovate/shop", {PIN: "tag: sha-9\n"})
    hub.state.protect("main", Rules(classic={}, reviews=1))
    hub.state.enable_auto(hub.state.pulls[0], "SQUASH", ("", ""))
    return bumps(hub)[0]


def test_only_open_pull_requests_that_change_the_pin_must_be_bumps(place: Place, hub: GitHub) -> None:
    place.at("branch", "staging", "main")
    bumping(place, hub, "renovate/other", {OTHER: "tag: sha-9\n"})
    bumping(place, hub, "renovate/shop", {PIN: "tag: sha-9\n"})
    bumping(place, hub, "renovate/staging", {PIN: "tag: sha-9\n"}, base="staging")
    bumping(place, hub, "renovate/closed", {PIN: "tag: sha-8\n"})
    hub.state.close(4)
    assert bumps(hub) == (
        Bump(
            2,
            "https://github.com/shop/deploy/pull/2",
            "Bump renovate/shop",
            "renovate[bot]",
            auto_merge=False,
            id="PR_2",
        ),
    )


def test_bumps_and_files_on_later_pages_must_be_found(place: Place, hub: GitHub) -> None:
    hub.page = 1
    bumping(place, hub, "renovate/other", {OTHER: "tag: sha-9\n"})
    bumping(place, hub, "renovate/all", {"a": "1", "b": "2", PIN: "tag: sha-9\n"})
    assert [bump.number for bump in bumps(hub)] == [2]


def test_hostile_titles_must_be_made_harmless(place: Place, hub: GitHub) -> None:
    bumping(place, hub, "renovate/shop", {PIN: "tag: sha-9\n"})
    hub.state.pulls[0].title = "\x1b[2J--force $(x)\nnext"
    hub.state.pulls[0].author = ""
    assert (bumps(hub)[0].title, bumps(hub)[0].author) == ("\\x1b[2J--force $(x)\\nnext", "ghost")


def test_a_paused_bump_must_not_merge_until_it_is_unpaused(place: Place, hub: GitHub) -> None:
    bump = waiting(place, hub)
    assert (bump.auto_merge, bump.method) == (True, "SQUASH")
    paused = known(forge(hub).pause(bump))
    assert isinstance(paused, Bump)
    assert not paused.auto_merge
    hub.state.settle()
    assert place.at("rev-parse", "main") == place.first
    unpaused = known(forge(hub).unpause(paused))
    assert unpaused == bump
    hub.state.review(1)
    assert place.at("show", f"main:{PIN}") == "tag: sha-9"


def test_pausing_and_unpausing_twice_must_be_fine(place: Place, hub: GitHub) -> None:
    bump = waiting(place, hub)
    for _ in range(2):
        known(forge(hub).pause(bump))
        assert not hub.state.pulls[0].auto
    for _ in range(2):
        known(forge(hub).unpause(bump))
        assert hub.state.pulls[0].auto == "SQUASH"


def test_a_bump_that_merged_before_it_was_paused_must_be_told(place: Place, hub: GitHub) -> None:
    bump = waiting(place, hub)
    hub.state.review(1)
    assert reason(forge(hub).pause(bump)) == "#1 is merged meanwhile"


def test_a_bump_that_waits_for_nothing_any_more_must_be_told_when_unpaused(place: Place, hub: GitHub) -> None:
    bump = waiting(place, hub)
    known(forge(hub).pause(bump))
    hub.state.review(1)
    assert "clean status" in reason(forge(hub).unpause(bump))


def test_runs_that_wait_or_run_must_be_in_flight_and_ended_ones_not(place: Place, hub: GitHub) -> None:
    place.at("branch", "other", "main")
    for number, status in enumerate(("completed", "in_progress", "queued", "waiting", "success")):
        hub.state.run("main", f"deploy {number}", status)
    hub.state.run("other", "elsewhere", "in_progress")
    found = known(forge(hub).flights("main"))
    assert isinstance(found, tuple)
    assert {(flight.name, flight.status, flight.commit) for flight in found} == {
        ("deploy 1", "in_progress", place.first),
        ("deploy 2", "queued", place.first),
        ("deploy 3", "waiting", place.first),
    }


def checks(hub: GitHub, commit: str) -> object:
    return known(forge(hub).checks(commit))


def test_a_commit_that_nothing_judged_must_have_no_checks_though_github_says_pending(place: Place, hub: GitHub) -> None:
    assert checks(hub, place.first) == Checks(CheckState.NONE)


def test_checks_must_add_up_statuses_and_check_runs(place: Place, hub: GitHub) -> None:
    hub.state.check(place.first, "build", "success")
    hub.state.check(place.first, "optional", "skipped")
    assert checks(hub, place.first) == Checks(CheckState.PASSING)
    hub.state.status(place.first, "legacy", "pending")
    hub.state.check(place.first, "e2e", None, "in_progress")
    assert checks(hub, place.first) == Checks(CheckState.PENDING, (), ("legacy", "e2e"))
    hub.state.status(place.first, "legacy", "failure")
    assert checks(hub, place.first) == Checks(CheckState.FAILING, ("legacy",), ("e2e",))
    hub.state.check(place.first, "e2e", "timed_out")
    assert checks(hub, place.first) == Checks(CheckState.FAILING, ("legacy", "e2e"))


def test_a_failing_check_on_the_last_page_must_count(place: Place, hub: GitHub) -> None:
    hub.page = 2
    for number in range(5):
        hub.state.check(place.first, f"check {number}", "success")
        hub.state.status(place.first, f"status {number}", "success")
    hub.state.check(place.first, "last", "failure")
    assert checks(hub, place.first) == Checks(CheckState.FAILING, ("last",))


def test_a_commit_that_github_does_not_have_must_be_unknown(hub: GitHub) -> None:
    assert "No commit found" in reason(forge(hub).checks("a" * 40))
    assert reason(forge(hub).checks("main")) == "the commit is not named by its full id"


def test_checks_of_another_repo_must_be_asked_there(place: Place, hub: GitHub) -> None:
    assert "(404)" in reason(forge(hub).checks(place.first, repo="shop/code"))
    assert any("/repos/shop/code/commits/" in path for _, path in hub.log)
    assert reason(forge(hub).checks(place.first, repo="../../user")) == "the repo is no owner/name"
