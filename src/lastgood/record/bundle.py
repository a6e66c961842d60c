"""Kept evidence: one folder of files per run, readable by its owner alone, named safely, synced, never overwritten.

A file has the beginning of its content's SHA-256 in its name: the same content is the same file.
"""

import hashlib
import os
import re
import stat
from itertools import count
from pathlib import Path
from typing import NamedTuple

_CAP = 4 * 1024 * 1024
_LONGEST_NAME = 100
_ADDRESS = 12


class Kept(NamedTuple):
    """Where content was kept, and the SHA-256 (hexadecimal) and size in bytes of what was written there."""

    path: str
    sha256: str
    size: int

    @property
    def file(self) -> str:
        """The file's name in its folder."""
        return Path(self.path).name


class Bundle:
    """Files in `folder`, which is made with mode 0700; each holds at most `cap` bytes of what it was given."""

    def __init__(self, folder: str, *, cap: int = _CAP) -> None:
        self._folder = Path(folder)
        self._cap = cap

    def keep(self, name: str, content: bytes) -> Kept:
        """Write `content`, durably, to a new file named after `name`; the file's mode is 0600.

        A name that is no plain file name is turned into one, made distinct by a hash of what it was. Where the same
        stands there already nothing is written. Of content above the cap the beginning and the end are kept, with a
        note between them of how much is missing. Secrets must have been taken out before. Raises OSError where it
        cannot be kept.
        """
        content = self._capped(content)
        sha256 = hashlib.sha256(content).hexdigest()
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._written(_addressed(_safe(name), sha256), content)
        self._sync()
        return Kept(str(path), sha256, len(content))

    def _capped(self, content: bytes) -> bytes:
        left_out = len(content) - self._cap
        if left_out <= 0:
            return content
        half = self._cap // 2
        note = f"\n[... lastgood left {len(content) - 2 * half} bytes out here ...]\n".encode()
        return content[:half] + note + content[len(content) - half :]

    def _written(self, name: str, content: bytes) -> Path:
        """The path of a file with the content; one that somebody else put there in its place stays as it is."""
        for number in count(1):
            path = self._folder / (name if number == 1 else f"{name}.{number}")
            try:
                handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600)
            except FileExistsError:
                if read(str(path)) == content:
                    return path
                continue
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            return path
        raise AssertionError  # count() does not end

    def _sync(self) -> None:
        handle = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def read(path: str) -> bytes | None:
    """What is in a kept file; None where there is no such file, or something that is no plain file."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    with os.fdopen(handle, "rb") as file:
        return file.read() if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else None


def _addressed(name: str, sha256: str) -> str:
    """The name with the content's hash before its ending."""
    stem, dot, ending = name.rpartition(".")
    return f"{stem}.{sha256[:_ADDRESS]}.{ending}" if dot and stem else f"{name}.{sha256[:_ADDRESS]}"


def _safe(name: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", name).lstrip("._-")[:_LONGEST_NAME]
    if plain and plain == name:
        return name
    mark = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:8]
    return f"{plain or 'file'}-{mark}"
