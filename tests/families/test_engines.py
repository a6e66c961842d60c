"""Every engine there is must do what its fixtures say, and what all engines must.

A fixture is a JSON file in `engines/KIND/` that holds one case: `look` (answers as recorded from a real engine →
facts), `services`, `files`, `render`, `commands` and `evidence` (values → files and argv), `verdict` (facts → whether
a step happened) and `symptoms` (answers → why containers fail). A new kind is found by itself, and fails here until it
has a fixture of each.
"""

import importlib
import pkgutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

import msgspec
import pytest

import lastgood.engines
from lastgood.model.command import Command, Completed
from lastgood.model.duration import Duration
from lastgood.model.errors import Refused
from lastgood.model.facts import Unknown, Verdict
from lastgood.model.observed import HostView
from lastgood.model.release import Image
from lastgood.model.step import EngineStep, PullStep, RenderStep, RestartStep, Runnable, SwitchStep
from lastgood.model.target import Adapter, GateSpec, Push, Target, WalkBack
from lastgood.ports import Engine

FIXTURES = Path(__file__).parent / "engines"
KINDS = sorted(m.name for m in pkgutil.iter_modules(lastgood.engines.__path__) if not m.name.startswith("_"))
# An engine that runs what the branch says renders nothing: the team's own script does.
RENDERING = [k for k in KINDS if not importlib.import_module(f"lastgood.engines.{k}").make(None).pin_first]
JSON: TypeAlias = dict[str, Any]
IMAGE = Runnable(Image("registry.example:5000/shop-api", "sha-1", "sha256:" + "d1" * 32))
RENDER = RenderStep("render", "shop-api", "local", "0" * 40, "/r", IMAGE, ("api",), True, ("docker", "compose"), "")  # noqa: FBT003 - as plans are built

SWITCH = SwitchStep(
    "switch", "shop-api", "local", "/r", IMAGE, ("api",), (), marked=False, compose=RENDER.compose, because=""
)


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a command left."""

    status: int | None = 0
    stdout: str = ""
    stderr: str = ""
    failure: str = ""

    def to(self, command: Command) -> Completed:
        return Completed(command, self.status, self.stdout.encode(), self.stderr.encode(), 0.0, self.failure)


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="case", tag=str.lower, kw_only=True):
    """`about` says what the fixture is there for; `options` are the kind's own."""

    about: str
    options: JSON = {}

    def check(self, engine: Engine, target: Target) -> None:
        raise NotImplementedError


class Look(Case, frozen=True, kw_only=True):
    """`answers` by the command they answer, as shown; each must be asked for."""

    repository: str
    answers: dict[str, Answer]
    view: JSON

    def check(self, engine: Engine, target: Target) -> None:
        first = [self._ask(command) for command in engine.questions(target, self.repository)]
        answers = [*first, *(self._ask(command) for command in engine.follow_up(first))]
        assert msgspec.json.decode(msgspec.json.encode(engine.read(answers))) == self.view
        assert {answer.command.shown() for answer in answers} == self.answers.keys()

    def _ask(self, command: Command) -> Completed:
        assert command.shown() in self.answers
        return self.answers[command.shown()].to(command)


class Services(Case, frozen=True, kw_only=True):
    content: str
    variables: dict[str, str] = {}
    repository: str
    services: tuple[str, ...] = ()
    error: str = ""

    def check(self, engine: Engine, target: Target) -> None:  # noqa: ARG002 - every case is checked alike
        if self.error:
            with pytest.raises(ValueError, match=self.error):
                engine.services(self.content.encode(), self.variables, self.repository)
        else:
            assert engine.services(self.content.encode(), self.variables, self.repository) == self.services


class Files(Case, frozen=True, kw_only=True):
    step: RenderStep
    variables: dict[str, str] = {}
    run: str
    files: dict[str, str]

    def check(self, engine: Engine, target: Target) -> None:  # noqa: ARG002 - every case is checked alike
        made = engine.files(self.step, self.variables, self.run)
        assert {name: content.decode() for name, content in made.items()} == self.files


class Render(Case, frozen=True, kw_only=True):
    """`commands` as shown; with `answers`, what is wrong with them and what they mount."""

    step: RenderStep
    commands: tuple[str, ...]
    answers: tuple[Answer, ...] = ()
    problems: tuple[str, ...] = ()
    binds: tuple[str, ...] = ()

    def check(self, engine: Engine, target: Target) -> None:
        commands = engine.render(target, self.step, self.step.compose)
        assert tuple(command.shown() for command in commands) == self.commands
        if self.answers:
            answers = [answer.to(command) for answer, command in zip(self.answers, commands, strict=True)]
            assert engine.rendered(self.step, answers) == self.problems
            assert engine.binds(self.step, answers) == self.binds


