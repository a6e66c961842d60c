"""A code repo: which commits are meant, and what its branch would be without them. Adds to history, nothing else."""

import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lastgood.git import trees
from lastgood.git.merge import SEALED
from lastgood.git.mirror import Mirror
from lastgood.git.names import clean, folder_path, is_prefix, moment, object_id, shown_path
from lastgood.git.origin import read_origin
from lastgood.git.plumbing import why
from lastgood.git.repo import BareRepo
from lastgood.git.sealed import is_sealed
from lastgood.git.trees import Delta
from lastgood.model.errors import GitUnavailable, PathConflict, Refused, UsageError
from lastgood.model.facts import Fact
from lastgood.model.plan import FileChange
from lastgood.model.revert import Commit, Undo
from lastgood.ports import Process

MOST = 1000
# Bodies may hold anything but NUL; fields end in it.
_FORMAT = "--format=%H%x00%P%x00%ct%x00%an%x00%s"
_FIELDS = 5
_GITLINK = "160000"
_MERGE_SECONDS = 120.0
_RANGE = re.compile(r"([^.]+)\.\.([^.]+)")
# What git calls a conflict (merge-ort.c, `type_short_descriptions`), in words for whoever reads it.
_CONFLICTS = {
    "contents": "later changes are in the same lines",
    "binary": "it is binary and was changed later",
    "modify/delete": "it is removed on one side and was changed on the other",
    "file/directory": "a file and a folder of this name",
    "submodule": "the submodule moved on since",
}


