"""A deploy repo with its remote, an operator's clone and a colleague's, and lastgood as people call it."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = "ghcr.io/axinova/shop-api"
PROD = "envs/prod/apps/shop-api/values.yaml"
STAGING = "envs/staging/apps/shop-api/values.yaml"
CONFIG = """\
environments: {prod: {hosts: [local]}, staging: {hosts: [local]}}
services: {shop-api: {probes: [{kind: http, url: "http://127.0.0.1:9/"}]}}
"""
BIN = Path(sys.executable).parent


def digest(tag: str) -> str:
    return "sha256:" + (tag.encode().hex() * 64)[:64]


def values(tag: str, pinned: str = "") -> str:
    """A pin file; `pinned` is its digest."""
    more = f"  digest: {pinned}\n" if pinned else ""
    return f"replicas: 1\nimage:\n  repository: {REPOSITORY}\n  tag: {tag}\n{more}"


def rolled_back(bad: str, good: str, run: str = "20261110-031500-7f3a") -> str:
    """The message of a rollback's commit, as lastgood writes it."""
    to, left = f"{REPOSITORY}:{good}@{digest(good)}", f"{REPOSITORY}:{bad}@{digest(bad)}"
    trailers = f"Lastgood-Run: {run}\nLastgood-From: {left}\nLastgood-To: {to}\nLastgood-Bad: {left}"
    return f"Roll shop-api/prod back from {bad} to {good}\n\nIt answered 500.\n\n{trailers}\n"


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        return found


class Deploy:
    """Two people and a remote. `laptop` is where lastgood runs; the colleague ships."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.remote, self.laptop, self.colleague = (root / name for name in ("remote.git", "laptop", "colleague"))
        (root / "home").mkdir()
        (root / "home/.gitconfig").write_text(
            "[user]\nname = Ada\nemail = ada@shop.example\n[init]\ndefaultBranch=main\n"
        )
        self.git("init", "-q", "--bare", str(self.remote), at=root)
        self.git("clone", "-q", str(self.remote), str(self.colleague), at=root)
        self.ship({"lastgood.yaml": CONFIG, PROD: values("sha-1"), STAGING: values("sha-1")}, "begin")
        self.git("clone", "-q", str(self.remote), str(self.laptop), at=root)

    @property
    def env(self) -> dict[str, str]:
        home = {"HOME": str(self.root / "home"), "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C"}
        return {**home, "PATH": f"{BIN}:{os.environ['PATH']}", "DOCKER_HOST": "unix:///nowhere/docker.sock"}

    def run(self, *argv: str, at: Path | None = None, env: dict[str, str] | None = None) -> Done:
        done = subprocess.run(
            argv, cwd=at or self.laptop, env={**self.env, **(env or {})}, capture_output=True, check=False, timeout=240
        )
        return Done(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))

    def git(self, *args: str, at: Path | None = None, ends: int = 0) -> str:
        done = self.run("git", *args, at=at)
        assert done.code == ends, done.err
        return done.out.strip()

    def lastgood(self, *args: str, ends: int = 0, at: Path | None = None) -> Done:
        done = self.run(str(BIN / "lastgood"), *args, at=at)
        assert done.code == ends, f"{done.code}: {done.out}{done.err}"
        return done

    def commit(self, files: dict[str, str | None], message: str, at: Path | None = None) -> str:
        """A commit in a clone, not pushed; its id."""
        where = at or self.laptop
        for path, content in files.items():
            (where / path).parent.mkdir(parents=True, exist_ok=True)
            if content is None:
                (where / path).unlink()
            else:
                (where / path).write_text(content)
        self.git("add", "-A", at=where)
        self.git("commit", "-q", "--allow-empty", "-m", message, at=where)
        return self.git("rev-parse", "HEAD", at=where)

    def ship(self, files: dict[str, str | None], message: str) -> str:
        """The colleague commits and pushes to main."""
        if "main" in self.git("branch", "-r", at=self.colleague):
            self.git("pull", "-q", "--ff-only", "origin", "main", at=self.colleague)
        made = self.commit(files, message, self.colleague)
        self.git("push", "-q", "origin", "HEAD:main", at=self.colleague)
        return made

    def release(self, *tags: str) -> None:
        """CI pins one release after the other in production."""
        for tag in tags:
            self.ship({PROD: values(tag)}, f"release {tag}")

    def pull(self) -> None:
        self.git("pull", "-q", "--ff-only", "origin", "main")

    def at_main(self, path: str) -> str:
        """A file as the remote's branch has it."""
        return self.git("show", f"main:{path}", at=self.remote)

    def main(self) -> str:
        return self.git("rev-parse", "main", at=self.remote)

    def push(self, *args: str, at: Path | None = None) -> Done:
        """A real `git push`."""
        return self.run("git", "push", "origin", *args, at=at)

    def add(self, release: str, *options: str, env: str = "prod", ends: int = 0) -> Done:
        return self.lastgood(
            "quarantine", "add", "shop-api", env, release, *options, "--because", "loses orders", ends=ends
        )

    def lift(self, release: str, *options: str, env: str = "prod", ends: int = 0) -> Done:
        return self.lastgood(
            "quarantine", "lift", "shop-api", env, release, *options, "--because", "was the database", ends=ends
        )
