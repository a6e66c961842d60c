"""A service's page in a browser, as a person sees it: asked for where there is a browser, and cleaned of secrets."""

from dataclasses import dataclass
from typing import TypeVar

import msgspec

from lastgood.judge.page import own
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.pages import addresses
from lastgood.model.visit import Errand, Move, Visit
from lastgood.observe.pages import place
from lastgood.ports import Browser, Tools
from lastgood.record.redact import redact

SECONDS = 7.0
"""How long one look may take, starting the browser included."""

_T = TypeVar("_T", bound=msgspec.Struct)


@dataclass(frozen=True)
class Sight:
    """What a browser saw of a page, `ago` seconds before it was asked for; a new look is 0 s old."""

    visit: Visit
    ago: float = 0.0


def visit(tools: Tools, seconds: float) -> Fact[Visit] | None:
    """What a browser sees of the service's page, without the picture; None where the service shows none.

    Unknown where the page leads to another origin: what is there is not the service's.
    """
    found = look(tools, seconds)
    return found if found is None or isinstance(found, Unknown) else Known(_bare(found.value.visit))


def look(tools: Tools, seconds: float) -> Fact[Sight] | None:
    """As `visit`, with its picture."""
    browser = tools.browser
    missing = browser.missing() if browser else "no browser looks"
    if browser is None or missing:
        return Unknown(missing)
    url = place(tools)
    if url is None or isinstance(url, Unknown):
        return url
    return _visited(browser, url.value, seconds)


def last(tools: Tools) -> Sight | None:
    """What this process saw of the service's page last, with its picture; None where it never looked."""
    for url in addresses(tuple(probe.name for probe in tools.probes)):
        found = tools.browser.last(url) if tools.browser else None
        if found and own(url, found[1].url):
            return Sight(_clean(found[1]), found[0])
    return None


def _visited(browser: Browser, url: str, seconds: float) -> Fact[Sight]:
    found = browser.visit(Errand((Move("goto", url),), seconds=seconds, patience=seconds))
    if isinstance(found, Unknown):
        return found
    if found.value.problem:  # a guard against robots, say: by HTTP it was there
        return Unknown(f"{url} in a browser: {found.value.problem}")
    if not own(url, found.value.url):
        return Unknown(f"{url} leads to {found.value.url}")
    return Known(Sight(_clean(found.value)))


def _bare(visit: Visit) -> Visit:
    return msgspec.structs.replace(visit, picture=b"")


def _clean(visit: Visit) -> Visit:
    """Without what looks like a secret in any of its texts."""
    return msgspec.structs.replace(
        _texts(visit),
        faults=tuple(map(_texts, visit.faults)),
        console=tuple(map(_texts, visit.console)),
        missed=tuple(map(_texts, visit.missed)),
    )


def _texts(what: _T) -> _T:
    texts = {name: value for name, value in msgspec.structs.asdict(what).items() if isinstance(value, str)}
    clean = {name: redact(value.encode(), ())[0].decode(errors="replace") for name, value in texts.items()}
    return msgspec.structs.replace(what, **clean)
