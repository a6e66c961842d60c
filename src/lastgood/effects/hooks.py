"""A git hook's file: put in place and taken out again, with what was there before kept and never overwritten."""

import contextlib
import os
import secrets
from pathlib import Path


class HookFile:
    """The hook at `path`; what was there before is kept at `kept`. Everything raises OSError."""

    def __init__(self, path: str, kept: str) -> None:
        self._path = Path(path)
        self._kept = Path(kept)

    def read(self) -> bytes | None:
        """The content, that of a link being its file's; None where there is none. A link that leads nowhere counts."""
        try:
            return self._path.read_bytes()
        except FileNotFoundError:
            return b"" if self._path.is_symlink() else None

    def keep(self) -> bool:
        """Keep what is there under its second name; False where that name is taken by something else.

        The hook stays where it is, too: if we end here, nothing has changed for git.
        """
        try:
            os.link(self._path, self._kept, follow_symlinks=False)
        except FileExistsError:
            return os.path.samestat(self._path.lstat(), self._kept.lstat())
        return True

    def put(self, content: bytes) -> None:
        """Put an executable file with `content` in place, in one step."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.parent / f".lastgood-{secrets.token_hex(8)}.tmp"
        try:
            with temporary.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.chmod(0o755)
            temporary.rename(self._path)
        finally:
            temporary.unlink(missing_ok=True)

    def restore(self) -> bool:
        """Put back what was kept, or remove the hook where nothing was; whether something was put back."""
        with contextlib.suppress(FileNotFoundError):
            self._kept.rename(self._path)
            return True
        self._path.unlink(missing_ok=True)
        return False
