"""A real remote, a real operator's clone, and lastgood's own copy, all in one temporary folder."""

import hashlib
import os
import subprocess
from pathlib import Path

from lastgood.effects.process import LocalProcess
from lastgood.git.repo import BareRepo

PIN = "envs/prod/apps/shop/values.yaml"
FOLDER = "envs/prod/apps/shop"


def values(tag: str, *, replicas: int = 1) -> bytes:
    """A pin file with unrelated lines around the pin."""
    lines = [f"replicas: {replicas}", "a: 1", "b: 2", "c: 3", "image:", "  repository: reg/shop", f'  tag: "{tag}"']
    return "\n".join([*lines, "d: 4", "e: 5", ""]).encode()


class World:
    """Git as the operator and their colleagues use it, with an identity and a home of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.home.mkdir()
        (self.home / ".gitconfig").write_text(
            "[user]\nname = Ada\nemail = ada@example.org\n[init]\ndefaultBranch = main\n"
        )
        self.remote = folder / "remote.git"
        self.clone = folder / "clone"
        self.colleague = folder / "colleague"
        self.git(folder, "init", "--bare", "remote.git")
        self.git(folder, "clone", "-q", str(self.remote), "colleague")
        self.ship({PIN: values("sha-1"), "README": b"hello\n"}, "first")
        self.git(folder, "clone", "-q", str(self.remote), "clone")

    @property
    def env(self) -> dict[str, str]:
        """A clean environment."""
        return {"PATH": os.environ["PATH"], "HOME": str(self.home), "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C"}

    def git(self, where: Path, *args: str, stdin: bytes = b"", check: bool = True) -> str:
        """Run git as a person would; its output."""
        done = subprocess.run(  # a test's own git, not the one under test
            ["git", *args], cwd=where, env=self.env, input=stdin, capture_output=True, check=False
        )
        assert not check or done.returncode == 0, done.stderr.decode()
        return done.stdout.decode(errors="surrogateescape").strip()

    def write(self, files: dict[str, bytes | None]) -> None:
        """Change files in the colleague's working tree and stage them."""
        for path, content in files.items():
            file = self.colleague / path
            if content is None:
                file.unlink()
            else:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
        self.git(self.colleague, "add", "-A")

    def ship(self, files: dict[str, bytes | None], message: str) -> str:
        """A colleague commits and pushes; the new commit."""
        self.write(files)
        self.git(self.colleague, "commit", "-q", "--allow-empty", "-F", "-", stdin=message.encode())
        self.git(self.colleague, "push", "-q", "origin", "HEAD:main")
        return self.head()

    def head(self) -> str:
        """The colleague's newest commit."""
        return self.git(self.colleague, "rev-parse", "HEAD")

    def hook(self, script: str) -> None:
        """Have the remote judge pushes by a pre-receive hook."""
        path = self.remote / "hooks" / "pre-receive"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def repo(self, clone: Path | None = None, cache: str = "cache") -> BareRepo:
        """lastgood's view of the deploy repo."""
        return BareRepo(LocalProcess(), str(clone or self.clone), "main", str(self.folder / cache))

    def state(self, clone: Path) -> tuple[str, ...]:
        """Everything of a clone that must not change: status, HEAD, refs, configuration, index and files."""
        index = clone / ".git" / "index"
        files = sorted(path for path in (clone / ".git").rglob("*") if path.is_file())
        listing = "\n".join(f"{path} {hashlib.sha256(path.read_bytes()).hexdigest()}" for path in files)
        return (
            hashlib.sha256(index.read_bytes()).hexdigest(),
            listing,
            self.git(clone, "--no-optional-locks", "status", "--porcelain=v2", "--branch"),
            self.git(clone, "for-each-ref"),
        )

    def at(self, tree: str, path: str, repo: BareRepo) -> bytes | None:
        """A file in lastgood's copy, asked of git directly."""
        copy = repo._mirror.path
        done = subprocess.run(  # a second opinion
            ["git", f"--git-dir={copy}", "cat-file", "blob", f"{tree}:{path}"],
            env=self.env,
            capture_output=True,
            check=False,
        )
        return done.stdout if done.returncode == 0 else None
