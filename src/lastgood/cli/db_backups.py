"""`lastgood db backup`, `backups`, `verify` and `restore`."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from lastgood.cli.options import target, verb
from lastgood.cli.session import Session

if TYPE_CHECKING:
    from lastgood.model.restoring import Agreed, Restoring

_TAKE_OVER = click.option("--take-over", is_flag=True, help="Take it from a lastgood that died on another machine.")


@click.command("backup")
@target
@click.option("--because", default="", metavar="TEXT", help="Why, for whoever looks for it later.")
@click.option("--prove", is_flag=True, help="Restore it into a throw-away database and compare all numbers of rows.")
@_TAKE_OVER
@verb
def backup(  # noqa: PLR0913, PLR0917 - click hands options over like this
    session: Session, service: str | None, env: str | None, because: str, prove: bool, take_over: bool
) -> int:
    """Dump the database into the folder for backups, read the dump through, and let old ones go.

    \b
    Examples:
      lastgood db backup shop-api prod --because "before the import"
      lastgood db backup shop-api prod --prove
    """  # noqa: D301 - \b is click's own mark for text that keeps its lines
    from lastgood.cli.text_backups import made_text

    databases = session.service.databases(session.target(service, env))
    made = databases.backup(because, _telling(session), prove=prove, take_over=take_over)
    session.answer("backup", made, made_text(made))
    return 0


@click.command("backups")
@target
@verb
def backups(session: Session, service: str | None, env: str | None) -> int:
    """What is kept, newest first: when, why, how large, of which schema. Touches nothing.

    \b
    Example:
      lastgood db backups shop-api prod
    """  # noqa: D301 - \b is click's own mark for text that keeps its lines
    from lastgood.cli.text_backups import backups_text

    found = session.service.databases(session.target(service, env)).backups()
    session.answer("backups", found, backups_text(found, int(time.time())))
    return 0


@click.command("verify")
@target
@click.argument("backup", default="")
@_TAKE_OVER
@verb
def verify(session: Session, service: str | None, env: str | None, backup: str, take_over: bool) -> int:
    """Prove that BACKUP is good, the newest by default: its checksum, all of it read, restored and counted.

    BACKUP is a name that `db backups` lists, or the path of a dump on the database's host.

    \b
    Examples:
      lastgood db verify shop-api prod
      lastgood db verify shop-api prod shop-20261128T101502Z.dump
    """  # noqa: D301 - \b is click's own mark for text that keeps its lines
    from lastgood.cli.text_backups import verification_text
    from lastgood.model.errors import Exit

    databases = session.service.databases(session.target(service, env))
    found = databases.verify(backup, _telling(session), take_over=take_over)
    session.answer("verification", found, verification_text(found))
    return int(Exit.DONE if found.good else Exit.NEEDS_HUMAN)


@click.command("restore")
@target
@click.argument("backup", default="")
@click.option("--yes", is_flag=True, help="Do not ask; needs --accept-loss.")
@click.option("--accept-loss", default="", metavar="DATABASE", help="Accept the loss by the database's name.")
@click.option("--keep-running", is_flag=True, help="Do not stop the service's containers for the swap.")
@click.option("--back", is_flag=True, help="Put the former database back; BACKUP may name which.")
@click.option("--dry-run", is_flag=True, help="Show what would be done and lost, and end.")
@click.option("--resume", is_flag=True, help="Bring a restore that stopped half-way to its end.")
@click.option("--abort", "aborting", is_flag=True, help="Go back to the database from before such a restore.")
@_TAKE_OVER
@verb
def restore(  # noqa: PLR0913, PLR0917 - one parameter per option
    session: Session,
    service: str | None,
    env: str | None,
    backup: str,
    yes: bool,
    accept_loss: str,
    keep_running: bool,
    back: bool,
    dry_run: bool,
    resume: bool,
    aborting: bool,
    take_over: bool,
) -> int:
    """Bring BACKUP back: into a database beside the real one, and then both trade names.

    BACKUP is a name that `db backups` lists, or the path of a dump on the database's host: pg_dump's custom format,
    plain SQL, or that through gzip. The former database is kept. What was written since the backup is out of use
    afterwards, which has to be accepted by the database's name: typed on a terminal, or by --accept-loss with --yes.

    \b
    Examples:
      lastgood db restore shop-api prod shop-20261128T101502Z.dump
      lastgood db restore shop-api prod /srv/dumps/shop.sql.gz --dry-run
      lastgood db restore shop-api prod --back
      lastgood db restore shop-api prod --resume
    """  # noqa: D301 - \b is click's own mark for text that keeps its lines
    from lastgood.cli.text_backups import restored_text, restoring_text
    from lastgood.cli.unattended import Watch
    from lastgood.model.errors import UsageError
    from lastgood.model.target import Group

    if (resume or aborting) + back + bool(backup) != 1 and not (back and backup and not (resume or aborting)):
        raise UsageError(
            "What is to be restored?", next=("BACKUP, --back, --resume or --abort", "lastgood db backups SERVICE ENV")
        )
    target_ = session.target(service, env)
    tell, databases = _telling(session), session.service.databases(target_)
    if dry_run and not (resume or aborting):
        plan, _ = databases.planned(backup, tell, back=back, keep_running=keep_running)
        session.answer("restoring", plan, restoring_text(plan, int(time.time())))
        return 0
    with Watch(session, session.service, Group.of(target_), "restoring the database") as watch:
        if resume or aborting:
            ended = databases.resume(tell, aborting=aborting, take_over=take_over)
        else:
            plan, run = databases.planned(backup, tell, back=back, keep_running=keep_running)
            agreed = _agreed(session, plan, accept_loss, yes=yes)
            ended = databases.restore(agreed, run, tell, take_over=take_over)
        watch.ended(ended.exit, ended.what, ended.because, ended.next)
    session.answer("restored", ended, restored_text(ended))
    return int(ended.exit)


def _agreed(session: Session, plan: "Restoring", accepted: str, *, yes: bool) -> "Agreed":
    """The loss, accepted. Raises ConsentNeeded, with all that would be lost."""
    from lastgood.cli import out
    from lastgood.cli.asking import typed
    from lastgood.cli.text_backups import loss_lines, restoring_text
    from lastgood.model.errors import ConsentNeeded
    from lastgood.model.restoring import agree
    from lastgood.wiring import who

    now = int(time.time())
    how = "--accept-loss"
    if not (yes and accepted) and session.interactive:
        out.lines(restoring_text(plan, now), err=True, colour=session.colour_err)
        accepted, how, yes = typed(f"Type the database's name, {plan.database}, to accept the loss: "), "terminal", True
    else:
        session.note(restoring_text(plan, now))
    try:
        return agree(plan, accepted if yes else "", who(), how)
    except ConsentNeeded as error:
        words = [
            word
            for word in session.argv
            if word not in {"--yes", "--dry-run"} and not word.startswith("--accept-loss=")
        ]
        if "--accept-loss" in words:
            at = words.index("--accept-loss")
            del words[at : at + 2]
        command = session.command(*words, "--yes", "--accept-loss", plan.database)
        raise ConsentNeeded(error.what, because=loss_lines(plan, now), next=(command,)) from error


def _telling(session: Session) -> Callable[[str], None]:
    return lambda said: session.note((f"  {said}",))
