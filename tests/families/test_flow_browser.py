"""The `browser` flow in a real Chromium at a real shop: it tells a working page from a broken one, and no secret."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from lastgood import catalog
from lastgood.effects.browser import LocalBrowser
from lastgood.effects.clock import SystemClock
from lastgood.effects.http import PlainHttp
from lastgood.effects.process import LocalProcess
from lastgood.effects.secrets import LocalSecrets
from lastgood.model.facts import Fact, Known
from lastgood.model.flow import FlowRun, FlowState
from lastgood.model.release import Image
from lastgood.model.target import Adapter
from lastgood.model.visit import NO_TIME, Errand, Visit
from lastgood.ports import Browser, Stage
from tests.effects.pages import PASSWORD, Server, serving

SIGN_IN = [
    {"goto": "/form"},
    {"fill": "#who", "value": "robin-{tag}"},
    {"fill": "#word", "value": "env:SHOP_PASSWORD"},
    {"press": "Enter"},
    {"url": "/account"},
    {"see": "your orders"},
    {"not_see": "Sign in"},
]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving() as found:
        yield found


def run(server: Server, steps: list[dict[str, Any]], browser: Browser | None = None, **options: Any) -> FlowRun:
    kind = catalog.options("flows", "browser")
    given = msgspec.convert({"base": server.url, "steps": steps}, kind)
    flow = catalog.flow(Adapter("browser", msgspec.structs.replace(given, **options)))
    env = {"SHOP_PASSWORD": PASSWORD}
    return flow.run(
        Stage(
            PlainHttp(),
            LocalProcess(),
            LocalSecrets(LocalProcess(), env),
            SystemClock(),
            Image("registry.example/shop", "sha-1", ""),
            "/",
            {},
            browser or LocalBrowser(os.environ),
        )
    )


def test_a_customer_s_way_must_pass_with_every_value_sent_and_none_told(server: Server) -> None:
    server.asked.clear()
    found = run(server, SIGN_IN)
    assert (found.state, found.because) == (FlowState.PASSED, "")
    assert found.steps == (
        "goto /form", "fill #who", "fill #word", "press Enter", "url /account", "see your orders", "not_see Sign in",
    )  # fmt: skip
    assert f"/account?who=robin-sha-1&word={PASSWORD}" in server.asked
    assert PASSWORD not in repr(found)


def test_a_step_that_does_not_work_must_name_itself_and_leave_a_picture(server: Server) -> None:
    for patience in (2.0, 10.0):  # more where the machine is too busy for the steps before
        found = run(server, [*SIGN_IN[:3], {"see": "Welcome back"}], timeout=patience)
        if len(found.steps) > 3:
            break
    assert (found.state, found.signature) == (FlowState.FAILED, "see Welcome back: late")
    late = f"see Welcome back: not within {patience:.1f} s"
    assert found.because == f'{late}; the page reads "You typed <redacted> Go"'
    assert found.steps[-1] == late
    assert found.files["page.png"].startswith(b"\x89PNG")
    assert PASSWORD.encode() not in b"".join(found.files.values())
    gone = run(server, [{"goto": "/nowhere"}, {"see": "no"}])
    assert (gone.state, gone.signature) == (FlowState.FAILED, "goto /nowhere: answered with 404")


def test_errors_of_the_page_s_own_scripts_must_fail_it_where_that_is_asked_for(server: Server) -> None:
    found = run(server, [{"goto": "/"}, {"see": "Welcome"}], fail_on_console_errors=True)
    assert (found.state, found.signature) == (FlowState.FAILED, "console errors")
    assert "reading 'open'" in found.because


@pytest.mark.parametrize(
    ("steps", "browser", "because"),
    [
        (SIGN_IN, LocalBrowser({"LASTGOOD_CHROMIUM": "/nowhere"}), "no browser looks: there is no program /nowhere"),
        (
            [{"goto": "/form"}, {"fill": "#word", "value": "env:NOT_SET"}],
            None,
            "the secret cannot be had: env:NOT_SET is not set",
        ),
        ([{"goto": "http://["}], None, "Invalid IPv6 URL"),
    ],
)
def test_what_cannot_be_tried_must_condemn_nothing(
    server: Server, steps: list[dict[str, Any]], browser: Browser | None, because: str
) -> None:
    found = run(server, steps, browser)
    assert (found.state, found.because) == (FlowState.UNKNOWN, because)


@dataclass
class Stuck:
    """A browser that comes no further than the first step: by default, as its machine is too busy for the second."""

    problem: str = NO_TIME

    def missing(self) -> str:
        return ""

    def visit(self, errand: Errand) -> Fact[Visit]:
        assert len(errand.moves) == 2
        return Known(Visit("https://shop.example/", 200, done=1, problem=self.problem))

    def last(self, _url: str) -> tuple[float, Visit] | None:
        return None


def test_time_that_is_over_on_this_machine_must_condemn_nothing(server: Server) -> None:
    found = run(server, [{"goto": "/"}, {"see": "Shop"}], Stuck())
    assert (found.state, found.because) == (FlowState.UNKNOWN, f"see Shop: {NO_TIME}")


def test_a_page_under_another_address_must_be_one_failure_whatever_the_address_is(server: Server) -> None:
    steps = [{"goto": "/"}, {"url": "/account"}]
    found = [run(server, steps, Stuck(f"it is at https://shop.example/sorry/{number}")) for number in (1, 2)]
    assert [one.because for one in found] == [f"url /account: it is at https://shop.example/sorry/{n}" for n in (1, 2)]
    assert {one.signature for one in found} == {"url /account: elsewhere"}


def test_a_value_that_the_pin_lacks_must_fail_before_anything_is_done(server: Server) -> None:
    server.asked.clear()
    found = run(server, [{"goto": "/form"}, {"see": "{digest}"}])
    assert (found.state, found.because, server.asked) == (FlowState.FAILED, "the pin has no digest", [])


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"steps": []}, "the first step is goto"),
        ({"steps": [{"see": "a"}]}, "the first step is goto"),
        ({"steps": [{"goto": "/", "click": "a"}]}, "a step has exactly one of"),
        ({"steps": [{"goto": "/"}, {"fill": "#a"}]}, "value says what fill fills in"),
        ({"steps": [{"goto": "/", "value": "x"}]}, "value says what fill fills in"),
        ({"steps": [{"goto": "/", "wait": "1s"}]}, "unknown field `wait`"),
        ({"base": "shop.example", "steps": [{"goto": "/"}]}, "is not an http:// or https:// URL"),
    ],
)
def test_what_is_no_way_through_pages_must_be_refused(given: dict[str, Any], wrong: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=wrong):
        msgspec.convert({"base": "https://shop.example", **given}, catalog.options("flows", "browser"))
