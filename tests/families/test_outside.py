"""Every tracker and notifier must arrive once, fail in words without secrets, and keep what others wrote inert."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from lastgood import catalog
from lastgood.catalog import Family
from lastgood.effects.http import PlainHttp
from lastgood.effects.process import LocalProcess
from lastgood.effects.secrets import LocalSecrets
from lastgood.model.facts import Known, Unknown
from lastgood.model.message import Delivered, Failed, Kind
from lastgood.model.target import Adapter
from lastgood.outside.bounded import Bounded
from lastgood.ports import Notifier, Outside
from tests.standin.held import LONG, not_held
from tests.standin.notifiers import SIGNING, AppriseApi, Bot, Silences, Sink
from tests.standin.real import Real, services
from tests.standin.services import Asked, Service
from tests.standin.told import HOSTILE, LATER, RUN, message
from tests.standin.trackers import GitHubDeployments, GitHubIssues, SilverBulletSpace, VikunjaTasks


@dataclass(frozen=True)
class Case:
    """A kind, its stand-in, and what it is configured with; `marked` says that the other side knows a repetition."""

    family: Family
    kind: str
    serve: Callable[[], Any]
    options: dict[str, Any] = field(default_factory=dict)
    marked: bool = True
    variant: str = ""

    @property
    def name(self) -> str:
        return f"{self.kind}{self.variant}"


TOKEN: dict[str, Any] = {"token": "env:TOKEN"}
SIGNED = TOKEN | {"secret": "env:SIGNING"}
CASES = (
    Case("trackers", "github", GitHubIssues, TOKEN | {"repo": "shop/deploy", "labels": ["incident"]}),
    Case("trackers", "vikunja", VikunjaTasks, TOKEN | {"project": 12, "done": True}),
    Case("trackers", "vikunja", lambda: VikunjaTasks("v1.0.0"), TOKEN | {"project": 12, "done": True}, variant="-v1"),
    Case("trackers", "silverbullet", SilverBulletSpace, TOKEN),
    Case("trackers", "silverbullet", lambda: SilverBulletSpace("go-2.4"), TOKEN, variant="-go"),
    Case("notifiers", "github-deployment", GitHubDeployments, TOKEN | {"repo": "shop/deploy"}),
    Case("notifiers", "webhook", Sink, SIGNED),
    Case("notifiers", "feishu", lambda: Bot("feishu"), SIGNED, marked=False),
    Case("notifiers", "dingtalk", lambda: Bot("dingtalk"), SIGNED, marked=False),
    Case("notifiers", "wecom", lambda: Bot("wecom"), TOKEN, marked=False),
    Case("notifiers", "apprise", AppriseApi, {"key": "env:TOKEN", "tag": "oncall"}, marked=False),
    Case("notifiers", "alertmanager", lambda: Silences(LATER), TOKEN),
)
REAL = services()
BEGAN, ENDED = message(), message(Kind.ENDED, 9, what="shop-api/prod serves sha-1.")
NAMED = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


class Bench:
    """A case at work."""

    def __init__(self, case: Case, service: Any) -> None:
        self.case = case
        self.service = service

    def member(self, seconds: float = LONG / 2, env: dict[str, str] | None = None) -> Notifier:
        given = {"TOKEN": Service.TOKEN, "SIGNING": SIGNING} if env is None else env
        http = Bounded(PlainHttp(), time.monotonic() + seconds)
        outside = Outside(http, LocalSecrets(LocalProcess(), given), BEGAN.at + 60 * 10**9)
        raw = self.case.options | {"url": self.service.url}
        options = msgspec.convert(raw, catalog.options(self.case.family, self.case.kind))
        return catalog.notifier(self.case.family, Adapter(self.case.kind, options), outside)

    def tell(self, told: Any = BEGAN, ref: str = "", *, again: bool = False, seconds: float = LONG / 2) -> Any:
        return self.member(seconds).deliver(told, ref, again=again)


@pytest.fixture
def bench_of() -> Iterator[Callable[[Case], Bench]]:
    with ExitStack() as stack:
        yield lambda case: Bench(case, stack.enter_context(case.serve()))


def writes(asked: Asked) -> bool:
    return asked.method not in {"GET", "HEAD"}


def clean(done: Any) -> Failed:
    assert isinstance(done, Failed), done
    assert "s3cret" not in done.because
    assert SIGNING not in done.because
    assert "\x1b" not in done.because
    return done


def test_every_kind_must_have_a_case() -> None:
    for family in ("trackers", "notifiers"):
        kinds = {case.kind for case in CASES if case.family == family}
        assert kinds == set(catalog.kinds(family))  # type: ignore[arg-type]


@NAMED
def test_a_message_must_arrive_with_what_it_says(case: Case, bench_of: Callable[[Case], Bench]) -> None:
    bench = bench_of(case)
    done = bench.tell()
    assert isinstance(done, Delivered), done
    (told,) = bench.service.told()
    assert RUN in told
    later = bench.tell(ENDED, done.ref)
    assert isinstance(later, Delivered), later
    told_now = bench.service.told()
    if case.kind == "alertmanager":  # that it ended is told by lifting the silence
        assert told_now == []
    else:
        assert len(told_now) == 2
        assert case.kind == "github-deployment" or ("serves sha-1" in told_now[1] and "2026-11-22" in told_now[1])


def told_twice(case: Case, service: Any) -> None:
    """Two messages are there, each taken by the other side before its answer was lost, and sent once more."""
    told = service.told()
    if case.kind == "alertmanager":
        assert (len(service.made), told) == (1, [])
    elif case.marked:
        assert len(told) == 2
    else:
        assert len(told) == 4
        assert all("perhaps told already" in text for text in told[1::2])


@NAMED
def test_one_that_may_have_arrived_must_not_be_there_twice(case: Case, bench_of: Callable[[Case], Bench]) -> None:
    bench = bench_of(case)
    bench.service.trouble, bench.service.troubled = "lost", writes
    for told in (BEGAN, ENDED):
        bench.service.trouble = "lost"
        lost = clean(bench.tell(told))
        assert lost.doubtful
        bench.service.trouble = ""
        assert isinstance(bench.tell(told, again=True), Delivered)
    told_twice(case, bench.service)


@NAMED
@pytest.mark.parametrize("trouble", ["html", "redirect", "silent", 401, 403, 404, 500, 502, "busy"])
def test_trouble_must_be_told_without_a_secret(
    case: Case, trouble: int | str, bench_of: Callable[[Case], Bench]
) -> None:
    bench = bench_of(case)
    bench.service.trouble = trouble
    with not_held():
        failed = clean(bench.tell(seconds=0.4 if trouble == "silent" else 20.0))
    assert failed.because.startswith("127.0.0.1")
    assert failed.again == (40 if trouble == "busy" else 0)
    if trouble in {"html", "redirect"}:  # it may have been taken before that page was shown
        assert failed.doubtful is writes(bench.service.log[-1])
    assert bench.service.told() == []


@NAMED
def test_a_missing_or_wrong_secret_must_be_named_and_not_shown(case: Case, bench_of: Callable[[Case], Bench]) -> None:
    bench = bench_of(case)
    failed = clean(bench.member(env={}).deliver(BEGAN, "", again=False))
    assert " is not set" in failed.because
    assert not any(writes(asked) for asked in bench.service.log)
    other = {"TOKEN": "tk_s3cret-other", "SIGNING": "s3cret-signing"}
    clean(bench.member(env=other).deliver(BEGAN, "", again=False))
    assert bench.service.told() == []
    broken = {"TOKEN": "tk_s3cret\r\nX-Evil: 1", "SIGNING": "x"}
    clean(bench.member(env=broken).deliver(BEGAN, "", again=False))
    assert not any("x-evil" in asked.headers for asked in bench.service.log)


@NAMED
def test_what_others_wrote_must_stay_quoted_data(case: Case, bench_of: Callable[[Case], Bench]) -> None:
    bench = bench_of(case)
    given = {"what": HOSTILE, "because": (HOSTILE,), "next": (HOSTILE,), "running": HOSTILE, "to": "a`b", "by": HOSTILE}
    assert isinstance(bench.tell(message(Kind.BEGAN, 1, **given)), Delivered)
    (told,) = bench.service.told()
    if case.kind in {"feishu", "dingtalk", "wecom", "apprise"}:
        assert not set("<>@") & set(told)
    elif case.kind == "vikunja":
        assert "<script" not in told
        assert "<at " not in told
    elif case.kind in {"github", "silverbullet"}:
        outside, fence = [], ""
        for line in told.splitlines():
            ticks = line if line and not line.strip("`") else ""
            if not fence and len(ticks) >= 3:
                fence = ticks
            elif fence and ticks and len(ticks) >= len(fence):
                fence = ""
            elif not fence:
                outside.append(line)
        assert not fence
        assert not any(sign in line for line in outside for sign in ("@everyone", "${", "[[", "evil", "<script"))


@NAMED
def test_a_check_must_leave_no_trace_and_say_what_is_wrong(case: Case, bench_of: Callable[[Case], Bench]) -> None:
    bench = bench_of(case)
    assert isinstance(bench.member().check(), Known)
    assert not any(writes(asked) for asked in bench.service.log)
    missing = bench.member(env={}).check()
    assert isinstance(missing, Unknown)
    assert "env:TOKEN is not set" in missing.reason
    bench.service.trouble = "silent"
    blind = bench.member(0.3).check()
    if case.kind not in {"feishu", "dingtalk", "wecom"}:  # a bot cannot be asked anything
        assert isinstance(blind, Unknown)
        assert "s3cret" not in blind.reason


def told_for_real(real: Real) -> None:
    """The same as against the stand-ins: told once though it was tried twice, then how it ended."""
    run = f"{time.strftime('%Y%m%d-%H%M%S')}-{os.urandom(2).hex()}"
    outside = Outside(PlainHttp(), LocalSecrets(LocalProcess(), {"TOKEN": real.token}), time.time_ns())
    options = msgspec.convert(real.options, catalog.options(real.family, real.kind))
    member = catalog.notifier(real.family, Adapter(real.kind, options), outside)
    assert isinstance(member.check(), Known)
    began = message(run=run, at=time.time_ns(), because=(HOSTILE,))
    for again in (False, True):
        done = member.deliver(began, "", again=again)
        assert isinstance(done, Delivered), done
    assert len(real.told(run)) == 1
    ended = message(Kind.ENDED, 9, run, at=time.time_ns())
    for ref in (done.ref, ""):
        assert isinstance(member.deliver(ended, ref, again=True), Delivered)
    assert len(real.told(run)) == (0 if real.kind == "alertmanager" else 2)


if REAL:  # without one there is nothing to test, which is not a test that was left out

    @pytest.mark.parametrize("real", REAL, ids=lambda real: real.kind)
    def test_a_real_service_must_be_told_as_the_stand_in_is(real: Real) -> None:
        told_for_real(real)
