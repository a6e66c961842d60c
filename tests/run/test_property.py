"""Whatever the releases are like, whatever fails, wherever it is killed: what a run says at its end must be so."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from lastgood.model.errors import Exit, LastgoodError
from lastgood.model.event import Judged, RunEnded
from lastgood.model.release import Grade
from tests.standin.disk import memory
from tests.standin.fate import ANSWERS_500, CRASH_LOOP, EXITS, FAILS_LATER, GOOD, SLOW, Fate
from tests.standin.world import World

FAULTS = st.lists(st.sampled_from(["fine", "nothing", "fails", "fails late", "hangs", "hangs late"]), max_size=4)
LOOKS = st.lists(st.sampled_from(["fine", "fine", "fine", "fails", "hangs"]), max_size=30)
FATES = st.sampled_from([GOOD, GOOD, ANSWERS_500, EXITS, CRASH_LOOP, FAILS_LATER, SLOW])
PLACES = st.sampled_from([(True, True), (True, True), (False, True), (True, False), (False, False)])


@dataclass(frozen=True)
class Case:
    """A history, what goes wrong, where it is killed, and what the next person does."""

    fates: tuple[Fate, Fate, Fate, Fate]
    places: tuple[tuple[bool, bool], tuple[bool, bool], tuple[bool, bool]]
    checked: bool
    replicas: int
    up: list[str]
    pull: list[str]
    ps: list[str]
    remote: bool
    killed: int
    aborts: bool


CASES = st.builds(
    Case,
    fates=st.tuples(FATES, FATES, FATES, FATES),
    places=st.tuples(PLACES, PLACES, PLACES),
    checked=st.booleans(),
    replicas=st.integers(1, 2),
    up=FAULTS,
    pull=FAULTS,
    ps=LOOKS,
    remote=st.booleans(),
    killed=st.integers(0, 60),
    aborts=st.booleans(),
)


@settings(
    max_examples=int(os.environ.get("LASTGOOD_EXAMPLES", "20")),
    deadline=None,
    database=None,
    derandomize="LASTGOOD_EXAMPLES" not in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(CASES)
def test_what_a_run_says_at_its_end_must_be_so(case: Case) -> None:
    with tempfile.TemporaryDirectory(dir=memory(), prefix="lastgood-") as folder:
        world = arranged(World(Path(folder)), case)
        before = images(world)
        photos = world.photographed(lambda: attempted(world, aborting=None))
        holds(world, before)
        if photos:
            world.restore(photos[case.killed % len(photos)])
            settled(world)
            if world.run():
                attempted(world, aborting=case.aborts)
                holds(world, before)
                attempted(world, aborting=False)
                holds(world, before)


def arranged(world: World, case: Case) -> World:
    for number, (fate, (host, registry)) in enumerate(zip(case.fates, (*case.places, (True, True)), strict=True), 1):
        world.ship(f"v{number}", fate, host=True, registry=True)
        if number == 2 and case.checked:
            world.check()
        if number < 4:
            lose(world, number, host=host, registry=registry)
    if case.replicas == 2:
        world.deploy("v4", 2)
    attempted_plan(world)
    world.outside.faults.by_verb.update({"up": list(case.up), "pull": list(case.pull), "ps": list(case.ps)})
    if not case.remote:
        world.remote_goes_away()
    return world


def attempted_plan(world: World) -> None:
    """So that there is a copy of the deploy repo."""
    try:
        world.plan()
    except LastgoodError:
        return


def lose(world: World, number: int, *, host: bool, registry: bool) -> None:
    """Take an image away from where it is not to be had."""
    held = next(one for one in world.outside.engine.held.values() if one.built.version == f"v{number}")
    if not host:
        del world.outside.engine.held[held.built.id]
    if not registry:
        world.outside.registry.lose(held.built)


def attempted(world: World, *, aborting: bool | None) -> None:
    """Roll back, or take the run up again; to be refused is an end like another."""
    try:
        world.rollback() if aborting is None else world.resume(aborting=aborting)
    except (LastgoodError, AssertionError):
        return


def settled(world: World) -> None:
    """The next person finds everything mended."""
    world.outside.faults.by_verb.clear()
    if (world.root / "remote.away").exists():
        world.remote_comes_back()


def images(world: World) -> list[str]:
    return [box.built.id for box in world.outside.engine.of("shop", "api")]


def answers(world: World) -> set[int | None]:
    return {world.outside.engine.life(box).answer for box in world.outside.engine.of("shop", "api")}


def holds(world: World, before: list[str]) -> None:
    """What the run says of itself, against the world."""
    run = world.run()
    if run is None or run.plan.action != "rollback":
        return
    repo = world.root / "remote.away"
    commits = 0 if repo.exists() else world.commits(run.id)
    assert commits <= 1
    said = [entry.event for entry in world.entries() if isinstance(entry.event, Judged)]
    grades = {judged.grade for judged in said}
    assert Grade.BAD not in grades or Grade.VERIFIED in grades
    assert len(said) == len(set(map(str, said)))
    event(f"{run.ended.exit.name if run.ended else None} {'aborted' if run.aborting else ''}")
    if isinstance(run.ended, RunEnded):
        kept(world, run.ended, before, aborted=run.aborting, commits=commits)


def kept(world: World, ended: RunEnded, before: list[str], *, aborted: bool, commits: int) -> None:
    if ended.exit in (Exit.DONE, Exit.MITIGATED) and not aborted:
        tags = {a.name for a in world.run().plan.attempts if f"serves {a.name}" in ended.what}  # type: ignore[union-attr]  # a run that has ended is there
        assert set(world.versions()) == tags
        assert len(world.versions()) == len(before)
        assert answers(world) == {200}
    if ended.exit is Exit.DONE and not aborted:
        assert {world.pinned()} == set(world.versions())
        assert commits == 1
    if ended.exit in (Exit.FAILED_RESTORED, Exit.REFUSED) or (aborted and ended.exit is Exit.DONE):
        assert images(world) == before
        assert commits == 0
    assert world.lease() is (ended.exit is Exit.IN_DOUBT)
