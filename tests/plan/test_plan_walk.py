from itertools import count

import msgspec
import pytest
from plan_values import CONSENT, attempt, plan

from lastgood.journal.fold import fold
from lastgood.model.errors import Exit
from lastgood.model.event import Entry, Event, Failure, Resumed, Run, RunStarted, StepDone, StepFailed, StepStarted
from lastgood.model.plan import ReversiblePlan
from lastgood.model.release import Evidence, Grade
from lastgood.model.step import FreshStep, WatchStep
from lastgood.plan.moves import Do, End, Move
from lastgood.plan.verdicts import condemned, verdicts
from lastgood.plan.walk import next_move, winner

VERIFIED = Evidence(Grade.VERIFIED, "passed the gate")
TWO = plan(attempt(1, "v2"), attempt(2, "v1"))
ABORT, AGAIN = Resumed("ada", True, "token"), Resumed("ada", False, "token")  # noqa: FBT003 - the event's own field


def done(*steps: str) -> list[Event]:
    return [event for step in steps for event in (StepStarted(step), StepDone(step, f"{step} seen"))]


def failed(step: str, kind: Failure = Failure.RELEASE, signature: str = "http 500") -> list[Event]:
    return [StepStarted(step), StepFailed(step, f"{step} failed", kind, signature)]


def run(plan_: ReversiblePlan, *events: Event, signature: str = "") -> Run:
    begun = RunStarted(plan_, CONSENT, "/deploy", "token", signature, "0")
    return fold([Entry("R1", seq, seq, event) for seq, event in zip(count(1), (begun, *events), strict=False)])


def ids(move: Move) -> tuple[str, ...]:
    assert isinstance(move, Do), move
    return tuple(step.id for step in move.steps)


def exits(move: Move) -> Exit:
    assert isinstance(move, End), move
    return move.exit


SWITCHED = done("capture.local", "1.switch.local")
PASSED = [*SWITCHED, *done("1.verify")]
FIRST_FAILED = [*SWITCHED, *failed("1.verify")]
BOTH_FAILED = [*FIRST_FAILED, *done("2.switch.local"), *failed("2.verify", signature="exits")]


@pytest.mark.parametrize(
    ("events", "next_"),
    [
        ([], ("capture.local",)),
        (done("capture.local"), ("1.switch.local",)),
        (failed("capture.local", Failure.PREPARE), ("1.switch.local",)),
        (SWITCHED, ("1.verify",)),
        (PASSED, ("1.record",)),
        (FIRST_FAILED, ("2.switch.local",)),
        ([*SWITCHED, StepStarted("1.verify")], ("1.verify",)),
        ([*done("capture.local"), *failed("1.switch.local", Failure.PREPARE)], ("2.switch.local",)),
        (BOTH_FAILED, ("restore.switch.local",)),
        ([*BOTH_FAILED, *done("restore.switch.local")], ("restore.verify",)),
        ([*SWITCHED, *failed("1.verify", Failure.ELSEWHERE)], ("restore.switch.local",)),
        ([*SWITCHED, ABORT], ("restore.switch.local",)),
        ([*SWITCHED, ABORT, *done("restore.switch.local")], ("restore.verify",)),
        ([*PASSED, *failed("1.record", Failure.UNSETTLED), AGAIN], ("1.record",)),
        ([*SWITCHED, *failed("1.verify", Failure.IN_DOUBT), AGAIN], ("1.verify",)),
    ],
)
def test_the_next_step_must_follow_from_the_journal(events: list[Event], next_: tuple[str, ...]) -> None:
    assert ids(next_move(run(TWO, *events), 0)) == next_


def test_preparations_that_come_next_must_be_taken_together() -> None:
    from lastgood.model.step import PullStep

    one = attempt(1, "v2")
    pulls = tuple(
        PullStep(f"1.pull.{host}", "shop", host, one.parts[0].image, "because") for host in ("local", "second")
    )
    both = plan(msgspec.structs.replace(one, steps=(*pulls, *one.steps)))
    assert ids(next_move(run(both), 0)) == ("capture.local", "1.pull.local", "1.pull.second")


