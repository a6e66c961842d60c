"""A headless Chromium on this machine, by Playwright: another process starts it, and nothing of either stays.

A page is written by anybody, and a browser that shows it is a large program: so both are in a session of their own, in
a folder of their own that is removed, with a hard end; and here there are only bytes, which are read as plain values.
"""

import os
import re
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from lastgood.effects.process import LocalProcess
from lastgood.model.command import Command
from lastgood.model.duration import spoken
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.secretive import concealed
from lastgood.model.text import sanitise
from lastgood.model.visit import Deed, Errand, Fault, Missed, Visit

PLAYWRIGHT: Final = "playwright>=1.49"

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_GRACE: Final = 2.0
_LONGEST: Final = 400
_LEAST: Final = 4
_SHORT: Final = 35
_QUERY: Final = re.compile(r"(https?://[^\s?#\"'<>]+)[?#][^\s\"'<>)]*")
_LOGIN: Final = re.compile(r"(https?://)[^\s/?#@\"'<>]+@")


class Order(msgspec.Struct, frozen=True):
    """What the other process is told: the errand, with its secrets, which Chromium, whose child it is, and where.

    `until` is on the monotonic clock, which is one for all of a machine's processes. Without `chromium` it is
    Playwright's own. It stops where `parent` is not its parent any more.
    """

    moves: tuple[tuple[Deed, str, str], ...]
    until: float
    patience: float
    hidden: tuple[str, ...]
    chromium: str
    folder: str
    parent: int
    home: str


class Answer(msgspec.Struct, frozen=True):
    """What the other process says: what was seen, or why nothing was."""

    visit: Visit | None = None
    reason: str = ""


class LocalBrowser:
    """Implements `ports.Browser`. `chromium` is the configured program; `env` the operator's environment."""

    def __init__(self, env: Mapping[str, str], chromium: str = "") -> None:
        self._env = env
        self._configured = chromium
        self._process = LocalProcess(patience=0.3)
        self._alone = threading.Lock()
        self._seen: dict[str, tuple[float, Visit]] = {}

    def missing(self) -> str:
        """Why no browser can be used here, with the command that mends it; empty where one can."""
        from importlib.util import find_spec

        if find_spec("playwright") is None:
            return f"no browser looks: {sys.executable} -m pip install '{PLAYWRIGHT}'"
        named = self._named()
        if named and not shutil.which(named):
            return f"no browser looks: there is no program {sanitise(named)}"
        if not self._program() and not any(self._downloaded().glob("chromium*")):
            return f"no browser looks: {sys.executable} -m playwright install --with-deps chromium"
        return ""

    def visit(self, errand: Errand) -> Fact[Visit]:
        """Do the errand in a new browser that nothing is left of. One works at a time; waiting for it counts."""
        missing = self.missing()
        if missing:
            return Unknown(missing)
        begun = time.monotonic()
        if not self._alone.acquire(timeout=errand.seconds):
            return Unknown("another browser is at work")
        try:
            left = max(0.0, errand.seconds - (time.monotonic() - begun))
            found = self._visit(msgspec.structs.replace(errand, seconds=left))
        finally:
            self._alone.release()
        if isinstance(found, Known) and [one.do for one in errand.moves] == ["goto"]:
            self._seen[errand.moves[0].what] = (time.monotonic(), found.value)
        return found

    def last(self, url: str) -> tuple[float, Visit] | None:
        """What was seen at an address the last time, and how many seconds ago that was; in this process only."""
        at, visit = self._seen.get(url, (0.0, None))
        return None if visit is None else (time.monotonic() - at, visit)

    def _named(self) -> str:
        return self._configured or self._env.get("LASTGOOD_CHROMIUM", "")

    def _program(self) -> str:
        """The Chromium to start; empty for Playwright's own."""
        named = self._named()
        return shutil.which(named) or "" if named else next(filter(None, map(shutil.which, _NAMES)), "")

    def _downloaded(self) -> Path:
        """Where `playwright install` puts its browsers."""
        home = self._env.get("HOME", "/")
        return Path(self._env.get("PLAYWRIGHT_BROWSERS_PATH") or f"{home}/.cache/ms-playwright")

    def _visit(self, errand: Errand) -> Fact[Visit]:
        try:
            folder = _folder()
        except OSError as error:
            return Unknown(f"the browser has no room to write in: {sanitise(error.strerror or str(error))}")
        try:
            done = self._process.run(self._command(errand, folder))
            if done.status is None:
                return Unknown(f"the browser did not come to an end within {spoken(errand.seconds)}")
            answer = msgspec.json.decode(done.stdout, type=Answer)
        except msgspec.MsgspecError:
            return Unknown("the browser did not start, or ended before its time")
        finally:
            clear(folder)
        hidden = tuple(one.reveal() for one in errand.hidden)
        if answer.visit is None:
            return Unknown(_clean(answer.reason, hidden))
        return Known(_cleaned(answer.visit, hidden))

    def _command(self, errand: Errand, folder: str) -> Command:
        """The other process. What it is told has secrets in it, so that goes by its standard input."""
        order = Order(
            moves=tuple((one.do, one.what, one.value.reveal()) for one in errand.moves),
            until=time.monotonic() + errand.seconds,
            patience=errand.patience,
            hidden=tuple(one.reveal() for one in errand.hidden),
            chromium=self._program(),
            folder=folder,
            parent=os.getpid(),
            home=self._env.get("HOME", ""),
        )
        passed = {"TMPDIR": folder, "PLAYWRIGHT_BROWSERS_PATH": self._env.get("PLAYWRIGHT_BROWSERS_PATH", "")}
        return Command(
            # -P: a module in the folder where somebody happens to stand must not be taken for one of ours
            (sys.executable, "-P", "-m", "lastgood.effects.browsing"),
            cwd=folder,
            env=tuple((name, value) for name, value in passed.items() if value),
            timeout=errand.seconds + _GRACE,
            stdin=msgspec.json.encode(order),
        )


