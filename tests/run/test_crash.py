"""A process may die at every boundary of its journal and in the middle of every effect; another one goes on."""

import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lastgood.model.errors import Exit, InDoubt, LeaseHeld, Refused
from lastgood.model.event import RunStarted
from lastgood.run.planning import Wish
from tests.standin.disk import memory
from tests.standin.fate import ANSWERS_500, CRASH_LOOP, EXITS, GOOD, Fate
from tests.standin.world import Photo, World


@dataclass(frozen=True)
class Story:
    """What happens where nobody is killed: the fates of v1, v2 and v3, and the end."""

    name: str
    fates: tuple[Fate, Fate, Fate]
    exit: Exit
    runs: list[str]
    commits: int
    remote: bool = True
    faults: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def arrange(self, world: World) -> World:
        for number, fate in enumerate(self.fates, 1):
            world.ship(f"v{number}", fate)
        world.outside.faults.by_verb.update({verb: list(faults) for verb, faults in self.faults})
        if not self.remote:
            world.plan()  # so that there is a copy of the deploy repo
            world.remote_goes_away()
        return world

    def act(self, world: World) -> None:
        end = world.rollback()
        if not self.remote:
            assert end.exit is Exit.MITIGATED
            world.remote_comes_back()
            end = world.resume()
        assert (end.exit, world.versions()) == (self.exit, self.runs)


STORIES = (
    Story("straight success", (GOOD, GOOD, ANSWERS_500), Exit.DONE, ["v2"], 1),
    Story("the first candidate fails", (GOOD, EXITS, CRASH_LOOP), Exit.DONE, ["v1"], 1),
    Story("all fail", (EXITS, CRASH_LOOP, ANSWERS_500), Exit.FAILED_RESTORED, ["v3"], 0),
    Story("the remote is away", (GOOD, GOOD, ANSWERS_500), Exit.DONE, ["v2"], 1, remote=False),
    Story(
        "the client of the switch hangs after its effect",
        (GOOD, GOOD, ANSWERS_500),
        Exit.DONE,
        ["v2"],
        1,
        faults=(("up", ("hangs late",)),),
    ),
)


@dataclass(frozen=True)
class Stage:
    """A story that was told once, and every moment of it."""

    story: Story
    world: World
    before: list[str]
    photos: list[Photo]
    judged: dict[str, str]

    def at(self, moment: str) -> World:
        """The world as it was then."""
        self.world.restore(next(photo for photo in self.photos if moment in photo.name))
        return self.world


def staged(story: Story) -> Iterator[Stage]:
    with tempfile.TemporaryDirectory(dir=memory(), prefix="lastgood-") as folder:
        world = story.arrange(World(Path(folder)))
        before = world.versions()
        photos = variants(world.photographed(lambda: story.act(world)))
        yield Stage(story, world, before, photos, world.judged())


@pytest.fixture(scope="module", params=STORIES, ids=lambda story: story.name)
def each(request: pytest.FixtureRequest) -> Iterator[Stage]:
    yield from staged(request.param)


@pytest.fixture(scope="module")
def straight() -> Iterator[Stage]:
    yield from staged(STORIES[0])


def variants(photos: list[Photo]) -> list[Photo]:
    """Each moment; where a client was at work, once more with that client dead as well."""
    found = []
    for photo in photos:
        found.append(photo)
        if photo.outside.engine.pending:
            found.append(photo.without_orphans())
    return found


def begun(world: World) -> bool:
    run = world.run()
    return run is not None


def settle(world: World) -> None:
    """Where the remote was away, it is back now."""
    if (world.root / "remote.away").exists():
        world.remote_comes_back()


def is_over(world: World, story: Story) -> str:
    """What is wrong with the world, now that the run has ended undisturbed; empty when nothing is."""
    run = world.run()
    assert run
    if run.ended is None or run.ended.exit is not story.exit:
        return f"ended {run.ended}"
    if world.versions() != story.runs:
        return f"runs {world.versions()}"
    if world.commits(run.id) != story.commits:
        return f"{world.commits(run.id)} commits"
    if world.lease():
        return "the lease is still held"
    return ""


def test_resume_after_a_kill_at_any_moment_must_end_like_the_undisturbed_run(each: Stage) -> None:
    world, wrong = each.world, []
    for photo in each.photos:
        world.restore(photo)
        settle(world)
        if begun(world):
            _resumed(world)
        else:
            world.rollback(take_over=True)
        problem = is_over(world, each.story) or ("" if world.judged() == each.judged else f"judged {world.judged()}")
        if problem:
            wrong.append(f"{photo.name}: {problem}")
    assert len(each.photos) > 25
    assert wrong == []


def _resumed(world: World) -> None:
    run = world.run()
    assert run
    over = run.ended is not None and run.ended.exit in (Exit.DONE, Exit.FAILED_RESTORED)
    if over:
        with pytest.raises(Refused, match="has ended"):
            world.resume()
    else:
        world.resume()


