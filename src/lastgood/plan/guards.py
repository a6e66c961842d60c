"""What must hold before a plan may be made at all. Each refusal says why and what to do."""

from lastgood.model.errors import Refused
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.observed import Checkout, Observed
from lastgood.model.target import Push, Target, shown
from lastgood.plan.running import Running


def check(target: Target, observed: Observed, running: Running, *, named: bool) -> None:
    """Raise Refused when a rollback must not be planned. `named` tells that a person gave `--to`."""
    _compose(observed)
    _checkouts(target, observed)
    _judgeable(target, observed)
    _remote(target, observed)
    if not named:
        _quarantine(target, observed)
        _recognised(target, observed, running)


def _compose(observed: Observed) -> None:
    for host, view in observed.hosts.items():
        if not view.compose and view.checkout is None:  # a team's script knows by itself what it needs
            raise Refused(
                f"Neither `docker compose` nor `docker-compose` works on {shown(host)}.",
                next=("install the Compose plugin (version 2 or newer)", "lastgood doctor"),
            )


def _checkouts(target: Target, observed: Observed) -> None:
    """A deploy script runs what is in the server's checkout, so nobody's unfinished work may be in there."""
    for host, view in observed.hosts.items():
        if view.checkout is None:
            continue
        why = unfit(target, view.checkout)
        if why:
            raise Refused(
                f"The checkout {target.checkout} on {shown(host)} cannot be deployed from.",
                because=why,
                next=looks(target, host),
            )


def unfit(target: Target, seen: Fact[Checkout]) -> tuple[str, ...]:
    """Why a server's checkout cannot be deployed from; empty where it can."""
    if isinstance(seen, Unknown):
        return (seen.reason,)
    there = seen.value
    if there.branch != target.branch:
        return (f"it is on {there.branch or 'no branch'}, not on {target.branch}",)
    return tuple(f"changed there and not committed: {path}" for path in there.dirty)


def looks(target: Target, host: str) -> tuple[str, ...]:
    """The commands by which a person sees what is in a server's checkout."""
    there = "" if host == "local" else f"ssh {host} "
    git = f"{there}git -C {target.checkout}"
    return (f"{git} status", f"{git} diff", f"{git} log --oneline origin/{target.branch}..HEAD")


def _judgeable(target: Target, observed: Observed) -> None:
    checked = any(view.healthcheck for view in observed.hosts.values())
    if target.probes or checked:
        return
    raise Refused(
        f"Nothing can tell whether {target.name} is healthy.",
        because=("no probe is configured", "the running image has no HEALTHCHECK"),
        next=(
            f"add to lastgood.yaml under services.{target.service}: probes: [{{kind: http, url: …}}]",
            "or, where running containers are all there is to see: probes: [{kind: container}]",
        ),
    )


def _remote(target: Target, observed: Observed) -> None:
    remote = observed.tip.remote
    if target.push is Push.REQUIRED and isinstance(remote, Unknown):
        raise Refused(
            "The deploy repo's remote does not answer, and this environment requires a push.",
            because=(remote.reason,),
            next=("git ls-remote origin", f"or set environments.{target.env}.push to best-effort"),
        )


def _quarantine(target: Target, observed: Observed) -> None:
    """A quarantine that cannot be read is not no quarantine: nothing is chosen without a person naming it."""
    if isinstance(observed.quarantine, Unknown):
        raise Refused(
            f"The quarantine cannot be read, so no release of {target.name} is chosen.",
            because=(observed.quarantine.reason,),
            next=(
                "mend the file in the deploy repo, then: lastgood quarantine list",
                f"lastgood rollback {target.service} {target.env} --to TAG   # if you know one to be good",
            ),
        )


def _recognised(target: Target, observed: Observed, running: Running) -> None:
    """Without a name given, what runs must be found in git: earlier than what, otherwise?"""
    if running.release or not running.containers:
        return
    seen = sorted({c.image for c in running.containers})
    pin = observed.tip.pin
    pinned = (f"git pins {pin.value}",) if isinstance(pin, Known) else ()
    raise Refused(
        f"What runs is not in git's history of the pin, so 'earlier' has no meaning for {target.name}.",
        because=(f"seen: {', '.join(seen)}", *pinned),
        next=(f"lastgood history {target.service} {target.env}", "name the release with --to TAG"),
    )
