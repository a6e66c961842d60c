"""A real remote with a pin in it, and a forge as lastgood makes it."""

import os
import subprocess
from pathlib import Path

from lastgood import catalog
from lastgood.effects.http import PlainHttp
from lastgood.effects.process import LocalProcess
from lastgood.effects.secrets import LocalSecrets
from lastgood.forges.github import Options
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.target import Adapter
from lastgood.ports import Forge, Line
from sandbox.github.server import GitHub

PIN = "envs/prod/apps/shop/values.yaml"
REMOTE = "git@github.com:shop/deploy.git"
TOKEN = "ghp_write"  # noqa: S105 - the stand-in's


class Place:
    """A bare remote, filled by git itself."""

    def __init__(self, folder: Path) -> None:
        self.remote = folder / "remote.git"
        self.work = folder / "work"
        self._run("git", "init", "-q", "--bare", "-b", "main", str(self.remote), cwd=folder)
        self._run("git", "clone", "-q", str(self.remote), str(self.work), cwd=folder)
        self.first = self.commit("main", {PIN: "tag: sha-1\n", "README": "hello\n"}, "first")

    def _run(self, *args: str, cwd: Path | None = None) -> str:
        who = {
            f"GIT_{role}_{what}": "ada@example.org" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
        }
        env = {"PATH": os.environ["PATH"], "HOME": "/nowhere", "GIT_CONFIG_NOSYSTEM": "1", **who}
        done = subprocess.run(args, cwd=cwd or self.work, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def commit(self, branch: str, files: dict[str, str], message: str) -> str:
        """Somebody pushes a commit to a branch, which begins at main."""
        self._run("git", "fetch", "-q", "origin")
        known = self._run("git", "branch", "--remotes", "--list", f"origin/{branch}")
        start = f"origin/{branch}" if known else "origin/main"
        self._run("git", "checkout", "-q", "-B", branch, *([start] if self._run("git", "branch", "--remotes") else []))
        for name, text in files.items():
            (self.work / name).parent.mkdir(parents=True, exist_ok=True)
            (self.work / name).write_text(text)
        self._run("git", "add", "--all")
        self._run("git", "commit", "-q", "--allow-empty", "-m", message)
        self._run("git", "push", "-q", "origin", f"HEAD:refs/heads/{branch}")
        return self._run("git", "rev-parse", "HEAD")

    def at(self, *args: str) -> str:
        """Git on the remote itself."""
        return self._run("git", f"--git-dir={self.remote}", *args)


def forge(hub: GitHub, token: str = TOKEN, *, url: str = "", remote: str = REMOTE, repo: str = "") -> Forge:
    """The forge, with the token in the environment as it is by default; none where it is empty."""
    env = {"GITHUB_TOKEN": token} if token else {}
    line = Line(PlainHttp(), LocalSecrets(LocalProcess(), env), remote)
    return catalog.forge(Adapter("github", Options(repo=repo, url=url or hub.url)), line)


def known(fact: Fact[object]) -> object:
    assert isinstance(fact, Known), fact
    return fact.value


def reason(fact: Fact[object]) -> str:
    assert isinstance(fact, Unknown), fact
    return fact.reason
