"""Files on this machine, written so that a power cut leaves either the old content or the new, never a part."""

import contextlib
import errno
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lastgood.effects.archive import unpack


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

    def append(self, path: str, content: bytes) -> None:
        """Add `content` at the end in one write, so that what others add stays whole; made where it is missing."""
        _make(Path(path).parent)
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            if os.write(descriptor, content) < len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        _sync(Path(path).parent)

    def unpack(self, folder: str, archive: bytes) -> None:
        """Unpack a tar into the new `folder`, whole or not at all; nothing happens where something is there."""
        self.place(folder, lambda fresh: unpack(archive, Path(fresh)))

    def place(self, folder: str, write: Callable[[str], None]) -> None:
        """Make the new `folder` of what `write` puts into it, whole or not at all; nothing where something is there."""
        place = Path(folder)
        if os.path.lexists(place):
            return
        _make(place.parent)
        fresh = place.parent / f".lastgood-{secrets.token_hex(8)}.tmp"
        fresh.mkdir(mode=0o755)
        try:
            write(str(fresh))
            fresh.rename(place)
        except OSError as error:
            if error.errno not in {errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR} or not os.path.lexists(place):
                raise  # else somebody was faster
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        _sync(place.parent)

    def link(self, path: str, to: str) -> None:
        """Make `path` a symbolic link to `to` unless something is there."""
        _make(Path(path).parent)
        with contextlib.suppress(FileExistsError):
            Path(path).symlink_to(to)
            _sync(Path(path).parent)

    def missing(self, paths: tuple[str, ...]) -> tuple[str, ...]:
        """Those of `paths` that do not exist, links followed."""
        return tuple(path for path in paths if not Path(path).exists())


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
