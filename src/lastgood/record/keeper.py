"""Evidence of a run, redacted before it is written: what one file shows to be a secret is masked in all of them."""

import hashlib
import threading
from contextlib import suppress

from lastgood.model.event import KeptFile
from lastgood.model.secretive import MASK
from lastgood.ports import Evidence
from lastgood.record.bundle import Bundle, read
from lastgood.record.redact import redact, redact_inspect, secrets_of_inspect, without

_STRUCTURED = ("inspect", "rendered", "telemetry")
"""What files that are JSON and name their secrets begin with."""
_MOST = 1024 * 1024
"""So many bytes of a file are kept: taking secrets out of one of them takes half a second, while production waits."""
_LARGEST = 3 * 1024 * 1024
"""So many bytes of a picture are kept, or none."""
_PNG = b"\x89PNG\r\n\x1a\n"
_MARGIN = 32 * 1024
"""More than the longest secret that spans lines: one that the cut goes through is still seen to be one."""


class RedactingKeeper:
    """Implements `ports.Keeper` in one folder. What was found to be a secret once is masked in all that comes later."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._known: set[str] = set()
        self._lock = threading.Lock()

    def keep(self, files: dict[str, bytes]) -> Evidence:
        """Redact and keep `files`; of huge ones the beginning and the end. Raises OSError."""
        bundle, kept = Bundle(self._folder), list[KeptFile]()
        readable, lost = self._readable(files)
        for name, content in sorted(readable.items()):
            clean, kinds = (content, ()) if _picture(name, content) else _redacted(content, self._secrets())
            kinds = (*_in_place(name, content), *kinds)
            where = bundle.keep(name, clean)
            kept.append(KeptFile(name, where.file, where.sha256, where.size, kinds))
        return Evidence(self._folder, tuple(kept), lost)

    def kept(self, file: KeptFile) -> bytes | None:
        """What is in a file that was kept; None where it is not there, or not what was kept."""
        content = read(f"{self._folder}/{file.file}")
        return content if content is not None and hashlib.sha256(content).hexdigest() == file.sha256 else None

    def clean(self, text: str, named: str = "") -> str:
        """`text` without the secrets that are known by now, and without what looks like one.

        A password that stands in `named`, as `shop` does in a plan for shop-api, hides nothing where it is masked.
        """
        return without(text, frozenset(one for one in self._secrets() if one not in named))

    def _readable(self, files: dict[str, bytes]) -> tuple[dict[str, bytes], tuple[str, ...]]:
        """The files with what they name as secret masked; what cannot be read cannot be redacted, so it is not kept."""
        large = {name for name, content in files.items() if _picture(name, content) and len(content) > _LARGEST}
        readable = {name: files[name] for name in files.keys() - large if not name.startswith(_STRUCTURED)}
        for name in files.keys() - large - readable.keys():
            with suppress(ValueError):
                readable[name] = redact_inspect(files[name])
                self._learn(secrets_of_inspect(files[name]))
        unread = (f"{name} was not kept: it cannot be read" for name in sorted(files.keys() - large - readable.keys()))
        return readable, (*unread, *(f"{name} was not kept: it is too large a picture" for name in sorted(large)))

    def _learn(self, secrets: frozenset[str]) -> None:
        with self._lock:
            self._known |= secrets

    def _secrets(self) -> frozenset[str]:
        with self._lock:
            return frozenset(self._known)


def _picture(name: str, content: bytes) -> bool:
    """Whether it is a PNG: masking what looks like a secret in its bytes, or cutting it, would only spoil it."""
    return name.endswith(".png") and content.startswith(_PNG)


def _in_place(name: str, content: bytes) -> tuple[str, ...]:
    """What was taken out of a document by its names already."""
    return ("value of a secret name",) if name.startswith(_STRUCTURED) and MASK.encode() in content else ()


def _redacted(content: bytes, known: frozenset[str]) -> tuple[bytes, tuple[str, ...]]:
    if len(content) <= _MOST + 2 * _MARGIN:
        return redact(content, known)
    half = _MOST // 2
    head, head_kinds = redact(content[: half + _MARGIN], known)
    tail, tail_kinds = redact(content[-half - _MARGIN :], known)
    note = f"\n[... lastgood left {len(content) - _MOST} bytes out here ...]\n".encode()
    return head[:half] + note + tail[-half:], tuple(dict.fromkeys((*head_kinds, *tail_kinds)))
