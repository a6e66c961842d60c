"""A document as values, and how they become Markdown and HTML. Pure.

Every text is escaped for where it goes. What comes from elsewhere (commits, logs, programs, people's names) is a `Q`:
it is quoted as code, in which no host of git looks for mentions or issue numbers, and of it nothing is markup: in
Markdown every character that could be is written as a character reference. What looks like a secret is masked.
"""

import html
import re
from collections.abc import Sequence
from typing import Final, NamedTuple, TypeAlias

from lastgood.model.text import sanitise
from lastgood.record.redact import redact

_LONGEST: Final = 600
# CommonMark: a character reference is never read as structure ("Entity and numeric character references").
_SPECIAL: Final = re.compile(r"[^A-Za-z0-9\s.,;()/%':?-]|:(?=//)|(?<=www)\.")
_STARTS: Final = re.compile(r"[-=0-9]")
_JOINER: Final = "\u2060"
"""Nobody is called by a name that is broken by it, wherever references are resolved before names are looked for."""


class Q(NamedTuple):
    """A text from elsewhere."""

    text: str


class Link(NamedTuple):
    """An address that was made here, and what it is called."""

    text: str
    url: str


Rich: TypeAlias = tuple[str | Q | Link, ...]


class Para(NamedTuple):
    """A paragraph."""

    said: Rich


class Bullets(NamedTuple):
    """A list; with boxes to tick where `boxes`."""

    items: tuple[Rich, ...]
    boxes: bool = False


class Table(NamedTuple):
    """Rows below a head."""

    head: tuple[str, ...]
    rows: tuple[tuple[Rich, ...], ...]


class Picture(NamedTuple):
    """An SVG element that was made here; Markdown leaves it out."""

    svg: str


Block: TypeAlias = Para | Bullets | Table | Picture


class Section(NamedTuple):
    """A part of a document: `blocks` are made anew each time, `prompts` are for people to answer below."""

    key: str
    title: str
    blocks: tuple[Block, ...]
    prompts: tuple[str, ...] = ()


class Markdown:
    """CommonMark with the tables and boxes of GitHub's dialect."""

    def title(self, text: str, level: int) -> str:
        """A heading."""
        return f"{'#' * level} {self.rich((text,))}"

    def prompt(self, text: str) -> str:
        """A question to a person."""
        return f"> {self.rich((text,))}"

    def block(self, block: Block) -> str:
        """A block; empty for what Markdown cannot show."""
        match block:
            case Para(said):
                return _begun(self.rich(said))
            case Bullets(items, boxes):
                return "\n".join(f"- {'[ ] ' if boxes else ''}{_begun(self.rich(item))}" for item in items)
            case Table(head, rows):
                lines = [tuple((cell,) for cell in head), tuple(("---",) for _ in head)]
                texts = [self._row(lines[0]), "|" + " --- |" * len(head), *(self._row(row) for row in rows)]
                return "\n".join(texts)
            case Picture():
                return ""

    def _row(self, cells: Sequence[Rich]) -> str:
        return "| " + " | ".join(self.rich(cell) for cell in cells) + " |"

    def rich(self, said: Rich) -> str:
        """A line of text."""
        return "".join(self._part(part) for part in said)

    @staticmethod
    def _part(part: str | Q | Link) -> str:
        match part:
            case Q(text):
                return f"<code>{_coded(cut(_masked(text)))}</code>"
            case Link(text, url):
                return f"[{_escaped(text)}](<{_address(url)}>)" if _safe(url) else _escaped(text)
            case _:
                return _escaped(part)


class Html:
    """HTML without scripts."""

    def title(self, text: str, level: int) -> str:
        """A heading."""
        return f"<h{level}>{self.rich((text,))}</h{level}>"

    def prompt(self, text: str) -> str:
        """A question to a person."""
        return f'<p class="prompt">{self.rich((text,))}</p>'

    def block(self, block: Block) -> str:
        """A block."""
        match block:
            case Para(said):
                return f"<p>{self.rich(said)}</p>"
            case Bullets(items, boxes):
                box = '<input type="checkbox" disabled> ' if boxes else ""
                return "<ul>\n" + "".join(f"<li>{box}{self.rich(item)}</li>\n" for item in items) + "</ul>"
            case Table(head, rows):
                top = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
                body = "".join(f"<tr>{''.join(f'<td>{self.rich(cell)}</td>' for cell in row)}</tr>\n" for row in rows)
                return f"<table>\n<tr>{top}</tr>\n{body}</table>"
            case Picture(svg):
                return svg

    def rich(self, said: Rich) -> str:
        """A line of text."""
        return "".join(self._part(part) for part in said)

    @staticmethod
    def _part(part: str | Q | Link) -> str:
        match part:
            case Q(text):
                return f"<code>{html.escape(sanitise(cut(_masked(text))))}</code>"
            case Link(text, url):
                name = html.escape(sanitise(text))
                return f'<a rel="noopener noreferrer" href="{html.escape(url)}">{name}</a>' if _safe(url) else name
            case _:
                return html.escape(sanitise(part))


Dialect: TypeAlias = Markdown | Html


def cut(text: str) -> str:
    """The text, without what is beyond a length that somebody reads."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} … ({len(text) - _LONGEST} more characters)"


def _masked(text: str) -> str:
    return redact(text.encode(errors="surrogatepass"), ())[0].decode(errors="surrogatepass")


def _coded(text: str) -> str:
    return _SPECIAL.sub(_reference, sanitise(text))


def _escaped(text: str) -> str:
    """Our own words; a name in them that came from elsewhere is no markup either, and calls nobody."""
    return _coded(text).replace("&#64;", f"&#64;{_JOINER}")


def _begun(text: str) -> str:
    """A line's beginning is no list, rule, heading or code of its own."""
    text = text.lstrip()
    return _STARTS.sub(lambda found: f"&#{ord(found[0])};", text, count=1) if _STARTS.match(text) else text


def _reference(found: re.Match[str]) -> str:
    return f"&#{ord(found[0])};" if found[0].isascii() else found[0]


def _safe(url: str) -> bool:
    return bool(re.fullmatch(r"https?://[^\s<>\"'`\\]+", url))


def _address(url: str) -> str:
    return url.replace("(", "%28").replace(")", "%29").replace("&", "&amp;")


def plain(said: Rich) -> str:
    """A line of text without any markup; what looks like a secret is masked in it as well."""
    return "".join(part if isinstance(part, str) else _masked(part.text) for part in said)
