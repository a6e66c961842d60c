"""What was seen of the world in one look, each part Known or Unknown with its reason."""

import enum

import msgspec

from lastgood.model.facts import Fact, Known
from lastgood.model.quarantine import Quarantined
from lastgood.model.release import Image, Judgement, Release

_KEPT_UP = ("always", "unless-stopped")


class State(enum.StrEnum):
    """Container states as the engine names them."""

    CREATED = "created"
    RUNNING = "running"
    PAUSED = "paused"
    RESTARTING = "restarting"
    REMOVING = "removing"
    EXITED = "exited"
    DEAD = "dead"


class Container(msgspec.Struct, frozen=True):
    """One container of the service's Compose project.

    `image` is the reference it was created from, `image_id` what it really runs, `digests` the repository digests of
    that image. `health` is empty where the image has no HEALTHCHECK. `started` is ISO 8601 UTC as the engine gives
    it. `run` is the lastgood run that created it, empty where another hand did. `mine` tells the pin's containers
    from the project's others (its database, say). `restart_policy` is the engine's word, empty where it is not known.
    """

    name: str
    service: str
    image: str
    image_id: str
    digests: tuple[str, ...]
    state: State
    exit_code: int = 0
    health: str = ""
    health_log: str = ""
    restarts: int = 0
    started: str = ""
    run: str = ""
    mine: bool = True
    restart_policy: str = ""

    @property
    def oneshot_done(self) -> bool:
        """A one-shot that ended well: exited with 0 and was never restarted. That is no failure.

        What is to be kept running is no one-shot: a database that somebody stopped exits with 0 as well.
        """
        kept_up = self.restart_policy in _KEPT_UP
        return self.state is State.EXITED and self.exit_code == 0 and self.restarts == 0 and not kept_up


class LocalImage(msgspec.Struct, frozen=True):
    """An image present on a host: its id, the tags and the manifest digests it has under the pin's repository.

    `kept` are the names under which tags of lastgood's own protect it; those are not among `tags`.
    """

    image_id: str
    tags: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


class Healthcheck(msgspec.Struct, frozen=True):
    """The HEALTHCHECK that the engine runs; lengths in seconds, the engine's defaults filled in."""

    interval: float = 30.0
    timeout: float = 30.0
    retries: int = 3
    start_period: float = 0.0


class Deploying(msgspec.Struct, frozen=True):
    """A deploy that runs on a host at this moment; `seconds` since it began, `children` all processes below it."""

    pid: int
    argv: str
    seconds: float
    children: tuple[int, ...] = ()


class Checkout(msgspec.Struct, frozen=True):
    """The deploy repo's checkout on a host: its branch (empty: detached), commit, and what git does not know of it.

    `dirty` are the paths that differ from the commit. `ours` are those of them, each with its SHA-256, that an earlier
    run wrote and that git does not have yet.
    """

    branch: str
    commit: str
    dirty: tuple[str, ...] = ()
    ours: tuple[tuple[str, str], ...] = ()


class HostView(msgspec.Struct, frozen=True):
    """What one host shows of a service. `checkout` is None where the engine uses none.

    `platform` is its engine's (`linux/arm64`), empty where it is not known.
    """

    containers: Fact[tuple[Container, ...]]
    images: Fact[tuple[LocalImage, ...]]
    healthcheck: Healthcheck | None = None
    compose: tuple[str, ...] = ()
    checkout: Fact[Checkout] | None = None
    deploys: Fact[tuple[Deploying, ...]] = Known(())
    platform: str = ""


class EngineHealth(msgspec.Struct, frozen=True):
    """What only `doctor` asks an engine: its clock in Unix nanoseconds, and the folder that images fill up."""

    clock: Fact[int]
    root: Fact[str]


class Availability(msgspec.Struct, frozen=True):
    """What a registry says of one reference: `digest` known, or None where it says that there is no such image.

    `index` tells that there is an image for each of several platforms; `platforms` are those (`linux/arm64`), empty
    as long as nobody asked.
    """

    digest: str | None
    index: bool = False
    platforms: tuple[str, ...] = ()


class Look(msgspec.Struct, frozen=True):
    """One probe's one look. `signature` names the kind of failure, alike for alike causes; empty when it passed."""

    probe: str
    ok: bool
    said: str
    signature: str = ""
    elapsed: float = 0.0


class Tip(msgspec.Struct, frozen=True):
    """The deploy branch as fetched: its newest commit, what it pins, and whether the remote could be asked just now."""

    commit: str
    pin: Fact[Image]
    remote: Fact[str]


class Observed(msgspec.Struct, frozen=True):
    """Everything a plan is made from. `registry` maps `str(Image)` to what the registry said.

    `history` is newest first and goes back as far as was read; `complete` is False where more may lie beyond.
    `quarantine` holds the entries of the file at the tip; Unknown where it is there and cannot be read.
    """

    tip: Tip
    history: tuple[Release, ...]
    complete: bool
    hosts: dict[str, HostView]
    registry: dict[str, Fact[Availability]]
    looks: tuple[Look, ...] = ()
    judgements: tuple[Judgement, ...] = ()
    lease: str = ""
    quarantine: Fact[tuple[Quarantined, ...]] = Known(())
