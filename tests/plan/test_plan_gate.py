from typing import Any

import msgspec
import pytest
from plan_values import FAILING, PASSING, container, database, runnable

from lastgood.model.duration import Duration
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.gate import Failed, GateDecision, GateLimits, Passed, Sample, Waiting
from lastgood.model.observed import Container, Healthcheck, Look, State
from lastgood.model.target import GateSpec
from lastgood.plan.gate import UNJUDGED, Question, judge, limits, runs_image, signature

NUMBERS = GateLimits(passes=3, interval=1, window=2, limit=20)
ASKED = Question(runnable("v2"), NUMBERS)
GOOD = (container("v2"),)
STARTING = (container("v2", health="starting"),)
BLIND: Fact[tuple[Container, ...]] = Unknown("docker: killed after 10 s")


def sample(
    at: float,
    containers: Fact[tuple[Container, ...]] | tuple[Container, ...] = GOOD,
    looks: tuple[Look, ...] = (PASSING,),
    **more: Fact[tuple[Container, ...]] | tuple[Container, ...],
) -> Sample:
    hosts = {"local": containers, **more}
    seen = {host: Known(one) if isinstance(one, tuple) else one for host, one in hosts.items()}
    return Sample(at, seen, looks)


def after(*samples: Sample, asked: Question = ASKED) -> GateDecision:
    """The decision at the last sample; none may have been made before."""
    for n in range(1, len(samples)):
        assert isinstance(judge(samples[:n], asked), Waiting), n
    return judge(samples, asked)


def every_second(*what: str) -> list[Sample]:
    """Samples by letter: g passes, b fails its probe, s is starting, ? cannot be seen."""
    kinds = {"g": (GOOD, (PASSING,)), "b": (GOOD, (FAILING,)), "s": (STARTING, (PASSING,)), "?": (BLIND, (PASSING,))}
    return [sample(float(at), *kinds[letter]) for at, letter in enumerate("".join(what))]


def test_three_passes_in_a_row_over_the_window_must_pass() -> None:
    assert isinstance(after(*every_second("ggg")), Passed)


def test_enough_passes_within_less_than_the_window_must_wait() -> None:
    quick = [sample(0.0), sample(0.5), sample(1.0), sample(1.5)]
    assert isinstance(after(*quick), Waiting)


def test_a_long_window_with_too_few_passes_must_wait() -> None:
    assert isinstance(after(sample(0.0), sample(5.0)), Waiting)


@pytest.mark.parametrize("gap", ["b", "s", "?"])
def test_passes_must_be_in_a_row(gap: str) -> None:
    assert isinstance(after(*every_second("gg", gap, "gg")), Waiting)
    assert isinstance(after(*every_second("gg", gap, "ggg")), Passed)


def test_a_slow_start_must_be_waited_for() -> None:
    assert isinstance(after(*every_second("s" * 15, "ggg")), Passed)


def test_what_is_not_healthy_at_the_time_limit_must_fail() -> None:
    decision = after(*every_second("s" * 21))
    assert isinstance(decision, Failed)
    assert "starting" in decision.because


def test_health_that_begins_at_the_time_limit_must_still_get_its_window() -> None:
    assert isinstance(after(*every_second("s" * 20, "ggg")), Passed)


def test_what_comes_and_goes_must_fail_at_the_time_limit() -> None:
    unsteady = [sample(float(at), looks=(FAILING if at % 2 else PASSING,)) for at in range(22)]
    decision = after(*unsteady)
    assert decision == Failed("not healthy within 20 s: 500: broken", "http 500")


def test_what_passes_but_is_never_stable_must_fail_in_the_end() -> None:
    asked = Question(runnable("v2"), GateLimits(passes=3, interval=1, window=50, limit=5))
    late = judge([sample(0.0), sample(1.0, looks=(FAILING,)), sample(108.0)], asked)
    assert late == Failed("never stable for 50 s within 1 min 48 s", "unstable")


def test_what_was_healthy_and_then_fails_as_long_must_fail_before_the_time_limit() -> None:
    asked = Question(runnable("v2"), GateLimits(passes=3, interval=1, window=10, limit=100))
    decision = after(*every_second("gggg", "bbb"), asked=asked)
    assert decision == Failed("it was healthy, then failed 3 looks in a row: 500: broken", "http 500")


@pytest.mark.parametrize("letters", ["ggbbb", "gggbbgbb", "bbb"])
def test_a_shorter_relapse_must_be_waited_out(letters: str) -> None:
    asked = Question(runnable("v2"), GateLimits(passes=3, interval=1, window=10, limit=100))
    assert isinstance(after(*every_second(letters), asked=asked), Waiting)


@pytest.mark.parametrize(
    ("shown", "because"),
    [
        ({"state": State.EXITED, "exit_code": 1}, "exited with 1"),
        ({"state": State.DEAD}, "exited with 0"),
        ({"state": State.EXITED, "restart_policy": "always"}, "exited with 0"),
        ({"state": State.RESTARTING}, "restarts"),
        ({"restarts": 1}, "restarts"),
        ({"health": "unhealthy", "health_log": "wget: refused"}, "unhealthy: wget: refused"),
        ({"health": "unhealthy"}, "is unhealthy"),
    ],
)
def test_an_exit_a_restart_or_the_engine_s_unhealthy_must_fail_at_once(shown: dict[str, Any], because: str) -> None:
    decision = judge([sample(0.0, (container("v2", **shown),))], ASKED)
    assert isinstance(decision, Failed)
    assert because in decision.because
    assert decision.signature


