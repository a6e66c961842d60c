import msgspec
import pytest
from plan_values import ADAPTER, TARGET, container, database, history, image, observed, view

from lastgood.model.errors import Refused
from lastgood.model.facts import Known, Unknown
from lastgood.model.observed import Healthcheck, HostView, Observed, Tip
from lastgood.model.target import Push
from lastgood.plan.guards import check
from lastgood.plan.running import identify

PAST = history("v3", "v2")
RUNS = view((container("v3"),))
AWAY = Tip("tip", Known(image("v3")), Unknown("connection refused"))
BARE = msgspec.structs.replace(TARGET, probes=())


def refusal(seen: Observed, *, named: bool = False, **target: object) -> str:
    """Why it is refused, in one text; empty where it is not."""
    try:
        check(msgspec.structs.replace(TARGET, **target), seen, identify(seen), named=named)
    except Refused as refused:
        return " ".join((refused.what, *refused.because, *refused.next))
    return ""


def test_an_ordinary_world_must_not_be_refused() -> None:
    assert refusal(observed(PAST, RUNS)) == ""


def test_a_host_without_compose_must_be_refused() -> None:
    assert "docker compose" in refusal(observed(PAST, RUNS, view((container("v3"),), compose=())))


@pytest.mark.parametrize(
    ("probes", "healthcheck", "refused"),
    [((), None, True), ((), Healthcheck(), False), ((ADAPTER,), None, False)],
)
def test_where_nothing_can_tell_health_it_must_be_refused(
    probes: tuple[object, ...], healthcheck: Healthcheck | None, *, refused: bool
) -> None:
    said = refusal(observed(PAST, view((container("v3"),), healthcheck=healthcheck)), probes=probes)
    assert bool(said) is refused


def test_a_remote_that_does_not_answer_must_be_refused_only_where_a_push_is_required() -> None:
    seen = observed(PAST, RUNS, tip=AWAY)
    assert refusal(seen, push=Push.BEST_EFFORT) == ""
    assert "connection refused" in refusal(seen, push=Push.REQUIRED)
    assert refusal(observed(PAST, RUNS), push=Push.REQUIRED) == ""


STRANGER: HostView = view((container("hotfix"),))


@pytest.mark.parametrize(
    ("host", "named", "refused"),
    [
        (STRANGER, False, True),
        (STRANGER, True, False),
        (view(()), False, False),
        (view((database(),)), False, False),
        (view((container("v3"), container("hotfix", "shop-api-2"))), False, False),
    ],
)
def test_what_git_does_not_know_must_be_refused_unless_a_release_is_named(
    host: HostView, *, named: bool, refused: bool
) -> None:
    said = refusal(observed(PAST, host), named=named)
    assert bool(said) is refused
    assert not refused or ("hotfix" in said and "git pins reg/shop:v3" in said)


def test_what_git_does_not_know_must_be_refused_too_where_the_pin_cannot_be_read() -> None:
    assert "hotfix" in refusal(observed(PAST, STRANGER, tip=Tip("tip", Unknown("not YAML"), Known("origin"))))
