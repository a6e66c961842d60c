"""From a refused push to a merged proposal, with lastgood's own git and forge on one protected remote."""

from pathlib import Path

import pytest
from hub import PIN, Place, forge, known

from lastgood.effects.process import LocalProcess
from lastgood.git.repo import BareRepo
from lastgood.model.facts import Known
from lastgood.model.forge import Proposal, ProposalState
from sandbox.github.server import GitHub
from sandbox.github.state import Rules

HEAD = "lastgood/run-1"


def test_a_rollback_that_may_not_be_pushed_must_reach_the_branch_by_a_proposal(
    place: Place, hub: GitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".gitconfig").write_text("[user]\nname = Ada\nemail = ada@example.org\n")
    place.commit("main", {PIN: "tag: sha-2\n"}, "a bad release")
    hub.state.protect("main", Rules(classic={}, reviews=1))
    repo = BareRepo(LocalProcess(), str(place.work), "main", str(tmp_path / "cache"))
    repo.fetch()
    message = "back to sha-1\n\nLastgood-Run: run-1\n"
    made = repo.commit(repo.with_files(repo.tip(), {PIN: b"tag: sha-1\n"}), repo.tip(), message)
    refused = repo.push(made)
    assert refused.refused
    assert repo.propose_branch(made, HEAD).ok
    proposal = known(forge(hub).propose(HEAD, "main", "back to sha-1", message))
    assert isinstance(proposal, Proposal)
    assert proposal.auto_merge
    hub.state.review(proposal.number)
    merged = forge(hub).proposal(HEAD, "main")
    assert isinstance(merged, Known)
    assert merged.value is not None
    assert merged.value.state is ProposalState.MERGED
    repo.fetch()
    assert repo.blob(repo.tip(), PIN) == b"tag: sha-1\n"
    assert repo.find_trailer("Lastgood-Run", "run-1", 10) == repo.tip()
