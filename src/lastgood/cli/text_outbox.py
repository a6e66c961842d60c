"""The outbox as text."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lastgood.cli.words import field, moment, table
from lastgood.model.message import AskLine, Fate, OutboxReport, PostLine

if TYPE_CHECKING:
    from lastgood.cli.session import Session

_WAITS = (Fate.WAITING, Fate.SENDING, Fate.FAILED, Fate.DOUBTFUL)


def outbox_text(report: OutboxReport) -> tuple[str, ...]:
    """One line for each post; below those that have not arrived, why."""
    if not report.destinations and not report.posts:
        return ("Nobody is told: lastgood.yaml has no trackers and no notifiers.",)
    asked = asks_text(report.asks)
    waiting = [post for post in report.posts if post.fate in _WAITS]
    head = f"{len(waiting)} waiting; told: {', '.join(report.destinations) or 'nobody'}"
    rows = [("WHEN", "RUN", "ABOUT", "TO", "STATE", "WHERE"), *(_row(post) for post in report.posts)]
    reasons = (f"  ! {post.destination}, run {post.run}: {_why(post)}" for post in waiting if post.because)
    then = ("  next       lastgood outbox run --all",) if waiting else ()
    return (head, *asked, *(table(rows) if report.posts else ()), *reasons, *then)


def standing(session: "Session", *, stops: bool = False) -> tuple[AskLine, ...]:
    """What waits for a person, with `stops` the runs as well; nothing where that cannot be told, beside a result."""
    from lastgood.model.errors import LastgoodError

    try:
        service = session.service
        return service.post_office.asks(stops=stops) if service.tells else ()
    except LastgoodError:
        return ()


def asks_text(asks: Sequence[AskLine]) -> tuple[str, ...]:
    """What waits for a person, with how to say that one has it."""
    return tuple(line for one in asks for line in _ask(one))


def _ask(one: AskLine) -> tuple[str, ...]:
    has = f"{one.by} has it" if one.by else f"lastgood ack {one.id}"
    needs = f"  ! {one.action} of {one.target} needs a person since {moment(one.at)}: {one.what}"
    return (needs, *field("called", *one.called), *field("next", has))


def _row(post: PostLine) -> tuple[str, ...]:
    return (moment(post.at), post.run, f"{post.target} {post.kind}", post.destination, post.fate, post.where)


def _why(post: PostLine) -> str:
    tries = "once" if post.tries == 1 else f"{post.tries} times"
    again = f"; again after {moment(post.due)}" if post.due else ""
    return f"{post.because} (tried {tries}{again})"
