"""What customers get from a cache is fresh only where that was seen; every doubt has its name."""

from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest

from lastgood.judge.fresh import Fresh, Stale, Unseen, kept
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.target import Adapter, Cdn
from lastgood.observe.stale import look
from lastgood.ports import Response
from tests.standin.clock import Clock
from tests.standin.fronted import NoOptions

SHOP, ORIGIN = "https://shop.example", "http://10.0.0.5:8080"
LONG = Unknown("the answer is longer than 1 MiB")
HTML, SCRIPT = {"content-type": "text/html; charset=utf-8"}, {"content-type": "text/javascript"}


def page(*assets: str, rest: str = "") -> Response:
    named = "".join(f'<script src="{one}"></script>' for one in assets)
    return Response(200, HTML, f"<!doctype html>{named}{rest}".encode(), 0.01)


def script(text: str = "go()", **headers: str) -> Response:
    return Response(200, SCRIPT | headers, text.encode(), 0.01)


GONE = Response(404, {"content-type": "text/plain"}, b"no", 0.01)


@dataclass
class Web:
    """`public` is what customers get, `behind` what is got past the cache; each look takes the next of several."""

    public: dict[str, object]
    behind: dict[str, object]
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def ask(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: dict[str, str] | None = None,
        timeout: float = 5.0,  # noqa: ARG002 - the port's signature
        body: bytes | None = None,  # noqa: ARG002 - as above
    ) -> Fact[Response]:
        parts = urlsplit(url)
        self.asked.append((url, headers or {}))
        past = "lastgood=" in parts.query or url.startswith(ORIGIN)
        found = (self.behind if past else self.public).get(parts.path, GONE)
        if isinstance(found, list):
            found = found.pop(0) if len(found) > 1 else found[0]
        if isinstance(found, tuple):  # too long to be read, but for its headers
            found = found[0] if method == "HEAD" else LONG
        if isinstance(found, Unknown):
            return found
        assert isinstance(found, Response)
        return Known(found)


def seen(web: Web, origin: str = "", *pages: str) -> Fresh | Stale | Unseen:
    cdn = Cdn(Adapter("command", NoOptions()), pages or (f"{SHOP}/",), origin)
    return look(web, Clock(0), cdn, lambda headers: "by-another" not in headers).freshness


GOOD: dict[str, object] = {"/": page("/app-2.js"), "/app-2.js": script()}
OLD: dict[str, object] = {"/": page("/app-3.js"), "/app-2.js": script(), "/app-3.js": script()}


def changing(*assets: str) -> Callable[[], list[Response]]:
    return lambda: [page(*assets, rest=f"<!-- {number} -->") for number in range(9)]


