"""A page that is broken: what it names is missing, or a browser shows nothing of it. Pure.

What others serve (analytics, say, or what an ad blocker stops) is never the release's doing, and neither is an error in
a script of theirs. A script's error alone breaks no page that shows its content: nobody knows since when it is there.
"""

import re
from collections.abc import Iterator
from typing import Final

from lastgood.judge.page import own
from lastgood.judge.view import View
from lastgood.model.diagnosis import Confidence, Evidence, Finding, Scenario, Source
from lastgood.model.situation import Asset, Page
from lastgood.model.visit import Fault, Missed, Visit

_MISSING: Final = 400
_SERVER: Final = 500
_BAD_PAGE: Final = (403, 404)
_SCRIPT: Final = re.compile(r"javascript|ecmascript|json|wasm")  # WHATWG HTML: what a module script may be
_LOADED: Final = frozenset({"script", "stylesheet"})
_ASKED: Final = frozenset({"xhr", "fetch"})
_SHORT: Final = 300
_TOLD: Final = 3
# What frameworks and error boundaries show in place of a page whose scripts gave up, and little else with it.
_CRASHED: Final = re.compile(
    r"application error: a client-side exception|unexpected application error|something went wrong"
    r"|chunkloaderror|loading (?:css )?chunk \S+ failed|an unexpected error (?:has )?occurred",
    re.IGNORECASE,
)


def frontend(view: View) -> Finding | None:
    """The page is broken, by HTTP, in a browser, or both."""
    named, visit = _named(view), view.visit
    lost = _lost(visit) if visit else []
    broken = _broken(visit) if visit else ""
    errors = _errors(visit, any_kind=bool(broken)) if visit else []
    if not named and not lost and not broken and not errors:
        return None
    seen = ([broken] if broken else []) + [_request(one) for one in lost] + [_error(one) for one in errors[:_TOLD]]
    facts = tuple(Evidence(Source.PAGE, said) for said in dict.fromkeys((*named, *seen)))
    if view.page and view.page.cached:
        facts = (*facts, Evidence(Source.PAGE, f"{view.page.url} came out of a cache"))
    signs = (sign.evidence() for sign in view.of(Scenario.FRONTEND))
    sure = bool(named) or (bool(broken) and bool(lost or errors))
    confidence = Confidence.HIGH if sure else Confidence.MEDIUM
    what = "The page is broken." if named or lost or broken else "The page runs into errors."
    return Finding(Scenario.FRONTEND, what, confidence, (*facts, *signs))


def against(view: View) -> Iterator[str]:
    """What speaks against another release being the cure of a broken page."""
    if view.page and view.page.cached:
        yield "the page came out of a cache: an old page names assets that are gone, whatever runs"
    visit = view.visit
    if visit is None or _named(view):
        return
    if not _broken(visit):
        unseen = "whether the page shows its content could not be seen"
        yield unseen if visit.blank is None else "the page shows its content all the same"
    if not _lost(visit) and (foreign := _foreign(visit)):
        yield f"what others serve is missing: {_request(foreign[0])}"
    failing = [one for one in visit.missed if _own(visit, one.url) and _not_the_page(one)]
    if failing:
        yield f"what the page asks for fails: {_request(failing[0])}"


def remarks(view: View) -> Iterator[Evidence]:
    """What a browser saw of a page that is not broken."""
    visit = view.visit
    if visit is None:
        return
    if visit.blank is False:
        yield Evidence(Source.PAGE, f"{visit.url} shows its content in a browser")
    yield from (Evidence(Source.PAGE, f"not the page's own: {_request(one)}") for one in _foreign(visit)[:_TOLD])


def _named(view: View) -> list[str]:
    """What is wrong with the page and with what it names, by HTTP."""
    page = view.page
    if page is None:
        return []
    bad = [said for asset in page.assets if own(page.url, asset.url) and (said := _said(asset))]
    if page.status in _BAD_PAGE and view.of(Scenario.FRONTEND):
        bad.append(f"{page.url} is answered with {page.status}")
    if _names_nothing(page, view.visit):
        bad.append(f"{page.url} is blank: it shows nothing and loads nothing")
    return bad


def _names_nothing(page: Page, visit: Visit | None) -> bool:
    return page.blank and page.status < _MISSING and not (visit and visit.blank is False)


def _said(asset: Asset) -> str:
    """What is wrong with a script or style; empty where nothing is."""
    if asset.status == 0:
        return f"{asset.url}: {asset.because or 'no answer'}"
    if asset.status >= _MISSING:
        return f"{asset.url} is answered with {asset.status}"
    if asset.kind.partition(";")[0].strip() == "text/html":
        return f"{asset.url} is answered with a page instead"
    if asset.module and asset.kind and not _SCRIPT.search(asset.kind):
        return f"{asset.url} is answered as {asset.kind}: no browser runs a module of that type"
    return f"{asset.url} is empty" if asset.size == 0 else ""


def _broken(visit: Visit) -> str:
    """How the page is seen to be broken; empty where it is not."""
    if visit.blank:
        return f"{visit.url} shows nothing in a browser"
    crashed = _CRASHED.search(visit.text) if len(visit.text) <= _SHORT else None
    if crashed and (_errors(visit, any_kind=True) or _lost(visit)):
        return f'{visit.url} shows "{crashed[0]}"'
    return ""


def _own(visit: Visit, url: str) -> bool:
    """Whether something is the page's own; an error without an address is nobody's."""
    return bool(url) and own(visit.url, url)


def _lost(visit: Visit) -> list[Missed]:
    """Scripts and styles of the page's own that are not there."""
    return [one for one in visit.missed if one.status >= _MISSING and one.kind in _LOADED and _own(visit, one.url)]


def _foreign(visit: Visit) -> list[Missed]:
    wanted = _LOADED | _ASKED
    return [one for one in visit.missed if one.kind in wanted and not _own(visit, one.url)]


def _not_the_page(one: Missed) -> bool:
    """Whether a request failed for what no frontend decides: nobody answered, or a server failed to."""
    return one.status == 0 or (one.kind in _ASKED | _LOADED and one.status >= _SERVER)


def _errors(visit: Visit, *, any_kind: bool) -> list[Fault]:
    """Errors in the page's own scripts that stopped one; `any_kind`, rejected promises and the console's as well."""
    told = (*visit.faults, *visit.console) if any_kind else tuple(one for one in visit.faults if not one.promise)
    return [one for one in told if _own(visit, one.url)]


def _error(one: Fault) -> str:
    return f'error in {one.url}: "{one.said}"'


def _request(one: Missed) -> str:
    return f"{one.url} is answered with {one.status}" if one.status else f"{one.url}: {one.because or 'no answer'}"
