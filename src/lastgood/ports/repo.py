"""The Protocol of the deploy repo, and what it answers."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import msgspec

from lastgood.model.facts import Fact
from lastgood.model.release import Release
from lastgood.ports.families import Pin


class CommitInfo(msgspec.Struct, frozen=True):
    """A commit's outside: `parent` is the first parent, empty at the root; `at` is the commit time, Unix seconds."""

    commit: str
    parent: str
    at: int
    author: str
    subject: str
    body: str


class Pushed(msgspec.Struct, frozen=True):
    """How a push went: `moved` when the branch has commits of others, `refused` when the remote's rules said no.

    Of a new branch, `held` is the commit that the remote has under its name already, and `link` the address that the
    remote named: most hosts of git answer with where the branch can be proposed.
    """

    ok: bool
    moved: bool = False
    refused: bool = False
    because: str = ""
    held: str = ""
    link: str = ""


class DeployRepo(Protocol):
    """The deploy repo's history, read and added to in a bare copy of lastgood's own."""

    def lock(self) -> AbstractContextManager[None]:
        """Keep other lastgood processes from changing the copy meanwhile."""
        ...

    def fetch(self) -> Fact[str]:
        """Bring the branch up to date. Known(remote's address), or Unknown with why the remote did not answer."""
        ...

    def tip(self) -> str:
        """The branch's newest commit in the copy. Raises GitUnavailable where there is none."""
        ...

    def touching(self, path: str, start: str) -> Iterator["CommitInfo"]:
        """First-parent commits that changed `path`, newest first, read lazily in pages."""
        ...

    def releases(self, pin: Pin, path: str, start: str) -> Iterator[Release]:
        """The releases of the pin at `path`, newest first from `start`, read as far as they are asked for."""
        ...

    def order(self, paths: tuple[str, ...], start: str, limit: int) -> tuple[str, ...]:
        """The first-parent commits, newest first and `limit` at most, that changed any of `paths`."""
        ...

    def contains(self, commit: str, older: str) -> bool:
        """Whether `older` is `commit` or in its history."""
        ...

    def blob(self, commit: str, path: str) -> bytes | None:
        """A file at a commit (or tree), or None where it is not there."""
        ...

    def resolve(self, name: str) -> str | None:
        """The full id of the commit that `name` (a hash or its beginning) means on the branch, or None."""
        ...

    def changed(self, older: str, newer: str, folder: str = "") -> tuple[str, ...]:
        """Paths that differ between two commits or trees, below `folder`."""
        ...

    def with_files(self, tree: str, files: dict[str, bytes | None]) -> str:
        """The id of a new tree: `tree` (or a commit's) with files put in place or, where None, taken out."""
        ...

    def pack(self, trees: Sequence[str], base: str) -> bytes:
        """What a copy of the repo that has commit `base` lacks for `trees`."""
        ...

    def unpack(self, pack: bytes) -> None:
        """Take over what `pack` made in another copy; the branch has to be fetched first."""
        ...

    def holds(self, trees: Sequence[str]) -> bool:
        """Whether this copy has all of these objects."""
        ...

    def undo(self, tree: str, commit: str, folder: str) -> str:
        """The id of `tree` with what `commit` changed below `folder` reversed. Raises PathConflict with the files."""
        ...

    def diff(self, older: str, newer: str, folder: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Path and unified diff lines of each file below `folder` that differs."""
        ...

    def export(self, tree: str, into: str) -> None:
        """Write out a tree as files into an empty folder on this machine."""
        ...

    def commit(self, tree: str, parent: str, message: str) -> str:
        """A new commit object, signed where the user's git signs; its id. Nothing refers to it yet."""
        ...

    def push(self, commit: str) -> "Pushed":
        """Offer the commit to the remote branch as a fast-forward, never by force."""
        ...

    def propose_branch(self, commit: str, name: str) -> "Pushed":
        """Put the commit on the remote as a new branch. Fine where it is there already; refused where another is."""
        ...

    def find_trailer(self, key: str, value: str, limit: int) -> str | None:
        """The newest first-parent commit among the last `limit` with such a trailer, or None."""
        ...

    def trailers(self, key: str, limit: int) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """The last `limit` first-parent commits, newest first, each with the values of such trailers in it."""
        ...

    def shallow(self) -> bool:
        """Whether history ends early because the copy is shallow."""
        ...
