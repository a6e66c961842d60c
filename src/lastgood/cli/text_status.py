"""Status as text: one screen for one target, one line each for many. Pure."""

from collections.abc import Iterator, Sequence

from lastgood.cli.words import commit, field, image, since, table
from lastgood.model.errors import LastgoodError
from lastgood.model.facts import Known, Unknown
from lastgood.model.observed import Container
from lastgood.model.release import short
from lastgood.model.report import Health, Status


def status_text(status: Status, now: int) -> tuple[str, ...]:
    """Everything about one target; `now` in Unix seconds."""
    return tuple(_one(status, now))


def _one(status: Status, now: int) -> Iterator[str]:
    yield f"{status.target}: {status.health}"
    yield from field("health", status.health_because)
    running = image(status.running.value) if isinstance(status.running, Known) else unknown(status.running)
    by = f"put there by lastgood run {status.run}" if status.run else ""
    yield from field("runs", running, f"since {since(status.since, now)}" if status.since else "", by)
    yield from field(
        "git pins", image(status.pinned.value) if isinstance(status.pinned, Known) else unknown(status.pinned)
    )
    yield from field("drift", status.drift or _agreement(status))
    if isinstance(status.remote, Unknown):
        yield from field("git remote", f"{unknown(status.remote)}; git is as last fetched")
    if isinstance(status.last_good, Known):
        release = status.last_good.value
        yield from field("back to", image(release.image), commit(release, now))
    else:
        yield from field("back to", unknown(status.last_good))
    yield from field("schema", status.schema.value if isinstance(status.schema, Known) else unknown(status.schema))
    yield from field("containers", *(container(each) for each in status.containers))
    yield from field("probes", *(f"{'ok  ' if look.ok else 'FAIL'} {look.probe}: {look.said}" for look in status.looks))
    yield from field("lease", status.lease)
    yield from field("next", *status.next)


def unknown(fact: Unknown) -> str:
    """An unknown fact with its reason."""
    return f"unknown: {fact.reason}"


def _agreement(status: Status) -> str:
    both = isinstance(status.running, Known) and isinstance(status.pinned, Known)
    return "none: git and runtime agree" if both else "unknown: one side cannot be seen"


def container(seen: Container) -> str:
    """One container in one line."""
    parts = [seen.state.value, seen.health, f"{seen.restarts} restarts" if seen.restarts else "", short(seen.image_id)]
    return f"{seen.name}  {', '.join(part for part in parts if part)}"


def overview_text(found: Sequence[tuple[str, Status | LastgoodError]]) -> tuple[str, ...]:
    """All targets, one line each, and what to do about the unhealthy ones."""
    if not found:
        return ("No service is configured.",)
    advice = [each for _, status in found if isinstance(status, Status) for each in status.next]
    return (*table([("TARGET", "HEALTH", "RUNS", "NOTE"), *(_row(*each) for each in found)]), *field("next", *advice))


def _row(name: str, status: Status | LastgoodError) -> tuple[str, str, str, str]:
    if isinstance(status, LastgoodError):
        return name, "unknown", "unknown", " ".join((status.what, *status.because[:1]))
    runs = status.running.value.name if isinstance(status.running, Known) else "unknown"
    healthy = status.health is Health.HEALTHY
    return name, status.health.value, runs, status.drift or ("" if healthy else status.health_because)
