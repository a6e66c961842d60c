"""Makes the plan: from what was observed and chosen to the steps, each with its reason."""

from collections.abc import Iterator, Sequence
from itertools import chain

from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.observed import HostView, Observed
from lastgood.model.plan import AnyPlan, Attempt, Facts, LossyPlan, Member, Part, ReversiblePlan, Skipped
from lastgood.model.release import Grade, Image, Release, short
from lastgood.model.target import Group, Push, Unreachable
from lastgood.plan import steps
from lastgood.plan.choose import Candidate, same_bytes
from lastgood.plan.draft import Draft, Extra, Going, Round, Tree
from lastgood.plan.running import Running

_SWITCH = "from the stop of the old container until the new one answers; one at a time, no overlap"
_DESCENT = "from the stop of the old container, through the backup and the way down, until the new one answers"


def make(  # noqa: PLR0913, PLR0917 - everything a plan is made from
    group: Group,
    drafts: tuple[Draft, ...],
    rounds: tuple[Round, ...],
    before: tuple[Tree, ...] | None,
    skipped: tuple[Skipped, ...],
    extra: Extra,
) -> AnyPlan:
    """The plan for `rounds`, tried in their order. `before` are the trees that run now, if known."""
    first = group.first
    descends = [any(schema.descent for schema in one.schemas) for one in rounds]
    attempts = tuple(_attempt(drafts, number, rounds) for number in range(1, len(rounds) + 1))
    kind = LossyPlan if any(schema.losses for one in rounds for schema in one.schemas) else ReversiblePlan
    return kind(
        target=group.name,
        scope=drafts[0].scope,
        members=tuple(_member(draft) for draft in drafts),
        before=(*extra.before, *(step for draft in drafts for step in steps.captures(draft, many=len(drafts) > 1))),
        attempts=attempts,
        restore=steps.restore(drafts, before, attempts),
        skipped=skipped,
        kept=tuple(dict.fromkeys(chain.from_iterable(tree.kept for tree in rounds[0].trees))),
        warnings=(*_warnings(drafts, rounds), *extra.warnings),
        budget_releases=len(rounds) if any(descends) else first.walk_back.releases,
        budget_seconds=float(first.walk_back.time),
        downtime=_DESCENT if descends[0] else _SWITCH,
        schema=attempts[0].schema,
        facts=merged([facts(draft.observed.tip.pin, draft.observed.hosts) for draft in drafts]),
        because="; ".join(dict.fromkeys(_because(draft) for draft in drafts)),
        after=extra.after,
        left_out=extra.left_out,
        alone=first.unreachable is Unreachable.GO_ON and not any(descends),
        rehearsed=tuple(chain.from_iterable(_rehearsed(drafts, number, rounds) for number in range(len(rounds)))),
    )


def _member(draft: Draft) -> Member:
    running = draft.running
    return Member(draft.target.service, running.image.image if running.image else None, running.release)


def facts(pin: Fact[Image], hosts: dict[str, HostView]) -> Facts:
    """What must still be so when the plan is carried out."""
    return Facts(
        pin=pin.reason if isinstance(pin, Unknown) else str(pin.value),
        running=tuple((host, _image_ids(view)) for host, view in sorted(hosts.items())),
    )


def merged(several: Sequence[Facts]) -> Facts:
    """The facts of several services as one."""
    hosts = dict.fromkeys(host for one in several for host, _ in one.running)
    return Facts(
        ", ".join(one.pin for one in several),
        tuple(
            (host, tuple(sorted(chain.from_iterable(dict(o.running).get(host, ()) for o in several)))) for host in hosts
        ),
    )


def _image_ids(view: HostView) -> tuple[str, ...]:
    if isinstance(view.containers, Unknown):
        return (f"unknown: {view.containers.reason}",)
    return tuple(sorted(f"{c.name}={c.image_id}" for c in view.containers.value if c.mine))


def _because(draft: Draft) -> str:
    if draft.running.mixed:
        return "containers of the service run different images"
    if draft.running.image is None:
        return "no container of the service runs"
    return "the operator asked to leave " + draft.running.image.image.name


def _rehearsed(drafts: tuple[Draft, ...], number: int, rounds: tuple[Round, ...]) -> Iterator[str]:
    """What was seen on copies for that round: whose it is is said where it could be another's."""
    for at, draft in enumerate(drafts):
        whose = [draft.target.service] if len(drafts) > 1 else []
        whose += [rounds[number].candidates[at].image.image.name] if number else []
        prefix = f"{' '.join(whose)}: " if whose else ""
        yield from (f"{prefix}{line}" for line in rounds[number].schema(at).rehearsed)


