"""Whether GitHub protects a branch, by both of its kinds of protection and with every right to see them."""

import pytest
from hub import Place, forge, reason

from lastgood.model.facts import Known, Unknown
from lastgood.model.forge import Protection
from sandbox.github.server import GitHub
from sandbox.github.state import Right, Rules

REVIEWS = {
    "required_pull_request_reviews": {
        "url": "https://x",
        "dismiss_stale_reviews": False,
        "require_code_owner_reviews": False,
    }
}


def seen(hub: GitHub, token: str = "ghp_admin", branch: str = "main") -> Protection:  # noqa: S107 - the stand-in\'s
    hub.state.tokens |= {"ghp_admin": Right(admin=True), "ghp_read": Right(write=False)}
    fact = forge(hub, token).protected(branch)
    assert isinstance(fact, Known), fact
    return fact.value


def test_a_branch_without_rules_must_be_known_to_be_open(hub: GitHub) -> None:
    assert seen(hub) == Protection(Known(value=False), Known(value=False), "no rule was seen")


@pytest.mark.parametrize("token", ["ghp_write", "ghp_read"])
def test_a_ruleset_must_be_seen_by_whoever_may_read(hub: GitHub, token: str) -> None:
    hub.state.rules["main"] = Rules(rules=("non_fast_forward", "pull_request"))
    found = seen(hub, token)
    assert (found.refuses_force, found.refuses_direct) == (Known(value=True), Known(value=True))
    assert found.because == "rules: non_fast_forward, pull_request"


def test_a_ruleset_that_only_forbids_force_must_not_be_taken_for_more(hub: GitHub) -> None:
    hub.state.rules["main"] = Rules(rules=("deletion", "non_fast_forward"))
    found = seen(hub)
    assert (found.refuses_force, found.refuses_direct) == (Known(value=True), Known(value=False))


def test_branch_protection_must_refuse_force_unless_it_allows_it(hub: GitHub) -> None:
    hub.state.rules["main"] = Rules(classic=REVIEWS)
    found = seen(hub)
    assert (found.refuses_force, found.refuses_direct) == (Known(value=True), Known(value=True))
    hub.state.rules["main"] = Rules(classic={"allow_force_pushes": {"enabled": True}})
    found = seen(hub)
    assert (found.refuses_force, found.refuses_direct) == (Known(value=False), Known(value=False))


def test_a_locked_branch_must_refuse_everything(hub: GitHub) -> None:
    hub.state.rules["main"] = Rules(classic={"lock_branch": {"enabled": True}, "allow_force_pushes": {"enabled": True}})
    found = seen(hub)
    assert (found.refuses_force, found.refuses_direct) == (Known(value=True), Known(value=True))


@pytest.mark.parametrize(("token", "said"), [("ghp_write", "403"), ("ghp_read", "404")])
def test_protection_that_we_may_not_read_must_be_unknown_and_never_no(hub: GitHub, token: str, said: str) -> None:
    hub.state.tokens |= {"ghp_read": Right(write=False)}
    hub.state.rules["main"] = Rules(classic={"allow_force_pushes": {"enabled": True}})
    assert f"({said})" in reason(forge(hub, token).protected("main"))


def test_one_kind_that_refuses_must_be_enough_where_the_other_cannot_be_read(hub: GitHub) -> None:
    hub.state.rules["main"] = Rules(classic={}, rules=("non_fast_forward",))
    found = seen(hub, "ghp_write")
    assert found.refuses_force == Known(value=True)
    assert isinstance(found.refuses_direct, Unknown)


def test_a_branch_that_is_not_there_must_be_unknown(hub: GitHub) -> None:
    assert "Branch not found" in reason(forge(hub).protected("nowhere"))


def test_a_name_with_slashes_and_tricks_must_stay_one_name(place: Place, hub: GitHub) -> None:
    place.at("branch", "env/prod#1%2F", "main")
    hub.state.rules["env/prod#1%2F"] = Rules(rules=("non_fast_forward",))
    assert seen(hub, branch="env/prod#1%2F").refuses_force == Known(value=True)


def test_rules_on_later_pages_must_count(hub: GitHub) -> None:
    hub.page = 1
    hub.state.rules["main"] = Rules(rules=("deletion", "creation", "non_fast_forward"))
    assert seen(hub).refuses_force == Known(value=True)


def test_the_stand_in_must_refuse_pushes_as_it_says(place: Place, hub: GitHub) -> None:
    hub.state.protect("main", Rules(classic={}))
    with pytest.raises(AssertionError, match="GH006"):
        place.commit("main", {"README": "direct\n"}, "direct")
    assert place.at("rev-parse", "main") == place.first
