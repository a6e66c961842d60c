"""Silences on a real Alertmanager: for one service and no other, longer while a run goes on, gone at its end."""

import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from test_outside import told_for_real

from lastgood import catalog
from lastgood.effects.http import PlainHttp
from lastgood.effects.process import LocalProcess
from lastgood.effects.secrets import LocalSecrets
from lastgood.model.message import Delivered, Kind
from lastgood.model.target import Adapter
from lastgood.ports import Notifier, Outside
from sandbox import prepare, watchers
from sandbox.registry import free_port
from sandbox.run import wait_until
from tests.standin.notifiers import Silences
from tests.standin.real import alertmanager
from tests.standin.told import message

NANO = 10**9


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    prepare.ensure()
    with watchers.alertmanager(tmp_path_factory.mktemp("alertmanager"), free_port()) as url:
        yield url


@pytest.fixture
def standin() -> Iterator[str]:
    with Silences() as serving:
        serving.open = True
        yield serving.url


@pytest.fixture(params=["real", "standin"])
def url(request: pytest.FixtureRequest) -> str:
    """Whatever is seen of the one has to be so of the other."""
    found: str = request.getfixturevalue(request.param)
    return found


def asked(url: str, method: str = "GET", content: Any = None) -> tuple[int, Any]:
    body = None if content is None else json.dumps(content).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, method=method, data=body, headers=headers)  # noqa: S310 - our own address
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - as above
            status, raw = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        status, raw = error.code, error.read()
    return status, json.loads(raw) if raw else None


def member(url: str, later: float = 0.0, **options: Any) -> Notifier:
    made = msgspec.convert({"url": url} | options, catalog.options("notifiers", "alertmanager"))
    outside = Outside(PlainHttp(), LocalSecrets(LocalProcess(), {}), time.time_ns() + int(later * NANO))
    return catalog.notifier("notifiers", Adapter("alertmanager", made), outside)


def silences(url: str, run: str) -> list[Any]:
    found = asked(f"{url}/api/v2/silences")[1]
    return [one for one in found if run in one["createdBy"]]


def told(to: Notifier, *args: Any, **more: Any) -> Delivered:
    done = to.deliver(message(*args, **more), "", again=False)
    assert isinstance(done, Delivered), done
    return done


def suppressed(url: str) -> dict[str, bool]:
    found = asked(f"{url}/api/v2/alerts")[1]
    return {f"{one['labels']['service']}/{one['labels']['env']}": bool(one["status"]["silencedBy"]) for one in found}


def test_the_conformance_suite_must_pass_on_the_real_one(real: str) -> None:
    told_for_real(alertmanager(real))


def test_a_silence_must_grow_with_its_run_and_be_lifted_at_its_end(url: str) -> None:
    run, begun = "20261122-174501-aaaa", time.time_ns()
    told(member(url), run=run, at=begun)
    (first,) = silences(url, run)
    later = begun + 600 * NANO
    told(member(url), run=run, at=later)
    (longer,) = silences(url, run)
    ends = datetime.fromisoformat(longer["endsAt"]) - datetime.fromtimestamp(begun // NANO, UTC)
    assert (longer["id"], longer["status"]["state"]) == (first["id"], "active")
    assert timedelta(minutes=39) < ends < timedelta(minutes=41)
    told(member(url), Kind.ENDED, 9, run=run, at=later)
    assert [one["status"]["state"] for one in silences(url, run)] == ["expired"]
    told(member(url), Kind.ENDED, 9, run=run, at=later)  # by two machines, or once more


def test_one_that_was_lifted_by_somebody_must_be_made_anew_while_the_run_goes_on(url: str) -> None:
    run = "20261122-174501-bbbb"
    told(member(url), run=run, at=time.time_ns())
    asked(f"{url}/api/v2/silence/{silences(url, run)[0]['id']}", "DELETE")
    told(member(url), run=run, at=time.time_ns())
    assert sorted(one["status"]["state"] for one in silences(url, run)) == ["active", "expired"]


def test_alerts_of_other_services_and_environments_must_go_on(real: str) -> None:
    run, to = "20261122-174501-cccc", member(real, env_label="env")
    names = [("pay", "prod"), ("pay", "staging"), ("pay-2", "prod"), ("pa", "prod")]
    alerts = [{"labels": {"alertname": "HighErrors", "service": service, "env": env}} for service, env in names]
    assert asked(f"{real}/api/v2/alerts", "POST", alerts)[0] == 200
    told(to, run=run, at=time.time_ns(), services=("pay",))
    wait_until(lambda: any(suppressed(real).values()), "a silence holds")
    assert [name for name, held in suppressed(real).items() if held] == ["pay/prod"]
    told(to, Kind.STOPPED, 9, run=run, at=time.time_ns(), services=("pay",))
    wait_until(lambda: not any(suppressed(real).values()), "it is lifted")


def the(**changed: Any) -> dict[str, Any]:
    """A silence of ten minutes, as anybody may ask for one."""
    now = datetime.now(UTC)
    matchers = [{"name": "service", "value": "web", "isRegex": False, "isEqual": True}]
    times = {"startsAt": now.isoformat(), "endsAt": (now + timedelta(minutes=10)).isoformat()}
    return {"matchers": matchers, **times, "createdBy": "test", "comment": "test"} | changed


PAST = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (lambda: the(matchers=[]), 422),
        (lambda: {name: value for name, value in the().items() if name != "comment"}, 422),
        (lambda: the(endsAt=PAST), 400),
        (lambda: the(id=NOBODY), 404),
        (the, 200),
    ],
)
def test_the_stand_in_must_refuse_what_the_real_one_does(
    real: str, standin: str, content: Callable[[], dict[str, Any]], status: int
) -> None:
    made = content()
    assert asked(f"{real}/api/v2/silences", "POST", made)[0] == status
    assert asked(f"{standin}/api/v2/silences", "POST", made)[0] == status
    for each in (real, standin):
        assert asked(f"{each}/api/v2/silence/{NOBODY}", "DELETE")[0] in {404, 500}  # by its version
        wanted = quote('service="web"', safe="")
        assert asked(f"{each}/api/v2/silences?filter={wanted}")[0] == 200
