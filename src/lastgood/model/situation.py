"""What a diagnosis is made from: all that was seen of one service, each part known, or unknown with its reason."""

import msgspec

from lastgood.model.command import Secret
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.observed import Look, State
from lastgood.model.report import Health
from lastgood.model.telemetry import Figure, Routing, Series
from lastgood.model.visit import Visit

NOT_ASKED = Unknown("not asked")


class Symptom(msgspec.Struct, frozen=True):
    """What an engine tells of one container when it is asked why it fails.

    `log` is the end of its log as it stands, lines with the engine's own time before them. `variables` is its
    environment, which may hold secrets, so that these can be masked: it is never shown. `created` in Unix seconds.
    """

    name: str
    error: str
    oom: bool
    created: int
    log: Fact[bytes]
    variables: tuple[tuple[str, Secret], ...] = ()


class Body(msgspec.Struct, frozen=True):
    """One container of the service's project; `mine` tells the pin's from the others (a database, say).

    `error` is the engine's own reason why it could not be started, `oom` that the kernel killed it for memory.
    `created` and `started` are Unix seconds, 0 where not known: a container that restarts keeps the first. `kept_up`
    tells that its restart policy would start it again after any exit.
    """

    name: str
    mine: bool = True
    state: State = State.RUNNING
    exit_code: int = 0
    error: str = ""
    oom: bool = False
    restarts: int = 0
    health: str = ""
    health_log: str = ""
    created: int = 0
    started: int = 0
    host: str = "local"
    kept_up: bool = False


class Line(msgspec.Struct, frozen=True):
    """A log line, harmless on a terminal and with secrets masked; `at` in Unix seconds, 0 where not known."""

    text: str
    at: int = 0


class Log(msgspec.Struct, frozen=True):
    """The end of one container's log; `cut` tells that it was longer than what is read of one."""

    container: str
    lines: tuple[Line, ...]
    mine: bool = True
    cut: bool = False


class Change(msgspec.Struct, frozen=True):
    """One commit of the deploy branch that touched the service; `at` in Unix seconds.

    `image` tells that it pinned another one, from `before` to `after`. `keys` are the configuration's keys on changed
    lines, `added` and `removed` those lines themselves with secrets masked, `files` what else of the folder it
    changed. `parent` is the commit to go back to.
    """

    at: int
    commit: str = ""
    parent: str = ""
    subject: str = ""
    author: str = ""
    image: bool = False
    before: str = ""
    after: str = ""
    keys: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    @property
    def configures(self) -> bool:
        """Whether it changed configuration."""
        return bool(self.keys or self.files)


class SchemaSeen(msgspec.Struct, frozen=True):
    """The database's schema against the release that runs: what either of them has and the other lacks."""

    version: str
    dirty: bool = False
    missing: tuple[str, ...] = ()
    pending: tuple[str, ...] = ()


class Disk(msgspec.Struct, frozen=True):
    """A file system: the part of it that is free, and of its inodes (1 where it has no fixed number)."""

    path: str
    free: float
    inodes: float = 1.0


class HostSeen(msgspec.Struct, frozen=True):
    """A host: load average of one minute for each processor, and the part of its memory that is available."""

    host: str
    load: float
    memory: float
    disks: tuple[Disk, ...] = ()


class Neighbour(msgspec.Struct, frozen=True):
    """Another service of the environment, looked at once."""

    name: str
    health: Health
    because: str = ""


class Asset(msgspec.Struct, frozen=True):
    """A script or style that a page names: status and type it was answered with; `size` in bytes, None: not known.

    `status` is 0 where nothing answered, as `because` says. `module` tells that it is loaded as a JavaScript module.
    """

    url: str
    status: int
    kind: str = ""
    size: int | None = None
    because: str = ""
    module: bool = False


class Page(msgspec.Struct, frozen=True):
    """A page and what a browser would load for it. `blank` tells that it shows nothing and runs nothing.

    `cached` tells that a cache between here and the service answered.
    """

    url: str
    status: int
    assets: tuple[Asset, ...] = ()
    blank: bool = False
    cached: bool = False


class Pinned(msgspec.Struct, frozen=True):
    """The image that git pins: whether the registry has it, whether every host does, whether it is what runs."""

    name: str
    available: Fact[bool]
    here: Fact[bool]
    runs: Fact[bool]


class Back(msgspec.Struct, frozen=True):
    """The last good release: its name, and whether every host has its image already."""

    name: str
    here: bool


class Watched(msgspec.Struct, frozen=True):
    """What one source of telemetry tells; None, and no figure, for what it does not watch.

    `log` is what the service wrote, also in containers that are gone. `late` says why the source is silent.
    """

    name: str
    figures: dict[Figure, Fact[Series]] = {}
    log: Fact[Log] | None = None
    routing: Fact[Routing] | None = None
    late: str = ""


class Situation(msgspec.Struct, frozen=True):
    """One service at one moment, `now` in Unix seconds.

    `changes` are newest first, by git as fetched from `remote`, None where nobody asked. `schema` is None where
    lastgood knows of no database, `page` and `visit` (that page in a browser, at its own origin) where the service
    shows none. `verified` tells that what runs has passed a gate before. `watched` is what watches it
    from outside, `earlier` what log stores have from before the newest change.
    """

    target: str
    now: int
    bodies: Fact[tuple[Body, ...]]
    looks: tuple[Look, ...] = ()
    logs: Fact[tuple[Log, ...]] = NOT_ASKED
    changes: Fact[tuple[Change, ...]] = NOT_ASKED
    schema: Fact[SchemaSeen] | None = None
    hosts: Fact[tuple[HostSeen, ...]] = NOT_ASKED
    neighbours: Fact[tuple[Neighbour, ...]] = NOT_ASKED
    page: Fact[Page] | None = None
    visit: Fact[Visit] | None = None
    pinned: Fact[Pinned] = NOT_ASKED
    back: Fact[Back] = NOT_ASKED
    verified: bool = False
    remote: Fact[str] | None = None
    watched: tuple[Watched, ...] = ()
    earlier: tuple[Log, ...] = ()

    @property
    def service(self) -> str:
        """The service's name."""
        return self.target.partition("/")[0]

    @property
    def env(self) -> str:
        """The environment's name."""
        return self.target.partition("/")[2]

    @property
    def mine(self) -> tuple[Body, ...]:
        """The pin's containers, as far as they are known."""
        return tuple(body for body in self.bodies.value if body.mine) if isinstance(self.bodies, Known) else ()
