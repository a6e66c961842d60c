"""The command lines of docker and Compose, spoken in memory; git is the real one.

Documented traps that it has: `up` exits 0 although the container crashes at once; `up` can do nothing and say that it
did; a client can hang or die before, in the middle of, or after its effect; and an orphaned client can finish later.
"""

import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from lastgood.effects.process import LocalProcess
from lastgood.model.command import Child, Command, Completed
from lastgood.ports import Conversation
from tests.standin.engine import Box, Engine
from tests.standin.web import Registry

_VARIABLE = re.compile(r"\$\{(\w+)\}")
_PROJECT = "label=com.docker.compose.project="
_EFFECTS = ("up", "pull", "restart")


@dataclass
class Faults:
    """What goes wrong, by verb (`up`, `pull`, `ps`, `reap`, …), one entry for each call; fine when they are used up.

    `nothing`: exit 0 without any effect. `fails`: exit 1 without. `fails late`: exit 1 after it. `hangs`: killed at its
    time limit without effect. `hangs late`: after it. `fine`: as ever. `looks` counts the calls of `ps`.
    """

    by_verb: dict[str, list[str]] = field(default_factory=dict)
    looks: int = 0

    def next(self, verb: str) -> str:
        self.looks += verb == "ps"
        left = self.by_verb.get(verb, [])
        return left.pop(0) if left else "fine"


