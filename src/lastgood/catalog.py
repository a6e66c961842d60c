"""From a `kind` to its module: `kind: env-file` of the pins is the file `pins/env_file.py`. No registry to edit."""

import re
from importlib import import_module
from types import ModuleType
from typing import Final, Literal, TypeAlias

import msgspec

from lastgood.model.checklist import Check
from lastgood.model.errors import ConfigError
from lastgood.model.target import Adapter
from lastgood.ports import (
    Cache,
    Edge,
    Engine,
    Flow,
    Forge,
    Line,
    Migrator,
    Notifier,
    Outside,
    Pin,
    Probe,
    Registry,
    Rival,
    Telemetry,
)

Family: TypeAlias = Literal[
    "engines",
    "pins",
    "registries",
    "probes",
    "flows",
    "forges",
    "rivals",
    "migrators",
    "trackers",
    "notifiers",
    "caches",
    "telemetry",
]

_KIND: Final = re.compile(r"[a-z][a-z0-9-]*")
_ONE: Final[dict[Family, str]] = {
    "engines": "engine",
    "pins": "pin",
    "registries": "registry",
    "probes": "probe",
    "flows": "flow",
    "forges": "forge",
    "rivals": "rival",
    "migrators": "migrator",
    "trackers": "tracker",
    "notifiers": "notifier",
    "caches": "cache",
    "telemetry": "telemetry",
}
# The names that git reaches github.com by; the last is for ssh where only port 443 is open.
_GITHUB: Final = frozenset({"github.com", "www.github.com", "ssh.github.com"})


def kinds(family: Family) -> tuple[str, ...]:
    """The kinds a family has, sorted: its folder's modules, found without importing them."""
    from pkgutil import iter_modules

    found = (module.name for module in iter_modules(import_module(f"lastgood.{family}").__path__))
    return tuple(sorted(name.replace("_", "-") for name in found if not name.startswith("_")))


def load(family: Family, kind: str) -> ModuleType:
    """The module of a kind. Raises ConfigError, with the kinds there are and the nearest one, where there is none."""
    name = f"lastgood.{family}.{kind.replace('-', '_')}"
    if not _KIND.fullmatch(kind):
        raise _unknown(family, kind)
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:  # the member is there, and something that it needs is not
            raise
        raise _unknown(family, kind) from None


def options(family: Family, kind: str) -> type[msgspec.Struct]:
    """The Struct of a kind's options. Raises ConfigError as `load` does."""
    found: type[msgspec.Struct] = load(family, kind).Options
    return found


def engine(adapter: Adapter) -> Engine:
    """The configured engine."""
    made: Engine = load("engines", adapter.kind).make(adapter.options)
    return made


def pin(adapter: Adapter) -> Pin:
    """The configured pin."""
    made: Pin = load("pins", adapter.kind).make(adapter.options)
    return made


def registry(adapter: Adapter) -> Registry:
    """The configured registry."""
    made: Registry = load("registries", adapter.kind).make(adapter.options)
    return made


def probe(adapter: Adapter) -> Probe:
    """The configured probe."""
    made: Probe = load("probes", adapter.kind).make(adapter.options)
    return made


def flow(adapter: Adapter) -> Flow:
    """The declared user flow."""
    made: Flow = load("flows", adapter.kind).make(adapter.options)
    return made


def migrator(adapter: Adapter) -> Migrator:
    """The configured migrator."""
    made: Migrator = load("migrators", adapter.kind).make(adapter.options)
    return made


def forge(adapter: Adapter | None, line: Line) -> Forge:
    """The configured forge; where none is, that of the remote's host: `github` for github.com, else `link`."""
    kind = adapter.kind if adapter else forge_kind(line.remote)
    made: Forge = load("forges", kind).make(adapter.options if adapter else options("forges", kind)(), line)
    return made


def forge_kind(remote: str) -> str:
    """The kind of forge that a remote's address suggests."""
    from lastgood.model.remote import Remote

    found = Remote.parse(remote)
    return "github" if found and found.host in _GITHUB else "link"


def notifier(family: Family, adapter: Adapter, outside: Outside) -> Notifier:
    """A configured tracker or notifier."""
    made: Notifier = load(family, adapter.kind).make(adapter.options, outside)
    return made


def cache(adapter: Adapter, edge: Edge) -> Cache:
    """The configured cache."""
    made: Cache = load("caches", adapter.kind).make(adapter.options, edge)
    return made


def telemetry(adapter: Adapter, outside: Outside) -> Telemetry:
    """A configured source of telemetry."""
    made: Telemetry = load("telemetry", adapter.kind).make(adapter.options, outside)
    return made


def stateful(family: Family, kind: str) -> bool:
    """Whether only the newest message of a run counts for that kind of notifier."""
    return bool(load(family, kind).STATE)


def ticks(family: Family, kind: str) -> Check | Literal[""]:
    """The check of the checklist that a message which arrived there answers; empty for none."""
    if stateful(family, kind):
        return ""
    found: Check = load(family, kind).CHECK if family == "trackers" else "team-told"
    return found


def rivals() -> tuple[Rival, ...]:
    """Every kind of rival, with its defaults: what is looked for does not depend on a configuration."""
    members = (load("rivals", kind) for kind in kinds("rivals"))
    return tuple(member.make(member.Options()) for member in members)


def _unknown(family: Family, kind: str) -> ConfigError:
    from difflib import get_close_matches

    known = kinds(family)
    near = get_close_matches(kind, known, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return ConfigError(f"there is no {_ONE[family]} kind {kind!r}{hint}", because=(f"there are: {', '.join(known)}",))
