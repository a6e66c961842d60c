"""How a run goes on over several hosts and several services, from its journal alone."""

from itertools import count

import msgspec
import pytest
from plan_values import CONSENT, plan, proving, release, runnable, switching

from lastgood.journal.fold import fold
from lastgood.model.errors import Exit
from lastgood.model.event import Entry, Event, Failure, Resumed, Run, RunStarted, StepDone, StepFailed, StepStarted
from lastgood.model.plan import Attempt, Facts, LeftOut, Member, Part, Restore, ReversiblePlan
from lastgood.model.release import Evidence, Grade
from lastgood.model.step import PauseStep, Pinned, PullStep, RecordStep, Step, SyncStep, UnpauseStep
from lastgood.plan.moves import WITHOUT, Do, End, Move, lost
from lastgood.plan.verdicts import condemned, verdicts
from lastgood.plan.walk import next_move

HOSTS = ("a", "b", "c")
AGAIN, ABORT = Resumed("ada", aborting=False, lease="t"), Resumed("ada", aborting=True, lease="t")


def over_hosts(*tags: str, one_first: bool = False, alone: bool = False, pulled: bool = False) -> ReversiblePlan:
    """A plan to leave v3 on three hosts, for one release after the other."""
    back = runnable("v3")
    restore = (
        *(switching(f"restore.switch.{host}", back, host, marked=False) for host in HOSTS),
        proving("restore.verify", back, *HOSTS, gate=False),
    )
    made = plan(*(_attempt(number, tag, one_first=one_first, pulled=pulled) for number, tag in enumerate(tags, 1)))
    return msgspec.structs.replace(
        made,
        before=(),
        restore=Restore((back,), restore, "because"),
        facts=Facts("", tuple((host, ()) for host in HOSTS)),
        alone=alone,
    )


def _attempt(number: int, tag: str, *, one_first: bool, pulled: bool) -> Attempt:
    wanted = runnable(tag)
    pulls = [PullStep(f"{number}.pull.{host}", "shop", host, wanted, "because") for host in HOSTS if pulled]
    switches: list[Step] = [switching(f"{number}.switch.{host}", wanted, host) for host in HOSTS]
    if one_first:
        switches.insert(1, proving(f"{number}.verify.a", wanted, "a", probed=False))
    proof = proving(f"{number}.verify", wanted, *HOSTS)
    record = RecordStep(f"{number}.record", "tree", "base", (Pinned("shop", wanted.image),), "", "because")
    part = Part("shop", release(tag, 0), Evidence(), wanted)
    return Attempt(number, (part,), (*pulls, *switches, proof, record), (), "because")


def app() -> ReversiblePlan:
    """A plan for the app of `api` and `web` on one host: two combinations, the second with `web` as it is."""
    return msgspec.structs.replace(
        plan(_together(1, "v2", "w2"), _together(2, "v1", "w3"), restorable=False),
        target="app/prod",
        before=(),
        members=tuple(Member(name, runnable(tag).image, None) for name, tag in (("api", "v3"), ("web", "w3"))),
    )


def _together(number: int, api: str, web: str) -> Attempt:
    parts = [
        Part(name, release(tag, 0), Evidence(), runnable(tag), tag != "w3")
        for name, tag in (("api", api), ("web", web))
    ]
    moving = [part for part in parts if part.moves]
    steps: tuple[Step, ...] = (
        *(switching(f"{number}.switch.{p.service}.local", p.image, service=p.service) for p in moving),
        *(proving(f"{number}.verify.{p.service}", p.image, service=p.service) for p in parts),
        RecordStep(
            f"{number}.record", "tree", "base", tuple(Pinned(p.service, p.image.image) for p in parts), "", "because"
        ),
    )
    return Attempt(number, tuple(parts), steps, (), "because")


def done(*steps: str, **details: str) -> list[Event]:
    return [event for step in steps for event in (StepStarted(step), StepDone(step, f"{step} seen", details))]


def failed(step: str, kind: Failure = Failure.RELEASE, signature: str = "http 500") -> list[Event]:
    return [StepStarted(step), StepFailed(step, f"{step} failed", kind, signature)]


def gone(*steps: str) -> list[Event]:
    return [event for step in steps for event in failed(step, Failure.UNREACHABLE)]


def run(made: ReversiblePlan, *events: Event, signature: str = "") -> Run:
    begun = RunStarted(made, CONSENT, "/deploy", "token", signature, "0")
    return fold([Entry("R1", seq, seq, event) for seq, event in zip(count(1), (begun, *events), strict=False)])


def ids(move: Move) -> tuple[str, ...]:
    assert isinstance(move, Do), move
    return tuple(step.id for step in move.steps)


def end(move: Move) -> End:
    assert isinstance(move, End), move
    return move


