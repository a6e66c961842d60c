"""Judges the record of a run: does it fit its hashes, and does whoever else knows it agree? Pure."""

from collections.abc import Sequence

from lastgood.model import chain
from lastgood.model.chain import Fault, Line
from lastgood.model.verified import EvidenceCheck, Statement, Verdict, Verified, Witness

_CUT = "a record that was rewritten as a whole, or cut off at its end, fits its hashes as well"


def verify(  # noqa: PLR0913 - all that is known of one record
    run: str,
    target: str,
    lines: Sequence[Line],
    statements: Sequence[Statement],
    *,
    faults: Sequence[Fault] = (),
    evidence: EvidenceCheck | None = None,
    limits: Sequence[str] = (),
    chained_since: str = "",
    alone: bool = False,
    handed_over: bool = False,
) -> Verified:
    """Judge the lines of one run, which are in the order in which they are stored.

    `faults` and `limits` were found by other means, `chained_since` is when lines began to be chained where these were
    stored, and `alone` says that nobody else is expected to know the run. Of what was `handed_over` the record may have
    gone on since: that others know more lines is no fault of it, and leaves it unproven.
    """
    own = chain.misfit(lines)
    seals = chain.seals(lines)
    later = _later(len(lines), statements) if handed_over else []
    if handed_over:
        statements = [_until(len(lines), one) for one in statements]
    checked = [_heard(one, seals) for one in statements]
    wrong = [*([own] if own else []), *faults, *(fault for _, found in checked for fault in found)]
    witnesses = tuple(witness for witness, _ in checked)
    before = chain.unchained(lines)
    known = max((one.lines for one in witnesses), default=0)
    bare = _bare_end(lines) if known < len(lines) else []
    proven = not later and (known == len(lines) or (alone and before == 0 and not bare))
    kept = evidence or EvidenceCheck()
    unseen = _unseen(kept.elsewhere)
    limits = (
        *_limits(len(lines), before, known, chained_since, alone=alone),
        *bare,
        *_masked(lines),
        *later,
        *unseen,
        *limits,
    )
    verdict = Verdict.BROKEN if wrong else Verdict.WHOLE if proven and lines else Verdict.UNPROVEN
    head = seals[-1] if seals else ""
    return Verified(run, target, verdict, len(lines), head, before, witnesses, tuple(wrong), limits, kept)


def _later(count: int, statements: Sequence[Statement]) -> list[str]:
    most = max((mark.line for one in statements for mark in one.marks), default=0)
    which = f"line {count + 1} is" if most == count + 1 else f"lines {count + 1} to {most} are"
    return [f"{which} known elsewhere and not in it: it was made before them, or was cut off"] * (most > count)


def _until(count: int, one: Statement) -> Statement:
    return Statement(one.where, tuple(mark for mark in one.marks if mark.line <= count), one.because)


def _bare_end(lines: Sequence[Line]) -> list[str]:
    """A line without a hash after one that has one, which no later line covers."""
    if lines and not lines[-1].hash and any(line.hash for line in lines):
        return [f"line {lines[-1].seq} has no hash: an older lastgood wrote it, or somebody took it away"]
    return []


def _heard(told: Statement, seals: Sequence[str]) -> tuple[Witness, list[Fault]]:
    """How far somebody else agrees, and the first place where not."""
    known, because = 0, told.because
    for mark in told.marks:
        at = mark.line or (seals.index(mark.hash) + 1 if mark.hash in seals else 0)
        if not at:
            return Witness(told.where, 0, because), [Fault(0, f"no line here has the hash that is known {told.where}")]
        if at > len(seals):
            return Witness(told.where, known, because), [
                Fault(at, f"line {at} is known {told.where} and is missing here: the record was cut off")
            ]
        if seals[at - 1] != mark.hash:
            what = f"line {at}, or one before it, is not the one that is known {told.where}"
            return Witness(told.where, known, because), [Fault(at, what)]
        known = max(known, at)
    return Witness(told.where, known, because), []


def _masked(lines: Sequence[Line]) -> list[str]:
    masked = [str(line.seq) for line in lines if line.covers]
    which = f"lines {', '.join(masked)}" if len(masked) > 1 else f"line {''.join(masked)}"
    return [f"secrets were taken out of {which}: the hash covers what was there, not what is to be seen"] * bool(masked)


def _unseen(count: int) -> list[str]:
    pieces = f"{count} pieces of evidence are" if count > 1 else "one piece of evidence is"
    return [f"{pieces} not here: nobody looked whether it is as it was"] * bool(count)


def _limits(count: int, before: int, known: int, since: str, *, alone: bool) -> tuple[str, ...]:
    """What the chain does not prove, in plain words."""
    found: list[str] = []
    if before > known:
        where = f" (chained since {since})" if since else ""
        which = "the lines were" if before == count else f"lines 1 to {before} were"
        later = "" if before == count else "; that they did not change since then is proven by the line after them"
        found.append(f"{which} written before this journal was chained{where}{later}")
    if known == 0:
        found.append(f"nobody else {'was asked' if alone else 'knows the record'}: {_CUT}")
    elif known < count:
        rest = f"line {count} is" if known + 1 == count else f"lines {known + 1} to {count} are"
        found.append(f"{rest} known here only")
    return tuple(found)