class Commands(Case, frozen=True, kw_only=True):
    """`argv`, `timeout` (seconds) and folder of the step's command, and `then` the argv of those that follow alike."""

    step: EngineStep
    argv: tuple[str, ...]
    timeout: float
    cwd: str | None = None
    then: tuple[tuple[str, ...], ...] = ()

    def check(self, engine: Engine, target: Target) -> None:
        wanted = tuple(Command(argv, cwd=self.cwd, timeout=self.timeout) for argv in (self.argv, *self.then))
        assert engine.commands(target, self.step) == wanted


class Judge(Case, frozen=True, kw_only=True, tag="verdict"):
    """`since` in Unix nanoseconds."""

    step: EngineStep
    seen: HostView
    since: int = 0
    run: str = "R1"
    verdict: Verdict

    def check(self, engine: Engine, target: Target) -> None:  # noqa: ARG002 - every case is checked alike
        assert engine.happened(self.step, self.seen, self.since, self.run) == self.verdict


class Evidence(Case, frozen=True, kw_only=True):
    """`wanted` maps file names to commands as shown."""

    seen: HostView
    wanted: dict[str, str]

    def check(self, engine: Engine, target: Target) -> None:
        wanted = engine.evidence(target, self.seen)
        assert {name: command.shown() for name, command in wanted} == self.wanted
        assert not any("/" in name for name in self.wanted)


class Symptoms(Case, frozen=True, kw_only=True):
    """`answers` in the order of the commands; `wanted` by container, or `unknown` why nothing is known of them."""

    seen: HostView
    answers: tuple[Answer, ...] = ()
    wanted: dict[str, JSON] = {}
    unknown: str = ""

    def check(self, engine: Engine, target: Target) -> None:  # noqa: ARG002 - every case is checked alike
        commands = engine.symptoms(self.seen, 1000)
        found = engine.read_symptoms([one.to(c) for one, c in zip(self.answers, commands, strict=True)])
        if isinstance(found, Unknown):
            assert found.reason == self.unknown
            return
        told = {
            one.name: {
                "error": one.error,
                "oom": one.oom,
                "created": one.created,
                "log": one.log.reason if isinstance(one.log, Unknown) else one.log.value.decode(),
                "secrets": {name: secret.reveal() for name, secret in one.variables},
            }
            for one in found.value
        }
        assert told == self.wanted
        assert "hunter22" not in repr(found)


AnyCase: TypeAlias = Symptoms | Look | Services | Files | Render | Commands | Judge | Evidence


def cases() -> list[tuple[str, Path]]:
    return [(kind, path) for kind in KINDS for path in sorted((FIXTURES / kind).glob("*.json"))]


def load(path: Path) -> AnyCase:
    found: AnyCase = msgspec.json.decode(path.read_bytes(), type=AnyCase)
    return found


def made(kind: str, given: JSON) -> tuple[Engine, Target]:
    module = importlib.import_module(f"lastgood.engines.{kind}")
    options = msgspec.convert(given, module.Options, dec_hook=lambda _, text: Duration.parse(text))
    engine: Engine = module.make(options)
    return engine, Target(
        service="shop-api",
        env="prod",
        repo="/home/robin/deploy",
        branch="main",
        hosts=("local",),
        state="/var/lib/lastgood",
        push=Push.BEST_EFFORT,
        engine=Adapter(kind, options),
        pin=Adapter("values", options),
        pin_file="envs/prod/apps/shop-api/values.yaml",
        registry=Adapter("oci", options),
        probes=(),
        gate=GateSpec(),
        walk_back=WalkBack(),
    )


@pytest.mark.parametrize(("kind", "path"), cases(), ids=lambda part: part.stem if isinstance(part, Path) else part)
def test_an_engine_must_do_what_its_fixture_says(kind: str, path: Path) -> None:
    case = load(path)
    case.check(*made(kind, case.options))


