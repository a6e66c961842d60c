"""What pins of every kind have in common: an image is read from fields of a text, and written back into their spans."""

import re
from collections.abc import Callable
from typing import NamedTuple

from lastgood.model.errors import PinUnreadable
from lastgood.model.release import Image

MAX_BYTES = 1024 * 1024
_DIGEST = r"sha256:[0-9a-f]{64}"
# The grammar of docker/distribution's `reference` package, with upper case let through: registries decide about that.
_NAME = r"(?:\[[0-9a-fA-F:]+\](?::\d+)?/)?[A-Za-z0-9](?:[A-Za-z0-9._/-]|:\d+/)*"
_REFERENCE = {
    "repository": re.compile(_NAME),
    "tag": re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"),
    "digest": re.compile(_DIGEST),
}


class Field(NamedTuple):
    """A value in a text: what it says, the span of its source with any quotes, and where that is for a reader."""

    value: str
    start: int
    end: int
    quote: str
    where: str


class Fields(NamedTuple):
    """Where an image is pinned: in one field as a whole, or in parts of which the tag or the digest may be missing."""

    whole: Field | None = None
    repository: Field | None = None
    tag: Field | None = None
    digest: Field | None = None


class Edit(NamedTuple):
    """Text to put in place of a span."""

    start: int
    end: int
    text: str


Quoted = Callable[[Field, str], str]
Inserted = Callable[[Field, str], Edit]


def text_of(content: bytes) -> str:
    """The content as text; raises PinUnreadable where it is empty, huge or not UTF-8."""
    if len(content) > MAX_BYTES:
        raise PinUnreadable(f"The pin file has {len(content)} bytes; that is no pin file.")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise PinUnreadable(f"line {line}: the pin file is not UTF-8.", because=(str(error.reason),)) from error
    if not text.removeprefix("\ufeff").strip():
        raise PinUnreadable("The pin file is empty.")
    return text


def read_image(fields: Fields) -> Image:
    """The image that the fields name. Raises PinUnreadable with the place."""
    if fields.whole:
        return _whole_image(fields.whole)
    if not fields.repository:
        raise PinUnreadable("The pin names no repository.", next=("name the repository next to the tag",))
    values = {
        name: field.value for name in ("repository", "tag", "digest") if (field := getattr(fields, name)) is not None
    }
    if fields.tag and not fields.tag.value:
        raise PinUnreadable(f"{fields.tag.where}: the tag is empty.")
    image = Image(values["repository"], values.get("tag", ""), values.get("digest", ""))
    _check(image, {"repository": fields.repository, "tag": fields.tag, "digest": fields.digest})
    return image


def _whole_image(field: Field) -> Image:
    if "$" in field.value or "{{" in field.value:
        raise _template(field)
    try:
        image = Image.parse(field.value)
    except ValueError as error:
        raise PinUnreadable(f"{field.where}: {error}.") from error
    _check(image, dict.fromkeys(_REFERENCE, field))
    return image


def _check(image: Image, fields: dict[str, Field | None]) -> None:
    for name, pattern in _REFERENCE.items():
        value = getattr(image, name)
        field = fields[name]
        if field and value and ("$" in value or "{{" in value):
            raise _template(field)
        if value and pattern.fullmatch(value) is None:
            raise PinUnreadable(f"{field.where if field else 'the image'}: {value!r} is not a {name} of an image.")
    if not image.repository or not (image.tag or image.digest):
        place = fields["repository"]
        lacking = "tag or digest" if image.repository else "image"
        raise PinUnreadable(
            f"{place.where if place else 'the image'}: the pin names no {lacking}.",
            next=("pin a tag or a digest; what `latest` means changes by itself",),
        )


def _template(field: Field) -> PinUnreadable:
    return PinUnreadable(
        f"{field.where}: {field.value!r} is not an image but a template.",
        next=("pin the file that holds the value, for example with `kind: env-file`", "or write the image in full"),
    )


def rewrite(text: str, fields: Fields, image: Image, quoted: Quoted, inserted: Inserted | None) -> str:
    """`text` with the fields saying `image`. `quoted` gives a field's new source, `inserted` the edit for a digest.

    Raises PinUnreadable where the fields cannot say it.
    """
    _check(image, dict.fromkeys(_REFERENCE))
    if fields.whole:
        edits = [_set(fields.whole, str(_whole(fields.whole, image, add_digest=inserted is not None)), quoted)]
    else:
        edits = list(_part_edits(fields, image, quoted, inserted))
    for edit in sorted((edit for edit in edits if edit), reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text


def expected(fields: Fields, image: Image, *, add_digest: bool) -> Image:
    """What reading back must give: `image`, without its digest where there is no place for one."""
    if fields.whole:
        return _whole(fields.whole, image, add_digest=add_digest)
    return image if fields.digest or add_digest else Image(image.repository, image.tag)


def _whole(field: Field, image: Image, *, add_digest: bool) -> Image:
    pinned = Image.parse(field.value).digest
    if pinned and not image.digest:
        raise _contradiction(field)
    keeps = bool(pinned) or add_digest or not image.tag
    return Image(image.repository, image.tag, image.digest if keeps else "")


def _part_edits(fields: Fields, image: Image, quoted: Quoted, inserted: Inserted | None) -> list[Edit | None]:
    if fields.digest and fields.digest.value and not image.digest:
        raise _contradiction(fields.digest)
    edits = [
        _set(field, value, quoted)
        for field, value in (
            (fields.repository, image.repository),
            (fields.tag, image.tag),
            (fields.digest, image.digest),
        )
        if field
    ]
    if inserted and image.digest and not fields.digest:
        anchor = fields.tag or fields.repository
        edits += [inserted(anchor, image.digest)] if anchor else []
    return edits


def _set(field: Field, value: str, quoted: Quoted) -> Edit | None:
    return None if field.value == value else Edit(field.start, field.end, quoted(field, value))


def _contradiction(field: Field) -> PinUnreadable:
    return PinUnreadable(
        f"{field.where}: a digest is pinned here, and the digest of the image to pin is not known.",
        because=("the old digest next to the new tag would pin the old image",),
        next=("make the registry reachable, or name the image with its digest",),
    )


def line_end(text: str, at: int) -> int:
    """Where the line that holds position `at` ends: at its line break, or at the end of the text."""
    found = re.compile(r"\r?\n|\r").search(text, at)
    return found.start() if found else len(text)


def newline_of(text: str, at: int) -> str:
    """The line break in use at `at`: that of the line, else the text's first, else a line feed."""
    pattern = re.compile(r"\r\n|\n|\r")
    found = pattern.search(text, at) or pattern.search(text)
    return found[0] if found else "\n"
