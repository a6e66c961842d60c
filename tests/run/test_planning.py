"""From a wish to a plan, on real git: which release, which tree, and what is refused."""

import shlex
from collections.abc import Callable

import msgspec
import pytest

from lastgood.model.errors import Exit, PathConflict, PinUnreadable, Refused, UsageError, WorldMoved
from lastgood.model.event import ChildStarted, Said
from lastgood.model.facts import Known, Unknown
from lastgood.model.observed import Availability
from lastgood.model.plan import NothingToDo, ReversiblePlan, Scope
from lastgood.model.step import RenderStep
from lastgood.observe.world import asked_too, observe
from lastgood.run.planning import Wish
from lastgood.run.spelled import commands
from tests.standin.fate import ANSWERS_500, GOOD
from tests.standin.world import COMPOSE, FOLDER, PIN, REPOSITORY, World, values

SECRETS = f"{FOLDER}/settings.txt"


def made(world: World, wish: Wish | None = None) -> ReversiblePlan:
    found = world.plan(wish)
    assert isinstance(found, ReversiblePlan), found
    return found


def names(plan: ReversiblePlan) -> list[str]:
    return [attempt.parts[0].release.image.tag for attempt in plan.attempts]


def tree(world: World, plan: ReversiblePlan, path: str, prefix: str = "1.") -> bytes | None:
    """A file of the tree that would be rendered."""
    step = next(s for s in plan.steps() if isinstance(s, RenderStep) and s.id.startswith(prefix))
    with world.tools() as tools:
        return tools.repo.blob(step.tree, path)


def test_the_same_world_must_give_the_same_plan(world: World) -> None:
    world.ship("v1")
    world.ship("v2", ANSWERS_500)
    assert made(world).digest == made(world).digest


def test_a_release_far_back_must_be_named_and_pulled_by_its_tag(world: World) -> None:
    far = world.ship("v0")
    for number in range(1, 15):
        world.build(f"v{number}")
        world.commit({PIN: values(f"v{number}")}, f"release {number}")
    world.deploy("v14")
    del world.outside.engine.held[far.id]
    assert names(made(world, Wish(to="v0"))) == ["v0"]
    assert world.rollback(Wish(to="v0")).exit is Exit.DONE
    assert world.versions() == ["v0"]


def test_a_release_beyond_the_first_look_that_must_be_pulled_must_be_found(world: World) -> None:
    world.ship("v0")
    del world.outside.engine.held[world.build("v0", host=False).id]
    for number in range(1, 14):
        world.commit({PIN: values(f"gone{number}")}, f"release gone{number}")
    world.ship("bad", ANSWERS_500)
    plan = made(world)
    assert names(plan) == ["v0"]
    assert len(plan.skipped) == 13
    assert all("gone" in skipped.because for skipped in plan.skipped)


def test_what_runs_must_be_recognised_however_old_it_is(world: World) -> None:
    world.ship("v0")
    world.ship("v1")
    for number in range(2, 16):
        world.commit({PIN: values(f"v{number}")}, f"release {number}")
    assert names(made(world)) == ["v0"]


def test_a_commit_must_stand_for_the_release_it_lies_in(world: World) -> None:
    world.ship("v1")
    unrelated = world.commit({"README": b"more\n"}, "words")
    world.ship("v2")
    world.ship("v3")
    assert names(made(world, Wish(to=unrelated[:10]))) == ["v1"]


def test_a_name_that_never_was_must_be_told(world: World) -> None:
    world.ship("v1")
    with pytest.raises(UsageError, match="No release"):
        world.plan(Wish(to="v9"))


def test_nothing_to_go_back_to_must_be_refused_with_the_reasons(world: World) -> None:
    world.ship("v1")
    with pytest.raises(Refused, match="no release to go back to"):
        world.plan()


def test_what_runs_already_must_be_nothing_to_do(world: World) -> None:
    world.ship("v1")
    world.ship("v2")
    assert isinstance(world.plan(Wish(to="v2")), NothingToDo)


def test_what_a_rollback_put_there_must_not_be_rolled_back_again(world: World) -> None:
    for version in ("v1", "v2", "v3"):
        world.ship(version)
    world.rollback()
    again = world.plan()
    assert isinstance(again, NothingToDo)
    assert again.run
    assert names(made(world, Wish(further=True))) == ["v1"]


def test_a_decision_beside_the_plan_must_stand_right_below_it_in_the_record_without_secrets(world: World) -> None:
    world.ship("v1")
    world.ship("v2", ANSWERS_500)
    assert world.rollback(noted="gone on with all the same: password=hunter2x").exit is Exit.DONE
    assert world.entries()[1].event == Said("gone on with all the same: password=<redacted>")


