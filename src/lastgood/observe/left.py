"""What machines leave on a target's hosts for each other: files of lines of JSON, to which anybody there may write."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import msgspec

from lastgood.model.errors import LastgoodError
from lastgood.model.release import Image
from lastgood.model.target import shown
from lastgood.model.text import sanitise
from lastgood.observe.together import together
from lastgood.ports import Clock, Files

_AHEAD: Final = 300
_NANO: Final = 1_000_000_000


def on_each(hosts: Sequence[str], leave: Callable[[str], None]) -> tuple[str, ...]:
    """Leave something on all hosts at once; which of them did not take it, and why. Raises nothing for that."""
    return tuple(filter(None, together([partial(_tried, leave, host) for host in hosts])))


def add(files: Files, path: str, there: bytes, news: Sequence[msgspec.Struct]) -> None:
    """Add lines to a file that holds `there`; a line that was cut off at its end takes none of them with it."""
    begin = b"\n" if there and not there.endswith(b"\n") else b""
    files.append(path, begin + encoded(news))


def encoded(news: Sequence[msgspec.Struct]) -> bytes:
    """One line for each."""
    return b"".join(msgspec.json.encode(one) + b"\n" for one in news)


def latest(clock: Clock) -> int:
    """The last moment that counts, in Unix seconds: what a clock that is wrong dates later would outweigh all to come.

    Clocks may differ by five minutes.
    """
    return clock.now() // _NANO + _AHEAD


def whole(image: Image) -> bool:
    """Whether an image from a host reads as what it says it is, and as nothing more."""
    try:
        return Image.parse(str(image)) == image
    except ValueError:
        return False


def why(error: OSError | LastgoodError) -> str:
    """Why a host did not do it, harmless to show."""
    return sanitise(error.what if isinstance(error, LastgoodError) else error.strerror or str(error))


def _tried(leave: Callable[[str], None], host: str) -> str:
    try:
        leave(host)
    except (OSError, LastgoodError) as error:
        return f"{shown(host)}: {why(error)}"
    return ""
