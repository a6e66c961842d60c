from typing import Any

import msgspec
import pytest
from plan_values import (
    FAILING,
    GROUP,
    PASSING,
    TARGET,
    container,
    database,
    digest,
    drafted,
    history,
    image,
    judged,
    local,
    observed,
    release,
    served,
    view,
)  # fmt: skip

from lastgood.model.errors import Refused
from lastgood.model.facts import Known, Unknown
from lastgood.model.observed import State, Tip
from lastgood.model.release import Grade, Image
from lastgood.model.report import Health
from lastgood.model.step import RestartStep
from lastgood.plan import report, single
from lastgood.plan.planner import facts
from lastgood.plan.running import identify

PAST = history("v3", "v2", "v1")
BLIND = view(Unknown("no answer"))
HERE = tuple(local(tag) for tag in ("v1", "v2", "v3"))


def test_status_must_say_what_runs_and_what_is_good() -> None:
    newer, older = (container("v3", f"shop-api-{n}", started=f"2026-01-0{n}") for n in (2, 1))
    status = report.status(TARGET, observed(PAST, view((newer, older), HERE), looks=(PASSING,), lease="ada"))
    assert status.running == Known(image("v3", pinned=True))
    assert (status.since, status.drift, status.health, status.lease) == ("2026-01-01", "", Health.HEALTHY, "ada")
    assert status.last_good == Known(PAST[1])
    assert status.next == ()


def test_status_of_a_host_that_cannot_be_seen_must_be_unknown_throughout() -> None:
    status = report.status(TARGET, observed(PAST, BLIND, looks=(PASSING,)))
    assert isinstance(status.running, Unknown)
    assert isinstance(status.last_good, Unknown)
    assert (status.health, status.drift, status.containers) == (Health.UNKNOWN, "", ())
    assert "no answer" in status.health_because


@pytest.mark.parametrize(
    ("containers", "looks", "health"),
    [
        ((container(),), (PASSING,), Health.HEALTHY),
        ((container(),), (), Health.HEALTHY),
        ((container(health=""),), (PASSING,), Health.HEALTHY),
        ((container(health=""),), (), Health.UNKNOWN),
        ((container(health="starting"),), (PASSING,), Health.UNKNOWN),
        ((container(),), (PASSING, FAILING), Health.UNHEALTHY),
        ((container(health="unhealthy"),), (PASSING,), Health.UNHEALTHY),
        ((container(state=State.EXITED, exit_code=1),), (PASSING,), Health.UNHEALTHY),
        ((container(state=State.RESTARTING),), (PASSING,), Health.UNHEALTHY),
        ((), (PASSING,), Health.UNHEALTHY),
        ((database(),), (), Health.UNHEALTHY),
        ((container(restarts=4),), (PASSING,), Health.HEALTHY),
    ],
)
def test_health_must_need_evidence(containers: tuple[Any, ...], looks: tuple[Any, ...], health: Health) -> None:
    status = report.status(TARGET, observed(PAST, view(containers), looks=looks))
    assert status.health is health
    assert status.health_because
    assert bool(status.next) is (health is Health.UNHEALTHY)


@pytest.mark.parametrize(
    ("containers", "looks", "signature"),
    [
        ((container(),), (PASSING,), ""),
        ((container(restarts=4),), (PASSING,), ""),
        ((container(restarts=4),), (FAILING,), "exits"),
        ((container(),), (FAILING,), "http 500"),
        ((), (), "missing"),
    ],
)
def test_failing_must_name_how_it_fails_now(
    containers: tuple[Any, ...], looks: tuple[Any, ...], signature: str
) -> None:
    assert report.failing(observed(PAST, view(containers), looks=looks)) == signature


def test_mixed_images_must_be_no_single_one_that_runs() -> None:
    status = report.status(TARGET, observed(PAST, view((container("v3"), container("v2", "shop-api-2")))))
    assert status.running == Unknown("containers run different images")


@pytest.mark.parametrize(
    ("runs", "given", "drift"),
    [
        (container("v3"), {}, ""),
        (container("v2"), {}, "git pins v3, v2 runs"),
        (container("hotfix"), {}, "git pins v3, hotfix runs"),
        (container("v3"), {"registry": served(v3="other")}, "the registry serves another image"),
        (container("v3"), {"registry": served(v3=None)}, ""),
        (container("v3", digests=()), {"registry": served(v3="other")}, ""),
        (container("v2"), {"tip": Tip("tip", Unknown("not YAML"), Known("origin"))}, ""),
    ],
)
def test_drift_must_be_said_where_both_sides_are_known(runs: Any, given: dict[str, Any], drift: str) -> None:
    seen = observed(PAST, view((runs,)), **given)
    assert report.drift(seen, identify(seen)).startswith(drift)
    assert bool(report.drift(seen, identify(seen))) is bool(drift)


