"""What the quarantine and the guard say, as text. Pure."""

from datetime import UTC, datetime

from lastgood.cli.words import field
from lastgood.model.errors import Exit
from lastgood.model.quarantine import Lifted, Quarantined
from lastgood.model.release import short
from lastgood.model.report import Breach, GuardReport, HookReport, QuarantineChange, QuarantineList


def change_text(made: QuarantineChange) -> tuple[str, ...]:
    """One change: what became of which release."""
    now = "in quarantine" if made.action == "add" else "out of quarantine"
    is_ = "is" if made.exit is Exit.DONE else "is not yet"
    said = f"{made.target}: {made.image.name} {is_} {now}" if made.commit else f"{made.target}: nothing to do"
    return (said, *field("image", str(made.image)), *field("because", made.because), *field("next", *made.next))


def list_text(found: QuarantineList) -> tuple[str, ...]:
    """The entries, what stands first."""
    ordered = sorted(found.entries, key=lambda e: (e.lifted is not None, e.service, e.env, e.at))
    standing = sum(entry.lifted is None for entry in ordered)
    lines = [f"In quarantine: {standing or 'nothing'}"]
    for entry in ordered:
        lines += _entry(entry)
    return (*lines, *(f"  ! {warning}" for warning in found.warnings))


def _entry(entry: Quarantined) -> tuple[str, ...]:
    where = f"{entry.service}/{entry.env}" if entry.env else f"{entry.service}, every environment"
    mark = "-" if entry.lifted else "x"
    run = f", run {entry.run}" if entry.run else ""
    said = (f"  {mark} {entry.image}  {where}", f"      {entry.because} ({_act(entry)}{run})")
    return (*said, f"      lifted: {entry.lifted.because} ({_act(entry.lifted)})") if entry.lifted else said


def _act(what: Quarantined | Lifted) -> str:
    return f"{what.by}, {datetime.fromtimestamp(what.at, UTC):%Y-%m-%d %H:%M} UTC"


def report_text(found: GuardReport) -> tuple[str, ...]:
    """What the guard found; each breach with its file, its reason and what to do."""
    what = f"{len(found.pins)} changed pins" if found.base else f"all {len(found.pins)} pins"
    head = f"lastgood guard: {'refused' if found.breaches else 'fine'}; looked at {what} of {short(found.head)}"
    lines = [head]
    for breach in found.breaches:
        lines += _breach(breach)
    return (*lines, *(f"  ! {warning}" for warning in found.warnings))


def _breach(breach: Breach) -> tuple[str, ...]:
    names = " ".join(word for word in (breach.target, breach.file, str(breach.image or "")) if word)
    return (f"  ! {names}", f"      because {breach.because}", *(f"      next {each}" for each in breach.next))


def hook_text(made: HookReport) -> tuple[str, ...]:
    """What became of the hook."""
    lines = [f"pre-push hook: {made.said}", f"  file       {made.path}"]
    if made.branches:
        lines.append(f"  protects   {', '.join(made.branches)}")
    if made.chained:
        lines.append(f"  runs first {made.path}.before-lastgood")
    return tuple(lines)