def test_a_repeated_call_must_be_recognised_while_the_registry_is_away(world: World) -> None:
    world.ship("v1")
    world.build("v2", host=False)
    world.commit({PIN: values("v2")}, "release v2")
    world.ship("v3", ANSWERS_500)
    assert world.rollback().exit is Exit.DONE
    world.outside.registry.up = False
    assert isinstance(world.plan(), NothingToDo)


def test_a_pin_that_cannot_be_read_at_the_tip_must_refuse(world: World) -> None:
    world.ship("v1")
    world.ship("v2", ANSWERS_500)
    world.commit({PIN: b"image: [\n"}, "broken")
    with pytest.raises(PinUnreadable):
        world.plan()


def test_a_service_that_git_never_had_must_refuse(world: World) -> None:
    with pytest.raises(PinUnreadable, match="No release"):
        world.plan()


@pytest.fixture
def configured(world: World) -> World:
    """v2 came with configuration of its own, and later commits changed more."""
    world.ship("v1")
    world.build("v2", ANSWERS_500)
    world.commit({PIN: values("v2", level="debug"), SECRETS: b"colour: red\npassword: hunter2\n"}, "release v2")
    world.deploy("v2")
    world.commit({f"{FOLDER}/notes.txt": b"later\n", "README": b"elsewhere\n"}, "later, separate")
    return world


@pytest.mark.parametrize(
    ("scope", "pin", "secrets", "notes"),
    [
        (Scope.DEFAULT, values("v1"), None, b"later\n"),
        (Scope.IMAGE_ONLY, values("v1", level="debug"), b"colour: red\npassword: hunter2\n", b"later\n"),
        (Scope.CONFIG_ONLY, values("v2"), None, b"later\n"),
        (Scope.FULL, values("v1"), None, None),
    ],
)
def test_as_much_must_go_back_as_the_scope_says(
    configured: World, scope: Scope, pin: bytes, secrets: bytes | None, notes: bytes | None
) -> None:
    plan = made(configured, Wish(scope=scope))
    seen = [tree(configured, plan, path) for path in (PIN, SECRETS, f"{FOLDER}/notes.txt")]
    assert seen == [pin, secrets, notes]
    assert tree(configured, plan, "README") == b"elsewhere\n"


@pytest.mark.parametrize(("scope", "kept"), [(Scope.DEFAULT, 1), (Scope.FULL, 0)])
def test_later_configuration_that_stays_must_be_listed(configured: World, scope: Scope, kept: int) -> None:
    assert len(made(configured, Wish(scope=scope)).kept) == kept


def test_the_changes_shown_must_hold_no_secret(configured: World) -> None:
    shown = str(made(configured).attempts[0].changes)
    assert "colour: red" in shown
    assert "hunter2" not in shown


def test_what_was_rendered_must_be_what_is_committed(configured: World) -> None:
    assert configured.rollback().exit is Exit.DONE
    assert configured.git("show", f"main:{PIN}", at="remote.git").encode() + b"\n" == values("v1")
    listed = configured.git("ls-tree", "--name-only", "main", f"{FOLDER}/", at="remote.git")
    assert SECRETS not in listed
    assert f"{FOLDER}/notes.txt" in listed


def test_a_later_change_of_what_goes_back_must_be_a_conflict(configured: World) -> None:
    configured.commit({SECRETS: b"colour: blue\n"}, "later, the same lines")
    with pytest.raises(PathConflict):
        configured.plan()


def test_the_state_from_before_must_be_rendered_as_the_tip_has_it(configured: World) -> None:
    plan = made(configured)
    assert tree(configured, plan, PIN, "restore.") == values("v2", level="debug")


def test_where_git_is_ahead_the_state_from_before_must_be_what_ran(configured: World) -> None:
    configured.commit({PIN: values("v3", level="trace")}, "release v3, never deployed")
    plan = made(configured)
    assert names(plan) == ["v1"]
    assert tree(configured, plan, PIN, "restore.") == values("v2", level="debug")


def test_a_digest_must_be_pinned_where_it_is_asked_for(configured: World) -> None:
    pinned = tree(configured, made(configured, Wish(pin_digest=True)), PIN)
    assert pinned
    assert configured.image("v1").digest.encode() in pinned


def test_where_nothing_else_is_wanted_git_that_pins_it_already_must_stay(world: World) -> None:
    world.ship("v1")
    world.ship("v2")
    world.commit({PIN: values("v1")}, "pinned by hand, not deployed")
    assert world.rollback(Wish(to="v1")).exit is Exit.DONE
    assert world.versions() == ["v1"]
    run = world.run()
    assert run
    assert world.commits(run.id) == 0


