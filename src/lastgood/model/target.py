"""Targets: one service in one environment, with everything the configuration says about it resolved."""

import enum

import msgspec

from lastgood.model.duration import Duration


class Push(enum.StrEnum):
    """What to do when the deploy repo's remote cannot be written."""

    BEST_EFFORT = "best-effort"
    REQUIRED = "required"


class Adapter(msgspec.Struct, frozen=True):
    """A member of a family with its options, as configured: `kind` names the module, `options` are its own."""

    kind: str
    options: msgspec.Struct


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


class Target(msgspec.Struct, frozen=True):
    """One service in one environment.

    `repo` is the operator's deploy repo (only read), `checkout` the server's; `state` is the folder on each host that
    holds leases and release folders; `untracked` names files that git does not hold but the service needs.
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

    @property
    def name(self) -> str:
        """`service/env`, the name used in the journal, leases and folders."""
        return f"{self.service}/{self.env}"

    @property
    def folder(self) -> str:
        """The pin's folder in the deploy repo, the scope of configuration that goes back with a release."""
        return self.pin_file.rpartition("/")[0]
