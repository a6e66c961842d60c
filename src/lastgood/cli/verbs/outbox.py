"""`lastgood outbox`."""

import click

from lastgood.cli.options import verb
from lastgood.cli.session import Session
from lastgood.model.errors import Exit

_MINUTE = 60


@click.command("outbox")
@click.argument("action", required=False, type=click.Choice(["run"]))
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1), help="So many of those that arrived.")
@click.option("--all", "all_of_them", is_flag=True, help="With run: try everything that waits, whenever it is due.")
@click.option(
    "--seconds",
    default=_MINUTE,
    show_default=True,
    type=click.IntRange(1, 3600),
    help="With run: take at most so long.",
)
@click.option("--forget", metavar="NAME", help="Let go of what waits for somebody that the file names no more.")
@verb
def command(  # noqa: PLR0913, PLR0917 - one parameter per option
    session: Session, action: str | None, limit: int, all_of_them: bool, seconds: int, forget: str | None
) -> int:
    """What is told to trackers and notifiers: what waits, what failed and why. `run` delivers it, for a timer.

    With `run` the exit code is 9 where something has not arrived. What waits for a tracker, notifier or contact that
    lastgood.yaml has not named for a day is let go of by itself.

    \b
    Examples:
      lastgood outbox
      lastgood outbox run
      lastgood outbox run --all
      lastgood outbox --forget old-chat
    """  # noqa: D301 - \b is click's own mark for text that keeps its lines
    from lastgood.cli.text_outbox import outbox_text
    from lastgood.model.message import Fate

    office = session.service.post_office
    if forget is not None:
        count = office.forget(forget)
        session.note((f"  messages to {forget} that are let go of: {count}",))
    if action == "run":
        office.work(seconds, all_of_them=all_of_them)
        if not session.interactive:  # a timer's
            office.ticked()
    else:
        office.collect()
    report = office.report(limit)
    session.answer("outbox", report, outbox_text(report))
    left = any(post.fate not in (Fate.DELIVERED, Fate.SUPERSEDED) for post in report.posts)
    return Exit.MITIGATED if action == "run" and left else Exit.DONE
