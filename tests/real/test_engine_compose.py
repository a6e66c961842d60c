"""The commands of `kind: compose` on the real engine and the real Compose, and whether its verdicts are true."""

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lastgood.effects.process import LocalProcess
from lastgood.engines import compose
from lastgood.engines._composefile import values_env
from lastgood.model.command import Command, Completed
from lastgood.model.facts import Known, No, Unclear, Unknown, Verdict, Yes
from lastgood.model.observed import Container, HostView, State
from lastgood.model.release import Image
from lastgood.model.step import EngineStep, PullStep, RenderStep, RestartStep, Runnable, SwitchStep
from lastgood.model.target import Adapter, GateSpec, Push, Target, WalkBack
from sandbox import setting
from sandbox.run import docker, wait_until
from sandbox.world import World

API = "shop-api"
PLUGIN = ("docker", "compose")
PROCESS = LocalProcess(patience=0)


@dataclass(frozen=True)
class Bench:
    """An engine at work on a world's service, as the executor would use it."""

    world: World
    engine: compose.Compose
    target: Target

    def ask(self, *commands: Command) -> list[Completed]:
        return [PROCESS.run(command) for command in commands]

    def see(self) -> HostView:
        first = self.ask(*self.engine.questions(self.target, self.world.repository(API)))
        return self.engine.read([*first, *self.ask(*self.engine.follow_up(first))])

    def containers(self) -> list[Container]:
        seen = self.see().containers
        assert isinstance(seen, Known)
        return [one for one in seen.value if one.mine]

    def verdict(self, step: EngineStep, since: int = 0) -> Verdict:
        return self.engine.happened(step, self.see(), since, "R1")

    def do(self, step: EngineStep) -> None:
        (command,) = self.engine.commands(self.target, step)
        done = PROCESS.run(command)
        assert done.ok, done.why()

    def image(self, release: str) -> Runnable:
        return Runnable(
            Image(self.world.repository(API), self.world.tag(API, release), self.world.digest(API, release))
        )

    def interrupt(self, step: EngineStep, moment: str) -> None:
        """Do it, and kill Compose as soon as it says that it is at `moment`."""
        (command,) = self.engine.commands(self.target, step)

        def kill(line: str) -> None:
            if line.rstrip().endswith(f" {moment}"):
                raise InterruptedError

        with pytest.raises(InterruptedError):
            PROCESS.run(command, on_line=kill)

    def prepare(
        self, release: str, *, run: str = "R1", marked: bool = True, image: Runnable | None = None
    ) -> tuple[SwitchStep, tuple[str, ...]]:
        """The switch to a release, its folder made and rendered; and what is wrong with the rendering."""
        folder = Path(mkdtemp(prefix=f"{release}-{run}-", dir=self.world.root))
        shutil.copytree(self.world.checkout, folder / "tree", ignore=shutil.ignore_patterns(".git"))
        image = image or self.image(release)
        render = RenderStep("render", API, "local", "0" * 40, str(folder), image, ("api",), marked, PLUGIN, "")
        values = {
            "IMAGE_REPOSITORY": image.image.repository,
            "IMAGE_TAG": self.world.tag(API, release),
            "CONFIG_GREETING": "hey",
        }
        for name, content in self.engine.files(render, values, run).items():
            (folder / name).write_bytes(content)
        problems = self.engine.rendered(render, self.ask(*self.engine.render(self.target, render, PLUGIN)))
        return SwitchStep("switch", API, "local", str(folder), image, ("api",), (), marked, PLUGIN, ""), problems


@pytest.fixture(scope="module")
def shared() -> Iterator[Bench]:
    """One world for all tests here, in which two good releases were shipped."""
    with World.up() as world, pytest.MonkeyPatch.context() as patch:
        for name, value in world.env.items():
            patch.setenv(name, value)
        world.ship(API, "good-1")
        world.ship(API, "good-2")
        options = compose.Options(project=world.project(API))
        target = Target(
            service=API,
            env="prod",
            repo=str(world.laptop),
            branch="main",
            hosts=("local",),
            state=str(world.root),
            push=Push.BEST_EFFORT,
            engine=Adapter("compose", options),
            pin=Adapter("values", options),
            pin_file=f"envs/prod/apps/{API}/values.yaml",
            registry=Adapter("oci", options),
            probes=(),
            gate=GateSpec(),
            walk_back=WalkBack(),
        )
        yield Bench(world, compose.make(options), target)


