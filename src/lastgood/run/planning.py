"""From a wish to a plan: observes, chooses, builds the trees, and reads further back only where that is needed."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple, TypeAlias

import msgspec

from lastgood.git.names import clean
from lastgood.model.duration import spoken
from lastgood.model.errors import GitUnavailable, Refused, UsageError
from lastgood.model.facts import Known, Unknown, known_or
from lastgood.model.observed import Deploying, Observed
from lastgood.model.plan import AnyPlan, LeftOut, NothingToDo, Scope, Skipped
from lastgood.model.release import Judgement, short
from lastgood.model.step import AwaitStep
from lastgood.model.target import Group, Target, Unreachable, shown
from lastgood.observe.together import Asked, together
from lastgood.observe.world import asked_too, observe, tags_of
from lastgood.plan import guards
from lastgood.plan.choose import Candidate, Choice, choose, image_stays, same_bytes
from lastgood.plan.combine import Combinations, at_commit, combine
from lastgood.plan.draft import Draft, Extra, Round, Schemas, Tree
from lastgood.plan.planner import make
from lastgood.plan.running import Running, identify
from lastgood.plan.wanted import named, refuse_nothing, wanted
from lastgood.ports import CommitInfo, DeployRepo, Tools
from lastgood.run import checkout
from lastgood.run.checkout import Written
from lastgood.run.trees import Trees
from lastgood.run.undoing import undoing

Made: TypeAlias = AnyPlan | NothingToDo
Decide: TypeAlias = Callable[[tuple[Draft, ...], Sequence[tuple[Candidate, ...]]], Schemas]
Said: TypeAlias = dict[str, tuple[Judgement, ...]]

_FIRST_DEPTH = 12
_DEEPER = 6
_DEEPEST = 2592


class Wish(msgspec.Struct, frozen=True):
    """What the operator asked for: `to` a tag, digest or commit; empty means the last good release.

    `further` goes back beyond what an earlier rollback put there; `pin_digest` makes a place for the digest in git;
    `stop_deploy` consents to ending a deploy that runs on the target, which is waited for otherwise. `down`: the
    database's schema goes back as well, even where the older release works with it as it is.
    """

    to: str = ""
    scope: Scope = Scope.DEFAULT
    further: bool = False
    pin_digest: bool = False
    stop_deploy: bool = False
    down: bool = False


def plan(  # noqa: PLR0913, PLR0917 - everything that plans are made from
    group: Group,
    tools: dict[str, Tools],
    said: Said,
    wish: Wish,
    written: Written | None = None,
    schemas: Decide = lambda _drafts, _rounds: Schemas(),
) -> tuple[Made, tuple[Observed, ...]]:
    """Make the plan, and give what it was made from, for each member of the group.

    `tools` and `said`, what was judged before, are by service; `written` is what earlier runs left in checkouts;
    `schemas` decides what becomes of the databases when the services go to candidates, round by round.
    Raises Refused where there is nothing to go back to or something must be settled first, UsageError for a release
    that does not exist, PathConflict where configuration cannot be reversed.
    """
    depth = _FIRST_DEPTH
    while True:
        seen = look(group, tools, said, depth, written)
        last = all(one.observed.complete for one in seen) or depth >= _DEEPEST
        drafts = tuple(drafted(one, tools, wish) for one in seen)
        unread = any(d.running.containers and d.running.release is None for d in drafts)
        if not (unread and not last):  # what runs may be older than what was read
            for draft in drafts:
                guards.check(draft.target, draft.observed, draft.running, named=bool(wish.to))
                _forwardable(draft, tools[draft.target.service].repo)
            made = _nothing(group, drafts, wish) or _chosen(group, tools, drafts, wish, seen, schemas, last=last)
            if made:
                return made, tuple(draft.observed for draft in drafts)
        depth *= _DEEPER


class Seen(NamedTuple):
    """One member as it was seen, narrowed to the hosts that answer, and those that were left out."""

    target: Target
    observed: Observed
    left_out: tuple[LeftOut, ...]


def look(
    group: Group, tools: dict[str, Tools], said: Said, depth: int, written: Written | None = None
) -> tuple[Seen, ...]:
    """One look at every member at the same time."""
    questions = [partial(observe, t, tools[t.service], said.get(t.service, ()), depth) for t in group.members]
    pairs = zip(group.members, together(questions), strict=True)
    return tuple(_narrowed(t, _told_apart(t, tools[t.service], seen, written or {})) for t, seen in pairs)


def _told_apart(target: Target, tools: Tools, observed: Observed, written: Written) -> Observed:
    """What earlier runs wrote into a checkout, and git does not have yet, is nobody else's change."""
    hosts = dict(observed.hosts)
    for host, view in observed.hosts.items():
        if isinstance(view.checkout, Known) and view.checkout.value.dirty and host in written:
            told = checkout.known(view.checkout.value, target, tools, host, written[host])
            hosts[host] = msgspec.structs.replace(view, checkout=Known(told))
    return msgspec.structs.replace(observed, hosts=hosts)


