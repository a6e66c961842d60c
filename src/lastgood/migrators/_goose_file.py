"""goose's SQL files: two sections with directives in comments, read line by line as goose does.

The rules are those of its `internal/sqlparser`: outside a block of `StatementBegin` and `StatementEnd` a statement ends
with a line that ends with a semicolon, and what is unfinished at the end of a section is refused.
"""

import re
from typing import Final, NamedTuple

UP: Final = "up"
DOWN: Final = "down"
_DIRECTIVES: Final = ("up", "down", "statementbegin", "statementend", "no transaction", "envsub on", "envsub off")


class Sections(NamedTuple):
    """The SQL of a file; `down` is None where the file has no such section. Statements stay in the file's lines.

    `refused` is why goose does not run a section, by its name.
    """

    up: str
    down: str | None
    transaction: bool
    refused: dict[str, str]


def sections(text: str) -> Sections:
    """A file's sections. Raises ValueError, in goose's words, where goose refuses the whole file."""
    reader = _Reader()
    for line in text.split("\n"):
        reader.line(line.removesuffix("\r"))
    return reader.end()


class _Reader:
    """The state between two lines."""

    def __init__(self) -> None:
        self._section = ""
        self._block = False
        self._transaction = True
        self._kept: dict[str, list[str]] = {UP: [], DOWN: []}
        self._unfinished: list[str] = []
        self._refused: dict[str, str] = {}

    def line(self, line: str) -> None:
        """Take the next line. Raises ValueError."""
        directive = _directive(line)
        if directive:
            getattr(self, f"_{directive.replace(' ', '_')}")()
        elif self._section:
            self._statement(line)
        elif line.strip() and not line.strip().startswith("--"):
            message = f"it must start with '-- +goose Up', and not with {line!r}"
            raise ValueError(message)
        for section, kept in self._kept.items():
            kept.append(line if section == self._section and not directive else "")

    def end(self) -> Sections:
        """What was read. Raises ValueError."""
        if not self._section:
            raise ValueError("it must start with a '-- +goose Up' annotation")
        if self._block:
            raise ValueError("missing '-- +goose StatementEnd' annotation")
        self._close()
        up, down = ("\n".join(self._kept[section]) for section in (UP, DOWN))
        return Sections(up, down if self._section == DOWN else None, self._transaction, self._refused)

    def _statement(self, line: str) -> None:
        comment = line.strip().startswith("--") or not line
        if self._unfinished or not comment:
            self._unfinished.append(line)
            if not self._block and _ends(line):
                self._unfinished.clear()

    def _close(self) -> None:
        rest = "\n".join(self._unfinished).strip()
        if rest:
            self._refused[self._section] = f"unexpected unfinished SQL query: {rest!r}: missing semicolon?"
        self._unfinished.clear()

    def _up(self) -> None:
        if self._section:
            raise ValueError("duplicate '-- +goose Up' annotations")
        self._section = UP

    def _down(self) -> None:
        if self._section != UP or self._block:
            raise ValueError("it must start with a '-- +goose Up' annotation, and have one '-- +goose Down' after it")
        self._close()
        self._section = DOWN

    def _statementbegin(self) -> None:
        if not self._section or self._block:
            raise ValueError("'-- +goose StatementBegin' must be defined after '-- +goose Up' or '-- +goose Down'")
        self._block = True

    def _statementend(self) -> None:
        if not self._block:
            raise ValueError("'-- +goose StatementEnd' must be defined after '-- +goose StatementBegin'")
        self._block = False
        self._unfinished.clear()

    def _no_transaction(self) -> None:
        self._transaction = False

    def _envsub_on(self) -> None:
        raise ValueError("with ENVSUB ON its SQL depends on the environment that goose ran in")

    def _envsub_off(self) -> None:
        pass


def _directive(line: str) -> str:
    """The directive that a line is, in lower case; empty where it is none. Raises ValueError for one goose refuses."""
    if not line.strip().startswith("--") or "+goose" not in line:
        return ""
    said = line.replace("--", "").replace("+goose", "", 1).strip().lower()
    if re.match(r"[ \t]", line) or said not in _DIRECTIVES:
        message = f"failed to parse annotation line {line!r}"
        raise ValueError(message)
    return said


def _ends(line: str) -> bool:
    """Whether the last word before a comment ends with a semicolon."""
    words = line.split()
    comment = next((at for at, word in enumerate(words) if word.startswith("--")), len(words))
    return comment > 0 and words[comment - 1].endswith(";")
