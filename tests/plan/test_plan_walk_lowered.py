"""How a run goes on over several releases that need ever older schemas: where the database is, and what is lost."""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lowering import TOP, Databases, Small, failing, serving

from lastgood.model.descent import Loss
from lastgood.model.errors import Exit
from lastgood.model.facts import Unknown
from lastgood.model.schema import What
from lastgood.plan.moves import End


def ended(*levels: int, hosts: int = 1, scripted: bool = False, fails: tuple[str, ...] = ()) -> tuple[Small, End]:
    """The world after a run in which these steps fail."""
    world = Small.of(((("shop",), levels),), hosts=hosts, scripted=scripted)
    found = world.goes(failing(*fails))
    assert world.wrong == []
    return world, found


def late(world: Small) -> list[str]:
    """The steps of the second attempt and of the way back."""
    return [step for step in world.taken if not step.startswith(("capture", "1."))]


def test_two_releases_back_through_five_migrations_each_must_have_the_schema_that_it_needs() -> None:
    world, end = ended(3, 0, fails=("1.verify",))
    assert (end.exit, serving(world), world.version) == (Exit.DONE, ["v1"], 0)
    assert late(world) == [
        "2.pull.local", "2.render.local", "2.stop.local", "2.backup", "2.down", "2.trial", "2.switch.local",
        "2.verify", "2.record", "2.watch",
    ]  # fmt: skip
    assert [version for version, _ in world.kept.values()] == [5, 3]


def test_where_no_traffic_came_it_must_go_on_from_the_lower_schema_without_another_backup() -> None:
    world, end = ended(3, 0, fails=("1.trial",))
    assert (end.exit, serving(world), world.version) == (Exit.DONE, ["v1"], 0)
    assert late(world)[2:6] == ["2.stop.local", "2.down", "2.trial", "2.switch.local"]


def test_where_neither_starts_the_first_backup_must_bring_back_what_was() -> None:
    world, end = ended(3, 0, fails=("1.trial", "2.trial"))
    assert (end.exit, serving(world), world.version) == (Exit.FAILED_RESTORED, ["v3"], TOP)
    assert late(world)[-3:] == ["restore.reload", "restore.start.local", "restore.verify"]


@pytest.mark.parametrize("step", ["1.pull.local", "1.render.local"])
def test_a_release_that_could_not_be_prepared_must_leave_the_whole_way_to_the_next(step: str) -> None:
    world, end = ended(3, 0, fails=(step,))
    assert (end.exit, serving(world), world.version) == (Exit.DONE, ["v1"], 0)
    assert [one for one in world.taken if "down" in one] == ["2.down-1", "2.down"]


@pytest.mark.parametrize("step", ["1.stop.local", "1.backup", "1.down"])
def test_where_the_schema_cannot_go_down_no_further_release_must_be_tried(step: str) -> None:
    world, end = ended(3, 0, fails=(step,))
    assert (end.exit, serving(world), world.version) == (Exit.FAILED_RESTORED, ["v3"], TOP)
    assert end.because[-1] == "1 further releases were not tried: they need the schema to go down as well"


@pytest.mark.parametrize("step", ["2.backup", "2.down", "2.trial"])
def test_after_traffic_on_the_lower_schema_what_served_last_must_serve_again_and_a_human_decide(step: str) -> None:
    world, end = ended(3, 0, fails=("1.verify", step))
    assert (end.exit, serving(world), world.version) == (Exit.NEEDS_HUMAN, ["v2"], 3)
    assert (
        end.next[:2]
        == (
            "lastgood db restore shop prod /backups/1.backup   # as it was before v2",
            "lastgood db restore shop prod /backups/2.backup   # as it was before v1",
        )[: 1 if step == "2.backup" else 2]
        or end.next[0] == "lastgood db restore shop prod /backups/1.backup"
    )
    assert "lose what was written" in end.because[0]


def test_a_release_that_works_with_the_schema_must_fail_without_a_backup_and_the_next_have_one() -> None:
    world, end = ended(5, 3, fails=("1.verify",))
    assert (end.exit, serving(world), world.version) == (Exit.DONE, ["v1"], 3)
    assert list(world.kept) == ["2.backup"]


@pytest.mark.parametrize("step", ["2.stop.local", "2.backup", "2.down", "2.trial"])
def test_what_fails_after_a_release_on_the_same_schema_must_lead_back_to_what_ran_first(step: str) -> None:
    world, end = ended(5, 3, fails=("1.verify", step))
    assert (end.exit, serving(world), world.version) == (Exit.FAILED_RESTORED, ["v3"], TOP)


def test_a_next_release_on_the_same_lower_schema_must_be_switched_to_like_any_other() -> None:
    world, end = ended(3, 3, fails=("1.verify",))
    assert (end.exit, serving(world), world.version) == (Exit.DONE, ["v1"], 3)
    assert late(world) == ["2.pull.local", "2.render.local", "2.switch.local", "2.verify", "2.record", "2.watch"]


def test_a_next_release_on_the_same_lower_schema_must_be_tried_before_the_first_traffic() -> None:
    world, end = ended(3, 3, fails=("1.trial",))
    assert (end.exit, serving(world)) == (Exit.DONE, ["v1"])
    assert late(world)[2:5] == ["2.stop.local", "2.trial", "2.switch.local"]