def _folder() -> str:
    """A new folder for all that the browser writes, where its socket's path, which is below it, is not too long."""
    short = len(tempfile.gettempdir()) <= _SHORT  # unix(7): a path has at most 107 bytes
    return tempfile.mkdtemp(prefix="lastgood-browser-", dir=None if short else "/tmp")  # noqa: S108 - made with mode 0700


def clear(folder: str) -> None:
    """End every process that works in `folder`, and remove that: Playwright detaches what it starts."""
    end = time.monotonic() + _GRACE
    while (found := tuple(_of(folder))) and time.monotonic() < end:
        for pid in found:
            _kill(pid)
        time.sleep(0.01)
    shutil.rmtree(folder, ignore_errors=True)


def _of(folder: str) -> Iterator[int]:
    """All other processes that were given the folder: by their environment, Chromium's by their arguments as well.

    Chromium's helpers write a title over both, with spaces between the arguments and nothing left of the environment.
    """
    place = os.fsencode(folder)
    given, named = b"TMPDIR=" + place, re.compile(rb"(?:^|[\0 ])--[\w-]+=" + re.escape(place))
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with suppress(OSError):
                titled = named.search((entry / "cmdline").read_bytes())
                if titled or given in (entry / "environ").read_bytes().split(b"\0"):
                    yield int(entry.name)


def _kill(pid: int) -> None:
    """End a process with its group: Chromium leads one of its own, and its helpers have no folder to know them by."""
    with suppress(OSError):  # it is gone by now, or root's: Chromium's own sandbox, which ends with what it guards
        if os.getpgid(pid) != os.getpgrp():
            os.killpg(os.getpgid(pid), signal.SIGKILL)
        else:
            os.kill(pid, signal.SIGKILL)


def _cleaned(visit: Visit, hidden: tuple[str, ...]) -> Visit:
    """Every text of a visit made harmless, short, and without what must not be seen."""
    return msgspec.structs.replace(
        visit,
        url=_clean(visit.url, hidden),
        title=_clean(visit.title, hidden),
        text=_clean(visit.text, hidden),
        faults=tuple(Fault(_clean(one.said, hidden), _clean(one.url, hidden), one.promise) for one in visit.faults),
        console=tuple(Fault(_clean(one.said, hidden), _clean(one.url, hidden)) for one in visit.console),
        missed=tuple(
            Missed(_clean(one.url, hidden), _clean(one.kind, hidden), one.status, _clean(one.because, hidden))
            for one in visit.missed
        ),
        problem=_clean(visit.problem, hidden),
    )


def _clean(text: str, hidden: tuple[str, ...]) -> str:
    """One line; queries of addresses left out, as they may hold secrets."""
    text = concealed(text, (secret for secret in hidden if len(secret) >= _LEAST))
    short = _LOGIN.sub(r"\1", _QUERY.sub(r"\1", text[: 4 * _LONGEST]))
    return sanitise(" ".join(short.split()))[:_LONGEST]
