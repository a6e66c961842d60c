"""Writes files that a person asked for, whole or not at all, and never over something else."""

import contextlib
import os
from pathlib import Path

from lastgood.model.errors import UsageError
from lastgood.model.text import sanitise


def write_new(file: str, content: bytes) -> None:
    """Write a file that only its owner may read. Fine where it stands there with this content.

    Raises UsageError where it cannot be written, or something else is there.
    """
    path = Path(file)
    if _same(path, content):
        return
    aside = path.with_name(f".{path.name[:100]}.{os.getpid()}")
    try:
        _write(aside, content)
        try:
            os.link(aside, path)  # unlike a rename, never over what is there
        except FileExistsError:
            raise UsageError(f"{file} is there already.", next=("name another file: --output FILE",)) from None
        finally:
            aside.unlink(missing_ok=True)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"{file} cannot be written.", because=(sanitise(why),)) from error


def _write(path: Path, content: bytes) -> None:
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _same(path: Path, content: bytes) -> bool:
    with contextlib.suppress(OSError, ValueError):
        return path.is_file() and path.read_bytes() == content
    return False
