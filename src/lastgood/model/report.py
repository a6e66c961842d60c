"""What commands answer, as values: printed for people, or as documented JSON with `--json`."""

import enum

import msgspec

from lastgood.model.errors import Exit
from lastgood.model.facts import Fact
from lastgood.model.observed import Container, Look
from lastgood.model.plan import NothingToDo, ReversiblePlan
from lastgood.model.release import Evidence, Image, Release


class Health(enum.StrEnum):
    """Health at one look. Unknown is never healthy."""

    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    UNKNOWN = "unknown"


class Status(msgspec.Struct, frozen=True):
    """One target at one look. `since` is ISO 8601 UTC; `drift` is empty where git and runtime agree."""

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

    plan: ReversiblePlan | NothingToDo
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