@pytest.mark.parametrize("kind", KINDS)
def test_an_engine_must_have_a_fixture_of_every_case_and_every_step(kind: str) -> None:
    found = [load(path) for _, path in cases() if path.parent.name == kind]
    rendering = {Services, Files, Render} if kind in RENDERING else set()
    assert {type(case) for case in found} == {Look, Commands, Judge, Evidence, Symptoms} | rendering
    for case in (Commands, Judge):
        assert {type(one.step) for one in found if isinstance(one, case)} == {PullStep, SwitchStep, RestartStep}
    verdicts = {(type(one.step), type(one.verdict).__name__) for one in found if isinstance(one, Judge)}
    assert len(verdicts) == 9, "each step must be seen to have happened, not to have happened, and to be unclear"


def test_fixtures_must_belong_to_an_engine() -> None:
    assert {path.name for path in FIXTURES.iterdir()} == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
class TestEveryEngine:
    failures: ClassVar[Sequence[Answer]] = (
        Answer(status=1, stderr="Cannot connect to the Docker daemon. Is it running?"),
        Answer(status=None, failure="killed after 10 s"),
        Answer(status=None, failure="not found: docker"),
        Answer(stdout="{]\xff\x00 garbage"),
        Answer(stdout='{"json": "of another kind"}'),
    )

    @pytest.mark.parametrize("answer", failures, ids=lambda answer: answer.failure or answer.stderr or answer.stdout)
    def test_what_could_not_be_asked_must_be_unknown(self, kind: str, answer: Answer) -> None:
        engine, target = made(kind, {})
        answers = [answer.to(command) for command in engine.questions(target, "registry.example/shop-api")]
        view = engine.read([*answers, *(answer.to(command) for command in engine.follow_up(answers))])
        assert isinstance(view.containers, Unknown)
        assert isinstance(view.images, Unknown)
        assert (view.healthcheck, view.compose) == (None, ())

    def test_nothing_asked_must_be_unknown(self, kind: str) -> None:
        view = made(kind, {})[0].read([])
        assert isinstance(view.containers, Unknown)
        assert isinstance(view.images, Unknown)

    def test_a_glance_must_be_part_of_the_questions(self, kind: str) -> None:
        engine, target = made(kind, {})
        assert set(engine.glance(target, "r")) < set(engine.questions(target, "r"))

    def test_an_option_that_is_not_known_must_be_refused(self, kind: str) -> None:
        with pytest.raises(msgspec.ValidationError, match="fiel"):
            made(kind, {"fiel": "compose.yaml"})


@pytest.mark.parametrize("kind", RENDERING)
class TestEveryEngineThatRenders:
    @pytest.mark.parametrize("variables", [{"A": "x\0y"}, {"A": "\ud800"}, {"a.b": "x"}, {"": "x"}, {"A\nB": "x"}])
    def test_a_variable_that_no_environment_can_hold_must_be_refused(
        self, kind: str, variables: dict[str, str]
    ) -> None:
        with pytest.raises(ValueError, match=r"cannot be given|surrogates"):
            made(kind, {})[0].files(RENDER, variables, "R1")

    def test_without_compose_nothing_must_be_switched(self, kind: str) -> None:
        engine, target = made(kind, {})
        with pytest.raises(Refused, match="No Docker Compose"):
            engine.commands(target, msgspec.structs.replace(SWITCH, compose=()))
        with pytest.raises(Refused, match="No Docker Compose"):
            engine.render(target, RENDER, ())

    def test_a_rendering_that_is_no_rendering_must_be_a_problem(self, kind: str) -> None:
        engine, target = made(kind, {})
        for stdout in ("", "{}", "[]", "\xff", '{"services": 1}'):
            answers = [Answer(stdout=stdout).to(command) for command in engine.render(target, RENDER, RENDER.compose)]
            assert engine.rendered(RENDER, answers) != ()
            assert engine.binds(RENDER, answers) == ()
        assert engine.rendered(RENDER, []) != ()
        assert engine.binds(RENDER, []) == ()


@pytest.mark.parametrize("kind", sorted(set(KINDS) - set(RENDERING)))
def test_an_engine_that_runs_the_branch_must_leave_rendering_to_the_team(kind: str) -> None:
    engine, target = made(kind, {})
    assert engine.file(target) == ""
    assert engine.services(b"services: {}", {}, "registry.example/shop-api") == ()
    assert engine.files(RENDER, {"A": "x"}, "R1") == {}
    assert engine.render(target, RENDER, RENDER.compose) == ()
    assert (engine.rendered(RENDER, []), engine.binds(RENDER, [])) == ((), ())
