"""A branch that takes no direct push: production serves already, so the commit waits for review as a proposal."""

from collections.abc import Callable
from typing import TypeAlias

import msgspec

from lastgood.model.event import Failure, StepFailed
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.forge import AWAITS_MERGE, Proposal, ProposalState
from lastgood.model.step import RecordStep
from lastgood.observe.world import pinned
from lastgood.run.desk import Desk
from lastgood.run.offer import Offered

# Asks to have a head branch merged into a base branch, with a title and a body, as `ports.Forge.propose` does.
Propose: TypeAlias = Callable[[str, str, str, str], Fact[Proposal]]


class Asked(msgspec.Struct, frozen=True):
    """What became of asking to have a branch merged, in a clause, and what a person does then.

    `link` is where it can be looked at or opened, `state` None where nobody could be asked; else as the forge says.
    `by_itself`: it needs no person to be merged.
    """

    because: str
    then: str
    link: str = ""
    state: ProposalState | None = None
    by_itself: bool = False


def ask(propose: Propose | None, head: str, base: str, text: str) -> Asked:
    """Ask to have `head` merged into `base`; `text` is the message of its commit. Done twice, it is the same one."""
    title, _, body = text.partition("\n\n")
    answer = propose(head, base, title, body) if propose else Unknown("no forge is known")
    if isinstance(answer, Unknown):
        why = f"the commit is on {head}, and no proposal could be made: {answer.reason}"
        return Asked(why, f"open a pull request from {head} to {base}")
    found = answer.value
    where = found.url or f"branch {head}"
    match found.state:
        case ProposalState.OPEN:
            merges = "it merges by itself once it may"
            how = merges if found.auto_merge else f"it waits for a merge{_why(found.because)}"
            because, then = f"proposed: {where}; {how}", f"merge {where}"
        case ProposalState.MERGED:
            because, then = f"{where} was merged a moment ago", ""
        case ProposalState.CLOSED:
            because, then = f"somebody closed {where}", f"reopen {where}"
        case ProposalState.BY_HAND:
            because, then = f"the commit is on {head}", f"open a pull request: {where}"
    by_itself = found.state is ProposalState.MERGED or (found.state is ProposalState.OPEN and found.auto_merge)
    return Asked(because, then, found.url, found.state, by_itself)


def proposed(step: RecordStep, desk: Desk, run: str, offered: Offered, text: str) -> StepFailed:
    """Push the commit to a branch of its own and ask to have it merged. Done twice, it is the same proposal.

    A failure in any case: git does not say what runs until somebody merges it.
    """
    first, tools, name = desk.group.first, desk.shared, branch(run)
    tools.repo.propose_branch(offered.commit, name)  # refused where an earlier try has put it there: that one counts
    asked = ask(tools.forge().propose if tools.forge else None, name, first.branch, text)
    then = f"{asked.then}, or pin the release by hand" if asked.state is ProposalState.CLOSED else asked.then
    because = f"{first.branch} takes no direct push ({offered.pushed.because}); {asked.because}"
    next_ = (*filter(None, (then,)), f"lastgood settle {run}")
    return StepFailed(step.id, because, Failure.UNSETTLED, "" if asked.by_itself else AWAITS_MERGE, next_)


def _why(because: str) -> str:
    return f" ({because})" if because else ""


def branch(run: str) -> str:
    """The branch that a run's commit waits on."""
    return f"lastgood/{run}"


def merged(step: RecordStep, desk: Desk) -> bool:
    """Whether the branch has come to pin what the step wants, by a merge of any kind: a squash keeps no commit."""
    tip = desk.shared.repo.tip()
    if tip == step.base:
        return False
    pairs = [(one, *desk.of(one.service)) for one in step.pins]
    now = [(one, pinned(target, tools, tip), pinned(target, tools, step.base)) for one, target, tools in pairs]
    there = all(isinstance(pin, Known) and pin.value.same(one.image) for one, pin, _ in now)
    return there and any(pin != before for _, pin, before in now)
