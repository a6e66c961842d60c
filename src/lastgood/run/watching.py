"""Watches the logs of what was put there: error messages are told that neither it nor what it replaced showed before.

What is new is named and no more: whether it matters is for people. A release that no longer passes its gate once the
time is over is another matter, and fails the step.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from lastgood.judge import errors
from lastgood.judge.logs import read
from lastgood.model.details import NEW, UNREAD
from lastgood.model.duration import spoken
from lastgood.model.errors import LastgoodError
from lastgood.model.event import ErrorLine, Failure, Kept, LogErrors, StepDone, StepFailed
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.gate import Failed
from lastgood.model.situation import Log
from lastgood.model.step import WatchStep
from lastgood.model.text import sanitise
from lastgood.observe import kinds, symptoms
from lastgood.observe.kinds import Answers
from lastgood.observe.visits import SECONDS
from lastgood.plan.gate import Question, limits
from lastgood.run import caching
from lastgood.run.before import Before, before
from lastgood.run.doing import Doing
from lastgood.run.doing import seen as _seen
from lastgood.run.evidence import from_outside, keep
from lastgood.run.gate import unseen
from lastgood.run.pictures import PATIENCE, Picture

_NANO: Final = 1_000_000_000
_NAMED: Final = 3
_SHOWN: Final = 100
_SLICE: Final = 5.0
_PATIENCE: Final = 2.0
"""Seconds that hosts are still waited for, which were asked at the beginning, once the logs are read."""


def watched(step: WatchStep, doing: Doing) -> StepDone | StepFailed:
    """Wait, see that it still passes, and read the logs. Raises nothing for what the world does."""
    hosts = tuple(host for host in step.hosts if host not in doing.lost)
    asking = kinds.Asking(doing.target, doing.tools, hosts)
    picture = Picture(doing.tools, min(SECONDS, max(PATIENCE, step.seconds))) if step.seconds else None
    _wait(step, doing)
    outside = from_outside(step.id, doing)
    if picture:
        keep(doing, picture.files("page-after"))
    keep(doing, outside())
    try:
        fallen = _fallen(step, doing, hosts) if step.seconds else None
        if fallen:
            return fallen
        logs = symptoms.logs(doing.tools, {host: _seen(host, doing) for host in hosts})
        return _told(step, doing, logs, asking.answers(_PATIENCE))
    except LastgoodError as error:
        said = " ".join((error.what, *error.because))
        return StepDone(step.id, f"the logs cannot be read: {said}", {UNREAD: said})


def cut_short(step: WatchStep) -> StepDone:
    """That a person had it end before its time: production is proven, and only the watching is not."""
    return StepDone(step.id, "the logs were not watched to the end: interrupted", {UNREAD: "interrupted"})


def _wait(step: WatchStep, doing: Doing) -> None:
    """Until the time is over since the step was first begun: whoever takes a run up again does not wait anew."""
    clock = doing.tools.clock
    left = min(step.seconds, step.seconds - (clock.now() - doing.since) / _NANO)
    while left > 0:
        doing.tell(f"watching the logs of {doing.target.service}: {spoken(left)} left")
        clock.sleep(min(left, _SLICE))
        left -= _SLICE


def _fallen(step: WatchStep, doing: Doing, hosts: Sequence[str]) -> StepFailed | None:
    """That what was proven does not pass any more; None where it does, or a host cannot be seen."""
    target = msgspec.structs.replace(doing.target, hosts=tuple(hosts))
    seen = _seen(hosts[0], doing)
    old = {one.name: one.restarts for one in seen.containers.value} if isinstance(seen.containers, Known) else {}
    numbers = limits(target.gate, seen.healthcheck)
    few = msgspec.structs.replace(numbers, passes=1, window=0.0, limit=numbers.passes * numbers.interval)
    allowed = old if doing.run.plan.action != "rollback" else {}
    decision, sample, kept = caching.watched(step, doing, target, Question(step.image, few, allowed))
    if isinstance(decision, Failed) and not unseen(sample) and not kept:
        because = f"it passed, and {spoken(step.seconds)} later it does not: {decision.because}"
        return StepFailed(step.id, because, Failure.RELEASE, decision.signature)
    return None


def _told(step: WatchStep, doing: Doing, logs: Fact[tuple[Log, ...]], told: Answers) -> StepDone:
    if isinstance(logs, Unknown):
        return StepDone(step.id, f"the logs cannot be read: {logs.reason}", {UNREAD: logs.reason})
    begun = doing.run.started // _NANO if doing.run.plan.action == "restart" else 0
    after = errors.errors(logs.value, since=begun)
    earlier = errors.errors(logs.value, until=begun) if begun else ()
    past, bad = before(step, doing, told, log=bool(begun)), _left(doing)
    doing.note(LogErrors(step.id, doing.target.name, step.image.image, after))
    unread_here = errors.new(after, past.own or (), bad or (), earlier)
    alone = past.heard_of(unread_here)
    found = errors.new(unread_here, alone)
    _keep(step, doing, past, {"bad": bad, "after": after, "new": found, "from_hosts_alone": alone})
    how = f"logs watched for {spoken(step.seconds)}" if step.seconds else "logs read"
    what = _named(found) if found else "no new error messages"
    said = f"{how}: {what} ({past.told(len(alone))})"
    return StepDone(step.id, said, {NEW: str(len(found)), **past.details(len(alone))})


def _named(found: Sequence[ErrorLine]) -> str:
    lines = "; ".join(f"{sanitise(one.example)[:_SHOWN]} ({one.count} x)" for one in found[:_NAMED])
    more = f"; and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return f"{len(found)} new error message{'s' if len(found) > 1 else ''}: {lines}{more}"


def _left(doing: Doing) -> tuple[ErrorLine, ...] | None:
    """What the release that was left showed, by the logs kept of it; None where this machine kept none."""
    names = {one.partition("=")[0] for _, found in doing.run.plan.facts.running for one in found}
    kept = (entry.event for entry in doing.desk.journal.entries(doing.run.id) if isinstance(entry.event, Kept))
    files = [file for one in kept for file in one.files if one.step.partition(".")[0] == "capture"]
    logs = [
        read(name, content)
        for file in files
        if (name := file.name.removeprefix("logs-").removesuffix(".txt")) in names
        and (content := doing.keeper.kept(file)) is not None
    ]
    return errors.errors(logs) if logs else None


def _keep(step: WatchStep, doing: Doing, past: Before, told: dict[str, tuple[ErrorLine, ...] | None]) -> None:
    """Before, bad and after, beside each other; what is null was not known."""
    if doing.run.plan.action == "check":
        return
    whole = {"before": past.own, "before_by_hosts": past.heard, "hosts_silent": past.silent, **told}
    keep(doing, {f"errors-{step.id}.json": msgspec.json.format(msgspec.json.encode(whole), indent=2)})
