"""A run that was killed is told as what it is: interrupted, not proven, and to be taken up first."""

from pathlib import Path

import pytest

from lastgood.journal import codec
from lastgood.journal.live import Live
from lastgood.journal.store import Journal
from lastgood.model.chain import Line
from lastgood.model.errors import Exit, LeaseHeld, UsageError
from lastgood.model.event import Entry, Event, RunEnded, StepDone, StepStarted
from lastgood.model.plan import NothingToDo
from lastgood.model.report import Health
from lastgood.observe.world import observe
from lastgood.plan.report import status
from lastgood.run.pending import interrupted, ours, proven
from tests.journal.sample import begun
from tests.standin.fate import ANSWERS_500
from tests.standin.world import PIN, Photo, World, values

DONE = Exit.DONE
RUN = "20261122-174501-7f3a"
STEP = StepStarted("1.verify")


def killed(world: World, moment: str) -> str:
    """A rollback that was killed right after this moment; the run's id."""
    photos: list[Photo] = []
    world.at_point = lambda name: photos.append(world.photograph(name)) if name == moment else None
    world.rollback()
    world.restore(photos[0])
    run = world.run()
    assert run
    assert run.ended is None
    return run.id


def unknown(_: str) -> tuple[Line, ...]:
    raise UsageError("no host knows it")


def test_what_a_killed_run_put_there_must_not_be_called_rolled_back(bad: World) -> None:
    run, made = killed(bad, "after StepStarted 1.verify"), bad.plan()
    assert isinstance(made, NothingToDo)
    with bad.desk() as desk:
        told = proven(made, desk.journal, desk.live, unknown)
        assert (told.run, told.images) == (run, made.images)
        assert told.because == f"run {run}, which put v2 there, was interrupted in 1.verify and is not proven"
        assert told.next == (f"lastgood resume {run}",)
        with desk.live.executing(run):
            goes_on = proven(made, desk.journal, desk.live, unknown)
        assert goes_on.because == f"run {run}, which put v2 there, goes on and is not proven yet"
    bad.resume()
    with bad.desk() as desk:
        assert proven(made, desk.journal, desk.live, unknown) == made


def test_a_killed_run_that_another_machine_ended_must_be_as_good_as_done(bad: World) -> None:
    run, made = killed(bad, "after StepStarted 1.verify"), bad.plan()
    assert isinstance(made, NothingToDo)
    with bad.desk() as desk:
        before = desk.journal.lines(run)
        there = [codec.line(entry) for entry in (*desk.journal.entries(run), Entry(run, 99, 99, RunEnded(DONE, "ok")))]
        assert proven(made, desk.journal, desk.live, lambda _: tuple(there)) == made
        assert proven(made, desk.journal, desk.live, lambda _: tuple(there[:-1])).next
        assert desk.journal.lines(run) == before


def test_what_a_killed_run_put_there_must_be_asked_for_as_the_release_that_it_is(world: World) -> None:
    """It was pulled by its digest and has no verdict yet: only the registry can tell which release it is."""
    world.build("v2", host=False)
    world.commit({PIN: values("v2")}, "release v2")
    world.ship("v3", ANSWERS_500)
    killed(world, "after StepStarted 1.verify")
    world.outside.clock.sleep(5)
    with world.tools() as tools:
        seen = observe(world.target, tools, (), 12)
    said = status(world.target, seen)
    assert [(look.ok, look.said) for look in seen.looks] == [(True, said.health_because)]
    assert said.health is Health.HEALTHY


def test_the_lease_of_a_killed_run_must_not_be_called_somebody_else_s(bad: World) -> None:
    run = killed(bad, "after StepStarted capture.local")
    with bad.desk() as desk, pytest.raises(LeaseHeld) as held, ours(desk.journal, desk.live, desk.machine):
        bad.rollback()
    assert held.value.what == f"Run {run} was interrupted in capture.local and is not proven; it still holds the lease."
    assert run in held.value.because[0]
    assert held.value.next == (f"lastgood resume {run}",)
    assert (held.value.run, held.value.ran_out) == (run, False)
    assert (bad.versions(), bad.lease()) == (["v3"], True)


def test_a_run_that_another_machine_goes_on_with_must_be_somebody_else_s(bad: World) -> None:
    killed(bad, "after StepStarted capture.local")
    with (
        bad.desk() as desk,
        pytest.raises(LeaseHeld, match="Somebody else acts"),
        ours(desk.journal, desk.live, "another laptop"),
    ):
        bad.rollback()


def test_the_lease_of_a_run_that_is_not_known_here_must_stay_somebody_else_s(bad: World, tmp_path: Path) -> None:
    run = killed(bad, "after StepStarted capture.local")
    journal = Journal(f"{tmp_path}/journal.db")
    with pytest.raises(LeaseHeld, match="Somebody else acts") as held, ours(journal, Live(str(tmp_path)), "laptop"):
        bad.rollback()
    assert held.value.run == run


@pytest.mark.parametrize(
    ("events", "where"),
    [
        ((), "was interrupted before its first step"),
        ((STEP,), "was interrupted in 1.verify"),
        ((STEP, StepDone("1.verify", "it passed")), "was interrupted after 1.verify"),
        ((STEP, RunEnded(Exit.IN_DOUBT, "a host is silent")), "was interrupted in 1.verify"),
        ((STEP, RunEnded(Exit.MITIGATED, "not in git yet")), ""),
        ((STEP, RunEnded(DONE, "it serves")), ""),
    ],
)
def test_where_a_run_was_interrupted_must_be_its_journal_s_word(
    tmp_path: Path, events: tuple[Event, ...], where: str
) -> None:
    with Journal(f"{tmp_path}/journal.db") as journal:
        assert interrupted(RUN, journal, Live(str(tmp_path))) == ""
        for at, event in enumerate((begun(), *events)):
            journal.append(RUN, event, at)
        assert interrupted(RUN, journal, Live(str(tmp_path))) == where
