"""The steps of a plan as the commands and the SQL that they are: for people who read it before they consent."""

from lastgood.model.command import Command
from lastgood.model.descent import Descent, Undo
from lastgood.model.plan import AnyPlan
from lastgood.model.step import (
    DownStep,
    LossyDownStep,
    PauseStep,
    PullStep,
    PurgeStep,
    RenderStep,
    RestartStep,
    SwitchStep,
    UnpauseStep,
)
from lastgood.model.target import Group
from lastgood.ports import Tools


def commands(plan: AnyPlan, group: Group, tools: dict[str, Tools]) -> dict[str, tuple[str, ...]]:
    """The exact commands of each step that has any, by step id, as a person would type them."""
    found: dict[str, tuple[str, ...]] = {}
    for step in plan.steps():
        if isinstance(step, PullStep | SwitchStep | RestartStep):
            target, engine = group.member(step.service), tools[step.service].engine
            found[step.id] = tuple(command.shown() for command in engine.commands(target, step))
        elif isinstance(step, RenderStep):
            target, engine = group.member(step.service), tools[step.service].engine
            found[step.id] = tuple(command.shown() for command in engine.render(target, step, step.compose))
        elif isinstance(step, DownStep | LossyDownStep):
            found[step.id] = down_lines(step.descent)
        elif isinstance(step, PurgeStep) and (cache := tools[step.service].cache):
            found[step.id] = (cache().shown(),)
        elif isinstance(step, PauseStep | UnpauseStep) and step.command:
            found[step.id] = (Command(step.command, host=step.host).shown(),)
    return found


def down_lines(way: Descent) -> tuple[str, ...]:
    """What is run on the way down; where that is the migration tool's own program, what can be shown of it as well."""
    lines = tuple(line for one in way.undone for line in sql(one))
    if way.own is None:
        return lines
    said = f"its SQL cannot be shown: {way.own.unseen}" if way.own.unseen else "it says that it would run:"
    return (Command(way.own.argv).shown(), f"-- in a container of {way.own.image}; {said}", *lines)


def sql(one: Undo) -> tuple[str, ...]:
    """A migration's way down as it is run, with the file that it is from."""
    alone = f"  -- not in a transaction: {one.alone}" if one.alone else ""
    return (f"-- {one.path} (sha256 {one.sha256[:12]}){alone}", *filter(str.strip, one.sql.splitlines()))