@pytest.mark.parametrize(
    ("events", "exit_"),
    [
        ([*PASSED, *done("1.record")], Exit.DONE),
        ([*PASSED, *failed("1.record", Failure.UNSETTLED)], Exit.MITIGATED),
        ([*PASSED, *failed("1.record", Failure.CONTRADICTED)], Exit.NEEDS_HUMAN),
        ([*SWITCHED, *failed("1.verify", Failure.IN_DOUBT)], Exit.IN_DOUBT),
        ([*done("capture.local"), *failed("1.switch.local", Failure.IN_DOUBT)], Exit.IN_DOUBT),
        ([*BOTH_FAILED, *done("restore.switch.local", "restore.verify")], Exit.FAILED_RESTORED),
        ([*BOTH_FAILED, *failed("restore.switch.local")], Exit.NEEDS_HUMAN),
        ([*BOTH_FAILED, *done("restore.switch.local"), *failed("restore.verify")], Exit.NEEDS_HUMAN),
        ([*BOTH_FAILED, *failed("restore.switch.local", Failure.IN_DOUBT)], Exit.IN_DOUBT),
        ([ABORT], Exit.DONE),
        ([*done("capture.local"), ABORT], Exit.DONE),
        ([*SWITCHED, ABORT, *done("restore.switch.local", "restore.verify")], Exit.DONE),
        ([*SWITCHED, ABORT, *failed("restore.switch.local")], Exit.NEEDS_HUMAN),
        (
            [*SWITCHED, *failed("1.verify", Failure.ELSEWHERE), *done("restore.switch.local", "restore.verify")],
            Exit.NEEDS_HUMAN,
        ),
    ],
)
def test_the_end_must_follow_from_the_journal(events: list[Event], exit_: Exit) -> None:
    move = next_move(run(TWO, *events), 0)
    assert exits(move) is exit_


def looked_at() -> ReversiblePlan:
    """What customers get from a CDN, and the logs, are looked at once git has it."""
    one = attempt(1, "v2")
    fresh = FreshStep("1.fresh", "shop", "cloudflare", "because")
    watch = WatchStep("1.watch", "shop", one.parts[0].image, ("local",), 30.0, "because")
    return plan(msgspec.structs.replace(one, steps=(*one.steps, fresh, watch)), attempt(2, "v1"))


NO_GIT = [*PASSED, *failed("1.record", Failure.UNSETTLED)]
IN_GIT = [*PASSED, *done("1.record")]
STALE = failed("1.fresh", Failure.STALE, "the CDN still serves something else")


@pytest.mark.parametrize(
    ("events", "next_"),
    [
        (IN_GIT, ("1.fresh",)),
        (NO_GIT, ("1.fresh",)),
        ([*NO_GIT, *STALE], ("1.watch",)),
        ([*NO_GIT, *STALE, *done("1.watch"), AGAIN], ("1.record",)),
        ([*IN_GIT, *STALE, *done("1.watch"), AGAIN], ("1.fresh",)),
    ],
)
def test_what_customers_get_must_be_looked_at_whatever_is_not_settled(
    events: list[Event], next_: tuple[str, ...]
) -> None:
    assert ids(next_move(run(looked_at(), *events), 0)) == next_


@pytest.mark.parametrize(
    ("events", "exit_", "said"),
    [
        ([*IN_GIT, *done("1.fresh", "1.watch")], Exit.DONE, "serves v2."),
        ([*NO_GIT, *done("1.fresh", "1.watch")], Exit.MITIGATED, "serves v2: mitigated, not resolved. Git does not"),
        ([*IN_GIT, *STALE, *done("1.watch")], Exit.MITIGATED, "runs v2: mitigated, not resolved: the CDN still serves"),
        ([*NO_GIT, *STALE, *done("1.watch")], Exit.MITIGATED, "serves something else. Git does not say so yet."),
        ([*IN_GIT, *done("1.fresh"), *failed("1.watch")], Exit.NEEDS_HUMAN, "passed the gate, and does not any more"),
        ([*IN_GIT, *STALE, *failed("1.watch")], Exit.NEEDS_HUMAN, "passed the gate, and does not any more"),
    ],
)
def test_every_look_after_the_proof_must_count_at_the_end(events: list[Event], exit_: Exit, said: str) -> None:
    move = next_move(run(looked_at(), *events), 0)
    assert exits(move) is exit_
    assert isinstance(move, End)
    assert said in move.what
    assert move.winner == looked_at().attempts[0]


