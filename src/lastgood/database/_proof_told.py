"""What a proof shows, as findings. Pure."""

from collections.abc import Iterator
from typing import Final

from lastgood.database._linted import Read
from lastgood.database._proof_rows import MOST, Lost
from lastgood.model.database import Difference, Failed
from lastgood.model.lint import Finding, Mark, Outcome, Proved

_IRREVERSIBLE: Final = "or say in the file why there is no way back: -- irreversible: REASON"
_UNDO: Final = {
    " is there and was not": "undo it in the down",
    " is missing": "make it again in the down",
}


def unprovable() -> Finding:
    """Nothing was run."""
    said = "the migrations are no SQL: they cannot be proved here"
    return Finding("", 0, "not-provable", Mark.ERROR, said, "leave out --prove, and test them with their own tool")


def line(proved: Proved, found: list[Finding]) -> str:
    """One migration as a line of progress."""
    errors = sum(finding.mark is Mark.ERROR for finding in found)
    name = " ".join(filter(None, (proved.version, proved.name)))
    said = {
        Outcome.PROVED: "up, down and up again",
        Outcome.FAILED: f"{errors} error{'s' if errors > 1 else ''}",
        Outcome.IRREVERSIBLE: f"up; irreversible: {proved.said}",
        Outcome.NO_DOWN: "up; there is no down",
        Outcome.NOT_REACHED: "not reached",
    }
    return f"{'  ! ' if proved.outcome is Outcome.FAILED else '    '}{name}: {said[proved.outcome]}"


def unseeded(side: Read, table: str, why: str) -> Finding:
    """A table that no generated row could be put into."""
    said = f"{table} takes no generated rows, so nothing is proved of its rows: {why}"
    return side.finding(_first(side), "not-seeded", Mark.WARNING, said)


def failed(side: Read, why: Failed, what: str) -> Finding:
    """A direction that does not run; `what` is `up`, `down`."""
    rule = {"up": "up-fails", "down": "down-fails"}.get(what, "up-fails-again")
    return side.finding(_line(side, why), rule, Mark.ERROR, f"the {what} fails: {_words(why)}", why.hint)


def no_up(version: str, down: Read | None) -> Finding:
    """A migration that cannot be run, so that nothing after it can be proved."""
    path = down.script.path if down else ""
    return Finding(path, 1, "up-fails", Mark.ERROR, f"migration {version} has no up that could be run")


def only_empty(side: Read, why: Failed, what: str) -> Finding:
    """A direction that runs on empty tables only."""
    rows = "generated rows" if what == "up" else "rows that the up's schema takes"
    said = f"the {what} fails where the tables have {rows}: {_words(why)}"
    return side.finding(_line(side, why), f"{what}-fails-on-rows", Mark.WARNING, said, why.hint)


def differs(side: Read, found: Difference, what: str) -> Iterator[Finding]:
    """What is different from what it has to be after `what`."""
    rule = "schema-differs" if what == "the down" else "schema-differs-again"
    for said in found.real:
        then = next((then for words, then in _UNDO.items() if said.endswith(words)), "undo it in the down")
        # Extensions are often left on purpose: others may use them.
        mark = Mark.WARNING if said.startswith("extension ") and said.endswith("was not") else Mark.ERROR
        yield side.finding(_first(side), rule, mark, f"after {what} {said}", f"{then}, {_IRREVERSIBLE}")
    for said in found.order:
        yield side.finding(_first(side), "column-order", Mark.INFO, f"after {what} {said}")


def lost(side: Read, one: Lost, line: int) -> Finding:
    """Rows from before the up; `line` is the one of the up that announces it, 0 where none does."""
    if line:
        said = f"after the down {one.words}, as line {line} of the up says"
        return side.finding(_first(side), "rows-announced", Mark.INFO, said)
    said = f"after the down {one.words}, and they were there before the up"
    return side.finding(_first(side), "rows-lost", Mark.ERROR, said, f"keep them, {_IRREVERSIBLE}")


def lost_since(side: Read, one: Lost, line: int) -> Finding:
    """Rows that were written after the up, though the schema before it could hold them; `line` as for `lost`."""
    why = f"as line {line} says" if line else "and no statement says so"
    said = f"after the down and the up {one.words}, of those written since the first up, {why}"
    return side.finding(line or _first(side), "rows-since", Mark.WARNING, said)


def doubled(side: Read, table: str, number: int) -> Finding:
    """Rows that the up puts in, and the down leaves."""
    said = f"run again after the down, the up leaves {number} rows more in {table}: the down does not take them away"
    return side.finding(_first(side), "rows-left", Mark.WARNING, said, f"DELETE them in the down, {_IRREVERSIBLE}")


def counted(side: Read, table: str) -> Finding:
    """A table that is too large to be compared row by row."""
    said = f"{table} has more than {MOST} rows: only their number is compared"
    return side.finding(_first(side), "only-counted", Mark.INFO, said)


def _first(side: Read) -> int:
    """The line of the first statement."""
    return side.statements[0].line if side.statements else 1


def _line(side: Read, why: Failed) -> int:
    return why.line or _first(side)


def _words(why: Failed) -> str:
    return f"{why.reason} ({why.detail})" if why.detail else why.reason
