"""Whether what watches a target from outside would answer about it; a rollback goes on without it."""

from lastgood.diagnose.case import Case, ok, warn
from lastgood.model.facts import Known, Unknown
from lastgood.model.report import Check
from lastgood.observe.telemetry import checks as asked

_PATIENCE = 10.0
_GRACE = 0.5
_THEN = "a rollback goes on without it; lastgood.yaml: telemetry"


def checks(case: Case) -> tuple[Check, ...]:
    """One check for each source that watches the target."""
    sources = case.tools.telemetry(_PATIENCE) if case.tools.telemetry else {}
    return tuple(_of(f"{case.name}: {name}", fact) for name, fact in asked(sources, _PATIENCE + _GRACE).items())


def _of(name: str, fact: Known[str] | Unknown) -> Check:
    return ok(name, fact.value) if isinstance(fact, Known) else warn(name, fact.reason, _THEN)
