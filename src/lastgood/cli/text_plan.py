"""A plan as text for somebody at 3 a.m.: what is wrong, what will happen and why, what it cannot undo. Pure."""

import enum
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import assert_never

from lastgood.cli.words import commit, field, image
from lastgood.model.descent import Descent, Kept, KeptBackup, Loss
from lastgood.model.duration import spoken
from lastgood.model.facts import Unknown
from lastgood.model.plan import AnyPlan, Attempt, LossyPlan, Member, NothingToDo, Part, Scope, Skipped
from lastgood.model.release import short
from lastgood.model.report import Planned
from lastgood.model.schema import What
from lastgood.model.step import (
    AwaitStep,
    BackupStep,
    CaptureStep,
    CheckoutStep,
    DownStep,
    FreshStep,
    LossyDownStep,
    PauseStep,
    PinStep,
    PullStep,
    PurgeStep,
    RecordStep,
    ReloadStep,
    RenderStep,
    RestartStep,
    SalvageStep,
    StartStep,
    Step,
    StopStep,
    SwitchStep,
    SyncStep,
    TrialStep,
    UnpauseStep,
    VerifyStep,
    WatchStep,
)
from lastgood.model.target import shown
from lastgood.model.text import sanitise

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
        *_section("Lost by going down", _lost(plan)),
        *_section("Rehearsed on a copy", (f"  {said}" for said in plan.rehearsed)),
        *_section("Steps", _steps(chain(plan.before, first.steps, plan.after), planned, exact=detail >= Detail.PLAN)),
        *_git(first, detail),
        *_section("If it fails", _fallbacks(plan, planned, detail)),
        *_section("Passed over", _skipped(plan.skipped, detail)),
        *_section("Watch out", _warnings(plan)),
        *_ending(planned, approve, detail),
    )


def nothing_text(nothing: NothingToDo) -> tuple[str, ...]:
    """That there is nothing to do, and why; or what is to be done first."""
    what = "to plan" if nothing.next else "to do"
    return (f"{nothing.target}: nothing {what}.", *field("because", nothing.because), *field("next", *nothing.next))


def _section(title: str, content: Iterable[str]) -> tuple[str, ...]:
    found = tuple(content)
    return ("", title, *found) if found else ()


def _headline(plan: AnyPlan, first: Attempt, signature: str, now: int) -> Iterator[str]:
    leaving = f" from {plan.running}" if plan.running else ""
    if plan.scope is Scope.CONFIG_ONLY:
        yield f"{plan.target}: take the configuration back; {first.name} stays"
    else:
        yield f"{plan.target}: roll back{leaving} to {first.name}"
    fails = f"seen to fail: {signature}" if signature else "not seen to fail; you asked to leave it"
    many = len(plan.members) > 1
    if many:
        yield ""
        yield from field("why", fails)
    for member in plan.members:
        part = first.part(member.service)
        yield ""
        if many:
            yield f"  {member.service}" + ("" if part.moves else ": stays on what it runs")
        yield from _member(plan, member, part, now, "" if many else fails)
    yield from field("why it", first.because)


def _member(plan: AnyPlan, member: Member, part: Part, now: int, fails: str) -> Iterator[str]:
    """One service: what runs, where it goes, and what is known of that."""
    runs = image(member.running) if member.running else plan.because
    was = commit(member.release, now) if member.release else "not found in git"
    yield from field("runs now", runs, was if member.running else "", fails)
    goes = part.image.image if plan.scope is not Scope.CONFIG_ONLY or member.running is None else member.running
    yield from field("goes to", image(goes), commit(part.release, now))
    yield from field("evidence", f"{part.evidence.grade}: {part.evidence.because}")


def _parts(plan: AnyPlan, first: Attempt) -> Iterator[str]:
    """Which of image, configuration and schema go back: always said, each of them."""
    yield ""
    stays = plan.scope is Scope.CONFIG_ONLY
    images = ", ".join(image(part.image.image) for part in first.parts if part.moves)
    yield from field("image", "stays as it is" if stays else f"goes back to {images}")
    yield from field("config", _config(plan, first), *(f"stays: {each}" for each in plan.kept))
    yield from field("schema", plan.schema)


def _config(plan: AnyPlan, first: Attempt) -> str:
    if plan.scope is Scope.IMAGE_ONLY:
        return "stays as it is: image only"
    files = [change.path for change in first.changes if _beyond_pin(change.diff, plan, first)]
    if not files:
        return "stays as it is: nothing else changed since then"
    whole = "the whole folder as it was" if plan.scope is Scope.FULL else "what the commits since then changed"
    return f"goes back, {whole}: {', '.join(files)}"


