"""`kind: compose`: services that Docker Compose 2 or later runs from a file in the deploy repo."""

from collections.abc import Sequence

import msgspec

from lastgood.engines import _composefile, _docker, _doctor, _keeping, _rendering, _symptoms, _verdict
from lastgood.model.command import Command, Completed
from lastgood.model.duration import Duration
from lastgood.model.errors import Refused
from lastgood.model.facts import Fact, Unknown, Verdict
from lastgood.model.observed import EngineHealth, HostView
from lastgood.model.situation import Symptom
from lastgood.model.step import EngineStep, PullStep, RenderStep, RestartStep, SwitchStep
from lastgood.model.target import Target

_VALUES = "values.env"
_OVERRIDE = "override.yaml"
_RESTART_LIMIT = 120.0


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the Compose file is and which project it runs as.

    `env_files` are further env files for Compose, relative to the deploy repo; the pin file's values beat them.
    `limit` is how long a switch may take, the containers' stop_grace_period included, before Compose is killed.
    """

    file: str = "envs/{env}/apps/{service}/compose.yaml"
    project: str = "{service}"
    env_files: tuple[str, ...] = ()
    limit: Duration = Duration(180)


class Compose:
    """Implements `ports.Engine`. A release's folder holds the exported `tree/` and the files of `files`."""

    pin_first = False

    def __init__(self, options: Options) -> None:
        self._options = options

    def file(self, target: Target) -> str:
        """The Compose file's path in the deploy repo."""
        return _filled(self._options.file, target)

    def questions(self, target: Target, repository: str) -> tuple[Command, ...]:
        """How to look at the project, at the repository's images, and which engine and Compose there are."""
        return _docker.questions(self._project(target), repository)

    def glance(self, target: Target, repository: str) -> tuple[Command, ...]:
        """How to look at the project and the repository's images."""
        return _docker.glance(self._project(target), repository)

    def follow_up(self, answers: Sequence[Completed]) -> tuple[Command, ...]:
        """How to look closer at the containers that the answers list."""
        return _docker.follow_up(answers)

    def read(self, answers: Sequence[Completed]) -> HostView:
        """Everything answered, as facts. Names are refused where they are not what the engine would give out."""
        return _docker.read(answers)

    def services(self, content: bytes, variables: dict[str, str], repository: str) -> tuple[str, ...]:
        """The services in a Compose file that use the repository. Raises ValueError where it is no Compose file."""
        return _composefile.services(content, variables, repository)

    def files(self, step: RenderStep, variables: dict[str, str], run: str) -> dict[str, bytes]:
        """The pin file's values for Compose, and the override that pins image and run. Raises ValueError."""
        return {_VALUES: _composefile.values_env(variables), _OVERRIDE: _composefile.override(step, run)}

    def render(self, target: Target, step: RenderStep, compose: tuple[str, ...]) -> tuple[Command, ...]:
        """Renderings as it would run, and without the override, to see what the release's own files mean."""
        shown = ("config", "--format", "json")
        return (
            Command((*self._compose(target, step.folder, compose, (_OVERRIDE,)), *shown)),
            Command((*self._compose(target, step.folder, compose, ()), *shown)),
        )

    def rendered(self, step: RenderStep, answers: Sequence[Completed]) -> tuple[str, ...]:
        """What is wrong with the renderings, without any value out of them."""
        return _rendering.problems(step, answers)

    def binds(self, step: RenderStep, answers: Sequence[Completed]) -> tuple[str, ...]:
        """Files and folders of the release's folder that the services mount."""
        return _rendering.mounted(step, answers)

    def commands(self, target: Target, step: EngineStep) -> tuple[Command, ...]:
        """The one command of each step. All of them may be repeated."""
        match step:
            case PullStep():
                return (_docker.pull(step.image),)
            case SwitchStep():
                return (Command(self._up(target, step), timeout=float(self._options.limit)),)
            case RestartStep():
                return (Command(("docker", "restart", "--", *step.containers), timeout=_RESTART_LIMIT),)

    def happened(self, step: EngineStep, seen: HostView, since: int, run: str) -> Verdict:
        """Whether the step took effect; No also where it did in part, as repeating it does no harm."""
        return _verdict.happened(step, seen, since, run)

    def evidence(self, target: Target, seen: HostView) -> tuple[tuple[str, Command], ...]:  # noqa: ARG002 - the port's signature; `seen` is the target's already
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
        return _filled(self._options.project, target)

    def _up(self, target: Target, step: SwitchStep) -> tuple[str, ...]:
        """Without dependencies, builds and pulls: only these services change, to what was checked before."""
        return (
            *self._compose(target, step.folder, step.compose, (_OVERRIDE,)),
            *("up", "--detach", "--no-deps", "--no-build", "--pull", "never"),
            *(f"--scale={name}={count}" for name, count in step.scale),
            "--",
            *step.services,
        )

    def _compose(
        self, target: Target, folder: str, compose: tuple[str, ...], overrides: tuple[str, ...]
    ) -> tuple[str, ...]:
        """Compose on the exported tree. Naming env files keeps it from taking a `.env` that happens to lie there."""
        if not compose:
            raise Refused(
                "No Docker Compose 2 or later answers on the host.",
                because=("neither `docker compose version` nor `docker-compose version` works there",),
                next=("install the Compose plugin: https://docs.docker.com/compose/install/linux/",),
            )
        tree, file = f"{folder}/tree", self.file(target)
        env_files = (*(f"{tree}/{_filled(name, target)}" for name in self._options.env_files), f"{folder}/{_VALUES}")
        return (
            *(*compose, "--ansi", "never", "--project-name", self._project(target)),
            *("--project-directory", f"{tree}/{file}".rpartition("/")[0]),
            *("--file", f"{tree}/{file}"),
            *(word for name in overrides for word in ("--file", f"{folder}/{name}")),
            *(word for path in env_files for word in ("--env-file", path)),
        )


def make(options: Options) -> Compose:
    """The engine."""
    return Compose(options)


def _filled(text: str, target: Target) -> str:
    return text.replace("{env}", target.env).replace("{service}", target.service)