def test_abort_after_a_kill_at_any_moment_must_put_back_what_was_or_refuse(each: Stage) -> None:
    world = each.world
    wrong, aborted, refused = [], 0, 0
    for photo in each.photos:
        world.restore(photo)
        settle(world)
        run, judged = world.run(), world.judged()
        if run is None:
            continue
        try:
            end = world.resume(aborting=True)
        except Refused:
            refused += 1
            if not run.ended:
                assert world.commits(run.id) == 1
                world.resume()
            problem = is_over(world, each.story)
        else:
            aborted += 1
            seen = (end.exit, world.versions(), world.commits(run.id), world.lease(), world.judged().get("v3"))
            problem = "" if seen == (Exit.DONE, each.before, 0, False, judged.get("v3")) else str(seen)
        if problem:
            wrong.append(f"{photo.name}: {problem}")
    assert wrong == []
    assert aborted
    assert refused


@pytest.mark.parametrize(
    ("moment", "aborting"),
    [
        ("in up: the old shop-api-1 is gone", False),
        ("in up: the old shop-api-1 is gone", True),
        ("before git push", False),
    ],
)
def test_a_kill_during_resume_must_change_nothing_about_the_end(
    moment: str, straight: Stage, *, aborting: bool
) -> None:
    world = straight.at(moment)
    wrong = []
    for photo in variants(world.photographed(lambda: world.resume(aborting=aborting))):
        world.restore(photo)
        run = world.run()
        assert run
        if run.ended is None:
            world.resume(aborting=aborting)
        runs, commits = (straight.before, 0) if aborting else (straight.story.runs, 1)
        seen = (world.versions(), world.commits(run.id))
        if seen != (runs, commits):
            wrong.append(f"{photo.name}: {seen}")
    assert wrong == []


def test_resume_of_an_abort_that_was_killed_must_go_on_aborting(straight: Stage) -> None:
    world = straight.at("before StepDone 1.verify")
    photos = [p for p in world.photographed(lambda: world.resume(aborting=True)) if "Resumed" not in p.name]
    world.restore(photos[0])
    world.resume()
    assert world.versions() == straight.before


def test_ctrl_c_at_any_kind_of_moment_must_leave_a_run_that_resume_ends(world: World) -> None:
    story = STORIES[0]
    story.arrange(world)
    start = world.photograph("start")
    names: list[str] = []
    world.at_point = names.append
    story.act(world)
    kinds = {" ".join(name.split(" ")[:2]): number for number, name in enumerate(names)}
    wrong = []
    for name, number in kinds.items():
        world.restore(start)
        world.at_point = _interrupting(number)
        with pytest.raises((InDoubt, KeyboardInterrupt)):
            world.rollback()
        world.at_point = lambda _: None
        if begun(world):
            _resumed(world)
        else:
            world.rollback()
        problem = is_over(world, story)
        if problem:
            wrong.append(f"{name}: {problem}")
    assert wrong == []


def _interrupting(number: int) -> Callable[[str], None]:
    seen = iter(range(1000))

    def point(_: str) -> None:
        if next(seen) == number:
            raise KeyboardInterrupt

    return point


def test_done_killed_resumed_undone_and_done_again_must_be_three_commits(world: World) -> None:
    story = Story("undo", (GOOD, GOOD, GOOD), Exit.DONE, ["v2"], 1)
    story.arrange(world)
    world.restore(next(p for p in world.photographed(lambda: story.act(world)) if "after git push" in p.name))
    assert world.resume().exit is Exit.DONE
    assert world.rollback(Wish(to="v3")).exit is Exit.DONE
    assert (world.versions(), world.pinned()) == (["v3"], "v3")
    assert world.rollback(Wish(to="v2")).exit is Exit.DONE
    assert (world.versions(), world.pinned()) == (["v2"], "v2")
    subjects = world.git("log", "-4", "--format=%s", "main", at="remote.git").splitlines()
    assert [subject.split(" ")[0] for subject in subjects] == ["Roll", "Roll", "Roll", "release"]


def test_of_two_resumes_at_once_the_second_must_be_told_that_the_first_is_at_work(straight: Stage) -> None:
    world = straight.at("before up")
    reached, go = threading.Event(), threading.Event()

    def hold(name: str) -> None:
        if name == "before StepStarted 1.verify":
            reached.set()
            assert go.wait(60)

    world.at_point = hold
    ends = []
    first = threading.Thread(target=lambda: ends.append(world.resume()))
    first.start()
    assert reached.wait(60)
    with pytest.raises(LeaseHeld, match="right now"):
        world.resume()
    go.set()
    first.join()
    assert ends[0].exit is Exit.DONE
    assert is_over(world, straight.story) == ""


def test_a_process_that_dies_before_its_first_line_must_have_done_nothing(straight: Stage) -> None:
    world = straight.at(f"before {RunStarted.__name__}")
    assert (world.versions(), world.run()) == (straight.before, None)
    with pytest.raises(LeaseHeld):
        world.rollback()
    assert world.rollback(take_over=True).exit is Exit.DONE
