"""The deploy repo, as the rest of lastgood sees it: implements `ports.DeployRepo`."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from functools import cached_property

from lastgood.git import history, merge, names, trees
from lastgood.git.lock import FileLock
from lastgood.git.mirror import Mirror
from lastgood.git.objects import Objects
from lastgood.git.origin import Origin, read_origin
from lastgood.git.plumbing import Git, why
from lastgood.git.trees import Delta
from lastgood.model.errors import GitUnavailable, Refused
from lastgood.model.facts import Fact
from lastgood.model.release import Release
from lastgood.ports import CommitInfo, Pin, Process, Pushed

PAGE = 16
_LOCK_SECONDS = 60.0
_SIGN_SECONDS = 60.0  # an agent may ask for a passphrase
# Fields end in NUL, which no part of a commit can contain.
_FORMAT = "%H%x00%P%x00%ct%x00%an%x00%s%x00%b"
_FIELDS = 6


def open_repo(process: Process, operator_repo: str, branch: str, cache_dir: str) -> "BareRepo":
    """The deploy repo that `operator_repo` is a clone of. Raises GitUnavailable where it is no clone at all."""
    repo = BareRepo(process, operator_repo, branch, cache_dir)
    _ = repo.origin
    return repo


class BareRepo:
    """lastgood's bare copy of a deploy repo, below `cache_dir`. The operator's repository is only ever read.

    Objects are named by their full ids. Methods raise GitUnavailable where git does not answer, Refused for what is
    no id or path. A fetch raises GitUnavailable where the remote's branch was rewritten: what a plan relies on would
    not be there any more, so a person looks first; the error says how to go on.
    """

    def __init__(self, process: Process, operator_repo: str, branch: str, cache_dir: str) -> None:
        self._process = process
        self._operator_repo = operator_repo
        self._branch = names.branch_name(branch)
        self._cache_dir = cache_dir

    @cached_property
    def origin(self) -> Origin:
        """What the operator's repository says of its remote and of its owner."""
        return read_origin(self._process, self._operator_repo)

    @cached_property
    def _mirror(self) -> Mirror:
        return Mirror(self._process, self.origin, self._branch, self._cache_dir)

    @property
    def _git(self) -> Git:
        return self._mirror.git

    @cached_property
    def _objects(self) -> Objects:
        return Objects(self._git, self._mirror.path)

    @cached_property
    def _lock(self) -> FileLock:
        return FileLock(self._mirror.path.with_suffix(".lock"), _LOCK_SECONDS)

    def lock(self) -> AbstractContextManager[None]:
        """Keep other lastgood processes from changing the copy; may be taken again by its holder."""
        return self._lock.held()

    def fetch(self) -> Fact[str]:
        """Bring the branch up to date. Known(remote's address), or Unknown with why the remote did not answer.

        Raises GitUnavailable where the remote answered that the branch is gone or was rewritten.
        """
        with self.lock():
            return self._mirror.fetch()

    def tip(self) -> str:
        """The branch's newest commit in the copy. Raises GitUnavailable where there is none."""
        found = self._mirror.tip()
        if not found:
            raise GitUnavailable(
                f"There is no history of branch {self._branch} on this machine.",
                because=("the remote has not answered yet, and the clone does not have the branch",),
                next=(f"git -C {self._operator_repo} fetch", "set `branch` in lastgood.yaml to the deploy branch"),
            )
        return found

    def touching(self, path: str, start: str) -> Iterator[CommitInfo]:
        """First-parent commits that changed `path`, newest first, read lazily in pages."""
        for page in self.pages(path, start):
            yield from page

    def pages(self, path: str, start: str) -> Iterator[tuple[CommitInfo, ...]]:
        """As `touching`, a page at a time; the next one is read when it is asked for."""
        names.file_path(path)
        while start:
            page = self._page(path, names.object_id(start))
            if page:
                yield page
            start = page[-1].parent if len(page) == PAGE else ""

    def _page(self, path: str, start: str) -> tuple[CommitInfo, ...]:
        how = ("--first-parent", f"--max-count={PAGE}", "-z", "--encoding=UTF-8", f"--format={_FORMAT}")
        fields = self._git.output("log", *how, start, "--", path).decode(errors="replace").split("\0")[:-1]
        return tuple(_commit(fields[at : at + _FIELDS]) for at in range(0, len(fields), _FIELDS))

    def deltas(self, commits: Sequence[CommitInfo], folder: str) -> dict[str, tuple[Delta, ...]]:
        """By commit, what it changed below `folder` against its first parent."""
        below = names.folder_path(folder)
        return {info.commit: trees.deltas(self._objects, self._parent(info), info.commit, below) for info in commits}

    def _parent(self, info: CommitInfo) -> str:
        return info.parent if info.parent and self._objects.find(info.parent) else ""

    def contents(self, blobs: Sequence[str]) -> dict[str, bytes]:
        """By blob id, its content."""
        return {blob: self._objects.get(names.object_id(blob)).content for blob in blobs}

    def releases(self, pin: Pin, path: str, start: str) -> Iterator[Release]:
        """The releases of the pin at `path`, newest first from `start`, read as far as they are asked for."""
        return history.releases(self, pin, path, start)

    def order(self, paths: tuple[str, ...], start: str, limit: int) -> tuple[str, ...]:
        """The first-parent commits, newest first and `limit` at most, that changed any of `paths`."""
        for path in paths:
            names.file_path(path)
        how = ("--first-parent", f"--max-count={limit}", "--format=%H", names.object_id(start), "--", *paths)
        return tuple(self._git.output("log", *how).decode().split())

    def contains(self, commit: str, older: str) -> bool:
        """Whether `older` is `commit` or in its history."""
        return self._mirror.is_ancestor(names.object_id(older), names.object_id(commit))

    def blob(self, commit: str, path: str) -> bytes | None:
        """A file at a commit (or tree), or None where it is not there."""
        return trees.blob(self._objects, names.object_id(commit), names.file_path(path))

    def resolve(self, name: str) -> str | None:
        """The full id of the commit on the branch that `name`, a hash or its beginning, means; None where not one."""
        if not names.is_prefix(name):
            return None
        # Never by way of revision syntax: a branch may be called like a hash.
        candidates = self._git.output("rev-parse", f"--disambiguate={name.lower()}").decode().split()
        if not candidates:
            return None
        known = self._git.output("cat-file", "--batch-check", stdin="\n".join(candidates).encode() + b"\n").decode()
        commits = [line.split(" ")[0] for line in known.splitlines() if " commit " in line]
        tip = self.tip()
        found = [commit for commit in commits if self._mirror.is_ancestor(commit, tip)]
        return found[0] if len(found) == 1 else None

    def changed(self, older: str, newer: str, folder: str = "") -> tuple[str, ...]:
        """Paths that differ between two commits or trees, below `folder`."""
        return tuple(delta.path for delta in self._between(older, newer, folder))

    def _between(self, older: str, newer: str, folder: str) -> tuple[Delta, ...]:
        older, newer = names.object_id(older), names.object_id(newer)
        return trees.deltas(self._objects, older, newer, names.folder_path(folder))

    def with_files(self, tree: str, files: dict[str, bytes | None]) -> str:
        """The id of a new tree: `tree` (or a commit's) with files put in place or, where None, taken out."""
        for path in files:
            names.file_path(path)
        return trees.with_files(self._objects, names.object_id(tree), files)

    def pack(self, trees: Sequence[str], base: str) -> bytes:
        """What a copy of the repo that has commit `base` lacks for `trees`: a thin pack, git-pack-objects(1)."""
        wanted = "".join(f"{names.object_id(tree)}\n" for tree in trees) + f"^{names.object_id(base)}\n"
        return self._git.output("pack-objects", "--revs", "--thin", "--stdout", "-q", stdin=wanted.encode())

    def unpack(self, pack: bytes) -> None:
        """Take over what `pack` made in another copy; the branch has to be fetched first. Nothing refers to it yet."""
        self._git.output("unpack-objects", "-q", stdin=pack)

    def holds(self, trees: Sequence[str]) -> bool:
        """Whether this copy has all of these objects."""
        return all(self._objects.find(names.object_id(tree)) for tree in trees)

    def undo(self, tree: str, commit: str, folder: str) -> str:
        """The id of `tree` with what `commit` changed below `folder` reversed. Raises PathConflict with the files."""
        commit, tree = names.object_id(commit), names.object_id(tree)
        return merge.undo(self._git, self._objects, tree, commit, names.folder_path(folder))

    def diff(self, older: str, newer: str, folder: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Path and diff lines of each file below `folder` that differs, fit to show: see `git.shown.difference`."""
        found = self._between(older, newer, folder)
        return tuple((names.shown_path(delta.path), self._difference(delta)) for delta in found)

    def _difference(self, delta: Delta, *, masked: bool = True) -> tuple[str, ...]:
        from lastgood.git.shown import difference

        sides = [self._objects.find(side.blob) if side else None for side in (delta.old, delta.new)]
        old, new = (side.content if side else b"" for side in sides)
        return difference(old, new, masked=masked)

    def export(self, tree: str, into: str) -> None:
        """Write out a tree as files into a folder on this machine that is empty or not there yet."""
        trees.export(self._git, names.object_id(tree), into)

    def commit(self, tree: str, parent: str, message: str) -> str:
        """A new commit object, signed where the user's git signs; its id. Nothing refers to it yet.

        Raises Refused where the user's git has no identity or cannot sign.
        """
        tree = self._objects.tree_of(names.object_id(tree))
        sign = ("-S",) if self.origin.sign else ()
        done = self._git.attempt(
            *("commit-tree", *sign, "-p", names.object_id(parent), tree),
            stdin=message.encode(errors="replace"),
            env=self._mirror.operator_env(),
            hermetic=False,
            timeout=_SIGN_SECONDS,
        )
        if not done.ok:
            raise _not_committed(why(done), signing=self.origin.sign)
        return done.text.strip()

    def push(self, commit: str) -> Pushed:
        """Offer the commit to the remote branch as a fast-forward, never by force."""
        commit = names.object_id(commit)
        with self.lock():
            return self._mirror.push(commit)

    def propose_branch(self, commit: str, name: str) -> Pushed:
        """Put the commit on the remote as the new branch `name`, never by force.

        Fine where the branch is there already with this commit; refused, with what it holds, where with another one.
        Raises Refused for what is no branch's name, and for the deploy branch itself.
        """
        commit = names.object_id(commit)
        if not names.is_branch(name) or name == self._branch:
            raise Refused(f"{names.clean(name)!r} is not the name of a new branch.")
        with self.lock():
            return self._mirror.propose(commit, name)

    def find_trailer(self, key: str, value: str, limit: int) -> str | None:
        """The newest first-parent commit among the last `limit` with such a trailer, or None."""
        found = self.trailers(key, limit)
        return next((commit for commit, values in found if value in values), None)

    def trailers(self, key: str, limit: int) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """The last `limit` first-parent commits, newest first, each with the values of such trailers in it."""
        if not names.is_trailer_key(key):
            raise Refused(f"{names.clean(key)!r} is not the key of a trailer.")
        form = f"--format=%H%x00%(trailers:key={key},valueonly,unfold)"
        output = self._git.output("log", "--first-parent", f"--max-count={limit}", "-z", form, self.tip())
        fields = output.decode(errors="replace").split("\0")[:-1]
        pairs = zip(fields[::2], fields[1::2], strict=True)
        return tuple((commit, tuple(values.split("\n")[:-1])) for commit, values in pairs)

    def shallow(self) -> bool:
        """Whether history ends early because the copy is shallow: older releases are then unknown, not absent."""
        return self._mirror.shallow()


def _commit(fields: Sequence[str]) -> CommitInfo:
    commit, parents, at, author, subject, body = fields
    return CommitInfo(commit, parents.split(" ")[0], names.moment(at), author, subject, body)


def _not_committed(because: str, *, signing: bool) -> Refused:
    if "auto-detection is disabled" in because or "identity" in because or "empty ident" in because:
        return Refused(
            "git does not know who commits.",
            because=(because,),
            next=("git config --global user.name NAME", "git config --global user.email ADDRESS"),
        )
    hint = ("sign any commit by hand once, so that the agent has the key: git commit-tree -S",) if signing else ()
    return Refused("The commit cannot be made.", because=(because,), next=hint)
