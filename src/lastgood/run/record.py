"""Brings git to what runs: one more commit, offered as a fast-forward; never a reset, an amend or a force."""

from lastgood.git.trailers import render
from lastgood.model.event import Failure, Run, StepDone, StepFailed
from lastgood.model.facts import Known, Unknown
from lastgood.model.plan import Attempt, Scope
from lastgood.model.release import Image, Trailers, short
from lastgood.model.step import RecordStep
from lastgood.model.target import Target
from lastgood.observe.world import pinned
from lastgood.plan.verdicts import condemned
from lastgood.ports import Pushed, Tools

_TRIES = 5
SEARCHED = 500


def record(step: RecordStep, target: Target, tools: Tools, run: Run, attempt: Attempt) -> StepDone | StepFailed:
    """Commit and push what the attempt put in place; finds out first whether that was done already."""
    with tools.repo.lock():
        remote = tools.repo.fetch()
        if isinstance(remote, Unknown):
            return _unsettled(step, f"the git remote does not answer: {remote.reason}")
        done = tools.repo.find_trailer("Lastgood-Run", run.id, SEARCHED)
        if done:
            return _settled(step, tools, target, attempt, f"git has it as {short(done)}")
        if not step.tree:
            return _settled(step, tools, target, attempt, f"git pins {step.pin.name} already")
        return _offer(step, target, tools, run, attempt)


def _offer(step: RecordStep, target: Target, tools: Tools, run: Run, attempt: Attempt) -> StepDone | StepFailed:
    pushed = Pushed(ok=False)
    for _ in range(_TRIES):
        tip = tools.repo.tip()
        tree = on_tip(step, target, tools, tip)
        if isinstance(tree, StepFailed):
            return tree
        commit = tools.repo.commit(tree, tip, message(run, attempt))
        pushed = tools.repo.push(commit)
        if pushed.ok:
            return _settled(step, tools, target, attempt, f"pushed as {short(commit)} to {target.branch}")
        if not pushed.moved:
            break
        tools.repo.fetch()
    return _unsettled(step, f"the push did not go through: {pushed.because}")


def on_tip(step: RecordStep, target: Target, tools: Tools, tip: str) -> str | StepFailed:
    """The step's tree, made again on a tip that others moved; a failure where they changed the same files."""
    if tip == step.base:
        return step.tree
    was, now = pinned(target, tools, step.base), pinned(target, tools, tip)
    if was != now:
        said = f"the pin was {_said(was)} when this run was planned and is {_said(now)} now"
        return _contradicted(step, target, said)
    files = {path: tools.repo.blob(step.tree, path) for path in tools.repo.changed(step.base, step.tree)}
    theirs = {path for path in tools.repo.changed(step.base, tip, target.folder) if path in files}
    if target.pin_file in theirs:
        again = _pinned_again(step, target, tools, tip)
        if again is not None:
            files[target.pin_file] = again
            theirs.remove(target.pin_file)
    if theirs:
        return _unsettled(step, f"changed by somebody else meanwhile: {', '.join(sorted(theirs))}")
    return tools.repo.with_files(tip, files)


def _pinned_again(step: RecordStep, target: Target, tools: Tools, tip: str) -> bytes | None:
    """The tip's pin file with our image, where the image is all that we change in it; None where it is not."""
    before, ours, theirs = (tools.repo.blob(tree, target.pin_file) for tree in (step.base, step.tree, tip))
    if before is None or theirs is None:
        return None
    for add in (False, True):
        if tools.pin.write(before, step.pin, add_digest=add) == ours:
            return tools.pin.write(theirs, step.pin, add_digest=add)
    return None


def _contradicted(step: RecordStep, target: Target, because: str) -> StepFailed:
    log = f"git log -3 origin/{target.branch} -- {target.pin_file}"
    return StepFailed(
        step.id, because, Failure.CONTRADICTED, next=(log, f"lastgood status {target.service} {target.env}")
    )


def _said(pin: Known[Image] | Unknown) -> str:
    return pin.value.name if isinstance(pin, Known) else f"unknown ({pin.reason})"


def _unsettled(step: RecordStep, because: str) -> StepFailed:
    return StepFailed(step.id, because, Failure.UNSETTLED)


def _settled(step: RecordStep, tools: Tools, target: Target, attempt: Attempt, seen: str) -> StepDone | StepFailed:
    """Settled means that what git pins resolves to what runs. A tag that was moved in the registry does not."""
    pin = pinned(target, tools, tools.repo.tip())
    runs = attempt.image.image.digest
    if isinstance(pin, Unknown):
        return _unsettled(step, f"{seen}, but the pin cannot be read back: {pin.reason}")
    if not pin.value.same(step.pin):
        return _contradicted(step, target, f"{seen}, but git pins {_said(pin)} since")
    if pin.value.digest or not runs:
        return StepDone(step.id, seen)
    served = tools.registry.available(tools.http, pin.value, tools.credentials)
    if isinstance(served, Unknown) or served.value.digest in (None, runs):
        return StepDone(step.id, seen)
    because = (
        f"{seen}, but the registry serves {short(served.value.digest or '')} under {pin.value.name}, not {short(runs)}"
    )
    add = f"pin the digest next to the tag in {target.pin_file}: digest: {runs}"
    return StepFailed(step.id, because, Failure.UNSETTLED, next=(add,))


def message(run: Run, attempt: Attempt) -> str:
    """The rollback commit's message, with the trailers that tell other machines what was learned."""
    plan = run.plan
    name = attempt.release.image.name
    came_from = plan.running.name if plan.running else "what ran"
    put = "given its earlier configuration" if plan.scope is Scope.CONFIG_ONLY else "put back"
    bad = condemned(run)
    paragraphs = (
        f"{plan.because[:1].upper()}{plan.because[1:]}.",
        f"{name} was {put} and passed the gate: {run.done[f'{attempt.number}.verify'].seen}.",
        f"Approved by {run.consent.by} ({run.consent.how}).",
    )
    trailers = Trailers(run.id, plan.running, attempt.image.image, bad)
    if plan.scope is Scope.CONFIG_ONLY:
        return render(f"Take the configuration of {plan.target} back, {name} stays", paragraphs, trailers)
    return render(f"Roll {plan.target} back from {came_from} to {name}", paragraphs, trailers)