def _narrowed(target: Target, observed: Observed) -> Seen:
    """Without the hosts that do not answer, where the configuration allows that and others do."""
    blind = {h: v.containers.reason for h, v in observed.hosts.items() if isinstance(v.containers, Unknown)}
    if target.unreachable is Unreachable.REFUSE or not blind or len(blind) == len(observed.hosts):
        return Seen(target, observed, ())
    hosts = {host: view for host, view in observed.hosts.items() if host not in blind}
    left_out = tuple(LeftOut(host, reason) for host, reason in blind.items())
    return Seen(
        msgspec.structs.replace(target, hosts=tuple(hosts)), msgspec.structs.replace(observed, hosts=hosts), left_out
    )


def drafted(seen: Seen, tools: dict[str, Tools], wish: Wish) -> Draft:
    """What planning works on. Raises Refused where a host's containers cannot be seen."""
    pin_first = tools[seen.target.service].engine.pin_first
    return Draft(
        seen.target, seen.observed, identify(seen.observed), wish.scope, named=bool(wish.to), pin_first=pin_first
    )


def _forwardable(draft: Draft, repo: DeployRepo) -> None:
    """Raise Refused where a server's checkout has commits that the branch has not: only a fast-forward is ever done."""
    for host, view in draft.observed.hosts.items():
        if not isinstance(view.checkout, Known):
            continue
        commit = view.checkout.value.commit
        if not _in_history(repo, draft.observed.tip.commit, commit):
            raise Refused(
                f"The checkout {draft.target.checkout} on {shown(host)} cannot be fast-forwarded.",
                because=(f"its commit {short(commit)} is not in the history of {draft.target.branch}",),
                next=guards.looks(draft.target, host),
            )


def _in_history(repo: DeployRepo, tip: str, commit: str) -> bool:
    try:
        return repo.contains(tip, commit)
    except GitUnavailable:  # our copy does not even know it
        return False


def _nothing(group: Group, drafts: tuple[Draft, ...], wish: Wish) -> NothingToDo | None:
    """What a rollback put there is not rolled back again by a repeated call: agents and timers retry."""
    runs = {draft.running.run or _recorded(draft.running) for draft in drafts if draft.running.image} - {""}
    unmoved = [d for d in drafts if not (d.running.run or _recorded(d.running))]
    if wish.to or wish.further or len(runs) != 1 or len(unmoved) == len(drafts):
        return None
    if any(draft.running.image is None for draft in drafts):
        return None
    run, images = runs.pop(), tuple(draft.running.image for draft in drafts if draft.running.image)
    name = ", ".join(image.image.name for image in images)
    return NothingToDo(group.name, f"already rolled back by {run} to {name}", images, run)


def _recorded(running: Running) -> str:
    """The run whose rollback commit pins what runs; the label is gone once a deployment made the containers anew."""
    if running.release is None:
        return ""
    said = running.release.trailers
    went = said.went_to or said.trying
    return said.run if went and went.same(running.release.image) else ""


def _chosen(  # noqa: PLR0913, PLR0917 - what is chosen from, for whom, and how far it may look
    group: Group,
    tools: dict[str, Tools],
    drafts: tuple[Draft, ...],
    wish: Wish,
    seen: tuple[Seen, ...],
    schemas: Decide,
    *,
    last: bool,
) -> Made | None:
    """The plan for what is chosen; None where older history has to be read first."""
    beside = Asked(partial(extras, drafts, tools, wish, seen[0].left_out))
    if len(drafts) > 1:
        return _app(group, tools, drafts, wish, beside, schemas, last=last)
    draft, only = drafts[0], tools[drafts[0].target.service]
    choice = _choice(draft.target, only, draft.observed, draft.running, wish, last=last)
    if choice is None or isinstance(choice, NothingToDo):
        return choice
    return _made(group, draft, only, choice, wish, beside, schemas)


