"""Where every setting of a target comes from, for `status --explain`."""

from collections.abc import Iterator

import msgspec

from lastgood.config.document import Document, Place, spoken
from lastgood.model.target import Adapter, Target


def explain(document: Document, target: Target) -> tuple[tuple[str, str, str], ...]:
    """Setting, value and origin (`default`, or the file's name and the place inside it), in the file's order."""
    environment: Place = ("environments", target.env)
    service: Place = ("services", target.service)
    return tuple(
        (setting, value, _origin(document, place))
        for setting, value, place in (
            *(("environment." + name, shown(getattr(target, name)), (*environment, name)) for name in _ENVIRONMENT),
            *_adapter("engine", target.engine, (*service, "engine")),
            *_adapter("pin", target.pin, (*service, "pin")),
            *_adapter("registry", target.registry, (*service, "registry")),
            *_probes(target, (*service, "probes")),
            *_flows(target, (*service, "flows")),
            *_gate(target, (*service, "gate")),
            ("logs.watch", shown(target.watch), (*service, "logs", "watch")),
            ("walk_back.releases", shown(target.walk_back.releases), (*service, "walk_back", "releases")),
            ("walk_back.time", shown(target.walk_back.time), (*service, "walk_back", "time")),
            ("untracked", shown(target.untracked), (*service, "untracked")),
            ("short_lived", shown(target.short_lived), (*service, "short_lived")),
            *_forge(target),
            *_database(target, (*service, "database")),
            *_cdn(target, (*service, "cdn")),
            *_telemetry(target),
        )
    )


_ENVIRONMENT = ("hosts", "checkout", "branch", "push", "state", "order", "unreachable")


def shown(value: object) -> str:
    """A setting's value as the file would have it; `none` for nothing."""
    if value is None or value in ("", (), {}):
        return "none"
    if isinstance(value, tuple):
        return ", ".join(shown(item) for item in value)
    if isinstance(value, dict):
        return ", ".join(f"{key}: {shown(item)}" for key, item in value.items())
    return str(value)


def _adapter(name: str, adapter: Adapter, place: Place) -> Iterator[tuple[str, str, Place]]:
    yield f"{name}.kind", adapter.kind, (*place, "kind")
    for field in msgspec.structs.fields(adapter.options):
        yield f"{name}.{field.encode_name}", shown(getattr(adapter.options, field.name)), (*place, field.encode_name)


def _forge(target: Target) -> Iterator[tuple[str, str, Place]]:
    if target.forge is None:
        yield "forge.kind", "by the remote's address", ("forge", "kind")
    else:
        yield from _adapter("forge", target.forge, ("forge",))


def _database(target: Target, place: Place) -> Iterator[tuple[str, str, Place]]:
    given = target.database
    if given is None:
        yield "database", "none", place
        return
    if given.migrator is None:
        yield "database.migrator", "by its table in the database", (*place, "migrator")
    else:
        yield from _adapter("database.migrator", given.migrator, (*place, "migrator"))
    for name in ("host", "container", "name", "user", "password", "dsn", "schema"):
        yield f"database.{name}", shown(getattr(given, name)), (*place, name)
    where = ("image", given.migrations) if given.in_image else ("folder", given.migrations)
    yield f"database.migrations.{where[0]}", where[1], (*place, "migrations", where[0])
    yield "database.migrations.repo", shown(given.repo), (*place, "migrations", "repo")
    yield "database.backups.folder", given.backups, (*place, "backups", "folder")
    yield "database.backups.keep", shown(given.keep), (*place, "backups", "keep")


def _cdn(target: Target, place: Place) -> Iterator[tuple[str, str, Place]]:
    if target.cdn is None:
        yield "cdn", "none", place
        return
    yield from _adapter("cdn", target.cdn.cache, place)
    yield "cdn.page", shown(target.cdn.pages), (*place, "page")
    yield "cdn.origin", shown(target.cdn.origin), (*place, "origin")


def _telemetry(target: Target) -> Iterator[tuple[str, str, Place]]:
    if not target.telemetry:
        yield "telemetry", "none", ("telemetry",)
    for name, adapter in target.telemetry:
        yield from _adapter(f"telemetry.{name}", adapter, ("telemetry", name))


def _probes(target: Target, place: Place) -> Iterator[tuple[str, str, Place]]:
    if not target.probes:
        yield "probes", "none", place
    for number, probe in enumerate(target.probes):
        yield from _adapter(f"probes[{number}]", probe, (*place, number))


def _flows(target: Target, place: Place) -> Iterator[tuple[str, str, Place]]:
    """By name only: their options are sequences, and some of them references to secrets."""
    yield "flows", ", ".join(f"{flow.name} ({flow.adapter.kind})" for flow in target.flows) or "none", place


def _gate(target: Target, place: Place) -> Iterator[tuple[str, str, Place]]:
    gate = target.gate
    yield "gate.passes", shown(gate.passes), (*place, "passes")
    yield "gate.interval", shown(gate.interval), (*place, "interval")
    window = "10 s or 3 intervals, whichever is longer" if gate.window is None else shown(gate.window)
    yield "gate.window", window, (*place, "window")
    yield "gate.limit", "from the HEALTHCHECK" if gate.limit is None else shown(gate.limit), (*place, "limit")


def _origin(document: Document, place: Place) -> str:
    return f"{document.name} {spoken(place)}" if document.has(place) else "default"
