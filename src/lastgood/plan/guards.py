"""What must hold before a plan may be made at all. Each refusal says why and what to do."""

from lastgood.model.errors import Refused
from lastgood.model.facts import Known, Unknown
from lastgood.model.observed import Observed
from lastgood.model.target import Push, Target
from lastgood.plan.running import Running


def check(target: Target, observed: Observed, running: Running, *, named: bool) -> None:
    """Raise Refused when a rollback must not be planned. `named` tells that a person gave `--to`."""
    _compose(observed)
    _judgeable(target, observed)
    _remote(target, observed)
    if not named:
        _recognised(target, observed, running)


def _compose(observed: Observed) -> None:
    for host, view in observed.hosts.items():
        if not view.compose:
            raise Refused(
                f"Neither `docker compose` nor `docker-compose` works on {host}.",
                next=("install the Compose plugin (version 2 or newer)", "lastgood doctor"),
            )


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
