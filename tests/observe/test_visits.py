"""What a browser saw of a page counts only where it is the service's own, and never with a secret in it."""

from typing import Any

import pytest

from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.visit import Errand, Fault, Missed, Visit
from lastgood.observe import visits
from lastgood.ports import Response, Tools

URL = "https://shop.example/"


class Probe:
    name = URL


class Web:
    """Answers every address with a page, or as told."""

    def __init__(self, status: int = 200) -> None:
        self._status = status

    def ask(self, _url: str, **_: Any) -> Fact[Response]:
        return Known(Response(self._status, {"content-type": "text/html"}, b"<p>Shop", 0.01))


class Screen:
    def __init__(self, found: Fact[Visit], missing: str = "") -> None:
        self._found = found
        self._missing = missing

    def missing(self) -> str:
        return self._missing

    def visit(self, errand: Errand) -> Fact[Visit]:
        assert [one.what for one in errand.moves] == [URL]
        return self._found

    def last(self, _url: str) -> tuple[float, Visit] | None:
        return (3.0, self._found.value) if isinstance(self._found, Known) else None


def tools(found: Visit, *, missing: str = "", status: int = 200) -> Tools:
    unused: dict[str, Any] = dict.fromkeys(
        ["process", "registry_http", "files", "clock", "credentials", "repo", "engine", "pin", "registry"]
    )
    return Tools(http=Web(status), probes=(Probe(),), browser=Screen(Known(found), missing), **unused)  # type: ignore[arg-type] # only these are asked


def test_a_page_in_a_browser_must_come_without_picture_and_secrets() -> None:
    token = "ghp_" + "a" * 36
    seen = Visit(
        URL, 200, text=f"Authorization: Basic {token}", faults=(Fault(f"no {token}", URL),),
        missed=(Missed(URL + token, "fetch", 500),), picture=b"png",
    )  # fmt: skip
    found = visits.visit(tools(seen), 1.0)
    assert isinstance(found, Known)
    assert token not in repr(found)
    assert found.value.picture == b""
    before = visits.last(tools(seen))
    assert before is not None
    assert (before.ago, before.visit.picture, token in repr(before)) == (3.0, b"png", False)


@pytest.mark.parametrize(
    ("seen", "because"),
    [
        (Visit("https://login.example/", 200), f"{URL} leads to https://login.example/"),
        (Visit(URL, 403, problem="answered with 403"), f"{URL} in a browser: answered with 403"),
        (Visit("", problem="cert authority invalid"), f"{URL} in a browser: cert authority invalid"),
    ],
)
def test_what_is_not_the_service_s_page_must_be_unknown(seen: Visit, because: str) -> None:
    assert visits.visit(tools(seen), 1.0) == Unknown(because)


def test_without_a_browser_or_a_page_nobody_must_look() -> None:
    assert visits.visit(tools(Visit(URL), missing="no browser looks: pip"), 1.0) == Unknown("no browser looks: pip")
    assert visits.visit(tools(Visit(URL), status=404), 1.0) == Unknown(f"{URL} is answered with 404")
