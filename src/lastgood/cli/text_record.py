"""What was made of a run's record, as text: whether it is whole, its bundle, its post-mortem."""

import shlex
from typing import TYPE_CHECKING

from lastgood.cli.words import field
from lastgood.model.verified import Bundled, EvidenceCheck, Verdict, Verified, Witness

if TYPE_CHECKING:
    from lastgood.retelling import Retold

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
        *field("evidence", _evidence(found.evidence)),
        *field("known", *(_known(one, found.lines) for one in found.witnesses)),
        *field("unproven", *found.limits),
    )


def _evidence(found: EvidenceCheck) -> str:
    if not found.named:
        return ""
    elsewhere = f", {found.elsewhere} not here" if found.elsewhere else ""
    return f"{found.here} of {found.named} pieces are here as they were{elsewhere}"


def bundled_text(found: Bundled) -> tuple[str, ...]:
    """Where the bundle is, what is in it, what is not, and what was taken out."""
    return (
        f"{found.file} has what was kept of run {found.run}.",
        *field("damaged", *found.damaged),
        *field("files", f"{found.files}, {found.size} bytes"),
        *field("sha256", found.sha256),
        *field("redacted", *(found.redacted or ("nothing looked like a secret",))),
        *field("missing", *(one for one in found.missing if one not in found.damaged)),
        *field("next", f"lastgood verify {shlex.quote(found.file)}"),
    )


def retold_text(found: "Retold") -> tuple[str, ...]:
    """Where the post-mortem is, and what is left for people."""
    return (
        f"{found.file} tells of run {found.run}: {found.status}.",
        *field("open", *found.questions),
    )


def _known(witness: Witness, lines: int) -> str:
    why = f": {witness.because}" if witness.because else ""
    if not witness.lines:
        return f"not {witness.where}{why}"
    return f"{witness.where}, " + ("whole" if witness.lines == lines else f"up to line {witness.lines}") + why