def on_all(verb: str) -> tuple[str, ...]:
    return tuple(f"{verb}.{host}" for host in HOSTS)


SWITCHED = done(*on_all("1.switch"))


def test_hosts_that_stand_side_by_side_must_be_switched_together() -> None:
    made = over_hosts("v2", pulled=True)
    assert ids(next_move(run(made), 0)) == on_all("1.pull")
    assert ids(next_move(run(made, *done(*on_all("1.pull"))), 0)) == on_all("1.switch")
    assert ids(next_move(run(made, *done(*on_all("1.pull"), *on_all("1.switch"))), 0)) == ("1.verify",)


def test_with_one_first_the_others_must_wait_until_it_is_seen_to_run() -> None:
    made = over_hosts("v2", one_first=True)
    assert ids(next_move(run(made), 0)) == ("1.switch.a",)
    assert ids(next_move(run(made, *done("1.switch.a")), 0)) == ("1.verify.a",)
    assert ids(next_move(run(made, *done("1.switch.a", "1.verify.a")), 0)) == ("1.switch.b", "1.switch.c")


def test_a_release_that_fails_on_the_first_host_must_never_reach_the_others() -> None:
    made = over_hosts("v2", "v1", one_first=True)
    tried = [*done("1.switch.a"), *failed("1.verify.a")]
    assert ids(next_move(run(made, *tried), 0)) == ("2.switch.a",)
    again = [*tried, *done("2.switch.a"), *failed("2.verify.a")]
    assert ids(next_move(run(made, *again), 0)) == ("restore.switch.a",), "the others were never touched"


def test_services_of_an_app_must_be_switched_one_after_the_other_and_proven_together() -> None:
    assert ids(next_move(run(app()), 0)) == ("1.switch.api.local",)
    assert ids(next_move(run(app(), *done("1.switch.api.local")), 0)) == ("1.switch.web.local",)
    both = done("1.switch.api.local", "1.switch.web.local")
    assert ids(next_move(run(app(), *both), 0)) == ("1.verify.api", "1.verify.web")


def test_an_app_must_be_recorded_only_when_every_service_is_proven() -> None:
    both = done("1.switch.api.local", "1.switch.web.local")
    assert ids(next_move(run(app(), *both, *done("1.verify.api")), 0)) == ("1.verify.web",)
    assert ids(next_move(run(app(), *both, *done("1.verify.api"), *failed("1.verify.web")), 0)) == (
        "2.switch.api.local",
    )
    assert ids(next_move(run(app(), *both, *done("1.verify.api", "1.verify.web")), 0)) == ("1.record",)


def test_of_an_app_only_the_service_that_failed_must_be_condemned() -> None:
    first = [*done("1.switch.api.local", "1.switch.web.local", "1.verify.web"), *failed("1.verify.api")]
    second = done("2.switch.api.local", "2.verify.api", "2.verify.web", "2.record")
    found = run(app(), *first, *second, signature="web: http 500")
    graded = {(judged.target, judged.image.tag): judged.grade for judged in verdicts(found)}
    assert graded == {
        ("api/prod", "v2"): Grade.BAD,
        ("api/prod", "v1"): Grade.VERIFIED,
        ("web/prod", "w3"): Grade.VERIFIED,
        ("api/prod", "v3"): Grade.ROLLED_BACK,
    }
    assert [(service, image.tag) for service, image in condemned(found)] == [("api", "v2")]


def test_of_an_app_only_the_service_that_was_failing_must_be_called_bad_when_it_is_left() -> None:
    passed = done("1.switch.api.local", "1.switch.web.local", "1.verify.api", "1.verify.web", "1.record")
    graded = {j.image.tag: j.grade for j in verdicts(run(app(), *passed, signature="web: http 500"))}
    assert graded == {"v2": Grade.VERIFIED, "w2": Grade.VERIFIED, "v3": Grade.ROLLED_BACK, "w3": Grade.BAD}


def test_a_host_that_stops_to_answer_must_be_left_out_of_all_that_follows() -> None:
    made = over_hosts("v2", pulled=True, alone=True)
    events = [*done("1.pull.a", "1.pull.c"), *gone("1.pull.b")]
    assert lost(run(made, *events)) == ("b",)
    assert ids(next_move(run(made, *events), 0)) == ("1.switch.a", "1.switch.c")
    events += done("1.switch.a", "1.switch.c")
    assert ids(next_move(run(made, *events), 0)) == ("1.verify",)
    events += failed("1.verify")
    assert ids(next_move(run(made, *events), 0)) == ("restore.switch.a", "restore.switch.c")