@pytest.fixture
def bench(shared: Bench) -> Bench:
    """The newer release in production, as the team's own script deploys it."""
    shared.world.deploy(API)
    shared.world.wait_serving(API, shared.world.tag(API, "good-2"))
    return shared


def test_a_switch_must_put_the_image_and_nothing_else_in_place(bench: Bench) -> None:
    step, problems = bench.prepare("good-1")
    database = bench.world.database.ids()
    assert problems == ()
    assert bench.verdict(step) == No()
    bench.do(step)
    assert bench.verdict(step) == Yes()
    bench.world.wait_serving(API, bench.world.tag(API, "good-1"))
    assert [one.digest for one in bench.world.running(API)] == [bench.world.digest(API, "good-1")]
    assert bench.world.database.ids() == database
    assert [one.run for one in bench.containers()] == ["R1"]


def test_a_switch_that_is_done_again_must_leave_the_containers_alone(bench: Bench) -> None:
    step, _ = bench.prepare("good-1")
    bench.do(step)
    before = bench.world.running(API)
    bench.do(step)
    assert [one.container for one in bench.world.running(API)] == [one.container for one in before]


def test_the_same_image_must_be_switched_to_again_for_another_run_and_for_none(bench: Bench) -> None:
    bench.do(bench.prepare("good-1", run="R0")[0])
    step, _ = bench.prepare("good-1")
    assert bench.verdict(step) == No()
    bench.do(step)
    assert bench.verdict(step) == Yes()
    unmarked, _ = bench.prepare("good-1", run="none", marked=False)
    assert bench.verdict(unmarked) == No()
    bench.do(unmarked)
    assert bench.verdict(unmarked) == Yes()
    assert [one.run for one in bench.containers()] == [""]


@pytest.mark.parametrize("moment", ["Recreate", "Recreated", "Starting"])
def test_a_switch_that_was_killed_half_way_must_be_doable_again(bench: Bench, moment: str) -> None:
    step, _ = bench.prepare("good-1")
    bench.interrupt(step, moment)
    bench.do(step)
    assert bench.verdict(step) == Yes()
    bench.world.wait_serving(API, bench.world.tag(API, "good-1"))
    assert [one.digest for one in bench.world.running(API)] == [bench.world.digest(API, "good-1")]


def test_a_new_container_that_was_never_started_must_be_seen_as_undone(bench: Bench) -> None:
    step, _ = bench.prepare("good-1")
    (command,) = bench.engine.commands(bench.target, step)
    half = tuple("--no-start" if word == "--detach" else word for word in command.argv)
    assert PROCESS.run(msgspec.structs.replace(command, argv=half)).ok
    assert [(one.run, one.state) for one in bench.containers()] == [("R1", State.CREATED)]
    assert bench.verdict(step) == No()
    bench.do(step)
    assert bench.verdict(step) == Yes()


def test_a_scaled_service_must_keep_its_number(bench: Bench) -> None:
    plain, _ = bench.prepare("good-1")
    step = msgspec.structs.replace(plain, scale=(("api", 2),))
    bench.do(plain)
    assert bench.verdict(step) == No()
    bench.do(step)
    assert bench.verdict(step) == Yes()
    assert len(bench.containers()) == 2


def test_a_pull_must_bring_the_image_by_digest(bench: Bench) -> None:
    step = PullStep("pull", API, "local", bench.image("good-1"), "")
    bench.world.forget_image(API, "good-1")
    assert bench.verdict(step) == No()
    bench.do(step)
    assert bench.verdict(step) == Yes()


def test_a_pull_of_a_digest_that_is_nowhere_must_fail_and_be_seen_to_have_failed(bench: Bench) -> None:
    image = Image(bench.world.repository(API), "", "sha256:" + "0" * 64)
    step = PullStep("pull", API, "local", Runnable(image), "")
    (command,) = bench.engine.commands(bench.target, step)
    assert not PROCESS.run(command).ok
    assert bench.verdict(step) == No()


def test_a_restart_must_be_seen_by_the_time_it_began(bench: Bench) -> None:
    (container,) = bench.containers()
    step = RestartStep("restart", API, "local", (container.name,), "")
    since = time.time_ns()
    assert bench.verdict(step, since) == No()
    bench.do(step)
    assert bench.verdict(step, since) == Yes()
    assert [one.image_id for one in bench.containers()] == [container.image_id]


