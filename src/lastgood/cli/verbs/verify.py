"""`lastgood verify`."""

import click

from lastgood.cli.options import verb
from lastgood.cli.session import Session


@click.command("verify")
@click.argument("run", required=False)
@click.option("--here", is_flag=True, help="Ask neither the hosts nor git what they know of the run.")
@click.option("--head", default="", metavar="HASH", help="A hash of the record that you have from elsewhere.")
@verb
def command(session: Session, run: str | None, here: bool, head: str) -> int:
    """Is the record of a run what was written down? RUN may be the beginning of an id; without it, the newest run.

    Every line of the journal carries a hash of itself and of the line before it, and the run's hosts and commits carry
    hashes too. Ends with 8 where a line was changed, removed, moved or added, and where that cannot be told.

    \b
    Examples:
      lastgood verify
      lastgood verify 20261122-174501-7f3a --here
    """  # noqa: D301 - \b is click's own mark for text that keeps its lines
    from lastgood.cli.text_verify import verified_text
    from lastgood.model.errors import UsageError
    from lastgood.recording import verified

    found = session.journal.find(run) if run is not None else session.journal.latest()
    if found is None:
        raise UsageError("There is no run in the journal yet.", next=("lastgood status",))
    service = None if here else lambda told: session.service if session.repo else session.service_at(told.repo)
    result = verified(session.journal, found, service, head.strip().lower())
    session.answer("record", result, verified_text(result))
    return int(result.exit)
