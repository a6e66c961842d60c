"""The process that drives a browser: an `Order` on its standard input, an `Answer` on its standard output.

It is a program of its own (`python -m lastgood.effects.browsing`), so that a page can neither hang nor fill the one
that asked. asyncio, because everything that a page does has to have an end, and Playwright's plain interface has none
for what goes to a page whose scripts never stop.
"""

import asyncio
import os
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Final, cast

import msgspec
from playwright.async_api import (
    Browser,
    BrowserContext,
    CDPSession,
    Error,
    Locator,
    Page,
    async_playwright,
)

from lastgood.effects.browser import Answer, Order, clear
from lastgood.effects.onlooker import LONG, Watch, words
from lastgood.effects.pixels import one_colour
from lastgood.model.visit import NO_TIME, Deed, Visit

_TICK: Final = 0.1
_BUSY: Final = 3.0
_BLANK: Final = 2.0
_PICTURE: Final = 1.0
_LOOK: Final = 1.5
_BAD: Final = 400
_NICE: Final = 5
_ARGUMENTS: Final = (
    "--no-proxy-server",  # a look has to see what is there, not what a proxy kept of it
    "--mute-audio",
    "--dns-prefetch-disable",
)
# Everything that a person sees: text, and what is drawn without any. In a world of its own, where nothing that the page
# did to JavaScript's own objects counts.
_SEEN: Final = """(() => {
  const MOST = 5000, LONG = 600, THINGS = 'img,svg,canvas,video,iframe,object,embed,input,button,select,textarea';
  let count = 0, text = '', things = 0;
  const shown = e => e.checkVisibility({opacityProperty: true, visibilityProperty: true});
  const boxed = b => b.width >= 2 && b.height >= 2;
  const range = document.createRange();
  const walk = root => {
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node && count < MOST; node = walker.nextNode()) {
      count++;
      if (node.nodeType === Node.TEXT_NODE) {
        const said = node.data.trim();
        if (!said || text.length >= LONG || !node.parentElement || !shown(node.parentElement)) continue;
        range.selectNodeContents(node);
        if (boxed(range.getBoundingClientRect())) text += said.slice(0, LONG) + ' ';
      } else {
        if (node.shadowRoot) walk(node.shadowRoot);
        if (node.matches(THINGS) && !(node.localName === 'img' && !node.naturalWidth)
            && shown(node) && boxed(node.getBoundingClientRect())) things++;
      }
    }
  };
  if (document.body) walk(document.body);
  return {text: text.slice(0, LONG), empty: !text && !things && count < MOST, done: document.readyState === 'complete'};
})()"""


class _Look(msgspec.Struct):
    """What can be seen of a page; `empty` where that is nothing."""

    text: str
    empty: bool
    done: bool


class _Tour:
    """One page, what is done on it, and what is seen at the end."""

    def __init__(self, order: Order, page: Page, session: CDPSession) -> None:
        self._order = order
        self._page = page
        self._session = session
        self._begun = time.monotonic()
        self._look: _Look | None = None
        self._rested = False
        self._picture = b""
        self._title = ""
        self._done = 0
        self._problem = ""
        self.watch = Watch(page)
        session.on("Runtime.exceptionThrown", self.watch.thrown)

    async def go(self) -> None:
        """Do the moves up to the first that fails, let the page come to rest, and look at it."""
        for do, what, value in self._order.moves:
            self._problem = await self._moved(do, what, value)
            if self._problem:
                break
            self._done += 1
        await self._rest()
        with suppress(Error, TimeoutError):
            self._title = await asyncio.wait_for(self._page.title(), _LOOK)
        await self._take()

    def visit(self) -> Visit:
        """What was seen until now."""
        look, watch = self._look, self.watch
        return Visit(
            url=self._page.url[:LONG],
            status=watch.status,
            title=self._title[:LONG],
            blank=self._blank(),
            text=look.text if look else "",
            faults=tuple(watch.faults),
            console=tuple(watch.console),
            missed=tuple(watch.missed),
            more=watch.more,
            elapsed=time.monotonic() - self._begun,
            picture=self._picture,
            done=self._done,
            problem=self._problem,
        )

    def _blank(self) -> bool | None:
        """Whether it shows nothing; None where something was still being loaded, or nobody could look."""
        if self._look is None or not self._look.empty:
            return None if self._look is None else False
        return one_colour(self._picture) if self._rested and self._picture else None

    def _left(self) -> float:
        """Seconds left for moves and rest; the picture needs some at the end."""
        return max(0.05, self._order.until - _PICTURE - time.monotonic())

    async def _moved(self, do: Deed, what: str, value: str) -> str:
        """Why a move did not work, empty where it did."""
        patience = min(self._order.patience, self._left())
        try:
            async with asyncio.timeout(patience + _TICK):
                return await self._move(do, what, value, patience * 1000)
        except TimeoutError:
            return self._late(patience)
        except Error as error:
            return self._late(patience) if "Timeout" in error.message else words(error.message)

    def _late(self, patience: float) -> str:
        return f"not within {patience:.1f} s" if patience >= self._order.patience else NO_TIME

    async def _move(self, do: Deed, what: str, value: str, limit: float) -> str:
        page = self._page
        match do:
            case "goto":
                answer = await page.goto(what, wait_until="commit", timeout=limit)
                return f"answered with {answer.status}" if answer and answer.status >= _BAD else ""
            case "click":
                await page.click(what, timeout=limit)
            case "fill":
                await page.fill(what, value, timeout=limit)
            case "press":
                await page.keyboard.press(value)
            case "see":
                await self._reads(what).wait_for(state="visible", timeout=limit)
            case "not_see":
                await self._rest()  # before, it says nothing that the text is not there
                await self._reads(what).wait_for(state="hidden", timeout=limit)
            case "url":
                return await self._comes_to(what, limit / 1000)
        return ""

    def _reads(self, text: str) -> Locator:
        return self._page.get_by_text(text).locator("visible=true").first

    async def _comes_to(self, what: str, patience: float) -> str:
        end = time.monotonic() + patience
        while time.monotonic() < end:
            if what in self._page.url:
                return ""
            await asyncio.sleep(_TICK)
        return f"it is at {self._page.url}" if patience >= self._order.patience else NO_TIME

    async def _rest(self) -> None:
        """Wait until the page is loaded and shows something, or loads nothing any more and still shows nothing."""
        loaded, self._rested = 0.0, False
        end = time.monotonic() + self._left()
        while time.monotonic() < end:
            look = await self._see()
            now = time.monotonic()
            loaded = loaded or (now if look and look.done else 0.0)
            since = now - loaded if loaded else 0.0
            if look and loaded and not look.empty and (self.watch.quiet or since > _BUSY):
                return
            if look and loaded and look.empty and self.watch.quiet and since > _BLANK:
                self._rested = True
                return
            await asyncio.sleep(_TICK)

    async def _see(self) -> _Look | None:
        """What can be seen now; None where the page's scripts let nobody look, or it has just gone elsewhere."""
        try:
            async with asyncio.timeout(min(_LOOK, self._left())):
                tree = await self._session.send("Page.getFrameTree")
                frame = {"frameId": tree["frameTree"]["frame"]["id"]}
                world = await self._session.send("Page.createIsolatedWorld", frame)
                found = await self._session.send(
                    "Runtime.evaluate",
                    {"expression": _SEEN, "contextId": world["executionContextId"], "returnByValue": True},
                )
            self._look = msgspec.convert(found["result"]["value"], _Look)
        except (Error, TimeoutError, KeyError, msgspec.ValidationError):
            self._look = None
        return self._look

    async def _take(self) -> None:
        """A picture of the window; what must not be seen is covered, and so is every field where there is such."""
        covered = [
            one
            for frame in (self._page.frames if self._order.hidden else ())
            for one in (frame.locator("input, textarea, select"), *map(frame.get_by_text, self._order.hidden))
        ]
        with suppress(Error, TimeoutError):
            async with asyncio.timeout(max(_PICTURE, self._order.until - time.monotonic())):
                self._picture = await self._page.screenshot(mask=covered, animations="disabled")


