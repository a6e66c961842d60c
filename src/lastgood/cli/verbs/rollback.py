"""`lastgood rollback`."""

import time
from typing import TYPE_CHECKING, Unpack

import click

from lastgood.cli.options import target, verb, wish
from lastgood.cli.session import Session
from lastgood.cli.verbs.plan import Wanted

if TYPE_CHECKING:
    from lastgood.cli.text_plan import Detail
    from lastgood.cli.unattended import Watch
    from lastgood.model.plan import NothingToDo
    from lastgood.model.report import Planned
    from lastgood.model.target import Group
    from lastgood.run.planning import Wish


@click.command("rollback")
@target
@wish
@click.option("--dry-run", is_flag=True, help="Show the plan with every command, and end.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--plan", "digest", metavar="DIGEST", help="Approve exactly this plan, without a question.")
@click.option("--take-over", is_flag=True, help="Take the lease from whoever holds it.")
@click.option("--anyway", is_flag=True, help="Even where the diagnosis is sure that a rollback cures nothing.")
@verb
def command(  # noqa: PLR0913, PLR0917 - one parameter per option
    session: Session,
    service: str | None,
    env: str | None,
    dry_run: bool,
    yes: bool,
    digest: str | None,
    take_over: bool,
    anyway: bool,
    **wanted: Unpack[Wanted],
) -> int:
    """Go back to the last good release: observe, choose, show, ask once, do, verify, record.

    Without SERVICE, on a terminal: shows what is unhealthy and offers the obvious.

    \b
    Examples:
      lastgood rollback shop-api prod
      lastgood rollback shop-api prod --to sha-1a2b3c4 --yes
      lastgood rollback shop-api prod --dry-run
    """  # noqa: D301 - \b is click's own mark for text that keeps its lines
    from lastgood.cli.asking import offered
    from lastgood.cli.wishes import wished

    wish_ = wished(**wanted)
    chosen = session.group(service, env) if service is not None or not session.interactive else offered(session)
    if chosen is None:
        return 0
    if dry_run:
        from lastgood.cli.text_plan import Detail

        return show_plan(session, chosen, wish_, Detail.EVERYTHING)
    return roll_back(session, chosen, wish_, yes=yes, digest=digest, take_over=take_over, anyway=anyway)


def show_plan(session: Session, chosen: "Group", wish_: "Wish", detail: "Detail | None" = None) -> int:
    """Print the plan as the result; 0. `detail` is that of `lastgood plan` where none is given."""
    from lastgood.cli.asking import agreeable, approving
    from lastgood.cli.text_plan import Detail, plan_text

    planned = agreeable(session, session.service.plan(chosen, wish_, lambda said: session.note((said,))))
    approve = approving(session, planned.digest, chosen)
    session.answer("plan", planned, plan_text(planned, int(time.time()), approve, detail or Detail.PLAN))
    return 0


def roll_back(  # noqa: PLR0913 - what was asked for and how it is approved
    session: Session,
    chosen: "Group",
    wish_: "Wish",
    *,
    yes: bool,
    digest: str | None,
    take_over: bool,
    anyway: bool = False,
) -> int:
    """Plan, show, ask, carry out; the exit code. `digest` is that of the plan which was approved beforehand.

    Meanwhile it is looked what is wrong, where the operator has not said where to go; `anyway` goes on in any case.
    """
    from lastgood.cli.asking import agreeable, approved, given_digest
    from lastgood.cli.carry import carry
    from lastgood.cli.doubt import Doubt
    from lastgood.cli.unattended import Watch
    from lastgood.model.plan import NothingToDo

    approval = given_digest(digest) if digest is not None else None
    with Watch(session, session.service, chosen, "rollback") as watch:
        doubt = Doubt(session, chosen, wish_)
        planned = session.service.plan(chosen, wish_, lambda said: session.note((said,)))
        planned = agreeable(session, planned, yes=yes, approval=approval)
        if isinstance(planned.plan, NothingToDo):
            return _again(session, chosen, planned.plan, watch, take_over=take_over)
        _show(session, chosen, planned, asking=not yes and approval is None)
        against = doubt.settle(asking=not yes and approval is None, anyway=anyway)
        agreed = approved(session, chosen, planned, planned.plan, yes=yes, approval=approval)
        return carry(
            session,
            chosen.name,
            watch.ends(
                lambda tell: session.service.rollback(
                    chosen, agreed, planned.signature, tell, take_over=take_over, noted=against
                )
            ),
        )


def _again(session: Session, chosen: "Group", nothing: "NothingToDo", watch: "Watch", *, take_over: bool) -> int:
    from lastgood.cli.carry import carry

    if not take_over:
        session.service.untaken(chosen)
    session.note((f"{nothing.target}: {nothing.because}; looking again",))
    act = watch.ends(lambda tell: session.service.recheck(chosen, nothing, tell))
    return carry(session, chosen.name, act)


def _show(session: Session, chosen: "Group", planned: "Planned", *, asking: bool) -> None:
    """The plan, on stderr before a question or beside the result; on stdout where it is the result."""
    from lastgood.cli import out
    from lastgood.cli.asking import approving
    from lastgood.cli.text_plan import Detail, plan_text

    stuck = asking and not session.interactive
    approve = approving(session, planned.digest, chosen)
    text = plan_text(planned, int(time.time()), approve, Detail.PLAN if stuck else Detail.QUESTION)
    if stuck and not session.json:
        session.answer("plan", planned, text)
    elif asking and not stuck:
        out.lines(text, err=True, colour=session.colour_err)
    else:
        session.note(text)
