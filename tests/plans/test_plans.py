"""Situation in, printed plan out. `UPDATE_GOLDEN=1 pytest tests/plans` writes the texts anew."""

import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from lastgood.cli.text_plan import Detail
from lastgood.model.facts import Known, Unknown
from lastgood.model.observed import Availability, LocalImage
from lastgood.model.plan import ReversiblePlan, Scope
from lastgood.model.release import Grade
from lastgood.model.target import Adapter, FlowSpec, Order
from lastgood.plan.draft import Draft, Extra
from tests.plans.builders import (
    GOOD,
    TARGET,
    NoOptions,
    World,
    container,
    digest,
    down,
    gone,
    history,
    image,
    image_id,
    judged,
    planned,
    present,
    quarantined,
    rollback,
    told,
)
from tests.plans.fleet import HOSTS, LOST, app, behind_a_cdn, drafted, paused, web
from tests.plans.fleet import rollback as fleet_rollback
from tests.plans.schemas import (
    goes_down,
    goes_down_by_its_tool,
    goes_down_with_losses,
    goes_further_down,
    shared,
    stays,
)

HERE = Path(__file__).parent
RELEASES = history("sha-bad", "sha-two", "sha-one")


def ordinary() -> str:
    return told(lambda: planned(World(RELEASES)))


def ordinary_before_the_question() -> str:
    return told(lambda: planned(World(RELEASES)), Detail.QUESTION)


def ordinary_with_everything() -> str:
    return told(lambda: planned(World(RELEASES)), Detail.EVERYTHING)


def target_gone_so_the_next_one() -> str:
    world = World(RELEASES, images=present("sha-bad", "sha-one"), served=gone("sha-two"))
    return told(lambda: planned(world))


def image_for_another_platform_so_the_next_one() -> str:
    amd = Known(Availability(digest("sha-two"), index=True, platforms=("linux/amd64",)))
    images = present("sha-bad", "sha-one")
    return told(
        lambda: planned(World(RELEASES, images=images, served={str(image("sha-two")): amd}, platform="linux/arm64"))
    )


def tag_moved_in_the_registry() -> str:
    return told(lambda: planned(World(RELEASES, served={str(image("sha-two")): Known(Availability(digest("other")))})))


def user_flows_of_which_one_cannot_be_tried_here() -> str:
    flows = tuple(FlowSpec(name, Adapter("http", NoOptions())) for name in ("sign in", "pay by card"))
    said = Extra(warnings=("user flow pay by card of shop-api cannot be tried: no browser",))
    return told(lambda: planned(World(RELEASES), target=msgspec.structs.replace(TARGET, flows=flows), extra=said))


def drift_between_git_and_runtime() -> str:
    return told(lambda: planned(World(RELEASES, containers=(container("sha-two"),))))


def nothing_to_go_back_to() -> str:
    world = World(
        RELEASES,
        images=present("sha-bad"),
        served=gone("sha-one"),
        judgements=(judged("sha-two", Grade.BAD, "failed the gate: http 500"),),
    )
    return told(lambda: planned(world))


def verified_evidence_and_config_that_goes_back() -> str:
    world = World(RELEASES, judgements=(judged("sha-two", Grade.VERIFIED, "passed the gate"),))
    diff = ("-  log_level: debug", "+  log_level: info")
    return told(lambda: planned(world, diff=diff, kept=("0123456789ab raise the memory limit",)))


def known_bad_but_named() -> str:
    world = World(RELEASES, judgements=(judged("sha-two", Grade.BAD, "failed the gate: http 500"),))
    return told(lambda: planned(world, to="sha-two"))


def image_on_the_host_only() -> str:
    local = (*present("sha-bad"), LocalImage(image_id("sha-two"), ("sha-two",)))
    served = {**gone("sha-two"), **gone("sha-one")}
    return told(lambda: planned(World(RELEASES, images=local, served=served)))


def registry_down() -> str:
    world = World(RELEASES, images=present("sha-bad", "sha-one"), served=down("sha-bad", "sha-two", "sha-one"))
    return told(lambda: planned(world))


def remote_down() -> str:
    return told(lambda: planned(World(RELEASES, remote=Unknown("git@shop.example: connection timed out"))))


def two_containers() -> str:
    return told(lambda: planned(World(RELEASES, containers=(container("sha-bad"), container("sha-bad", 2)))))


def containers_of_two_releases() -> str:
    return told(lambda: planned(World(RELEASES, containers=(container("sha-bad"), container("sha-two", 2)))))


def healthy_but_left_on_purpose() -> str:
    return told(lambda: planned(World(RELEASES, looks=(GOOD,))))


def further_than_an_earlier_rollback() -> str:
    releases = history("sha-two", "sha-bad", "sha-two", "sha-one")
    releases = (rollback(releases[0], "sha-bad", "sha-two"), *releases[1:])
    return told(lambda: planned(World(releases)))


