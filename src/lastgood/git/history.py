"""From commits to releases: which first-parent commits changed what a service's pin says."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from lastgood.git import trailers
from lastgood.git.names import shown_path
from lastgood.git.objects import Entry
from lastgood.git.trees import Delta
from lastgood.model.errors import PinUnreadable
from lastgood.model.release import Image, Release
from lastgood.ports import CommitInfo, Pin


class Pages(Protocol):
    """What is asked of the repo: history in pages, and for each page two questions, however many commits it has."""

    def pages(self, path: str, start: str) -> Iterator[tuple[CommitInfo, ...]]:
        """First-parent commits that changed `path`, newest first."""
        ...

    def deltas(self, commits: Sequence[CommitInfo], folder: str) -> dict[str, tuple[Delta, ...]]:
        """By commit, what it changed below `folder` against its first parent."""
        ...

    def contents(self, blobs: Sequence[str]) -> dict[str, bytes]:
        """By blob id, its content."""
        ...


class _Change(NamedTuple):
    """One commit's change of the pin file: its content before and after, None where it was no plain file."""

    info: CommitInfo
    before: bytes | None
    after: bytes | None
    others: tuple[str, ...]


def releases(repo: Pages, pin: Pin, path: str, start: str) -> Iterator[Release]:
    """The releases of the pin at `path`, newest first, read as far as they are asked for.

    `start` is the commit to begin at, usually the tip. A commit begins a release when the image it pins is not the
    one its first parent pinned; a missing or unreadable pin is no image, so it ends the release before it. In a
    shallow copy the oldest commit there is stands in for the one that began its release.
    """
    read = _Images(pin)
    last, until = start, None
    for change in _changes(repo, path, start):
        before, after = read.image(change.before), read.image(change.after)
        if before == after:
            continue
        if after is not None:
            yield _release(change, after, last, until, mixed=_is_mixed(pin, change, after))
        last, until = change.info.parent, change.info.at


def _release(change: _Change, image: Image, last: str, until: int | None, *, mixed: bool) -> Release:
    info = change.info
    return Release(
        info.commit,
        image,
        info.at,
        info.subject,
        info.author,
        last,
        until,
        change.others,
        mixed,
        trailers.parse(info.body, image.repository),
    )


def _changes(repo: Pages, path: str, start: str) -> Iterator[_Change]:
    folder = path.rpartition("/")[0]
    for page in repo.pages(path, start):
        deltas = repo.deltas(page, folder)
        sides = {info.commit: _sides(deltas.get(info.commit, ()), path) for info in page}
        blobs = repo.contents([side.blob for pair in sides.values() for side in pair if side])
        for info in page:
            old, new = sides[info.commit]
            others = tuple(shown_path(delta.path) for delta in deltas.get(info.commit, ()) if delta.path != path)
            yield _Change(info, blobs[old.blob] if old else None, blobs[new.blob] if new else None, others)


def _sides(deltas: tuple[Delta, ...], path: str) -> tuple[Entry | None, Entry | None]:
    """The pin file before and after a commit; what is no plain file counts as absent."""
    found = next((delta for delta in deltas if delta.path == path), None)
    if found is None:
        return None, None
    old, new = found.old, found.new
    return (old if old and old.is_file else None), (new if new and new.is_file else None)


def _is_mixed(pin: Pin, change: _Change, image: Image) -> bool:
    """Whether the commit changed more of the pin file than the image: writing the image alone gives something else."""
    if change.before is None:
        return True
    try:
        if pin.write(change.before, image) == change.after:
            return False
        return pin.write(change.before, image, add_digest=True) != change.after
    except PinUnreadable:
        return True


class _Images:
    """Reads pins, each content once: what one commit left is what the next one found."""

    def __init__(self, pin: Pin) -> None:
        self._pin = pin
        self._known: dict[bytes | None, Image | None] = {None: None}

    def image(self, content: bytes | None) -> Image | None:
        if content not in self._known:
            try:
                self._known[content] = self._pin.read(content or b"")
            except PinUnreadable:
                self._known[content] = None
        return self._known[content]
