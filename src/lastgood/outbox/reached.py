"""What of a run's checklist is done by having been told: the page, the task, the issue, and that the team knows."""

from collections.abc import Mapping, Sequence

from lastgood.model.checklist import Check, State
from lastgood.model.message import Fate, Post
from lastgood.outbox.store import Outbox

_OVER = (Fate.DELIVERED, Fate.SUPERSEDED)


def reached(outbox: Outbox, run: str, ticks: Mapping[str, Check]) -> dict[Check, tuple[State, str]]:
    """How the points stand that destinations answer; `ticks` names the check of each. Raises NeedsHuman.

    Done is what arrived, and waits with nothing newer; what waits is open, with why.
    """
    posts = outbox.about(run)
    stands = [(check, _stands(name, posts)) for name, check in ticks.items()]
    return {check: _all([one for each, one in stands if each == check and one]) for check, one in stands if one}


def _all(several: list[tuple[State, str]]) -> tuple[State, str]:
    """Several that answer one point: it is done once all of them have it."""
    state = State.DONE if all(state is State.DONE for state, _ in several) else State.OPEN
    return state, "; ".join(because for _, because in several)


def _stands(name: str, posts: Sequence[Post]) -> tuple[State, str] | None:
    """None where nothing of the run was for it."""
    mine = [post for post in posts if post.destination == name]
    waiting = [post for post in mine if post.fate not in _OVER]
    arrived = [post for post in mine if post.fate is Fate.DELIVERED]
    if waiting:
        return State.OPEN, f"{name}: {waiting[0].because or 'it waits in the outbox'}"
    if arrived:
        return State.DONE, f"{name}: {arrived[-1].where}".rstrip(": ")
    return (State.OPEN, f"{name}: it was not told") if mine else None
