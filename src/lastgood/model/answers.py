"""What an answer holds, for whoever judges one: fields of JSON by a path, and foreign text on a short line. Pure."""

from typing import Final

import msgspec

from lastgood.model.text import sanitise

_SHOWN: Final = 120


def field(document: object, path: str) -> str | None:
    """The value at a dotted path as text (JSON's own writing for what is no string); None where nothing is there."""
    for part in path.split("."):
        if isinstance(document, dict) and part in document:
            document = document[part]
        elif isinstance(document, list) and part.isdecimal() and int(part) < len(document):
            document = document[int(part)]
        else:
            return None
    return document if isinstance(document, str) else msgspec.json.encode(document).decode()


def difference(document: object, path: str, expected: str | None) -> str:
    """What is wrong at `path`, in words; empty where it holds what is expected. None expects what the pin lacks."""
    if expected is None:
        return f"the pin has nothing to compare {path} with"
    found = field(document, path)
    if found is None:
        return f"{path} is missing"
    return "" if found == expected else f"{path} is {line(found)}, not {line(expected)}"


def line(text: str) -> str:
    """A foreign text on one short line, without anything that a terminal would obey."""
    short = sanitise(" ".join(text[: 4 * _SHOWN].split()))
    return short if len(short) <= _SHOWN else short[: _SHOWN - 1] + "…"