def extras(drafts: tuple[Draft, ...], tools: dict[str, Tools], wish: Wish, left_out: tuple[LeftOut, ...]) -> Extra:
    """What else is to be done and said beside the attempts."""
    rivals = undoing(drafts, tools)
    awaits = tuple(
        AwaitStep(
            f"await.{draft.target.service}.{shown(host)}",
            draft.target.service,
            host,
            wish.stop_deploy,
            _deploying(known_or(view.deploys, ())),
        )
        for draft in drafts
        for host, view in draft.observed.hosts.items()
        if known_or(view.deploys, ())
    )
    blind = tuple(
        f"{shown(host)}: whether a deploy runs there is not known: {view.deploys.reason}"
        for draft in drafts
        for host, view in draft.observed.hosts.items()
        if isinstance(view.deploys, Unknown)
    )
    untried = (said for draft in drafts for said in _untried(draft, tools[draft.target.service]))
    return Extra((*rivals.pauses, *awaits), rivals.unpauses, (*rivals.warnings, *blind, *untried), left_out)


def _untried(draft: Draft, tools: Tools) -> Iterator[str]:
    """The user flows that cannot be tried from here: a person has to do that."""
    for one in tools.flows:
        if why := one.flow.missing(tools.browser):
            yield f"user flow {one.name} of {draft.target.service} cannot be tried: {why}"


def _deploying(deploys: tuple[Deploying, ...]) -> str:
    found = ", ".join(f"{one.argv} (pid {one.pid}, for {spoken(one.seconds)})" for one in deploys)
    return f"a deploy is running there: {found}"


def _choice(  # noqa: PLR0913 - what is chosen from, for whom, and how far it may look
    target: Target, tools: Tools, observed: Observed, running: Running, wish: Wish, *, last: bool
) -> Choice | NothingToDo | None:
    """The choice; None where older history has to be read first."""
    if wish.to:
        release = named(wish.to, _beginning(target, tools, wish.to), observed)
        if release is None and not last:
            return None
        observed = asked_too(tools, observed, release) if release else observed
        tags = () if release else tags_of(tools, observed)
        choice = wanted(target.name, release, wish.to, observed, target.short_lived, tags)
        image = choice.candidates[0].image
        plain = wish.scope is Scope.DEFAULT and not wish.pin_digest
        if plain and running.image and same_bytes(image, running.image):
            return NothingToDo(target.name, f"{image.image.name} is what runs", (running.image,))
        return choice
    choice = choose(target.name, observed, running, target.short_lived, target.walk_back.releases)
    if choice.candidates:
        return choice
    if last:
        raise refuse_nothing(target.name, observed, choice.skipped)
    return None


def _beginning(target: Target, tools: Tools, name: str) -> str | None:
    """The commit that began the release in which a commit of the branch lies; None where `name` is no such commit."""
    commit = tools.repo.resolve(name)
    first = next(tools.repo.releases(tools.pin, target.pin_file, commit), None) if commit else None
    return first.commit if first else None


def _made(  # noqa: PLR0913, PLR0917 - everything the plan is made from
    group: Group, draft: Draft, tools: Tools, choice: Choice, wish: Wish, beside: Asked[Extra], schemas: Decide
) -> AnyPlan:
    since = (wish.to and tools.repo.resolve(wish.to)) or ""
    builder = Trees(draft.target, tools, draft.observed, since)
    if wish.scope is Scope.CONFIG_ONLY:
        choice = image_stays(draft.target.name, choice, draft.running)
    trees = tuple(builder.of(c, wish.scope, digest=wish.pin_digest) for c in choice.candidates)
    if wish.scope is Scope.CONFIG_ONLY:
        choice, trees = _that_change(draft.target, choice, trees, builder.newest())
    rounds = tuple(Round((c,), (tree,)) for c, tree in zip(choice.candidates, trees, strict=True))
    before = builder.before(draft.running)
    return _planned(group, (draft,), rounds, (before,) if before else None, choice.skipped, beside, schemas)


def _planned(  # noqa: PLR0913, PLR0917 - everything the plan is made from
    group: Group,
    drafts: tuple[Draft, ...],
    rounds: tuple[Round, ...],
    before: tuple[Tree, ...] | None,
    skipped: tuple[Skipped, ...],
    beside: Asked[Extra],
    schemas: Decide,
) -> AnyPlan:
    """The plan for as many rounds as the databases can go along with."""
    decided, extra = schemas(drafts, [one.candidates for one in rounds]), beside.answer()
    if decided.rounds:
        pairs = zip(rounds, decided.rounds, strict=False)
        rounds = tuple(msgspec.structs.replace(one, schemas=each) for one, each in pairs)
    if decided.ends:
        extra = msgspec.structs.replace(extra, warnings=(*extra.warnings, decided.ends))
    return make(group, drafts, rounds, before, skipped, extra)


