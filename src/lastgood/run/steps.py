"""Carries single steps out and asks reality about them. No decision is made here: those are in the plan."""

import shutil
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias, assert_never

import msgspec

from lastgood.model.command import Child, Command, Completed
from lastgood.model.event import Failure, Run, StepDone, StepFailed
from lastgood.model.facts import Known, No, Unclear, Unknown, Verdict, Yes
from lastgood.model.gate import Passed
from lastgood.model.observed import Container, HostView
from lastgood.model.step import (
    CaptureStep,
    EngineStep,
    PullStep,
    RecordStep,
    RenderStep,
    RestartStep,
    Step,
    SwitchStep,
    VerifyStep,
)
from lastgood.model.target import Target
from lastgood.observe.hosts import look_at, look_everywhere
from lastgood.observe.together import together
from lastgood.plan.gate import UNJUDGED, Question, limits, runs_image
from lastgood.ports import Keeper, Tools
from lastgood.run.gate import dependency_down, unseen, watch
from lastgood.run.record import record

Outcome: TypeAlias = StepDone | StepFailed


class FirstLook:
    """One look at each host for steps that begin at the same moment: whoever asks first asks for all of them.

    `fresh` is what was seen of hosts a moment ago.
    """

    def __init__(self, target: Target, tools: Tools, repository: str, fresh: dict[str, HostView]) -> None:
        self._look = partial(look_at, target, tools, repository=repository, brief=True)
        self._seen = dict(fresh)
        self._lock = threading.Lock()

    def at(self, host: str) -> HostView:
        """What the host showed."""
        with self._lock:
            if host not in self._seen:
                self._seen[host] = self._look(host)
            return self._seen[host]


@dataclass(frozen=True)
class Doing:
    """What carrying out a step needs: the target and its tools, the run so far, and whom to tell.

    `since` is when the step was begun, Unix nanoseconds; `first` is what steps begun together see of a host.
    """

    target: Target
    tools: Tools
    run: Run
    keeper: Keeper
    tell: Callable[[str], None]
    child: Callable[[Child], None]
    since: int
    first: "FirstLook"


def perform(step: Step, doing: Doing) -> Outcome:
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
        case RecordStep():
            attempt = next(a for a in doing.run.plan.attempts if step in a.steps)
            return record(step, doing.target, doing.tools, doing.run, attempt)
        case _:
            assert_never(step)


def happened(step: Step, doing: Doing) -> Verdict:
    """Whether a step that was begun took effect, from reality alone. What is harmless to do again answers No."""
    match step:
        case CaptureStep() | RenderStep() | VerifyStep() | RecordStep():
            return No()  # looking, exporting and recording find out by themselves what is there already
        case PullStep() | SwitchStep() | RestartStep():
            return _reality(step, doing)
        case _:
            assert_never(step)


def strangers(run: Run, target: Target, tools: Tools) -> tuple[str, ...]:
    """Containers that are neither as the run found them nor put there by it. A host that cannot be seen shows none."""
    repository = run.plan.attempts[0].image.image.repository
    found = dict(run.plan.facts.running)
    return tuple(
        f"{container.name} on {host} runs {container.image}" + (f" (run {container.run})" if container.run else "")
        for host, view in look_everywhere(target, tools, repository, brief=True).items()
        for container in (view.containers.value if isinstance(view.containers, Known) else ())
        if container.mine and container.run != run.id and not _as_found(container, found.get(host, ()))
    )


def _as_found(container: Container, found: tuple[str, ...]) -> bool:
    """Whether the container runs what the run found (`name=image id`).

    One without a mark may have another name: Compose makes a new container under a name of its own beside the old one,
    and a process that was killed while it put the state from before back leaves it so.
    """
    if container.run:
        return f"{container.name}={container.image_id}" in found
    return container.image_id in {one.rpartition("=")[2] for one in found}


def _reality(step: EngineStep, doing: Doing) -> Verdict:
    return _verdict(step, _view(step.host, doing), doing)


def _verdict(step: EngineStep, view: HostView, doing: Doing) -> Verdict:
    if isinstance(view.containers, Unknown):
        return Unclear(f"{step.host} cannot be seen: {view.containers.reason}")
    return doing.tools.engine.happened(step, view, doing.since, doing.run.id)


def _view(host: str, doing: Doing) -> HostView:
    repository = doing.run.plan.attempts[0].image.image.repository
    return look_at(doing.target, doing.tools, host, repository, brief=True)


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
    wanted = doing.tools.engine.evidence(doing.target, doing.first.at(step.host))
    placed = [msgspec.structs.replace(command, host=step.host) for _, command in wanted]
    answers = together([partial(doing.tools.process.run, command) for command in placed])
    found = {name: a.stdout + a.stderr for (name, _), a in zip(wanted, answers, strict=True)}
    where = doing.keeper.keep({**found, **_configuration(doing)})
    failed = [answer.why() for answer in answers if not answer.ok]
    missing = f"; not had: {'; '.join(failed)}" if failed else ""
    return StepDone(step.id, f"logs, inspect and configuration kept, secrets redacted{missing}", {"folder": where})


def _configuration(doing: Doing) -> dict[str, bytes]:
    """The files in git that the present release was rendered from."""
    repo, target = doing.tools.repo, doing.target
    paths = {target.pin_file, doing.tools.engine.file(target)}
    found = {path: repo.blob(repo.tip(), path) for path in sorted(paths)}
    return {path.replace("/", "_"): content for path, content in found.items() if content is not None}


