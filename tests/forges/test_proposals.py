"""Pull requests, on a stand-in for GitHub over a real remote: what the branch holds in the end is what counts."""

import pytest
from hub import PIN, Place, forge, known, reason

from lastgood.model.facts import Known
from lastgood.model.forge import Proposal, ProposalState
from sandbox.github.server import GitHub
from sandbox.github.state import Right, Rules

HEAD = "lastgood/run-1"
BODY = "Back to sha-0.\n\nLastgood-Run: run-1"


def pushed(place: Place) -> str:
    return place.commit(HEAD, {PIN: "tag: sha-0\n"}, "shop: back to sha-0\n\nLastgood-Run: run-1")


def proposed(hub: GitHub, token: str = "ghp_write") -> Proposal:  # noqa: S107 - the stand-in\'s
    fact = forge(hub, token).propose(HEAD, "main", "shop: back to sha-0", BODY)
    assert isinstance(fact, Known), fact
    return fact.value


def test_a_proposal_made_twice_must_be_one_pull_request(place: Place, hub: GitHub) -> None:
    pushed(place)
    first = proposed(hub)
    again = proposed(hub)
    assert (first.number, first.url, first.state) == (1, "https://github.com/shop/deploy/pull/1", ProposalState.OPEN)
    assert (again.number, len(hub.state.pulls)) == (1, 1)
    assert hub.state.pulls[0].body == BODY


def test_an_answer_lost_on_its_way_must_not_make_a_second_pull_request(place: Place, hub: GitHub) -> None:
    pushed(place)
    hub.state.open_pull(HEAD, "main", "made, but nobody heard")
    assert proposed(hub).number == 1
    assert len(hub.state.pulls) == 1


def test_a_proposal_must_merge_by_itself_once_reviewed_and_the_branch_have_its_commit_message(
    place: Place, hub: GitHub
) -> None:
    pushed(place)
    hub.state.protect("main", Rules(classic={}, reviews=1))
    assert proposed(hub).auto_merge
    assert place.at("rev-parse", "main") == place.first
    hub.state.review(1)
    assert place.at("show", f"main:{PIN}") == "tag: sha-0"
    assert "Lastgood-Run: run-1" in place.at("log", "--first-parent", "-1", "--format=%(trailers)", "main")
    assert known(forge(hub).proposal(HEAD, "main")) == Proposal(
        1, "https://github.com/shop/deploy/pull/1", ProposalState.MERGED, auto_merge=False
    )


@pytest.mark.parametrize("methods", [("SQUASH",), ("SQUASH", "MERGE"), ("REBASE",)])
def test_the_trailers_must_be_on_the_branchs_own_line_however_the_repo_merges(
    place: Place, hub: GitHub, methods: tuple[str, ...]
) -> None:
    pushed(place)
    hub.state.methods = methods
    hub.state.protect("main", Rules(rules=("pull_request",), required=("ci",)))
    assert proposed(hub).auto_merge
    hub.state.check(place.at("rev-parse", HEAD), "ci", "success")
    assert place.at("log", "--first-parent", "-1", "--format=%(trailers:key=Lastgood-Run,valueonly)", "main") == "run-1"
    assert proposed(hub).state is ProposalState.MERGED


@pytest.mark.parametrize("method", ["MERGE", "SQUASH", "REBASE"])
def test_a_proposal_merged_by_a_person_must_be_seen_as_merged(place: Place, hub: GitHub, method: str) -> None:
    pushed(place)
    proposed(hub)
    hub.state.merge(1, method)
    seen = known(forge(hub).proposal(HEAD, "main"))
    assert isinstance(seen, Proposal)
    assert seen.state is ProposalState.MERGED
    assert place.at("show", f"main:{PIN}") == "tag: sha-0"


def test_a_repo_without_auto_merge_must_still_get_its_pull_request_and_the_reason(place: Place, hub: GitHub) -> None:
    pushed(place)
    hub.state.allow_auto_merge = False
    made = proposed(hub)
    assert (made.state, made.auto_merge, made.because) == (
        ProposalState.OPEN, False, "auto-merge is not allowed in this repo",
    )  # fmt: skip


def test_a_proposal_that_waits_for_nothing_must_say_that_it_does_not_merge_by_itself(place: Place, hub: GitHub) -> None:
    pushed(place)
    made = proposed(hub)
    assert not made.auto_merge
    assert "clean status" in made.because
    assert place.at("rev-parse", "main") == place.first


def test_a_proposal_that_somebody_closed_must_not_be_made_again(place: Place, hub: GitHub) -> None:
    pushed(place)
    proposed(hub)
    hub.state.close(1)
    made = proposed(hub)
    assert (made.number, made.state, len(hub.state.pulls)) == (1, ProposalState.CLOSED, 1)
    assert made.because == "it was closed without being merged"


def test_a_branch_that_nobody_proposed_must_have_no_proposal(place: Place, hub: GitHub) -> None:
    pushed(place)
    place.commit("other", {"README": "x\n"}, "other")
    hub.state.open_pull("other", "main", "another")
    assert known(forge(hub).proposal(HEAD, "main")) is None


def test_a_token_that_may_not_write_must_be_told_so(place: Place, hub: GitHub) -> None:
    pushed(place)
    hub.state.tokens["ghp_read"] = Right(write=False)
    said = reason(forge(hub, "ghp_read").propose(HEAD, "main", "t", "b"))
    assert "does not allow it (403): Resource not accessible by personal access token" in said
    assert hub.state.pulls == []


def test_nothing_to_merge_must_be_told_in_githubs_words(place: Place, hub: GitHub) -> None:
    place.at("branch", HEAD, "main")
    assert f"No commits between main and {HEAD}" in reason(forge(hub).propose(HEAD, "main", "t", "b"))


def test_a_proposal_without_a_token_must_not_even_ask(place: Place, hub: GitHub) -> None:
    pushed(place)
    assert "set GITHUB_TOKEN" in reason(forge(hub, "").propose(HEAD, "main", "t", "b"))
    assert hub.log == []
