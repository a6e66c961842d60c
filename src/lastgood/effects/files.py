"""Files on this machine, written so that a power cut leaves either the old content or the new, never a part."""

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class LocalFiles:
    """Implements `ports.Files`. Missing parent folders are made (0755); everything raises OSError but for absence."""

    def read(self, path: str) -> bytes | None:
        """The whole content, or None where there is no such file."""
        try:
            return Path(path).read_bytes()
        except FileNotFoundError:
            return None

    def create(self, path: str, content: bytes) -> bool:
        """Create `path` with `content` in one step; False, and nothing changed, where something is there already."""
        with _written(Path(path), content) as temporary:
            try:
                os.link(temporary, path)  # unlike a rename, fails where the name is taken
            except FileExistsError:
                return False
        _sync(Path(path).parent)
        return True

    def replace(self, path: str, content: bytes) -> None:
        """Put `content` in place of `path` in one step; permissions of a file that is there stay."""
        with _written(Path(path), content) as temporary:
            with contextlib.suppress(FileNotFoundError):
                temporary.chmod(stat.S_IMODE(Path(path).stat().st_mode))
            temporary.rename(path)
        _sync(Path(path).parent)

    def remove(self, path: str) -> None:
        """Remove the file; fine where it is gone already."""
        with contextlib.suppress(FileNotFoundError):
            Path(path).unlink()
            _sync(Path(path).parent)


@contextmanager
def _written(path: Path, content: bytes) -> Iterator[Path]:
    """A synced temporary file beside `path`; gone afterwards unless it was renamed away."""
    _make(path.parent)
    temporary = path.parent / f".lastgood-{secrets.token_hex(8)}.tmp"
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _make(folder: Path) -> None:
    if not folder.is_dir():
        _make(folder.parent)
        folder.mkdir(mode=0o755, exist_ok=True)
        _sync(folder.parent)


def _sync(folder: Path) -> None:
    """Make names in `folder` durable: a synced file whose name was not written is lost all the same."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
