"""The Protocols of the plug-in families, whose members only translate.

How to add a member to a family (an engine, a pin, a registry, a probe): write one file in the family's folder, named
after the `kind` people will write in `lastgood.yaml`. It defines `Options`, a frozen msgspec Struct with
`forbid_unknown_fields`, whose defaults can be said aloud, and a function `make(options)` that returns the member.
Members are dumb: no policy, no I/O beyond the effect they are handed. Do not correct input, do not assume; raise, or
answer Unknown, and say why. The family's conformance suite in `tests/families/` finds the new file by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from lastgood.model.command import Command, Completed
from lastgood.model.facts import Fact, Verdict
from lastgood.model.flow import FlowRun
from lastgood.model.forge import Bump, Checks, Flight, Proposal, Protection
from lastgood.model.observed import Availability, Container, EngineHealth, HostView, Look
from lastgood.model.release import Image
from lastgood.model.rival import Seen
from lastgood.model.schema import Migrations, Program, SchemaState
from lastgood.model.situation import Symptom
from lastgood.model.step import EngineStep, RenderStep
from lastgood.model.target import Target
from lastgood.ports.effects import Browser, Clock, Credentials, Http, Process, Secrets


class Engine(Protocol):
    """Switches what runs: turns steps into commands and answers into facts."""

    @property
    def pin_first(self) -> bool:
        """Whether it runs what the server's checkout of the branch says, so that the pin comes before the switch."""
        ...

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
        """The path, in the deploy repo, of the file that says how the service runs; empty where only it knows."""
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

    def symptoms(self, seen: HostView, cap: int) -> tuple[Command, ...]:
        """Read-only commands that tell why containers fail; of each log the end, at most `cap` bytes."""
        ...

    def read_symptoms(self, answers: Sequence[Completed]) -> Fact[tuple[Symptom, ...]]:
        """Answers to `symptoms` as facts."""
        ...

    def health_questions(self) -> tuple[Command, ...]:
        """Read-only commands for `doctor`: what the engine says of itself."""
        ...

    def read_health(self, answers: Sequence[Completed]) -> EngineHealth:
        """Answers to `health_questions` as facts; Unknown where they cannot be read."""
        ...

    def keep(self, repository: str, image_id: str, name: str) -> tuple[Command, ...]:
        """How to protect an image on a host by a tag of ours that speaks of `name`. Raises ValueError for no tag."""
        ...

    def let_go(self, repository: str, name: str) -> tuple[Command, ...]:
        """How to take such a tag away; the image goes as well where nothing else refers to it."""
        ...

    def sizes(self, image_ids: Sequence[str]) -> tuple[Command, ...]:
        """How to ask for the sizes of images on a host; read-only, empty where there are none."""
        ...

    def read_sizes(self, answers: Sequence[Completed]) -> Fact[dict[str, int]]:
        """Answers to `sizes`: bytes by image id."""
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

    def platforms(self, http: Http, image: Image, credentials: "Credentials") -> Fact[tuple[str, ...]]:
        """The platforms that there is an image for under `image`, as `linux/arm64`. Costs further requests."""
        ...

    def tags(self, http: Http, repository: str, credentials: "Credentials") -> Fact[tuple[str, ...]]:
        """Every tag of a repository, page by page. Unknown where the list has no end or could not be read whole."""
        ...


class Rival(Protocol):
    """Finds one kind of automation that would undo a rollback behind its back."""

    def questions(self, target: Target) -> tuple[Command, ...]:
        """How to look on one host; read-only commands that may run side by side."""
        ...

    def follow_up(self, target: Target, answers: Sequence[Completed]) -> tuple[Command, ...]:
        """What the answers to `questions` make it possible to ask; read-only, empty where nothing."""
        ...

    def read(
        self, target: Target, ours: tuple[Container, ...], answers: Sequence[Completed]
    ) -> "Fact[tuple[Seen, ...]]":
        """What is there, of the host's answers; Unknown where it cannot be told. `ours` are the pin's containers."""
        ...


