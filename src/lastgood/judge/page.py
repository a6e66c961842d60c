"""A page's HTML read as a browser would: which scripts and styles it loads, and whether it shows anything. Pure."""

from html.parser import HTMLParser
from typing import Final
from urllib.parse import urljoin, urlsplit

_CAP: Final = 512 * 1024
_MOST: Final = 40
_DEEP: Final = 50
_LONGEST: Final = 2000
"""Characters of an address; what is longer is data in the page itself, or nothing that a server takes."""
_VOID: Final = frozenset({"script", "style", "noscript", "template", "title", "head"})
_SHOWS: Final = frozenset({"img", "svg", "canvas", "video", "iframe", "input", "button", "form"})
_LOADED: Final = frozenset({"stylesheet", "modulepreload", "preload"})


class Read:
    """What a page names: absolute URLs of its `assets`, in order, which of them are `modules`; `blank` without any."""

    def __init__(self, assets: tuple[str, ...], modules: frozenset[str], *, blank: bool) -> None:
        self.assets = assets
        self.modules = modules
        self.blank = blank


def read(url: str, content: bytes) -> Read:
    """The page at `url`. At most 512 KiB of it are read and 40 assets named; broken HTML is read as far as it goes."""
    parser = _Page(url)
    parser.feed(content[:_CAP].decode(errors="replace"))
    parser.close()
    assets = tuple(dict.fromkeys(parser.assets))[:_MOST]
    cut = len(content) > _CAP  # what is beyond may be what shows
    return Read(assets, frozenset(parser.modules), blank=not (parser.shown or parser.inline or assets or cut))


def own(url: str, asset: str) -> bool:
    """Whether an asset comes from the page's own origin: what others serve is not the release's doing."""
    try:
        return urlsplit(url)[:2] == urlsplit(asset)[:2]
    except ValueError:  # a script may call itself anything: `//# sourceURL=http://[`
        return False


class _Page(HTMLParser):
    def __init__(self, url: str) -> None:
        super().__init__(convert_charrefs=True)
        self._base = url
        self._based = False
        self._within: list[str] = []
        self.assets: list[str] = []
        self.modules: list[str] = []
        self.shown = False
        self.inline = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes what is loaded."""
        given = {name: value or "" for name, value in attrs}
        if tag == "base" and given.get("href") and not self._based:  # the first counts (WHATWG HTML, 4.2.3)
            self._base, self._based = _joined(self._base, given["href"]) or self._base, True
        elif tag == "script":
            self._named(given.get("src", ""), module=given.get("type", "") == "module")
        elif tag == "link" and _LOADED & set(given.get("rel", "").lower().split()):
            self._named(given.get("href", "") if given.get("as", "script") in {"script", "style", ""} else "")
        if tag in _VOID and len(self._within) < _DEEP:
            self._within.append(tag)
        self.shown = self.shown or tag in _SHOWS

    def handle_endtag(self, tag: str) -> None:
        """Leaves an element whose text is not shown."""
        if tag in self._within:
            del self._within[self._within.index(tag) :]

    def handle_data(self, data: str) -> None:
        """Text that is shown, or a script in the page itself."""
        if not data.strip():
            return
        if not self._within:
            self.shown = True
        elif self._within[-1] == "script":
            self.inline = True

    def parse_marked_section(self, i: int, report: bool = True) -> int:  # noqa: FBT001, FBT002 - the parser's own
        """WHATWG HTML, 13.2.5.42: `<![` begins a comment up to the next `>`; Python's parser raises AssertionError."""
        return self.parse_bogus_comment(i, report)

    def close(self) -> None:
        """Takes what is left for what a browser does: text, or a tag or comment without an end, which shows nothing.

        Python's parser looks for that end anew from each `<` on: minutes, where a page is half a MiB of them.
        """
        if self.cdata_elem or not self.rawdata.startswith("<"):
            self.handle_data(self.rawdata)

    def _named(self, name: str, *, module: bool = False) -> None:
        found = _joined(self._base, name) if name else ""
        if found.startswith(("http://", "https://")):
            self.assets.append(found)
            self.modules += [found] * module


def _joined(base: str, name: str) -> str:
    if len(name) > _LONGEST:
        return ""
    try:
        return urljoin(base, name.strip()).partition("#")[0]
    except ValueError:
        return ""
