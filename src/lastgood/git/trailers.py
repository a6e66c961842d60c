"""The trailers by which machines know each other's rollbacks: written into the commit, read back from it. Pure."""

import re
from collections.abc import Iterator

from lastgood.git.names import clean
from lastgood.model.release import Image, Trailers

_LINE = re.compile(r"(?P<key>[A-Za-z0-9][A-Za-z0-9-]*)[ \t]*:[ \t]*(?P<value>.*)")
_BY_GIT = ("signed-off-by", "(cherry picked from commit ")


JOURNAL = "Lastgood-Journal"
"""Says which line the journal of a run had come to, and its hash: `RUN/SEQ/HASH`."""


def render(subject: str, paragraphs: tuple[str, ...], *several: Trailers, journal: str = "") -> str:
    """The message of a rollback commit: subject, paragraphs, and the trailers as last paragraph.

    An app's commit speaks of several services, told apart by the repositories of their images. `journal` is how far
    the run's record had come.
    """
    lines = dict.fromkeys(line for trailers in several for line in _lines(trailers))
    lines |= dict.fromkeys([f"{JOURNAL}: {clean(journal)}"] if journal else [])
    parts = (clean(subject), *(text.strip() for text in paragraphs), "\n".join(lines))
    return "\n\n".join(part for part in parts if part) + "\n"


def _lines(trailers: Trailers) -> Iterator[str]:
    values = (
        ("Run", clean(trailers.run)),
        ("From", trailers.went_from),
        ("To", trailers.went_to),
        ("Trying", trailers.trying),
        ("Step", clean(trailers.step)),
        *(("Bad", image) for image in trailers.bad),
    )
    return (f"Lastgood-{key}: {value}" for key, value in values if value)


def parse(body: str, repository: str = "") -> Trailers:
    """What the last paragraph of a commit's body says in `Lastgood-*` trailers. A malformed value counts as absent.

    Where a value stands there several times, `repository` says which of them is meant.
    """
    found: dict[str, list[str]] = {}
    for key, value in _pairs(body):
        found.setdefault(key, []).append(value)
    bad = tuple(image for text in found.get("lastgood-bad", []) if (image := _image(text)))
    run = found.get("lastgood-run", [""])[-1]
    return Trailers(
        run if run == clean(run) else "",
        _meant(found.get("lastgood-from", []), repository),
        _meant(found.get("lastgood-to", []), repository),
        bad,
        _meant(found.get("lastgood-trying", []), repository),
        clean(found.get("lastgood-step", [""])[-1]),
    )


def _meant(values: list[str], repository: str) -> Image | None:
    images = [_image(text) for text in values]
    if len(images) < 2:  # noqa: PLR2004 - one, or none
        return images[0] if images else None
    return next((image for image in reversed(images) if image and image.repository == repository), None)


def _pairs(body: str) -> list[tuple[str, str]]:
    lines = _last_paragraph(body)
    pairs = [(found["key"].lower(), found["value"].strip()) for line in lines if (found := _LINE.fullmatch(line))]
    # git-interpret-trailers(1): all lines are trailers, or at least a quarter of them and one that git itself writes.
    by_git = any(line.lower().startswith(_BY_GIT) for line in lines)
    return pairs if len(pairs) == len(lines) or (by_git and 4 * len(pairs) >= len(lines)) else []


def _last_paragraph(body: str) -> list[str]:
    """Its lines, with continuation lines (those that begin with white space) joined to the line they continue."""
    paragraph = re.split(r"\n[ \t\r]*\n", body.strip().replace("\r\n", "\n"))[-1]
    return re.sub(r"\n[ \t]+", " ", paragraph).split("\n")


def _image(text: str) -> Image | None:
    if not text or re.search(r"[^\x21-\x7e]", text):
        return None
    try:
        return Image.parse(text)
    except ValueError:
        return None