def test_a_third_release_must_go_the_ways_that_are_left() -> None:
    world, end = ended(4, 2, 1, fails=("1.trial", "2.verify"))
    assert (end.exit, serving(world), world.version) == (Exit.DONE, ["v0"], 1)
    assert [one for one in world.taken if "down" in one or "backup" in one] == [
        "1.backup", "1.down", "2.down", "3.backup", "3.down",
    ]  # fmt: skip


def test_what_somebody_started_meanwhile_must_be_backed_up_and_never_be_lost() -> None:
    world = Small.of(((("shop",), (3, 0)),))
    end = world.goes(failing("1.trial", "2.trial", **{"2_pull_local": "meddled"}))
    assert world.wrong == []
    assert "2.backup" in world.kept
    assert (end.exit, world.version) == (Exit.NEEDS_HUMAN, 3)


FATES = st.sampled_from(["done"] * 8 + ["fails", "fails", "fails late", "dies", "dies late"])
USERS = st.sampled_from(
    [
        (("shop",),),
        (("shop",),),
        (("shop", "worker"),),
        (("shop",), ("web",)),
        (("shop", "WORKER"),),
        (("shop", "WORKER"), ("web",)),
    ]
)


@st.composite
def worlds(draw: st.DrawFn) -> Databases:
    """One service or several, each database at ever lower versions from round to round."""
    users, rounds = draw(USERS), draw(st.integers(1, 3))
    drawn = [draw(st.lists(st.integers(0, TOP), min_size=rounds, max_size=rounds)) for _ in users]
    return tuple((each, tuple(sorted(levels, reverse=True))) for each, levels in zip(users, drawn, strict=True))


@settings(
    max_examples=int(os.environ.get("LASTGOOD_EXAMPLES", "250")),
    deadline=None,
    database=None,
    derandomize="LASTGOOD_EXAMPLES" not in os.environ,
)
@given(databases=worlds(), hosts=st.integers(1, 2), scripted=st.booleans(), meddled=st.booleans(), data=st.data())
def test_whatever_fails_or_dies_no_write_must_be_lost_and_no_release_find_a_schema_that_is_not_its_own(
    databases: Databases, hosts: int, data: st.DataObject, *, scripted: bool, meddled: bool
) -> None:
    world = Small.of(databases, hosts=hosts, scripted=scripted)
    before = dict(world.up)
    calm = False

    def fate(step: str) -> str:
        if calm:
            return "done"
        if step == "resume":
            return data.draw(st.sampled_from(["on", "on", "on", "aborts"]), step)
        if meddled and "pull" in step and step.endswith("local") and step[0] != "1":
            return "meddled"
        found: str = data.draw(FATES, step)
        late_effect = found == "fails late" and not ("switch" in step or "stop" in step)
        return "fails" if late_effect else found

    end = world.goes(fate)
    calm = True
    for _ in range(3):
        if end.exit is Exit.IN_DOUBT:
            world.again()
            end = world.goes(fate)
    assert world.wrong == []
    if end.exit is Exit.DONE and not world.run.aborting:
        assert end.winner
        tags = {part.service: part.image.image.tag for part in end.winner.parts}
        assert world.up == {place: tags[place[0]] for place in before}
        assert all(world.versions[world.owner(s)] in world.knows(s, tag) for s, tag in tags.items())
    if end.exit in (Exit.FAILED_RESTORED, Exit.REFUSED) or (world.run.aborting and end.exit is Exit.DONE):
        assert (world.up, set(world.versions.values())) == (before, {TOP})
    assert end.exit is not Exit.IN_DOUBT or meddled


LOSS = Loss(What.TABLE, "public.notes", 7, 20, Unknown("nobody noted it"), "the table is dropped", '"public"."notes"')
PUT_BACK = "after the next roll-forward: lastgood db salvage put-back shop prod R1"


@pytest.mark.parametrize(
    ("fails", "taken", "names"),
    [
        ("1.trial", ["1.salvage", "1.lossy-down", "2.salvage", "2.lossy-down"], ["", "-2.salvage"]),
        (
            "1.render.local",
            ["2.salvage-1", "2.lossy-down-1", "2.salvage", "2.lossy-down"],
            ["-2.salvage-1", "-2.salvage"],
        ),
    ],
)
def test_what_each_way_down_loses_must_be_kept_right_before_it_under_a_name_of_its_own(
    fails: str, taken: list[str], names: list[str]
) -> None:
    world = Small.of(((("shop",), (3, 0)),), losses=(LOSS,))
    end = world.goes(failing(fails))
    assert (world.wrong, end.exit) == ([], Exit.DONE)
    assert [step for step in world.taken if "salvage" in step or "down" in step] == taken
    assert list(end.next) == [f"{PUT_BACK}{name}" for name in names]


def test_where_what_is_lost_cannot_be_kept_no_further_release_must_be_tried() -> None:
    world = Small.of(((("shop",), (3, 0)),), losses=(LOSS,))
    end = world.goes(failing("1.salvage"))
    assert (world.wrong, end.exit, serving(world), world.version) == ([], Exit.FAILED_RESTORED, ["v3"], TOP)
    assert late(world) == ["restore.start.local", "restore.verify"]
