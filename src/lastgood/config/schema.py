"""The shape of `lastgood.yaml`. Adapters (`engine`, `pin`, …) are mappings here; their kinds know their own options."""

from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec

from lastgood.model.checklist import Check
from lastgood.model.duration import Duration
from lastgood.model.target import Order, Push, Unreachable

AdapterFile: TypeAlias = dict[str, Any]  # Any: what is in there is for the kind's own Options to say
_SHORTEST: Final = 0.05
AtLeastOne: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=1000)]


class EnvironmentFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One environment: where its services run and which branch says what runs."""

    hosts: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)] = ("local",)
    checkout: str = ""
    branch: str = "main"
    push: Push = Push.BEST_EFFORT
    state: str = "/var/lib/lastgood"
    order: Order = Order.ONE_FIRST
    unreachable: Unreachable = Unreachable.REFUSE


class GateFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How health is judged over time; what is left out comes from the HEALTHCHECK."""

    passes: AtLeastOne = 3
    interval: Duration = Duration(1)
    window: Duration | None = None
    limit: Duration | None = None

    def __post_init__(self) -> None:
        """Refuse a gate that would spin or never wait at all. Raises ValueError."""
        if self.interval < _SHORTEST:
            raise ValueError("interval must be 50ms or more")
        if self.limit is not None and self.limit < self.interval:
            raise ValueError("limit must not be shorter than interval")


class WalkBackFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far a run may walk back by itself."""

    releases: AtLeastOne = 3
    time: Duration = Duration(600)


class MigrationsFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the migrations of a release are: a folder of the code repo at its commit, or with `image` in its image."""

    folder: str = "migrations"
    repo: str = ""
    image: str = ""

    def __post_init__(self) -> None:
        """Refuse what would be in two places. Raises ValueError."""
        if self.image and (self.repo or self.folder != "migrations"):
            raise ValueError("image goes with neither repo nor folder: the migrations are in one place")


class BackupsFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where backups are kept on the database's host, and how many; an empty `folder` is one below `state`."""

    folder: str = ""
    keep: AtLeastOne = 5


class DatabaseFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A service's database. Without `dsn` it is in a container on `host`, the environment's first where it is empty."""

    migrator: str | AdapterFile = ""
    host: str = ""
    container: str = ""
    name: str = ""
    user: str = ""
    password: str = ""
    dsn: str = ""
    schema: str = ""
    migrations: MigrationsFile = MigrationsFile()
    backups: BackupsFile = BackupsFile()

    def __post_init__(self) -> None:
        """Refuse two ways to one database. Raises ValueError."""
        if self.container and self.dsn:
            raise ValueError("container goes not with dsn: there is one way to the database")


class SourceFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The code that a service is built from: `repo` is a clone or an address, `branch` "" the remote's own."""

    repo: str
    branch: str = ""


class LogsFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """For how long logs are watched for new errors after a release was proven; 0s reads them once."""

    watch: Duration = Duration(30)


class CdnFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What every kind of `cdn` has beside its own options: where customers get the page, and where it is got round it.

    An empty `page` is that of the probes.
    """

    page: str = ""
    origin: str = ""


class PointFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A point of the checklist; a person answers it unless `check` names what does. `id` is made of the text."""

    text: str
    check: Check | Literal[""] = ""
    id: str = ""


class ChecklistFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What has to be so around a rollback; what is left out is the runbook's own list."""

    before: tuple[str | PointFile, ...] | None = None
    during: tuple[str | PointFile, ...] | None = None
    after: tuple[str | PointFile, ...] | None = None


class ServiceFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One service. `envs` names the environments it exists in; left out, it exists in all."""

    engine: AdapterFile = {}
    pin: AdapterFile = {}
    registry: AdapterFile = {}
    probes: tuple[AdapterFile, ...] = ()
    flows: tuple[AdapterFile, ...] = ()
    logs: LogsFile = LogsFile()
    gate: GateFile = GateFile()
    walk_back: WalkBackFile = WalkBackFile()
    untracked: tuple[str, ...] = ()
    short_lived: Duration = Duration(300)
    envs: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)] | None = None
    database: DatabaseFile | None = None
    source: SourceFile | None = None
    cdn: AdapterFile | None = None


class ContactFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody to call, by a notifier or tracker of the file, `after` so long, about runs in `envs` (all, if empty)."""

    who: str
    by: str
    after: Duration = Duration(0)
    envs: tuple[str, ...] = ()


class BrowserFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What looks at pages as people do; without `chromium`, the first that is found on the operator's machine."""

    chromium: str = ""


class File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file. `apps` are sets of services that move together, in the order in which they are switched."""

    environments: dict[str, EnvironmentFile]
    services: dict[str, ServiceFile]
    apps: dict[str, tuple[str, ...]] = {}
    version: Literal[1] = 1
    forge: AdapterFile | None = None
    checklist: ChecklistFile = ChecklistFile()
    trackers: dict[str, AdapterFile] = {}
    notifiers: dict[str, AdapterFile] = {}
    contacts: tuple[ContactFile, ...] = ()
    browser: BrowserFile = BrowserFile()
    telemetry: dict[str, AdapterFile] = {}