def image_only() -> str:
    return told(lambda: planned(World(RELEASES), scope=Scope.IMAGE_ONLY))


def hostile_commit_message() -> str:
    nasty = msgspec.structs.replace(RELEASES[1], subject="\x1b[2J\x1b[31mall fine\u202e", author="$(reboot)")
    return told(lambda: planned(World((RELEASES[0], nasty, RELEASES[2]))))


def quarantined_so_the_next_one() -> str:
    return told(lambda: planned(World(RELEASES, quarantine=quarantined("sha-two"))))


def quarantined_but_named() -> str:
    return told(lambda: planned(World(RELEASES, quarantine=quarantined("sha-two")), to="sha-two"))


def condemned_by_an_earlier_rollback_but_named() -> str:
    releases = history("sha-three", "sha-two", "sha-bad", "sha-two", "sha-one")
    releases = (releases[0], rollback(releases[1], "sha-bad", "sha-two"), *releases[2:])
    return told(lambda: planned(World(releases), to="sha-bad"))


def quarantine_lifted() -> str:
    judgements = (judged("sha-two", Grade.BAD, "failed the gate: http 500"),)
    return told(lambda: planned(World(RELEASES, judgements=judgements, quarantine=quarantined("sha-two", lifted=True))))


def quarantine_unreadable() -> str:
    unread = Unknown("quarantine.yaml:3 $.quarantine[0].imaeg: unknown key")
    return told(lambda: planned(World(RELEASES, quarantine=unread)))


def quarantine_unreadable_but_named() -> str:
    unread = Unknown("quarantine.yaml:3 $.quarantine[0].imaeg: unknown key")
    return told(lambda: planned(World(RELEASES, quarantine=unread), to="sha-two"))


def three_hosts_one_left_out() -> str:
    return told(lambda: fleet_rollback(drafted(World(RELEASES), *HOSTS[:2]), Extra(left_out=(LOST,))))


def three_hosts_one_by_one() -> str:
    return told(lambda: fleet_rollback(drafted(World(RELEASES), *HOSTS, order=Order.ONE_BY_ONE)))


def a_frontend_behind_a_cdn() -> str:
    site = behind_a_cdn(drafted(web("w-bad", "w-two", "w-one"), *HOSTS[:2], service="shop-web"))
    return told(lambda: fleet_rollback(site), Detail.EVERYTHING)


def three_hosts_all_at_once_with_everything() -> str:
    made = drafted(World(RELEASES), *HOSTS, order=Order.ALL_AT_ONCE)
    return told(lambda: fleet_rollback(made, paused()), Detail.EVERYTHING)


def deployed_by_the_team_s_script() -> str:
    return told(lambda: fleet_rollback(drafted(World(RELEASES), HOSTS[0], scripted=True)), Detail.EVERYTHING)


def an_app_that_goes_back_service_by_service() -> str:
    api, site = drafted(World(RELEASES), "local"), drafted(web("w-bad", "w-two", "w-one"), "local", service="shop-web")
    return told(lambda: app(api, site, order=_order(api, site)), Detail.EVERYTHING)


def an_app_of_which_one_service_stays() -> str:
    api, site = drafted(World(RELEASES), "local"), drafted(web("w-one", later=-30), "local", service="shop-web")
    return told(lambda: app(api, site, order=_order(api, site)))


def schema_that_the_older_release_starts_with() -> str:
    return told(lambda: planned(World(RELEASES), schemas=(stays(), stays("sha-one"))))


def schema_that_goes_down() -> str:
    return told(lambda: planned(World(RELEASES), schemas=(goes_down(),)))


def schema_that_goes_down_with_losses() -> str:
    return told(lambda: planned(World(RELEASES), schemas=(goes_down_with_losses(),)))


def schema_that_goes_down_with_losses_before_the_question() -> str:
    return told(lambda: planned(World(RELEASES), schemas=(goes_down_with_losses(),)), Detail.QUESTION)


def schema_that_goes_down_with_losses_with_everything() -> str:
    return told(lambda: planned(World(RELEASES), schemas=(goes_down_with_losses(),)), Detail.EVERYTHING)


def schema_that_goes_down_by_its_tool() -> str:
    return told(lambda: planned(World(RELEASES), schemas=(goes_down_by_its_tool(),)))


def schema_that_goes_down_below_two_hosts() -> str:
    draft = drafted(World(RELEASES), *HOSTS[:2])
    return told(lambda: fleet_rollback(draft, schemas=(goes_down(HOSTS[0]),)), Detail.EVERYTHING)


def schema_that_goes_down_before_the_team_s_script() -> str:
    draft = drafted(World(RELEASES), HOSTS[0], scripted=True)
    return told(lambda: fleet_rollback(draft, schemas=(goes_down_with_losses(HOSTS[0]),)), Detail.EVERYTHING)


