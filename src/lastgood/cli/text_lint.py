"""What the lint found, as text that editors and CI can read. Pure."""

from collections import Counter
from collections.abc import Iterator

from lastgood.cli.words import field
from lastgood.model.lint import Finding, Linted, Mark, Outcome, Proof
from lastgood.model.release import short

_PLURAL = {Mark.ERROR: "errors", Mark.WARNING: "warnings", Mark.INFO: "notes"}
_SINGULAR = {Mark.ERROR: "error", Mark.WARNING: "warning", Mark.INFO: "note"}
_LEVELS = {Mark.ERROR: "error", Mark.WARNING: "warning", Mark.INFO: "notice"}


def lint_text(found: Linted) -> tuple[str, ...]:
    """One line for each finding, `path:line: mark rule: said`, with what to do below it; then all of it in one line."""
    return tuple(_all(found))


def _all(found: Linted) -> Iterator[str]:
    for one in found.findings:
        yield f"{one.path}:{one.line}: {one.mark} {one.rule}: {one.said}"
        if one.next:
            yield f"      next {one.next}"
    counts = Counter(one.mark for one in found.findings)
    told = [_number(mark, counts[mark]) for mark in Mark if counts[mark]]
    since = f", changed since {short(found.base)}" if found.base else ""
    how_many = f"{found.migrations} migration{'' if found.migrations == 1 else 's'} of {found.tool}"
    yield f"{', '.join(told) or 'nothing found'}: {how_many} in {found.folder}{since}"
    if found.proof:
        yield from _proof(found.proof)


def _number(mark: Mark, count: int) -> str:
    return f"{count} {(_SINGULAR if count == 1 else _PLURAL)[mark]}"


def _proof(proof: Proof) -> Iterator[str]:
    by = {outcome: [one for one in proof.steps if one.outcome is outcome] for outcome in Outcome}
    proved = len(by[Outcome.PROVED])
    yield from field("proved", f"{proved} of {len(proof.steps)}: up, down and up again on PostgreSQL {proof.server}")
    yield from field("failed", ", ".join(one.version for one in by[Outcome.FAILED]))
    yield from field("no way back", *(f"{one.version}: {one.said}" for one in by[Outcome.IRREVERSIBLE]))
    yield from field("no down", ", ".join(one.version for one in by[Outcome.NO_DOWN]))
    yield from field("not reached", ", ".join(one.version for one in by[Outcome.NOT_REACHED]))


def annotations(found: Linted) -> tuple[str, ...]:
    """What GitHub Actions shows beside the lines of a pull request; what is no more than a note is left out."""
    return tuple(_annotation(one) for one in found.findings if one.mark is not Mark.INFO)


def _annotation(one: Finding) -> str:
    said = ". ".join(filter(None, (one.said, one.next)))
    place = f"file={_property(one.path)},line={one.line},title={_property(one.rule)}"
    return f"::{_LEVELS[one.mark]} {place}::{_data(said)}"


def _data(text: str) -> str:
    """As `escapeData` in actions/toolkit."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