def _beyond_pin(diff: Sequence[str], plan: AnyPlan, first: Attempt) -> bool:
    """Whether a diff changes anything beside the lines that name an image pinned now or an image gone to."""
    pins = (one.image for step in first.steps if isinstance(step, RecordStep) for one in step.pins)
    images = [*(part.image.image for part in first.parts), *pins]
    names = {name for each in images for name in (each.tag, each.digest) if name}
    # The pins as they stand (`repository:tag@digest`); where one could not be read, every line is configuration.
    for pin in plan.facts.pin.split(", "):
        rest = next((pin.removeprefix(each.repository) for each in images if pin.startswith(each.repository)), pin)
        names |= {name.removeprefix(":") for name in rest.split("@") if name}
    return any(line[:1] in "+-~" and line[1:].strip() and not any(name in line for name in names) for line in diff)


def _lost(plan: AnyPlan) -> Iterator[str]:
    """What the database has no more afterwards, counted, and where it can still be had."""
    told: set[tuple[str, Descent]] = set()
    for attempt in plan.attempts:
        found = [step for step in attempt.steps if isinstance(step, LossyDownStep)]
        for step in (one for one in found if (one.service, one.descent) not in told):
            told.add((step.service, step.descent))
            if attempt.number > 1:
                yield f"  only if it comes to {attempt.name}:"
            yield from chain.from_iterable(map(_counted, step.losses))
            yield from (f"  {kept}" for kept in (*_salvaged(plan, step), _kept(plan, step.backup)))


def _counted(loss: Loss) -> Iterator[str]:
    unit = "values" if loss.what in {What.COLUMN, What.VALUES} else "rows"
    known = "" if isinstance(loss.since, Unknown) else f", {loss.since.value:,} written since the deploy"
    yield f"  ! {loss.called}: {loss.count:,} {unit}{known}, {loss.because}"
    if isinstance(loss.since, Unknown):
        yield f"    written since the deploy: unknown, {loss.since.reason}"
    yield f"    with more than {loss.most:,} by then it stops"


def _salvaged(plan: AnyPlan, down: LossyDownStep) -> Iterator[str]:
    """How it comes back without the backup."""
    env = plan.target.rpartition("/")[2]
    for step in plan.steps():
        if isinstance(step, SalvageStep) and step.down == down.id:
            again = f"lastgood db salvage put-back {step.service} {env}"
            yield f"salvaged before; when a release with schema {down.descent.before} runs again: {again}"


def _kept(plan: AnyPlan, kept: Kept) -> str:
    """Where what is lost can still be had."""
    if not isinstance(kept, KeptBackup):
        return f"there is no backup: {kept.because}"
    made = (step for step in plan.steps() if isinstance(step, BackupStep) and step.id == kept.step)
    return "".join(
        f"and all of it is in the backup made before, in {step.folder} on {shown(step.host)}" for step in made
    )


def _prospects(plan: AnyPlan) -> Iterator[str]:
    below = "how long backup and way down took on a copy is told below" if _first_descends(plan) else ""
    yield from field("downtime", plan.downtime, below)
    tried = "1 release" if plan.budget_releases == 1 else f"{plan.budget_releases} releases"
    yield from field("at most", f"{tried} tried, none begun after {spoken(plan.budget_seconds)}")


def _descends(plan: AnyPlan) -> bool:
    return any(isinstance(step, DownStep | LossyDownStep) for step in plan.steps())


def _first_descends(plan: AnyPlan) -> bool:
    return any(isinstance(step, DownStep | LossyDownStep) for step in plan.attempts[0].steps)


def _steps(steps: Iterable[Step], planned: Planned, *, exact: bool) -> Iterator[str]:
    many = not isinstance(planned.plan, NothingToDo) and len(planned.plan.members) > 1
    for number, step in enumerate(steps, 1):
        whose = f"{step.service}: " if many and hasattr(step, "service") else ""
        yield f"  {number:>2}  {whose}{sentence(step)}"
        if exact:
            yield f"      because {step.because}"
            mark = "|" if isinstance(step, DownStep | LossyDownStep) else "$"  # SQL is nothing for a shell
            yield from (f"      {mark} {command}" for command in planned.commands.get(step.id, ()))


