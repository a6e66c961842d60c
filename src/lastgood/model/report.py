"""What commands answer, as values: printed for people, or as documented JSON with `--json`."""

import enum

import msgspec

from lastgood.model.errors import Exit
from lastgood.model.facts import Fact
from lastgood.model.message import AskLine
from lastgood.model.observed import Container, Look
from lastgood.model.plan import AnyPlan, NothingToDo
from lastgood.model.quarantine import Quarantined
from lastgood.model.release import Evidence, Image, Release


class Health(enum.StrEnum):
    """Health at one look. Unknown is never healthy."""

    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    UNKNOWN = "unknown"


class Status(msgspec.Struct, frozen=True):
    """One target at one look. `since` is ISO 8601 UTC; `drift` is empty where git and runtime agree.

    `asks` is what people are called for: runs that stopped, and commands without a run.
    """

    target: str
    running: Fact[Image]
    since: str
    run: str
    pinned: Fact[Image]
    remote: Fact[str]
    drift: str
    health: Health
    health_because: str
    last_good: Fact[Release]
    schema: Fact[str]
    containers: tuple[Container, ...]
    looks: tuple[Look, ...]
    lease: str
    next: tuple[str, ...] = ()
    asks: tuple[AskLine, ...] = ()


class Past(msgspec.Struct, frozen=True):
    """One release in history. `where` says where its image is: host, registry, gone, or unknown with a reason."""

    release: Release
    evidence: Evidence
    where: str
    runs: bool
    reachable: bool


class History(msgspec.Struct, frozen=True):
    """A target's releases, newest first, and how many of the earlier ones could be gone back to."""

    target: str
    releases: tuple[Past, ...]
    reach: int
    complete: bool
    warnings: tuple[str, ...] = ()


class Planned(msgspec.Struct, frozen=True):
    """What planning came to: a plan with its digest, or that there is nothing to do. `commands` by step id."""

    plan: AnyPlan | NothingToDo
    digest: str
    commands: dict[str, tuple[str, ...]]
    signature: str = ""


class Mark(enum.StrEnum):
    """How one of `doctor`'s checks came out."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"


class Check(msgspec.Struct, frozen=True):
    """One of `doctor`'s checks."""

    name: str
    mark: Mark
    said: str
    next: tuple[str, ...] = ()


class RunLine(msgspec.Struct, frozen=True):
    """One run in `lastgood runs`. `state` is `running`, `died`, or how it ended; `started` ISO 8601 UTC."""

    run: str
    target: str
    action: str
    started: str
    state: str
    exit: Exit | None
    what: str


class QuarantineList(msgspec.Struct, frozen=True):
    """`lastgood quarantine list`. `warnings` say what could not be seen."""

    entries: tuple[Quarantined, ...]
    warnings: tuple[str, ...] = ()


class QuarantineChange(msgspec.Struct, frozen=True):
    """What `lastgood quarantine add` or `lift` did. `commit` is empty where nothing had to change.

    Where the branch takes no direct push, `exit` is 9 until somebody merges the proposal at `link`.
    """

    action: str
    target: str
    image: Image
    commit: str = ""
    because: str = ""
    exit: Exit = Exit.DONE
    link: str = ""
    next: tuple[str, ...] = ()


class Guarded(msgspec.Struct, frozen=True):
    """One pin that the guard looked at."""

    target: str
    file: str
    image: Image


class Breach(msgspec.Struct, frozen=True):
    """One reason to refuse a change: which pin of which file (image None where none can be read), why, what to do."""

    target: str
    file: str
    image: Image | None
    because: str
    next: tuple[str, ...] = ()


class GuardReport(msgspec.Struct, frozen=True):
    """`lastgood guard check`. `base` is the commit that the change began at, empty where all pins were looked at."""

    head: str
    base: str
    pins: tuple[Guarded, ...]
    breaches: tuple[Breach, ...]
    warnings: tuple[str, ...] = ()


class HookReport(msgspec.Struct, frozen=True):
    """What `lastgood guard install` or `uninstall` did. `chained` tells that another hook runs first."""

    path: str
    branches: tuple[str, ...]
    chained: bool
    said: str = ""
