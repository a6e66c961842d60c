"""How git is brought to what runs, whatever others and the remote do meanwhile."""

from collections.abc import Callable

import pytest
from fault_words import shipped, state

from lastgood.model.errors import Exit, Refused
from lastgood.model.plan import Scope
from lastgood.model.target import Push
from lastgood.run.planning import Wish
from tests.standin.fate import ANSWERS_500, EXITS, GOOD
from tests.standin.world import FOLDER, PIN, World, values


@pytest.fixture
def mitigated(bad: World) -> World:
    """The rollback was done while the remote was away."""
    bad.plan()
    bad.remote_goes_away()
    assert bad.rollback().exit is Exit.MITIGATED
    bad.remote_comes_back()
    return bad


def test_a_remote_that_is_away_must_not_keep_production_from_its_last_good_release(mitigated: World) -> None:
    assert state(mitigated) == (["v2"], "v3", False)
    assert mitigated.resume().exit is Exit.DONE
    assert state(mitigated) == (["v2"], "v2", False)


def test_an_abort_while_the_remote_is_away_must_be_refused(mitigated: World) -> None:
    mitigated.remote_goes_away()
    with pytest.raises(Refused, match="cannot be aborted now"):
        mitigated.resume(aborting=True)
    assert mitigated.versions() == ["v2"]


def test_a_push_that_the_remote_refuses_must_leave_the_run_mitigated(bad: World) -> None:
    hook = bad.root / "remote.git/hooks/pre-receive"
    hook.parent.mkdir()
    hook.write_text("#!/bin/sh\necho protected >&2\nexit 1\n")
    hook.chmod(0o755)
    assert bad.rollback().exit is Exit.MITIGATED
    assert state(bad) == (["v2"], "v3", False)
    hook.unlink()
    assert bad.resume().exit is Exit.DONE
    assert state(bad) == (["v2"], "v2", False)


def test_unrelated_commits_meanwhile_must_stay_below_the_rollback(mitigated: World) -> None:
    mitigated.commit({"README": b"meanwhile\n", f"{FOLDER}/notes.txt": b"new\n"}, "unrelated")
    assert mitigated.resume().exit is Exit.DONE
    shown = mitigated.git("show", "main:README", at="remote.git")
    assert (shown, mitigated.pinned()) == ("meanwhile", "v2")
    assert mitigated.git("log", "-2", "--format=%s", "main", at="remote.git").splitlines()[1] == "unrelated"


def test_a_commit_that_comes_in_at_the_very_push_must_be_built_upon(bad: World) -> None:
    pushes: list[str] = []

    def race(name: str) -> None:
        if name == "before git push" and not pushes:
            pushes.append(name)
            bad.commit({"README": b"raced\n"}, "raced")

    bad.at_point = race
    assert bad.rollback().exit is Exit.DONE
    subjects = bad.git("log", "-2", "--format=%s", "main", at="remote.git").splitlines()
    assert subjects == ["Roll shop/prod back from v3 to v2", "raced"]
    assert bad.pinned() == "v2"


@pytest.mark.parametrize("pin", [values("v4"), b"image: [\n"], ids=["another release", "unreadable"])
def test_a_pin_that_somebody_else_changed_meanwhile_must_call_a_human(mitigated: World, pin: bytes) -> None:
    mitigated.commit({PIN: pin}, "theirs")
    ended = mitigated.resume()
    assert (ended.exit, mitigated.versions()) == (Exit.NEEDS_HUMAN, ["v2"])
    assert "changed its pin" in ended.what
    assert mitigated.git("log", "-1", "--format=%s", "main", at="remote.git") == "theirs"


def test_the_pin_s_file_that_somebody_else_edited_meanwhile_must_keep_their_edit(mitigated: World) -> None:
    mitigated.commit({PIN: values("v3", level="debug")}, "theirs")
    assert mitigated.resume().exit is Exit.DONE
    assert mitigated.git("show", f"main:{PIN}", at="remote.git").encode() + b"\n" == values("v2", level="debug")


