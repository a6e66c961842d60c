"""The Protocols: four effects that touch the world, and the plug-in families that only translate.

How to add a member to a family (an engine, a pin, a registry, a probe): write one file in the family's folder, named
after the `kind` people will write in `lastgood.yaml`. It defines `Options`, a frozen msgspec Struct with
`forbid_unknown_fields`, whose defaults can be said aloud, and a function `make(options)` that returns the member.
Members are dumb: no policy, no I/O beyond the effect they are handed. Do not correct input, do not assume; raise, or
answer Unknown, and say why. The family's conformance suite in `tests/families/` finds the new file by itself.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import msgspec

from lastgood.model.command import Child, Command, Completed
from lastgood.model.facts import Fact, Verdict
from lastgood.model.observed import Availability, Container, EngineHealth, HostView, Look
from lastgood.model.release import Image, Release
from lastgood.model.step import EngineStep, RenderStep
from lastgood.model.target import Target


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
    """An HTTP answer. Header names are lower case; `elapsed` in seconds until the whole body was read."""

    status: int
    headers: dict[str, str]
    body: bytes
    elapsed: float


class Http(Protocol):
    """Asks over HTTP. Follows no redirects."""

    def ask(
        self, url: str, *, method: str = "GET", headers: dict[str, str] | None = None, timeout: float = 5.0
    ) -> Fact[Response]:
        """One request; `timeout` bounds all of it, in seconds. Unknown says why there was no answer."""
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


class Engine(Protocol):
    """Switches what runs: turns steps into commands and answers into facts."""

    def questions(self, target: Target, repository: str) -> tuple[Command, ...]:
        """How to look at a service; read-only commands that may run side by side."""
        ...

    def glance(self, target: Target, repository: str) -> tuple[Command, ...]:
        """The part of `questions` that changes from second to second, for looking again and again."""
        ...

    def follow_up(self, answers: Sequence[Completed]) -> tuple[Command, ...]:
        """What the answers to `questions` or `glance` make it possible to ask; read-only, empty where nothing."""
        ...

    def read(self, answers: Sequence[Completed]) -> HostView:
        """Answers to `questions` or `glance` and to their `follow_up`, as facts; Unknown where they cannot be read."""
        ...

    def file(self, target: Target) -> str:
        """The path, in the deploy repo, of the file that says how the service runs."""
        ...

    def services(self, content: bytes, variables: dict[str, str], repository: str) -> tuple[str, ...]:
        """The Compose services that use the pin's image, as far as the file tells. Raises ValueError."""
        ...

    def files(self, step: RenderStep, variables: dict[str, str], run: str) -> dict[str, bytes]:
        """What `render` and a switch need in `step.folder` beside `tree/`, by file name. Raises ValueError."""
        ...

    def render(self, target: Target, step: RenderStep, compose: tuple[str, ...]) -> tuple[Command, ...]:
        """Read-only commands that check what would run out of an exported tree. Their output may hold secrets."""
        ...

    def rendered(self, step: RenderStep, answers: Sequence[Completed]) -> tuple[str, ...]:
        """What is wrong with the rendering, in sentences; empty when it may be switched to."""
        ...

    def binds(self, step: RenderStep, answers: Sequence[Completed]) -> tuple[str, ...]:
        """Paths below the exported tree that the rendering mounts: where one is missing, the switch must not begin."""
        ...

    def commands(self, target: Target, step: EngineStep) -> tuple[Command, ...]:
        """What carries the step out; `--dry-run` prints these."""
        ...

    def happened(self, step: EngineStep, seen: HostView, since: int, run: str) -> Verdict:
        """Whether the step took effect, from reality alone.

        `since` is when it was begun, Unix nanoseconds; `run` is whose label a marked switch left on the containers.
        """
        ...

    def evidence(self, target: Target, seen: HostView) -> tuple[tuple[str, Command], ...]:
        """Read-only commands whose output is worth keeping before a switch, by file name."""
        ...

    def health_questions(self) -> tuple[Command, ...]:
        """Read-only commands for `doctor`: what the engine says of itself."""
        ...

    def read_health(self, answers: Sequence[Completed]) -> EngineHealth:
        """Answers to `health_questions` as facts; Unknown where they cannot be read."""
        ...


class Pin(Protocol):
    """Reads and rewrites the place in a file that says which image runs."""

    def read(self, content: bytes) -> Image:
        """The pinned image. Raises PinUnreadable."""
        ...

    def write(self, content: bytes, image: Image, *, add_digest: bool = False) -> bytes:
        """`content` with `image` pinned: only the lines that must change do, byte for byte.

        The digest is written where the file has a place for one, or one is asked for by `add_digest`. Raises
        PinUnreadable where reading the result back would not give `image`.
        """
        ...

    def variables(self, content: bytes) -> dict[str, str]:
        """The file's values flattened to variables for Compose interpolation (`image.tag` is `IMAGE_TAG`)."""
        ...


