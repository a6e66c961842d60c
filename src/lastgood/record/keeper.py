"""Evidence of a run, redacted before it is written: what one file shows to be a secret is masked in all of them."""

from contextlib import suppress

from lastgood.record.bundle import Bundle
from lastgood.record.redact import redact, redact_inspect, secrets_of_inspect

_INSPECT = "inspect"


class RedactingKeeper:
    """Implements `ports.Keeper` in one folder."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def keep(self, files: dict[str, bytes]) -> str:
        """Redact and keep `files`; what was redacted is listed in `redacted.txt`. Raises OSError."""
        bundle = Bundle(self._folder)
        readable = {name: content for name, content in files.items() if not name.startswith(_INSPECT)}
        known: set[str] = set()
        for name in files.keys() - readable.keys():
            with suppress(ValueError):  # what cannot be read cannot be redacted either, so it is not kept
                readable[name] = redact_inspect(files[name])
                known |= secrets_of_inspect(files[name])
        report = [f"{name}: not kept, it cannot be read" for name in sorted(files.keys() - readable.keys())]
        for name, content in sorted(readable.items()):
            clean, kinds = redact(content, known)
            bundle.keep(name, clean)
            report += [f"{name}: {kind}" for kind in kinds]
        bundle.keep("redacted.txt", "\n".join(report).encode())
        return self._folder
