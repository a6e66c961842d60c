"""What watching the logs found, for programs, by the record of the run alone. Pure."""

import msgspec

from lastgood.model.details import BEFORE, HOSTS_ALONE, NEW, NOBODY
from lastgood.model.event import Run
from lastgood.model.step import WatchStep


class LogWatch(msgspec.Struct, frozen=True):
    """How many kinds of error messages are `new` in a service's logs; None where those were not read to the end.

    `before` are those who know what the release showed earlier: nobody, and what is new could not be told from what
    is not. `hosts_alone` is how many kinds are known by the word of hosts and by nothing else.
    """

    service: str
    new: int | None
    before: tuple[str, ...]
    hosts_alone: int


def watches(run: Run) -> tuple[LogWatch, ...]:
    """One for each service whose logs were watched."""
    steps = {step.id: step for step in run.plan.steps() if isinstance(step, WatchStep) and step.id in run.done}
    return tuple(_one(step.service, run.done[name].details) for name, step in steps.items())


def _one(service: str, details: dict[str, str]) -> LogWatch:
    whence = details.get(BEFORE, NOBODY)
    before = () if whence == NOBODY else tuple(whence.split(", "))
    return LogWatch(service, int(details[NEW]) if NEW in details else None, before, int(details.get(HOSTS_ALONE, "0")))
