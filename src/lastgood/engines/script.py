"""`kind: script`: the team's own deploy script, run in the server's checkout of the deploy repo.

The script is believed in nothing: which image runs afterwards is asked of Docker.
"""

from collections.abc import Sequence

import msgspec

from lastgood.engines import _docker, _doctor, _keeping, _symptoms, _verdict
from lastgood.model.command import Command, Completed
from lastgood.model.duration import Duration
from lastgood.model.facts import Fact, Unknown, Verdict
from lastgood.model.observed import EngineHealth, HostView
from lastgood.model.situation import Symptom
from lastgood.model.step import EngineStep, PullStep, RenderStep, RestartStep, SwitchStep
from lastgood.model.target import Target

_RESTART_LIMIT = 120.0


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which scripts deploy, and which Compose project they run.

    `deploy` and `wait` are called with environment and service as arguments; an empty `wait` is not called. `limit` is
    how long each may take before it is ended.
    """

    deploy: str = "./scripts/compose/deploy-service.sh"
    wait: str = "./scripts/compose/wait-healthy.sh"
    project: str = "{service}"
    limit: Duration = Duration(300)


class Script:
    """Implements `ports.Engine`. A release needs no folder of its own: the scripts read the checkout."""

    pin_first = True

    def __init__(self, options: Options) -> None:
        self._options = options

    def file(self, target: Target) -> str:  # noqa: ARG002 - the port's signature
        """None: only the script knows."""
        return ""

    def questions(self, target: Target, repository: str) -> tuple[Command, ...]:
        """How to look at the project, at the repository's images, and at the engine."""
        return _docker.questions(self._project(target), repository)

    def glance(self, target: Target, repository: str) -> tuple[Command, ...]:
        """How to look at the project and at the repository's images."""
        return _docker.glance(self._project(target), repository)

    def follow_up(self, answers: Sequence[Completed]) -> tuple[Command, ...]:
        """How to look closer at the containers that the answers list."""
        return _docker.follow_up(answers)

    def read(self, answers: Sequence[Completed]) -> HostView:
        """Everything answered, as facts."""
        return _docker.read(answers)

    def services(self, content: bytes, variables: dict[str, str], repository: str) -> tuple[str, ...]:  # noqa: ARG002 - the port's signature
        """None: only the script knows."""
        return ()

    def files(self, step: RenderStep, variables: dict[str, str], run: str) -> dict[str, bytes]:  # noqa: ARG002 - the port's signature
        """None: nothing is rendered."""
        return {}

    def render(self, target: Target, step: RenderStep, compose: tuple[str, ...]) -> tuple[Command, ...]:  # noqa: ARG002 - the port's signature
        """Nothing: the script renders by itself."""
        return ()

    def rendered(self, step: RenderStep, answers: Sequence[Completed]) -> tuple[str, ...]:  # noqa: ARG002 - the port's signature
        """Nothing is known to be wrong."""
        return ()

    def binds(self, step: RenderStep, answers: Sequence[Completed]) -> tuple[str, ...]:  # noqa: ARG002 - the port's signature
        """None are known."""
        return ()

    def commands(self, target: Target, step: EngineStep) -> tuple[Command, ...]:
        """The scripts in the checkout for a switch, Docker itself for the rest."""
        match step:
            case PullStep():
                return (_docker.pull(step.image),)
            case SwitchStep():
                scripts = filter(None, (self._options.deploy, self._options.wait))
                limit = float(self._options.limit)
                return tuple(Command((s, target.env, target.service), cwd=step.folder, timeout=limit) for s in scripts)
            case RestartStep():
                return (Command(("docker", "restart", "--", *step.containers), timeout=_RESTART_LIMIT),)

    def happened(self, step: EngineStep, seen: HostView, since: int, run: str) -> Verdict:
        """Whether the step took effect; a switch has to have started its containers since, with the right image."""
        if isinstance(step, SwitchStep):
            return _verdict.switched_since(step, seen, since)
        return _verdict.happened(step, seen, since, run)

    def evidence(self, target: Target, seen: HostView) -> tuple[tuple[str, Command], ...]:  # noqa: ARG002 - the port's signature
        """Logs and inspect of every container of the project. Both may hold secrets."""
        return () if isinstance(seen.containers, Unknown) else _docker.evidence(seen.containers.value)

    def symptoms(self, seen: HostView, cap: int) -> tuple[Command, ...]:
        """The end of each container's log, and the engine's notes of its last start and exit."""
        return () if isinstance(seen.containers, Unknown) else _symptoms.questions(seen.containers.value, cap)

    def read_symptoms(self, answers: Sequence[Completed]) -> Fact[tuple[Symptom, ...]]:
        """These, as facts."""
        return _symptoms.read(answers)

    def health_questions(self) -> tuple[Command, ...]:
        """How to ask the engine for its clock and its folder."""
        return _doctor.questions()

    def read_health(self, answers: Sequence[Completed]) -> EngineHealth:
        """Its answer, as facts."""
        return _doctor.read(answers)

    def keep(self, repository: str, image_id: str, name: str) -> tuple[Command, ...]:
        """How to give an image a tag of ours. Raises ValueError where the name makes no tag."""
        return (_keeping.keep(repository, image_id, name),)

    def let_go(self, repository: str, name: str) -> tuple[Command, ...]:
        """How to take a tag of ours away."""
        return (_keeping.let_go(repository, name),)

    def sizes(self, image_ids: Sequence[str]) -> tuple[Command, ...]:
        """How to ask for images' sizes."""
        return _keeping.sizes(image_ids)

    def read_sizes(self, answers: Sequence[Completed]) -> Fact[dict[str, int]]:
        """Their sizes in bytes."""
        return _keeping.read_sizes(answers)

    def _project(self, target: Target) -> str:
        return self._options.project.replace("{env}", target.env).replace("{service}", target.service)


def make(options: Options) -> Script:
    """The engine."""
    return Script(options)
