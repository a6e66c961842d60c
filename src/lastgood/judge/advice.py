"""The one thing to do next. A change only where its cause is known, came in time and can be undone by it. Pure."""

import shlex
from collections.abc import Iterator
from typing import Final, NamedTuple

from lastgood.judge.outside import nothing_runs
from lastgood.judge.view import View
from lastgood.model.diagnosis import (
    CURABLE,
    Action,
    Confidence,
    Destructive,
    Finding,
    Harmless,
    Recommendation,
    Scenario,
)
from lastgood.model.facts import Known, Unknown

_SURE: Final = (Confidence.HIGH, Confidence.MEDIUM)
_NO_MEMORY: Final = 0.05
_COMMIT: Final = 12
_SHOWN: Final = 120
_JUST: Final = 30 * 60
_LOGS: Final = ("docker", "logs", "--tail", "50")
_ON_CONTAINER: Final = {Scenario.PROBE: ("docker", "inspect", "--format", "{{json .State.Health}}")}
_ON_HOST: Final = {
    Scenario.DISK_FULL: ("df", "-h"),
    Scenario.OVERLOADED: ("docker", "stats", "--no-stream"),
    Scenario.OUT_OF_MEMORY: ("docker", "stats", "--no-stream"),
    Scenario.PORT_TAKEN: ("docker", "ps", "--format", "{{.Names}} {{.Ports}}"),
}


class _Cure(NamedTuple):
    action: Action
    words: tuple[str, ...]
    because: str


def advise(view: View, found: Finding, contradictions: tuple[str, ...]) -> Recommendation:
    """What to do about a finding."""
    if found.scenario is Scenario.HEALTHY:
        return Harmless(Action.NOTHING, _lastgood("check", view), "nothing is seen to be wrong")
    cure = _refused(view, found, contradictions) or _cure(view, found)
    if isinstance(cure, str):
        return _human(view, found, cure)
    return Destructive(cure.action, shlex.join(("lastgood", *cure.words)), cure.because, found.scenario)


def _refused(view: View, found: Finding, contradictions: tuple[str, ...]) -> str:
    """Why nothing may be changed, whatever would undo it; empty where something may."""
    if found.scenario is Scenario.UNKNOWN:
        return "what is wrong is not known"
    if contradictions:
        return f"the evidence contradicts itself: {contradictions[0]}"
    if found.scenario not in CURABLE:
        return "a rollback does not cure this"
    unseen = isinstance(view.seen.bodies, Unknown) or isinstance(view.seen.changes, Unknown)
    return "not enough is known to change production" if unseen or found.confidence not in _SURE else ""


def _cure(view: View, found: Finding) -> _Cure | str:
    """What undoes it; a clause where nothing known does."""
    match found.scenario:
        case Scenario.MIGRATION:
            return _schema(view)
        case Scenario.IMAGE_MISSING:
            return _image(view)
        case Scenario.OUT_OF_MEMORY if not view.hosts or any(host.memory <= _NO_MEMORY for host in view.hosts):
            return "the host has no memory left, or nobody could look"
        case Scenario.API_ERRORS:
            return _errors(view)
        case _:
            return _back(view)


def _errors(view: View) -> _Cure | str:
    """A change is blamed, or the same release is started again; unless there is a doubt."""
    doubt = next((because for holds, because in _doubts(view) if holds), "")
    if doubt:
        return doubt
    if view.suspect or view.down:
        return _back(view)
    return _Cure(Action.RESTART, ("restart", *_words(view)), "nothing changed before it began: the same release again")


def _doubts(view: View) -> Iterator[tuple[bool, str]]:
    """Why it may not be the service's own code; of one that exits it is enough that a change came before."""
    own = view.of(Scenario.API_ERRORS)
    runs = not view.down
    yield isinstance(view.seen.logs, Unknown), "what the service itself says could not be read"
    failed = any(body.error for body in view.down) and not any(sign.engine for sign in own)
    yield failed, "why the engine could not start it is not understood"
    unread = runs and not view.measured.bad and bool(view.unread)
    yield unread, f'what it writes is not understood: "{view.unread[:_SHOWN]}"'
    if view.suspect is None:
        yield runs and not own, "nothing changed before it began, and nothing that was written blames the service"
    else:
        older = view.seen.now - view.began(view.suspect) > _JUST
        yield runs and older and view.onset is None, "nothing tells when it began, and the newest change is older"