def test_done_must_have_seen_the_gate_pass() -> None:
    move = next_move(run(TWO, *PASSED, *done("1.record")), 0)
    assert isinstance(move, End)
    assert move.because == ("1.verify seen",)
    assert move.winner == TWO.attempts[0]


def test_what_could_never_be_prepared_must_end_as_refused() -> None:
    prepared = [attempt(n, tag) for n, tag in ((1, "v2"), (2, "v1"))]
    from lastgood.model.step import PullStep

    with_pull = [
        msgspec.structs.replace(
            a, steps=(PullStep(f"{a.number}.pull.local", "shop", "local", a.parts[0].image, "because"), *a.steps)
        )
        for a in prepared
    ]
    events = [
        *done("capture.local"),
        *failed("1.pull.local", Failure.PREPARE),
        *failed("2.pull.local", Failure.PREPARE),
    ]
    assert exits(next_move(run(plan(*with_pull), *events), 0)) is Exit.REFUSED


def test_a_state_from_before_that_is_not_known_must_end_with_a_human() -> None:
    stuck = plan(attempt(1, "v2"), restorable=False)
    move = next_move(run(stuck, *FIRST_FAILED), 0)
    assert exits(move) is Exit.NEEDS_HUMAN
    assert exits(next_move(run(stuck, *SWITCHED, ABORT), 0)) is Exit.NEEDS_HUMAN


def test_when_the_time_is_up_no_further_release_must_be_begun() -> None:
    move = next_move(run(TWO, *FIRST_FAILED), 601)
    assert ids(move) == ("restore.switch.local",)
    restored = next_move(run(TWO, *FIRST_FAILED, *done("restore.switch.local", "restore.verify")), 601)
    assert isinstance(restored, End)
    assert "1 further releases were not tried" in restored.because[-1]


@pytest.mark.parametrize(
    ("events", "next_"),
    [([], "capture.local"), (SWITCHED, "1.verify"), ([*FIRST_FAILED, *done("2.switch.local")], "2.verify")],
)
def test_when_the_time_is_up_what_was_begun_must_be_finished(events: list[Event], next_: str) -> None:
    assert ids(next_move(run(TWO, *events), 10_000)) == (next_,)


@pytest.mark.parametrize(
    ("evidence", "before", "walks_on"),
    [
        (VERIFIED, "http 500", False),
        (VERIFIED, "exits", True),
        (VERIFIED, "", True),
        (Evidence(), "http 500", True),
    ],
)
def test_a_verified_release_that_fails_the_same_way_must_end_the_walk(
    evidence: Evidence, before: str, *, walks_on: bool
) -> None:
    tried = run(plan(attempt(1, "v2", evidence), attempt(2, "v1")), *FIRST_FAILED, signature=before)
    assert ids(next_move(tried, 0)) == (("2.switch.local",) if walks_on else ("restore.switch.local",))
    ended = next_move(
        run(tried.plan, *FIRST_FAILED, *done("restore.switch.local", "restore.verify"), signature=before), 0
    )
    if not walks_on:
        assert exits(ended) is Exit.NEEDS_HUMAN


def test_a_verified_release_that_fails_like_one_tried_before_must_end_the_walk() -> None:
    three = plan(attempt(1, "v2"), attempt(2, "v1", VERIFIED), attempt(3, "v0"))
    events = [*FIRST_FAILED, *done("2.switch.local"), *failed("2.verify")]
    assert ids(next_move(run(three, *events), 0)) == ("restore.switch.local",)


