"""`doctor` on the deploy repo: real git, a real remote, real keys."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from lastgood.diagnose import repo
from lastgood.effects.files import LocalFiles
from lastgood.effects.process import LocalProcess
from lastgood.git.repo import open_repo
from lastgood.model.report import Check, Mark
from lastgood.model.target import Adapter, GateSpec, Push, Target, WalkBack
from lastgood.ports import Tools


def target(clone: Path, push: Push = Push.BEST_EFFORT) -> Target:
    nothing = Adapter("none", GateSpec())
    return Target(
        service="shop", env="prod", repo=str(clone), branch="main", hosts=("local",), state="/nowhere", push=push,
        engine=nothing, pin=nothing, pin_file="values.yaml", registry=nothing, probes=(), gate=GateSpec(),
        walk_back=WalkBack(),
    )  # fmt: skip


@dataclass
class Git:
    """A remote, a clone of it and a home."""

    folder: Path

    @property
    def clone(self) -> Path:
        return self.folder / "clone"

    def __call__(self, *args: str, where: Path | None = None) -> str:
        return subprocess.run(
            ["git", *args], cwd=where or self.clone, check=True, capture_output=True, text=True
        ).stdout.strip()

    def checks(self, push: Push = Push.BEST_EFFORT) -> dict[str, Check]:
        process = LocalProcess()
        bare = open_repo(process, str(self.clone), "main", str(self.folder / "cache"))
        unused: dict[str, object] = dict.fromkeys(
            ("http", "registry_http", "clock", "credentials", "engine", "pin", "registry"), object()
        )
        tools = Tools(process=process, repo=bare, files=lambda _: LocalFiles(), probes=(), **unused)  # type: ignore[arg-type] # only git is asked
        return {check.name: check for check in repo.checks(target(self.clone, push), tools)}


@pytest.fixture
def git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Git:
    home = tmp_path / "home"
    home.mkdir()
    for name in os.environ:
        if name.startswith(("GIT_", "SSH_", "GNUPG", "XDG_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    (home / ".gitconfig").write_text("[user]\nname = Ada\nemail = ada@example.org\n[init]\ndefaultBranch = main\n")
    found = Git(tmp_path)
    found("init", "-q", "--bare", "remote.git", where=tmp_path)
    found("clone", "-q", "remote.git", "clone", where=tmp_path)
    (found.clone / "values.yaml").write_text("image: {}\n")
    found("add", "--all")
    found("commit", "-q", "-m", "first")
    found("push", "-q", "origin", "HEAD:main")
    return found


def test_a_remote_that_takes_pushes_must_be_ok_and_its_rules_unknown(git: Git) -> None:
    checks = git.checks()
    assert {name: check.mark for name, check in checks.items() if check.mark is not Mark.OK} == {
        "server rules": Mark.UNKNOWN,
        "guard hook": Mark.WARN,
    }
    assert checks["git identity"].said == "commits are by Ada <ada@example.org>"
    assert checks["signing"].said == "git is not set to sign commits, so nothing is signed"
    refs = git("for-each-ref", "--format=%(refname)", where=git.folder / "remote.git")
    assert refs == "refs/heads/main"


def test_an_operator_without_a_name_must_be_told_how_to_set_one(git: Git) -> None:
    (git.folder / "home/.gitconfig").write_text("[init]\ndefaultBranch = main\n")
    identity = git.checks()["git identity"]
    assert identity.mark is Mark.FAIL
    assert identity.next == ("git config --global user.name NAME", "git config --global user.email ADDRESS")


def test_a_remote_that_is_required_and_away_must_fail(git: Git) -> None:
    (git.folder / "remote.git").rename(git.folder / "away.git")
    assert git.checks(Push.REQUIRED)["git remote"].mark is Mark.FAIL
    assert git.checks(Push.REQUIRED)["git push"].mark is Mark.FAIL
    assert git.checks()["git push"].mark is Mark.WARN


def test_a_secret_in_the_remotes_address_must_not_be_shown(git: Git) -> None:
    git("remote", "set-url", "origin", "http://ada:s3cret@127.0.0.1:9/shop.git")
    shown = repr(git.checks())
    assert "s3cret" not in shown
    assert "127.0.0.1:9" in shown


def test_a_repo_without_remote_must_be_told_to_get_one(git: Git) -> None:
    git("remote", "remove", "origin")
    push = git.checks()["git push"]
    assert push.mark is Mark.WARN
    assert push.next == (f"git -C {git.clone} remote add origin URL",)


def test_a_shallow_remote_must_be_a_warning_about_what_cannot_be_seen(git: Git) -> None:
    git("commit", "-q", "--allow-empty", "-m", "second")
    git("push", "-q", "origin", "HEAD:main")
    git("clone", "-q", "--depth=1", f"file://{git.folder}/remote.git", "short", where=git.folder)
    git("remote", "remove", "origin", where=git.folder / "short")
    (git.folder / "clone").rename(git.folder / "whole")
    (git.folder / "short").rename(git.folder / "clone")
    assert git.checks()["git history"].mark is Mark.WARN


def ssh_key(git: Git, passphrase: str) -> Path:
    key = git.folder / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", str(key)], check=True)
    for name, value in (("gpg.format", "ssh"), ("commit.gpgSign", "true"), ("user.signingKey", str(key))):
        git("config", name, value)
    return key


def test_a_signing_key_that_needs_nobody_must_be_ok(git: Git) -> None:
    ssh_key(git, "")
    assert git.checks()["signing"].mark is Mark.OK


def test_a_signing_key_with_a_passphrase_must_be_unknown_and_ask_nobody(git: Git) -> None:
    ssh_key(git, "open sesame")
    assert git.checks()["signing"].mark is Mark.UNKNOWN


def test_a_signing_key_that_is_not_there_must_fail(git: Git) -> None:
    ssh_key(git, "").unlink()
    assert git.checks()["signing"].mark is Mark.FAIL


def test_a_signing_program_of_ones_own_must_be_left_alone(git: Git) -> None:
    ssh_key(git, "")
    program = git.folder / "op-sign"
    program.write_text(f"#!/bin/sh\ntouch {git.folder}/called\n")
    program.chmod(0o755)
    git("config", "gpg.ssh.program", str(program))
    assert git.checks()["signing"].mark is Mark.UNKNOWN
    assert not (git.folder / "called").exists()
