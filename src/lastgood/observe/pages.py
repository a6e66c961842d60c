"""A frontend looked at as a browser loads it: the page, and every script and style it names, by HTTP."""

from functools import partial

import msgspec

from lastgood.judge import page as html
from lastgood.judge.fresh import kept
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.pages import addresses
from lastgood.model.situation import Asset, Page
from lastgood.observe.together import together
from lastgood.ports import Http, Response, Tools

_OK = 200
_NOT_FOUND = (403, 404)
_LIMIT = 5.0
_LONG = "longer than"


def page(tools: Tools) -> Fact[Page] | None:
    """The page that the probes' addresses belong to; None where the service shows none there."""
    found = _found(tools)
    return Known(_page(tools.http, *found.value)) if isinstance(found, Known) else found


def place(tools: Tools) -> Fact[str] | None:
    """Where that page is, if it is answered with 200: what else is answered is no page to look at."""
    found = _found(tools)
    if not isinstance(found, Known):
        return found
    url, response = found.value
    return Known(url) if response.status == _OK else Unknown(f"{url} is answered with {response.status}")


def _found(tools: Tools) -> Fact[tuple[str, Response]] | None:
    for url in addresses(tuple(probe.name for probe in tools.probes)):
        answer = tools.http.ask(url, timeout=_LIMIT)
        if isinstance(answer, Unknown):
            return Unknown(f"{url}: {answer.reason}")
        response = answer.value
        if "html" in _kind(response) and response.status in (_OK, *_NOT_FOUND):
            return Known((url, response))
    return None


def _page(http: Http, url: str, response: Response) -> Page:
    found = html.read(url, response.body)
    mine = [asset for asset in found.assets if html.own(url, asset)]
    looked = together([partial(_asset, http, asset) for asset in mine]) if mine else []
    assets = tuple(msgspec.structs.replace(one, module=one.url in found.modules) for one in looked)
    return Page(url, response.status, assets, found.blank, bool(kept(response.headers)))


def _asset(http: Http, url: str) -> Asset:
    """Asked for without its body; what says anything but 200 to that is asked again as browsers do."""
    head = http.ask(url, method="HEAD", timeout=_LIMIT)
    if isinstance(head, Known) and head.value.status == _OK:
        length = head.value.headers.get("content-length", "")
        return Asset(url, _OK, _kind(head.value), int(length) if length.isdecimal() else None)
    whole = http.ask(url, timeout=_LIMIT)
    if isinstance(whole, Known):
        return Asset(url, whole.value.status, _kind(whole.value), len(whole.value.body))
    if _LONG in whole.reason:  # it is there, and longer than what is read of an answer
        return Asset(url, _OK)
    return Asset(url, 0, because=whole.reason)


def _kind(response: Response) -> str:
    return response.headers.get("content-type", "").lower()