def _going(drafts: tuple[Draft, ...], at: int, rounds: tuple[Round, ...]) -> Going:
    """Where the draft of that number goes in the last of these rounds."""
    draft, candidate, tree = drafts[at], rounds[-1].candidates[at], rounds[-1].trees[at]
    ways = [(number, one.schema(at)) for number, one in enumerate(rounds, 1)]
    below = {drafts[each].target.service for one in rounds for each in range(len(drafts)) if one.schema(each).descent}
    database = rounds[-1].schema(at).database or draft.target.service
    return Going(
        draft,
        candidate.image,
        tree,
        moves(draft, candidate, tree),
        tuple((number, way) for number, way in ways if way.descent),
        database if database in below else "",
    )


def _said(drafts: tuple[Draft, ...], one: Round) -> str:
    """What becomes of the databases, whose they are where it is not the same for all."""
    said = [one.schema(at).said for at in range(len(drafts))]
    if len(set(said)) == 1:
        return said[0]
    return "; ".join(f"{draft.target.service}: {each}" for draft, each in zip(drafts, said, strict=True))


def _attempt(drafts: tuple[Draft, ...], number: int, rounds: tuple[Round, ...]) -> Attempt:
    one = rounds[number - 1]
    goings = tuple(_going(drafts, at, rounds[:number]) for at in range(len(drafts)))
    changes = {change.path: change for tree in one.trees for change in tree.changes}
    return Attempt(
        number=number,
        parts=tuple(
            Part(going.draft.target.service, candidate.release, candidate.evidence, candidate.image, going.moves)
            for going, candidate in zip(goings, one.candidates, strict=True)
        ),
        steps=steps.attempt(goings, number, changed=bool(changes)),
        changes=tuple(changes.values()),
        because=_why(drafts[0], number, one),
        schema=_said(drafts, one),
    )


def moves(draft: Draft, candidate: Candidate, tree: Tree) -> bool:
    """Whether the service is switched at all: another image, or another configuration."""
    runs = draft.running.image
    return runs is None or not same_bytes(candidate.image, runs) or bool(tree.changes)


def _why(draft: Draft, number: int, one: Round) -> str:
    first = "named by the operator" if draft.named else "newest earlier release that can be had"
    place = first if number == 1 else "next, if the one before fails the gate"
    said = chain.from_iterable((*candidate.evidence.hints, *candidate.notes) for candidate in one.candidates)
    return "; ".join((place, *dict.fromkeys(said)))


def _warnings(drafts: tuple[Draft, ...], rounds: tuple[Round, ...]) -> tuple[str, ...]:
    """What the reader should know before consenting; nothing here stops the plan."""
    found = list(_remote(drafts[0]))
    for number, draft in enumerate(drafts):
        found += _drift(draft.running, draft.observed)
        if isinstance(draft.observed.quarantine, Unknown):
            found.append(f"whether the release is in quarantine is unknown: {draft.observed.quarantine.reason}")
        if draft.running.image is None:
            found.append("the state from before cannot be restored if this fails: no single image runs")
        found += [f"{c.release.image.name}: {note}" for c in (rounds[0].candidates[number],) for note in c.notes]
        found += [
            f"{c.release.image.name} is known to be {c.evidence.grade}: {c.evidence.because}"
            for c in (one.candidates[number] for one in rounds)
            if c.evidence.grade in (Grade.BAD, Grade.ROLLED_BACK)
        ]
    return tuple(dict.fromkeys(found))


def _remote(draft: Draft) -> tuple[str, ...]:
    remote = draft.observed.tip.remote
    if isinstance(remote, Known):
        return ()
    policy = "the rollback will be mitigated, not resolved" if draft.target.push is Push.BEST_EFFORT else ""
    return (f"the git remote does not answer ({remote.reason}); {policy}",)


def _drift(running: Running, observed: Observed) -> list[str]:
    """Git and runtime disagree: said, because a deploy from git would change what runs."""
    if isinstance(observed.tip.pin, Unknown):
        return [f"git's pin cannot be read: {observed.tip.pin.reason}"]
    if running.image is None or not observed.history:
        return []
    newest: Release = observed.history[0]
    if running.release is not None and running.release.image.same(newest.image):
        return []
    return [f"drift: git pins {newest.image.name}, {running.image.image.name} runs ({short(newest.commit)})"]