def _that_change(
    target: Target, choice: Choice, trees: tuple[Tree, ...], newest: CommitInfo | None
) -> tuple[Choice, tuple[Tree, ...]]:
    """The candidates that change anything; with the image staying, the others would only restart what runs.

    `newest` is the newest commit to the folder: what changed configuration alone goes back where a person names it.
    """
    pairs = [(c, tree) for c, tree in zip(choice.candidates, trees, strict=True) if tree.changes]
    if not pairs:
        raise Refused(
            f"No configuration of {target.name} would change: the newest releases changed their image only.",
            next=(
                *((_back_before(target, newest),) if newest and newest.parent else ()),
                f"lastgood plan {target.service} {target.env}",
            ),
        )
    return Choice(tuple(c for c, _ in pairs), choice.skipped), tuple(tree for _, tree in pairs)


def _back_before(target: Target, newest: CommitInfo) -> str:
    to = f"lastgood rollback {target.service} {target.env} --config-only --to {short(newest.parent)}"
    return f"{to}   # takes back {short(newest.commit)} {clean(newest.subject)}"


def _app(  # noqa: PLR0913, PLR0917 - everything the plan is made from
    group: Group,
    tools: dict[str, Tools],
    drafts: tuple[Draft, ...],
    wish: Wish,
    beside: Asked[Extra],
    schemas: Decide,
    *,
    last: bool,
) -> AnyPlan | None:
    """The plan for an app; None where older history has to be read first."""
    if wish.scope is Scope.CONFIG_ONLY:
        each = tuple(f"lastgood rollback {d.target.service} {d.target.env} --config-only" for d in drafts)
        raise UsageError(f"The configuration of {group.name} goes back service by service.", next=each)
    paths = tuple(draft.target.pin_file for draft in drafts)
    repo = tools[drafts[0].target.service].repo
    order = repo.order(paths, drafts[0].observed.tip.commit, len(drafts) * max(len(d.observed.history) for d in drafts))
    if wish.to:
        chosen = Combinations((at_commit(drafts, order, _commit(group, repo, order, wish.to)),), ())
    else:
        chosen = combine(drafts, order, group.first.walk_back.releases)
    if not chosen.found and not last:
        return None
    if not chosen.found:
        raise refuse_nothing(group.name, drafts[0].observed, chosen.skipped)
    builders = [Trees(d.target, tools[d.target.service], d.observed) for d in drafts]
    rounds = tuple(_round(builders, one.candidates, wish) for one in chosen.found)
    return _planned(group, drafts, rounds, _before(builders, drafts), chosen.skipped, beside, schemas)


def _commit(group: Group, repo: DeployRepo, order: Sequence[str], name: str) -> str:
    """The commit that changed a pin at or before the one that is named."""
    commit = repo.resolve(name)
    if commit is None:
        raise UsageError(
            f"An app goes back to a commit of the deploy branch, and {name!r} is none.",
            next=(f"lastgood history {group.first.service} {group.env}",),
        )
    found = next((one for one in order if repo.contains(commit, one)), None)
    if found is None:
        raise Refused(f"History as far as it was read does not reach {short(commit)}.")
    return found


def _round(builders: list[Trees], candidates: tuple[Candidate, ...], wish: Wish) -> Round:
    """The trees of one combination, each made on the one before; all services run from the last, which has all."""
    trees: list[Tree] = []
    for builder, candidate in zip(builders, candidates, strict=True):
        trees.append(builder.of(candidate, wish.scope, trees[-1].id if trees else "", digest=wish.pin_digest))
    return Round(candidates, _as_one(trees))


def _before(builders: list[Trees], drafts: tuple[Draft, ...]) -> tuple[Tree, ...] | None:
    trees: list[Tree] = []
    for builder, draft in zip(builders, drafts, strict=True):
        tree = builder.before(draft.running, trees[-1].id if trees else "")
        if tree is None:
            return None
        trees.append(tree)
    return _as_one(trees)


def _as_one(trees: list[Tree]) -> tuple[Tree, ...]:
    return tuple(msgspec.structs.replace(tree, id=trees[-1].id) for tree in trees)
