"""How a rollback would be judged, and whether somebody is at it already."""

from collections.abc import Iterator

from lastgood.diagnose.case import Case, fail, ok, unknown, warn
from lastgood.model.errors import LastgoodError
from lastgood.model.facts import Unknown
from lastgood.model.observed import Look
from lastgood.model.report import Check
from lastgood.model.text import sanitise

_UNREACHED = "no answer"


def checks(case: Case) -> tuple[Check, ...]:
    """The gate, each probe's one look, and the lease."""
    if isinstance(case.seen, LastgoodError):
        return ()
    probes = tuple(_probe(case, look) for look in case.seen.looks)
    views = case.seen.hosts.values()
    checked = any(view.healthcheck for view in views)
    blind = next((view.containers.reason for view in views if isinstance(view.containers, Unknown)), "")
    return (_gate(case, healthcheck=checked, blind=blind), *probes, *_flows(case), *_lease(case, case.seen.lease))


def _gate(case: Case, *, healthcheck: bool, blind: str) -> Check:
    name, place = f"{case.name}: gate", f"services.{case.target.service}.probes in lastgood.yaml"
    add = f"add {place}: [{{kind: http, url: …}}]"
    if case.target.probes:
        with_it = " and the HEALTHCHECK" if healthcheck else ""
        return ok(name, f"judged by the configured probes ({len(case.target.probes)}){with_it}")
    if healthcheck:
        return warn(name, "judged by the HEALTHCHECK alone: what customers get is not looked at", add)
    if blind:
        return unknown(name, f"no probe is configured, and whether there is a HEALTHCHECK cannot be seen: {blind}", add)
    said = "no probe is configured and the running image has no HEALTHCHECK: a rollback would be refused (exit 3)"
    return fail(name, said, add)


def _probe(case: Case, look: Look) -> Check:
    name, target = f"{case.name}: probe {look.probe}", case.target
    if look.ok:
        return ok(name, look.said)
    if look.said.startswith(_UNREACHED):
        then = (f"curl -v {look.probe}", f"correct services.{target.service}.probes in lastgood.yaml")
        return fail(name, f"it cannot be reached from here: {look.said}", *then)
    return warn(name, f"it fails now: {look.said}", f"lastgood status {target.service} {target.env}")


def _flows(case: Case) -> Iterator[Check]:
    """Whether the declared user flows can be tried from here; they are not, for what they do stays done."""
    for one in case.tools.flows:
        name, why = f"{case.name}: user flow {sanitise(one.name)}", one.flow.missing(case.tools.browser)
        yield warn(name, f"it cannot be tried here: {why}") if why else ok(name, "it can be tried; doctor does not")


def _lease(case: Case, held: str) -> tuple[Check, ...]:
    if not held:
        return (ok(f"{case.name}: lease", "nobody acts on it"),)
    return (warn(f"{case.name}: lease", f"held: {held}", "wait for it to end", "lastgood runs"),)
