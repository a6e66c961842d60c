"""`kind: env-file`: an image in a file of `NAME=value` lines, as Compose reads them for `--env-file`.

The syntax is that of the Compose specification ("Interpolation", "`.env` file syntax"): `#` begins a comment on a line
of its own, or after white space behind an unquoted value; values may be in single quotes (literal) or double quotes
(with backslash escapes), over several lines too; `export ` may stand in front.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from lastgood.model.errors import PinUnreadable
from lastgood.model.release import Image
from lastgood.pins._fields import (
    Edit,
    Field,
    Fields,
    expected,
    line_end,
    newline_of,
    read_image,
    rewrite,
    text_of,
)

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_IGNORED = re.compile(r"[ \t]*(?:#[^\r\n]*)?(?:\r\n|\n|\r|$)")
_ASSIGNMENT = re.compile(
    r"""
    [ \t]* (?: export [ \t]+ )?
    (?P<name> [A-Za-z_][A-Za-z0-9_.-]* )
    (?:
        [ \t]* = [ \t]*
        (?:
            '(?P<single> [^']* )'
          | "(?P<double> (?: [^"\\] | \\. )* )"
          | (?P<plain> (?: [^\s'"\#] | (?<==)\# ) [^\r\n]*? | )
        )
        (?: [ \t]+ \# [^\r\n]* | [ \t]* )
      | [ \t]*
    )
    (?: \r\n | \n | \r | $ )
    """,
    re.DOTALL | re.VERBOSE,
)
_QUOTES = {"single": "'", "double": '"', "plain": ""}
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t"}
_REFERENCE = re.compile(r"(?<!\\)\$(?:\{|[A-Za-z_])")


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`file` below the deploy repo's root, and the names of variables in it.

    `image` is the variable that holds a whole reference; where it is empty, the image is in the parts `repository`,
    `tag` and, if the file has it, `digest`.
    """

    file: str = "envs/{env}/apps/{service}/.env"
    image: str = ""
    repository: str = "IMAGE_REPOSITORY"
    tag: str = "IMAGE_TAG"
    digest: str = "IMAGE_DIGEST"

    def __post_init__(self) -> None:
        parts = (self.repository, self.tag, self.digest)
        if self.image and parts != ("IMAGE_REPOSITORY", "IMAGE_TAG", "IMAGE_DIGEST"):
            message = "name either `image` or its parts `repository`, `tag` and `digest`, not both"
            raise ValueError(message)
        wrong = [name for name in (self.image, *parts) if _NAME.fullmatch(name or "X") is None]
        if wrong or not (self.repository and self.tag and self.digest):
            message = f"{(wrong or [''])[0]!r} is not the name of a variable"
            raise ValueError(message)
        if len(set(parts)) < len(parts):
            message = "`repository`, `tag` and `digest` are three different variables"
            raise ValueError(message)


class _Assignment(NamedTuple):
    """One variable: its field, and the source that the value was read from."""

    name: str
    field: Field
    source: str


class EnvFilePin:
    """Implements `ports.Pin` on a file of variables."""

    def __init__(self, options: Options) -> None:
        self._options = options

    def read(self, content: bytes) -> Image:
        """The pinned image. Raises PinUnreadable."""
        return read_image(self._fields(text_of(content)))

    def write(self, content: bytes, image: Image, *, add_digest: bool = False) -> bytes:
        """`content` with `image` pinned: only the lines that must change do, byte for byte. Raises PinUnreadable."""
        text = text_of(content)
        fields = self._fields(text)

        def insert(after: Field, digest: str) -> Edit:
            end = line_end(text, after.end)
            line = f"{self._options.digest}={after.quote}{digest}{after.quote}"
            return Edit(end, end, newline_of(text, end) + line)

        written = rewrite(text, fields, image, _quoted, insert if add_digest else None).encode()
        found, wanted = self.read(written), expected(fields, image, add_digest=add_digest)
        if found != wanted:
            raise PinUnreadable(f"Pinning {wanted} would be read as {found}.", next=("edit the pin by hand",))
        return written

    def variables(self, content: bytes) -> dict[str, str]:
        """The file's own variables. Raises PinUnreadable where one refers to others, or stands there twice."""
        found: dict[str, str] = {}
        for name, field, source in _assignments(text_of(content)):
            if name in found:
                raise PinUnreadable(f"{field.where} stands there twice.", next=("remove one of the lines",))
            if field.quote != "'" and _REFERENCE.search(source):
                raise PinUnreadable(
                    f"{field.where} refers to another variable.",
                    next=("write the value in full", "or put it in single quotes if the $ is meant"),
                )
            found[name] = field.value
        return found

    def _fields(self, text: str) -> Fields:
        options = self._options
        wanted = (options.image,) if options.image else (options.repository, options.tag, options.digest)
        found: dict[str, Field] = {}
        for name, field, _ in _assignments(text):
            if name in wanted and name in found:
                raise PinUnreadable(f"{field.where} stands there twice.", next=("remove one of the lines",))
            found[name] = field
        missing = next((name for name in wanted[:2] if name not in found), None)
        if missing and (options.image or missing == options.repository or options.digest not in found):
            raise PinUnreadable(
                f"The file sets no variable {missing}.", next=("name the variables that hold the image in the pin",)
            )
        if options.image:
            return Fields(whole=found[options.image])
        return Fields(None, *(found.get(name) for name in wanted))


def _assignments(text: str) -> Iterator[_Assignment]:
    """The file's variables in order; raises PinUnreadable for a line that is none. A bare name has no value here."""
    at = len(text) - len(text.removeprefix("\ufeff"))
    while at < len(text):
        line = _IGNORED.match(text, at) or _ASSIGNMENT.match(text, at)
        if line is None:
            raise PinUnreadable(f"line {_line(text, at)}: not a line of the form NAME=value.")
        form = _form(line)
        if form:
            yield _assignment(text, line, form)
        at = line.end()


def _form(line: re.Match[str]) -> str:
    """How the line's value is written; the empty text where the line sets no value."""
    return next((form for form in _QUOTES if form in line.re.groupindex and line[form] is not None), "")


def _assignment(text: str, found: re.Match[str], form: str) -> _Assignment:
    source = found[form]
    quote = _QUOTES[form]
    value = _ESCAPE.sub(lambda escape: _ESCAPED.get(escape[1], escape[1]), source) if form == "double" else source
    start, end = found.start(form) - len(quote), found.end(form) + len(quote)
    where = f"line {_line(text, found.start('name'))}, {found['name']}"
    return _Assignment(found["name"], Field(value, start, end, quote, where), source)


def _line(text: str, at: int) -> int:
    return len(re.findall(r"\r\n|\n|\r", text[:at])) + 1


def _quoted(field: Field, value: str) -> str:
    return f"{field.quote}{value}{field.quote}"


def make(options: Options) -> EnvFilePin:
    """The pin for `options`."""
    return EnvFilePin(options)