def test_a_host_that_was_lost_before_it_was_touched_must_not_keep_the_rest_from_being_as_before() -> None:
    made = over_hosts("v2", pulled=True, alone=True)
    events = [*done("1.pull.a", "1.pull.c"), *gone("1.pull.b"), *done("1.switch.a", "1.switch.c"), *failed("1.verify")]
    restored = done("restore.switch.a", "restore.switch.c", "restore.verify")
    assert end(next_move(run(made, *events, *restored), 0)).exit is Exit.FAILED_RESTORED


@pytest.mark.parametrize("aborted", [False, True])
def test_a_host_that_was_lost_with_another_release_on_it_must_never_be_called_as_before(*, aborted: bool) -> None:
    made = over_hosts("v2", alone=True)
    events = [*SWITCHED, *([ABORT] if aborted else failed("1.verify"))]
    restored = [*done("restore.switch.a", "restore.switch.c"), *gone("restore.switch.b"), *done("restore.verify")]
    ended = end(next_move(run(made, *events, *restored), 0))
    assert ended.exit is Exit.NEEDS_HUMAN
    assert "b stopped to answer on the way" in ended.because[0]
    assert "a: shop runs v3" in ended.because
    assert "b: shop may run v3, or what ran before" in ended.because


def test_where_a_host_was_lost_the_run_must_end_mitigated_and_say_which() -> None:
    made = over_hosts("v2", alone=True)
    events = [*done("1.switch.a", "1.switch.c"), *gone("1.switch.b"), *done("1.verify", "1.record")]
    ended = end(next_move(run(made, *events), 0))
    assert ended.exit is Exit.MITIGATED
    assert "b stopped to answer on the way, and may run anything" in ended.because
    assert ended.next == ("when it answers again: lastgood resume R1",)
    assert ended.winner == made.attempts[0]


def test_a_proof_without_a_host_must_end_mitigated_too() -> None:
    made = over_hosts("v2", alone=True)
    events = [*SWITCHED, *done("1.verify", **{WITHOUT: "b c"}), *done("1.record")]
    assert lost(run(made, *events)) == ("b", "c")
    assert end(next_move(run(made, *events), 0)).exit is Exit.MITIGATED


def test_a_host_that_was_left_out_before_the_run_must_end_it_mitigated() -> None:
    made = msgspec.structs.replace(over_hosts("v2"), left_out=(LeftOut("d", "ssh: no route to host"),))
    ended = end(next_move(run(made, *SWITCHED, *done("1.verify", "1.record")), 0))
    assert ended.exit is Exit.MITIGATED
    assert ended.because[0] == "d was left out, and may run anything: ssh: no route to host"
    assert ended.next == ("when it answers again: lastgood rollback shop prod --to v2",)


def test_where_every_host_answers_the_run_must_be_done() -> None:
    ended = end(next_move(run(over_hosts("v2"), *SWITCHED, *done("1.verify", "1.record")), 0))
    assert (ended.exit, ended.because) == (Exit.DONE, ("1.verify seen",))


def test_where_no_host_answers_any_more_the_run_must_be_in_doubt() -> None:
    made = over_hosts("v2", alone=True)
    ended = end(next_move(run(made, *gone(*on_all("1.switch"))), 0))
    assert ended.exit is Exit.IN_DOUBT
    assert {line.partition(":")[0] for line in ended.because} == set(HOSTS)


def test_when_a_lost_host_answers_again_it_must_be_done_there_too_and_proven_anew() -> None:
    made = over_hosts("v2", alone=True)
    events = [*done("1.switch.a", "1.switch.c"), *gone("1.switch.b"), *done("1.verify", "1.record"), AGAIN]
    taken_up = run(made, *events)
    assert lost(taken_up) == ()
    assert ids(next_move(taken_up, 0)) == ("1.switch.b",)
    assert ids(next_move(run(made, *events, *done("1.switch.b")), 0)) == ("1.verify",)
    ended = end(next_move(run(made, *events, *done("1.switch.b", "1.verify")), 0))
    assert ended.exit is Exit.DONE


def test_what_git_has_and_fails_later_must_call_a_human_and_put_nothing_back() -> None:
    made = over_hosts("v2", "v1", alone=True)
    before = [*done("1.switch.a", "1.switch.c"), *gone("1.switch.b"), *done("1.verify", "1.record"), AGAIN]
    ended = end(next_move(run(made, *before, *done("1.switch.b"), *failed("1.verify")), 0))
    assert ended.exit is Exit.NEEDS_HUMAN
    assert "recorded in git and no longer passes" in ended.what
    assert "b: shop runs v2" in ended.because


def test_a_run_in_doubt_must_name_what_each_host_runs() -> None:
    made = over_hosts("v2")
    events = [*done("1.switch.a"), *failed("1.switch.b", Failure.IN_DOUBT)]
    ended = end(next_move(run(made, *events), 0))
    assert ended.exit is Exit.IN_DOUBT
    assert ended.because[1:] == (
        "a: shop runs v2",
        "b: shop may run v2, or what ran before",
        "c: was not switched",
    )


