"""What became of checking a run's record, as text."""

from lastgood.cli.words import field
from lastgood.model.verified import Verdict, Verified, Witness

_SAID = {
    Verdict.WHOLE: "is what was written down",
    Verdict.BROKEN: "is not what was written down",
    Verdict.UNPROVEN: "fits its hashes, and that is not proof enough",
}


def verified_text(found: Verified) -> tuple[str, ...]:
    """The verdict, what is wrong, who else knows the record, and what is not proven."""
    return (
        f"The record of run {found.run} {_SAID[found.verdict]}.",
        *field("wrong", *(fault.what for fault in found.faults)),
        *field("lines", f"{found.lines}, the newest with hash {found.head}"),
        *field("known", *(_known(one, found.lines) for one in found.witnesses)),
        *field("unproven", *found.limits),
    )


def _known(witness: Witness, lines: int) -> str:
    why = f": {witness.because}" if witness.because else ""
    if not witness.lines:
        return f"not {witness.where}{why}"
    return f"{witness.where}, " + ("whole" if witness.lines == lines else f"up to line {witness.lines}") + why
