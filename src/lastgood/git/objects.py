"""The copy's objects: read through one lasting `git cat-file`, kept in memory, written as loose objects.

An object never changes, so each is read once. A plan needs some dozens of them; a process for each would cost more
than everything else that planning does.
"""

import hashlib
import os
import secrets
import threading
import zlib
from pathlib import Path
from typing import NamedTuple

import msgspec

from lastgood.git.names import clean
from lastgood.git.plumbing import Git
from lastgood.model.errors import GitUnavailable
from lastgood.ports import Conversation

_FOLDER = "040000"
_PLAIN_FILES = ("100644", "100755")
_HEADER_WORDS = 3  # `<id> <type> <size>`, git-cat-file(1), "Batch output"


class Entry(msgspec.Struct, frozen=True):
    """What stands at a path of a tree: its mode as git shows it (`100755`), and its object."""

    mode: str
    blob: str

    @property
    def is_folder(self) -> bool:
        """Whether it is a tree of its own."""
        return self.mode == _FOLDER

    @property
    def is_file(self) -> bool:
        """Whether it is a plain file: no symbolic link and no submodule."""
        return self.mode in _PLAIN_FILES


class Object(NamedTuple):
    """An object's kind (`blob`, `tree`, `commit`, `tag`) and content."""

    kind: str
    content: bytes


class Objects:
    """The objects of the repository at `path`, which `git` is bound to. Methods raise GitUnavailable."""

    def __init__(self, git: Git, path: Path) -> None:
        self._git = git
        self._path = path / "objects"
        self._known: dict[str, Object] = {}
        self._trees: dict[str, dict[str, Entry]] = {}
        self._talk: Conversation | None = None
        self._lock = threading.Lock()

    def find(self, name: str) -> Object | None:
        """The object with this full id, or None where there is none."""
        with self._lock:
            if name not in self._known:
                found = self._ask(name)
                if found is None:
                    return None
                self._known[name] = found
            return self._known[name]

    def get(self, name: str) -> Object:
        """The object with this full id, which has to be there."""
        found = self.find(name)
        if found is None:
            raise GitUnavailable("The copy of the deploy repo lacks an object.", because=(name,))
        return found

    def _ask(self, name: str) -> Object | None:
        try:
            if self._talk is None:
                self._talk = self._git.talk("cat-file", "--batch")
            return self._answer(self._talk, name)
        except OSError as error:
            self._talk = None
            raise GitUnavailable("git cat-file does not answer.", because=(str(error),)) from error

    @staticmethod
    def _answer(talk: Conversation, name: str) -> Object | None:
        talk.say(name.encode() + b"\n")
        words = talk.line().decode(errors="replace").split(" ")
        if words[-1] == "missing":
            return None
        if len(words) != _HEADER_WORDS or not words[2].isdigit():
            raise GitUnavailable("git cat-file gave an answer that cannot be read.", because=(clean(" ".join(words)),))
        content = talk.exactly(int(words[2]))
        talk.exactly(1)
        return Object(words[1], content)

    def tree_of(self, name: str) -> str:
        """The id of the tree that a commit or tree id stands for."""
        found = self.get(name)
        if found.kind == "tree":
            return name
        if found.kind == "commit":
            return _field(found.content, b"tree")
        raise GitUnavailable(f"{name} is a {found.kind}, neither a commit nor a tree.")

    def first_parent(self, commit: str) -> str:
        """The first parent of a commit; empty at a root. A shallow copy's oldest commits name parents it lacks."""
        parent = _field(self.get(commit).content, b"parent")
        return parent if parent and self.find(parent) else ""

    def entries(self, tree: str) -> dict[str, Entry]:
        """What stands directly in a tree, by name, in git's order. The caller must not change it."""
        if tree not in self._trees:
            self._trees[tree] = _parsed(self.get(tree).content)
        return self._trees[tree]

    def write(self, kind: str, content: bytes) -> str:
        """The id of an object with this content, written if it is not there yet (gitformat-loose(5))."""
        whole = b"%s %d\0%s" % (kind.encode(), len(content), content)
        name = hashlib.sha1(whole, usedforsecurity=False).hexdigest()
        if self.find(name) is None:
            self._write_loose(name, zlib.compress(whole, 1))
            self._known[name] = Object(kind, content)
        return name

    def _write_loose(self, name: str, content: bytes) -> None:
        folder = self._path / name[:2]
        fresh = folder / f"tmp_obj_{secrets.token_hex(8)}"
        try:
            folder.mkdir(exist_ok=True)
            with os.fdopen(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o444), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            fresh.rename(folder / name[2:])
        except OSError as error:
            fresh.unlink(missing_ok=True)
            raise GitUnavailable(f"{folder} cannot be written to.", because=(str(error),)) from error


def _field(commit: bytes, name: bytes) -> str:
    """The first value of a header of a commit object; empty where it has none."""
    for line in commit.partition(b"\n\n")[0].split(b"\n"):
        key, _, value = line.partition(b" ")
        if key == name:
            return value.decode()
    return ""


def _parsed(content: bytes) -> dict[str, Entry]:
    """A tree object's entries: mode, blank, name, NUL and the id's 20 bytes each."""
    found: dict[str, Entry] = {}
    at = 0
    while at < len(content):
        end = content.index(b"\0", at)
        mode, _, name = content[at:end].partition(b" ")
        at = end + 21
        found[name.decode(errors="surrogateescape")] = Entry(mode.decode().zfill(6), content[end + 1 : at].hex())
    return found


def packed(entries: dict[str, Entry]) -> bytes:
    """A tree object's content: entries in git's order, in which a folder sorts as if its name ended in a slash."""
    raw = [(name.encode(errors="surrogateescape"), entry) for name, entry in entries.items()]
    raw.sort(key=lambda pair: pair[0] + b"/" if pair[1].is_folder else pair[0])
    return b"".join(
        b"%s %s\0%s" % (entry.mode.lstrip("0").encode(), name, bytes.fromhex(entry.blob)) for name, entry in raw
    )
