"""How requests are led to a service that itself is fine: what the router in front of it says. Pure."""

from collections.abc import Iterator

from lastgood.judge.view import View
from lastgood.model.diagnosis import Confidence, Evidence, Finding, Scenario, Source


def routing(view: View) -> Finding | None:
    """Requests do not reach containers that run well.

    A router drops containers that are down or unhealthy: of those its view is only what follows.
    """
    if view.down or view.unhealthy or view.missing or view.starting or not view.mine:
        return None
    facts = tuple(Evidence(Source.ROUTER, said) for said in _wrong(view))
    if facts:
        confidence = Confidence.HIGH if view.failing else Confidence.MEDIUM
        return Finding(Scenario.ROUTING, "Requests are not led to the service.", confidence, facts)
    sick = view.sick
    if not sick or view.failing or view.signs or view.measured.bad:
        return None
    return Finding(Scenario.ROUTING, "The router's health check passes over the service.", Confidence.MEDIUM, sick)


def _wrong(view: View) -> Iterator[str]:
    for router in (each for one in view.routings for each in one.routers if not each.enabled):
        yield f"router {router.name} is disabled: {'; '.join(router.errors) or 'it does not say why'}"
    for one in (each for known in view.routings for each in known.services):
        if not one.there and (view.failing or not view.seen.looks):
            yield f"it knows no service {one.name}"
        elif one.there and not one.servers and not one.weights:
            yield f"{one.name} has no server"