class Registry(Protocol):
    """Says whether an image can be had, and under which digest."""

    def available(self, http: Http, image: Image, credentials: "Credentials") -> Fact[Availability]:
        """What the registry has under `image`. A failed login is Unknown, never gone."""
        ...


class Credentials(Protocol):
    """Logins for registries, from the operator's own Docker configuration."""

    def basic(self, host: str) -> str | None:
        """The value of a Basic `Authorization` header for a registry host (`docker.io` for Docker Hub).

        None where no login is configured. Raises OSError where one is, but cannot be had; its text is the reason.
        """
        ...


class Probe(Protocol):
    """One way to look at a service's health."""

    @property
    def name(self) -> str:
        """How the probe is called in output, for example its URL."""
        ...

    def look(self, http: Http, image: Image, containers: tuple[Container, ...]) -> Look:
        """Look once, expecting `image` to answer; `containers` are the pin's, as seen just now on every host."""
        ...


class DeployRepo(Protocol):
    """The deploy repo's history, read and added to in a bare copy of lastgood's own."""

    def lock(self) -> AbstractContextManager[None]:
        """Keep other lastgood processes from changing the copy meanwhile."""
        ...

    def fetch(self) -> Fact[str]:
        """Bring the branch up to date. Known(remote's address), or Unknown with why the remote did not answer."""
        ...

    def tip(self) -> str:
        """The branch's newest commit in the copy. Raises GitUnavailable where there is none."""
        ...

    def touching(self, path: str, start: str) -> Iterator["CommitInfo"]:
        """First-parent commits that changed `path`, newest first, read lazily in pages."""
        ...

    def releases(self, pin: Pin, path: str, start: str) -> Iterator[Release]:
        """The releases of the pin at `path`, newest first from `start`, read as far as they are asked for."""
        ...

    def blob(self, commit: str, path: str) -> bytes | None:
        """A file at a commit (or tree), or None where it is not there."""
        ...

    def resolve(self, name: str) -> str | None:
        """The full id of the commit that `name` (a hash or its beginning) means on the branch, or None."""
        ...

    def changed(self, older: str, newer: str, folder: str = "") -> tuple[str, ...]:
        """Paths that differ between two commits or trees, below `folder`."""
        ...

    def with_files(self, tree: str, files: dict[str, bytes | None]) -> str:
        """The id of a new tree: `tree` (or a commit's) with files put in place or, where None, taken out."""
        ...

    def undo(self, tree: str, commit: str, folder: str) -> str:
        """The id of `tree` with what `commit` changed below `folder` reversed. Raises PathConflict with the files."""
        ...

    def diff(self, older: str, newer: str, folder: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Path and unified diff lines of each file below `folder` that differs."""
        ...

    def export(self, tree: str, into: str) -> None:
        """Write out a tree as files into an empty folder on this machine."""
        ...

    def commit(self, tree: str, parent: str, message: str) -> str:
        """A new commit object, signed where the user's git signs; its id. Nothing refers to it yet."""
        ...

    def push(self, commit: str) -> "Pushed":
        """Offer the commit to the remote branch as a fast-forward, never by force."""
        ...

    def find_trailer(self, key: str, value: str, limit: int) -> str | None:
        """The newest first-parent commit among the last `limit` with such a trailer, or None."""
        ...

    def shallow(self) -> bool:
        """Whether history ends early because the copy is shallow."""
        ...


class CommitInfo(msgspec.Struct, frozen=True):
    """A commit's outside: `parent` is the first parent, empty at the root; `at` is the commit time, Unix seconds."""

    commit: str
    parent: str
    at: int
    author: str
    subject: str
    body: str


class Pushed(msgspec.Struct, frozen=True):
    """How a push went: `moved` when the branch has commits of others, `refused` when the remote's rules said no."""

    ok: bool
    moved: bool = False
    refused: bool = False
    because: str = ""


class Keeper(Protocol):
    """Keeps what was seen on the operator's machine, secrets redacted."""

    def keep(self, files: dict[str, bytes]) -> str:
        """Keep files by name; the folder they are in. Secrets that one of them shows are redacted in all of them."""
        ...


@dataclass(frozen=True)
class Tools:
    """One target's members and the effects, put together once by the composition root and handed down."""

    process: Process
    http: Http
    files: Files
    clock: Clock
    credentials: Credentials
    repo: DeployRepo
    engine: Engine
    pin: Pin
    registry: Registry
    probes: tuple[Probe, ...]
