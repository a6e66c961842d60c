"""Copies of a folder in which somebody may be writing."""

import os
import shutil
from contextlib import suppress
from pathlib import Path


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
