"""A folder of computed values that may be forgotten at any time."""

import contextlib
import os
import secrets
from pathlib import Path

_KEPT = 8


class FolderMemo:
    """Implements `config.document.Memo` in `folder`; whatever goes wrong with it only costs time."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)

    def get(self, key: str) -> bytes | None:
        """What was kept under `key`, or None."""
        try:
            return (self._folder / key).read_bytes()
        except OSError:
            return None

    def put(self, key: str, content: bytes) -> None:
        """Keep `content` under `key`; of older ones only a few stay."""
        fresh = self._folder / f".{secrets.token_hex(8)}"
        with contextlib.suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            fresh.write_bytes(content)
            fresh.rename(self._folder / key)
            newest = sorted(self._folder.iterdir(), key=os.path.getmtime, reverse=True)
            for path in newest[_KEPT:]:
                path.unlink()
