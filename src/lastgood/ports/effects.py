"""The Protocols of the effects: all that touches the world goes through one of these."""

from collections.abc import Callable
from typing import Protocol

import msgspec

from lastgood.model.command import Child, Command, Completed
from lastgood.model.event import KeptFile
from lastgood.model.facts import Fact
from lastgood.model.visit import Errand, Visit


class Conversation(Protocol):
    """A program that answers questions for as long as it is kept. Every method raises OSError where it has gone."""

    def say(self, question: bytes) -> None:
        """Hand the program a question."""
        ...

    def line(self) -> bytes:
        """The answer up to its next line end, which is left out."""
        ...

    def exactly(self, count: int) -> bytes:
        """The next `count` bytes of the answer."""
        ...

    def close(self) -> None:
        """End it."""
        ...


class Process(Protocol):
    """Runs commands. Each in a process group of its own, in a clean environment, with a hard time limit."""

    def run(
        self,
        command: Command,
        *,
        on_start: Callable[[Child], None] | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> Completed:
        """Run to the end. Never raises for what the program does; `Completed.status` is None if it was killed."""
        ...

    def talk(self, command: Command) -> Conversation:
        """Start a program that answers questions; `command.timeout` bounds each answer. Raises OSError."""
        ...

    def reap(self, child: Child, patience: float) -> bool:
        """Wait up to `patience` seconds for an orphan, then end its group. True when it is gone."""
        ...


class Response(msgspec.Struct, frozen=True):
    """An HTTP answer. Header names are lower case; `elapsed` in seconds until the whole body was read.

    `cookies` are the `Set-Cookie` headers, each by itself: joined by commas they could not be told apart.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    elapsed: float
    cookies: tuple[str, ...] = ()


class Http(Protocol):
    """Asks over HTTP. Follows no redirects."""

    def ask(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: dict[str, str] | None = None,
        timeout: float = 5.0,
        body: bytes | None = None,
    ) -> Fact[Response]:
        """One request; `timeout` bounds all of it, in seconds. Unknown says why there was no answer."""
        ...


class Browser(Protocol):
    """Shows pages as people see them, in a new browser each time, of which nothing stays."""

    def missing(self) -> str:
        """Why no browser can be used on this machine, with the command that mends it; empty where one can."""
        ...

    def visit(self, errand: Errand) -> Fact[Visit]:
        """Do the errand within its seconds, starting the browser included. Unknown says why there was nothing to see.

        Nothing that a page does raises, hangs or stays: dialogs are dismissed, downloads and further windows refused.
        """
        ...

    def last(self, url: str) -> tuple[float, Visit] | None:
        """What was seen the last time that this address was all of an errand, and how many seconds ago; None: never."""
        ...


class Files(Protocol):
    """Files on one host, written durably: synced and renamed into place."""

    def read(self, path: str) -> bytes | None:
        """The content, or None where there is no such file. Raises OSError where it cannot be read."""
        ...

    def create(self, path: str, content: bytes) -> bool:
        """Create a file with its content, atomically; False where it exists already."""
        ...

    def replace(self, path: str, content: bytes) -> None:
        """Put `content` in place of the file, atomically."""
        ...

    def remove(self, path: str) -> None:
        """Remove the file; fine where it is gone already."""
        ...

    def append(self, path: str, content: bytes) -> None:
        """Add `content` at the end in one write, so that what others add stays whole; made where it is missing."""
        ...

    def unpack(self, folder: str, archive: bytes) -> None:
        """Unpack a tar into the new `folder`, whole or not at all; nothing happens where something is there."""
        ...

    def place(self, folder: str, write: Callable[[str], None]) -> None:
        """Make a new folder, whole or not at all, of what `write` puts into a folder on this machine.

        Nothing happens where something is there.
        """
        ...

    def link(self, path: str, to: str) -> None:
        """Make `path` a symbolic link to `to` unless something is there."""
        ...

    def missing(self, paths: tuple[str, ...]) -> tuple[str, ...]:
        """Those of `paths` that do not exist, links followed."""
        ...


class Clock(Protocol):
    """Time, so that tests need not wait."""

    def now(self) -> int:
        """Unix nanoseconds, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that never jumps."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait; returns early by raising KeyboardInterrupt only."""
        ...


class Credentials(Protocol):
    """Logins for registries, from the operator's own Docker configuration."""

    def basic(self, host: str) -> str | None:
        """The value of a Basic `Authorization` header for a registry host (`docker.io` for Docker Hub).

        None where no login is configured. Raises OSError where one is, but cannot be had; its text is the reason.
        """
        ...


class Secrets(Protocol):
    """Resolves references to secrets: `env:NAME`, `file:PATH`, `command:ARGV`. Values are never logged or shown."""

    def read(self, reference: str) -> str | None:
        """The secret; None where a variable is not set. Raises OSError, without the secret, where it cannot be had."""
        ...


class Evidence(msgspec.Struct, frozen=True):
    """What a keeper kept, in which folder, and what it did not keep and why."""

    folder: str
    files: tuple[KeptFile, ...]
    lost: tuple[str, ...] = ()


class Keeper(Protocol):
    """Keeps what was seen on the operator's machine, secrets redacted."""

    def keep(self, files: dict[str, bytes]) -> Evidence:
        """Keep files by name, durably. Secrets that one of them shows are redacted in all of them. Raises OSError."""
        ...

    def kept(self, file: KeptFile) -> bytes | None:
        """What is in a file that was kept; None where it is not there, or not what was kept."""
        ...

    def clean(self, text: str, named: str = "") -> str:
        """`text` without the secrets that files have shown so far, but those in `named`, and what looks like one."""
        ...
