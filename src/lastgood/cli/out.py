"""All that is printed: made harmless and coloured by rule for people, or one JSON document for programs."""

import os
import re
import sys
from collections.abc import Iterable, Sequence
from typing import IO, Final

import click
import msgspec

from lastgood.model.errors import LastgoodError
from lastgood.model.text import sanitise

VERSION: Final = 1
# What JSON need not escape, and a terminal acts upon or shows as another text: DEL, C1, line ends, writing direction.
_ACTED_UPON: Final = re.compile("[\x7f-\x9f\u2028\u2029\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]")

# The first that matches colours the line. Lines begin with our own words, so nothing from outside can choose.
_RULES: Final = (
    (re.compile(r" {2}! "), {"fg": "yellow"}),
    (re.compile(r" {6}\$ "), {"dim": True}),
    (re.compile(r" {6}\+"), {"fg": "green"}),
    (re.compile(r" {6}-"), {"fg": "red"}),
    (re.compile(r"\S"), {"bold": True}),
)


class Error(msgspec.Struct, frozen=True):
    """An error as `--json` prints it. `error` is its type, for example `LeaseHeld`."""

    error: str
    exit: int
    what: str
    because: tuple[str, ...]
    next: tuple[str, ...]


def tolerant() -> None:
    """Let neither a stream that was closed beforehand nor a character that its encoding lacks end a command."""
    for name in ("stdin", "stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w", encoding="utf-8"))  # noqa: PTH123, SIM115 - it is the process's own stream from now on
        elif name != "stdin" and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def envelope(kind: str, value: object) -> str:
    """The documented JSON: `version`, `kind`, then the fields of `value`, a Struct or a dict."""
    document = {"version": VERSION, "kind": kind, **_encodable(msgspec.to_builtins(value))}
    text = msgspec.json.format(msgspec.json.encode(document), indent=2).decode()
    return _ACTED_UPON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _encodable(value: object) -> dict[str, object]:
    found = _clean(value)
    if not isinstance(found, dict):
        raise TypeError("what is printed as JSON is an object")
    return found


def _clean(value: object) -> object:
    """Undecodable bytes (lone surrogates) as escapes: JSON cannot hold them."""
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, dict):
        return {str(_clean(key)): _clean(item) for key, item in value.items()}
    return [_clean(item) for item in value] if isinstance(value, list | tuple) else value


def coloured(stream: IO[str], *, off: bool) -> bool:
    """Whether to colour: `off` and NO_COLOR forbid it, FORCE_COLOR asks for it, else a terminal gets it."""
    if off or os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or (stream.isatty() and os.environ.get("TERM") != "dumb")


def lines(said: Iterable[str], *, err: bool = False, colour: bool = False) -> None:
    """Print lines to stdout, or stderr where `err`. Whatever a terminal would act upon is shown as an escape."""
    text = "".join(_painted(sanitise(line), colour=colour) + "\n" for line in said)
    put(text, err=err)


def _painted(line: str, *, colour: bool) -> str:
    if not colour or not line:
        return line
    found = next((style for rule, style in _RULES if rule.match(line)), None)
    return click.style(line, **found) if found else line


def put(text: str, *, err: bool = False) -> None:
    """Write text that is harmless already.

    A reader that has gone away or a full disk below a log changes nothing about what was done: the exit code tells it.
    """
    stream = sys.stderr if err else sys.stdout
    try:
        stream.write(text)
        stream.flush()
    except OSError:
        # What is left in the buffer would fail once more when Python closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def traced(error: BaseException) -> None:
    """Print the traceback of a defect, where LASTGOOD_DEBUG=1 asks for it."""
    if os.environ.get("LASTGOOD_DEBUG") == "1":
        import traceback

        put(sanitise("".join(traceback.format_exception(error)), multiline=True), err=True)


def block(what: str, because: Sequence[str], next_: Sequence[str]) -> tuple[str, ...]:
    """What happened, why, and what to do next, one line each."""
    return (what, *(f"  because    {each}" for each in because), *(f"  next       {each}" for each in next_))


def failed(error: LastgoodError, argv: Sequence[str]) -> int:
    """Tell of an error, as JSON where the command line asks for that; its exit code."""
    if "--json" in argv:
        told = Error(type(error).__name__, int(error.exit), error.what, error.because, error.next)
        put(envelope("error", told) + "\n")
    else:
        colour = coloured(sys.stderr, off="--no-color" in argv)
        lines(block(error.what, error.because, error.next), err=True, colour=colour)
    return int(error.exit)