class CodeRepo(BareRepo):
    """A branch of a code repo in lastgood's own bare copy. Raises as `BareRepo` does."""

    @property
    def branch(self) -> str:
        """The branch that is reverted on."""
        return self._branch

    def pick(self, words: Sequence[str], mainline: int) -> tuple[Commit, ...]:
        """The commits that hashes and ranges `A..B` mean, newest first.

        A range is followed along first parents: what a merge brought is reverted with that merge. Raises UsageError
        for what is neither, or a mainline that does not fit; Refused for what is not on the branch.
        """
        if self.shallow():
            raise Refused(
                "The copy of the code repo is shallow: what lies before its end is unknown.",
                because=("neither whether a commit is on the branch nor what it changed can be told for certain",),
                next=(f"git -C {self._operator_repo} fetch --unshallow",),
            )
        found: dict[str, None] = {}
        for word in words:
            found.update(dict.fromkeys(self._meant(word)))
        commits = self._commits(self._newest_first(tuple(found)))
        for commit in commits:
            self._check_mainline(commit, mainline)
        return commits

    def _meant(self, word: str) -> tuple[str, ...]:
        ends = _RANGE.fullmatch(word)
        return self._between_ends(word, ends[1], ends[2]) if ends else (self.named(word),)

    def _between_ends(self, word: str, older: str, newer: str) -> tuple[str, ...]:
        old, new = self.named(older), self.named(newer)
        if not self._mirror.is_ancestor(old, new):
            raise Refused(f"{older} is not in the history of {newer}.", next=("write a range as OLDER..NEWER",))
        listed = self._git.output("rev-list", "--first-parent", f"--max-count={MOST + 1}", new, f"^{old}")
        found = tuple(listed.decode().split())
        if not found:
            raise UsageError(f"{word} holds no commit.", because=("the older end of a range is not part of it",))
        if len(found) > MOST:
            raise Refused(f"{word} holds more than {MOST} commits.", next=("give a shorter range",))
        return found

    def named(self, word: str) -> str:
        """The commit of the branch that a hash or its beginning means. Raises UsageError, Refused."""
        shown = clean(word)
        if not is_prefix(word):
            raise UsageError(
                f"{shown!r} is not the hash of a commit.",
                because=("names such as HEAD or a branch mean different commits to you and to the remote",),
                next=(f"git -C {self._operator_repo} log --oneline", "give a hash, or a range OLDER..NEWER of two"),
            )
        found = self.resolve(word)
        if found is None:
            raise Refused(
                f"{shown} is no commit on {self._branch}, or several begin like that.",
                because=(f"{self._branch} was looked at as last fetched from {self.origin.shown or 'the clone'}",),
                next=(f"git -C {self._operator_repo} branch --all --contains {shown}", "--branch BRANCH"),
            )
        return found

    def files(self, commit: str, folder: str) -> dict[str, bytes] | None:
        """The plain files below a folder at a commit, by path below it; None where there is no such folder."""
        found = trees.files(self._objects, object_id(commit), folder_path(folder))
        if not found:
            return None
        at = len(folder.rstrip("/")) + 1
        return {path[at:]: self._objects.get(entry.blob).content for path, entry in found.items() if entry.is_file}

    def _newest_first(self, commits: tuple[str, ...]) -> tuple[str, ...]:
        if len(commits) < 2:  # noqa: PLR2004 - one has no order
            return commits
        common = self._git.output("merge-base", "--octopus", *commits).decode().split()
        without = "".join(f"^{parent}\n" for commit in self._commits(tuple(common)) for parent in commit.parents)
        asked = "\n".join(commits) + "\n" + without
        order = self._git.output("rev-list", "--topo-order", "--stdin", stdin=asked.encode()).decode().split()
        wanted = set(commits)
        return tuple(commit for commit in order if commit in wanted)

    def _commits(self, names: tuple[str, ...]) -> tuple[Commit, ...]:
        if not names:
            return ()
        how = ("log", "--no-walk=unsorted", "-z", "--encoding=UTF-8", _FORMAT, "--stdin")
        output = self._git.output(*how, stdin="\n".join(names).encode() + b"\n")
        fields = output.decode(errors="replace").split("\0")
        return tuple(_commit(fields[at : at + _FIELDS]) for at in range(0, len(names) * _FIELDS, _FIELDS))

    def _check_mainline(self, commit: Commit, mainline: int) -> None:
        short = commit.commit[:12]
        if commit.is_merge and not 1 <= mainline <= len(commit.parents):
            parents = enumerate(self._commits(commit.parents), 1)
            raise UsageError(
                f"{short} is a merge: say which parent is the line that stays, by --mainline.",
                because=tuple(
                    f"--mainline {number}: the files as in {each.commit[:12]} {clean(each.subject)!r}; "
                    f"undoes {self._brought(each.commit, commit)}"
                    for number, each in parents
                ),
                next=(
                    "--mainline 1 is the branch that was merged into, unless the merge was made the other way round",
                ),
            )
        if not commit.is_merge and mainline > 1:
            raise UsageError(f"{short} is no merge: it has no parent {mainline}.", next=("leave --mainline out",))

    def _brought(self, kept: str, merge: Commit) -> str:
        others = [parent for parent in merge.parents if parent != kept]
        count = int(self._git.output("rev-list", "--count", *others, f"^{kept}"))
        return "1 commit" if count == 1 else f"{count} commits"

    def message(self, commit: Commit, against: str, because: str) -> str:
        """The message of the commit that reverts this one, as git words it, with ours as trailer."""
        merged = f", reversing\nchanges made to {against}" if commit.is_merge else ""
        text = "\n".join(clean(line) for line in because.splitlines()).strip()
        parts = (_subject(clean(commit.subject)), f"This reverts commit {commit.commit}{merged}.", text)
        return "\n\n".join((*filter(None, parts), f"Lastgood-Reverts: {commit.commit}")) + "\n"

    def without(self, tree: str, commit: Commit, against: str) -> str:
        """The id of `tree` with what `commit` changed against its parent `against` ("" at a root) taken back.

        git's own merge, renames included. Raises PathConflict with the files that later changes keep from it.
        """
        base = self._objects.tree_of(commit.commit)
        theirs = self._objects.tree_of(against) if against else self._objects.write("tree", b"")
        ours = self._objects.tree_of(object_id(tree))
        if base == theirs:
            return ours
        # `--merge-base` came with git 2.40; a base that both sides descend from does the same with 2.38.
        root = self._stand_in(base)
        sides = (self._stand_in(ours, root), self._stand_in(theirs, root))
        with self._attributes(ours) as where:
            done = self._git.attempt(
                *("merge-tree", "--write-tree", "--name-only", "--messages", "-z", *sides),
                env={"GIT_WORK_TREE": where},
                cwd=where,
                timeout=_MERGE_SECONDS,
            )
        if done.status not in {0, 1}:
            raise GitUnavailable("git could not merge (git 2.38 or newer is needed).", because=(why(done),))
        if done.status == 1:
            names, reasons = _conflicts(done.stdout.decode(errors="surrogateescape"))
            raise self._conflict(commit, against, {name: reasons.get(name, "both sides changed it") for name in names})
        merged = done.stdout.partition(b"\0")[0].decode()
        torn = dict.fromkeys(self._torn(ours, merged, theirs), SEALED)
        if torn:
            raise self._conflict(commit, against, torn)
        return merged

    def _torn(self, ours: str, merged: str, theirs: str) -> Iterator[str]:
        """Files that SOPS encrypted and the merge put together from two versions."""
        for delta in trees.deltas(self._objects, ours, merged, ""):
            new = delta.new
            if new and new.is_file and is_sealed(self._objects.get(new.blob).content):
                whole = trees.entry(self._objects, theirs, delta.path)
                if whole is None or whole.blob != new.blob:
                    yield delta.path

    def _stand_in(self, tree: str, parent: str = "") -> str:
        """A commit that only carries a tree into a merge; nothing ever refers to it."""
        above = f"parent {parent}\n" if parent else ""
        who = "lastgood <lastgood> 0 +0000"
        content = f"tree {tree}\n{above}author {who}\ncommitter {who}\n\nmerged\n"
        return self._objects.write("commit", content.encode())

    @contextmanager
    def _attributes(self, tree: str) -> Iterator[str]:
        """A folder with the tree's `.gitattributes` alone: git reads from there how files are merged."""
        listed = self._git.output("ls-tree", "-r", "-z", "--name-only", tree).decode(errors="surrogateescape")
        with tempfile.TemporaryDirectory(prefix="lastgood-") as folder:
            for path in listed.split("\0"):
                found = trees.entry(self._objects, tree, path) if path.endswith(".gitattributes") else None
                if found and found.is_file and path.rpartition("/")[2] == ".gitattributes":
                    file = Path(folder, path)
                    file.parent.mkdir(parents=True, exist_ok=True)
                    file.write_bytes(self._objects.get(found.blob).content)
            yield folder

    def _conflict(self, commit: Commit, against: str, reasons: dict[str, str]) -> PathConflict:
        number = commit.parents.index(against) + 1 if commit.is_merge else 0
        mainline = f"-m {number} " if number else ""
        fresh = f"lastgood-revert-{commit.commit[:12]}"
        return PathConflict(
            f"{commit.commit[:12]} cannot be reverted: later commits changed the same places.",
            because=tuple(f"{clean(shown_path(name))}: {reason}" for name, reason in reasons.items()),
            next=(
                f"git fetch {self.origin.remote or 'origin'} {self._branch}   # in a clone, by hand:",
                f"git switch -c {fresh} FETCH_HEAD",
                f"git revert {mainline}{commit.commit}   # settle the files, git add them, git revert --continue",
                f"git push {self.origin.remote or 'origin'} {fresh}   # and merge it",
            ),
        )

    def reverted_by(self, commit: str) -> str:
        """The newest commit after `commit` whose message says that it reverts it; empty where none does."""
        said = ("--fixed-strings", f"--grep=This reverts commit {commit}")
        found = self._git.output("log", "--max-count=1", "--format=%H", *said, self.tip(), f"^{commit}")
        return found.decode().strip()

    def changes(self, older: str, newer: str) -> tuple[FileChange, ...]:
        """Each file that differs between two commits or trees, as it may be shown; modes and submodules are told."""
        found = self._between(older, newer, "")
        return tuple(
            FileChange(shown_path(delta.path), (*_told(delta), *self._difference(delta, masked=False)))
            for delta in found
        )

    def between(self, good: str, bad: str, most: int) -> tuple[tuple[Commit, int], ...]:
        """What `bad` has and `good` has not, newest first, at most so many: each commit and how many files it changed.

        A merge is counted against its first parent.
        """
        listed = self._git.output("rev-list", "--topo-order", f"--max-count={most}", bad, f"^{good}").decode().split()
        return tuple((each, self._count(each)) for each in self._commits(tuple(listed)))

    def _count(self, commit: Commit) -> int:
        older = commit.parents[0] if commit.parents and self._objects.find(commit.parents[0]) else ""
        return len(trees.deltas(self._objects, older, commit.commit, ""))

    def contains(self, newer: str, older: str) -> bool:
        """Whether `older` is `newer` or in its history."""
        return self._mirror.is_ancestor(older, newer)

    def chained(self, undos: Sequence[Undo], tip: str) -> tuple[str, ...]:
        """The reverting commits, each on the one before it, signed where the user's git signs. Raises Refused."""
        made: list[str] = []
        for undo in undos:
            made.append(self.commit(undo.tree, made[-1] if made else tip, undo.message))
        return tuple(made)

    def same(self, commit: str, other: str) -> bool:
        """Whether both commits are here, and have the same files on the same parents."""
        one, two = (self._objects.find(object_id(each)) for each in (commit, other))
        return one is not None and two is not None and self._stands(commit) == self._stands(other)

    def _stands(self, commit: str) -> tuple[str, str]:
        return self._objects.tree_of(commit), self._objects.first_parent(commit)


