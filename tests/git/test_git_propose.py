"""A commit as a new branch of the remote: never in place of anything."""

import pytest
from gitworld import PIN, World, values

from lastgood.git.repo import BareRepo
from lastgood.model.errors import Refused

NAME = "lastgood/run-1"


def rollback(repo: BareRepo, tag: str = "sha-0") -> str:
    repo.fetch()
    return repo.commit(repo.with_files(repo.tip(), {PIN: values(tag)}), repo.tip(), f"back to {tag}\n")


def test_a_proposed_branch_must_hold_the_commit_and_leave_the_deploy_branch(world: World) -> None:
    repo = world.repo()
    made = rollback(repo)
    before = repo.tip()
    assert repo.propose_branch(made, NAME).ok
    assert world.git(world.remote, "rev-parse", f"refs/heads/{NAME}") == made
    assert world.git(world.remote, "rev-parse", "main") == before == repo.tip()


def test_a_branch_proposed_twice_must_be_fine(world: World) -> None:
    repo = world.repo()
    made = rollback(repo)
    assert repo.propose_branch(made, NAME).ok
    assert repo.propose_branch(made, NAME).ok
    assert world.repo(cache="another").fetch()
    assert world.git(world.remote, "rev-parse", NAME) == made


@pytest.mark.parametrize("theirs", ["behind", "beside"])
def test_a_branch_of_somebody_else_must_be_left_even_where_ours_would_fast_forward(world: World, theirs: str) -> None:
    repo = world.repo()
    made = rollback(repo)
    held = repo.tip() if theirs == "behind" else rollback(repo, "sha-other")
    if theirs == "beside":
        assert repo.propose_branch(held, NAME).ok
    else:
        world.git(world.remote, "branch", NAME, held)
    pushed = repo.propose_branch(made, NAME)
    assert (pushed.ok, pushed.refused) == (False, True)
    assert pushed.because == f"branch {NAME} is there already, at {held}"
    assert world.git(world.remote, "rev-parse", NAME) == held


def test_a_remote_that_refuses_new_branches_must_be_told_in_its_words(world: World) -> None:
    repo = world.repo()
    made = rollback(repo)
    world.hook('echo "no new branches here" >&2; exit 1')
    pushed = repo.propose_branch(made, NAME)
    assert (pushed.ok, pushed.refused) == (False, True)
    assert "no new branches here" in pushed.because


def test_a_protected_deploy_branch_must_not_keep_a_proposal_from_its_branch(world: World) -> None:
    repo = world.repo()
    made = rollback(repo)
    world.hook('while read -r old new ref; do [ "$ref" = refs/heads/main ] && exit 1; done; exit 0')
    assert not repo.push(made).ok
    assert repo.propose_branch(made, NAME).ok


def test_an_unreachable_remote_must_be_neither_refused_nor_fine(world: World) -> None:
    repo = world.repo()
    made = rollback(repo)
    world.remote.rename(world.folder / "away")
    pushed = repo.propose_branch(made, NAME)
    assert (pushed.ok, pushed.moved, pushed.refused) == (False, False, False)
    assert pushed.because


def test_no_remote_must_be_told(world: World) -> None:
    repo = world.repo()
    made = rollback(repo)
    world.git(world.clone, "remote", "remove", "origin")
    pushed = world.repo().propose_branch(made, NAME)
    assert (pushed.ok, pushed.because) == (False, "no remote is configured")


@pytest.mark.parametrize("name", ["main", "--force", "+x", "a:b", "../x", "a..b", "", "x\ny", "@", "a b", "HEAD^"])
def test_what_is_no_new_branchs_name_must_be_refused_before_anything_is_sent(world: World, name: str) -> None:
    repo = world.repo()
    made = rollback(repo)
    before = world.git(world.remote, "for-each-ref")
    if name == "+x":  # git allows it as a name, and it must stay one: no force is meant by it
        assert repo.propose_branch(made, name).ok
        assert world.git(world.remote, "rev-parse", "refs/heads/+x") == made
        return
    with pytest.raises(Refused, match="not the name of a new branch"):
        repo.propose_branch(made, name)
    assert world.git(world.remote, "for-each-ref") == before
