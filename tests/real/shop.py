"""The shop on its worst day: how scenarios speak of what is shipped, what is done, and what the world then is."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lastgood.journal.store import Journal
from lastgood.model.errors import Exit
from lastgood.model.release import Grade, Image, Judgement
from sandbox.containers import Running
from sandbox.run import docker, run, wait_until
from sandbox.world import Shipped, World

API = "shop-api"
ENV = "prod"
PIN = f"envs/{ENV}/apps/{API}/values.yaml"
COMPOSE = f"envs/{ENV}/apps/{API}/compose.yaml"
_CONTAINER = "{{.Id}} {{.Image}} {{.State.StartedAt}} {{.State.Status}}"


@dataclass(frozen=True)
class Scene:
    """Everything that a command which touches nothing must leave as it is."""

    containers: tuple[str, ...]
    commits: tuple[tuple[str, str], ...]
    laptop: str


@dataclass(frozen=True)
class Shop:
    """A world with one service in production, and the person who is on call for it."""

    world: World

    def ships(self, *releases: str) -> tuple[Shipped, ...]:
        """CI releases one after the other; returns what each put into production."""
        return tuple(self.world.ship(API, release) for release in releases)

    def commits(self, *releases: str) -> None:
        """CI commits releases that are never deployed: they are history without a container."""
        for release in releases:
            self.world.ship(API, release, deploy=False)

    def rollback(self, *options: str, ends: Exit, on: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Asks for a rollback without a question; returns the JSON that it printed."""
        return self.does("rollback", API, ENV, "--yes", *options, ends=ends, on=on)

    def does(self, *words: str, ends: Exit = Exit.DONE, on: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Runs lastgood and holds it to its exit code; `on` is another machine's environment."""
        done = self.world.lastgood(*words, "--json", check=ends, env=on)
        said: dict[str, Any] = json.loads(done.stdout)
        return said

    def another_machine(self) -> dict[str, str]:
        """A colleague's machine: it has never seen a run, and no copy of the deploy repo."""
        home = self.world.root / "second-machine"
        return {"XDG_STATE_HOME": str(home / "state"), "XDG_CACHE_HOME": str(home / "cache")}

    def configure(self, old: str, new: str) -> None:
        """Changes lastgood.yaml for everybody."""
        path = "lastgood.yaml"
        text = self.world.show(path)
        assert old in text
        self.world.commit({path: text.replace(old, new)}, f"lastgood: {new}")
        run(["git", "-C", self.world.laptop, "pull", "-q", "--ff-only"], env=self.world.env)

    def tag(self, release: str) -> str:
        return self.world.tag(API, release)

    def digest(self, release: str) -> str:
        return self.world.digest(API, release)

    def image(self, release: str) -> Image:
        """The release as trailers and the journal name it."""
        return Image(self.world.repository(API), self.tag(release), self.digest(release))

    def running(self) -> list[Running]:
        return self.world.running(API)

    def runs(self, release: str, containers: int = 1) -> bool:
        """Whether that many containers run, all of them by the release's digest."""
        seen = [(one.digest, one.state) for one in self.running()]
        return seen == [(self.digest(release), "running")] * containers

    def serves(self, release: str) -> bool:
        """Whether customers are answered by the release, the engine runs its digest, and git pins it."""
        tag = self.tag(release)
        return self.world.serving(API) == tag and self.runs(release) and self.world.pinned(API) == tag

    def fails_with(self, status: int) -> None:
        """Waits until customers see the failure."""
        wait_until(lambda: self.world.answer(API)[0] == status, f"production answers {status}")

    def forget(self, release: str) -> None:
        """Takes the image off the host; the registry still has it."""
        self.world.forget_image(API, release)
        assert self.digest(release) not in docker("image", "ls", "--digests", self.world.repository(API))

    def lose(self, release: str) -> None:
        """Takes the image away for good, from host and registry."""
        self.forget(release)
        self.world.registry.delete(API, self.tag(release))

    def scene(self) -> Scene:
        """What production, the deploy repo and the operator's clone are now."""
        ids = sorted(one.container for one in self.running())
        containers = docker("inspect", "--format", _CONTAINER, *ids).splitlines()
        git = ("git", "-C", str(self.world.laptop))
        laptop = [run([*git, *words], env=self.world.env).stdout for words in (("status", "-b"), ("rev-parse", "HEAD"))]
        return Scene(tuple(containers), tuple(self.world.log()), "".join(laptop))

    def message(self, commit: str = "main") -> str:
        """The message of a commit at the remote."""
        return self._remote("log", "-1", "--format=%B", commit)

    def trailers(self, commit: str = "main") -> dict[str, list[str]]:
        """The `Lastgood-*` trailers of a commit at the remote, as git itself reads them."""
        found: dict[str, list[str]] = {}
        for line in self._remote("log", "-1", "--format=%(trailers:only,unfold)", commit).splitlines():
            key, _, value = line.partition(": ")
            if key.startswith("Lastgood-"):
                found.setdefault(key, []).append(value)
        return found

    def parents(self, commit: str = "main") -> list[str]:
        return self._remote("log", "-1", "--format=%P", commit).split()

    def changed(self, commit: str = "main") -> list[str]:
        """The paths that a commit at the remote changed."""
        return self._remote("diff-tree", "-r", "--no-commit-id", "--name-only", commit).split()

    def judgements(self, on: Mapping[str, str] | None = None) -> dict[str, Judgement]:
        """By tag, the newest verdict in the machine's journal."""
        state = (on or self.world.env)["XDG_STATE_HOME"]
        with Journal(str(Path(state) / "lastgood/journal.db")) as journal:
            return {said.image.tag: said for said in reversed(journal.judgements(f"{API}/{ENV}"))}

    def grades(self) -> dict[str, Grade]:
        """By tag, what the newest verdict in the operator's journal says."""
        return {tag: said.grade for tag, said in self.judgements().items()}

    def latest_run(self) -> str:
        """The id of the operator's newest run."""
        with Journal(str(Path(self.world.env["XDG_STATE_HOME"]) / "lastgood/journal.db")) as journal:
            run_id = journal.latest()
        assert run_id
        return run_id

    def _remote(self, *words: str) -> str:
        return run(["git", "-C", self.world.remote, *words], env=self.world.env).stdout
