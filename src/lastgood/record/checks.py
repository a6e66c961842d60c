"""How the points of a checklist stand, by the record of the run alone. Pure."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final, NamedTuple

from lastgood.model.checklist import Check, Point, Standing, State
from lastgood.model.details import FLOWS, NEW, UNREAD, UNTRIED
from lastgood.model.event import Entry, Judged, Kept, Run, Ticked
from lastgood.model.release import Grade, short
from lastgood.model.step import (
    AwaitStep,
    BackupStep,
    DownStep,
    LossyDownStep,
    PauseStep,
    RecordStep,
    Step,
    SwitchStep,
    WatchStep,
)
from lastgood.record.incident import proofs, winner

NOBODY: Final[Mapping[Check, tuple[State, str]]] = MappingProxyType({})
_NANO = 1_000_000_000


class _Case(NamedTuple):
    """What a check looks at."""

    run: Run
    entries: Sequence[Entry]
    reached: Mapping[Check, tuple[State, str]]

    def of(self, *kinds: type[Step]) -> list[Step]:
        """The steps of these kinds that belong to what was done: of the release that passed, where one did."""
        won, plan = winner(self.run), self.run.plan
        steps = (*plan.before, *won.steps, *plan.after) if won else plan.steps()
        return [step for step in steps if isinstance(step, kinds)]

    def done(self, steps: Sequence[Step], none: tuple[State, str]) -> tuple[State, str]:
        """Done where all of the steps were; `none` where there are no such steps."""
        if not steps:
            return none
        open_ = [step.id for step in steps if step.id not in self.run.done]
        failed = [self.run.failures[name].because for name in open_ if name in self.run.failures]
        if open_:
            return State.FAILED, "; ".join(failed) or f"not done: {', '.join(open_)}"
        return State.DONE, "; ".join(dict.fromkeys(self.run.done[step.id].seen for step in steps))


def standing(
    points: Sequence[Point], run: Run, entries: Sequence[Entry], reached: Mapping[Check, tuple[State, str]] = NOBODY
) -> tuple[Standing, ...]:
    """How each point stands: what a person said last, else what the record tells, else it is open.

    `reached` is what trackers and notifiers did about the run, as far as the outbox knows.
    """
    said = {e.event.point: (e.event, e.at) for e in entries if isinstance(e.event, Ticked)}
    case = _Case(run, entries, reached)
    return tuple(_one(point, said.get(point.id), case) for point in points)


def _one(point: Point, said: tuple[Ticked, int] | None, case: _Case) -> Standing:
    state, because = _CHECKS.get(point.check, _outside(point.check))(case) if point.check else (State.OPEN, "")
    if said is not None and (said[0].skipped or state is State.OPEN):
        event, at = said
        when = datetime.fromtimestamp(at // _NANO, UTC).isoformat(timespec="seconds")
        answered = State.SKIPPED if event.skipped else State.DONE
        return Standing(point, answered, event.because, f"{event.by} ({event.how})", when)
    return Standing(point, state, because)


def _config(case: _Case) -> tuple[State, str]:
    known = [case.run.plan.base, *(one.release.commit for one in case.run.plan.members if one.release)]
    commit = next(filter(None, known), "")
    if not commit:
        return State.UNKNOWN, "which commit holds what ran is not known"
    return State.DONE, f"git holds it at {short(commit)}"


def _database(case: _Case) -> tuple[State, str]:
    """Each database that went down, or was to, has a backup, of whichever release: one tried later may need none."""
    run, kinds = case.run, (BackupStep, DownStep, LossyDownStep)
    wanted = case.of(*kinds) if winner(run) else []
    known = [step for step in run.plan.steps() if isinstance(step, kinds)]
    touched = [step for step in known if step.id in run.steps or step in wanted]
    if not touched:
        return State.DONE, "it was not touched" if known else f"it is not touched: {run.plan.schema}"
    backups = [step for step in run.plan.steps() if isinstance(step, BackupStep)]
    made = [step for step in backups if step.id in run.done]
    bare = {step.service for step in touched} - {step.service for step in made}
    lacking = [step for step in touched if isinstance(step, BackupStep) and step.service in bare]
    return case.done(lacking if bare else made, (State.FAILED, "the schema goes back without a backup"))


def _stopped(case: _Case) -> tuple[State, str]:
    pauses = [step for step in case.of(PauseStep) if step.id in case.run.done]
    state, because = case.done(case.of(AwaitStep), (State.DONE, "no deploy was under way when it was planned"))
    return state, "; ".join((because, *(case.run.done[step.id].seen for step in pauses)))


def _deployed(case: _Case) -> tuple[State, str]:
    if winner(case.run) is None:
        return State.FAILED, case.run.ended.what if case.run.ended else "it is not over"
    return case.done(case.of(SwitchStep), (State.UNKNOWN, "nothing was switched"))


def _healthy(case: _Case) -> tuple[State, str]:
    won = winner(case.run)
    if won is None:
        return State.FAILED, "no release was proven"
    return State.DONE, "; ".join(case.run.done[name].seen for name in proofs(won))


def _flows(case: _Case) -> tuple[State, str]:
    """What a proof tried; where none is declared, or one could not be tried, a person has to do it."""
    won = winner(case.run)
    if won is None:
        return State.FAILED, "no release was proven"
    details = [case.run.done[name].details for name in proofs(won)]
    worked = [each[FLOWS] for each in details if FLOWS in each]
    untried = [each[UNTRIED] for each in details if UNTRIED in each]
    if untried or not worked:
        return State.OPEN, "; ".join(untried) or "none is declared: services.NAME.flows in lastgood.yaml"
    return State.DONE, f"these work: {', '.join(worked)}"


def _logs(case: _Case) -> tuple[State, str]:
    """Watching that found something new is not done: a person looks at that, and skips it with what they say of it."""
    watches = case.of(WatchStep)
    state, because = case.done(watches, (State.OPEN, "nothing was watched"))
    details = [case.run.done[step.id].details for step in watches if step.id in case.run.done]
    if state is State.DONE and any(UNREAD in each for each in details):
        return State.OPEN, because
    if state is State.DONE and any(each.get(NEW, "0") != "0" for each in details):
        return State.FAILED, because
    return state, because


def _recorded(case: _Case) -> tuple[State, str]:
    if winner(case.run) is None:
        return State.FAILED, "no release was proven"
    return case.done(case.of(RecordStep), (State.UNKNOWN, "nothing was to be recorded"))


def _quarantined(case: _Case) -> tuple[State, str]:
    bad = [e.event.image.name for e in case.entries if isinstance(e.event, Judged) and e.event.grade is Grade.BAD]
    if not bad:
        return State.OPEN, "the run has condemned no release, so a person may: lastgood quarantine add"
    state, because = _recorded(case)
    names = ", ".join(dict.fromkeys(bad))
    return (state, f"the commit condemns {names}") if state is State.DONE else (state, f"{names}: {because}")


def _evidence(case: _Case) -> tuple[State, str]:
    files = [file for e in case.entries if isinstance(e.event, Kept) for file in e.event.files]
    return (State.DONE, f"{len(files)} files") if files else (State.UNKNOWN, "none was kept")


def _outside(check: Check) -> Callable[[_Case], tuple[State, str]]:
    return lambda case: case.reached.get(check, (State.OPEN, ""))


_CHECKS: Final[dict[Check, Callable[[_Case], tuple[State, str]]]] = {
    "config-backed-up": _config,
    "database-backed-up": _database,
    "deployment-stopped": _stopped,
    "deployed": _deployed,
    "healthy": _healthy,
    "user-flows": _flows,
    "logs-watched": _logs,
    "recorded": _recorded,
    "quarantined": _quarantined,
    "evidence-kept": _evidence,
}
