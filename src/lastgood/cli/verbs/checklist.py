"""`lastgood checklist`."""

from typing import TYPE_CHECKING

import click

from lastgood.cli.completing import acted
from lastgood.cli.options import verb
from lastgood.cli.session import Session

if TYPE_CHECKING:
    from lastgood.cli.records import Record
    from lastgood.service import Service


@click.command("checklist")
@click.argument("run", required=False, shell_complete=acted)
@click.option("--done", multiple=True, metavar="POINT", help="You say that it is done; may be given several times.")
@click.option("--skip", multiple=True, metavar="POINT", help="You say that it is not needed; needs --because.")
@click.option("--because", default="", metavar="TEXT", help="Why it is skipped, or what you saw.")
@click.option("--ask", is_flag=True, help="Go through what is left for a person, one by one.")
@verb
def command(  # noqa: PLR0913, PLR0917 - one parameter per option
    session: Session, run: str | None, done: tuple[str, ...], skip: tuple[str, ...], because: str, ask: bool
) -> int:
    """What has to be so before, meanwhile and after a rollback. RUN: as for `show`.

    What the record tells is checked; the rest is for a person to say, which is written into the record with name and
    time. Ends with 8 as long as a point is left.

    \b
    Examples:
      lastgood checklist
      lastgood checklist --done team-told --done wiki-page
      lastgood checklist --skip task-updated --because 'there is no task'
    """  # noqa: D301 - \b is click's own mark for text that keeps its lines
    from lastgood.cli.records import record
    from lastgood.cli.text_checklist import checklist_text
    from lastgood.journal.fold import fold
    from lastgood.ticking import checklist, note, ticked

    found = record(session, run)
    service = found.service(fold(found.journal.entries(found.run)))
    seen = "" if skip else because  # beside --skip it is the reason for that
    listed = checklist(found.journal, found.run, service)
    said = [ticked(listed, name, "--done", skipped=False, because=seen) for name in done]
    said += [ticked(listed, name, "--skip", skipped=True, because=because) for name in skip]
    note(service, found.run, said, lambda text: session.note((text,)))
    if ask:
        _ask(session, service, found)
    if said or ask:  # by now it stands in the journal here, where somebody said something
        found = record(session, found.run)
    result = checklist(found.journal, found.run, service)
    session.answer("checklist", result, checklist_text(result))
    return int(result.exit)


def _ask(session: Session, service: "Service", found: "Record") -> None:
    """Ask a person for each point that is left for one. Raises ConsentNeeded where there is nobody to ask."""
    from lastgood.cli.asking import typed
    from lastgood.model.checklist import State
    from lastgood.model.errors import ConsentNeeded
    from lastgood.model.plan import TERMINAL
    from lastgood.ticking import checklist, note, ticked

    if not session.interactive:
        raise ConsentNeeded("There is nobody to ask: this is no terminal.", next=("lastgood checklist --done POINT",))
    listed = checklist(found.journal, found.run, service)
    for one in listed.points:
        if one.state is not State.OPEN:
            continue
        answer = typed(f"{one.point.text}: done? [y/N, or why it is skipped] ").strip()
        if answer.lower() in {"", "n", "no"}:
            continue
        skipped = answer.lower() not in {"y", "yes"}
        said = ticked(listed, one.point.id, TERMINAL, skipped=skipped, because=answer if skipped else "")
        note(service, found.run, (said,), lambda _: None)
