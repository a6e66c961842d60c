"""Causes that a release, its configuration or its schema may have: what a rollback can cure. Pure."""

import re
from collections.abc import Iterator
from typing import Final

from lastgood.judge.frontend import frontend
from lastgood.judge.outside import nothing_runs
from lastgood.judge.signs import Sign
from lastgood.judge.view import View
from lastgood.model.diagnosis import Confidence, Evidence, Finding, Scenario, Source
from lastgood.model.facts import Known
from lastgood.model.observed import State

_WORD: Final = re.compile(r"[A-Za-z][\w-]*(?:\.[\w-]+)*")
_ADDRESS: Final = re.compile(r"url|uri|dsn|host|addr|endpoint|server", re.IGNORECASE)
_JUST: Final = 30 * 60
_HOST: Final = re.compile(r"[.\d-]")
_SERVER_ERROR: Final = "http 5"
# 0, and what the shell makes of SIGINT, SIGKILL and SIGTERM: somebody or the kernel ended it, no fault of its code.
_FROM_OUTSIDE: Final = (0, 130, 137, 143)


def inside(view: View) -> Iterator[Finding]:
    """Every such cause that anything speaks for, the most special first."""
    for rule in (_image, _memory, _migration, _configuration, frontend, _errors):
        found = rule(view)
        if found:
            yield found


def _image(view: View) -> Finding | None:
    """The pinned image is nowhere, or cannot be had where nothing runs."""
    pinned = view.seen.pinned.value if isinstance(view.seen.pinned, Known) else None
    if pinned is None or pinned.here != Known(value=False):
        return None
    if isinstance(pinned.available, Known):
        if pinned.available.value:
            return None
        said, confidence = f"the registry has no {pinned.name}", Confidence.HIGH
    elif nothing_runs(view):
        said, confidence = f"{pinned.name}: {pinned.available.reason}", Confidence.MEDIUM
    else:
        return None
    facts = (Evidence(Source.REGISTRY, said), Evidence(Source.ENGINE, f"{pinned.name} is on no host"))
    return Finding(Scenario.IMAGE_MISSING, f"The image {pinned.name} cannot be pulled.", confidence, facts)


def _memory(view: View) -> Finding | None:
    killed = [
        Evidence(Source.ENGINE, f"{body.name} was killed for memory", view.fell(body))
        for body in view.mine
        if body.oom and (view.broken or body.restarts)
    ]
    signs = view.of(Scenario.OUT_OF_MEMORY) if view.broken else ()
    if not killed and not signs:
        return None
    confidence = Confidence.HIGH if killed else Confidence.MEDIUM
    evidence = (*killed, *(sign.evidence() for sign in signs))
    return Finding(Scenario.OUT_OF_MEMORY, "The service runs out of memory.", confidence, evidence)


def _migration(view: View) -> Finding | None:
    """Signs in logs, and the schema's own state; a schema that only differs is none while the service works."""
    schema = view.seen.schema.value if isinstance(view.seen.schema, Known) else None
    facts = []
    if schema and schema.dirty:
        facts.append(Evidence(Source.DATABASE, f"the schema is dirty at version {schema.version}"))
    if schema and schema.missing and view.broken:
        lacks = ", ".join(schema.missing)
        facts.append(Evidence(Source.DATABASE, f"the database has migrations that the release does not know: {lacks}"))
    signs = view.of(Scenario.MIGRATION)
    if schema and schema.pending and signs:
        facts.append(Evidence(Source.DATABASE, f"not applied: {', '.join(schema.pending)}"))
    if not signs and not (schema and schema.dirty) and not (facts and view.down):
        return None
    what = "A migration failed, or the schema is not the release's."
    confidence = Confidence.HIGH if facts and signs else Confidence.MEDIUM
    return Finding(Scenario.MIGRATION, what, confidence, (*facts, *(sign.evidence() for sign in signs)))


def _configuration(view: View) -> Finding | None:
    """A validation error; or a name that does not resolve, which configuration has just brought in."""
    signs = view.of(Scenario.CONFIGURATION) if view.broken else ()
    signs = signs or _new_name(view)
    if not signs:
        return None
    keyed = next((sign.key for sign in signs if sign.key), "")
    key = keyed or (_only_key(view) if signs[0].scenario is not Scenario.CONFIGURATION else "")
    what = f"The configuration is refused: {key}." if key else "The configuration is refused."
    suspect = view.suspect
    facts: tuple[Evidence, ...] = ()
    if suspect and suspect.configures:
        facts = (Evidence(Source.GIT, f"configuration changed in {suspect.commit[:12]}", suspect.at),)
    confidence = Confidence.HIGH if keyed or facts else Confidence.MEDIUM
    return Finding(Scenario.CONFIGURATION, what, confidence, (*(sign.evidence() for sign in signs), *facts), key)


def _new_name(view: View) -> tuple[Sign, ...]:
    """Signs of something that cannot be reached by a name which the configuration has just brought in.

    An address is shown masked where it holds a password: its key tells, where nothing but configuration changed.
    """
    change = view.suspect
    if change is None or view.others_down:
        return ()
    unreached = (*view.of(Scenario.DNS), *view.of(Scenario.DEPENDENCY))
    just = (view.onset or view.seen.now) - change.at <= _JUST and not change.image
    if just and any(_ADDRESS.search(key) for key in change.keys):
        return unreached
    fresh = _names(change.added) - _names(change.removed)
    return tuple(sign for sign in unreached if fresh & _names((sign.text,)))


def _names(lines: tuple[str, ...]) -> set[str]:
    """What looks like the name of a host: it has a dot, a hyphen or a digit in it."""
    return {word for line in lines for word in _WORD.findall(line) if _HOST.search(word)}


def _only_key(view: View) -> str:
    return view.suspect.keys[0] if view.suspect and len(view.suspect.keys) == 1 else ""


def _errors(view: View) -> Finding | None:
    """Panics, stack traces, server errors: the release's code, unless something more special is found."""
    signs = view.of(Scenario.API_ERRORS)
    answers = [look for look in view.failing if look.signature.startswith(_SERVER_ERROR) and not nothing_runs(view)]
    ill = [body for body in view.unhealthy if not view.failing or answers]
    crashed = [b for b in view.down if b.exit_code not in _FROM_OUTSIDE or b.state is State.RUNNING]
    rising = view.measured.errors()
    if not signs and not answers and not ill and not crashed:
        return _measured_errors(view, rising) if rising else None
    evidence = (*(sign.evidence() for sign in signs), *rising)
    what = "The service exits." if crashed else "The service answers with errors."
    confidence = Confidence.HIGH if signs and view.broken else Confidence.MEDIUM
    return Finding(Scenario.API_ERRORS, what, confidence, evidence)


def _measured_errors(view: View, rising: tuple[Evidence, ...]) -> Finding:
    """Nothing but figures says that it fails: enough where they were seen to rise, and nothing else is written."""
    sure = view.measured.rose and view.measured.before is not None and not view.signs and not view.others_down
    confidence = Confidence.MEDIUM if sure else Confidence.LOW
    return Finding(Scenario.API_ERRORS, "The service answers with errors.", confidence, rising)
