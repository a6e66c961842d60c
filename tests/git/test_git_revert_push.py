"""What a revert must be on the remote, whatever others and the network do meanwhile."""

import pytest
from codeworld import BY_HAND, code, remote
from gitworld import World

from lastgood.model.errors import InDoubt, PathConflict, Refused, WorldMoved
from lastgood.model.facts import Known
from lastgood.model.forge import Proposal, ProposalState
from lastgood.model.revert import Wish
from lastgood.ports import Pushed
from lastgood.run.code import carry, prepare


def test_where_others_push_meanwhile_it_must_be_made_again_on_top_of_theirs(world: World) -> None:
    bad = world.ship({"app.py": b"broken\n"}, "Break it")
    repo, wish = code(world), Wish((bad,))
    made = prepare(repo, wish)
    theirs = world.ship({"theirs": b"1\n"}, "Theirs")
    done = carry(repo, wish, made, BY_HAND, pull_request=False)
    assert remote(world, "rev-parse", "main^") == theirs
    assert done.commits == (remote(world, "rev-parse", "main"),)
    assert remote(world, "ls-tree", "--name-only", "main", "app.py", "theirs") == "theirs"


def test_where_others_make_it_conflict_meanwhile_nothing_must_be_pushed(world: World) -> None:
    bad = world.ship({"README": b"broken\n"}, "Break it")
    repo, wish = code(world), Wish((bad,))
    made = prepare(repo, wish)
    theirs = world.ship({"README": b"other\n"}, "Theirs")
    with pytest.raises(PathConflict):
        carry(repo, wish, made, BY_HAND, pull_request=False)
    assert remote(world, "rev-parse", "main") == theirs


def test_where_others_reverted_meanwhile_nothing_must_be_pushed(world: World) -> None:
    bad = world.ship({"app.py": b"broken\n"}, "Break it")
    repo, wish = code(world), Wish((bad,))
    made = prepare(repo, wish)
    world.git(world.colleague, "revert", "--no-edit", bad)
    world.git(world.colleague, "push", "-q", "origin", "HEAD:main")
    done = carry(repo, wish, made, BY_HAND, pull_request=False)
    assert (done.commits, done.because) == ((), (f"{bad[:12]}: already reverted by {world.head()[:12]}",))
    assert remote(world, "rev-parse", "main") == world.head()


def test_a_forge_must_get_the_branch_and_its_link_be_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = world.ship({"app.py": b"broken\n"}, "Break it")
    repo, wish = code(world), Wish((bad,))
    asked: list[tuple[str, ...]] = []

    def propose(*args: str) -> Known[Proposal]:
        asked.append(args)
        return Known(Proposal(7, "https://forge.example/pull/7", ProposalState.OPEN, auto_merge=False))

    monkeypatch.setattr(BY_HAND, "propose", propose)
    done = carry(repo, wish, prepare(repo, wish), BY_HAND, pull_request=True)
    branch = f"lastgood/revert-{bad[:12]}"
    assert (done.exit, done.branch, done.link) == (0, branch, "https://forge.example/pull/7")
    assert asked[0][:3] == (branch, "main", 'Revert "Break it"')
    assert remote(world, "rev-parse", f"{branch}^") == bad
    assert remote(world, "rev-parse", "main") == bad


def test_a_branch_proposed_before_must_stay_as_it_is(world: World) -> None:
    bad = world.ship({"app.py": b"broken\n"}, "Break it")
    branch = f"lastgood/revert-{bad[:12]}"
    world.write({"theirs": b"1"})
    world.git(world.colleague, "commit", "-qm", "somebody's")
    world.git(world.colleague, "push", "-q", "origin", f"HEAD:{branch}")
    repo, wish = code(world), Wish((bad,))
    with pytest.raises(Refused, match="could not be pushed"):
        carry(repo, wish, prepare(repo, wish), BY_HAND, pull_request=True)
    assert remote(world, "rev-parse", branch) == world.head()


def test_a_proposal_made_before_must_count(world: World) -> None:
    bad = world.ship({"app.py": b"broken\n"}, "Break it")
    repo, wish = code(world), Wish((bad,))
    first = carry(repo, wish, prepare(repo, wish), BY_HAND, pull_request=True)
    again = carry(
        repo,
        Wish((bad,), because="said anew"),
        prepare(repo, Wish((bad,), because="said anew")),
        BY_HAND,
        pull_request=True,
    )
    assert first.commits == again.commits == (remote(world, "rev-parse", first.branch),)


def test_a_remote_that_does_not_answer_must_be_refused_before_anything_is_made(world: World) -> None:
    bad = world.ship({"app.py": b"broken\n"}, "Break it")
    repo, wish = code(world), Wish((bad,))
    repo.fetch()
    world.remote.rename(world.folder / "away.git")
    made = prepare(repo, wish)
    assert made.undos
    with pytest.raises(Refused, match="does not answer"):
        carry(repo, wish, made, BY_HAND, pull_request=False)


def test_a_push_that_ended_without_a_verdict_must_be_looked_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = world.ship({"app.py": b"broken\n"}, "Break it")
    hook = world.remote / "hooks" / "post-receive"
    hook.write_text("#!/bin/sh\nexec sleep 60\n")  # the remote has it, and never says so
    hook.chmod(0o755)
    monkeypatch.setattr("lastgood.git.mirror.PUSH_SECONDS", 5.0)
    repo, wish = code(world), Wish((bad,))
    done = carry(repo, wish, prepare(repo, wish), BY_HAND, pull_request=False)
    assert (done.exit, done.commits) == (0, (remote(world, "rev-parse", "main"),))


def test_a_remote_that_goes_away_in_the_push_must_leave_it_in_doubt(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = world.ship({"app.py": b"broken\n"}, "Break it")
    repo, wish = code(world), Wish((bad,))
    made = prepare(repo, wish)

    def gone(_: str) -> Pushed:
        world.remote.rename(world.folder / "away.git")
        return Pushed(ok=False, because="the connection broke")

    monkeypatch.setattr(repo, "push", gone)
    with pytest.raises(InDoubt) as caught:
        carry(repo, wish, made, BY_HAND, pull_request=False)
    assert caught.value.exit == 5


def test_a_push_that_failed_for_certain_must_be_told_as_that(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = world.ship({"app.py": b"broken\n"}, "Break it")
    repo, wish = code(world), Wish((bad,))
    monkeypatch.setattr(repo, "push", lambda _: Pushed(ok=False, because="the connection broke"))
    with pytest.raises(Refused, match="Nothing was pushed"):
        carry(repo, wish, prepare(repo, wish), BY_HAND, pull_request=False)


def test_where_others_never_stop_pushing_it_must_give_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = world.ship({"app.py": b"broken\n"}, "Break it")
    repo, wish = code(world), Wish((bad,))
    pushes: list[str] = []
    push = repo.push

    def late(commit: str) -> Pushed:
        pushes.append(world.ship({"theirs": str(len(pushes)).encode()}, "Theirs"))
        return push(commit)

    monkeypatch.setattr(repo, "push", late)
    with pytest.raises(WorldMoved):
        carry(repo, wish, prepare(repo, wish), BY_HAND, pull_request=False)
    assert len(pushes) == 5
    assert remote(world, "rev-parse", "main") == pushes[-1]
