"""The deploy repository of a world: a bare remote and its clones."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox.run import SandboxError, run

HERE = Path(__file__).parent
SCRIPTS = HERE / "deploy"
FOLDER = "envs/prod/apps/{service}"
COLLEAGUE = "Kim <kim@shop.example>"
CI = "shop CI <ci@shop.example>"
VALUES = """\
# {service} in production. CI writes image.tag at every release; people edit the rest.
image:
  repository: {repository}  # built by the CI of {service}
  tag: {tag}

config:
  greeting: hello  # the first thing customers read
  log_level: info

# Read by the on-call calendar, not by Compose.
owner: team-shop
"""

# The first two lines are GitHub's, word for word; git puts "remote: " in front of them.
PROTECTION = """\
#!/bin/sh
[ "$1" = refs/heads/main ] && [ -z "$MAY_PUSH_TO_MAIN" ] || exit 0
echo "error: GH006: Protected branch update failed for refs/heads/main." >&2
echo "error: Changes must be made through a pull request." >&2
exit 1
"""


def values_path(service: str) -> str:
    """Returns the path of a service's pin inside the repository."""
    return f"{FOLDER.format(service=service)}/values.yaml"


@dataclass(frozen=True)
class Repo:
    """The remote, and the folders cloned from it."""

    root: Path
    env: Mapping[str, str]

    @property
    def remote(self) -> Path:
        """The bare repository that everybody pushes to."""
        return self.root / "remote.git"

    @property
    def laptop(self) -> Path:
        """The operator's clone."""
        return self.root / "laptop"

    @property
    def checkout(self) -> Path:
        """The server's clone, which deployments run from."""
        return self.root / "checkout"

    @property
    def colleague(self) -> Path:
        """The clone of everybody else who commits: colleagues and CI."""
        return self.root / "colleague"

    @property
    def _away(self) -> Path:
        return self.root / "remote.git.unreachable"

    def create(self, team: str, words: Mapping[str, str], config: str, clones: Sequence[Path]) -> None:
        """Creates the remote with its first commit, out of the files of a team, and the clones."""
        run(["git", "init", "-q", "--bare", "-b", "main", self.remote], env=self.env)
        run(["git", "clone", "-q", self.remote, self.colleague], env=self.env)
        self._git("symbolic-ref", "HEAD", "refs/heads/main")
        for template in (SCRIPTS, HERE / f"deploy_{team}"):
            for source in sorted(path for path in template.rglob("*") if path.is_file()):
                self._place(source, source.relative_to(template), words)
        (self.colleague / "lastgood.yaml").write_text(config)
        self._push("Move our deployments to Git", "main", COLLEAGUE)
        for clone in clones:
            run(["git", "clone", "-q", self.remote, clone], env=self.env)

    def commit(
        self, files: Mapping[str, str | None], message: str, branch: str = "main", author: str = COLLEAGUE
    ) -> str:
        """Writes (or with None removes) files as a colleague would, pushes, and returns the commit."""
        self._git("fetch", "-q", "--prune", "origin")
        known = self._git("branch", "--remotes", "--list", f"origin/{branch}")
        self._git("checkout", "-q", "-f", "-B", branch, f"origin/{branch}" if known else "origin/main")
        for name, text in files.items():
            target = self.colleague / name
            if text is None:
                target.unlink()
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(text)
        return self._push(message, branch, author)

    def pin(self, service: str, repository: str, tag: str) -> str:
        """Commits a service's new tag the way CI does, and returns the commit."""
        path = values_path(service)
        try:
            text, count = re.subn(r"(?m)^(  tag: )\S+", rf"\g<1>{tag}", self.show(path))
        except SandboxError:
            text, count = VALUES.format(service=service, repository=repository, tag=tag), 1
        if not count:
            raise SandboxError(f"{path} has no image.tag to write")
        return self.commit({path: text}, f"{service}: release {tag}", author=CI)

    def pinned(self, service: str) -> str:
        """Returns the tag that is pinned at the remote's main."""
        found = re.search(r"(?m)^  tag: (\S+)", self.show(values_path(service)))
        if not found:
            raise SandboxError(f"{values_path(service)} has no image.tag")
        return found[1].strip("\"'")

    def log(self) -> list[tuple[str, str]]:
        """Returns commit and subject of everything on the remote's main, newest first."""
        lines = self._at_remote("log", "--format=%H %s", "main").splitlines()
        return [(line[:40], line[41:]) for line in lines]

    def show(self, path: str, rev: str = "main") -> str:
        """Returns a file's text at the remote."""
        return self._at_remote("show", f"{rev}:{path}")

    def pull(self) -> None:
        """Brings the server's clone to the remote's main."""
        run(["git", "-C", self.checkout, "pull", "-q", "--ff-only"], env=self.env)

    def break_remote(self) -> None:
        """Makes the remote unreachable."""
        self.remote.rename(self._away)

    def mend_remote(self) -> None:
        """Makes the remote reachable again."""
        self._away.rename(self.remote)

    def branches(self) -> dict[str, str]:
        """Returns the remote's branches and the commits they are at."""
        lines = self._at_remote("for-each-ref", "--format=%(refname:short) %(objectname)", "refs/heads").splitlines()
        words = (line.partition(" ") for line in lines)
        return {name: commit for name, _, commit in words}

    def protect_main(self) -> None:
        """Lets the remote refuse pushes to main but those of colleagues and CI; other branches are accepted."""
        hook = self.remote / "hooks/update"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(PROTECTION)
        hook.chmod(0o755)

    def merge(self, branch: str, *, squash: bool = False) -> str:
        """Merges a branch into the remote's main as a reviewer would, and returns the new commit."""
        tree = self._at_remote("merge-tree", "--write-tree", "main", branch).strip()
        parents = ["-p", "main"] if squash else ["-p", "main", "-p", branch]
        subject = self._at_remote("log", "-1", "--format=%s", branch).strip()
        body = self._at_remote("log", "--reverse", "--format=%B", f"main..{branch}").strip()
        message = f"{subject} (#1)\n\n{body}" if squash else f"Merge pull request #1 from {branch}\n\n{subject}"
        commit = self._at_remote("commit-tree", tree, *parents, "-m", message).strip()
        self._at_remote("update-ref", "refs/heads/main", commit)
        return commit

    def _place(self, source: Path, path: Path, words: Mapping[str, str]) -> None:
        target = self.colleague / path
        target.parent.mkdir(parents=True, exist_ok=True)
        text = source.read_text()
        for word, meaning in words.items():
            text = text.replace(f"@{word}@", meaning)
        target.write_text(text)
        target.chmod(source.stat().st_mode)

    def _push(self, message: str, branch: str, author: str) -> str:
        self._git("add", "--all")
        self._git("commit", "-q", "--allow-empty", "--author", author, "-m", message)
        self._git("push", "-q", "origin", f"HEAD:refs/heads/{branch}")
        return self._git("rev-parse", "HEAD")

    def _git(self, *args: str) -> str:
        return run(["git", "-C", self.colleague, *args], env=self.env).stdout.strip()

    def _at_remote(self, *args: str) -> str:
        place = self.remote if self.remote.exists() else self._away
        return run(["git", "-C", place, *args], env=self.env).stdout
