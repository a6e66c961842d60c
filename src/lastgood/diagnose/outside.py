"""Whether those who are to be told of runs would hear of them; found out without telling anybody anything."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from lastgood.diagnose.case import guarded, ok, unknown, warn
from lastgood.model.errors import LastgoodError
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.report import Check
from lastgood.observe.together import together

_HOUR: Final = 3600.0

Look = tuple[str, Callable[[], Fact[str]]]


def checks(looks: Sequence[Look], waiting: Callable[[], int], ticked: Callable[[], float | None]) -> tuple[Check, ...]:
    """One check for each destination, one for what waits, one for the timer.

    `waiting` counts messages that have not arrived; `ticked` are the seconds since a timer last ran, None for never.
    Both may raise LastgoodError.
    """
    if not looks:
        return ()
    found = together([partial(guarded, name, partial(_one, name, look)) for name, look in looks])
    rest = (*guarded("outbox", partial(_outbox, waiting)), *guarded("outbox timer", partial(_timer, ticked)))
    return (*(check for checks_ in found for check in checks_), *rest)


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


def _timer(ticked: Callable[[], float | None]) -> tuple[Check, ...]:
    """By what was seen to happen, not by what is configured somewhere: no timer's kind has to be known."""
    ago = ticked()
    if ago is not None and 0 <= ago <= _HOUR:
        return (ok("outbox timer", "a timer worked the outbox within the last hour"),)
    then = "have cron or a systemd timer run every minute: lastgood outbox run --repo PATH"
    if ago is not None and ago < 0:
        return (unknown("outbox timer", "it worked the outbox at a time that has not come yet", then),)
    said = "no timer worked the outbox within the last hour: what failed waits for the next command of a person"
    return (warn("outbox timer", said, then),)
