import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastgood.journal.fold import fold
from lastgood.model.command import Child
from lastgood.model.errors import Exit
from lastgood.model.event import (
    ChildStarted,
    Event,
    Failure,
    Judged,
    Resumed,
    RunEnded,
    Said,
    StepDone,
    StepFailed,
    StepStarted,
    StepState,
)
from lastgood.model.release import Grade
from tests.journal.sample import IMAGE, SECOND, begun, lined

CHILD = Child(1, 2, ("docker",))
STEPS = st.sampled_from(["a", "b", "c"])
EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.builds(StepStarted, STEPS),
    st.builds(ChildStarted, STEPS, st.builds(Child, st.integers(1, 9), st.just(1), st.just(("x",)))),
    st.builds(StepDone, STEPS, st.text()),
    st.builds(StepFailed, STEPS, st.text(), st.sampled_from(Failure)),
    st.just(Judged("a/b", IMAGE, Grade.BAD, "x")),
    st.builds(Said, st.text()),
    st.builds(Resumed, st.text(), st.booleans(), st.text()),
    st.builds(RunEnded, st.sampled_from(Exit), st.text()),
)


def test_a_run_that_only_began_must_carry_what_was_decided() -> None:
    run = fold(lined(begun()))
    assert (run.id, run.plan, run.lease, run.signature) == ("r", begun().plan, "token", "http:500")
    assert (run.started, run.last, run.ended, run.steps) == (SECOND, SECOND, None, {})


def test_steps_must_be_in_doubt_until_they_are_done_or_failed() -> None:
    failed = StepFailed("c", "500")
    done = StepDone("b", "there")
    run = fold(lined(begun(), StepStarted("a"), StepStarted("b"), done, StepStarted("c"), failed, Said("x")))
    assert run.steps == {"a": StepState.STARTED, "b": StepState.DONE, "c": StepState.FAILED}
    assert list(run.steps) == ["a", "b", "c"]
    assert (run.done, run.failures, run.last) == ({"b": done}, {"c": failed}, 7 * SECOND)


def test_a_step_begun_anew_must_be_in_doubt_anew() -> None:
    run = fold(
        lined(
            begun(),
            StepStarted("a"),
            StepFailed("a", "x"),
            Resumed("bob", aborting=False, lease="t2"),
            StepStarted("a"),
        )
    )
    assert run.steps == {"a": StepState.STARTED}
    assert (run.failures, run.lease) == ({}, "t2")


def test_children_must_be_those_of_steps_whose_outcome_is_not_known() -> None:
    events: list[Event] = [begun()]
    for step, end in (
        ("a", None),
        ("b", StepDone("b", "x")),
        ("c", StepFailed("c", "x")),
        ("d", StepFailed("d", "x", Failure.IN_DOUBT)),
    ):
        events += [StepStarted(step), ChildStarted(step, Child(ord(step), 1, ("x",)))]
        events += [end] if end else []
    assert [child.pid for child in fold(lined(*events)).children] == [ord("a"), ord("d")]


def test_taking_a_run_up_again_must_clear_its_end() -> None:
    ended = RunEnded(Exit.IN_DOUBT, "stopped")
    assert fold(lined(begun(), ended)).ended == ended
    run = fold(lined(begun(), ended, Resumed("bob", aborting=True, lease="t2")))
    assert (run.ended, run.aborting, run.lease) == (None, True, "t2")


@pytest.mark.parametrize(
    "entries",
    [
        (),
        lined(Said("x")),
        lined(Said("x"), begun()),
        lined(begun(), begun()),
        (*lined(begun()), *lined(Said("x"), run="another")),
    ],
)
def test_lines_that_are_not_one_run_must_be_refused(entries: tuple[()]) -> None:
    with pytest.raises(ValueError, match="run"):
        fold(entries)


@given(st.lists(EVENTS, max_size=20))
def test_every_prefix_of_a_run_must_fold(events: list[Event]) -> None:
    entries = lined(begun(), *events)
    for length in range(1, len(entries) + 1):
        run = fold(entries[:length])
        assert run.last == entries[length - 1].at
        assert run.failures.keys() == {step for step, state in run.steps.items() if state is StepState.FAILED}
        assert run.done.keys() == {step for step, state in run.steps.items() if state is StepState.DONE}


@given(st.lists(EVENTS, max_size=10), st.lists(EVENTS.filter(lambda e: not isinstance(e, Resumed | RunEnded))))
def test_an_ended_run_must_have_ended(before: list[Event], after: list[Event]) -> None:
    ended = RunEnded(Exit.DONE, "done")
    assert fold(lined(begun(), *before, ended, *after)).ended == ended
