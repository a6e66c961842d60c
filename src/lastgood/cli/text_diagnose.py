"""A diagnosis as text: what, since when, how sure, on what evidence, and what next. Pure."""

from collections.abc import Iterator

from lastgood.cli.words import ago, field, moment
from lastgood.model.diagnosis import Action, Confidence, Diagnosis, Evidence, Scenario
from lastgood.model.facts import Known

_MOST = 8
_WORDS = {
    Action.ROLLBACK: "go back to the last good release",
    Action.CONFIG_ROLLBACK: "take the configuration back",
    Action.DATABASE: "bring the database's schema in order",
    Action.RESTART: "start the same release again",
    Action.HUMAN: "a person has to look first",
    Action.NOTHING: "nothing has to be done",
}


def diagnosis_text(found: Diagnosis, now: int) -> tuple[str, ...]:
    """One screen about one target; `now` in Unix seconds."""
    return tuple(_told(found, now))


def _told(found: Diagnosis, now: int) -> Iterator[str]:
    yield f"{found.target}: {found.what}"
    sure = "" if found.confidence is Confidence.NONE else f", {found.confidence} confidence"
    yield from field("scenario", f"{found.scenario}{sure}")
    if isinstance(found.since, Known):
        yield from field("since", f"{moment(found.since.value)} ({ago(found.since.value, now)})")
    elif found.scenario is not Scenario.HEALTHY:
        yield from field("since", f"unknown: {found.since.reason}")
    yield from field("changed", *(found.changed or ("nothing is known to have changed",)))
    yield from field("evidence", *_shortened(tuple(_evidence(one) for one in found.evidence)))
    yield from field("against", *found.contradictions)
    yield from field("also", *(f"{one.scenario}: {one.what}" for one in found.others))
    yield from field("unknown", *found.unknown)
    advice = found.recommendation
    yield from field("advice", f"{_WORDS[advice.action]}: {advice.because}")
    yield from field("next", advice.command)


def _evidence(one: Evidence) -> str:
    return f"{one.source:<10} {one.said}"


def _shortened(lines: tuple[str, ...]) -> tuple[str, ...]:
    rest = len(lines) - _MOST
    return lines if rest <= 0 else (*lines[:_MOST], f"and {rest} more: --json has them")