def test_a_failure_without_a_signature_must_equal_no_other() -> None:
    nameless = [*SWITCHED, *failed("1.verify", signature="")]
    assert ids(next_move(run(plan(attempt(1, "v2", VERIFIED), attempt(2, "v1")), *nameless), 0)) == ("2.switch.local",)


@pytest.mark.parametrize("action", ["restart", "check"])
def test_what_only_restarts_or_looks_must_never_put_anything_back(action: str) -> None:
    one = plan(attempt(1, "v3", action=action), restorable=False, action=action)
    begun = done("1.restart.local") if action == "restart" else []
    assert exits(next_move(run(one, *begun, *done("1.verify")), 0)) is Exit.DONE
    assert exits(next_move(run(one, *begun, *failed("1.verify")), 0)) is Exit.NEEDS_HUMAN


def graded(run_: Run) -> dict[str, Grade]:
    return {judged.image.tag: judged.grade for judged in verdicts(run_)}


@pytest.mark.parametrize(
    ("events", "signature", "expected"),
    [
        ([], "", {}),
        (SWITCHED, "", {}),
        (PASSED, "", {"v2": Grade.VERIFIED, "v3": Grade.ROLLED_BACK}),
        (PASSED, "http 500", {"v2": Grade.VERIFIED, "v3": Grade.BAD}),
        (FIRST_FAILED, "http 500", {"v2": Grade.INCONCLUSIVE}),
        (BOTH_FAILED, "http 500", {"v2": Grade.INCONCLUSIVE, "v1": Grade.INCONCLUSIVE}),
        (
            [*FIRST_FAILED, *done("2.switch.local", "2.verify")],
            "http 500",
            {"v2": Grade.BAD, "v1": Grade.VERIFIED, "v3": Grade.BAD},
        ),
        (
            [*done("capture.local"), *failed("1.switch.local", Failure.PREPARE), *done("2.switch.local", "2.verify")],
            "",
            {"v1": Grade.VERIFIED, "v3": Grade.ROLLED_BACK},
        ),
        ([*SWITCHED, *failed("1.verify", Failure.ELSEWHERE)], "", {}),
        ([*SWITCHED, *failed("1.verify", Failure.IN_DOUBT)], "", {}),
        ([*SWITCHED, *failed("1.verify", Failure.PREPARE)], "", {}),
        ([*PASSED, ABORT, *done("restore.switch.local", "restore.verify")], "http 500", {"v2": Grade.VERIFIED}),
        ([*SWITCHED, ABORT, *done("restore.switch.local", "restore.verify")], "http 500", {}),
    ],
)
def test_only_a_release_that_passed_in_the_same_run_must_condemn_others(
    events: list[Event], signature: str, expected: dict[str, Grade]
) -> None:
    done_ = run(TWO, *events, signature=signature)
    assert graded(done_) == expected
    assert {(service, i.tag) for service, i in condemned(done_)} == {
        ("shop", tag) for tag, grade in expected.items() if grade is Grade.BAD
    }


def test_a_check_must_judge_what_runs_and_nothing_else() -> None:
    one = plan(attempt(1, "v3", action="check"), restorable=False, action="check")
    assert graded(run(one, *done("1.verify"))) == {"v3": Grade.VERIFIED}
    assert graded(run(one, *failed("1.verify"))) == {"v3": Grade.INCONCLUSIVE}


def test_where_only_configuration_went_back_the_image_must_not_be_condemned() -> None:
    same = plan(attempt(1, "v3"), attempt(2, "v3"))
    events = [*FIRST_FAILED, *done("2.switch.local", "2.verify")]
    assert graded(run(same, *events, signature="http 500")) == {"v3": Grade.VERIFIED}


def test_nobody_must_have_won_before_a_gate_passed() -> None:
    assert winner(run(TWO, *FIRST_FAILED)) is None
    assert winner(run(TWO, *PASSED)) == TWO.attempts[0]