def test_where_putting_back_failed_what_each_host_runs_must_be_named() -> None:
    made = over_hosts("v2")
    events = [*SWITCHED, *failed("1.verify"), *done("restore.switch.a"), *failed("restore.switch.b")]
    ended = end(next_move(run(made, *events), 0))
    assert ended.exit is Exit.NEEDS_HUMAN
    assert "neither on a good release nor as it was before" in ended.what
    assert ended.because[1:4] == (
        "a: shop runs v3",
        "b: shop may run v3, or what ran before",
        "c: shop runs v2",
    )


def test_what_is_put_back_must_be_put_back_on_all_hosts_at_once() -> None:
    made = over_hosts("v2", one_first=True)
    switched = done("1.switch.a", "1.verify.a", "1.switch.b", "1.switch.c")
    assert ids(next_move(run(made, *switched, ABORT), 0)) == on_all("restore.switch")


def paused(made: ReversiblePlan) -> ReversiblePlan:
    """Something is paused on a host, and let go on afterwards."""
    pause = PauseStep("pause.a", "a", "watchtower", ("docker", "pause", "w"), ("docker", "unpause", "w"), "because")
    unpause = UnpauseStep("unpause.a", "pause.a", "a", "watchtower", ("docker", "unpause", "w"), "because")
    return msgspec.structs.replace(made, before=(pause,), after=(unpause,))


PAUSED = done("pause.a")


@pytest.mark.parametrize(
    ("events", "exit_"),
    [
        ([*SWITCHED, *done("1.verify", "1.record")], Exit.DONE),
        ([*SWITCHED, *done("1.verify"), *failed("1.record", Failure.UNSETTLED)], Exit.MITIGATED),
        (
            [*SWITCHED, *failed("1.verify"), *done(*on_all("restore.switch"), "restore.verify")],
            Exit.FAILED_RESTORED,
        ),
        ([*SWITCHED, *failed("1.verify"), *failed("restore.switch.a")], Exit.NEEDS_HUMAN),
        ([*SWITCHED, ABORT, *done(*on_all("restore.switch"), "restore.verify")], Exit.DONE),
    ],
)
def test_what_was_paused_must_go_on_at_the_very_end_however_the_run_ends(events: list[Event], exit_: Exit) -> None:
    made = paused(over_hosts("v2"))
    assert ids(next_move(run(made, *PAUSED, *events), 0)) == ("unpause.a",)
    assert end(next_move(run(made, *PAUSED, *events, *done("unpause.a")), 0)).exit is exit_


def test_what_was_never_paused_must_not_be_let_go_on() -> None:
    assert end(next_move(run(paused(over_hosts("v2")), ABORT), 0)).exit is Exit.DONE


@pytest.mark.parametrize("at", ["1.switch.a", "1.verify"])
def test_a_run_in_doubt_must_keep_paused_what_would_undo_it(at: str) -> None:
    made = paused(over_hosts("v2"))
    events = SWITCHED if at == "1.verify" else []
    assert end(next_move(run(made, *PAUSED, *events, *failed(at, Failure.IN_DOUBT)), 0)).exit is Exit.IN_DOUBT


def test_what_stays_paused_must_be_said_and_be_no_clean_end() -> None:
    made = paused(over_hosts("v2"))
    events = [*PAUSED, *SWITCHED, *done("1.verify", "1.record"), *failed("unpause.a", Failure.UNSETTLED)]
    ended = end(next_move(run(made, *events), 0))
    assert ended.exit is Exit.MITIGATED
    assert ended.because == ("1.verify seen", "unpause.a failed")
    assert ended.next == ("lastgood resume R1",)
    assert ids(next_move(run(made, *events, AGAIN), 0)) == ("unpause.a",)


def test_checkouts_left_behind_must_leave_the_run_mitigated_and_be_synced_on_resume() -> None:
    made = over_hosts("v2")
    (one,) = made.attempts
    syncs = tuple(SyncStep(f"1.sync.{host}", host, ("envs/prod/shop/values.yaml",), "because") for host in HOSTS)
    made = msgspec.structs.replace(made, attempts=(msgspec.structs.replace(one, steps=(*one.steps, *syncs)),))
    events = [*SWITCHED, *done("1.verify", "1.record")]
    assert ids(next_move(run(made, *events), 0)) == on_all("1.sync")
    behind = [*events, *done("1.sync.a", "1.sync.c"), *failed("1.sync.b", Failure.UNSETTLED)]
    assert end(next_move(run(made, *behind), 0)).exit is Exit.MITIGATED
    assert ids(next_move(run(made, *behind, AGAIN), 0)) == ("1.sync.b",)
