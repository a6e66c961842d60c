"""A deploy repo to stand in, and a home of its own."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lastgood.cli.app import run

CONFIG = """\
environments:
  prod: {hosts: [local]}
  staging: {hosts: [local]}
services:
  shop-api:
    probes: [{kind: http, url: "http://127.0.0.1:9/"}]
    envs: [prod, staging]
  shop-web: {envs: [prod]}
apps:
  shop: [shop-api, shop-web]
"""


@dataclass
class Said:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """Stdout, which has to be one JSON document and nothing else."""
        found: dict[str, Any] = json.loads(self.out)
        return found


@pytest.fixture
def deploy_repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: a clone without a remote, with a configuration and nothing shipped."""
    repo, home = tmp_path / "deploy", tmp_path / "home"
    home.mkdir()
    repo.mkdir()
    for name in ("XDG_STATE_HOME", "XDG_CACHE_HOME", "LASTGOOD_REPO", "NO_COLOR", "FORCE_COLOR", "LASTGOOD_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    (repo / "lastgood.yaml").write_text(CONFIG)
    git = ("git", "-C", str(repo), "-c", "user.name=Robin", "-c", "user.email=robin@shop.example")
    for words in (("init", "-q", "-b", "main"), ("add", "."), ("commit", "-qm", "begin")):
        subprocess.run((*git, *words), check=True)
    monkeypatch.chdir(repo)
    return repo


@pytest.fixture
def lastgood(deploy_repo: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:  # noqa: ARG001 - the place to run in
    """Run one command line in this process."""

    def call(*argv: str) -> Said:
        code = run(argv)
        captured = capsys.readouterr()
        return Said(code, captured.out, captured.err)

    return call
