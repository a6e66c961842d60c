"""What the stand-in for GitHub knows: pull requests, rules, runs and checks, over a real bare repository."""

import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

AUTHOR: Final = ("-c", "user.name=GitHub", "-c", "user.email=noreply@github.example")
# As GitHub refuses a push: by the remote's own word, whatever the client thinks.
_HOOK: Final = """#!/bin/sh
# $1 is the ref, $2 what it was, $3 what it is to be
rules="$(dirname "$0")/../standin-protected"
kind="$(sed -n "s|^$1 ||p" "$rules" 2>/dev/null)"
case "$kind" in
  direct) echo "error: GH006: Protected branch update failed for $1." >&2
          echo "error: Changes must be made through a pull request." >&2; exit 1 ;;
  force) git merge-base --is-ancestor "$2" "$3" && exit 0
         echo "error: GH006: Protected branch update failed for $1. Cannot force-push to this branch" >&2; exit 1 ;;
esac
"""


class Refusal(Exception):
    """A request that GitHub would refuse, with its status and words."""

    def __init__(self, status: int, message: str, *errors: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.errors = errors


@dataclass
class Right:
    """What a token may: `write` opens and merges pull requests, `admin` reads branch protection."""

    login: str = "kim"
    write: bool = True
    admin: bool = False


@dataclass
class Pull:
    """A pull request. `auto` is the method it merges itself with, empty where it does not."""

    number: int
    head: str
    base: str
    title: str
    body: str
    author: str
    state: str = "open"
    merged_at: str | None = None
    auto: str = ""
    words: tuple[str, str] = ("", "")
    approvals: int = 0


@dataclass
class Rules:
    """A branch's protection: `classic` (of the older kind) or by the types of `rules`; what a merge waits for."""

    classic: dict[str, object] | None = None
    rules: tuple[str, ...] = ()
    reviews: int = 0
    required: tuple[str, ...] = ()


@dataclass
class State:
    """One repository on GitHub. Everything may be set by a test; methods are what people, CI and GitHub itself do."""

    remote: Path
    full_name: str = "shop/deploy"
    private: bool = True
    allow_auto_merge: bool = True
    methods: tuple[str, ...] = ("MERGE", "SQUASH", "REBASE")
    tokens: dict[str, Right] = field(default_factory=lambda: {"ghp_write": Right()})
    pulls: list[Pull] = field(default_factory=list)
    rules: dict[str, Rules] = field(default_factory=dict)
    runs: list[dict[str, object]] = field(default_factory=list)
    checks: list[dict[str, object]] = field(default_factory=list)
    statuses: list[dict[str, object]] = field(default_factory=list)

    def git(self, *args: str, text: str = "") -> str:
        """Git on the remote. Raises Refusal where it fails: the caller asked for what cannot be."""
        command = ["git", f"--git-dir={self.remote}", *AUTHOR, *args]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Refusal(422, "Validation Failed", done.stderr.strip())
        return done.stdout.strip()

    def commit(self, branch: str) -> str:
        """The commit that a branch is at. Raises Refusal."""
        return self.git("rev-parse", "--verify", "--quiet", f"refs/heads/{branch}^{{commit}}")

    def protect(self, branch: str, rules: Rules, *, direct: bool = True) -> None:
        """Protect a branch, for git itself as well: `direct` pushes are refused, else only forced ones."""
        self.rules[branch] = rules
        listed = self.remote / "standin-protected"
        lines = (
            [line for line in listed.read_text().splitlines() if f"/{branch} " not in line] if listed.exists() else []
        )
        lines.append(f"refs/heads/{branch} {'direct' if direct else 'force'}")
        listed.write_text("\n".join(lines) + "\n")
        hook = self.remote / "hooks" / "update"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(_HOOK)
        hook.chmod(0o755)

    def open_pull(self, head: str, base: str, title: str, body: str = "", author: str = "kim") -> Pull:
        """Open a pull request. Raises Refusal as GitHub does: twice the same, nothing in it, no such branch."""
        if any((one.head, one.base, one.state) == (head, base, "open") for one in self.pulls):
            owner = self.full_name.partition("/")[0]
            raise Refusal(422, "Validation Failed", f"A pull request already exists for {owner}:{head}.")
        new, old = self.commit(head), self.commit(base)
        if not self.git("rev-list", f"{old}..{new}"):
            raise Refusal(422, "Validation Failed", f"No commits between {base} and {head}")
        self.pulls.append(Pull(len(self.pulls) + 1, head, base, title, body, author))
        return self.pulls[-1]

    def files(self, pull: Pull) -> list[str]:
        """The paths that a pull request changes."""
        return self.git("diff", "--name-only", f"{self.commit(pull.base)}...{self.commit(pull.head)}").splitlines()

    def waits(self, pull: Pull) -> bool:
        """Whether a review or a check is still missing."""
        rules = self.rules.get(pull.base, Rules())
        return pull.approvals < rules.reviews or any(not self._passed(pull, name) for name in rules.required)

    def _passed(self, pull: Pull, name: str) -> bool:
        head = self.commit(pull.head)
        return any((one["name"], one["head_sha"], one["conclusion"]) == (name, head, "success") for one in self.checks)

    def enable_auto(self, pull: Pull, method: str, words: tuple[str, str]) -> None:
        """Have a pull request merge itself. Raises Refusal where nothing is missing, or where it is not allowed."""
        if not self.allow_auto_merge or method not in self.methods:
            raise Refusal(200, "Auto merge is not allowed for this repository")
        if pull.state != "open" or not self.waits(pull):
            raise Refusal(200, "Pull request Pull request is in clean status")
        pull.auto, pull.words = method, words

    def disable_auto(self, pull: Pull) -> None:
        """Have it not merge itself. Raises Refusal where it would not anyway."""
        if not pull.auto:
            raise Refusal(200, "Can't disable auto-merge for this pull request.")
        pull.auto = ""

    def review(self, number: int) -> None:
        """Somebody approves; what waited only for that merges."""
        self.pulls[number - 1].approvals += 1
        self.settle()

    def check(self, commit: str, name: str, conclusion: str | None, status: str = "completed") -> None:
        """CI reports a check run; what waited only for that merges."""
        self.checks.append({"head_sha": commit, "name": name, "conclusion": conclusion, "status": status})
        self.settle()

    def status(self, commit: str, context: str, state: str) -> None:
        """CI reports a commit status."""
        self.statuses.append({"sha": commit, "context": context, "state": state})

    def run(self, branch: str, name: str, status: str) -> None:
        """A workflow run on a branch."""
        number = len(self.runs) + 1
        self.runs.append(
            {"id": number, "name": name, "head_branch": branch, "status": status, "head_sha": self.commit(branch)}
        )

    def settle(self) -> None:
        """Merge what may be merged by itself now."""
        for pull in self.pulls:
            if pull.state == "open" and pull.auto and not self.waits(pull):
                self.merge(pull.number, pull.auto, pull.words)

    def close(self, number: int) -> None:
        """Somebody closes a pull request without merging it."""
        self.pulls[number - 1].state = "closed"

    def merge(self, number: int, method: str = "MERGE", words: tuple[str, str] = ("", "")) -> str:
        """Merge in the repository itself; the branch's new commit. Raises Refusal on a conflict."""
        pull = self.pulls[number - 1]
        old, new = self.commit(pull.base), self.commit(pull.head)
        made = {"MERGE": self._merged, "SQUASH": self._squashed, "REBASE": self._rebased}[method](pull, old, new, words)
        self.git("update-ref", f"refs/heads/{pull.base}", made, old)
        pull.state, pull.merged_at, pull.auto = "closed", "2026-01-02T03:04:05Z", ""
        return made

    def _tree(self, ours: str, theirs: str) -> str:
        return self.git("merge-tree", "--write-tree", ours, theirs).splitlines()[0]

    def _commit(self, tree: str, message: str, *parents: str) -> str:
        named = [word for parent in parents for word in ("-p", parent)]
        return self.git("commit-tree", tree, *named, text=message)

    def _merged(self, pull: Pull, old: str, new: str, words: tuple[str, str]) -> str:
        message = words[0] or f"Merge pull request #{pull.number} from {self.full_name.partition('/')[0]}/{pull.head}"
        return self._commit(self._tree(old, new), message, old, new)

    def _squashed(self, pull: Pull, old: str, new: str, words: tuple[str, str]) -> str:
        headline = words[0] or f"{pull.title} (#{pull.number})"
        return self._commit(self._tree(old, new), f"{headline}\n\n{words[1]}", old)

    def _rebased(self, _pull: Pull, old: str, new: str, _words: tuple[str, str]) -> str:
        """Each commit again, with its own message, on top: another id, also where nothing was in between."""
        made = old
        for one in self.git("rev-list", "--reverse", f"{old}..{new}").splitlines():
            base = f"--merge-base={one}^"
            tree = self.git("merge-tree", "--write-tree", base, made, one).splitlines()[0] if made != old else ""
            tree = tree or (self._tree(old, one))
            made = self._commit(tree, self.git("log", "-1", "--format=%B", one), made)
        return made
