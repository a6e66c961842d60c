"""`kind: silverbullet`: a page for each run; each message is a block of ours in it, and all other text stays.

Facts from SilverBullet's source (2.4.1 in Go, 2.10.0 in Rust). `/.fs/PATH` has neither a conditional nor an atomic
write, so a page is read, looked at again right before it is written, and read back; somebody who writes in the same
few milliseconds is noticed by the last. Without `X-Sync-Mode` some versions redirect. Pages are run through Space Lua
when shown: `${…}` in text is evaluated, and code blocks of the languages space-lua and space-style are executed.
"""

import re
from typing import Annotated, Final
from urllib.parse import quote

import msgspec

from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.message import Delivered, Delivery, Message
from lastgood.outside.talk import REFERENCE, URL, Talk, Trouble
from lastgood.outside.text import facts, fenced, state, when
from lastgood.ports import Outside, Response

STATE: Final = False
CHECK: Final = "page-written"
_SYNC: Final = {"X-Sync-Mode": "true", "Accept": "application/octet-stream"}
_TRIES: Final = 3
_MISSING: Final = 404


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`url` is the space's address, with its prefix; `folder` is where pages go, `token` a reference."""

    url: Annotated[str, msgspec.Meta(pattern=URL)]
    token: Annotated[str, msgspec.Meta(pattern=REFERENCE)] = "env:SILVERBULLET_TOKEN"  # noqa: S105 - a reference
    folder: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9 _-]*(/[A-Za-z0-9][A-Za-z0-9 _-]*)*$")] = (
        "Incidents"
    )


class _Config(msgspec.Struct):
    readOnly: bool = False  # noqa: N815 - SilverBullet's own name


class _Page(msgspec.Struct):
    """A page's text, None where there is none, and the server's time of its last change."""

    text: bytes | None
    changed: str


class SilverBullet:
    """The pages of one space."""

    def __init__(self, options: Options, outside: Outside) -> None:
        self._options = options
        self._talk = Talk(outside, options.url, options.token)

    def deliver(self, message: Message, ref: str, *, again: bool) -> Delivery:  # noqa: ARG002 - it always looks first
        """Add the message's block to the run's page, which is made where there is none."""
        name = ref or self._name(message)
        try:
            for _ in range(_TRIES):
                if self._added(name, message):
                    return Delivered(f"{self._options.url.rstrip('/')}/{quote(name)}", name)
            # Somebody writes there all the time: what we have to say goes beside it, and people put it together.
            draft = f"{self._name(message)} lastgood draft"
            if self._added(draft, message):
                return Delivered(f"{self._options.url.rstrip('/')}/{quote(draft)}", name)
        except Trouble as trouble:
            return trouble.failed()
        return Trouble(f"{self._talk.host}: the page changes each time it is written", doubtful=True).failed()

    def check(self) -> Fact[str]:
        """Whether the space is read with the token, and takes changes."""
        try:
            self._talk.ask("GET", "/.fs", headers=_SYNC)
            answer = self._talk.ask("GET", "/.config", headers={"X-Sync-Mode": "true"})
            if self._talk.read(answer, _Config).readOnly:
                return Unknown(f"the space at {self._talk.host} is read-only")
        except Trouble as trouble:
            return Unknown(str(trouble))
        return Known("the space is read; that it takes pages shows when it does")

    def _name(self, message: Message) -> str:
        plain = re.sub(r"[^A-Za-z0-9_-]+", " ", message.target).strip()
        return f"{self._options.folder}/{plain} {message.run}"

    def _added(self, name: str, message: Message) -> bool:
        """Read, put our block in, look again, write, read back; False where somebody else wrote meanwhile."""
        before = self._page(name)
        if before.text is not None and all(mark(message.key).encode() in before.text for mark in (_begin, _end)):
            return True
        made = _with(before.text, message)
        if self._page(name) != before:
            return False
        after = self._written(name, made)
        if after != made and after is not None and made.startswith(after):  # cut short, and by nobody but the server
            after = self._written(name, made)
        return after == made

    def _written(self, name: str, made: bytes) -> bytes | None:
        """Write the page, and what is there then."""
        self._talk.ask("PUT", _path(name), raw=made, headers={"X-Sync-Mode": "true", "Content-Type": "text/markdown"})
        return self._page(name).text

    def _page(self, name: str) -> _Page:
        try:
            answer: Response = self._talk.ask("GET", _path(name), headers=_SYNC)
        except Trouble as trouble:
            if trouble.status == _MISSING:
                return _Page(None, "")
            raise
        return _Page(answer.body, answer.headers.get("x-last-modified", ""))


def _path(name: str) -> str:
    return "/.fs/" + "/".join(quote(part, safe="") for part in f"{name}.md".split("/"))


def _begin(key: str) -> str:
    return f"<!-- lastgood:begin {key} -->"


def _end(key: str) -> str:
    return f"<!-- lastgood:end {key} -->"


def _with(text: bytes | None, message: Message) -> bytes:
    """The page with the message's block after our last one, or at its end; every other byte stays."""
    block = f"{_begin(message.key)}\n{_block(message)}\n{_end(message.key)}\n".encode()
    if not text:
        return _head(message).encode() + block
    ends = list(re.finditer(rb"<!-- lastgood:end [\w./-]+ -->\r?\n?", text))
    at = ends[-1].end() if ends else len(text)
    gap = b"" if text[:at].endswith(b"\n") else b"\n"
    return text[:at] + gap + b"\n" + block + text[at:]


def _head(message: Message) -> str:
    """The page's properties. Only ids and names that our own rules restrict stand in them, each as quoted text."""
    rows = (("incident_id", message.run), ("target", message.target), ("started", when(message.at)))
    quoted = "".join(f"{name}: {msgspec.json.encode(value).decode()}\n" for name, value in rows)
    return f"---\ntags: [incident, rollback]\n{quoted}---\n\n# {_inert(message.action)} of {_inert(message.target)}\n\n"


def _block(message: Message) -> str:
    """Everything that others wrote stands in a code block without a language, where nothing is evaluated."""
    said = fenced("\n".join((message.what, *(f"- {each}" for each in message.because))))
    risk = f"\n\nAt risk:\n\n{fenced(chr(10).join(message.risk))}" if message.risk else ""
    then = f"\n\nNext:\n\n{fenced(chr(10).join(message.next))}" if message.next else ""
    known = fenced("\n".join(f"{name}: {value}" for name, value in facts(message)))
    return f"## {state(message)}, {when(message.at)}\n\n{said}{risk}{then}\n\n{known}"


def _inert(text: str) -> str:
    return text.replace("$", "&#36;").replace("[", "&#91;").replace("<", "&lt;").replace("#", "&#35;")


def make(options: Options, outside: Outside) -> SilverBullet:
    """The space that these options name."""
    return SilverBullet(options, outside)
