"""The Protocols: the effects that touch the world, the plug-in families that only translate, and the deploy repo."""

from collections.abc import Callable
from dataclasses import dataclass

from lastgood.model.release import Image
from lastgood.ports.effects import (
    Browser,
    Clock,
    Conversation,
    Credentials,
    Evidence,
    Files,
    Http,
    Keeper,
    Process,
    Response,
    Secrets,
)
from lastgood.ports.families import (
    Declared,
    Engine,
    Flow,
    Forge,
    Line,
    Migrator,
    Pin,
    Probe,
    Registry,
    Rival,
    Stage,
)
from lastgood.ports.outside import Cache, Edge, Notifier, Outside, Telemetry, Tracker
from lastgood.ports.repo import CommitInfo, DeployRepo, Pushed

__all__ = [
    "Browser",
    "Cache",
    "Clock",
    "CommitInfo",
    "Conversation",
    "Credentials",
    "Declared",
    "DeployRepo",
    "Edge",
    "Engine",
    "Evidence",
    "Files",
    "Flow",
    "Forge",
    "Http",
    "Keeper",
    "Line",
    "Migrator",
    "Notifier",
    "Outside",
    "Pin",
    "Probe",
    "Process",
    "Pushed",
    "Registry",
    "Response",
    "Rival",
    "Secrets",
    "Stage",
    "Telemetry",
    "Tools",
    "Tracker",
]


@dataclass(frozen=True)
class Tools:
    """One target's members and the effects, put together once by the composition root and handed down.

    `files` gives a host's files. `registry_http` and `credentials` reach the registry as the servers do. `stage` gives
    what `flows` are tried with, for the release that ought to answer.
    `telemetry` are the sources that watch the target, by name, whose requests all end within the seconds it is given.
    """

    process: Process
    http: Http
    registry_http: Http
    files: Callable[[str], Files]
    clock: Clock
    credentials: Credentials
    repo: DeployRepo
    engine: Engine
    pin: Pin
    registry: Registry
    probes: tuple[Probe, ...]
    forge: Callable[[], Forge] | None = None
    flows: tuple[Declared, ...] = ()
    stage: Callable[[Image], Stage] | None = None
    cache: Callable[[], Cache] | None = None
    browser: Browser | None = None
    telemetry: Callable[[float], dict[str, Telemetry]] | None = None
