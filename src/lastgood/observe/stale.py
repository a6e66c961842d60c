"""Looks at what customers get from a cache, and at what runs behind it: the page, and every asset that it names."""

import hashlib
from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from lastgood.judge import fresh as judging
from lastgood.judge import page as html
from lastgood.judge.fresh import Fresh, Freshness, Sight, Stale, Unseen
from lastgood.model.facts import Unknown
from lastgood.model.target import Cdn
from lastgood.observe.together import together
from lastgood.observe.uncached import ROUND, beyond
from lastgood.ports import Clock, Http

_TIMEOUT: Final = 5.0
_APART: Final = 1.2
"""Seconds between two looks at a page: what is another one every second is seen to be."""
_LONG: Final = "longer than"
_AT_ONCE: Final = 12


class Seen(NamedTuple):
    """The judgement, and everything that was looked at for it."""

    freshness: Freshness
    sights: tuple[Sight, ...]


def look(http: Http, clock: Clock, cdn: Cdn, passed: Callable[[dict[str, str]], bool]) -> Seen:
    """What customers get by now. Takes a few seconds; each answer has at most five.

    `passed` is False of the headers of an answer that did not come by the CDN.
    """
    sights: list[Sight] = []

    def saw(sight: Sight) -> Sight:
        sights.append(sight)
        return sight

    return Seen(_look(_Eyes(http, cdn.origin, passed), clock, cdn.pages, saw), tuple(sights))


def _look(eyes: "_Eyes", clock: Clock, pages: tuple[str, ...], saw: Callable[[Sight], Sight]) -> Freshness:
    for url in pages:
        fresh = saw(eyes.past(url))
        if not judging.unusable(fresh):
            break
    else:
        return Unseen(judging.unusable(fresh))
    public, again = saw(eyes.plain(url)), None
    if not public.passed:
        return Unseen(f"{url} is not answered by the CDN; name the page that customers get")
    if public.page and public.content != fresh.content:
        clock.sleep(_APART)
        again = saw(eyes.past(url))
    found = judging.page(public, fresh, again)
    if isinstance(found, Stale):
        old = [saw(one) for one in eyes.all([partial(eyes.plain, name) for name in sorted(public.own - fresh.own)])]
        return Stale((*found.because, *judging.named(old)))
    if isinstance(found, Unseen):
        return found
    return _with_assets(found, eyes, sorted(fresh.own), saw)


def _with_assets(found: Fresh, eyes: "_Eyes", names: list[str], saw: Callable[[Sight], Sight]) -> Freshness:
    both = [saw(one) for one in eyes.all([partial(way, name) for name in names for way in (eyes.plain, eyes.past)])]
    pairs = list(zip(both[::2], both[1::2], strict=True))
    again = {fresh.url: saw(eyes.past(fresh.url)) for public, fresh in pairs if judging.differ(public, fresh)}
    more = judging.assets([(public, fresh, again.get(fresh.url)) for public, fresh in pairs])
    return Fresh(f"{found.seen} {more.seen}") if isinstance(more, Fresh) else more


class _Eyes:
    """Both ways to ask: as customers do, and past the cache."""

    def __init__(self, http: Http, origin: str, passed: Callable[[dict[str, str]], bool]) -> None:
        self._http = http
        self._origin = origin
        self._passed = passed

    def plain(self, url: str) -> Sight:
        """As customers do."""
        return self._asked(url, url, {})

    def past(self, url: str) -> Sight:
        """Past the cache: at the origin, which is asked for the public name as a CDN does, or round it."""
        if not self._origin:
            return self._asked(url, beyond(url), ROUND)
        parts = urlsplit(url)
        there = self._origin.rstrip("/") + (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return self._asked(url, there, {"Host": parts.netloc})

    def all(self, questions: list[Callable[[], Sight]]) -> list[Sight]:
        """All of them, some at the same time."""
        parts = [questions[at : at + _AT_ONCE] for at in range(0, len(questions), _AT_ONCE)]
        return [sight for part in parts for sight in together(part)]

    def _asked(self, url: str, where: str, headers: dict[str, str]) -> Sight:
        answer = self._http.ask(where, headers=headers, timeout=_TIMEOUT)
        if isinstance(answer, Unknown):
            if _LONG in answer.reason:
                return self._long(url, where, headers)
            return Sight(url, 0, because=answer.reason)
        response = answer.value
        kind = response.headers.get("content-type", "").lower()
        named = html.read(url, response.body).assets if "html" in kind else ()
        mine = tuple(one for one in named if html.own(url, one))
        content, kept = hashlib.sha256(response.body).hexdigest(), judging.kept(response.headers)
        return Sight(url, response.status, kind, content, kept, mine, passed=self._passed(response.headers))

    def _long(self, url: str, where: str, headers: dict[str, str]) -> Sight:
        """What is too long to be read is told apart by what its headers say (RFC 9110, 8.8)."""
        answer = self._http.ask(where, method="HEAD", headers=headers, timeout=_TIMEOUT)
        if isinstance(answer, Unknown):
            return Sight(url, 0, because=answer.reason)
        found = answer.value.headers
        tag = found.get("etag", "").removeprefix("W/")
        dated = f"{found.get('last-modified', '')} {found.get('content-length', '')}"
        content = tag or (dated if "last-modified" in found and "content-length" in found else "")
        kind = found.get("content-type", "").lower()
        if "html" in kind:
            return Sight(url, 0, because="the page is too long to be read")
        return Sight(url, answer.value.status, kind, content, judging.kept(found))