def _pull(step: PullStep, doing: Doing) -> Outcome:
    if isinstance(_verdict(step, doing.first.at(step.host), doing), Yes):
        return StepDone(step.id, f"{step.image.image.name} is on {step.host}")
    answers = _run(doing.tools.engine.commands(doing.target, step), step.host, doing)
    seen = _reality(step, doing)
    if isinstance(seen, Yes):
        return StepDone(step.id, f"{step.image.image.name} pulled to {step.host}")
    because = next((a.why() for a in answers if not a.ok), "the image is not there after the pull")
    return StepFailed(step.id, because, Failure.PREPARE)


def _render(step: RenderStep, doing: Doing) -> Outcome:
    """Export the tree, put the engine's files beside it and have the engine check the result."""
    engine, pin, target = doing.tools.engine, doing.tools.pin, doing.target
    folder = Path(step.folder)
    try:
        _export(step, folder, doing)
        variables = pin.variables(doing.tools.repo.blob(step.tree, target.pin_file) or b"")
        for name, content in engine.files(step, variables, doing.run.id).items():
            doing.tools.files.replace(str(folder / name), content)
    except OSError as error:
        return StepFailed(step.id, f"{folder}: {error.strerror or error}", Failure.PREPARE)
    commands = engine.render(target, step, step.compose)
    placed = [msgspec.structs.replace(command, host=step.host) for command in commands]
    answers = together([partial(doing.tools.process.run, command) for command in placed])
    problems = (*engine.rendered(step, answers), *_unbacked(engine.binds(step, answers)))
    if problems:
        return StepFailed(step.id, "; ".join(problems), Failure.PREPARE)
    return StepDone(step.id, f"Compose accepts it: {', '.join(step.services)}", {"folder": step.folder})


def _export(step: RenderStep, folder: Path, doing: Doing) -> None:
    """The tree in `folder/tree`, whole or not at all; files that git does not hold are linked in beside it."""
    tree = folder / "tree"
    if not tree.exists():
        fresh = folder / "tree.part"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        doing.tools.repo.export(step.tree, str(fresh))
        fresh.rename(tree)
    for name in doing.target.untracked:
        link = tree / name
        link.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            link.symlink_to(Path(doing.target.checkout) / name)


def _unbacked(binds: tuple[str, ...]) -> tuple[str, ...]:
    """Bind mounts out of the exported tree that git does not hold: the service would start on an empty folder."""
    return tuple(
        f"{source} is mounted but not in git; name it under untracked" for source in binds if not Path(source).exists()
    )


def _act(step: SwitchStep | RestartStep, doing: Doing) -> Outcome:
    """Run the commands; what they return is a claim, what the containers show decides."""
    answers = _run(doing.tools.engine.commands(doing.target, step), step.host, doing)
    claimed = next((a.why() for a in answers if not a.ok), "")
    match _reality(step, doing):
        case Yes():
            return StepDone(step.id, _acted(step))
        case No():
            because = claimed or "the command reported success, but the containers did not change"
            return StepFailed(step.id, because, Failure.RELEASE, "not switched")
        case Unclear(reason):
            return StepFailed(step.id, "; ".join(filter(None, (claimed, reason))), Failure.IN_DOUBT)


def _acted(step: SwitchStep | RestartStep) -> str:
    if isinstance(step, SwitchStep):
        return f"every container of {', '.join(step.services)} on {step.host} runs {step.image.image.name}"
    return f"{', '.join(step.containers)} restarted on {step.host}"


def _verify(step: VerifyStep, doing: Doing) -> Outcome:
    return _gate(step, doing) if step.gate else _back(step, doing)


def _back(step: VerifyStep, doing: Doing) -> Outcome:
    """Seen to run again what ran before; whether that is healthy was no question of the state from before."""
    for host in doing.target.hosts:
        seen = _view(host, doing).containers
        if isinstance(seen, Unknown):
            return StepFailed(step.id, f"{host} cannot be seen: {seen.reason}", Failure.IN_DOUBT)
        mine = [c for c in seen.value if c.mine]
        if not mine:  # nothing that runs another image is not yet something that runs this one
            return StepFailed(step.id, f"no container of the service is on {host}")
        others = [c.name for c in mine if not runs_image(c, step.image)]
        if others:
            return StepFailed(step.id, f"{', '.join(others)} on {host} run another image")
    return StepDone(step.id, f"every container runs {step.image.image.name} again")


def _gate(step: VerifyStep, doing: Doing) -> Outcome:
    asked = question(step, doing, _view(doing.target.hosts[0], doing))
    decision, sample = watch(doing.target, doing.tools, asked, doing.tell)
    if isinstance(decision, Passed):
        return StepDone(step.id, f"every container runs {step.image.image.name}; {decision.because}")
    blind = unseen(sample)
    if blind:
        return StepFailed(step.id, f"cannot be seen: {blind}", Failure.IN_DOUBT)
    down = dependency_down(sample)
    if down:
        return StepFailed(step.id, f"{down}, so the release cannot be blamed", Failure.ELSEWHERE)
    kind = Failure.PREPARE if decision.signature == UNJUDGED else Failure.RELEASE  # nothing was said about the release
    return StepFailed(step.id, decision.because, kind, decision.signature)


def question(step: VerifyStep, doing: Doing, view: HostView) -> Question:
    """What the gate asks after the step: a switch's containers are new, so no restart of theirs is an old one."""
    known = view.containers.value if isinstance(view.containers, Known) else ()
    old = {} if doing.run.plan.action == "rollback" else {c.name: c.restarts for c in known}
    return Question(image=step.image, limits=limits(doing.target.gate, view.healthcheck), restarts=old)
