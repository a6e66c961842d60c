"""Trees: read, compared, changed and written out, in the copy's object store. Nothing has a checkout."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from lastgood.git.names import clean
from lastgood.git.objects import Entry, Objects, packed
from lastgood.git.plumbing import Git
from lastgood.model.errors import Refused


class Delta(msgspec.Struct, frozen=True):
    """How one path differs between two trees; None where it is not there."""

    path: str
    old: Entry | None
    new: Entry | None


def entry(objects: Objects, tree: str, path: str) -> Entry | None:
    """What stands at `path` in a tree or commit, a folder included, or None."""
    found = Entry("040000", objects.tree_of(tree))
    for part in path.split("/") if path else ():
        if not found.is_folder:
            return None
        below = objects.entries(found.blob).get(part)
        if below is None:
            return None
        found = below
    return found


def files(objects: Objects, tree: str, path: str) -> dict[str, Entry]:
    """The files at or below `path`, by path; everything that is no folder counts as a file."""
    found = entry(objects, tree, path)
    return dict(_files(objects, found, path)) if found else {}


def _files(objects: Objects, found: Entry, path: str) -> Iterator[tuple[str, Entry]]:
    if not found.is_folder:
        yield path, found
        return
    for name, below in objects.entries(found.blob).items():
        yield from _files(objects, below, f"{path}/{name}" if path else name)


def deltas(objects: Objects, older: str, newer: str, folder: str) -> tuple[Delta, ...]:
    """What differs between two trees or commits below `folder`, sorted by path. No tree is empty: `older` may be ""."""
    old = entry(objects, older, folder) if older else None
    found = _deltas(objects, old, entry(objects, newer, folder), folder)
    return tuple(sorted(found, key=lambda delta: delta.path.encode(errors="surrogateescape")))


def _deltas(objects: Objects, old: Entry | None, new: Entry | None, path: str) -> Iterator[Delta]:
    if old == new:
        return
    below_old = objects.entries(old.blob) if old and old.is_folder else {}
    below_new = objects.entries(new.blob) if new and new.is_folder else {}
    for name in below_old.keys() | below_new.keys():
        inner = f"{path}/{name}" if path else name
        yield from _deltas(objects, below_old.get(name), below_new.get(name), inner)
    old, new = (side if side and not side.is_folder else None for side in (old, new))
    if old or new:
        yield Delta(path, old, new)


def written(objects: Objects, tree: str, changes: Mapping[str, Entry | None]) -> str:
    """The id of `tree` with entries put in place or, where None, taken out. An empty folder goes with its last file."""
    top = objects.tree_of(tree)
    return _written(objects, top, {tuple(path.split("/")): new for path, new in changes.items()}) if changes else top


def _written(objects: Objects, tree: str, changes: Mapping[tuple[str, ...], Entry | None]) -> str:
    present = dict(objects.entries(tree)) if tree else {}
    deeper: dict[str, dict[tuple[str, ...], Entry | None]] = {}
    for (name, *rest), new in changes.items():
        if rest:
            deeper.setdefault(name, {})[tuple(rest)] = new
    at_once = {path[0]: new for path, new in changes.items() if len(path) == 1}
    for name in [name for name, new in at_once.items() if new is None]:  # a file may make room for a folder
        present.pop(name, None)
    for name, inner in deeper.items():
        below = present.get(name)
        made = _written(objects, below.blob if below and below.is_folder else "", inner)
        present[name] = Entry("040000", made)
        if not objects.entries(made):
            del present[name]
    present.update((name, new) for name, new in at_once.items() if new)  # and a folder for a file
    return objects.write("tree", packed(present))


def with_files(objects: Objects, tree: str, contents: Mapping[str, bytes | None]) -> str:
    """The id of `tree` with the content of files replaced. Modes are kept; raises Refused for what is no plain file."""
    present = {path: entry(objects, tree, path) for path in contents}
    for path, found in present.items():
        if found and not found.is_file:
            raise Refused(f"{clean(path)} is a folder, a symbolic link or a submodule in the deploy repo, not a file.")
    changes = {
        path: None if content is None else _file(objects, present[path], content) for path, content in contents.items()
    }
    blocked = collisions(objects, tree, changes)
    if blocked:
        raise Refused(
            "A file cannot be put into the deploy repo: a file and a folder would have one name.",
            because=tuple(clean(path) for path in blocked),
        )
    return written(objects, tree, changes)


def _file(objects: Objects, present: Entry | None, content: bytes) -> Entry:
    return Entry(present.mode if present else "100644", objects.write("blob", content))


def collisions(objects: Objects, tree: str, changes: Mapping[str, Entry | None]) -> list[str]:
    """Paths to be put in where `tree` has something in the way: a file for a folder, or a folder for a file."""
    added = [path for path, new in changes.items() if new]
    above = {parent: path for path in added for parent in _parents(path)}
    in_the_way = [parent for parent in above if parent not in changes and _is_file(objects, tree, parent)]
    inside = {path: files(objects, tree, path).keys() - {path} for path in added}
    return sorted({*(above[parent] for parent in in_the_way), *(p for p in added if inside[p] - changes.keys())})


def _is_file(objects: Objects, tree: str, path: str) -> bool:
    found = entry(objects, tree, path)
    return found is not None and not found.is_folder


def _parents(path: str) -> list[str]:
    parts = path.split("/")[:-1]
    return ["/".join(parts[: n + 1]) for n in range(len(parts))]


def blob(objects: Objects, tree: str, path: str) -> bytes | None:
    """A file's content, that of a link being where it points to; None where there is no such file."""
    found = entry(objects, tree, path)
    held = objects.find(found.blob) if found and not found.is_folder else None
    return held.content if held and held.kind == "blob" else None


def export(git: Git, tree: str, into: str) -> None:
    """Write a tree out as files into `into`, a folder that is empty or not there yet. Raises Refused, GitUnavailable.

    Submodules stay empty folders. Links are written as links; git never writes a file through one.
    """
    folder = Path(into)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise Refused(f"{into} is not empty, so nothing is exported into it.")
    except OSError as error:
        raise Refused(f"{into} cannot be written to.", because=(str(error),)) from error
    with _index(git, tree) as env:
        git.output("checkout-index", "--all", "--quiet", env={**env, "GIT_WORK_TREE": into}, cwd=into)


@contextmanager
def _index(git: Git, tree: str) -> Iterator[dict[str, str]]:
    """The environment of a temporary index that holds `tree`."""
    with tempfile.TemporaryDirectory(prefix="lastgood-") as folder:
        env = {"GIT_INDEX_FILE": f"{folder}/index"}
        git.output("read-tree", tree, env=env)
        yield env
