"""Names and texts as SQL has them. Pure."""

import re
from typing import Final

LONGEST_NAME: Final = 63
"""Bytes of a name; PostgreSQL cuts off what is longer, without an error."""

# SplitGUCList in varlena.c: elements are quoted names, or anything without commas.
_ELEMENT: Final = re.compile(r'\s*(?:"((?:[^"]|"")*)"|([^",]+))\s*(?:,|$)')


def ident(name: str) -> str:
    """A quoted name. Raises ValueError where PostgreSQL could not have it."""
    if not name or "\0" in name:
        raise ValueError(f"{name!r} cannot be a name")
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A quoted text, whatever standard_conforming_strings says. Raises ValueError for a NUL."""
    if "\0" in text:
        raise ValueError("a text cannot hold a NUL")
    quoted = text.replace("'", "''")
    return "E'" + quoted.replace("\\", "\\\\") + "'" if "\\" in text else f"'{quoted}'"


def array(texts: tuple[str, ...]) -> str:
    """An array of texts."""
    return f"ARRAY[{', '.join(map(literal, texts))}]::text[]"


def elements(value: str) -> tuple[str, ...]:
    """The elements of a list-valued setting as the catalogue has it: `"a b", public`."""
    return tuple(
        (quoted.replace('""', '"') if plain is None else plain.strip())
        for quoted, plain in ((found[1], found[2]) for found in _ELEMENT.finditer(value))
    )


def derived(name: str, suffix: str) -> str:
    """`name` with a suffix, its end cut off so that both fit into the longest name, never within a character."""
    room = LONGEST_NAME - len(suffix.encode())
    return name.encode()[:room].decode(errors="ignore") + suffix
