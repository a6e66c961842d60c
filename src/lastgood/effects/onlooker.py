"""What a browser tells of a page while it is shown: errors, failed requests, dialogs. Only for `browsing`."""

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final, TypeVar

from playwright.async_api import ConsoleMessage, Dialog, Error, Page, Request, Response

from lastgood.model.visit import Fault, Missed

_T = TypeVar("_T")

LONG: Final = 2000
"""Characters of a text that are handed on; the one that asked cuts again, after it has masked."""

_BAD: Final = 400
_MOST: Final = 40
_FLOOD: Final = 400
_QUIET: Final = 0.3


class Watch:
    """What the browser tells of a page, as it comes; a flood of it is listened to no longer."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self.faults: list[Fault] = []
        self.console: list[Fault] = []
        self.missed: list[Missed] = []
        self.more = 0
        self.told = 0
        self.status = 0
        self.under_way: set[Request] = set()
        self.quiet_since = time.monotonic()
        page.on("console", self._spoke)
        page.on("dialog", self._asked)
        page.on("request", self._began)
        page.on("requestfinished", self._ended)
        page.on("requestfailed", self._failed)
        page.on("response", self._answered)

    def thrown(self, event: Mapping[str, Any]) -> None:
        """An error that nothing caught (Chrome DevTools Protocol, Runtime.exceptionThrown)."""
        told = event["exceptionDetails"]
        frames = told.get("stackTrace", {}).get("callFrames", [])
        url = told.get("url") or next((frame["url"] for frame in frames if frame.get("url")), "")
        text = str(told.get("text", ""))
        exception = told.get("exception", {})
        said = str(exception.get("description") or exception.get("value") or text).partition("\n    at ")[0]
        self._note(self.faults, Fault(said[:LONG], str(url)[:LONG], "(in promise)" in text))

    def _note(self, where: list[_T], what: _T) -> None:
        self.told += 1
        if len(where) < _MOST:
            where.append(what)
        else:
            self.more += 1
        if self.told == _FLOOD:
            self._page.remove_listener("console", self._spoke)

    def _spoke(self, message: ConsoleMessage) -> None:
        # A request that failed is told by itself.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self._note(self.console, Fault(message.text[:LONG], str(message.location.get("url", ""))[:LONG]))

    async def _asked(self, dialog: Dialog) -> None:
        with suppress(Error):
            await dialog.dismiss()

    def _began(self, request: Request) -> None:
        self.under_way.add(request)

    def _ended(self, request: Request) -> None:
        self.under_way.discard(request)
        self.quiet_since = time.monotonic()

    def _failed(self, request: Request) -> None:
        self._ended(request)
        because = words(request.failure or "")
        if because != "aborted":  # by the page itself, as a rule: it went on to another
            self._note(self.missed, Missed(request.url[:LONG], request.resource_type, 0, because))

    def _answered(self, response: Response) -> None:
        request = response.request
        if request.is_navigation_request() and request.frame == self._page.main_frame:
            self.status = response.status
        if response.status >= _BAD:
            self._note(self.missed, Missed(request.url[:LONG], request.resource_type, response.status))

    @property
    def quiet(self) -> bool:
        """Whether nothing has been loaded for a moment."""
        return not self.under_way and time.monotonic() - self.quiet_since >= _QUIET


def words(message: str) -> str:
    """An error of the browser in plain words: `net::ERR_CONNECTION_REFUSED at …` is `connection refused`."""
    first = message.strip().partition("\n")[0]
    code = first.partition("net::ERR_")[2].split(" ")[0].split(";")[0]
    return code.lower().replace("_", " ") if code else first.rpartition("Error: ")[2] or first
