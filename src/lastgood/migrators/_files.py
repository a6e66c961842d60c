"""Migration files: their text, their hash, and what they say of themselves."""

import hashlib
import re
from typing import NamedTuple

from lastgood.model.schema import Script

_IRREVERSIBLE = re.compile(r"(?:--|#)[ \t]*irreversible:[ \t]*(\S[^\r\n]*)")


class File(NamedTuple):
    """One file of a folder of migrations: its path below it, and its bytes."""

    path: str
    content: bytes

    @property
    def sha256(self) -> str:
        """The SHA-256 of its bytes, in hexadecimal."""
        return hashlib.sha256(self.content).hexdigest()

    def text(self) -> str:
        """Its text. Raises ValueError, with the place, where it is not UTF-8."""
        try:
            return self.content.decode()
        except UnicodeDecodeError as error:
            line = self.content.count(b"\n", 0, error.start) + 1
            message = f"line {line} is not UTF-8"
            raise ValueError(message) from error

    def script(self, sql: str, *, transaction: bool = True) -> Script:
        """One direction of it."""
        return Script(self.path, sql, self.sha256, transaction)


def top(files: dict[str, bytes]) -> list[File]:
    """The files that are in no folder below, by name as byte strings sort: the order in which the tools list them."""
    return [File(path, content) for path, content in sorted(files.items()) if "/" not in path]


def irreversible(*texts: str) -> str:
    """The first reason that a comment `irreversible: REASON` gives; empty where none does."""
    found = (_IRREVERSIBLE.search(text) for text in texts)
    return next((one[1].rstrip() for one in found if one), "")


def span(text: str, start: int, end: int) -> str:
    """That part of the text, after as many empty lines as there were lines: statements stay in the file's lines."""
    return "\n" * text.count("\n", 0, start) + text[start:end]