@pytest.mark.parametrize("theirs", [values("v3", level="trace"), None], ids=["edited", "the other file"])
def test_configuration_that_goes_back_and_that_somebody_else_edited_must_stay_theirs(
    world: World, theirs: bytes | None
) -> None:
    extra = f"{FOLDER}/extra.txt"
    shipped(world, GOOD, GOOD)
    world.build("v3", ANSWERS_500)
    world.commit({PIN: values("v3", level="debug"), extra: b"ours\n"}, "release v3")
    world.deploy("v3")
    world.plan()
    world.remote_goes_away()
    assert world.rollback().exit is Exit.MITIGATED
    world.remote_comes_back()
    world.commit({PIN: theirs} if theirs else {extra: b"theirs\n"}, "theirs")
    ended = world.resume()
    assert (ended.exit, world.versions()) == (Exit.MITIGATED, ["v2"])
    assert "changed by somebody else" in str(ended.because)
    assert world.git("log", "-1", "--format=%s", "main", at="remote.git") == "theirs"


@pytest.mark.parametrize(
    ("pin", "exit_"), [(values("v4"), Exit.NEEDS_HUMAN), (b"image: [\n", Exit.MITIGATED)], ids=["moved on", "broken"]
)
def test_a_pin_that_somebody_changed_after_the_rollback_s_commit_must_not_count_as_settled(
    bad: World, pin: bytes, exit_: Exit
) -> None:
    bad.restore(next(p for p in bad.photographed(bad.rollback) if "after git push" in p.name))
    bad.git("pull", "-q", "--ff-only", "origin", "main")
    bad.commit({PIN: pin}, "theirs")
    assert bad.resume().exit is exit_
    assert bad.versions() == ["v2"]


def test_configuration_alone_must_go_back_with_its_own_words(world: World) -> None:
    shipped(world, GOOD)
    world.build("v2")
    world.commit({PIN: values("v2", level="debug")}, "release v2")
    world.deploy("v2")
    assert world.rollback(Wish(scope=Scope.CONFIG_ONLY)).exit is Exit.DONE
    assert world.git("show", f"main:{PIN}", at="remote.git").encode() + b"\n" == values("v2")
    subject = world.git("log", "-1", "--format=%s", "main", at="remote.git")
    assert subject == "Take the configuration of shop/prod back, v2 stays"
    assert (world.versions(), world.judged()) == (["v2"], {"v2": "verified"})


def test_a_tag_that_was_moved_must_not_count_as_settled(bad: World) -> None:
    moved = bad.build("other", host=False)
    bad.outside.registry.tags[moved.repository, "v2"] = moved.digest
    ended = bad.rollback()
    assert (ended.exit, bad.versions()) == (Exit.MITIGATED, ["v2"])
    assert any("digest" in line for line in ended.next)
    bad.git("pull", "-q", "--ff-only", "origin", "main")
    bad.commit({PIN: values("v2", digest=bad.image("v2").digest)}, "pin the digest")
    assert bad.resume().exit is Exit.DONE


def test_a_remote_that_must_be_pushed_to_must_answer_before_anything_is_touched(build: Callable[..., World]) -> None:
    world = shipped(build(push=Push.REQUIRED), GOOD, ANSWERS_500)
    world.plan()
    world.remote_goes_away()
    with pytest.raises(Refused, match="requires a push"):
        world.rollback()
    assert (world.versions(), world.lease()) == (["v2"], False)


def test_a_git_without_an_identity_must_leave_the_run_mitigated(bad: World) -> None:
    (bad.root / "home/.gitconfig").write_text("[user]\nuseConfigOnly = true\n")
    assert bad.rollback().exit is Exit.MITIGATED
    assert bad.versions() == ["v2"]


def test_a_rollback_must_say_in_git_what_it_did_and_learned(world: World) -> None:
    shipped(world, GOOD, EXITS, ANSWERS_500)
    world.rollback()
    message = world.git("log", "-1", "--format=%B", "main", at="remote.git")
    run = world.run()
    assert run
    assert f"Lastgood-Run: {run.id}" in message
    assert f"Lastgood-To: {world.image('v1')}" in message
    assert [line.split(" ")[1] for line in message.splitlines() if line.startswith("Lastgood-Bad")] == [
        str(world.image("v2")),
        str(world.image("v3")),
    ]
