"""A plan as text for somebody at 3 a.m.: what is wrong, what will happen and why, what it cannot undo. Pure."""

import enum
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import assert_never

from lastgood.cli.words import commit, field, image
from lastgood.model.duration import spoken
from lastgood.model.plan import Attempt, NothingToDo, ReversiblePlan, Scope, Skipped
from lastgood.model.release import short
from lastgood.model.report import Planned
from lastgood.model.step import (
    CaptureStep,
    PullStep,
    RecordStep,
    RenderStep,
    RestartStep,
    Step,
    SwitchStep,
    VerifyStep,
)

_FEW = 5
_DIFF = 12


class Detail(enum.IntEnum):
    """How much is told: before the question, by `plan`, and by `--dry-run`."""

    QUESTION = 0
    PLAN = 1
    EVERYTHING = 2


def plan_text(planned: Planned, now: int, approve: str, detail: Detail) -> tuple[str, ...]:
    """The plan in lines. `now` is in Unix seconds, for ages; `approve` is the command that approves this plan."""
    if isinstance(planned.plan, NothingToDo):
        return nothing_text(planned.plan)
    plan, first = planned.plan, planned.plan.attempts[0]
    return (
        *_headline(plan, first, planned.signature, now),
        *_parts(plan, first),
        *_prospects(plan),
        *_section("Steps", _steps(chain(plan.before, first.steps), planned, exact=detail >= Detail.PLAN)),
        *_git(first, detail),
        *_section("If it fails", _fallbacks(plan, planned, detail)),
        *_section("Passed over", _skipped(plan.skipped, detail)),
        *_section("Watch out", (f"  ! {warning}" for warning in plan.warnings)),
        *_ending(planned, approve, detail),
    )


def nothing_text(nothing: NothingToDo) -> tuple[str, ...]:
    """That there is nothing to do, and why."""
    return (f"{nothing.target}: nothing to do.", *field("because", nothing.because))


def _section(title: str, content: Iterable[str]) -> tuple[str, ...]:
    found = tuple(content)
    return ("", title, *found) if found else ()


def _headline(plan: ReversiblePlan, first: Attempt, signature: str, now: int) -> Iterator[str]:
    leaving = f" from {plan.running.name}" if plan.running else ""
    yield f"{plan.target}: roll back{leaving} to {first.release.image.name}"
    yield ""
    runs = image(plan.running) if plan.running else plan.because
    was = commit(plan.running_release, now) if plan.running_release else "not found in git"
    fails = f"seen to fail: {signature}" if signature else "not seen to fail; you asked to leave it"
    yield from field("runs now", runs, was if plan.running else "", fails)
    goes = first.image.image if plan.scope is not Scope.CONFIG_ONLY or plan.running is None else plan.running
    yield from field("goes to", image(goes), commit(first.release, now))
    yield from field("evidence", f"{first.evidence.grade}: {first.evidence.because}")
    yield from field("why it", first.because)


def _parts(plan: ReversiblePlan, first: Attempt) -> Iterator[str]:
    """Which of image, configuration and schema go back: always said, each of them."""
    yield ""
    stays = plan.scope is Scope.CONFIG_ONLY
    yield from field("image", "stays as it is" if stays else f"goes back to {image(first.image.image)}")
    yield from field("config", _config(plan, first), *(f"stays: {each}" for each in plan.kept))
    yield from field("schema", plan.schema)


def _config(plan: ReversiblePlan, first: Attempt) -> str:
    if plan.scope is Scope.IMAGE_ONLY:
        return "stays as it is: image only"
    files = [change.path for change in first.changes if _beyond_pin(change.diff, plan, first)]
    if not files:
        return "stays as it is: nothing else changed since then"
    whole = "the whole folder as it was" if plan.scope is Scope.FULL else "what the commits since then changed"
    return f"goes back, {whole}: {', '.join(files)}"


