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
            raise UsageError(f"{file} is there already.", next=("name another file",)) from None
        finally:
            aside.unlink(missing_ok=True)
    except (OSError, ValueError) as error:
        raise UsageError(f"{file} cannot be written.", because=(_why(error),)) from error


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


def read_text(file: str) -> str | None:
    """What is in a text file; None where there is none. Raises UsageError where it cannot be read."""
    try:
        return Path(file).read_bytes().decode()
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UsageError(f"{file} cannot be read.", because=(_why(error),)) from error


def replace_text(file: str, text: str, before: str | None) -> None:
    """Put `text` in place of `before`, whole or not at all, where a link leads to as well.

    Raises UsageError where it cannot be written, or somebody changed the file meanwhile.
    """
    if before is None:
        write_new(file, text.encode(errors="replace"))
        return
    path = Path(os.path.realpath(file))
    aside = path.with_name(f".{path.name[:100]}.{os.getpid()}")
    try:
        try:
            _write(aside, text.encode(errors="replace"))
            aside.chmod(path.stat().st_mode & 0o777)
            if read_text(file) != before:
                raise UsageError(f"{file} was changed meanwhile.", next=("do it again",))
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"{file} cannot be written.", because=(_why(error),)) from error


def _why(error: OSError | ValueError) -> str:
    return sanitise(getattr(error, "strerror", None) or str(error))