FRESH: dict[str, tuple[dict[str, object], dict[str, object]]] = {
    "the same": (GOOD, GOOD),
    "without any assets": ({"/": page()}, {"/": page()}),
    "HTML that is broken": (GOOD | {"/": page("/app-2.js", rest="<![x[")}, GOOD | {"/": changing("/app-2.js")()}),
    "another page at every look, with the same assets": (
        GOOD | {"/": page("/app-2.js", rest="x")},
        GOOD | {"/": changing("/app-2.js")()},
    ),
    "what the CDN adds by itself": (
        GOOD | {"/": page("/app-2.js", "/cdn-cgi/scripts/7.js")},
        GOOD | {"/": changing("/app-2.js")()},
    ),
    "an asset that is missing where it runs as well": (GOOD | {"/app-2.js": GONE}, GOOD | {"/app-2.js": GONE}),
    "an asset that is made at every look": (
        GOOD | {"/app-2.js": script("t=1")},
        GOOD | {"/app-2.js": [script(f"t={number}") for number in range(5)]},
    ),
    "a long asset with the same tag": (
        GOOD | {"/app-2.js": (script(etag='W/"7"'),)},
        GOOD | {"/app-2.js": (script(etag='"7"'),)},
    ),
}
STALE: dict[str, tuple[dict[str, object], dict[str, object], str]] = {
    "the old page": (OLD, GOOD, "/ gives another page than runs; it names https://shop.example/app-3.js"),
    "the old page, whose assets are gone": (
        OLD | {"/app-3.js": GONE},
        GOOD,
        "it names https://shop.example/app-3.js, which answers 404",
    ),
    "an error": (GOOD | {"/": GONE}, GOOD, "/ answers 404, text/plain, and not the page that runs"),
    "an old page that changes": (OLD, GOOD | {"/": changing("/app-2.js")()}, "another page than runs"),
    "a missing asset": (GOOD | {"/app-2.js": GONE}, GOOD, "/app-2.js answers 404, text/plain, and where it runs"),
    "a page in an asset's place": (GOOD | {"/app-2.js": page()}, GOOD, "/app-2.js answers 200, text/html"),
    "an old file under the same name": (
        GOOD | {"/app-2.js": script("old()", age="60")},
        GOOD,
        "/app-2.js is another file than runs (Age: 60)",
    ),
    "an old one of what is made at every look": (
        GOOD | {"/app-2.js": script("t=1", **{"x-cache": "HIT"})},
        GOOD | {"/app-2.js": [script(f"t={number}") for number in range(5)]},
        "another file than runs",
    ),
    "a long asset with another tag": (
        GOOD | {"/app-2.js": (script(etag='"6"'),)},
        GOOD | {"/app-2.js": (script(etag='"7"'),)},
        "another file than runs",
    ),
}
UNSEEN: dict[str, tuple[dict[str, object], dict[str, object], str]] = {
    "no answer": (GOOD | {"/": Unknown("connection refused")}, GOOD, "connection refused"),
    "no answer past the cache": (GOOD, {"/": Unknown("connection refused")}, "connection refused"),
    "no page past the cache": (GOOD, {"/": Response(503, HTML, b"", 0.1)}, "answers 503"),
    "a cache that ignores queries": (
        OLD,
        {"/": Response(200, HTML | {"x-cache": "HIT"}, b"old", 0.1)},
        "a cache answers even what is asked round it (x-cache: HIT); name the origin",
    ),
    "a page that is nothing but other": ({"/": page(rest="x")}, {"/": changing()()}, "names no assets to compare"),
    "an answer that did not come by the CDN": (
        GOOD | {"/": Response(200, HTML | {"by-another": "1"}, b"", 0.01)},
        GOOD,
        "is not answered by the CDN",
    ),
    "a page too long to be read": ({"/": page()}, {"/": (page(),)}, "too long"),
    "a long asset that nothing is said of": (
        GOOD | {"/app-2.js": (script(),)},
        GOOD | {"/app-2.js": (script(),)},
        "nothing tells whether",
    ),
    "an asset without an answer": (GOOD | {"/app-2.js": Unknown("connection reset")}, GOOD, "connection reset"),
}


@pytest.mark.parametrize("name", FRESH)
def test_what_runs_must_be_known_again(name: str) -> None:
    found = seen(Web(*FRESH[name]))
    assert isinstance(found, Fresh), found
    assert ("not the cache's doing" in found.seen) == ("missing" in name)


@pytest.mark.parametrize("name", STALE)
def test_what_the_cache_keeps_must_be_named(name: str) -> None:
    public, behind, said = STALE[name]
    found = seen(Web(public, behind))
    assert isinstance(found, Stale), found
    assert said in "; ".join(found.because)


@pytest.mark.parametrize("name", UNSEEN)
def test_what_cannot_be_told_must_never_be_fresh(name: str) -> None:
    public, behind, said = UNSEEN[name]
    found = seen(Web(public, behind))
    assert isinstance(found, Unseen), found
    assert said in found.because


def test_the_origin_must_be_asked_for_the_public_name_and_path() -> None:
    web = Web(OLD, {"/shop/": page("/app-2.js"), "/app-2.js": script()})
    web.public["/shop/"] = page("/app-3.js")
    assert isinstance(seen(web, ORIGIN, f"{SHOP}/shop/?a=1"), Stale)
    assert (f"{ORIGIN}/shop/?a=1", {"Host": "shop.example"}) in web.asked
    assert not any("lastgood=" in url for url, _ in web.asked)


def test_of_several_addresses_the_first_with_a_page_must_be_looked_at() -> None:
    assert isinstance(seen(Web(GOOD, GOOD), "", f"{SHOP}/nothing/", f"{SHOP}/"), Fresh)


@pytest.mark.parametrize(
    ("headers", "hit"),
    [
        ({"age": "0", "cf-cache-status": "DYNAMIC"}, False),
        ({"cf-cache-status": "MISS"}, False),
        ({"cf-cache-status": "UPDATING"}, True),
        ({"x-cache": "MISS, HIT"}, True),
        ({"x-cache": "RefreshHit from cloudfront"}, True),
        ({"x-cache": "Miss from cloudfront"}, False),
        ({"cache-status": "Hitch; fwd=stale"}, False),
        ({"cache-status": "Hitch; hit; ttl=30"}, True),
        ({"age": "12"}, True),
        ({}, False),
    ],
)
def test_a_cache_must_be_known_by_what_it_says(headers: dict[str, str], hit: bool) -> None:  # noqa: FBT001 - a table
    assert bool(kept(headers)) is hit
