"""Files on an SSH host, by small programs for its `sh`, as safe against a power cut as those on this machine.

Content comes on standard input into a temporary file beside its place, and counts only where all of it arrived: a
connection that breaks looks like an early end of input. Only what coreutils and busybox share is used. Paths are
arguments, never part of a program.
"""

import errno
import os
import secrets
import tempfile
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Final

from lastgood.effects.archive import checked, packed
from lastgood.model.command import Command, Completed
from lastgood.model.text import sanitise
from lastgood.ports import Process

_TIMEOUT: Final = 30.0
_LARGEST: Final = 16 * 1024 * 1024
_THERE: Final = 17
"""Exit status of the programs for "something is there already"; no tool used here ends with it."""

_THERE_ALREADY: Final = f'there() {{ if [ -e "$1" ] || [ -L "$1" ]; then exit {_THERE}; fi; }}; '

# $1 the path, $2 its folder, $3 a temporary name in it, $4 the number of bytes to come.
_RECEIVE: Final = (
    "set -e; umask 022; "
    'made() { [ -d "$1" ] || { made "$(dirname "$1")"; mkdir -- "$1" || [ -d "$1" ]; sync "$(dirname "$1")"; }; }; '
    'made "$2"; trap \'rm -rf -- "$3" "$3.d" "$3.e"\' EXIT; trap "exit 1" HUP INT TERM; '
    'umask 077; cat > "$3"; umask 022; '
    'if [ "$(wc -c < "$3")" -ne "$4" ]; then echo "x: the content did not arrive whole" >&2; exit 1; fi; '
)
_NO_FOLDER: Final = 'if [ -d "$1" ]; then echo "x: Is a directory" >&2; exit 1; fi; '
_CREATE: Final = (
    _THERE_ALREADY
    + _RECEIVE
    + 'chmod =rw "$3"; sync "$3"; ln -- "$3" "$1" 2>/dev/null || { there "$1"; ln -- "$3" "$1"; }; sync "$2"'
)
_REPLACE: Final = (
    _RECEIVE
    + _NO_FOLDER
    + 'if [ -e "$1" ]; then chmod "$(stat -L -c %a -- "$1")" "$3"; else chmod =rw "$3"; fi; '
    + 'sync "$3"; mv -f -- "$3" "$1"; sync "$2"'
)
# From a file a block is read whole, and `>>` opens with O_APPEND: one write, which nobody's can come between.
_APPEND: Final = (
    _RECEIVE
    + _NO_FOLDER
    + ': >> "$1"; if [ "$4" -gt 0 ]; then '
    + 'dd if="$3" bs="$4" count=1 2>"$3.e" >> "$1" || { grep "^dd:" "$3.e" >&2; exit 1; }; fi; '
    + 'sync "$1"; sync "$2"'
)
_UNPACK: Final = (
    _THERE_ALREADY
    + 'there "$1"; '
    + _RECEIVE
    + 'mkdir "$3.d"; tar -x -o -f "$3" -C "$3.d"; chmod -R u+rwX,go-w "$3.d"; find "$3.d" ! -type l -exec sync {} +; '
    # A folder that came into being meanwhile takes ours in: it is taken out again.
    + 'there "$1"; mv -- "$3.d" "$1"; rm -rf -- "$1/${3##*/}.d"; sync "$2"'
)
_READ: Final = 'exec cat -- "$1"'
_REMOVE: Final = 'set -e; rm -f -- "$1"; if [ -d "$2" ]; then sync "$2"; fi'
_LINK: Final = (
    _THERE_ALREADY
    + 'set -e; there "$1"; umask 022; mkdir -p -- "$2"; '
    + 'ln -s -- "$3" "$1" 2>/dev/null || { there "$1"; ln -s -- "$3" "$1"; }; '
    + 'sync "$2"'
)
# What cannot be looked at is not missing: `test` cannot tell the two apart, the words of `ls` can.
_MISSING: Final = (
    'n=0; for p; do if [ ! -e "$p" ]; then e=$(ls -dL -- "$p" 2>&1 >/dev/null) && e=; case $e in '
    '*": No such file or directory"|*": Not a directory"|*": Too many levels of symbolic links") echo $n;; "") ;; '
    '*) echo "$e" >&2; exit 1;; esac; fi; n=$((n+1)); done'
)
_CODES: Final = {os.strerror(number): number for number in errno.errorcode}


