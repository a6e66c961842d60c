"""Brings git to what runs: one more commit, offered as a fast-forward; never a reset, an amend or a force."""

from functools import partial
from typing import NamedTuple

from lastgood.git.trailers import render
from lastgood.model.event import Failure, Run, StepDone, StepFailed
from lastgood.model.facts import Known, Unknown
from lastgood.model.plan import Attempt, Scope
from lastgood.model.release import Image, Trailers, short
from lastgood.model.step import Pinned, PinStep, RecordStep
from lastgood.model.target import Push, Target
from lastgood.observe.world import pinned
from lastgood.plan.verdicts import condemned
from lastgood.plan.walk import proofs
from lastgood.ports import Tools
from lastgood.run.condemn import condemn
from lastgood.run.desk import Desk
from lastgood.run.offer import Offered, offer
from lastgood.run.propose import merged, proposed

SEARCHED = 500


class Stopped(NamedTuple):
    """Why no commit was offered; `theirs` where somebody else changed the pin meanwhile."""

    because: str
    theirs: bool = False
    next: tuple[str, ...] = ()


def pin(step: PinStep, desk: Desk, run: Run) -> StepDone | StepFailed:
    """Commit and push the pin before the switch; where git cannot take it, say so and let production go first."""
    tools, mark = desk.shared, f"{run.id}/{step.id}"
    with tools.repo.lock():
        remote = tools.repo.fetch()
        if isinstance(remote, Unknown):
            return _later(step, desk, f"the git remote does not answer: {remote.reason}")
        done = tools.repo.find_trailer("Lastgood-Step", mark, SEARCHED)
        offered = done or _offer(step, desk, run, _trying(step, run, mark, desk.journal.mark(run.id)))
    if isinstance(offered, Stopped):
        return StepFailed(step.id, offered.because, Failure.PREPARE, next=offered.next)
    if isinstance(offered, Offered) and not offered.pushed.ok:
        return _later(step, desk, f"the push did not go through: {offered.pushed.because}")
    commit = offered if isinstance(offered, str) else offered.commit
    return StepDone(step.id, f"git pins it as {short(commit)}", {"commit": commit})


def _later(step: PinStep, desk: Desk, because: str) -> StepDone | StepFailed:
    if desk.group.first.push is Push.REQUIRED:
        return StepFailed(step.id, f"{because}; this environment requires a push", Failure.PREPARE)
    return StepDone(step.id, f"{because}; production goes first, git is settled afterwards", {"commit": ""})


def _trying(step: PinStep, run: Run, mark: str, journal: str) -> str:
    """The message of a pin that comes before the switch: nothing was proven yet, and it says so."""
    names = ", ".join(one.image.name for one in step.pins)
    went = step.pins[0].image if len(step.pins) == 1 else None
    back = step.id.startswith("restore")
    subject = f"Put {run.plan.target} back on {names}" if back else f"Pin {run.plan.target} to {names}"
    said = "No release passed, so what was before comes back." if back else "It is deployed next, and judged then."
    trailers = Trailers("" if back else run.id, trying=None if back else went, step=mark)
    return render(subject, (said, _approved(run)), trailers, journal=journal)


def record(  # noqa: PLR0911 - one for each way it may stand already, or come out
    step: RecordStep, desk: Desk, run: Run, attempt: Attempt
) -> StepDone | StepFailed:
    """Commit and push what the attempt put in place; finds out first whether that was done already."""
    tools = desk.shared
    with tools.repo.lock():
        remote = tools.repo.fetch()
        if isinstance(remote, Unknown):
            return _unsettled(step, f"the git remote does not answer: {remote.reason}")
        done = _done(step, tools, run)
        if done:
            unsaid = condemn(desk, run) if step.pin and run.done[step.pin].details["commit"] else ""
            if unsaid:
                return _unsettled(step, unsaid)
            return _settled(step, desk, attempt, f"git has it as {short(done)}", done)
        if not step.tree:
            return _settled(step, desk, attempt, f"git pins {attempt.name} already")
        if merged(step, desk):
            return _settled(step, desk, attempt, f"{desk.group.first.branch} pins it since")
        text = message(run, attempt, f"{run.id}/{step.id}" if step.pin else "", desk.journal.mark(run.id))
        offered = _offer(step, desk, run, text)
    if isinstance(offered, Stopped):
        kind = Failure.CONTRADICTED if offered.theirs else Failure.UNSETTLED
        return StepFailed(step.id, offered.because, kind, next=offered.next)
    if offered.pushed.refused:
        return proposed(step, desk, run.id, offered, text)
    if not offered.pushed.ok:
        return _unsettled(step, f"the push did not go through: {offered.pushed.because}")
    seen = f"pushed as {short(offered.commit)} to {desk.group.first.branch}"
    return _settled(step, desk, attempt, seen, offered.commit)


def _done(step: RecordStep, tools: Tools, run: Run) -> str:
    """The commit that says it already; empty where there is none."""
    if not step.pin:
        return tools.repo.find_trailer("Lastgood-Run", run.id, SEARCHED) or ""
    before = run.done[step.pin].details["commit"]
    return before or tools.repo.find_trailer("Lastgood-Step", f"{run.id}/{step.id}", SEARCHED) or ""


def _offer(step: RecordStep | PinStep, desk: Desk, run: Run, text: str) -> Offered | Stopped:
    return offer(desk.shared.repo, partial(on_tip, step, desk, run), text)


def _ours(step: RecordStep | PinStep, run: Run) -> str:
    """The newest commit that this run pushed before; where there is none, what the plan was made from."""
    pins = [s.id for s in run.plan.steps() if isinstance(s, PinStep) and s.id in run.done and s.id != step.id]
    return next((c for name in reversed(pins) if (c := run.done[name].details["commit"])), step.base)


