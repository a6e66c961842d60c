"""`doctor`'s single checks: clocks, the engine's own word, disks, and answers that are errors."""

from collections.abc import Sequence
from types import SimpleNamespace

import pytest

from lastgood.diagnose import case, clocks, doctor, health
from lastgood.diagnose.clocks import Dated, Reading, compared
from lastgood.effects.clock import SystemClock
from lastgood.engines import _doctor
from lastgood.model.command import Completed
from lastgood.model.errors import GitUnavailable, JournalUnwritable
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.observed import Container, EngineHealth, Healthcheck, HostView, Look, Observed, Tip
from lastgood.model.release import Image
from lastgood.model.report import Mark
from lastgood.model.target import Adapter, GateSpec, Push, Target, WalkBack
from lastgood.ports import Response, Tools

S = 1_000_000_000


def reading(earliest: int, latest: int) -> Reading:
    return Reading("registry", before=100 * S, after=101 * S, earliest=earliest * S, latest=latest * S)


@pytest.mark.parametrize(
    ("earliest", "latest", "skew"),
    [(100, 101, 0), (101, 102, 0), (99, 100, 0), (107, 108, 6), (90, 91, -9)],
)
def test_clocks_must_differ_only_by_what_the_time_of_asking_cannot_explain(
    earliest: int, latest: int, skew: float
) -> None:
    assert reading(earliest, latest).skew == skew


def test_a_clock_more_than_five_seconds_off_must_be_a_warning_that_names_whose() -> None:
    (check,) = compared([reading(107, 108), Reading("other", 0, S, 0, S)])
    assert check.mark is Mark.WARN
    assert "6.0 s behind that of registry" in check.said


def test_clocks_that_agree_must_be_ok_and_none_at_all_no_answer() -> None:
    assert [check.mark for check in compared([reading(100, 101)])] == [Mark.OK]
    assert compared([]) == ()


class Answering:
    """An HTTP effect with one answer."""

    def __init__(self, headers: dict[str, str]) -> None:
        self.headers = headers

    def ask(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: dict[str, str] | None = None,
        timeout: float = 5.0,
        body: bytes | None = None,
    ) -> Fact[Response]:
        del url, method, headers, timeout, body
        return Known(Response(200, self.headers, b"", 0.01))


@pytest.mark.parametrize(
    ("headers", "readings"),
    [
        ({"date": "Sun, 22 Nov 2026 18:00:00 GMT"}, 1),
        ({"date": "Sun, 22 Nov 2026 18:00:00 GMT", "age": "60"}, 0),
        ({"date": "yesterday"}, 0),
        ({}, 0),
    ],
)
def test_only_a_date_that_the_server_set_just_now_must_count(headers: dict[str, str], readings: int) -> None:
    dated = Dated(Answering(headers), SystemClock())
    assert isinstance(dated.ask("http://registry:5000/v2/"), Known)
    assert [one.whose for one in dated.readings] == ["registry:5000"] * readings
    assert clocks.compared(dated.readings) is not None


def info(stdout: bytes, status: int = 0) -> EngineHealth:
    (command,) = _doctor.questions()
    return _doctor.read([Completed(command, status, stdout, b"Cannot connect to the Docker daemon")])


def test_the_engines_time_must_be_read_to_the_microsecond() -> None:
    found = info(b'{"clock":"1970-01-01T01:00:01.000002999+01:00","root":"/var/lib/docker"}\n')
    assert found == EngineHealth(Known(S + 2000), Known("/var/lib/docker"))


@pytest.mark.parametrize("stdout", [b"", b"{}", b'{"clock":"soon","root":""}', b'{"clock":"2026-11-22","root":""}'])
def test_an_engines_answer_that_is_none_must_be_unknown(stdout: bytes) -> None:
    assert isinstance(info(stdout).clock, Unknown)
    assert isinstance(info(b'{"clock":"","root":""}', status=1).root, Unknown)


NOTHING = Adapter("none", GateSpec())
TARGET = Target(
    service="shop", env="prod", repo="/repo", branch="main", hosts=("local",), state="/state", push=Push.BEST_EFFORT,
    engine=NOTHING, pin=NOTHING, pin_file="values.yaml", registry=NOTHING, probes=(), gate=GateSpec(),
    walk_back=WalkBack(),
)  # fmt: skip


