"""Plans for what is there already: restart it, or only judge it."""

from collections.abc import Callable, Sequence
from itertools import chain
from typing import TypeAlias

import msgspec

from lastgood.model.duration import Duration
from lastgood.model.errors import Refused
from lastgood.model.facts import Known
from lastgood.model.plan import Attempt, Member, Part, ReversiblePlan, Scope
from lastgood.model.release import Evidence, Release
from lastgood.model.step import RestartStep, Runnable, Step, VerifyStep
from lastgood.model.target import Group, Target
from lastgood.plan.draft import Draft
from lastgood.plan.naming import Names
from lastgood.plan.planner import facts, merged
from lastgood.plan.steps import watches

Make: TypeAlias = Callable[[Group, Sequence[Draft]], ReversiblePlan]


def restart(group: Group, drafts: Sequence[Draft]) -> ReversiblePlan:
    """Restart the same containers with the same image, then pass the gate. Raises Refused where nothing runs."""
    name = Names("1.", many=len(drafts) > 1)
    return _plan(group, drafts, tuple(chain.from_iterable(_restarts(draft, name) for draft in drafts)), "restart")


def check(group: Group, drafts: Sequence[Draft]) -> ReversiblePlan:
    """Only judge what runs now; touches nothing. Raises Refused where nothing, or more than one image, runs."""
    return _plan(group, drafts, (), "check")


def _restarts(draft: Draft, name: Names) -> tuple[Step, ...]:
    service, because = draft.target.service, "the operator asked for it; image and configuration stay"
    found = {host: _names(draft, host) for host in draft.observed.hosts}
    return tuple(
        RestartStep(name("restart", service, host), service, host, names, because) for host, names in found.items()
    )


def _names(draft: Draft, host: str) -> tuple[str, ...]:
    """The containers of the service on one host."""
    on_host = draft.observed.hosts[host].containers
    return tuple(sorted(c.name for c in draft.running.containers if isinstance(on_host, Known) and c in on_host.value))


def _one(draft: Draft) -> Runnable:
    target, running = draft.target, draft.running
    if running.image is None:
        seen = ", ".join(sorted({c.image for c in running.containers})) or "no container"
        raise Refused(
            f"No single release of {target.name} runs.",
            because=(f"seen: {seen}",),
            next=(f"lastgood status {target.service} {target.env}",),
        )
    return running.image


def _verify(draft: Draft, name: Names) -> VerifyStep:
    service, because = draft.target.service, "health is judged over time, not at one look"
    hosts = tuple(draft.observed.hosts)
    return VerifyStep(
        name("verify", service), service, _one(draft), gate=True, hosts=hosts, probed=True, because=because,
        flows=tuple(flow.name for flow in draft.target.flows),
    )  # fmt: skip


def _watched(draft: Draft, action: str) -> Target:
    """The target with how long its logs are watched: where nothing was done, what they say by now is read once."""
    watch = Duration(0) if action == "check" else draft.target.watch
    return msgspec.structs.replace(draft.target, watch=watch)


def _part(draft: Draft) -> Part:
    image = _one(draft)
    release = draft.running.release or Release("", image.image, 0)
    return Part(draft.target.service, release, Evidence(), image, moves=False)


def _plan(group: Group, drafts: Sequence[Draft], steps: tuple[Step, ...], action: str) -> ReversiblePlan:
    name = Names("1.", many=len(drafts) > 1)
    verifies = tuple(_verify(draft, name) for draft in drafts)
    last = watches([(_watched(draft, action), _one(draft), tuple(draft.observed.hosts)) for draft in drafts], name)
    attempt = Attempt(1, tuple(_part(draft) for draft in drafts), (*steps, *verifies, *last), (), "it is what runs")
    return ReversiblePlan(
        target=group.name,
        scope=Scope.IMAGE_ONLY,
        members=tuple(Member(d.target.service, _one(d).image, d.running.release) for d in drafts),
        before=(),
        attempts=(attempt,),
        restore=None,
        skipped=(),
        kept=(),
        warnings=(),
        budget_releases=1,
        budget_seconds=float(group.first.walk_back.time),
        downtime="while the containers restart" if steps else "none",
        schema="database schema untouched",
        facts=merged([facts(draft.observed.tip.pin, draft.observed.hosts) for draft in drafts]),
        because=f"{action} was asked for",
        action=action,
    )
