"""A plan without the attempts that lose data, for those who cannot accept a loss: no flag and no program can."""

import msgspec

from lastgood.model.descent import Descent
from lastgood.model.plan import AnyPlan, LossyPlan, ReversiblePlan
from lastgood.model.step import DownStep, LossyDownStep, ReloadStep, StartStep, Step


def shortened(plan: AnyPlan) -> ReversiblePlan | None:
    """The attempts before the first that loses data; None where already the first does, or none does."""
    if not isinstance(plan, LossyPlan):
        return None
    lossy = next(a for a in plan.attempts if any(isinstance(step, LossyDownStep) for step in a.steps))
    kept = tuple(attempt for attempt in plan.attempts if attempt.number < lossy.number)
    if not kept:
        return None
    there = {step.id for attempt in kept for step in attempt.steps}
    ways = {(s.service, s.descent) for a in kept for s in a.steps if isinstance(s, DownStep)}

    def wanted(step: Step) -> bool:
        needs = step.backup if isinstance(step, ReloadStep) else step.stop if isinstance(step, StartStep) else ""
        return not needs or needs in there

    restore = plan.restore and msgspec.structs.replace(
        plan.restore, steps=tuple(_only(step, ways) for step in plan.restore.steps if wanted(step))
    )
    because = f"{lossy.name} is not tried: {', '.join(loss.called for loss in plan.losses)} would be lost"
    changed = msgspec.structs.replace(
        plan, attempts=kept, restore=restore, budget_releases=len(kept), warnings=(*plan.warnings, because)
    )
    return ReversiblePlan(**{name: getattr(changed, name) for name in changed.__struct_fields__})


def _only(step: Step, ways: set[tuple[str, Descent]]) -> Step:
    """Without the ways down that are not in the plan any more."""
    if not isinstance(step, ReloadStep):
        return step
    kept = tuple(way for way in step.descents if (step.service, way) in ways)
    return msgspec.structs.replace(step, descents=kept)
