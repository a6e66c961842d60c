"""Whether those who are to be told of runs would hear of them; found out without telling anybody anything."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Final

from lastgood.diagnose.case import guarded, ok, unknown, warn
from lastgood.model.errors import LastgoodError
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.report import Check, Mark
from lastgood.observe.together import together

_HOUR: Final = 3600.0
_CALLING: Final = 900.0

Look = tuple[str, Callable[[], Fact[str]]]


def checks(
    looks: Sequence[Look],
    waiting: Callable[[], int],
    ticked: Callable[[], float | None],
    called: Mapping[str, str] = MappingProxyType({}),
) -> tuple[Check, ...]:
    """One check for each destination, one for what waits, one for the timer, one for the people who are called.

    `waiting` counts messages that have not arrived; `ticked` are the seconds since a timer last ran, None for never.
    Both may raise LastgoodError. `called` is by whose look each contact is reached.
    """
    if not looks:
        return ()
    found = together([partial(guarded, name, partial(_one, name, look)) for name, look in looks])
    told = [check for checks_ in found for check in checks_]
    timer = guarded("outbox timer", partial(_timer, ticked, calling=bool(called)))
    return (*told, *guarded("outbox", partial(_outbox, waiting)), *timer, *_contacts(told, called))


def _contacts(told: Sequence[Check], called: Mapping[str, str]) -> tuple[Check, ...]:
    """Whether anybody could be called."""
    if not called:
        return ()
    reached = {check.name for check in told if check.mark is Mark.OK}
    missed = [who for who, by in called.items() if by not in reached]
    if not missed:
        return (ok("contacts", f"{', '.join(called)} could be called"),)
    nobody = len(missed) == len(called)
    said = "nobody could be called where a run needs a person" if nobody else f"{', '.join(missed)} could not be called"
    return (warn("contacts", said, "see what is said of the channels above"),)


def _one(name: str, look: Callable[[], Fact[str]]) -> tuple[Check, ...]:
    try:
        fact = look()
    except LastgoodError as error:  # a rollback goes on without it, so it is no failure
        fact = Unknown(error.what)
    if isinstance(fact, Known):
        return (ok(name, fact.value),)
    then = "a rollback goes on without it, and what was to be told waits"
    return (warn(name, f"would not hear of a run: {fact.reason}", then),)


def _outbox(waiting: Callable[[], int]) -> tuple[Check, ...]:
    count = waiting()
    if not count:
        return (ok("outbox", "nothing waits"),)
    return (warn("outbox", f"messages that have not arrived: {count}", "lastgood outbox"),)


def _timer(ticked: Callable[[], float | None], *, calling: bool) -> tuple[Check, ...]:
    """By what was seen to happen, not by what is configured somewhere: no timer's kind has to be known."""
    ago, limit = ticked(), _CALLING if calling else _HOUR
    within = "quarter of an hour" if calling else "hour"
    if ago is not None and 0 <= ago <= limit:
        return (ok("outbox timer", f"a timer worked the outbox within the last {within}"),)
    then = "have cron or a systemd timer run every minute: lastgood outbox run --repo PATH"
    if ago is not None and ago < 0:
        return (unknown("outbox timer", "it worked the outbox at a time that has not come yet", then),)
    waits = (
        "contacts after the first are called, and what failed is tried again,"
        if calling
        else "what failed is tried again"
    )
    said = f"no timer worked the outbox within the last {within}: {waits} only when somebody gives a command"
    return (warn("outbox timer", said, then),)