def test_restarts_from_before_must_not_count_and_one_more_must() -> None:
    asked = Question(runnable("v2"), NUMBERS, {"shop-api-1": 7})
    old, one_more = (container("v2", restarts=7),), (container("v2", restarts=8),)
    assert isinstance(after(*(sample(float(at), old) for at in range(3)), asked=asked), Passed)
    decision = judge([sample(0.0, one_more)], asked)
    assert isinstance(decision, Failed)
    assert decision.signature == "exits"


@pytest.mark.parametrize(
    ("containers", "because"),
    [
        (BLIND, "cannot be seen: local: docker: killed after 10 s"),
        ((), "no container runs on local"),
        ((database(),), "no container runs on local"),
        ((container("v3"),), "shop-api-1 runs another image"),
        ((container("v2"), container("v3", "shop-api-2")), "shop-api-2 runs another image"),
        ((container("v2", state=State.CREATED, health=""),), "shop-api-1 is created"),
        ((container("v2", state=State.PAUSED),), "shop-api-1 is paused"),
        ((container("v2", health="starting"),), "shop-api-1 is starting"),
        ((container("v2", health="whatever"),), "shop-api-1 is whatever"),
        ((container("v2", state=State.EXITED),), "no container runs on local"),
    ],
)
def test_what_is_not_seen_to_be_healthy_must_never_pass(
    containers: Fact[tuple[Container, ...]] | tuple[Container, ...], because: str
) -> None:
    decision = after(*(sample(float(at), containers) for at in range(10)))
    assert decision == Waiting(because)


def test_one_failing_probe_among_many_must_keep_the_gate_from_passing() -> None:
    assert after(*(sample(float(at), looks=(PASSING, FAILING)) for at in range(10))) == Waiting("500: broken")


@pytest.mark.parametrize("second", [BLIND, (), (container("v3"),)])
def test_every_host_must_run_the_image(second: Fact[tuple[Container, ...]] | tuple[Container, ...]) -> None:
    assert isinstance(after(*(sample(float(at), second=second) for at in range(10))), Waiting)


def test_no_host_at_all_must_never_pass() -> None:
    assert judge([Sample(float(at), {}, (PASSING,)) for at in range(10)], ASKED) == Waiting(
        "no container runs on any host"
    )


def test_a_oneshot_that_ended_well_must_be_no_failure() -> None:
    migration = container("v2", "shop-migrate-1", service="migrate", state=State.EXITED, health="")
    assert isinstance(after(*(sample(float(at), (*GOOD, migration)) for at in range(3))), Passed)


def test_a_replica_that_ended_with_0_beside_its_siblings_must_fail_at_once() -> None:
    gone = container("v2", "shop-api-2", state=State.EXITED)
    decision = judge([sample(0.0, (*GOOD, gone))], ASKED)
    assert decision == Failed("shop-api-2 exited with 0", "exits")


def test_a_container_that_only_runs_must_be_no_health() -> None:
    decision = judge([sample(0.0, (container("v2", health=""),), looks=())], ASKED)
    assert isinstance(decision, Failed)
    assert decision.signature == UNJUDGED


def test_a_healthcheck_alone_and_a_probe_alone_must_be_enough() -> None:
    assert isinstance(after(*(sample(float(at), looks=()) for at in range(3))), Passed)
    bare = (container("v2", health=""),)
    assert isinstance(after(*(sample(float(at), bare) for at in range(3))), Passed)


@pytest.mark.parametrize(
    ("spec", "healthcheck", "expected"),
    [
        (GateSpec(), None, (3, 1.0, 10.0, 60.0)),
        (GateSpec(), Healthcheck(interval=2, timeout=1, retries=3, start_period=20), (3, 1.0, 10.0, 39.0)),
        (GateSpec(), Healthcheck(), (3, 1.0, 10.0, 190.0)),
        (GateSpec(interval=Duration(5)), None, (3, 5.0, 15.0, 60.0)),
        (GateSpec(window=Duration(0)), None, (3, 1.0, 0.0, 60.0)),
        (GateSpec(passes=5, limit=Duration(7), window=Duration(2)), Healthcheck(), (5, 1.0, 2.0, 7.0)),
    ],
)
def test_limits_must_come_from_the_configuration_then_the_healthcheck_then_the_defaults(
    spec: GateSpec, healthcheck: Healthcheck | None, expected: tuple[float, ...]
) -> None:
    found = limits(spec, healthcheck)
    assert found.because
    assert expected == (found.passes, found.interval, found.window, found.limit)


def test_an_image_is_recognised_by_its_id_and_only_without_one_by_digest() -> None:
    unpulled = runnable("v2", here=False)
    assert runs_image(container("v2"), runnable("v2"))
    assert not runs_image(container("v3", digests=container("v2").digests), runnable("v2"))
    assert runs_image(container("v2"), unpulled)
    assert not runs_image(container("v2", digests=()), unpulled)
    assert not runs_image(
        container("v2", digests=("",)), msgspec.structs.replace(unpulled, image=ASKED.image.image.parse("reg/shop:v2"))
    )


@pytest.mark.parametrize(
    ("containers", "looks", "expected"),
    [
        (GOOD, (PASSING,), ""),
        (GOOD, (FAILING,), "http 500"),
        ((container("v2", health="unhealthy"),), (PASSING,), "unhealthy"),
        ((container("v2", health="unhealthy"),), (FAILING,), "http 500"),
        ((container("v2", state=State.EXITED, exit_code=1),), (FAILING,), "exits"),
        ((container("v2", restarts=9),), (PASSING,), ""),
        ((), (), "missing"),
    ],
)
def test_the_signature_must_name_the_kind_of_failure(
    containers: tuple[Container, ...], looks: tuple[Look, ...], expected: str
) -> None:
    assert signature(sample(0.0, containers, looks)) == expected
