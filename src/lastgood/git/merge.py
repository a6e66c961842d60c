"""Reversing what one commit changed in a folder, file by file, by three-way merge."""

from pathlib import Path
from typing import NamedTuple

from lastgood.git.names import clean
from lastgood.git.objects import Entry, Objects
from lastgood.git.plumbing import Git
from lastgood.git.sealed import is_sealed
from lastgood.git.trees import collisions, deltas, entry, written
from lastgood.model.errors import PathConflict

SEALED = "it is encrypted by SOPS and was changed later; its MAC covers the whole file, so it cannot be merged"


class _Sides(NamedTuple):
    """A file as the commit left it, as it is now, and as it was before the commit."""

    base: Entry | None
    ours: Entry | None
    theirs: Entry | None


def undo(git: Git, objects: Objects, tree: str, commit: str, folder: str) -> str:
    """The id of `tree` with what `commit` changed against its first parent below `folder` reversed.

    A file that SOPS encrypted goes back whole where nobody changed it since, and is never merged. Raises PathConflict
    with all files that later changes keep from being reversed.
    """
    changes: dict[str, Entry | None] = {}
    conflicts: list[str] = []
    for delta in deltas(objects, objects.first_parent(commit), commit, folder):
        ours = entry(objects, tree, delta.path)
        merged = _reversed(git, objects, _Sides(delta.new, ours if ours and not ours.is_folder else None, delta.old))
        if isinstance(merged, str):
            conflicts.append(f"{delta.path}: {merged}")
        elif merged != ours:
            changes[delta.path] = merged
    conflicts += [f"{path}: a file and a folder of this name" for path in collisions(objects, tree, changes)]
    sealed = any(SEALED in text for text in conflicts)
    if conflicts:
        raise PathConflict(
            f"What commit {commit[:12]} changed cannot be reversed: later commits changed the same places.",
            because=tuple(clean(text) for text in conflicts),
            next=(
                "--image-only   # put the image back and leave the configuration as it is",
                f"git revert {commit[:12]}   # or settle it by hand in a clone, push, and plan again",
                *(("sops edit FILE   # the values of an encrypted file; git cannot merge them",) if sealed else ()),
            ),
        )
    return written(objects, tree, changes)


def _reversed(git: Git, objects: Objects, sides: _Sides) -> Entry | str | None:
    """The file with the commit's change taken back, None where it goes; or why that cannot be, as text."""
    if sides.ours == sides.theirs:
        return sides.ours
    return sides.theirs if sides.ours == sides.base else _merged(git, objects, sides)


def _merged(git: Git, objects: Objects, sides: _Sides) -> Entry | str:
    """The three-way merge, or why there is none."""
    base, ours, theirs = sides
    if base is None:
        return "the commit removed it, and a later commit made it anew"
    if theirs is None:
        return "the commit made it, and a later commit changed it"
    if ours is None:
        return "a later commit removed it"
    if not (base.is_file and ours.is_file and theirs.is_file):
        return "it is a symbolic link or a submodule"
    # Where both sides changed an executable bit, they changed it alike: there are but two modes.
    mode = theirs.mode if ours.mode == base.mode else ours.mode
    if len({base.blob, ours.blob, theirs.blob}) > 2 and any(  # noqa: PLR2004 - all three differ
        is_sealed(objects.get(side.blob).content) for side in (base, ours, theirs)
    ):
        return SEALED
    blob = _merged_blob(git, objects, base.blob, ours.blob, theirs.blob)
    return Entry(mode, blob) if blob else "later changes are in the same lines, or it is binary"


def _merged_blob(git: Git, objects: Objects, base: str, ours: str, theirs: str) -> str:
    """The merged blob, or the empty text where the contents conflict."""
    if ours in {theirs, base}:
        return theirs
    if base == theirs:
        return ours
    import tempfile

    with tempfile.TemporaryDirectory(prefix="lastgood-") as folder:
        sides = {"ours": ours, "base": base, "theirs": theirs}
        for name, blob in sides.items():
            Path(folder, name).write_bytes(objects.get(blob).content)
        # git-merge-file(1): the exit status is the number of conflicts, or negative on an error such as binary files.
        done = git.attempt("merge-file", "-p", "-q", *sides, cwd=folder)
        return objects.write("blob", done.stdout) if done.ok else ""
