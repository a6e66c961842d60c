"""What would bring the bad release back by itself: looked for before the plan, paused in it, and said."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

from lastgood.model.facts import Known, Unknown
from lastgood.model.forge import Bump, Flight
from lastgood.model.rival import Harm, Seen
from lastgood.model.step import PauseStep, UnpauseStep
from lastgood.model.target import shown
from lastgood.observe import rivals
from lastgood.observe.together import Asked, together
from lastgood.plan.draft import Draft
from lastgood.ports import Tools

_PATIENCE = 4.0  # seconds for the host of git: a plan at 3 a.m. does not wait for more


class Undoing(NamedTuple):
    """The steps that pause it, those that let it go on, and what can only be said."""

    pauses: tuple[PauseStep, ...] = ()
    unpauses: tuple[UnpauseStep, ...] = ()
    warnings: tuple[str, ...] = ()


def undoing(drafts: Sequence[Draft], tools: dict[str, Tools]) -> Undoing:
    """Look on every host and at the host of git, side by side."""
    there = Asked(partial(_proposed, drafts, tools))
    looks = [partial(rivals.seen, d.target, tools[d.target.service], d.observed.hosts) for d in drafts]
    pauses: dict[str, PauseStep] = {}
    warnings: list[str] = []
    for found in together(looks):
        for host, seen in found.items():
            known = seen.value if isinstance(seen, Known) else ()
            warnings += [f"{shown(host)}: {one.name}: {one.said}" for one in known if _only_said(one)]
            pauses |= {step.id: step for step in _pauses(host, known)}
    steps, said = there.within(_PATIENCE) or ((), ("the host of git did not answer in time: open bumps are unknown",))
    pauses |= {step.id: step for step in steps}
    return Undoing(tuple(pauses.values()), _unpauses(pauses.values()), tuple(dict.fromkeys((*warnings, *said))))


def _only_said(one: Seen) -> bool:
    return one.harm is Harm.UNDOES and not one.pause


def _pauses(host: str, seen: Iterable[Seen]) -> Iterator[PauseStep]:
    for one in seen:
        if one.harm is Harm.UNDOES and one.pause:
            yield PauseStep(f"pause.{shown(host)}.{one.name}", host, one.name, one.pause, one.unpause, one.said)


def _unpauses(pauses: Iterable[PauseStep]) -> tuple[UnpauseStep, ...]:
    because = "it was paused for this run only"
    return tuple(
        UnpauseStep(f"un{step.id}", step.id, step.host, step.name, step.undo, because, step.bump) for step in pauses
    )


def _proposed(drafts: Sequence[Draft], tools: dict[str, Tools]) -> tuple[tuple[PauseStep, ...], tuple[str, ...]]:
    """Open proposals that would change the pin, and CI under way on the branch."""
    first = drafts[0].target
    make = tools[first.service].forge
    if make is None:
        return (), ()
    forge = make()
    bumps = [forge.bumps(draft.target.pin_file, first.branch) for draft in drafts]
    flights = forge.flights(first.branch)
    found = [bump for fact in bumps if isinstance(fact, Known) for bump in fact.value]
    blind = [fact.reason for fact in (*bumps, flights) if isinstance(fact, Unknown)] if first.forge else []
    runs = flights.value if isinstance(flights, Known) else ()
    pauses = tuple(_pause(bump) for bump in found if bump.auto_merge)
    said = (*(_bump(bump) for bump in found), *(_flight(run) for run in runs), *dict.fromkeys(blind))
    return pauses, said


def _pause(bump: Bump) -> PauseStep:
    because = "it merges by itself and would pin another release"
    return PauseStep(f"pause.bump.{bump.number}", "", f"auto-merge of #{bump.number}", (), (), because, bump)


def _bump(bump: Bump) -> str:
    how = "it merges by itself, which is paused meanwhile" if bump.auto_merge else "merging it brings another release"
    return f"open pull request {bump.url} changes the pin ({bump.title}): {how}"


def _flight(run: Flight) -> str:
    return f"CI is under way on the branch and may deploy: {run.name}, {run.status}, {run.url}"