def schema_that_goes_down_twice() -> str:
    return told(lambda: planned(World(RELEASES), schemas=(goes_down(), goes_further_down())), Detail.EVERYTHING)


def schema_that_goes_down_for_the_second_release_only() -> str:
    return told(lambda: planned(World(RELEASES), schemas=(stays(), goes_down_with_losses())))


def schemas_of_an_app_that_share_a_database() -> str:
    api, site = drafted(World(RELEASES), "local"), drafted(web("w-two", "w-one"), "local", service="shop-web")
    return told(lambda: app(api, site, order=_order(api, site), schemas=shared(goes_down())), Detail.EVERYTHING)


def _order(*drafts: Draft) -> tuple[str, ...]:
    releases = (release for draft in drafts for release in draft.observed.history)
    return tuple(one.commit for one in sorted(releases, key=lambda one: -one.at))


SITUATIONS: tuple[Callable[[], str], ...] = (
    ordinary,
    ordinary_before_the_question,
    ordinary_with_everything,
    target_gone_so_the_next_one,
    image_for_another_platform_so_the_next_one,
    tag_moved_in_the_registry,
    drift_between_git_and_runtime,
    nothing_to_go_back_to,
    user_flows_of_which_one_cannot_be_tried_here,
    verified_evidence_and_config_that_goes_back,
    known_bad_but_named,
    image_on_the_host_only,
    registry_down,
    remote_down,
    two_containers,
    containers_of_two_releases,
    healthy_but_left_on_purpose,
    further_than_an_earlier_rollback,
    quarantined_so_the_next_one,
    quarantined_but_named,
    condemned_by_an_earlier_rollback_but_named,
    quarantine_lifted,
    quarantine_unreadable,
    quarantine_unreadable_but_named,
    image_only,
    hostile_commit_message,
    three_hosts_one_left_out,
    three_hosts_one_by_one,
    three_hosts_all_at_once_with_everything,
    deployed_by_the_team_s_script,
    an_app_that_goes_back_service_by_service,
    an_app_of_which_one_service_stays,
    schema_that_the_older_release_starts_with,
    schema_that_goes_down,
    a_frontend_behind_a_cdn,
    schema_that_goes_down_with_losses,
    schema_that_goes_down_with_losses_before_the_question,
    schema_that_goes_down_with_losses_with_everything,
    schema_that_goes_down_by_its_tool,
    schema_that_goes_down_below_two_hosts,
    schema_that_goes_down_before_the_team_s_script,
    schema_that_goes_down_twice,
    schema_that_goes_down_for_the_second_release_only,
    schemas_of_an_app_that_share_a_database,
)


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.__name__)
def test_the_printed_plan_must_be_the_one_on_file(situation: Callable[[], str]) -> None:
    golden = HERE / f"{situation.__name__}.txt"
    text = situation()
    if os.environ.get("UPDATE_GOLDEN") == "1":
        golden.write_text(text)
    assert text == golden.read_text()


def test_every_text_on_file_must_belong_to_a_situation() -> None:
    assert {path.stem for path in HERE.glob("*.txt")} == {situation.__name__ for situation in SITUATIONS}


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.__name__)
def test_a_plan_must_always_say_which_of_image_config_and_schema_go_back(situation: Callable[[], str]) -> None:
    text = situation()
    refused = text.startswith("exit 3")
    assert refused or all(f"\n  {part:<10} " in text for part in ("image", "config", "schema"))


def test_the_same_world_must_give_the_same_digest() -> None:
    assert planned(World(RELEASES)).digest == planned(World(RELEASES)).digest


def test_an_image_that_is_not_on_the_host_any_more_must_not_make_it_another_plan() -> None:
    """It is pulled by its digest then, which is what was approved."""
    there, pruned = planned(World(RELEASES)), planned(World(RELEASES, images=present("sha-bad")))
    assert there.plan.attempts[0].steps != pruned.plan.attempts[0].steps
    assert there.digest == pruned.digest


def test_an_image_without_a_digest_must_be_another_plan_where_its_id_is_another() -> None:
    def held(name: str) -> World:
        here = LocalImage(image_id(name), ("sha-two",), ())
        return World(RELEASES, images=(*present("sha-bad"), here), served=gone("sha-two"))

    assert planned(held("one")).digest != planned(held("other")).digest


def test_another_running_image_must_give_another_digest() -> None:
    moved = World(RELEASES, containers=(container("sha-bad", image_id=image_id("other")),))
    assert planned(World(RELEASES)).digest != planned(moved).digest


def test_a_plan_must_survive_its_way_through_json() -> None:
    plan = planned(World(RELEASES)).plan
    again = msgspec.json.decode(msgspec.json.encode(plan), type=ReversiblePlan)
    assert again == plan