class Migrator(Protocol):
    """One migration tool: its files, its table in the database, and how it notes there what was done.

    SQL that a member gives is for psql with ON_ERROR_STOP, standard_conforming_strings on and any search_path: every
    name in it is quoted and has its schema.
    """

    def table(self, columns: dict[tuple[str, str], tuple[tuple[str, str], ...]], schema: str) -> str:
        """The tool's table, quoted and with its schema, among all tables of a database; empty where there is none.

        `columns` are (name, type) of every column by (schema, table), the type as `format_type` says it; `schema` is
        the connection's `current_schema()`. Raises ValueError, with what was found, where more than one could be it.
        """
        ...

    def question(self, table: str) -> str:
        """A SELECT that answers with one row of one text column, JSON: what `read` needs of that table."""
        ...

    def read(self, table: str, answer: str) -> SchemaState:
        """The answer to `question`, as facts. Raises ValueError where it cannot be read."""
        ...

    def migrations(self, files: dict[str, bytes]) -> Migrations:
        """The migrations in a folder's files, by path below it. Raises ValueError as the tool would refuse them."""
        ...

    def locks(self, database: str, schema: str, table: str) -> tuple[int, ...]:
        """The keys of the session advisory locks that the tool takes while it works; empty where it takes none.

        `table` is unquoted and without its schema. All keys are taken: the ways to start a tool differ in them.
        """
        ...

    def noting(self, state: SchemaState, undone: tuple[str, ...], to: str) -> str:
        """SQL by which the tool's table says afterwards that `undone`, newest first, were undone and `to` is applied.

        It is run last in the transaction that undoes them. `to` is empty where nothing is left.
        """
        ...

    def begun(self, state: SchemaState, undone: str, to: str) -> str:
        """SQL that notes that undoing one migration was begun, outside a transaction; empty where the tool has no such.

        It begins and commits a transaction of its own. `noting` is run after the migration, in one of its own as well.
        """
        ...

    def tool(self, state: SchemaState, undone: tuple[str, ...], to: str) -> Program | None:
        """The tool's own program that goes down to `to`, for migrations that are no SQL; None where they are SQL.

        Raises ValueError where the program would take `to` for something else.
        """
        ...


@dataclass(frozen=True)
class Line:
    """What a forge is reached with; `remote` is git's address of the repo, never shown: it may hold a login."""

    http: Http
    secrets: Secrets
    remote: str


class Forge(Protocol):
    """A host of git with more than git: a module has `make(options, line)`. Unknown never means no. Nothing raises."""

    def protected(self, branch: str) -> Fact[Protection]:
        """Whether the host refuses direct and forced pushes to the branch."""
        ...

    def propose(self, head: str, base: str, title: str, body: str) -> Fact[Proposal]:
        """Ask to have branch `head` merged into `base`, by itself where allowed. Done twice, it is the same one."""
        ...

    def proposal(self, head: str, base: str) -> Fact[Proposal | None]:
        """What became of it; None where nobody has proposed it."""
        ...

    def bumps(self, path: str, base: str) -> Fact[tuple[Bump, ...]]:
        """The open proposals to `base` that change the file at `path`."""
        ...

    def flights(self, branch: str) -> Fact[tuple[Flight, ...]]:
        """CI runs on the branch that have not ended."""
        ...

    def checks(self, commit: str, *, repo: str = "") -> Fact[Checks]:
        """What CI says of a commit; `repo` (owner/name) where it is in another repo than the deploy repo."""
        ...

    def pause(self, bump: Bump) -> Fact[Bump]:
        """Keep a bump from merging by itself. Known only once the host was seen to have it so; done twice is fine."""
        ...

    def unpause(self, bump: Bump) -> Fact[Bump]:
        """Let a paused bump merge by itself again, in the way it was to; as `pause`."""
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


@dataclass(frozen=True)
class Stage:
    """What a user flow is tried with: the effects, and the release that ought to answer; `browser` None without one.

    `repo` is the operator's deploy repo, `names` are variables for programs (`LASTGOOD_SERVICE`, `LASTGOOD_TAG`, …).
    """

    http: Http
    process: Process
    secrets: Secrets
    clock: Clock
    image: Image
    repo: str
    names: dict[str, str]
    browser: Browser | None = None


class Flow(Protocol):
    """Something that customers have to be able to do, tried at the public address. Nothing raises."""

    def missing(self, browser: Browser | None) -> str:
        """Why it cannot be tried on this machine; empty where it can, as far as can be told.

        `browser` is what there is to look at pages with.
        """
        ...

    def run(self, stage: Stage) -> FlowRun:
        """Try it once. What it gives holds no secret."""
        ...


@dataclass(frozen=True)
class Declared:
    """A flow as it is declared: by which name, and how often it is tried until it counts as failed."""

    name: str
    flow: Flow
    tries: int
