"""What goes wrong while a run is carried out, and what the world is afterwards."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from fault_words import shipped, state

from lastgood.model.duration import Duration
from lastgood.model.errors import Exit, InDoubt, JournalUnwritable, LeaseHeld, Refused
from lastgood.model.event import Failure, Kept, StepDone, StepFailed
from lastgood.model.target import GateSpec
from lastgood.record.bundle import Bundle
from lastgood.run.planning import Wish
from tests.standin.fate import ANSWERS_500, CRASH_LOOP, EXITS, FAILS_LATER, GOOD, SLOW, Fate
from tests.standin.world import FOLDER, PIN, World, values


def failures(world: World) -> list[tuple[str, Failure]]:
    return [(e.event.step, e.event.kind) for e in world.entries() if isinstance(e.event, StepFailed)]


def seen(world: World, step: str) -> StepDone:
    return next(e.event for e in world.entries() if isinstance(e.event, StepDone) and e.event.step == step)


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
    of = [e.event for e in bad.entries() if isinstance(e.event, Kept)]
    files = {one.name: folder / one.file for one in of[0].files}
    logs = files["logs-shop-api-1.txt"].read_text()
    assert "it starts" in logs
    assert "hunter2" not in logs
    assert files["envs_prod_apps_shop_values.yaml"].read_bytes() == values("v3")
    assert [event.step.split(".")[0] for event in of] == ["capture", "1", "1"]


def test_what_was_rendered_and_what_the_gate_saw_must_be_kept_with_their_hashes(bad: World) -> None:
    bad.rollback()
    folder = Path(seen(bad, "capture.local").details["folder"])
    kept = {one.name: one for e in bad.entries() if isinstance(e.event, Kept) for one in e.event.files}
    gate = json.loads((folder / kept["gate-1.verify.json"].file).read_bytes())
    assert (gate["decision"]["gate"], gate["sample"]["looks"] != []) == ("passed", True)
    assert "rendered-1.render.local-1.json" in kept
    for one in kept.values():
        content = (folder / one.file).read_bytes()
        assert (hashlib.sha256(content).hexdigest(), len(content)) == (one.sha256, one.size)
        assert b"hunter2" not in content
    assert {file.name for file in folder.iterdir()} >= {one.file for one in kept.values()}


def test_a_check_must_keep_no_evidence(bad: World) -> None:
    bad.check()
    assert not [e for e in bad.entries() if isinstance(e.event, Kept)]


def test_a_disk_that_takes_no_evidence_must_not_stand_in_the_way_of_a_judgement(
    bad: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_self: Bundle, name: str, _content: bytes) -> object:
        raise OSError(28, "No space left on device", name)

    monkeypatch.setattr(Bundle, "keep", full)
    assert bad.rollback().exit is Exit.DONE
    assert not [e for e in bad.entries() if isinstance(e.event, Kept)]


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


def test_a_journal_that_cannot_take_a_line_during_the_switch_must_leave_it_in_doubt(bad: World) -> None:
    def full(name: str) -> None:
        if name == "before ChildStarted 1.switch.local":
            raise JournalUnwritable("The disk is full.")

    bad.at_point = full
    assert bad.rollback().exit is Exit.IN_DOUBT
    assert bad.versions() == ["v3"]
    bad.at_point = lambda _: None
    assert bad.resume().exit is Exit.DONE
    assert state(bad) == (["v2"], "v2", False)


def test_a_run_that_leaves_what_an_earlier_run_put_there_must_be_resumed_as_well(bad: World) -> None:
    assert bad.rollback().exit is Exit.DONE
    further = [p for p in bad.photographed(lambda: bad.rollback(Wish(further=True))) if "before up" in p.name]
    bad.restore(further[0].without_orphans())
    assert bad.resume().exit is Exit.DONE
    assert state(bad) == (["v1"], "v1", False)


@pytest.mark.parametrize("theirs", ["v1", ""], ids=["another image", "nothing"])
def test_a_state_from_before_that_is_not_seen_to_run_must_call_a_human(world: World, theirs: str) -> None:
    shipped(world, EXITS, ANSWERS_500)

    def meddle(name: str) -> None:
        if name == "after StepDone restore.switch.local":
            del world.outside.engine.boxes["shop-api-1"]
            world.deploy(theirs) if theirs else None

    world.at_point = meddle
    assert world.rollback().exit is Exit.NEEDS_HUMAN
    assert failures(world)[-1] == ("restore.verify", Failure.RELEASE)