def _back(view: View) -> _Cure | str:
    """Undo the change that came before the failure."""
    change = view.suspect
    if change is None:
        return "nothing changed before it began, so there is nothing to take back"
    if change.image:
        because = f"it began after {change.after or 'another image'} was pinned"
        return _Cure(Action.ROLLBACK, ("rollback", *_words(view)), because)
    if not change.configures:
        return "what changed is not known"
    to = ("--to", change.parent[:_COMMIT]) if change.parent else ()
    because = "it began after only the configuration changed"
    return _Cure(Action.CONFIG_ROLLBACK, ("rollback", *_words(view), "--config-only", *to), because)


def _schema(view: View) -> _Cure | str:
    schema = view.seen.schema
    if isinstance(schema, Unknown):
        return "the database cannot be asked"
    if isinstance(schema, Known) and schema.value.dirty:
        because = "a dirty schema stops every release: first what was really applied"
        return _Cure(Action.DATABASE, ("db", "resolve", *_words(view)), because)
    if isinstance(schema, Known) and schema.value.missing:
        because = "the database is ahead of the release: its schema goes back"
        return _Cure(Action.DATABASE, ("db", "down", *_words(view)), because)
    if schema is None and any(sign.stuck for sign in view.of(Scenario.MIGRATION)):
        return "the database itself stops every release, and lastgood does not know it"
    return _back(view)


def _image(view: View) -> _Cure | str:
    pinned = view.seen.pinned.value if isinstance(view.seen.pinned, Known) else None
    if not nothing_runs(view):
        return "another release serves: the image has to be pushed, or the pin taken back"
    if pinned is None or isinstance(pinned.available, Unknown):
        return "the registry did not say that the image is gone"
    if not isinstance(view.seen.back, Known) or not view.seen.back.value.here:
        return "the last good release's image is not on the hosts either"
    return _Cure(Action.ROLLBACK, ("rollback", *_words(view)), f"{view.seen.back.value.name} is still on the hosts")


def _human(view: View, found: Finding, because: str) -> Harmless:
    return Harmless(Action.HUMAN, _look(view, found), because)


def _look(view: View, found: Finding) -> str:
    """A command that only looks, where the cause is."""
    body = next(iter((*view.others_down, *view.down, *view.unhealthy, *view.mine)), None)
    match found.scenario:
        case Scenario.DISK_FULL | Scenario.OVERLOADED | Scenario.OUT_OF_MEMORY | Scenario.PORT_TAKEN:
            return _there(view, _ON_HOST[found.scenario])
        case Scenario.PROBE | Scenario.DEPENDENCY | Scenario.DNS | Scenario.API_ERRORS if body:
            return _there(view, (*_ON_CONTAINER.get(found.scenario, _LOGS), body.name), body.host)
        case Scenario.FRONTEND if view.visit:
            return f"{_lastgood('diagnose', view)} --screenshot page.png"
        case Scenario.SEVERAL_DOWN:
            return "lastgood status"
        case Scenario.MIGRATION if view.seen.schema is not None:
            return _lastgood("db status", view)
        case _:
            return _lastgood("doctor" if found.scenario is Scenario.UNKNOWN else "status", view)


def _there(view: View, argv: tuple[str, ...], host: str = "") -> str:
    """A command on a host as a person types it."""
    body = next(iter(view.mine), None)
    place = host or (body.host if body else "local")
    if place == "local":
        return shlex.join(argv)
    return shlex.join(("ssh", place, shlex.join(argv)))


def _lastgood(verb: str, view: View) -> str:
    return shlex.join(("lastgood", *verb.split(), *_words(view)))


def _words(view: View) -> tuple[str, ...]:
    return (view.seen.service, view.seen.env)