class Docker:
    """Implements `ports.Process`. `point` is told every moment at which this process could be killed."""

    def __init__(
        self, engine: Engine, registry: Registry, faults: Faults, home: Path, point: Callable[[str], None]
    ) -> None:
        self.engine = engine
        self._registry = registry
        self._faults = faults
        self._env = (("HOME", str(home)), ("GIT_CONFIG_NOSYSTEM", "1"))
        self._point = point
        self._git = LocalProcess()
        self._talks: list[Conversation] = []
        self._lock = threading.RLock()

    def run(
        self,
        command: Command,
        *,
        on_start: Callable[[Child], None] | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> Completed:
        if "git" in command.argv:
            return self._run_git(command)
        if on_start:
            on_start(Child(1, self.engine.clock.at, command.argv))
        with self._lock:
            verb = next((word for word in (*_EFFECTS, "config", "logs", "inspect", "ps") if word in command.argv), "")
            fault = self._faults.next(verb)
            if on_line:
                on_line(f"{verb} is under way")
            return self._answer(command, verb, fault)

    def _run_git(self, command: Command) -> Completed:
        command = msgspec.structs.replace(command, env=(*command.env, *self._env))
        if "push" not in command.argv:
            return self._git.run(command)
        self._point("before git push")
        done = self._git.run(command)
        self._point("after git push")
        return done

    def _answer(self, command: Command, verb: str, fault: str) -> Completed:
        if fault in ("fails", "hangs", "nothing"):
            return _ended(command, fault)
        if verb not in _EFFECTS:
            return self._asked(command)
        self.engine.pending.append(command.argv)
        self._point(f"before {verb}")
        done = self._act(command.argv)
        self.engine.pending.pop()
        self._point(f"after {verb}")
        return _ended(command, fault) if fault != "fine" else Completed(command, done[0], stderr=done[1].encode())

    def talk(self, command: Command) -> Conversation:
        talk = self._git.talk(msgspec.structs.replace(command, env=(*command.env, *self._env)))
        self._talks.append(talk)
        return talk

    def close(self) -> None:
        """End what still answers questions."""
        for talk in self._talks:
            talk.close()
        self._talks.clear()

    def reap(self, child: Child, patience: float) -> bool:  # noqa: ARG002 - the port's signature; nothing is slow here
        """An orphan finishes what it had begun."""
        if self._faults.next("reap") == "hangs":
            return False
        for argv in list(self.engine.pending):
            if argv == child.argv:
                self.engine.pending.remove(argv)
                self._act(argv)
        return True

    def _asked(self, command: Command) -> Completed:
        argv, engine = command.argv, self.engine
        lines: list[str] = []
        match argv[:3]:
            case ("docker", "ps", _) if not any(word.startswith(_PROJECT) for word in argv):
                lines = []  # somebody asks for rivals: none runs here
            case ("docker", "ps", _):
                project = _after(argv, _PROJECT)
                lines = [engine.id(box) for box in engine.of(project)]
            case ("docker", "image", "ls"):
                lines = engine.listed(argv[-1])
            case ("docker", "compose", "version"):
                lines = ["2.40.0"]
            case ("docker", "version", _):
                lines = ["linux/amd64"]
            case ("sh", "-c", _) if argv[3:4] == ("logs",):
                lines = ["it starts", "password=hunter2"]
            case _:
                return self._looked_up(command)
        return _said(command, lines)

    def _looked_up(self, command: Command) -> Completed:
        """What can be asked for and not be there."""
        match command.argv[:3]:
            case ("docker", "image", "inspect"):
                found = self.engine.find(command.argv[-1])
                return _said(command, [found.id]) if found else _failed(command, "No such image")
            case ("docker", "container", "inspect"):
                return self._inspected(command)
            case ("docker", "compose", _):
                return self._rendered(command)
            case _:
                return Completed(command, None, failure=f"not found: {command.argv[0]}")

    def _inspected(self, command: Command) -> Completed:
        wanted = command.argv[command.argv.index("--") + 1 :]
        boxes = [b for b in self.engine.boxes.values() if b.name in wanted or self.engine.id(b) in wanted]
        if len(boxes) != len(wanted):
            return _failed(command, "Error: No such container")
        shown = sorted(boxes, key=lambda box: box.name)
        if "--format" not in command.argv:
            return _said(command, [json.dumps([{"Name": box.name, "Config": {"Env": []}} for box in shown])])
        return _said(command, [json.dumps(self.engine.inspected(box)) for box in shown])

    def _act(self, argv: tuple[str, ...]) -> tuple[int, str]:
        with self._lock:
            if argv[:2] == ("docker", "pull"):
                return self._pull(argv[-1])
            if argv[:2] == ("docker", "restart"):
                for name in argv[argv.index("--") + 1 :]:
                    self.engine.boxes[name].begun = self.engine.clock.at + 1
                return 0, ""
            return self._up(argv)

    def _pull(self, ref: str) -> tuple[int, str]:
        repository, _, wanted = ref.partition("@")
        built = self._registry.serves(repository, wanted)
        if built is None:
            return 1, "manifest unknown"
        self.engine.hold(built)
        return 0, ""

    def _rendered(self, command: Command) -> Completed:
        try:
            return _said(command, [json.dumps({"services": _merged(command.argv)})])
        except KeyError as error:
            return _failed(command, f'The "{error.args[0]}" variable is not set.')

    def _up(self, argv: tuple[str, ...]) -> tuple[int, str]:
        project = _after(argv, "--project-name")
        rendered = _merged(argv)
        scale = dict(word.removeprefix("--scale=").split("=") for word in argv if word.startswith("--scale="))
        for service in argv[argv.index("--") + 1 :]:
            wanted = rendered[service]
            if self.engine.find(wanted["image"]) is None:
                return 1, f"No such image: {wanted['image']}"
            self._converge(project, service, wanted, int(scale.get(service, 1)))
        return 0, ""

    def _converge(self, project: str, service: str, wanted: dict[str, Any], count: int) -> None:
        """As Compose does: what is as wanted is left alone or started, all else is made anew."""
        form = json.dumps(wanted, sort_keys=True)
        boxes = self.engine.boxes
        names = [f"{project}-{service}-{number}" for number in range(1, count + 1)]
        for box in self.engine.of(project, service):
            if box.name not in names:
                del boxes[box.name]
        for name in names:
            old = boxes.get(name)
            if old and old.wanted == form:
                if self.engine.life(old).state != "running":
                    old.begun = self.engine.clock.at + 1
                continue
            self._recreate(name, service, old, wanted, form)

    def _recreate(self, name: str, service: str, old: Box | None, wanted: dict[str, Any], form: str) -> None:
        """The new one is made beside the old one, under another name, before that is taken away."""
        boxes, engine = self.engine.boxes, self.engine
        project = name.removesuffix(name[-2:]).removesuffix(f"-{service}")
        temporary = f"{engine.id(old)[:12]}_{name}" if old else name
        box = engine.create((project, service, temporary), wanted["image"], wanted.get("labels", {}), form)
        self._point(f"in up: {name} is created beside the old one")
        if old:
            del boxes[old.name]
            self._point(f"in up: the old {name} is gone")
        box.begun = engine.clock.at + 1
        self._point(f"in up: {name} is started under another name")
        del boxes[box.name]
        box.name = name
        boxes[name] = box


def _merged(argv: tuple[str, ...]) -> dict[str, Any]:
    """The services of all files together, with the env files' values. Raises KeyError for what is not set."""
    from ruamel.yaml import YAML

    values: dict[str, str] = {}
    for path in _each(argv, "--env-file"):
        for line in Path(path).read_text().splitlines():
            name, _, value = line.partition("=")
            values[name] = value.strip('"')
    services: dict[str, Any] = {}
    for path in _each(argv, "--file"):
        text = _VARIABLE.sub(lambda found: values[found[1]], Path(path).read_text())
        for name, service in YAML(typ="safe").load(text)["services"].items():
            services[name] = {**services.get(name, {}), **service}
    return services


def _each(argv: tuple[str, ...], option: str) -> list[str]:
    return [argv[at + 1] for at, word in enumerate(argv) if word == option]


def _after(argv: tuple[str, ...], start: str) -> str:
    if start.startswith("--"):
        return argv[argv.index(start) + 1]
    return next(word.removeprefix(start) for word in argv if word.startswith(start))


def _said(command: Command, lines: list[str]) -> Completed:
    return Completed(command, 0, "".join(f"{line}\n" for line in lines).encode())


def _failed(command: Command, why: str) -> Completed:
    return Completed(command, 1, stderr=why.encode())


def _ended(command: Command, fault: str) -> Completed:
    if fault == "nothing":
        return Completed(command, 0)
    if fault.startswith("hangs"):
        return Completed(command, None, failure=f"killed after {command.timeout:g} s")
    return _failed(command, "Cannot connect to the Docker daemon")