async def _toured(order: Order) -> Answer:
    """A new browser with one page, and the tour. What the time does not suffice for is left out."""
    tour: _Tour | None = None
    try:
        async with asyncio.timeout(order.until - time.monotonic()):
            driver = await async_playwright().start()
            browser = await driver.chromium.launch(
                executable_path=order.chromium or None,
                chromium_sandbox=os.geteuid() != 0,  # Chromium's sandbox does not work for root
                args=list(_ARGUMENTS),
                env=cast("dict[str, str | float | bool]", _surroundings(order)),
            )
            page = await _page(browser)
            session = await page.context.new_cdp_session(page)
            tour = _Tour(order, page, session)
            await session.send("Runtime.enable")
            await tour.go()
    except TimeoutError:
        if tour is None:
            return Answer(reason="the browser did not start in time")
    except Error as error:
        if tour is None:
            return Answer(reason=_unstarted(error.message))
    return Answer(visit=tour.visit())


async def _page(browser: Browser) -> Page:
    context = await browser.new_context(
        accept_downloads=False, service_workers="block", viewport={"width": 1280, "height": 720}
    )
    page = await context.new_page()
    _only(context)
    return page


def _only(context: BrowserContext) -> None:
    """Close every further window that the page opens."""

    async def close(other: Page) -> None:
        with suppress(Error):
            await other.close()

    context.on("page", close)


def _surroundings(order: Order) -> dict[str, str]:
    """Chromium's environment: its home is the folder that goes; the operator's own certificates are seen from there."""
    certificates = Path(order.home, ".pki")
    if order.home and certificates.is_dir():
        with suppress(OSError):
            Path(order.folder, ".pki").symlink_to(certificates)
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TZ") if name in os.environ}
    return {**kept, "HOME": order.folder, "TMPDIR": order.folder}


def _unstarted(message: str) -> str:
    if "Executable doesn't exist" in message:
        return f"no browser looks: {sys.executable} -m playwright install --with-deps chromium"
    if "No usable sandbox" in message:
        return "Chromium does not start: its sandbox needs user namespaces, which this machine does not allow"
    fatal = message.partition("FATAL:")[2].partition("\n")[0]  # Chromium's own log, which Playwright quotes
    return f"Chromium does not start: {fatal.partition(' ')[2] or words(message)}"


def _orphaned(order: Order) -> None:
    """Go with whoever asked: a killed parent reads no answer, and must not leave a browser behind."""
    while os.getppid() == order.parent:
        time.sleep(2 * _TICK)
    clear(order.folder)
    os._exit(1)


def main() -> None:
    """Do what is ordered. The browser is not asked to close: it is ended, with all that belongs to it."""
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    threading.Thread(target=_orphaned, args=(order,), daemon=True).start()
    with suppress(OSError):
        os.nice(_NICE)  # what only looks is in nobody's way
    try:
        answer = asyncio.new_event_loop().run_until_complete(_toured(order))
        sys.stdout.buffer.write(msgspec.json.encode(answer))
        sys.stdout.buffer.flush()
    finally:  # also where whoever asked is gone, and takes no answer
        clear(order.folder)
        os._exit(0)


if __name__ == "__main__":
    main()
