"""Where the sandbox keeps its things, and the locks that let several clones share one machine."""

import fcntl
import functools
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HOME = ROOT / ".sandbox"
WORLDS = HOME / "worlds"
LABEL = "dev.lastgood.sandbox"


def cache() -> Path:
    """Returns the folder of everything that is expensive to make."""
    return Path(os.environ.get("LASTGOOD_SANDBOX_CACHE") or HOME / "cache").resolve()


def machine() -> Path:
    """Returns the folder that all clones of one user on this machine share."""
    if os.getuid() == 0:
        return Path("/var/lib/lastgood-sandbox")
    return Path(tempfile.gettempdir()) / f"lastgood-sandbox-{os.getuid()}"


@functools.cache
def fingerprint(*parts: str | Path) -> str:
    """Returns 12 hex digits that change with any of the texts, or with any file given as a path."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.read_bytes() if isinstance(part, Path) else part.encode())
        digest.update(b"\0")
    return digest.hexdigest()[:12]


@contextmanager
def lock(path: Path) -> Iterator[None]:
    """Holds an exclusive lock on a file, which whoever holds it may also remove."""
    descriptor = _acquire(path)
    try:
        yield
    finally:
        os.close(descriptor)


def _acquire(path: Path) -> int:
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if _is_still(path, descriptor):
            return descriptor
        os.close(descriptor)


def _is_still(path: Path, descriptor: int) -> bool:
    try:
        return path.stat().st_ino == os.fstat(descriptor).st_ino
    except FileNotFoundError:
        return False


def identity(pid: int) -> str:
    """Returns what tells a process from any other that has had or will have its pid."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return f"{pid}:dead"
    return f"{pid}:{'dead' if fields[0] == 'Z' else fields[19]}"