def _beyond_pin(diff: Sequence[str], plan: ReversiblePlan, first: Attempt) -> bool:
    """Whether a diff changes anything beside the lines that name the image pinned now and the image gone to."""
    images = [first.image.image, *(step.pin for step in first.steps if isinstance(step, RecordStep))]
    names = {name for each in images for name in (each.tag, each.digest) if name}
    # The pin as it stands (`repository:tag@digest`); where it could not be read, every line counts as configuration.
    names |= {name for name in plan.facts.pin.removeprefix(first.image.image.repository).split("@") if name}
    names = {name.removeprefix(":") for name in names}
    return any(line[:1] in "+-" and line[1:].strip() and not any(name in line for name in names) for line in diff)


def _prospects(plan: ReversiblePlan) -> Iterator[str]:
    yield from field("downtime", plan.downtime)
    tried = "1 release" if plan.budget_releases == 1 else f"{plan.budget_releases} releases"
    yield from field("at most", f"{tried} tried, none begun after {spoken(plan.budget_seconds)}")


def _steps(steps: Iterable[Step], planned: Planned, *, exact: bool) -> Iterator[str]:
    for number, step in enumerate(steps, 1):
        yield f"  {number:>2}  {sentence(step)}"
        if exact:
            yield f"      because {step.because}"
            yield from (f"      $ {command}" for command in planned.commands.get(step.id, ()))


def sentence(step: Step) -> str:  # noqa: PLR0911 - one per kind of step
    """What a step does, in one clause."""
    match step:
        case CaptureStep():
            return f"keep logs and configuration of what runs on {step.host}"
        case PullStep():
            return f"have {step.image.image.name} on {step.host}"
        case RenderStep():
            return f"write out the configuration on {step.host} and have Compose check it"
        case SwitchStep():
            return f"switch {', '.join(step.services)} on {step.host} to {step.image.image.name}"
        case RestartStep():
            return f"restart {', '.join(step.containers)} on {step.host}"
        case VerifyStep():
            return "prove it: every container runs it" + (
                ", restarts stand still, the gate passes" if step.gate else ""
            )
        case RecordStep():
            return "commit and push what runs then" if step.tree else "no commit"
        case _:
            assert_never(step)


def _git(first: Attempt, detail: Detail) -> tuple[str, ...]:
    if not first.changes:
        return _section("In git", ("  nothing changes: git pins it already",))
    return _section("In git, one new commit", chain.from_iterable(_diff(c.path, c.diff, detail) for c in first.changes))


def _diff(path: str, diff: Sequence[str], detail: Detail) -> Iterator[str]:
    changed = [line for line in diff if line[:1] in ("+", "-") or detail is Detail.EVERYTHING]
    most = len(changed) if detail >= Detail.PLAN else _DIFF
    yield f"  {path}"
    yield from (f"      {line}" for line in changed[:most])
    if len(changed) > most:
        yield f"      … and {len(changed) - most} more lines"


def _fallbacks(plan: ReversiblePlan, planned: Planned, detail: Detail) -> Iterator[str]:
    for attempt in plan.attempts[1:]:
        grade = f"{attempt.evidence.grade}: {attempt.evidence.because}"
        yield f"  then {image(attempt.image.image)}  {short(attempt.release.commit)} ({grade})"
        if detail is Detail.EVERYTHING:
            yield from _steps(attempt.steps, planned, exact=True)
    if plan.restore is None:
        yield "  then a human is needed: what was before cannot be put back"
        return
    yield f"  then back to what runs now: {plan.restore.image.image.name}"
    if detail is Detail.EVERYTHING:
        yield from _steps(plan.restore.steps, planned, exact=True)


def _skipped(skipped: Sequence[Skipped], detail: Detail) -> Iterator[str]:
    most = len(skipped) if detail >= Detail.PLAN else _FEW
    for each in skipped[:most]:
        yield f"  {each.release.image.name}  {short(each.release.commit)}: {each.because}"
    if len(skipped) > most:
        yield f"  … and {len(skipped) - most} more: lastgood plan shows them"


def _ending(planned: Planned, approve: str, detail: Detail) -> Iterator[str]:
    yield ""
    yield from field("not undone", "requests that fail during the switch; data written since then stays as it is")
    yield from field("plan", planned.digest)
    if detail >= Detail.PLAN:
        yield from field("approve", approve)
