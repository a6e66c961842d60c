"""Carries single steps out and asks reality about them. No decision is made here: those are in the plan."""

from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, assert_never

import msgspec

from lastgood.model.command import Command, Completed
from lastgood.model.event import Failure, Run, StepDone, StepFailed, StepState
from lastgood.model.facts import Known, No, Unclear, Unknown, Verdict, Yes
from lastgood.model.gate import Passed
from lastgood.model.observed import Container, HostView
from lastgood.model.plan import AnyPlan, Facts
from lastgood.model.step import (
    AwaitStep,
    BackupStep,
    CaptureStep,
    CheckoutStep,
    DownStep,
    EngineStep,
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
from lastgood.model.target import Target, shown
from lastgood.observe.hosts import look_everywhere
from lastgood.observe.together import together
from lastgood.observe.world import facts_now
from lastgood.plan.gate import UNJUDGED, Question, limits, runs_image
from lastgood.plan.moves import WITHOUT
from lastgood.plan.planner import merged
from lastgood.run import aside, caching, checkout, flows
from lastgood.run.desk import Desk, repository
from lastgood.run.doing import Doing, Outcome, Sights, seen
from lastgood.run.evidence import from_outside, keep_rendered, keep_sample
from lastgood.run.gate import dependency_down, take, unseen
from lastgood.run.pictures import Picture
from lastgood.run.record import pin, record
from lastgood.run.watching import watched

if TYPE_CHECKING:
    from lastgood.run.databases import DatabaseStep


def sight(desk: Desk, plan: AnyPlan) -> tuple[Facts, Sights]:
    """What a plan relies on, looked at again just before it is carried out, and what the hosts showed."""
    narrowed = [msgspec.structs.replace(target, hosts=plan.hosts) for target in desk.group.members]
    found = together([partial(facts_now, t, desk.tools[t.service], repository(plan, t.service)) for t in narrowed])
    sights = {(t.service, host): v for t, (_, hosts) in zip(narrowed, found, strict=True) for host, v in hosts.items()}
    return merged([facts for facts, _ in found]), sights


def perform(step: Step, doing: Doing) -> Outcome:  # noqa: C901, PLR0911, PLR0912 - one per kind of step
    """Carry the step out and look whether it took effect. Raises LastgoodError only for what no retry can mend."""
    match step:
        case CaptureStep():
            return _capture(step, doing)
        case PullStep():
            return _pull(step, doing)
        case RenderStep():
            return _render(step, doing)
        case SwitchStep() | RestartStep():
            return _act(step, doing)
        case VerifyStep():
            return _verify(step, doing)
        case WatchStep():
            return watched(step, doing)
        case PinStep():
            return pin(step, doing.desk, doing.run)
        case CheckoutStep():
            return checkout.forward(step, doing.target, doing.tools, doing.run)
        case SyncStep():
            return checkout.sync(step, doing.target, doing.tools, doing.run)
        case RecordStep():
            attempt = next(a for a in doing.run.plan.attempts if step in a.steps)
            return record(step, doing.desk, doing.run, attempt)
        case PurgeStep():
            return caching.purge(step, doing)
        case FreshStep():
            return caching.fresh(step, doing)
        case PauseStep() | UnpauseStep():
            return aside.switch(step, doing.tools, doing.child)
        case AwaitStep():
            return aside.wait(step, doing.target, doing.tools, doing.tell)
        case StopStep() | StartStep() | BackupStep() | SalvageStep():
            return _database(step, doing)
        case DownStep() | LossyDownStep() | TrialStep() | ReloadStep():
            return _database(step, doing)
        case _:
            assert_never(step)


def _database(step: "DatabaseStep", doing: Doing) -> Outcome:
    from lastgood.run import databases

    return databases.perform(step, doing)


def happened(step: Step, doing: Doing) -> Verdict:
    """Whether a step that was begun took effect, from reality alone. What is harmless to do again answers No."""
    match step:
        case PullStep() | SwitchStep() | RestartStep():
            return _reality(step, doing)
        case DownStep() | LossyDownStep():
            from lastgood.run import databases

            return databases.happened(step, doing)
        case _:  # looking, exporting, pausing and recording find out by themselves what is there already
            return No()


def strangers(run: Run, desk: Desk) -> tuple[str, ...]:
    """Containers that are neither as the run found them nor put there by it. A host that cannot be seen shows none."""
    found = dict(run.plan.facts.running)
    return tuple(
        f"{container.name} on {shown(host)} runs {container.image}"
        + (f" (run {container.run})" if container.run else "")
        for target in desk.group.members
        for host, view in _hosts(target, desk, run.plan).items()
        for container in (view.containers.value if isinstance(view.containers, Known) else ())
        if container.mine and container.run != run.id and not _ours(container, found.get(host, ()), run, target.service)
    )


def _hosts(target: Target, desk: Desk, plan: AnyPlan) -> dict[str, HostView]:
    narrowed = msgspec.structs.replace(target, hosts=plan.hosts)
    return look_everywhere(narrowed, desk.tools[target.service], repository(plan, target.service), brief=True)


def _ours(container: Container, found: tuple[str, ...], run: Run, service: str) -> bool:
    """Whether the container runs what the run found (`name=image id`), or what it may have put there without a mark.

    One without a mark may have another name: Compose makes a new container under a name of its own beside the old one,
    and a process that was killed while it put the state from before back leaves it so.
    """
    if container.run:
        return f"{container.name}={container.image_id}" in found
    if container.image_id in {one.rpartition("=")[2] for one in found}:
        return True
    steps = (s for s in run.plan.steps() if isinstance(s, SwitchStep) and s.id in run.steps)
    return any(s.service == service and not s.marked and runs_image(container, s.image) for s in steps)


def _reality(step: EngineStep, doing: Doing) -> Verdict:
    return _verdict(step, seen(step.host, doing), doing)


def _verdict(step: EngineStep, view: HostView, doing: Doing) -> Verdict:
    if isinstance(view.containers, Unknown):
        return Unclear(f"{shown(step.host)} cannot be seen: {view.containers.reason}")
    timed = isinstance(step, RestartStep) or doing.tools.engine.pin_first
    since = doing.since + (aside.clock_ahead(step.host, doing.tools) if timed else 0)
    verdict = doing.tools.engine.happened(step, view, since, doing.run.id)
    return Yes() if isinstance(verdict, No) and _never_left(step, view.containers.value, doing.run) else verdict


def _never_left(step: EngineStep, containers: tuple[Container, ...], run: Run) -> bool:
    """Whether the step puts back what was never left: no attempt's switch took effect there.

    A script that has nothing to do starts nothing, so its containers are as old as they were.
    """
    if run.plan.restore is None or step not in run.plan.restore.steps or not isinstance(step, SwitchStep):
        return False
    tried = (s for a in run.plan.attempts for s in a.steps if isinstance(s, SwitchStep))
    switched = any(
        run.steps.get(s.id) is StepState.DONE for s in tried if (s.service, s.host) == (step.service, step.host)
    )
    mine = [one for one in containers if one.mine]
    return not switched and bool(mine) and all(runs_image(one, step.image) for one in mine)


def _run(commands: tuple[Command, ...], host: str, doing: Doing) -> tuple[Completed, ...]:
    """Commands with an effect, one after the other, up to the first that fails; each child is journalled."""
    answers: list[Completed] = []
    for command in commands:
        placed = msgspec.structs.replace(command, host=host)
        answers.append(doing.tools.process.run(placed, on_start=doing.child, on_line=doing.tell))
        if not answers[-1].ok:
            break
    return tuple(answers)


def _capture(step: CaptureStep, doing: Doing) -> Outcome:
    """Keep evidence. That it cannot be had is said, and never stands in the way of a rollback."""
    wanted = doing.tools.engine.evidence(doing.target, doing.first.at(step.service, step.host))
    placed = [msgspec.structs.replace(command, host=step.host) for _, command in wanted]
    first = step.host == doing.run.plan.hosts[0]
    picture = Picture(doing.tools, earlier=True) if first else None
    outside = from_outside(step.id, doing) if first else dict
    answers = together([partial(doing.tools.process.run, command) for command in placed])
    found = {name: a.stdout + a.stderr for (name, _), a in zip(wanted, answers, strict=True)}
    shown = picture.files("page-before") if picture else {}
    where = doing.keeper.keep({**found, **_configuration(doing), **shown, **outside()}).folder
    failed = [answer.why() for answer in answers if not answer.ok]
    missing = f"; not had: {'; '.join(failed)}" if failed else ""
    return StepDone(step.id, f"logs, inspect and configuration kept, secrets redacted{missing}", {"folder": where})


def _configuration(doing: Doing) -> dict[str, bytes]:
    """The files in git that the present release was rendered from."""
    repo, target = doing.tools.repo, doing.target
    paths = {target.pin_file, doing.tools.engine.file(target)} - {""}
    found = {path: repo.blob(repo.tip(), path) for path in sorted(paths)}
    return {path.replace("/", "_"): content for path, content in found.items() if content is not None}


def _pull(step: PullStep, doing: Doing) -> Outcome:
    if isinstance(_verdict(step, doing.first.at(step.service, step.host), doing), Yes):
        return StepDone(step.id, f"{step.image.image.name} is on {shown(step.host)}")
    answers = _run(doing.tools.engine.commands(doing.target, step), step.host, doing)
    seen = _reality(step, doing)
    if isinstance(seen, Yes):
        return StepDone(step.id, f"{step.image.image.name} pulled to {shown(step.host)}")
    because = next((a.why() for a in answers if not a.ok), "the image is not there after the pull")
    cut = any(answer.cut for answer in answers)  # of the release, that says nothing
    return StepFailed(step.id, because, Failure.IN_DOUBT if cut else Failure.PREPARE)


def _render(step: RenderStep, doing: Doing) -> Outcome:
    """Export the tree, put the engine's files beside it and have the engine check the result."""
    engine, pins, target, files = doing.tools.engine, doing.tools.pin, doing.target, doing.tools.files(step.host)
    tree = f"{step.folder}/tree"
    try:
        files.place(tree, partial(doing.tools.repo.export, step.tree))
        for name in target.untracked:
            files.link(f"{tree}/{name}", str(PurePosixPath(target.checkout) / name))
        variables = pins.variables(doing.tools.repo.blob(step.tree, target.pin_file) or b"")
        content = engine.files(step, variables, doing.run.id)
        together([partial(files.replace, f"{step.folder}/{name}", text) for name, text in content.items()])
    except OSError as error:
        return StepFailed(step.id, f"{step.folder}: {error.strerror or error}", Failure.PREPARE)
    commands = engine.render(target, step, step.compose)
    placed = [msgspec.structs.replace(command, host=step.host) for command in commands]
    answers = together([partial(doing.tools.process.run, command) for command in placed])
    keep_rendered(step, doing, answers)
    binds = engine.binds(step, answers)
    missing = files.missing(binds) if binds else ()
    # The service would start on an empty folder.
    unbacked = (f"{source} is mounted but not in git; name it under untracked" for source in missing)
    problems = (*engine.rendered(step, answers), *unbacked)
    if problems:
        return StepFailed(step.id, "; ".join(problems), Failure.PREPARE)
    return StepDone(step.id, f"Compose accepts it: {', '.join(step.services)}", {"folder": step.folder})


def _act(step: SwitchStep | RestartStep, doing: Doing) -> Outcome:
    """Run the commands; what they return is a claim, what the containers show decides."""
    answers = _run(doing.tools.engine.commands(doing.target, step), step.host, doing)
    if doing.tools.engine.pin_first:  # the team's own script: what it said is evidence
        doing.keeper.keep({f"{step.id}.txt": b"".join(answer.stdout + answer.stderr for answer in answers)})
    claimed = next((a.why() for a in answers if not a.ok), "")
    if any(answer.loose for answer in answers):
        return StepFailed(step.id, f"{claimed}; it may still be running on {shown(step.host)}", Failure.IN_DOUBT)
    match _reality(step, doing):
        case Yes():
            return StepDone(step.id, _acted(step) + (f", although it was reported: {claimed}" if claimed else ""))
        case No():
            if any(answer.cut for answer in answers):  # of the release, that says nothing
                return StepFailed(step.id, claimed, Failure.IN_DOUBT)
            because = claimed or "the command reported success, but the containers did not change"
            return StepFailed(step.id, because, Failure.RELEASE, "not switched")
        case Unclear(reason):
            return StepFailed(step.id, "; ".join(filter(None, (claimed, reason))), Failure.IN_DOUBT)


def _acted(step: SwitchStep | RestartStep) -> str:
    if isinstance(step, SwitchStep):
        names = ", ".join(step.services) or step.service
        return f"every container of {names} on {shown(step.host)} runs {step.image.image.name}"
    return f"{', '.join(step.containers)} restarted on {shown(step.host)}"


def _verify(step: VerifyStep, doing: Doing) -> Outcome:
    hosts = tuple(host for host in step.hosts if host not in doing.lost)
    return _gate(step, doing, hosts) if step.gate else _back(step, doing, hosts)


def _back(step: VerifyStep, doing: Doing, hosts: tuple[str, ...]) -> Outcome:
    """Seen to run again what ran before; whether that is healthy was no question of the state from before."""
    for host in hosts:
        there = seen(host, doing).containers
        if isinstance(there, Unknown):
            return StepFailed(step.id, f"{shown(host)} cannot be seen: {there.reason}", Failure.IN_DOUBT)
        mine = [c for c in there.value if c.mine]
        if not mine:  # nothing that runs another image is not yet something that runs this one
            return StepFailed(step.id, f"no container of the service is on {shown(host)}")
        others = [c.name for c in mine if not runs_image(c, step.image)]
        if others:
            return StepFailed(step.id, f"{', '.join(others)} on {shown(host)} run another image")
    return StepDone(step.id, f"every container runs {step.image.image.name} again")


def _gate(step: VerifyStep, doing: Doing, hosts: tuple[str, ...]) -> Outcome:
    asked = question(step, doing, seen(hosts[0], doing))
    target = msgspec.structs.replace(doing.target, hosts=hosts)
    decision, sample, kept = caching.watched(step, doing, target, asked)
    keep_sample(step, doing, decision, sample)
    if isinstance(decision, Passed):
        return _passed(step, doing, hosts, decision.because)
    blind = unseen(sample)
    answering = tuple(host for host in hosts if host not in blind)
    if blind and doing.run.plan.alone and answering:
        return _gate(step, doing, answering)
    if blind:
        host, reason = next(iter(blind.items()))
        return StepFailed(step.id, f"cannot be seen: {shown(host)}: {reason}", Failure.IN_DOUBT)
    down = dependency_down(sample)
    if down:
        return StepFailed(step.id, f"{down}, so the release cannot be blamed", Failure.ELSEWHERE)
    if kept:
        because = f"a cache answers for it ({kept}), so the release cannot be blamed: {decision.because}"
        return StepFailed(step.id, because, Failure.ELSEWHERE)
    kind = Failure.PREPARE if decision.signature == UNJUDGED else Failure.RELEASE  # nothing was said about the release
    return StepFailed(step.id, decision.because, kind, decision.signature)


def _passed(step: VerifyStep, doing: Doing, hosts: tuple[str, ...], because: str) -> Outcome:
    """The gate passed: the user flows have to work as well, and what they did must not have brought it down."""
    tried = flows.tried(step, doing)
    failed = _after_flows(step, doing, hosts, flows.broken(step, tried)) if tried else None
    if failed:
        return failed
    without = {WITHOUT: " ".join(gone)} if (gone := tuple(h for h in step.hosts if h not in hosts)) else {}
    said = "; ".join((f"every container runs {step.image.image.name}", because, *flows.praise(tried)))
    return StepDone(step.id, said, without | flows.details(tried))


def _after_flows(
    step: VerifyStep, doing: Doing, hosts: tuple[str, ...], broken: StepFailed | None
) -> StepFailed | None:
    """What is wrong once the flows were tried: one that failed, unless a dependency did, or the gate by now."""
    asked = question(step, doing, seen(hosts[0], doing))
    once = msgspec.structs.replace(asked.limits, passes=1, window=0.0)
    target = msgspec.structs.replace(doing.target, hosts=hosts)
    if broken is None:
        after, sample, kept = caching.watched(step, doing, target, msgspec.structs.replace(asked, limits=once))
        if isinstance(after, Passed):
            return None
        keep_sample(step, doing, after, sample)
        kind = Failure.IN_DOUBT if unseen(sample) else Failure.ELSEWHERE if kept else Failure.RELEASE
        broken = StepFailed(step.id, f"after the user flows: {after.because}", kind, after.signature)
    else:
        sample = take(target, doing.tools, asked, doing.tools.clock.monotonic())
    down = dependency_down(sample)
    return StepFailed(step.id, f"{broken.because}; {down}", Failure.ELSEWHERE) if down else broken


def question(step: VerifyStep, doing: Doing, view: HostView) -> Question:
    """What the gate asks after the step: a switch's containers are new, so no restart of theirs is an old one."""
    known = view.containers.value if isinstance(view.containers, Known) else ()
    part = next((p for p in doing.run.plan.attempts[0].parts if p.service == step.service), None)
    stays = doing.run.plan.action != "rollback" or (part is not None and not part.moves)
    old = {c.name: c.restarts for c in known} if stays else {}
    numbers = limits(doing.target.gate, view.healthcheck)
    if not step.probed:  # a release that crashes a second after its first healthy look must not reach the next host
        numbers = msgspec.structs.replace(numbers, window=0.0)
    return Question(image=step.image, limits=numbers, restarts=old, probed=step.probed)
