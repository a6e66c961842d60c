"""`lastgood db salvage`: what ways down lost, and putting it back."""

import time
from typing import TYPE_CHECKING

import click

from lastgood.cli.options import target, verb
from lastgood.cli.session import Session

if TYPE_CHECKING:
    from lastgood.model.salvage import Salvage


@click.group("salvage")
def salvage() -> None:
    """What going down with a schema lost: kept before that, and put back after the next way up.

    \b
    Examples:
      lastgood db salvage list shop-api prod
      lastgood db salvage put-back shop-api prod
    """  # noqa: D301 - \b is click's own mark for text that keeps its lines


@salvage.command("list")
@target
@verb
def listing(session: Session, service: str | None, env: str | None) -> int:
    """What is kept, newest first: of which run, what and how much, and whether it was put back. Touches nothing.

    \b
    Example:
      lastgood db salvage list shop-api prod
    """  # noqa: D301 - \b is click's own mark for text that keeps its lines
    from lastgood import salvages
    from lastgood.cli.text_salvage import salvages_text

    found = salvages.listed(session.service, session.target(service, env))
    session.answer("salvages", found, salvages_text(found, int(time.time())))
    return 0


@salvage.command("put-back")
@target
@click.argument("run", default="")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Look what would be put back and what would be kept, and end.")
@click.option("--again", is_flag=True, help="Though it was put back already: into a database restored since, say.")
@click.option("--overwrite", multiple=True, metavar="NAME", help="Lose newer values of NAME, such as 'column s.t.c'.")
@verb
def put_back(  # noqa: PLR0913, PLR0917 - one parameter per option
    session: Session,
    service: str | None,
    env: str | None,
    run: str,
    yes: bool,
    dry_run: bool,
    again: bool,
    overwrite: tuple[str, ...],
) -> int:
    """Put what the way down of RUN lost back where it was, once tables and columns are there again.

    In one transaction, all of it or nothing. Values go where there is none, or only the column's default; rows where
    their key is free: what was written since is kept, and counted. RUN may be left out where only one salvage waits.

    \b
    Examples:
      lastgood db salvage put-back shop-api prod --dry-run
      lastgood db salvage put-back shop-api prod 20261128-101502-1f2e --yes
    """  # noqa: D301 - \b is click's own mark for text that keeps its lines
    from msgspec import structs

    from lastgood import salvages
    from lastgood.cli import out
    from lastgood.cli.asking import asked
    from lastgood.cli.text_salvage import putting_text
    from lastgood.model.errors import ConsentNeeded
    from lastgood.wiring import who

    here = session.target(service, env)
    kept = salvages.chosen(session.service, here, run)
    if kept.done and not again:
        return _already(session, kept)
    if not yes or dry_run:
        found = salvages.look(session.service, here, kept, frozenset(overwrite))
        if dry_run:
            session.answer("putting_back", found, putting_text(found))
            return 0
        if session.interactive:
            shown = structs.replace(found, next=())
            out.lines(putting_text(shown), err=True, colour=session.colour_err)
        if not session.interactive or not asked("Put it back? [y/N] "):
            command = session.command(*session.argv, "--yes")
            raise ConsentNeeded("Nothing was touched.", because=(found.what,), next=(command,))
    done = salvages.put_back(session.service, here, kept, who(), frozenset(overwrite))
    session.answer("putting_back", done, putting_text(done))
    return int(done.exit)


def _already(session: Session, kept: "Salvage") -> int:
    """Nothing is done: values that somebody took away since must not come again."""
    from lastgood.cli.text_salvage import putting_text
    from lastgood.cli.words import moment
    from lastgood.model.errors import Exit
    from lastgood.model.salvage import PuttingBack

    done = kept.done
    said = f"run {kept.run} was put back already, {moment(done.at)} by {done.by}." if done else ""
    command = session.command(*session.argv, "--again")
    found = PuttingBack(kept.target, kept.run, Exit.DONE, False, said, (), (), (), (command,))
    session.answer("putting_back", found, putting_text(found))
    return 0
