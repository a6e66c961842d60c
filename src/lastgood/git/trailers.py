"""The trailers by which machines know each other's rollbacks: written into the commit, read back from it. Pure."""

import re

from lastgood.git.names import clean
from lastgood.model.release import Image, Trailers

_LINE = re.compile(r"(?P<key>[A-Za-z0-9][A-Za-z0-9-]*)[ \t]*:[ \t]*(?P<value>.*)")
_BY_GIT = ("signed-off-by", "(cherry picked from commit ")


def render(subject: str, paragraphs: tuple[str, ...], trailers: Trailers) -> str:
    """The message of a rollback commit: subject, paragraphs, and the trailers as last paragraph."""
    lines = [f"Lastgood-Run: {clean(trailers.run)}"] if trailers.run else []
    lines += [f"Lastgood-From: {trailers.went_from}"] if trailers.went_from else []
    lines += [f"Lastgood-To: {trailers.went_to}"] if trailers.went_to else []
    lines += [f"Lastgood-Bad: {image}" for image in trailers.bad]
    parts = (clean(subject), *(text.strip() for text in paragraphs), "\n".join(lines))
    return "\n\n".join(part for part in parts if part) + "\n"


def parse(body: str) -> Trailers:
    """What the last paragraph of a commit's body says in `Lastgood-*` trailers. A malformed value counts as absent."""
    found: dict[str, list[str]] = {}
    for key, value in _pairs(body):
        found.setdefault(key, []).append(value)
    bad = tuple(image for text in found.get("lastgood-bad", []) if (image := _image(text)))
    run = found.get("lastgood-run", [""])[-1]
    return Trailers(
        run if run == clean(run) else "",
        _image(found.get("lastgood-from", [""])[-1]),
        _image(found.get("lastgood-to", [""])[-1]),
        bad,
    )


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
