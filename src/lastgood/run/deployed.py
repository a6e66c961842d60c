"""Since when a release runs is noted beside its database: by `check`, and where a run ended with one that passed."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Final

from lastgood.model.errors import Exit, LastgoodError
from lastgood.model.event import Run
from lastgood.model.plan import AnyPlan
from lastgood.model.step import Runnable, VerifyStep
from lastgood.model.target import Group, Target
from lastgood.observe.together import Asked

if TYPE_CHECKING:
    from lastgood.database.desk import DatabaseDesk

_PATIENCE: Final = 10.0


def beside(
    group: Group,
    images: Mapping[str, Runnable],
    desk: Callable[[Target], "DatabaseDesk"],
    tell: Callable[[str], None],
    patience: float = _PATIENCE,
) -> Callable[[], None]:
    """Begin to `note`, and go on. Calling what it gives tells what failed; a server that hangs keeps nobody longer."""
    asked = Asked(partial(note, group, images, desk))

    def told() -> None:
        said = asked.within(patience)
        late = f"the moment of this deploy of {group.name} was not noted within {patience:g} s"
        for each in (late,) if said is None else said:
            tell(each)

    return told


def running(plan: AnyPlan) -> dict[str, Runnable]:
    """What runs, by service, where a plan only judges or restarts that."""
    return {part.service: part.image for part in plan.attempts[0].parts}


def landed(run: Run) -> dict[str, Runnable]:
    """What runs since a run, by service; nothing where it brought nothing that passed the gate."""
    over = run.ended is not None and run.ended.exit in {Exit.DONE, Exit.MITIGATED}
    if not over or run.aborting or run.plan.action != "rollback":
        return {}
    proofs = (step for attempt in run.plan.attempts for step in attempt.steps if isinstance(step, VerifyStep))
    return {step.service: step.image for step in proofs if step.probed and step.id in run.done}


def note(group: Group, images: Mapping[str, Runnable], desk: Callable[[Target], "DatabaseDesk"]) -> tuple[str, ...]:
    """Note that these images run from now on, where a database is configured. Never raises: says what failed."""
    said: list[str] = []
    for target in group.members:
        if target.database is None or target.service not in images:
            continue
        from lastgood.database import deployed

        try:
            why = deployed.note(desk(target), images[target.service])
        except (OSError, LastgoodError) as error:
            why = str(error)
        if why:
            said.append(f"the moment of this deploy of {target.name} was not noted: {why}")
    return tuple(said)