class HostFiles:
    """Implements `ports.Files` on `host` by its programs. Every failure is an OSError whose `strerror` says why."""

    def __init__(self, process: Process, host: str) -> None:
        self._process = process
        self._host = host

    def read(self, path: str) -> bytes | None:
        """The whole content, or None where there is no such file. More than 16 MiB is refused, never cut."""
        done = self._ask(_READ, _plain(path))
        if done.status and _said(done) == os.strerror(errno.ENOENT):
            return None
        self._checked(done, path)
        if len(done.stdout) > _LARGEST:
            raise OSError(errno.EFBIG, "the file is larger than 16 MiB", path)
        return done.stdout

    def create(self, path: str, content: bytes) -> bool:
        """Create `path` with `content` in one step; False, and nothing changed, where something is there already."""
        return self._put(_CREATE, path, content)

    def replace(self, path: str, content: bytes) -> None:
        """Put `content` in place of `path` in one step; permissions of a file that is there stay."""
        self._put(_REPLACE, path, content)

    def remove(self, path: str) -> None:
        """Remove the file; fine where it is gone already."""
        self._checked(self._ask(_REMOVE, _plain(path), _parent(path)), path)

    def append(self, path: str, content: bytes) -> None:
        """Add `content` at the end in one write, so that what others add stays whole; made where it is missing."""
        self._put(_APPEND, path, content)

    def unpack(self, folder: str, archive: bytes) -> None:
        """Unpack a tar into the new `folder`, whole or not at all; nothing happens where something is there."""
        checked(archive, folder)
        self._put(_UNPACK, folder, archive, timeout=300)

    def place(self, folder: str, write: Callable[[str], None]) -> None:
        """Make the new `folder` of what `write` puts into a folder here, whole or not at all; nothing where one is."""
        if not self.missing((folder,)):
            return
        with tempfile.TemporaryDirectory(prefix="lastgood-") as fresh:
            write(fresh)
            self.unpack(folder, packed(fresh))

    def link(self, path: str, to: str) -> None:
        """Make `path` a symbolic link to `to` unless something is there."""
        done = self._ask(_LINK, _plain(path), _parent(path), to)
        if done.status != _THERE:
            self._checked(done, path)

    def missing(self, paths: tuple[str, ...]) -> tuple[str, ...]:
        """Those of `paths` that do not exist, links followed."""
        done = self._checked(self._ask(_MISSING, *map(_plain, paths)), self._host)
        return tuple(paths[int(number)] for number in done.stdout.split())

    def _put(self, script: str, path: str, content: bytes, timeout: float = _TIMEOUT) -> bool:
        """Run a program that receives content; False where it says that something is there already."""
        parent = _parent(path)
        temporary = f"{parent}/.lastgood-{secrets.token_hex(8)}.tmp"
        done = self._ask(script, _plain(path), parent, temporary, str(len(content)), stdin=content, timeout=timeout)
        if done.status == _THERE:
            return False
        self._checked(done, path)
        return True

    def _ask(self, script: str, *arguments: str, stdin: bytes = b"", timeout: float = _TIMEOUT) -> Completed:
        argv = ("sh", "-c", script, "lastgood", *arguments)
        env = (("LC_ALL", "C"),)  # the words of the tools tell what happened
        return self._process.run(Command(argv, host=self._host, env=env, stdin=stdin, timeout=timeout))

    def _checked(self, done: Completed, path: str) -> Completed:
        if not done.ok:
            said = _said(done)
            raise OSError(_CODES.get(said, errno.EIO), said, path)
        return done


def _said(done: Completed) -> str:
    """Why it failed: the connection's words, or the last ones of the tool, which end with those of the system."""
    if done.status is None:
        return sanitise(done.failure)
    lines = done.stderr.decode(errors="replace").strip().splitlines() or [f"exit status {done.status}"]
    return sanitise(lines[-1].rpartition(": ")[2])


def _plain(path: str) -> str:
    """The path so that no program takes it for an option."""
    return path if path.startswith("/") else f"./{path}"


def _parent(path: str) -> str:
    return str(PurePosixPath(_plain(path)).parent)