def seen(*, check: Healthcheck | None, looks: Sequence[Look] = (), lease: str = "", blind: str = "") -> case.Case:
    containers: Fact[tuple[Container, ...]] = Unknown(blind) if blind else Known(())
    view = HostView(containers, Known(()), check, ("docker", "compose"))
    tip = Tip("c" * 40, Known(Image("reg/shop", "sha-1")), Known("remote"))
    observed = Observed(tip, (), complete=True, hosts={"local": view}, registry={}, looks=tuple(looks), lease=lease)
    no_tools: Tools = SimpleNamespace(flows=())  # type: ignore[assignment] # these checks judge what was seen already
    return case.Case(TARGET, no_tools, observed)


def marks(one: case.Case) -> dict[str, Mark]:
    return {check.name.partition(": ")[2]: check.mark for check in health.checks(one)}


def test_a_gate_with_nothing_to_judge_by_must_fail_as_a_rollback_would_be_refused() -> None:
    assert marks(seen(check=None))["gate"] is Mark.FAIL
    assert marks(seen(check=Healthcheck()))["gate"] is Mark.WARN
    assert marks(seen(check=None, blind="no engine"))["gate"] is Mark.UNKNOWN


def test_a_probe_that_fails_now_must_be_told_from_one_that_cannot_be_reached() -> None:
    looks = [Look("a", ok=True, said="200"), Look("b", ok=False, said="500"), Look("c", ok=False, said="no answer: x")]
    found = marks(seen(check=Healthcheck(), looks=looks))
    assert [found[f"probe {name}"] for name in "abc"] == [Mark.OK, Mark.WARN, Mark.FAIL]


def test_a_lease_that_is_held_must_be_a_warning_with_who() -> None:
    (held,) = [c for c in health.checks(seen(check=None, lease="kim@laptop")) if c.name.endswith("lease")]
    assert held.mark is Mark.WARN
    assert "kim@laptop" in held.said


def test_what_others_say_must_not_reach_the_terminal_as_it_is() -> None:
    assert "\x1b" not in case.fail("x", "\x1b[2Jgone").said


def raising(error: Exception) -> None:
    raise error


def practice(**what: object) -> doctor.Practice:
    settings: dict[str, object] = {
        "config": "lastgood.yaml",
        "tools": lambda _: raising(GitUnavailable("no repository", next=("git clone",))),
        "judgements": lambda _: (),
        "lease": lambda *_: "",
        "reserve": lambda: None,
        "unfinished": lambda: (),
    }
    return doctor.Practice(**(settings | what))  # type: ignore[arg-type] # fakes by name


def test_a_deploy_repo_that_is_none_must_be_a_failure_and_not_an_exception() -> None:
    found = {check.name: check for check in doctor.examine(practice(), [TARGET])}
    assert found["shop/prod: tools"].mark is Mark.FAIL
    assert found["shop/prod: tools"].next == ("git clone",)
    assert found["journal"].mark is Mark.OK


def test_a_journal_that_cannot_be_written_must_be_a_failure() -> None:
    broken = practice(reserve=lambda: raising(JournalUnwritable("full", next=("df -h",))))
    (journal,) = [check for check in doctor.examine(broken, []) if check.name == "journal"]
    assert (journal.mark, journal.next) == (Mark.FAIL, ("df -h",))


def test_unfinished_runs_must_be_named_with_the_command_that_takes_them_up() -> None:
    waiting = practice(unfinished=lambda: ("20261122-1-ab",))
    (runs,) = [check for check in doctor.examine(waiting, []) if check.name == "unfinished runs"]
    assert (runs.mark, runs.next) == (Mark.WARN, ("lastgood resume 20261122-1-ab",))


def test_a_defect_in_a_check_must_be_an_answer_of_its_own() -> None:
    broken = practice(unfinished=lambda: raising(RuntimeError("oops")), tools=lambda _: raising(RuntimeError("oops")))
    found = {check.name: check for check in doctor.examine(broken, [TARGET])}
    assert found["unfinished runs"].mark is Mark.UNKNOWN
    assert "RuntimeError: oops" in found["shop/prod: tools"].said
