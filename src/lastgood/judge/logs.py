"""Log bytes to lines that can be read: capped, decoded, harmless, without secrets. Pure."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from lastgood.model.situation import Line, Log
from lastgood.model.text import sanitise
from lastgood.record.redact import redact

CAP: Final = 256 * 1024
"""Bytes of one container's log that are read, from its end."""

LONGEST: Final = 600
"""Characters of a line that are read: a signature stands near its beginning."""

_MOST: Final = 2000
# `docker logs --timestamps`: RFC 3339 with nanoseconds before each line.
_STAMP: Final = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?(?:Z|[+-]\d\d:\d\d) ?")
# ECMA-48 control sequences and operating system commands, of which nothing is meant to be read.
_ESCAPES: Final = re.compile(rb"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]{0,256}(?:\x07|\x1b\\)?)")


def read(container: str, content: bytes, known: Iterable[str] = (), *, mine: bool = True) -> Log:
    """The end of a log as lines; `known` are secrets to mask wherever they stand.

    Of each line the beginning is kept; what a terminal would act upon is taken out or escaped, binary as well.
    """
    cut = len(content) > CAP
    text = content[-CAP:]
    if cut:
        text = text.partition(b"\n")[2] or text
    clean, _ = redact(_ESCAPES.sub(b"", text.replace(b"\r", b"")), known)
    stamped = [_split(line) for line in clean.split(b"\n")[-_MOST:] if line.strip()]
    return Log(container, tuple(_line(*each) for each in zip(*_again(stamped), strict=True)), mine, cut)


def _split(line: bytes) -> tuple[int, bytes]:
    """When a line was written, and the line without that. What only looks like a time is a program's own text."""
    stamp = _STAMP.match(line)
    if stamp is None:
        return 0, line
    try:
        at = int(datetime.fromisoformat(stamp[1].decode()).replace(tzinfo=UTC).timestamp())
    except ValueError:
        return 0, line
    return at, line[stamp.end() :]


def _again(stamped: list[tuple[int, bytes]]) -> tuple[list[int], list[bytes]]:
    """Redacted once more now that nothing stands before the lines: `PASSWORD: x` is YAML only at a line's start."""
    times, lines = [at for at, _ in stamped], [line for _, line in stamped]
    whole = redact(b"\n".join(lines), ())[0].split(b"\n") if lines else []
    return times, whole if len(whole) == len(lines) else [redact(line, ())[0] for line in lines]


def _line(at: int, line: bytes) -> Line:
    text = sanitise(line[: 4 * LONGEST].decode(errors="replace").replace("\t", " "))
    return Line(text[:LONGEST].rstrip(), at)