def default_branch(process: Process, operator_repo: str, cache_dir: str) -> Fact[str]:
    """The branch that the remote's HEAD names; Unknown where it does not answer. Raises GitUnavailable."""
    return Mirror(process, read_origin(process, operator_repo), "HEAD", cache_dir).default_branch()


def _commit(fields: Sequence[str]) -> Commit:
    name, parents, at, author, subject = fields
    return Commit(name, tuple(parents.split()), moment(at), author, subject)


def _subject(subject: str) -> str:
    """As git since 2.43 words it (sequencer.c): the revert of a revert reapplies, deeper nesting is left alone."""
    inner = subject.removeprefix('Revert "')
    if inner != subject and not inner.startswith('Revert "'):
        return f'Reapply "{inner}'
    return f'Revert "{subject}"'


def _conflicts(output: str) -> tuple[tuple[str, ...], dict[str, str]]:
    """The files in conflict and why each is, from `git merge-tree -z --name-only` (git-merge-tree(1), OUTPUT)."""
    head, _, tail = output.partition("\0\0")
    words = tail.split("\0")
    reasons: dict[str, str] = {}
    at = 0
    while at < len(words) and words[at].isdigit():
        count = int(words[at])
        kind = words[at + count + 1].removeprefix("CONFLICT (").removesuffix(")")
        for path in words[at + 1 : at + 1 + count] if words[at + count + 1].startswith("CONFLICT") else ():
            reasons.setdefault(path, _CONFLICTS.get(kind, clean(kind)))  # the first word is the more exact one
        at += count + 3
    return tuple(dict.fromkeys(head.split("\0")[1:])), reasons


def _told(delta: Delta) -> tuple[str, ...]:
    """What the contents do not show: that a file comes or goes, its mode, a submodule's commits."""
    old, new = delta.old, delta.new
    if old is None or new is None:
        return (f"removed (mode {old.mode})",) if old else (f"added (mode {new.mode})",) if new else ()
    mode = (f"mode {old.mode} -> {new.mode}",) if old.mode != new.mode else ()
    moved = old.mode == new.mode == _GITLINK
    return (f"submodule {old.blob[:12]} -> {new.blob[:12]}",) if moved else mode
