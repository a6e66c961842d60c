"""What `status` and `history` say, from one look at the world. Pure."""

from collections.abc import Sequence

from lastgood.model.errors import Refused
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.gate import Sample
from lastgood.model.observed import HostView, Observed
from lastgood.model.release import Image, Release
from lastgood.model.report import Health, History, Past, Status
from lastgood.model.target import Group, Target
from lastgood.plan.choose import Candidate, choose, consider, earlier, statements
from lastgood.plan.evidence import quarantine_of, weigh
from lastgood.plan.gate import DOWN, signature
from lastgood.plan.running import Running, identify


def status(target: Target, observed: Observed) -> Status:
    """One screen about one target."""
    running = _identified(observed)
    health, because = _health(observed, running)
    return Status(
        target=target.name,
        running=_running(running),
        since=min((c.started for c in running.containers), default="") if isinstance(running, Running) else "",
        run=running.run if isinstance(running, Running) else "",
        pinned=observed.tip.pin,
        remote=observed.tip.remote,
        drift=drift(observed, running),
        health=health,
        health_because=because,
        last_good=_last_good(target, observed, running),
        schema=Unknown(_schema(target)),
        containers=running.containers if isinstance(running, Running) else (),
        looks=observed.looks,
        lease=observed.lease,
        next=_next(target, health),
    )


def _schema(target: Target) -> str:
    """Why the schema's version is not told: one look at a service asks no database."""
    if target.database is None:
        return "no migrator is configured"
    return f"not asked here: lastgood db status {target.service} {target.env}"


def _identified(observed: Observed) -> Running | Unknown:
    try:
        return identify(observed)
    except Refused as error:
        return Unknown(" ".join((error.what, *error.because)))


def _running(running: Running | Unknown) -> Fact[Image]:
    if isinstance(running, Unknown):
        return running
    if running.image is None:
        return Unknown("containers run different images" if running.mixed else "no container runs")
    return Known(running.image.image)


def drift(observed: Observed, running: Running | Unknown) -> str:
    """How git and runtime disagree; empty where they agree or either is unknown."""
    pin = observed.tip.pin
    if isinstance(running, Unknown) or isinstance(pin, Unknown) or running.image is None:
        return ""
    runs = running.release.image if running.release else running.image.image
    if not runs.same(pin.value):
        return f"git pins {pin.value.name}, {runs.name} runs"
    served = observed.registry.get(str(pin.value))
    moved = isinstance(served, Known) and served.value.digest not in (None, running.image.image.digest)
    if moved and not pin.value.digest and running.image.image.digest:
        return f"the registry serves another image under {pin.value.name} than the one that runs"
    return ""


def _health(observed: Observed, running: Running | Unknown) -> tuple[Health, str]:
    """Healthy needs evidence: a probe or a HEALTHCHECK that says so."""
    if isinstance(running, Unknown):
        return Health.UNKNOWN, running.reason
    wrong = failing(observed)
    if wrong:
        return Health.UNHEALTHY, _wrong(observed, running) or wrong
    checked = [c for c in running.containers if c.health]
    if any(c.health == "starting" for c in checked):
        return Health.UNKNOWN, "a container is still starting"
    if not observed.looks and not checked:
        return Health.UNKNOWN, "no probe is configured and the image has no HEALTHCHECK"
    said = "; ".join(look.said for look in observed.looks) or "the HEALTHCHECK passes"
    return Health.HEALTHY, said


def _wrong(observed: Observed, running: Running) -> str:
    """What is wrong in words: what a probe said, or what a container's state or HEALTHCHECK says."""
    down = [c for c in running.containers if c.state in DOWN]
    states = (f"{c.name} {c.state}, exit status {c.exit_code}" for c in down)
    checks = (f"{c.name} is unhealthy: {c.health_log}" for c in running.containers if c.health == "unhealthy")
    failed = (look.said for look in observed.looks if not look.ok)
    return next((said for said in (*states, *failed, *checks) if said), "")


def failing(observed: Observed) -> str:
    """How what runs is seen to fail, as a failure signature; empty where no failure is seen."""
    sample = Sample(0.0, {host: view.containers for host, view in observed.hosts.items()}, observed.looks)
    first = signature(sample)
    # A restart long ago is no failure of now; restarts together with a failing look are a crash loop.
    return signature(sample, {}) if first else ""


def failing_of(group: Group, observed: Sequence[Observed]) -> str:
    """How what runs of a group is seen to fail; with several services, which of them does is named."""
    pairs = zip(group.members, observed, strict=True)
    found = [(target.service, said) for target, one in pairs if (said := failing(one))]
    if not found:
        return ""
    return found[0][1] if len(group.members) == 1 else ": ".join(found[0])


def _last_good(target: Target, observed: Observed, running: Running | Unknown) -> Fact[Release]:
    if isinstance(running, Unknown):
        return running
    if isinstance(observed.quarantine, Unknown):
        return observed.quarantine
    choice = choose(target.name, observed, running, target.short_lived, 1)
    if choice.candidates:
        return Known(choice.candidates[0].release)
    return Unknown("no earlier release can be gone back to" + ("" if observed.complete else ", as far as was read"))


def _next(target: Target, health: Health) -> tuple[str, ...]:
    if health is Health.UNHEALTHY:
        return (f"lastgood rollback {target.service} {target.env}",)
    return ()


def history(target: Target, observed: Observed) -> History:
    """The releases with evidence, where each image is, and how many of the earlier ones could be gone back to."""
    running = _identified(observed)
    said = statements(target.name, observed)
    quarantine = quarantine_of(target.name, observed.quarantine, observed.history)
    older = earlier(observed, running) if isinstance(running, Running) else ()
    releases = []
    for release in observed.history:
        evidence = weigh(release, said, target.short_lived, quarantine)
        reachable = isinstance(running, Running) and release in older
        found = consider(release, evidence, observed, running, said) if isinstance(running, Running) else ""
        current = isinstance(running, Running) and running.release == release
        releases.append(
            Past(release, evidence, where(release.image, observed), current, reachable and isinstance(found, Candidate))
        )
    reach = len({str(past.release.image) for past in releases if past.reachable})
    warnings = tuple(fact.reason for fact in (running, observed.quarantine) if isinstance(fact, Unknown))
    return History(target.name, tuple(releases), reach, observed.complete, warnings)


def where(image: Image, observed: Observed) -> str:
    """Where the image still is: on the host, in the registry, both, gone, or unknown with the reason."""
    on_host = any(_holds(view, image) for view in observed.hosts.values())
    asked = observed.registry.get(str(image), Unknown("not asked"))
    served = isinstance(asked, Known) and asked.value.digest is not None
    if on_host:
        return "host, registry" if served else "host"
    if isinstance(asked, Unknown):
        return f"unknown: {asked.reason}"
    return "registry" if served else "gone"


def _holds(view: HostView, image: Image) -> bool:
    if isinstance(view.images, Unknown):
        return False
    return any(
        image.tag in (*i.tags, *i.kept) or (image.digest and image.digest in i.digests) for i in view.images.value
    )
