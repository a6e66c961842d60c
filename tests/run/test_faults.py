"""What goes wrong while a run is carried out, and what the world is afterwards."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lastgood.model.duration import Duration
from lastgood.model.errors import Exit, InDoubt, LeaseHeld, Refused
from lastgood.model.event import Failure, StepDone, StepFailed
from lastgood.model.plan import Scope
from lastgood.model.target import GateSpec, Push
from lastgood.run.planning import Wish
from tests.standin.fate import ANSWERS_500, CRASH_LOOP, EXITS, FAILS_LATER, GOOD, SLOW, Fate
from tests.standin.world import FOLDER, PIN, World, values


@pytest.fixture
def bad(world: World) -> World:
    """v3 fails in production; v2 and v1 are good."""
    return shipped(world, GOOD, GOOD, ANSWERS_500)


def shipped(world: World, *fates: Fate) -> World:
    for number, fate in enumerate(fates, 1):
        world.ship(f"v{number}", fate)
    return world


def failures(world: World) -> list[tuple[str, Failure]]:
    return [(e.event.step, e.event.kind) for e in world.entries() if isinstance(e.event, StepFailed)]


def seen(world: World, step: str) -> StepDone:
    return next(e.event for e in world.entries() if isinstance(e.event, StepDone) and e.event.step == step)


def state(world: World) -> tuple[list[str], str, bool]:
    """What runs, what git pins, and whether the lease is held."""
    return world.versions(), world.pinned(), world.lease()


@pytest.mark.parametrize("fate", [ANSWERS_500, EXITS, CRASH_LOOP, FAILS_LATER])
def test_a_switch_that_compose_calls_a_success_must_be_judged_by_the_gate(world: World, fate: Fate) -> None:
    shipped(world, GOOD, fate, ANSWERS_500)
    assert world.rollback().exit is Exit.DONE
    assert state(world) == (["v1"], "v1", False)
    assert world.judged() == {"v1": "verified", "v2": "bad", "v3": "bad"}


def test_a_slow_start_must_be_waited_for(world: World) -> None:
    shipped(world, GOOD, SLOW, ANSWERS_500)
    assert world.rollback().exit is Exit.DONE
    assert state(world) == (["v2"], "v2", False)


def test_a_switch_that_does_nothing_and_says_it_did_must_not_be_believed(bad: World) -> None:
    bad.outside.faults.by_verb["up"] = ["nothing"]
    assert bad.rollback().exit is Exit.DONE
    assert state(bad) == (["v1"], "v1", False)
    assert bad.judged() == {"v1": "verified", "v3": "bad"}


def test_where_no_switch_ever_does_anything_what_ran_before_must_still_run(bad: World) -> None:
    bad.outside.faults.by_verb["up"] = ["nothing"] * 9
    assert bad.rollback().exit is Exit.FAILED_RESTORED
    assert state(bad) == (["v3"], "v3", False)


@pytest.mark.parametrize("fault", ["fails late", "hangs late"])
def test_a_switch_that_says_it_failed_and_did_not_must_not_be_believed(bad: World, fault: str) -> None:
    bad.outside.faults.by_verb["up"] = [fault]
    assert bad.rollback().exit is Exit.DONE
    assert state(bad) == (["v2"], "v2", False)


@pytest.mark.parametrize("fault", ["fails", "hangs"])
def test_a_switch_that_fails_must_lead_to_the_next_release(bad: World, fault: str) -> None:
    bad.outside.faults.by_verb["up"] = [fault]
    assert bad.rollback().exit is Exit.DONE
    assert state(bad) == (["v1"], "v1", False)


@pytest.mark.parametrize("fault", ["fails", "hangs", "nothing"])
def test_an_image_that_cannot_be_pulled_must_lead_to_the_next_release(world: World, fault: str) -> None:
    shipped(world, GOOD)
    world.ship("v2", host=False)
    world.ship("v3", ANSWERS_500)
    world.outside.faults.by_verb["pull"] = [fault]
    assert world.rollback().exit is Exit.DONE
    assert state(world) == (["v1"], "v1", False)
    assert failures(world) == [("1.pull.local", Failure.PREPARE)]


def test_an_image_that_is_not_here_must_be_pulled(world: World) -> None:
    world.ship("v2", host=False)
    world.ship("v3", ANSWERS_500)
    assert world.rollback().exit is Exit.DONE
    assert state(world) == (["v2"], "v2", False)
    assert "pulled" in seen(world, "1.pull.local").seen


def test_an_image_that_only_the_host_has_must_be_run_without_the_registry(world: World) -> None:
    world.ship("v2", registry=False)
    world.ship("v3", ANSWERS_500)
    world.outside.registry.up = False
    assert world.rollback().exit is Exit.DONE
    assert state(world) == (["v2"], "v2", False)


@pytest.mark.parametrize("place", ["host", "registry"])
def test_an_image_that_vanished_since_the_plan_must_not_be_switched_to(world: World, place: str) -> None:
    built = world.ship("v2", host=place == "host", registry=place == "registry")
    world.ship("v3", ANSWERS_500)

    def vanish() -> None:
        world.outside.engine.held.pop(built.id, None)
        world.outside.registry.images.clear()

    assert world.rollback(meanwhile=vanish).exit is Exit.REFUSED
    assert state(world) == (["v3"], "v3", False)


def test_a_release_whose_files_cannot_be_rendered_must_lead_to_the_next(world: World) -> None:
    shipped(world, GOOD)
    world.build("v2")
    world.commit({PIN: values("v2").replace(b"level: info\n", b"")}, "v2 forgot its level")
    world.build("v3", ANSWERS_500)
    world.commit({PIN: values("v3")}, "v3 has it again")
    world.deploy("v3")
    assert world.rollback().exit is Exit.DONE
    assert state(world)[0] == ["v1"]
    assert failures(world) == [("1.render.local", Failure.PREPARE)]


def test_where_nothing_can_be_rendered_nothing_must_be_touched(bad: World) -> None:
    bad.outside.faults.by_verb["config"] = ["fails"] * 9
    assert bad.rollback().exit is Exit.REFUSED
    assert state(bad) == (["v3"], "v3", False)
    assert bad.judged() == {}


def test_a_folder_that_cannot_be_written_must_leave_everything_as_it_is(bad: World) -> None:
    (bad.root / "host").mkdir()
    (bad.root / "host/releases").write_bytes(b"no folder")
    assert bad.rollback().exit is Exit.REFUSED
    assert state(bad) == (["v3"], "v3", False)


def test_files_that_git_does_not_hold_must_be_linked_beside_the_tree(build: Callable[..., World]) -> None:
    world = build(untracked=(f"{FOLDER}/.env",))
    shipped(world, GOOD, ANSWERS_500)
    assert world.rollback().exit is Exit.DONE
    link = Path(seen(world, "1.render.local").details["folder"], "tree", FOLDER, ".env")
    assert link.is_symlink()
    assert link.readlink() == world.root / "laptop" / FOLDER / ".env"


def test_evidence_must_be_kept_without_its_secrets(bad: World) -> None:
    bad.rollback()
    folder = Path(seen(bad, "capture.local").details["folder"])
    logs = (folder / "logs-shop-api-1.txt").read_text()
    assert "it starts" in logs
    assert "hunter2" not in logs
    assert (folder / "envs_prod_apps_shop_values.yaml").read_bytes() == values("v3")


def test_evidence_that_cannot_be_had_must_not_stand_in_the_way(bad: World) -> None:
    bad.outside.faults.by_verb["logs"] = ["hangs"] * 9
    assert bad.rollback().exit is Exit.DONE
    assert "not had" in seen(bad, "capture.local").seen


def test_an_evidence_folder_that_cannot_be_written_must_not_stand_in_the_way(bad: World) -> None:
    (bad.root / "own").mkdir(exist_ok=True)
    (bad.root / "own/evidence").write_bytes(b"no folder")
    assert bad.rollback().exit is Exit.DONE
    assert failures(bad) == [("capture.local", Failure.PREPARE)]


def test_a_dependency_that_is_down_must_stop_the_walk_and_condemn_nothing(world: World) -> None:
    shipped(world, ANSWERS_500, ANSWERS_500, ANSWERS_500)
    world.outside.engine.boxes["shop-db-1"].begun = None
    ended = world.rollback()
    assert ended.exit is Exit.NEEDS_HUMAN
    assert "db" in str(ended.because)
    assert state(world) == (["v3"], "v3", False)
    assert world.judged() == {}


def test_a_verified_release_that_now_fails_the_same_way_must_stop_the_walk(world: World) -> None:
    shipped(world, GOOD, GOOD)
    assert world.check().exit is Exit.DONE
    world.ship("v3", ANSWERS_500)
    outage(world)
    ended = world.rollback()
    assert (ended.exit, state(world)) == (Exit.NEEDS_HUMAN, (["v3"], "v3", False))
    assert world.judged() == {"v2": "inconclusive"}


def outage(world: World) -> None:
    """From now on every release answers 500."""
    engine, registry = world.outside.engine, world.outside.registry
    for held in engine.held.values():
        if held.built.repository != "postgres":
            held.built = held.built.failing()
    registry.images = {name: built.failing() for name, built in registry.images.items()}


def test_an_engine_that_stops_answering_must_leave_the_run_in_doubt_and_resume_must_end_it(bad: World) -> None:
    bad.outside.faults.by_verb["ps"] = ["fine"] * blind_from(bad, "1.verify") + ["fails"] * 400
    assert bad.rollback().exit is Exit.IN_DOUBT
    assert bad.lease()
    bad.outside.faults.by_verb.clear()
    with pytest.raises(LeaseHeld):
        bad.rollback(Wish(further=True))
    assert bad.resume().exit is Exit.DONE
    assert state(bad) == (["v2"], "v2", False)


def blind_from(world: World, step: str) -> int:
    """How many looks a run takes before the step; counted in a rehearsal."""
    start, counted = world.photograph("start"), [0]
    world.outside.faults.looks = 0

    def at(name: str) -> None:
        if name == f"after StepStarted {step}":
            counted[0] = world.outside.faults.looks

    world.at_point = at
    world.rollback()
    world.restore(start)
    return counted[0]


@pytest.mark.parametrize("step", ["1.switch.local", "restore.verify"])
def test_an_engine_that_cannot_be_seen_after_a_switch_must_leave_it_in_doubt(world: World, step: str) -> None:
    shipped(world, *((GOOD, ANSWERS_500) if step == "1.switch.local" else (EXITS, ANSWERS_500)))
    world.outside.faults.by_verb["ps"] = ["fine"] * blind_from(world, step) + ["hangs"] * 2
    ended = world.rollback()
    assert ended.exit is Exit.IN_DOUBT
    assert failures(world)[-1] == (step, Failure.IN_DOUBT)
    assert world.resume().exit is (Exit.DONE if step == "1.switch.local" else Exit.FAILED_RESTORED)


def test_an_engine_that_cannot_be_seen_on_resume_must_leave_the_run_in_doubt(bad: World) -> None:
    bad.restore(next(p for p in bad.photographed(bad.rollback) if "before up" in p.name))
    bad.outside.faults.by_verb["ps"] = ["fails"] * 4
    assert bad.resume().exit is Exit.IN_DOUBT
    bad.outside.faults.by_verb.clear()
    assert bad.resume().exit is Exit.DONE
    assert state(bad) == (["v2"], "v2", False)


def test_a_child_that_does_not_end_must_keep_resume_from_going_on(bad: World) -> None:
    bad.restore(next(p for p in bad.photographed(bad.rollback) if "before up" in p.name))
    bad.outside.faults.by_verb["reap"] = ["hangs"]
    with pytest.raises(InDoubt, match="does not end"):
        bad.resume()
    assert bad.lease()
    assert bad.resume().exit is Exit.DONE


def test_somebody_else_s_switch_since_must_end_the_run_without_touching_it(bad: World) -> None:
    bad.restore(next(p for p in bad.photographed(bad.rollback) if "before up" in p.name).without_orphans())
    bad.deploy("v1")
    assert bad.resume().exit is Exit.WORLD_MOVED
    assert state(bad) == (["v1"], "v3", False)
    with pytest.raises(Refused, match="has ended"):
        bad.resume()


def test_a_holder_that_was_taken_over_must_stop_before_its_next_effect(bad: World) -> None:
    lease = bad.root / "host/leases/shop@prod.json"

    def taken_over(name: str) -> None:
        if name == "before StepStarted capture.local":
            lease.write_bytes(lease.read_bytes().replace(b'"token":"', b'"token":"not'))

    bad.at_point = taken_over
    with pytest.raises(LeaseHeld, match="taken over"):
        bad.rollback()
    assert bad.versions() == ["v3"]
    assert lease.exists()


def test_every_container_of_the_service_must_be_switched_and_their_number_kept(bad: World) -> None:
    bad.deploy("v3", 2)
    assert bad.rollback().exit is Exit.DONE
    assert state(bad) == (["v2", "v2"], "v2", False)


def test_a_named_bad_release_must_fail_and_what_ran_must_be_back(world: World) -> None:
    shipped(world, EXITS, GOOD)
    assert world.rollback(Wish(to="v1")).exit is Exit.FAILED_RESTORED
    assert state(world) == (["v2"], "v2", False)
    assert world.judged() == {"v1": "inconclusive"}


def test_when_the_walk_s_time_is_up_what_ran_must_be_back(build: Callable[..., World]) -> None:
    world = build(walk=5.0, gate=GateSpec(window=Duration(2), limit=Duration(9)))
    shipped(world, GOOD, ANSWERS_500, ANSWERS_500)
    ended = world.rollback()
    assert ended.exit is Exit.FAILED_RESTORED
    assert "time was used up" in ended.because[-1]
    assert state(world) == (["v3"], "v3", False)


def test_a_check_must_record_what_it_saw_and_touch_nothing(bad: World) -> None:
    assert bad.check().exit is Exit.NEEDS_HUMAN
    assert bad.judged() == {"v3": "inconclusive"}
    assert state(bad) == (["v3"], "v3", False)


def test_a_check_where_nothing_tells_health_must_verify_nothing(build: Callable[..., World]) -> None:
    world = build(probed=False)
    world.ship("v1", Fate(checked=False))
    assert world.check().exit is not Exit.DONE
    assert world.judged() == {}


@pytest.mark.parametrize(
    ("fate", "faults", "exit_"),
    [
        (GOOD, [], Exit.DONE),
        (GOOD, ["hangs late"], Exit.DONE),
        (ANSWERS_500, [], Exit.NEEDS_HUMAN),
        (GOOD, ["nothing"], Exit.NEEDS_HUMAN),
    ],
)
def test_a_restart_must_be_seen_to_have_happened(world: World, fate: Fate, faults: list[str], exit_: Exit) -> None:
    world.ship("v1", fate)
    world.outside.faults.by_verb["restart"] = list(faults)
    before = world.outside.engine.boxes["shop-api-1"].begun
    assert world.restart().exit is exit_
    assert (world.outside.engine.boxes["shop-api-1"].begun != before) is (faults != ["nothing"])
    assert state(world) == (["v1"], "v1", False)


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


def test_a_pin_that_moved_on_after_the_rollback_s_commit_must_call_a_human(bad: World) -> None:
    bad.restore(next(p for p in bad.photographed(bad.rollback) if "after git push" in p.name))
    bad.git("pull", "-q", "--ff-only", "origin", "main")
    bad.commit({PIN: values("v4")}, "theirs")
    assert bad.resume().exit is Exit.NEEDS_HUMAN
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