def on_tip(step: RecordStep | PinStep, desk: Desk, run: Run, tip: str) -> str | Stopped:
    """The step's tree, made again on a tip that was moved; why not, where others changed the same files."""
    if tip == step.base:
        return step.tree
    repo, ours = desk.shared.repo, _ours(step, run)
    for one in step.pins:
        target, tools = desk.of(one.service)
        was, now = pinned(target, tools, ours), pinned(target, tools, tip)
        if was != now:
            said = f"the pin was {_said(was)} when this run was planned and is {_said(now)} now"
            return Stopped(said, theirs=True, next=_looks(target))
    paths = {*repo.changed(step.base, step.tree), *repo.changed(step.base, ours)}
    files = {path: repo.blob(step.tree, path) for path in paths}
    theirs = {path for path in repo.changed(ours, tip) if path in files}
    for one in step.pins:
        target, tools = desk.of(one.service)
        again = _pinned_again(step, one, target, tools, tip) if target.pin_file in theirs else None
        if again is not None:
            files[target.pin_file] = again
            theirs.remove(target.pin_file)
    if theirs:
        return Stopped(f"changed by somebody else meanwhile: {', '.join(sorted(theirs))}")
    return repo.with_files(tip, files)


def _pinned_again(step: RecordStep | PinStep, one: Pinned, target: Target, tools: Tools, tip: str) -> bytes | None:
    """The tip's pin file with our image, where the image is all that we change in it; None where it is not."""
    before, ours, theirs = (tools.repo.blob(tree, target.pin_file) for tree in (step.base, step.tree, tip))
    if before is None or theirs is None:
        return None
    for add in (False, True):
        if tools.pin.write(before, one.image, add_digest=add) == ours:
            return tools.pin.write(theirs, one.image, add_digest=add)
    return None


def _looks(target: Target) -> tuple[str, ...]:
    log = f"git log -3 origin/{target.branch} -- {target.pin_file}"
    return (log, f"lastgood status {target.service} {target.env}")


def _said(pin: Known[Image] | Unknown) -> str:
    return pin.value.name if isinstance(pin, Known) else f"unknown ({pin.reason})"


def _unsettled(step: RecordStep, because: str) -> StepFailed:
    return StepFailed(step.id, because, Failure.UNSETTLED)


def _settled(step: RecordStep, desk: Desk, attempt: Attempt, seen: str, commit: str = "") -> StepDone | StepFailed:
    """Settled means that what git pins resolves to what runs, for every service. `commit` is ours that says so."""
    for one in step.pins:
        wrong = _unlike(step, one, desk, attempt.part(one.service).image.image.digest, seen)
        if wrong:
            return wrong
    return StepDone(step.id, seen, {"commit": commit} if commit else {})


def _unlike(step: RecordStep, one: Pinned, desk: Desk, runs: str, seen: str) -> StepFailed | None:
    """How the branch's pin differs from what runs. A tag that was moved in the registry does."""
    target, tools = desk.of(one.service)
    now = pinned(target, tools, desk.shared.repo.tip())  # only that one was fetched just now, and pushed from
    if isinstance(now, Unknown):
        return _unsettled(step, f"{seen}, but the pin cannot be read back: {now.reason}")
    if not now.value.same(one.image):
        because = f"{seen}, but git pins {_said(now)} since"
        return StepFailed(step.id, because, Failure.CONTRADICTED, next=_looks(target))
    if now.value.digest or not runs:
        return None
    served = tools.registry.available(tools.registry_http, now.value, tools.credentials)
    if isinstance(served, Unknown) or served.value.digest in (None, runs):
        return None
    other = short(served.value.digest or "")
    because = f"{seen}, but the registry serves {other} under {now.value.name}, not {short(runs)}"
    add = f"pin the digest next to the tag in {target.pin_file}: digest: {runs}"
    return StepFailed(step.id, because, Failure.UNSETTLED, next=(add,))


def message(run: Run, attempt: Attempt, mark: str = "", journal: str = "") -> str:
    """The rollback commit's message, with the trailers that tell other machines what was learned.

    `mark` names the step where a run makes several commits, `journal` is how far the record had come. Trailers of an
    app's run speak of its services' images.
    """
    plan = run.plan
    came_from = plan.running or "what ran"
    put = "given its earlier configuration" if plan.scope is Scope.CONFIG_ONLY else "put back"
    because = plan.because[:1].upper() + plan.because[1:]
    seen = "; ".join(run.done[step.id].seen for step in proofs(attempt))
    paragraphs = (f"{because}.", f"{attempt.name} was {put} and passed the gate: {seen}.", _approved(run))
    return render(_subject(run, attempt, came_from), paragraphs, *_trailers(run, attempt, mark), journal=journal)


def _subject(run: Run, attempt: Attempt, came_from: str) -> str:
    if run.plan.scope is Scope.CONFIG_ONLY:
        return f"Take the configuration of {run.plan.target} back, {attempt.name} stays"
    return f"Roll {run.plan.target} back from {came_from} to {attempt.name}"


def _trailers(run: Run, attempt: Attempt, mark: str) -> tuple[Trailers, ...]:
    """One set for each service that moved: which service is told by the repository of its image."""
    bad = condemned(run)
    found: list[Trailers] = []
    for part in attempt.parts:
        member = next(member for member in run.plan.members if member.service == part.service)
        ours = tuple(image for service, image in bad if service == part.service)
        if part.moves or len(attempt.parts) == 1:
            found.append(Trailers(run.id, member.running, part.image.image, ours, step=mark))
    return tuple(found)


def _approved(run: Run) -> str:
    return f"Approved by {run.consent.by} ({run.consent.how})."
