"""`quarantine.yaml` at the root of the deploy repo: read strictly, written whole, so that a diff shows one change.

It is ours to write. People may read it, review it and, with care, edit it; comments of theirs are not kept.
"""

import re
from datetime import UTC, datetime
from typing import Final

import msgspec

from lastgood.config.document import Document, Place, parse
from lastgood.config.typed import typed
from lastgood.model.errors import ConfigError
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.quarantine import Lifted, Quarantined
from lastgood.model.release import Image
from lastgood.model.text import sanitise
from lastgood.ports import DeployRepo

NAME: Final = "quarantine.yaml"
_TIME: Final = "%Y-%m-%dT%H:%M:%SZ"
_HEAD: Final = """\
# Releases that must not come back by themselves. Kept by `lastgood quarantine add` and `lastgood quarantine lift`;
# `lastgood guard` refuses commits that pin one. An entry ends by being lifted with a reason, never by being removed.
"""


class _LiftedFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    by: str
    at: str
    because: str


class _EntryFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    service: str
    image: str
    because: str
    by: str
    at: str
    env: str = ""
    run: str = ""
    lifted: _LiftedFile | None = None


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    quarantine: tuple[_EntryFile, ...]


def quarantined_at(repo: DeployRepo, commit: str) -> Fact[tuple[Quarantined, ...]]:
    """The entries at a commit of the deploy repo; Unknown, with file and line, where they cannot be read."""
    return readable(repo.blob(commit, NAME))


def readable(content: bytes | None) -> Fact[tuple[Quarantined, ...]]:
    """As `entries`, with the error as Unknown."""
    try:
        return Known(entries(content))
    except ConfigError as error:
        return Unknown(error.what)


def entries(content: bytes | None, name: str = NAME) -> tuple[Quarantined, ...]:
    """The entries of the file, in its order; none where there is no file. Raises ConfigError with line and place."""
    if content is None:
        return ()
    document = parse(content, name)
    file = typed(document, (), document.value, _File)
    return tuple(_entry(document, ("quarantine", i), entry) for i, entry in enumerate(file.quarantine))


def _entry(document: Document, place: Place, raw: _EntryFile) -> Quarantined:
    for key in ("service", "because", "by"):
        _said(document, (*place, key), getattr(raw, key))
    lifted = None
    if raw.lifted:
        below = (*place, "lifted")
        _said(document, (*below, "by"), raw.lifted.by)
        _said(document, (*below, "because"), raw.lifted.because)
        lifted = Lifted(raw.lifted.by, _time(document, (*below, "at"), raw.lifted.at), raw.lifted.because)
    image = _image(document, (*place, "image"), raw.image)
    at = _time(document, (*place, "at"), raw.at)
    return Quarantined(raw.service, raw.env, image, raw.because, raw.by, at, raw.run, lifted)


def _said(document: Document, place: Place, text: str) -> None:
    if not text.strip():
        raise document.error(place, "it is empty; a quarantine needs all of service, because and by")


def _image(document: Document, place: Place, text: str) -> Image:
    try:
        image = Image.parse(text)
    except ValueError as error:
        raise document.error(place, str(error)) from None
    if re.search(r"[^\x21-\x7e]", text) or not (image.tag or image.digest):
        raise document.error(place, f"{sanitise(text)!r} names no release: write repository:tag or repository@sha256:…")
    return image


def _time(document: Document, place: Place, text: str) -> int:
    try:
        return int(datetime.strptime(text, _TIME).replace(tzinfo=UTC).timestamp())
    except ValueError:
        raise document.error(place, f"{sanitise(text)!r} is not a time such as 2026-11-22T21:00:00Z") from None


def written(found: tuple[Quarantined, ...]) -> bytes:
    """The whole file: sorted, so that the same entries always are the same bytes."""
    ordered = sorted(found, key=lambda e: (e.service, e.env, str(e.image), e.at))
    if not ordered:
        return f"{_HEAD}quarantine: []\n".encode()
    return (_HEAD + "quarantine:\n" + "".join(_lines(entry) for entry in ordered)).encode()


def _lines(entry: Quarantined) -> str:
    fields = [("service", entry.service), ("env", entry.env), ("image", str(entry.image)), *_act(entry)]
    fields += [("run", entry.run)] if entry.run else []
    said = "".join(f"    {key}: {_quoted(value)}\n" for key, value in fields)
    if entry.lifted:
        said += "    lifted:\n" + "".join(f"      {key}: {_quoted(value)}\n" for key, value in _act(entry.lifted))
    return "  - " + said[4:]


def _act(what: Quarantined | Lifted) -> list[tuple[str, str]]:
    at = datetime.fromtimestamp(what.at, UTC).strftime(_TIME)
    return [("because", what.because), ("by", what.by), ("at", at)]


def _quoted(text: str) -> str:
    """As a double-quoted YAML scalar, which a JSON string is; what YAML does not print was made visible before."""
    return msgspec.json.encode(sanitise(text)).decode()
