"""Consent: whom to ask, how, and what was agreed to."""

import re
import sys
from typing import TYPE_CHECKING

import msgspec

from lastgood.cli import out
from lastgood.cli.session import Session
from lastgood.cli.text_status import overview_text
from lastgood.model.descent import Accepted
from lastgood.model.errors import ConsentNeeded, LastgoodError, NeedsHuman, UsageError, WorldMoved
from lastgood.model.plan import (
    TERMINAL,
    AnyPlan,
    Approved,
    Consent,
    LossyPlan,
    NothingToDo,
    ReversiblePlan,
    consent,
    consent_to_loss,
)
from lastgood.model.report import Health, Planned, Status
from lastgood.wiring import who

if TYPE_CHECKING:
    from lastgood.model.target import Group

_DIGEST = re.compile(r"(?:sha256:)?([0-9a-f]{12,64})")


def given_digest(text: str) -> str:
    """A plan's digest as given to `--plan`, at least its first 12 digits. Raises UsageError for anything else."""
    found = _DIGEST.fullmatch(text)
    if found is None:
        raise UsageError(f"{text!r} is not the digest of a plan.", next=("give sha256: and at least 12 digits of it",))
    return f"sha256:{found[1]}"


def approving(session: Session, digest: str, chosen: "Group | None" = None) -> str:
    """The command that approves the plan of this digest: this one, with `--plan` in place of other ways to agree."""
    dropped = {"--yes", "--dry-run"}
    words = [word for word in session.argv if word not in dropped]
    words = ["db", "down", *words[2:]] if words[0] == "db" else ["rollback", *words[1:]]
    if "--plan" in words:
        at = words.index("--plan")
        del words[at : at + 2]
    words = [word for word in words if not word.startswith("--plan=")]
    if chosen and chosen.service not in words:
        words += [chosen.service, chosen.env]
    return session.command(*words, "--plan", digest)


def approved(  # noqa: PLR0913 - who asks whom for what
    session: Session, chosen: "Group", planned: Planned, plan: AnyPlan, *, yes: bool, approval: str | None
) -> Approved:
    """The plan, approved by `--plan`, `--yes` or an answer. Raises ConsentNeeded, WorldMoved for another plan.

    A plan that loses data is approved on a terminal only, by whoever types the name of each loss.
    """
    if isinstance(plan, LossyPlan):
        return _accepted(session, chosen, plan, approval)
    if approval is not None:
        return _for_digest(chosen, plan, approval)
    if yes:
        return consent(plan, Consent(who(), "--yes", planned.digest))
    if not session.interactive:
        raise ConsentNeeded(
            "Nothing was touched: there is a plan, and nobody to ask.",
            because=(f"plan {planned.digest}", "this is no terminal, and neither --yes nor --plan was given"),
            next=(approving(session, planned.digest, chosen),),
        )
    if not asked(f"Roll {chosen.name} back to {plan.attempts[0].name}? [y/N] "):
        raise ConsentNeeded("Nothing was touched.", next=(approving(session, planned.digest, chosen),))
    return consent(plan, Consent(who(), TERMINAL, planned.digest))


def agreeable(session: Session, planned: Planned, *, yes: bool = False, approval: str | None = None) -> Planned:
    """The plan that can be agreed to here: without further attempts that lose data, where nobody can accept that.

    `approval` is the digest of what was agreed to already, as given; it may be of either plan.
    """
    from lastgood.plan.shortened import shortened

    short = None if isinstance(planned.plan, NothingToDo) else shortened(planned.plan)
    if short is None or (approval and planned.digest.startswith(approval)):
        return planned
    if session.interactive and not yes and not (approval and short.digest.startswith(approval)):
        return planned
    there = {step.id for step in short.steps()}
    commands = {step: lines for step, lines in planned.commands.items() if step in there}
    return msgspec.structs.replace(planned, plan=short, digest=short.digest, commands=commands)


