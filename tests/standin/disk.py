"""Copies of a folder in which somebody may be writing."""

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Final

_MEMORY: Final = "/dev/shm"
_ROOM: Final = 1 << 30
"""A test takes some 100 MiB there, and several run; containers often have but 64 in all."""


def memory() -> str | None:
    """A folder in memory, for what is copied and synced hundreds of times; None where there is no room in one."""
    roomy = os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _ROOM
    return _MEMORY if roomy else None


def listing(folder: Path) -> list[tuple[str, int, int]]:
    """Every file with its size and the moment of its last change."""
    found = []
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):  # others may be writing at this very moment
            seen = path.lstat()
            found.append((str(path), seen.st_size, seen.st_mtime_ns))
    return sorted(found)


def copied(source: Path, target: Path, tries: int = 20) -> None:
    """Copy a tree in which others may be writing at this very moment."""
    for _ in range(tries - 1):
        try:
            shutil.copytree(source, target, symlinks=True, copy_function=_copied_file)
        except (shutil.Error, OSError):
            shutil.rmtree(target, ignore_errors=True)
        else:
            return
    shutil.copytree(source, target, symlinks=True, copy_function=_copied_file)


def _copied_file(source: str, target: str) -> None:
    """Git's objects never change, so that they need not be copied."""
    if "/objects/" in source:
        os.link(source, target)
    else:
        shutil.copy(source, target)
