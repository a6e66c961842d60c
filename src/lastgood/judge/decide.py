"""From a situation to a diagnosis: the finding that explains most, what speaks against it, what to do. Pure."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

import msgspec

from lastgood.judge.advice import advise
from lastgood.judge.frontend import against, remarks
from lastgood.judge.inside import inside
from lastgood.judge.outside import nothing_runs, outside
from lastgood.judge.view import BLAMED, View
from lastgood.model.diagnosis import CURABLE, Confidence, Diagnosis, Evidence, Finding, Scenario, Source
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.situation import Change, Situation

# What explains the others comes first: a full disk makes databases fail, a database that is away makes panics.
_ORDER: Final = (
    Scenario.DISK_FULL,
    Scenario.CERTIFICATE,
    Scenario.DNS,
    Scenario.PORT_TAKEN,
    Scenario.IMAGE_MISSING,
    Scenario.OVERLOADED,
    Scenario.OUT_OF_MEMORY,
    Scenario.DEPENDENCY,
    Scenario.SEVERAL_DOWN,
    Scenario.MIGRATION,
    Scenario.CONFIGURATION,
    Scenario.ROUTING,
    Scenario.FRONTEND,
    Scenario.PROBE,
    Scenario.API_ERRORS,
)
_TOLD: Final = 3


def diagnose(seen: Situation) -> Diagnosis:
    """What is wrong, as far as the evidence goes. Never raises for what was seen."""
    view = View(seen)
    findings = _found(view)
    chosen = findings[0] if findings else _nothing_found(view)
    contradictions = tuple(_contradictions(view, chosen))
    if contradictions:
        chosen = msgspec.structs.replace(chosen, confidence=Confidence.LOW)
    return Diagnosis(
        target=seen.target,
        at=seen.now,
        scenario=chosen.scenario,
        what=chosen.what,
        since=_since(view, chosen),
        changed=tuple(_changed(change) for change in view.changes[:_TOLD]),
        confidence=chosen.confidence,
        evidence=(*chosen.evidence, *(one for one in view.symptoms() if one not in chosen.evidence)),
        contradictions=contradictions,
        others=findings[1:],
        unknown=tuple(_unknown(seen)),
        recommendation=advise(view, chosen, contradictions),
        key=chosen.key,
    )


def _found(view: View) -> tuple[Finding, ...]:
    found = [*outside(view), *inside(view)]
    if not view.of(Scenario.CONFIGURATION) and any(one.scenario is Scenario.CONFIGURATION for one in found):
        # The configuration has just brought the name in that cannot be reached: it was mistyped.
        found = [one for one in found if one.scenario not in (Scenario.DNS, Scenario.DEPENDENCY)]
    return tuple(sorted(found, key=lambda one: _ORDER.index(one.scenario)))


def _nothing_found(view: View) -> Finding:
    late = view.measured.slower()
    if (view.slow or late) and not view.broken:
        facts = (*(Evidence(Source.HEALTH, f"{look.probe}: {look.said}") for look in view.slow), *late)
        return Finding(Scenario.SLOW, "The service is slow, not broken.", Confidence.MEDIUM, facts)
    if (silent := view.measured.silent()) and not view.broken:
        return Finding(Scenario.UNKNOWN, "No request arrives any more.", Confidence.NONE, silent)
    unseen = view.seen.bodies.reason if isinstance(view.seen.bodies, Unknown) else ""
    why = (
        (bool(unseen), f"What runs cannot be seen: {unseen}."),
        (view.missing, "No container of the service is there."),
        (nothing_runs(view), "The service was stopped, or ended by itself."),
        (bool(view.starting), "The service is still starting."),
        (view.broken, "The service fails, and nothing that was seen tells why."),
        (not view.judged, "Nothing tells whether the service works: no probe, and no HEALTHCHECK."),
    )
    said = next((what for holds, what in why if holds), "")
    return Finding(Scenario.UNKNOWN, said, Confidence.NONE, ()) if said else _healthy(view)


def _healthy(view: View) -> Finding:
    looks = (Evidence(Source.HEALTH, f"{look.probe}: {look.said}") for look in view.seen.looks)
    states = (Evidence(Source.ENGINE, f"{body.name}: {body.health or body.state}") for body in view.mine)
    unseen = view.visit is not None and view.visit.blank is None
    confidence = Confidence.HIGH if view.seen.looks and not unseen else Confidence.MEDIUM
    facts = (*looks, *states, *remarks(view), *view.measured.fine())
    return Finding(Scenario.HEALTHY, "Nothing is seen to be wrong.", confidence, facts)


def _contradictions(view: View, chosen: Finding) -> Iterator[str]:
    """What speaks against a change being the cure of what was found."""
    if chosen.scenario not in CURABLE:
        return
    if view.too_late and chosen.scenario is not Scenario.IMAGE_MISSING and view.onset:
        began, came = _moment(view.onset), _moment(view.too_late.at)
        yield f"it began at {began}, before the newest change came at {came}"
    yield from _works(view, chosen)
    yield from _against(view, chosen)
    if chosen.scenario is Scenario.FRONTEND:
        yield from against(view)
    if chosen.scenario is not Scenario.IMAGE_MISSING and view.runs_pinned is False and _fresh(view):
        yield "what git has pinned last is not what runs"
    if view.ill and len(view.ill) == len(view.neighbours):
        yield f"it is not alone: {', '.join(one.name for one in view.ill)} is down too"


def _works(view: View, chosen: Finding) -> Iterator[str]:
    """That it is seen to work, where only its log or figures say otherwise; against a HEALTHCHECK it takes both."""
    asked = any(one.source is Source.DATABASE for one in chosen.evidence)
    if chosen.scenario not in (Scenario.API_ERRORS, Scenario.MIGRATION) or asked or view.failing or view.down:
        return
    healthy = bool(view.mine) and all(body.health == "healthy" for body in view.mine)
    if view.seen.looks:
        yield "every probe passes"
    elif healthy and not (view.measured.bad and view.signs):
        yield "every HEALTHCHECK passes"


def _against(view: View, chosen: Finding) -> Iterator[str]:
    """What those say who watch from outside."""
    if chosen.scenario is Scenario.API_ERRORS and not view.down:
        yield from view.measured.against(view.onset)
    same = next((sign for sign in view.before if sign.scenario is chosen.scenario), None)
    if same:
        yield f"the same was written before the newest change: {same.evidence().said}"


def _fresh(view: View) -> bool:
    return any(change.image and view.seen.now - change.at <= BLAMED for change in view.changes)


def _since(view: View, chosen: Finding) -> Fact[int]:
    if chosen.scenario is Scenario.HEALTHY:
        return Unknown("nothing is wrong")
    times = [one.at for one in chosen.evidence if one.at and one.source is not Source.GIT]
    first = min(times, default=view.onset)
    return Known(first) if first else Unknown("nothing that was seen tells when it began")


def _changed(change: Change) -> str:
    image = f"image {change.before or 'none'} to {change.after}" if change.image else ""
    whole = change.image and not change.before  # the first pin: all of it is new
    keys = f"keys {_some(change.keys)}" if change.keys and not whole else ""
    files = f"files {_some(change.files)}" if change.files and not whole else ""
    by = f' in {change.commit[:12]} "{change.subject}" by {change.author}' if change.commit else ""
    return f"{_moment(change.at)}: {'; '.join(part for part in (image, keys, files) if part) or 'the folder'}{by}"


def _some(names: tuple[str, ...]) -> str:
    rest = len(names) - _TOLD
    return ", ".join(names[:_TOLD]) + (f" and {rest} more" if rest > 0 else "")


def _moment(at: int) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _unknown(seen: Situation) -> Iterator[str]:
    """What could not be seen, each with its reason."""
    facts = {
        "containers": seen.bodies,
        "logs": seen.logs,
        "changes in git": seen.changes,
        "what changed since git was last fetched": seen.remote,
        "hosts": seen.hosts,
        "other services": seen.neighbours,
        "database": seen.schema,
        "page": seen.page,
        "the pinned image": seen.pinned,
    }
    for name, fact in facts.items():
        if isinstance(fact, Unknown):
            yield f"{name}: {fact.reason}"
    for watched in seen.watched:
        if watched.late:
            yield f"{watched.name}: {watched.late}"
        for what, told in (*watched.figures.items(), ("lines", watched.log), ("routing", watched.routing)):
            if isinstance(told, Unknown):
                yield f"{watched.name}, {what}: {told.reason}"
    if seen.page is not None and not isinstance(seen.visit, Known):
        reason = seen.visit.reason if seen.visit else "no browser looks"
        yield f"whether the page's scripts run without errors: {reason}"
    if isinstance(seen.visit, Known) and seen.visit.value.blank is None:
        yield "whether the page shows anything: in a browser it did not come to rest"
