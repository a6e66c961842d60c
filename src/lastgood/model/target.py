"""Targets: one service in one environment, with everything the configuration says about it resolved."""

import enum

import msgspec

from lastgood.model.duration import Duration


class Push(enum.StrEnum):
    """What to do when the deploy repo's remote cannot be written."""

    BEST_EFFORT = "best-effort"
    REQUIRED = "required"


class Order(enum.StrEnum):
    """In which order the hosts of an environment are switched."""

    ONE_FIRST = "one-first"
    ALL_AT_ONCE = "all-at-once"
    ONE_BY_ONE = "one-by-one"


class Unreachable(enum.StrEnum):
    """What to do where a host does not answer: refuse, or go on without it and end mitigated."""

    REFUSE = "refuse"
    GO_ON = "go-on"


class Adapter(msgspec.Struct, frozen=True):
    """A member of a family with its options, as configured: `kind` names the module, `options` are its own."""

    kind: str
    options: msgspec.Struct


class FlowSpec(msgspec.Struct, frozen=True):
    """A declared user flow: its name, how it is tried, and how often until it counts as failed."""

    name: str
    adapter: Adapter
    tries: int = 2


class GateSpec(msgspec.Struct, frozen=True):
    """How health is judged over time; lengths in seconds. None means: derive it from the HEALTHCHECK."""

    passes: int = 3
    interval: Duration = Duration(1)
    window: Duration | None = None
    limit: Duration | None = None


class WalkBack(msgspec.Struct, frozen=True):
    """How far a run may walk back by itself: number of releases tried, and seconds since consent."""

    releases: int = 3
    time: Duration = Duration(600)


class DatabaseSpec(msgspec.Struct, frozen=True):
    """The database of a service, as configured: how it is reached, and what moves its schema.

    With a `container` on `host` its own programs are used there; else `dsn` says where the server is. `password` and
    `dsn` are references to secrets. `migrator` is None where the tool's table in the database tells which it is.
    `migrations` is a folder of the code repo at `repo` (empty: not said where), or with `in_image` of the release's
    image. `backups` is the folder on `host` that backups are kept in, `keep` how many of them.
    """

    host: str
    container: str
    name: str
    user: str
    password: str
    dsn: str
    schema: str
    migrator: Adapter | None
    migrations: str
    repo: str
    branch: str
    in_image: bool
    backups: str
    keep: int


class Cdn(msgspec.Struct, frozen=True):
    """The cache in front of a service, as configured: what purges it, and where customers get the page.

    `pages` are public addresses of which the first that shows a page is looked at. `origin` is where the same paths are
    answered without the cache; empty where they are asked for round it.
    """

    cache: Adapter
    pages: tuple[str, ...]
    origin: str = ""


def shown(host: str) -> str:
    """A host as people call it: `local`, or an SSH host's name with its port, if it has one of its own."""
    return host.removeprefix("ssh://").rpartition("@")[2]


class Target(msgspec.Struct, frozen=True):
    """One service in one environment.

    `repo` is the operator's deploy repo (only read), `checkout` the server's; `state` is the folder on each host that
    holds leases and release folders; `untracked` names files that git does not hold but the service needs. `forge` is
    None where the remote's address says which it is, `database` where the service has none that lastgood knows, `cdn`
    where no cache is declared. `flows` are tried once the probes pass; the logs are watched for `watch` seconds after
    that. `telemetry` are the sources that watch it, by name.
    """

    service: str
    env: str
    repo: str
    branch: str
    hosts: tuple[str, ...]
    state: str
    push: Push
    engine: Adapter
    pin: Adapter
    pin_file: str
    registry: Adapter
    probes: tuple[Adapter, ...]
    gate: GateSpec
    walk_back: WalkBack
    checkout: str = ""
    untracked: tuple[str, ...] = ()
    short_lived: Duration = Duration(300)
    order: Order = Order.ONE_FIRST
    unreachable: Unreachable = Unreachable.REFUSE
    forge: Adapter | None = None
    database: DatabaseSpec | None = None
    flows: tuple[FlowSpec, ...] = ()
    watch: Duration = Duration(0)
    cdn: Cdn | None = None
    telemetry: tuple[tuple[str, Adapter], ...] = ()

    @property
    def name(self) -> str:
        """`service/env`, the name used in the journal, leases and folders."""
        return f"{self.service}/{self.env}"

    @property
    def folder(self) -> str:
        """The pin's folder in the deploy repo, the scope of configuration that goes back with a release."""
        return self.pin_file.rpartition("/")[0]

    def place(self, folder: str, ending: str) -> str:
        """The path on a host of this target's own file in one of the state's folders: `…/audit/shop-api@prod.log`."""
        return f"{self.state.rstrip('/')}/{folder}/{self.service}@{self.env}.{ending}"


class Group(msgspec.Struct, frozen=True):
    """What moves as one: a service, or an app's services in the order in which they are switched.

    `service` is the service's or the app's name. All `members` are in the same environment of the same deploy repo.
    """

    service: str
    env: str
    members: tuple[Target, ...]

    @classmethod
    def of(cls, target: Target) -> "Group":
        """One service by itself."""
        return cls(target.service, target.env, (target,))

    @property
    def name(self) -> str:
        """`service/env` or `app/env`, the name of the group's runs."""
        return f"{self.service}/{self.env}"

    @property
    def first(self) -> Target:
        """A member that speaks for what all of them share: the environment and the deploy repo."""
        return self.members[0]

    def member(self, service: str) -> Target:
        """The member that a step or a plan's part names."""
        return next(target for target in self.members if target.service == service)
