"""Where a run's time went, from its journal. Lengths in seconds."""

from collections.abc import Sequence
from pathlib import Path

from lastgood.journal.store import Journal
from lastgood.model.event import Entry, RunEnded, RunStarted, StepDone, StepFailed, StepStarted

NANO = 1e9
LEASE = "lease, facts checked again"
REST = "between steps"


def entries(state: Path) -> tuple[Entry, ...]:
    """The newest run's lines in the journal below XDG_STATE_HOME."""
    with Journal(str(state / "lastgood/journal.db")) as journal:
        return journal.entries(journal.latest() or "")


def phases(lines: Sequence[Entry], consent: int) -> dict[str, float]:
    """Length of everything from consent on, in order; steps of one kind are added up, and may overlap."""
    spans = _spans(lines, consent)
    found: dict[str, float] = {}
    for kind, begun, ended in spans:
        found[kind] = found.get(kind, 0.0) + (ended - begun) / NANO
    last = max((line.at for line in lines if isinstance(line.event, RunEnded)), default=consent)
    found[REST] = (last - consent) / NANO - _covered(spans)
    return found


def _spans(lines: Sequence[Entry], consent: int) -> list[tuple[str, int, int]]:
    """Kind, begin and end of each step, the time before the run's first line among them."""
    found: list[tuple[str, int, int]] = []
    begun: dict[str, int] = {}
    kinds: dict[str, str] = {}
    for line in lines:
        match line.event:
            case RunStarted(plan=plan):
                kinds = {step.id: type(step).__name__.removesuffix("Step").lower() for step in plan.steps()}
                found.append((LEASE, consent, line.at))
            case StepStarted(step=step):
                begun[step] = line.at
            case StepDone(step=step) | StepFailed(step=step):
                found.append((kinds[step], begun[step], line.at))
            case _:
                pass
    return found


def _covered(spans: Sequence[tuple[str, int, int]]) -> float:
    """Seconds during which any of the spans was under way."""
    total, reached = 0, 0
    for _, begun, ended in sorted(spans, key=lambda span: span[1]):
        total += max(0, ended - max(begun, reached))
        reached = max(reached, ended)
    return total / NANO