def sentence(step: Step) -> str:  # noqa: C901, PLR0911, PLR0912 - one per kind of step
    """What a step does, in one clause."""
    match step:
        case CaptureStep():
            return f"keep logs and configuration of what runs on {shown(step.host)}"
        case PauseStep():
            return f"pause {step.name}{_on(step.host)}"
        case AwaitStep():
            return f"{'end' if step.stop else 'wait for'} the deploy that runs on {shown(step.host)}"
        case PullStep():
            return f"have {step.image.image.name} on {shown(step.host)}"
        case RenderStep():
            return f"write out the configuration on {shown(step.host)} and have Compose check it"
        case PinStep():
            return f"commit and push the pin: {', '.join(one.image.name for one in step.pins)}"
        case CheckoutStep():
            return f"bring the checkout on {shown(step.host)} to the pin"
        case SwitchStep():
            return f"switch {', '.join(step.services) or step.service} on {shown(step.host)} to {step.image.image.name}"
        case RestartStep():
            return f"restart {', '.join(step.containers)} on {shown(step.host)}"
        case VerifyStep():
            return _proof(step)
        case WatchStep():
            how = f"watch its logs for {spoken(step.seconds)}" if step.seconds else "read its logs"
            return f"{how}: error messages that are new are named"
        case RecordStep():
            return "commit and push what runs then" if step.tree else "no commit"
        case SyncStep():
            return f"bring the checkout on {shown(step.host)} to the branch"
        case PurgeStep():
            return f"purge the CDN ({step.cdn}) of what it keeps of {step.service}"
        case FreshStep():
            return f"see that customers get it from the CDN ({step.cdn})"
        case StopStep():
            whom = f"whatever runs of {step.service} by then" if step.later else ", ".join(step.containers)
            return f"stop {whom} on {shown(step.host)}: nobody writes any more"
        case StartStep():
            return f"start {', '.join(step.containers)} on {shown(step.host)} again"
        case BackupStep():
            return f"back the database up into {step.folder} on {shown(step.host)}, and read that through"
        case SalvageStep():
            return f"keep what will be lost in {step.folder}/salvage on {shown(step.host)}, to be put back later"
        case DownStep() | LossyDownStep():
            return _down(step)
        case TrialStep():
            return f"start {step.image.image.name} against that database where no traffic comes, and end it again"
        case ReloadStep():
            number = step.backup.partition(".")[0]
            when = "" if number == "1" else f" for attempt {number}"
            return f"put the database back as it was backed up{when}, where it left that"
        case UnpauseStep():
            return f"let {step.name}{_on(step.host)} go on"
        case _:
            assert_never(step)


def _down(step: DownStep | LossyDownStep) -> str:
    way = step.descent
    how = "all of it or nothing" if way.whole else "not all of it in one transaction"
    how = f"by {way.kind} itself, to what it reached on the copy" if way.own else how
    lost = ", and lose what is named above" if isinstance(step, LossyDownStep) else ""
    return f"take the schema down from {way.before} to {way.to or 'nothing'}, {how}{lost}"


def _on(host: str) -> str:
    return f" on {shown(host)}" if host else ""


def _proof(step: VerifyStep) -> str:
    where = "" if step.probed else f" on {shown(step.hosts[0])}"
    return (
        f"prove it{where}: every container runs it"
        + (", restarts stand still, the gate passes" if step.gate and step.probed else "")
        + (f"; then user flows: {sanitise(', '.join(step.flows))}" if step.flows else "")
    )


def _git(first: Attempt, detail: Detail) -> tuple[str, ...]:
    if not first.changes:
        return _section("In git", ("  nothing changes: git pins it already",))
    return _section("In git, one new commit", chain.from_iterable(_diff(c.path, c.diff, detail) for c in first.changes))


def _diff(path: str, diff: Sequence[str], detail: Detail) -> Iterator[str]:
    changed = [line for line in diff if line[:1] in ("+", "-", "~") or detail is Detail.EVERYTHING]
    most = len(changed) if detail >= Detail.PLAN else _DIFF
    yield f"  {path}"
    yield from (f"      {line}" for line in changed[:most])
    if len(changed) > most:
        yield f"      … and {len(changed) - most} more lines"


def _warnings(plan: AnyPlan) -> Iterator[str]:
    """What to know before consenting: above all the hosts that nothing will be done on."""
    for one in plan.left_out:
        yield f"  ! {shown(one.host)} is left out, and may run anything: {one.because}"
    yield from (f"  ! {warning}" for warning in plan.warnings)


def _fallbacks(plan: AnyPlan, planned: Planned, detail: Detail) -> Iterator[str]:
    for attempt in plan.attempts[1:]:
        for part in attempt.parts:
            grade = f"{part.evidence.grade}: {part.evidence.because}"
            whose = f"{part.service}: " if len(attempt.parts) > 1 else ""
            word = "then" if part is attempt.parts[0] else " and"  # the parts of one attempt, not one after the other
            yield f"  {word} {whose}{image(part.image.image)}  {short(part.release.commit)} ({grade})"
        if attempt.schema != plan.schema:
            yield f"       schema: {attempt.schema}"
        if detail is Detail.EVERYTHING:
            if any(isinstance(step, BackupStep) for step in attempt.steps):
                yield "       of these, what an attempt before has done of the way down is not done again"
            yield from _steps(attempt.steps, planned, exact=True)
    if plan.restore is None:
        yield "  then a human is needed: what was before cannot be put back"
        return
    if _descends(plan):
        yield f"  before a switch onto a lower schema: back to the schema as it is, and to {plan.restore.name}"
        yield "  after it: a human is needed; putting the backup back would lose what was written since"
    else:
        yield f"  then back to what runs now: {plan.restore.name}"
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
    lossy = isinstance(planned.plan, LossyPlan)
    descends = not isinstance(planned.plan, NothingToDo) and _descends(planned.plan)
    during = "the downtime" if descends else "the switch"
    data = "what is lost, above" if lossy else "data written since then stays as it is"
    yield from field("not undone", f"requests that fail during {during}; {data}")
    yield from field("plan", planned.digest)
    if detail >= Detail.PLAN:
        yield from field("approve", approve, "on a terminal, by typing the name of each loss" if lossy else "")
