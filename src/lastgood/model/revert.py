"""Code rollback: what a revert would do, what it did, and which commits lie between a good and a bad release."""

import msgspec

from lastgood.model.errors import Exit
from lastgood.model.facts import Fact
from lastgood.model.plan import FileChange
from lastgood.model.release import Image


class Commit(msgspec.Struct, frozen=True):
    """A commit of a code repo. `at` is the commit time in Unix seconds; more than one parent makes it a merge."""

    commit: str
    parents: tuple[str, ...]
    at: int
    author: str
    subject: str

    @property
    def is_merge(self) -> bool:
        """Whether it joins two or more lines of history."""
        return len(self.parents) > 1


class Wish(msgspec.Struct, frozen=True):
    """What to revert: hashes and `A..B` ranges as given; `mainline` counts a merge's parents from 1, 0 for none."""

    commits: tuple[str, ...]
    mainline: int = 0
    because: str = ""


class Undo(msgspec.Struct, frozen=True):
    """One commit to be reverted, the parent that it goes back to (empty at a root), the message and the tree to be."""

    commit: Commit
    against: str
    message: str
    tree: str


class Passed(msgspec.Struct, frozen=True):
    """A commit that there is nothing of to revert, and why."""

    commit: Commit
    because: str


class Reverting(msgspec.Struct, frozen=True):
    """What a revert would do: `undos` on top of `tip` in this order, newest first. Empty where nothing is to be done.

    `remote` is the remote's address, where it answered just now.
    """

    repo: str
    branch: str
    tip: str
    remote: Fact[str]
    undos: tuple[Undo, ...]
    passed: tuple[Passed, ...]
    changes: tuple[FileChange, ...]
    warnings: tuple[str, ...] = ()


class Reverted(msgspec.Struct, frozen=True):
    """How a revert went. `commits` are the new ones, oldest first; `branch` is where they are on the remote.

    `base` is the branch they were made for: where that is not `branch`, somebody has to merge. `link` leads to the
    pull request, or to where one can be opened; empty where the remote named none.
    """

    repo: str
    base: str
    branch: str
    commits: tuple[str, ...]
    reverts: tuple[str, ...]
    link: str
    exit: Exit
    what: str
    because: tuple[str, ...] = ()
    next: tuple[str, ...] = ()


class Source(msgspec.Struct, frozen=True):
    """Which commit an image was built from, as `said_by` says: its revision label, or its tag."""

    revision: str
    said_by: str


class Built(msgspec.Struct, frozen=True):
    """An image, and what it was built from."""

    image: Image
    source: Fact[Source]


class Suspect(msgspec.Struct, frozen=True):
    """A commit that the bad release has and the good one has not; `files` is how many it changed.

    `mainline` is 0, or for a merge the parent to name: `--mainline 1` undoes what the merge brought.
    """

    commit: Commit
    files: int
    mainline: int


class Suspects(msgspec.Struct, frozen=True):
    """Commits between a good and a bad release, newest first. `complete` is False where there are more of them.

    `ancestor` tells whether the bad release contains all of the good one.
    """

    target: str
    repo: str
    branch: str
    good: Built
    bad: Built
    suspects: tuple[Suspect, ...]
    complete: bool
    ancestor: bool
    notes: tuple[str, ...] = ()
    next: tuple[str, ...] = ()
