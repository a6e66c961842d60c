"""A browser beside a diagnosis: nobody waits for one that hangs, and what else was seen counts all the same."""

import threading
from typing import Any

from lastgood.diagnose.look import Ward, examine
from lastgood.effects.clock import SystemClock
from lastgood.model.errors import Refused
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.observed import Observed
from lastgood.model.visit import Errand, Visit
from lastgood.ports import Response, Tools
from tests.plans.builders import TARGET
from tests.standin.held import LONG, not_held

URL = "https://shop.example/"
OVER = threading.Event()


class Probe:
    name = URL


class Web:
    def ask(self, _url: str, **_: Any) -> Fact[Response]:
        return Known(Response(200, {"content-type": "text/html"}, b"<body></body>", 0.01))


class Hangs:
    def missing(self) -> str:
        return ""

    def visit(self, _errand: Errand) -> Fact[Visit]:
        return Unknown(str(OVER.wait(LONG)))

    def last(self, _url: str) -> tuple[float, Visit] | None:
        return None


def unseen() -> Observed:
    raise Refused("nothing can be seen")


def test_a_browser_that_hangs_must_not_be_waited_for_and_the_page_by_http_count() -> None:
    unused: dict[str, Any] = dict.fromkeys(
        ["process", "registry_http", "files", "credentials", "repo", "engine", "pin", "registry"]
    )
    tools = Tools(http=Web(), clock=SystemClock(), probes=(Probe(),), browser=Hangs(), **unused)  # type: ignore[arg-type] # only these are asked
    for seconds in (0.5, 5.0, 25.0):  # more where the machine is too busy for the page
        with not_held():
            said = examine(Ward(TARGET, tools, unseen, None, ()), seconds)
        if said.evidence:
            break
    OVER.set()
    assert any(one.said == f"{URL} is blank: it shows nothing and loads nothing" for one in said.evidence)
    unseen_there = "whether the page's scripts run without errors: no answer within "
    assert any(one.startswith(unseen_there) for one in said.unknown)  # 0.5 s, or what a busy machine made of it
    assert said.recommendation.action == "human"
