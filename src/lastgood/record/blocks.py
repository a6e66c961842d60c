"""A file that a program and people write together. Pure.

What the program writes stands between two comments, the first of which has the hash of what it wrote. It is replaced
when the file is made anew, unless somebody changed it: then theirs stays, and ours stands below it. Everything outside
of the comments is people's and is never touched, line ends of another system included. What an editor does on its own,
taking blanks off the ends of lines, is no change. A block that somebody removed or emptied stays away.
"""

import hashlib
import re
from typing import Final, NamedTuple

_HEAD: Final = re.compile(r"<!-- lastgood:postmortem run=(\S+) blocks=(\S*)((?: \w+=\S+)*) -->")
_MARKS: Final = re.compile(r"<!-- lastgood:(begin|end) ([a-z-]+)(?: ([0-9a-f]{16}))? -->")
_BLOCK: Final = re.compile(
    r"<!-- lastgood:begin (?P<key>[a-z-]+) (?P<hash>[0-9a-f]{16}) -->[ \t]*\r?\n"
    r"(?:(?P<text>.*?)\r?\n)??<!-- lastgood:end (?P=key) -->",
    re.DOTALL,
)


class Head(NamedTuple):
    """What the first comment of such a file says: the run, the blocks it was made with, and what a person stated."""

    run: str
    blocks: tuple[str, ...]
    stated: dict[str, str]


def head(run: str, keys: tuple[str, ...], stated: dict[str, str]) -> str:
    """The first comment of the file."""
    more = "".join(f" {name}={value}" for name, value in sorted(stated.items()) if value)
    return f"<!-- lastgood:postmortem run={run} blocks={','.join(keys)}{more} -->"


def read_head(text: str) -> Head | None:
    """What the file's first comment says; None where it has none."""
    found = _HEAD.search(text)
    if found is None:
        return None
    stated = dict(pair.split("=", 1) for pair in found[3].split())
    return Head(found[1], tuple(filter(None, found[2].split(","))), stated)


def wrapped(key: str, text: str) -> str:
    """A block between its comments."""
    return f"<!-- lastgood:begin {key} {_mark(text)} -->\n{text}\n<!-- lastgood:end {key} -->"


def merged(theirs: str, run: str, fresh: dict[str, str], stated: dict[str, str], suggestion: str) -> str:
    """The file with its blocks made anew. `suggestion` is said above ours where somebody changed one.

    Raises ValueError, with the reason, where it is not the file of this run, or its comments are not in order.
    """
    known = read_head(theirs)
    if known is None or known.run != run:
        message = "it is not the post-mortem of this run" if known else "it is no post-mortem that lastgood made"
        raise ValueError(message)
    _in_order(theirs)
    seen: set[str] = set()

    def anew(found: re.Match[str]) -> str:
        key, text = found["key"], _lines(found["text"] or "")
        seen.add(key)
        as_written = _mark(text) == found["hash"]
        if key not in fresh or _bare(fresh[key]) == _bare(text) or not (text.strip() or as_written):
            return found[0]
        if as_written:  # below somebody's own words or not
            return _ending(wrapped(key, (suggestion if text.startswith(suggestion) else "") + fresh[key]), found[0])
        return _ending(f"{text}\n\n{wrapped(key, f'{suggestion}{fresh[key]}')}", found[0])

    text = _BLOCK.sub(anew, theirs)
    new = [key for key in fresh if key not in seen and key not in known.blocks]
    text += _ending("".join(f"\n{wrapped(key, fresh[key])}\n" for key in new), theirs)
    keys = (*known.blocks, *new)
    return _HEAD.sub(lambda _: head(run, keys, stated), text, count=1)


def _in_order(text: str) -> None:
    """Raises ValueError where a comment lacks its partner, or stands there twice: what is whose is not clear then."""
    seen: list[str] = []
    inside = ""
    for found in _MARKS.finditer(text):
        kind, key = found[1], found[2]
        if (kind == "begin") == bool(inside) or (kind == "end" and key != inside) or (kind == "begin" and key in seen):
            message = f"its comments for {key} are not in order, so it is not clear what people wrote"
            raise ValueError(message)
        inside = key if kind == "begin" else ""
        seen += [key] if kind == "begin" else []
    if inside or len(_BLOCK.findall(text)) != len(seen):
        message = (
            f"its comments{f' for {inside}' if inside else ''} are not in order, so it is not clear what people wrote"
        )
        raise ValueError(message)


def _mark(text: str) -> str:
    return hashlib.sha256(_bare(text).encode(errors="surrogatepass")).hexdigest()[:16]


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n")


def _ending(ours: str, theirs: str) -> str:
    """Our lines, ended as those of `theirs` are."""
    return ours.replace("\n", "\r\n") if "\r\n" in theirs else ours


def _bare(text: str) -> str:
    """Without blanks at the ends of lines."""
    return "\n".join(line.rstrip(" \t") for line in text.split("\n"))