def test_an_image_that_only_the_host_has_must_be_switched_to_by_id(bench: Bench) -> None:
    (before,) = bench.containers()
    step, problems = bench.prepare("good-2", image=Runnable(Image(bench.world.repository(API)), before.image_id))
    assert problems == ()
    bench.do(step)
    assert bench.verdict(step) == Yes()
    assert [(one.image, one.mine) for one in bench.containers()] == [(before.image_id, True)]


def test_evidence_must_be_had_of_every_container(bench: Bench) -> None:
    wanted = dict(bench.engine.evidence(bench.target, bench.see()))
    answers = {name: PROCESS.run(command) for name, command in wanted.items()}
    assert all(answer.ok for answer in answers.values())
    inspected = json.loads(answers.pop("inspect.json").stdout)
    assert {f"logs-{one['Name'][1:]}.txt" for one in inspected} == set(answers)
    assert len(answers) == 2


# For 4 s, or 200 MB, one line without an end, as fast as the engine takes it.
FLOOD = """
import time
end, log = time.monotonic() + 4, open("/proc/1/fd/1", "w")
for _ in range(3200):
    log.write("x" * 65536) if time.monotonic() < end else None
"""


def test_an_endless_log_must_cost_neither_time_nor_more_bytes_than_are_read_of_it(bench: Bench) -> None:
    (container,) = bench.containers()
    docker("exec", "--detach", container.name, "/usr/bin/python3.11", "-c", FLOOD)
    wait_until(lambda: len(docker("logs", "--tail", "80", container.name)) > 1024 * 1024, "the flood is there")
    view = bench.see()
    wanted = dict(bench.engine.evidence(bench.target, view))
    (kept,) = bench.ask(wanted[f"logs-{container.name}.txt"])
    (_, *ends) = bench.ask(*bench.engine.symptoms(view, 1000))
    assert all(one.ok for one in (kept, *ends))  # and not ended at their time
    assert (len(kept.stdout), len(ends[0].stdout)) == (1024 * 1024, 1000)


def test_an_engine_that_does_not_answer_must_be_unknown(bench: Bench) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
        seen, verdict = bench.see(), bench.verdict(PullStep("pull", API, "local", bench.image("good-1"), ""))
    assert isinstance(seen.containers, Unknown)
    assert "docker daemon" in seen.containers.reason
    assert isinstance(verdict, Unclear)


def test_what_lies_about_must_not_beat_the_pin_file(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    step, _ = bench.prepare("good-1")
    monkeypatch.setenv("CONFIG_GREETING", "from the operator's shell")
    (Path(step.folder) / "tree/envs/prod/apps" / API / ".env").write_text("CONFIG_GREETING=from a stray .env\n")
    bench.do(step)
    (container,) = bench.world.running(API)
    environment = docker("inspect", "--format", "{{json .Config.Env}}", container.container)
    assert "GREETING=hey" in json.loads(environment)


TROUBLE = st.text(alphabet="\\\"'$${}#\n\r\t =:;`!%&*()~aNn0x?+-\u00e9\u2028\x01\x1b\x7f\ufeff", max_size=14)


@settings(max_examples=10, deadline=None, derandomize=True)
@given(st.lists(TROUBLE, min_size=150, max_size=300))
def test_compose_must_read_every_value_as_it_was_written(values: list[str]) -> None:
    variables = {f"V{number}": value for number, value in enumerate([*values, "\\", "$V1", "${V1:?}", "# x", " "])}
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        for name, value in setting.environment(Path(folder)).items():
            patch.setenv(name, value)
        service = {"image": "x", "environment": {name: f"${{{name}}}" for name in variables}}
        Path(folder, "compose.yaml").write_text(json.dumps({"services": {"s": service}}))
        Path(folder, "values.env").write_bytes(values_env(variables))
        done = PROCESS.run(Command((*PLUGIN, "--env-file", "values.env", "config", "--format", "json"), cwd=folder))
    assert done.ok, done.why()
    rendered = json.loads(done.stdout)["services"]["s"]["environment"]
    assert {name: value.replace("$$", "$") for name, value in rendered.items()} == variables
