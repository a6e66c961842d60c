"""Names of things in a database, as SQL writes them."""

import re
from typing import Final

_PLAIN: Final = re.compile(r"[a-z_][a-z0-9_$]*")
_PART: Final = re.compile(r'"((?:[^"]|"")+)"|([^".]+)')


def quoted(*names: str) -> str:
    """The name with every part in quotes, safe to put into any SQL: `"shop"."Orders"`."""
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)


def spelled(*names: str) -> str:
    """The name for people, in quotes where it would be another without: `shop."Orders"`. Empty parts are left out."""
    return ".".join(name if _PLAIN.fullmatch(name) else quoted(name) for name in names if name)


def parts(name: str) -> tuple[str, ...]:
    """The parts of a name that `spelled` made: `shop."Orders"` → `shop`, `Orders`. Raises ValueError for others."""
    found: list[str] = []
    at = 0
    while match := _PART.match(name, at):
        found.append(match[1].replace('""', '"') if match[1] else match[2])
        at = match.end()
        if at == len(name):
            return tuple(found)
        if name[at] != ".":
            break
        at += 1
    message = f"{name!r} is no name of SQL"
    raise ValueError(message)