def test_a_configuration_that_did_not_change_must_not_go_back_alone(world: World) -> None:
    world.ship("v1")
    world.ship("v2")
    with pytest.raises(Refused, match="No configuration"):
        world.plan(Wish(scope=Scope.CONFIG_ONLY))


@pytest.mark.parametrize(
    ("compose", "because"),
    [
        (None, "is not in git"),
        (b"services: [", "cannot be read"),
        (b"services: {db: {image: postgres}}", "No service in"),
    ],
)
def test_a_compose_file_that_says_nothing_about_the_service_must_refuse(
    world: World, compose: bytes | None, because: str
) -> None:
    world.ship("v1")
    world.ship("v2")
    world.commit({COMPOSE: compose}, "broken")
    with pytest.raises(Refused, match=because):
        world.plan()


def test_where_nothing_runs_there_must_be_no_way_back_and_the_plan_must_say_so(world: World) -> None:
    world.ship("v1")
    world.ship("v2")
    del world.outside.engine.boxes["shop-api-1"]
    plan = made(world)
    assert plan.restore is None
    assert any("cannot be restored" in warning for warning in plan.warnings)
    assert world.rollback().exit is Exit.DONE
    assert world.versions() == ["v1"]


def test_mixed_images_must_be_replaced_on_every_container(world: World) -> None:
    world.ship("v1")
    world.ship("v2", ANSWERS_500)
    world.deploy("v1", 2)
    assert made(world).because == "containers of the service run different images"
    assert world.rollback(Wish(to="v1")).exit is Exit.DONE
    assert world.versions() == ["v1", "v1"]


@pytest.mark.parametrize("change", ["pin", "runtime"])
def test_a_world_that_moved_since_the_plan_must_stop_the_run(build: Callable[..., World], change: str) -> None:
    world = build()
    world.ship("v1")
    world.ship("v2", ANSWERS_500)

    def move() -> None:
        world.commit({PIN: values("v3")}, "meanwhile") if change == "pin" else world.deploy("v1")

    with pytest.raises(WorldMoved) as moved:
        world.rollback(meanwhile=move)
    assert moved.value.because
    assert (world.run(), world.lease()) == (None, False)


def test_good_releases_must_be_left_without_being_condemned(world: World) -> None:
    for version in ("v1", "v2", "v3"):
        world.ship(version, GOOD)
    world.rollback()
    assert world.judged() == {"v2": "verified", "v3": "rolled back"}


def test_a_later_edit_next_to_the_image_must_be_no_conflict(world: World) -> None:
    world.ship("v1")
    world.build("v2", ANSWERS_500)
    world.commit({PIN: values("v2"), SECRETS: b"came with v2\n"}, "release v2")
    world.deploy("v2")
    world.commit({PIN: values("v2", level="debug")}, "later, the lines around")
    plan = made(world)
    assert (tree(world, plan, PIN), tree(world, plan, SECRETS)) == (values("v1", level="debug"), None)


def test_the_commands_shown_must_be_those_that_are_run(world: World) -> None:
    world.ship("v1", host=False)
    world.ship("v2", ANSWERS_500)
    plan = made(world)
    with world.tools() as tools:
        shown = commands(plan, world.group, {"shop": tools})
    assert world.rollback().exit is Exit.DONE
    children = [e.event for e in world.entries() if isinstance(e.event, ChildStarted)]
    assert [child.step for child in children] == ["1.pull.local", "1.switch.local"]
    for child in children:
        assert shown[child.step] == (shlex.join(child.child.argv),)
    assert len(shown["1.render.local"]) == 2


def test_the_registry_must_be_asked_for_a_release_it_was_not_asked_for(world: World) -> None:
    world.ship("v1", host=False)
    world.ship("v2")
    with world.tools() as tools:
        seen = msgspec.structs.replace(observe(world.target, tools, (), 12), registry={})
        asked = asked_too(tools, seen, seen.history[1])
        assert asked.registry == {f"{REPOSITORY}:v1": Known(Availability(world.image("v1").digest))}
        assert asked_too(tools, asked, seen.history[1]) is asked


def test_a_host_that_cannot_be_seen_must_still_let_the_probes_say_what_customers_get(world: World) -> None:
    world.ship("v1", ANSWERS_500)
    world.outside.faults.by_verb["ps"] = ["fails"] * 3
    with world.tools() as tools:
        seen = observe(world.target, tools, (), 12)
    assert isinstance(seen.hosts["local"].containers, Unknown)
    assert [look.signature for look in seen.looks] == ["http 500"]