def test_a_pinned_digest_must_not_drift_with_its_tag() -> None:
    past = (release("v3", 1, image=image("v3", pinned=True)),)
    seen = observed(past, view((container("v3"),)), registry={str(past[0].image): served(v3="other")["reg/shop:v3"]})
    assert report.drift(seen, identify(seen)) == ""


def test_history_must_say_how_far_back_one_could_go() -> None:
    seen = observed(
        history("v4", "v3", "v2", "v1", "v1"),
        view((container("v3"),), (local("v3"), local("v1"))),
        judgements=(judged("v2", Grade.BAD),),
        registry=served(v4="v4", v2=None),
    )
    found = report.history(TARGET, seen)
    assert [(p.where, p.runs, p.reachable) for p in found.releases] == [
        ("registry", False, False),
        ("host", True, False),
        ("gone", False, False),
        ("host", False, True),
        ("host", False, True),
    ]
    assert (found.reach, found.complete, found.warnings) == (1, True, ())


def test_history_of_a_host_that_cannot_be_seen_must_promise_nothing() -> None:
    found = report.history(TARGET, observed(PAST, BLIND))
    assert found.reach == 0
    assert "no answer" in found.warnings[0]


@pytest.mark.parametrize(
    ("images", "registry", "expected"),
    [
        ((local("v3"),), served(v3="v3"), "host, registry"),
        ((local("v3"),), {}, "host"),
        ((local("v3", tagged=False),), {}, "unknown: not asked"),
        (Unknown("no answer"), served(v3="v3"), "registry"),
        ((), served(v3=None), "gone"),
        ((), {"reg/shop:v3": Unknown("401")}, "unknown: 401"),
    ],
)
def test_where_an_image_is_must_be_told(images: Any, registry: dict[str, Any], expected: str) -> None:
    assert report.where(image("v3"), observed(PAST, view((), images), registry=registry)) == expected


def test_a_pinned_digest_on_a_host_must_be_found_there_without_its_tag() -> None:
    seen = observed(PAST, view((), (local("v3", tagged=False),)))
    assert report.where(image("v3", pinned=True), seen) == "host"


def test_an_image_without_a_tag_must_not_be_taken_for_another_one_without() -> None:
    untagged = Image("reg/shop", "", digest("v3"))
    assert report.where(untagged, observed(PAST, view((), (local("v2", tagged=False),)))) == "unknown: not asked"


def test_a_restart_must_name_every_container_and_keep_the_image() -> None:
    seen = observed(PAST, view((container("v3", "shop-api-2"), container("v3"), database())))
    plan = single.restart(GROUP, (drafted(seen),))
    restart = plan.attempts[0].steps[0]
    assert isinstance(restart, RestartStep)
    assert restart.containers == ("shop-api-1", "shop-api-2")
    assert plan.attempts[0].parts[0].image.image == image("v3", pinned=True)
    assert (plan.restore, plan.action) == (None, "restart")


def test_a_check_must_have_no_step_but_the_proof_and_a_look_at_the_logs() -> None:
    seen = observed((), view((container("hotfix"),)))
    plan = single.check(GROUP, (drafted(seen),))
    assert [step.id for step in plan.steps()] == ["1.verify", "1.watch"]
    assert plan.attempts[0].parts[0].release.image.tag == "hotfix"


@pytest.mark.parametrize("containers", [(), (container("v3"), container("v2", "shop-api-2"))])
def test_what_is_not_one_release_must_be_neither_restarted_nor_checked(containers: tuple[Any, ...]) -> None:
    seen = observed(PAST, view(containers))
    for make in (single.restart, single.check):
        with pytest.raises(Refused, match="No single release"):
            make(GROUP, (drafted(seen),))


def test_facts_must_change_with_the_pin_with_a_container_and_with_blindness() -> None:
    base = {"local": view((container("v3"), database()))}
    same = facts(Known(image("v3")), base)
    assert same == facts(Known(image("v3")), {"local": view((container("v3"), database(image_id="sha256:other")))})
    others = [
        facts(Known(image("v2")), base),
        facts(Unknown("not YAML"), base),
        facts(Known(image("v3")), {"local": view((container("v2"),))}),
        facts(Known(image("v3")), {"local": view(())}),
        facts(Known(image("v3")), {"local": BLIND}),
    ]
    assert len({msgspec.json.encode(one) for one in (same, *others)}) == 6