def _accepted(session: Session, chosen: "Group", plan: LossyPlan, approval: str | None) -> Approved:
    """The plan, with each of its losses accepted by its name: no flag and no program can do that."""
    again = approving(session, plan.digest, chosen)
    if not session.interactive:
        needed = ConsentNeeded(
            "Nothing was touched: the plan loses data, and only a person on a terminal can accept that.",
            because=tuple(f"{loss.called}, up to {loss.most}" for loss in plan.losses),
            next=(f"on a terminal: {again}", f"lastgood rollback {chosen.service} {chosen.env} --image-only"),
        )
        needed.by_person = True
        raise needed
    if approval is not None and not plan.digest.startswith(approval):
        raise _moved(chosen, plan, approval)
    accepted = []
    for loss in plan.losses:
        out.lines((f"Lost by going down: {loss.called}, up to {loss.most} ({loss.because}).",), err=True)
        if _answer("Type its name to accept that, or Enter to stop: ") != loss.called:
            raise ConsentNeeded("Nothing was touched.", next=(again, *_without(session, chosen, plan)))
        accepted.append(Accepted(loss.called, loss.most))
    return consent_to_loss(plan, Consent(who(), TERMINAL, plan.digest, tuple(accepted)))


def _without(session: Session, chosen: "Group", plan: LossyPlan) -> tuple[str, ...]:
    """The command for the attempts that lose nothing, where there are such."""
    from lastgood.plan.shortened import shortened

    short = shortened(plan)
    return (f"{approving(session, short.digest, chosen)}   # {short.warnings[-1]}",) if short else ()


def _for_digest(chosen: "Group", plan: ReversiblePlan, approval: str) -> Approved:
    if not plan.digest.startswith(approval):
        raise _moved(chosen, plan, approval)
    return consent(plan, Consent(who(), "--plan", plan.digest))


def _moved(chosen: "Group", plan: AnyPlan, approval: str) -> WorldMoved:
    return WorldMoved(
        "The plan that was approved is not the plan of now.",
        because=(f"approved: {approval}", f"now: {plan.digest}"),
        next=(f"lastgood plan {chosen.service} {chosen.env}",),
    )


def asked(question: str) -> bool:
    """Ask on the terminal; only `y` or `yes` is a yes, an end of input is none."""
    return _answer(question).lower() in ("y", "yes")


def typed(question: str) -> str:
    """Ask on the terminal for a word, which is what was typed, without spaces around it."""
    return _answer(question)


def _answer(question: str) -> str:
    out.put("\n" + question, err=True)
    line = sys.stdin.readline()
    if not line.endswith("\n"):
        out.put("\n", err=True)
    return line.strip()


def offered(session: Session) -> "Group | None":
    """The target that somebody on a terminal most likely means: the unhealthy one, or the one they choose.

    None where everything is healthy. Raises NeedsHuman where it is not known whether it is, ConsentNeeded where they
    choose none.
    """
    found = session.service.overview()
    out.lines(overview_text(found), err=True, colour=session.colour_err)
    unhealthy = [name for name, status in found if _is(status, Health.UNHEALTHY)]
    if not unhealthy:
        if all(_is(status, Health.HEALTHY) for _, status in found):
            session.answer("statuses", {"targets": [status for _, status in found]}, ("Everything is healthy.",))
            return None
        raise NeedsHuman(
            "No service is seen to be unhealthy, and not all are known to be healthy.",
            next=("lastgood status SERVICE ENV", "lastgood rollback SERVICE ENV"),
        )
    name = unhealthy[0] if len(unhealthy) == 1 else _chosen(unhealthy)
    service, _, env = name.partition("/")
    return session.service.group(service, env)


def _is(status: Status | LastgoodError, health: Health) -> bool:
    return isinstance(status, Status) and status.health is health


def _chosen(names: list[str]) -> str:
    out.lines(("", *(f"  {number}  {name}" for number, name in enumerate(names, 1))), err=True)
    answer = _answer(f"Which one? [1-{len(names)}, Enter for none] ")
    if answer.isascii() and answer.isdigit() and 1 <= int(answer) <= len(names):
        return names[int(answer) - 1]
    raise ConsentNeeded("Nothing was touched: no service was chosen.", next=("lastgood rollback SERVICE ENV",))
