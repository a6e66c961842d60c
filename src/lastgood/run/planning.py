"""From a wish to a plan: observes, chooses, builds the trees, and reads further back only where that is needed."""

import msgspec

from lastgood.model.errors import Refused
from lastgood.model.observed import Observed
from lastgood.model.plan import NothingToDo, ReversiblePlan, Scope
from lastgood.model.release import Judgement
from lastgood.model.target import Target
from lastgood.observe.world import asked_too, observe
from lastgood.plan import guards
from lastgood.plan.choose import Choice, choose, image_stays, same_bytes
from lastgood.plan.planner import Draft, Tree, make
from lastgood.plan.running import Running, identify
from lastgood.plan.wanted import named, refuse_nothing, wanted
from lastgood.ports import Tools
from lastgood.run.trees import Trees

_FIRST_DEPTH = 12
_DEEPER = 6
_DEEPEST = 2592


class Wish(msgspec.Struct, frozen=True):
    """What the operator asked for: `to` a tag, digest or commit; empty means the last good release.

    `further` goes back beyond what an earlier rollback put there; `pin_digest` makes a place for the digest in git.
    """

    to: str = ""
    scope: Scope = Scope.DEFAULT
    further: bool = False
    pin_digest: bool = False


def plan(
    target: Target, tools: Tools, judgements: tuple[Judgement, ...], wish: Wish
) -> tuple[ReversiblePlan | NothingToDo, Observed]:
    """Make the plan, and give what it was made from.

    Raises Refused where there is nothing to go back to or something must be settled first, UsageError for a release
    that does not exist, PathConflict where configuration cannot be reversed.
    """
    depth = _FIRST_DEPTH
    while True:
        observed = observe(target, tools, judgements, depth)
        running, last = identify(observed), observed.complete or depth >= _DEEPEST
        if running.containers and running.release is None and not last:
            depth *= _DEEPER  # what runs may be older than what was read
            continue
        guards.check(target, observed, running, named=bool(wish.to))
        nothing = _nothing(target, running, wish)
        if nothing:
            return nothing, observed
        choice = _choice(target, tools, observed, running, wish, last=last)
        if isinstance(choice, NothingToDo):
            return choice, observed
        if choice:
            return _made(target, tools, observed, running, choice, wish), observed
        depth *= _DEEPER


def _nothing(target: Target, running: Running, wish: Wish) -> NothingToDo | None:
    """What a rollback put there is not rolled back again by a repeated call: agents and timers retry."""
    run = running.run or _recorded(running)
    if wish.to or wish.further or not run or running.image is None:
        return None
    because = f"already rolled back by {run} to {running.image.image.name}"
    return NothingToDo(target.name, because, running.image, run)


def _recorded(running: Running) -> str:
    """The run whose rollback commit pins what runs; the label is gone once a deployment made the containers anew."""
    if running.release is None:
        return ""
    said = running.release.trailers
    return said.run if said.went_to and said.went_to.same(running.release.image) else ""


def _choice(  # noqa: PLR0913 - what is chosen from, for whom, and how far it may look
    target: Target, tools: Tools, observed: Observed, running: Running, wish: Wish, *, last: bool
) -> Choice | NothingToDo | None:
    """The choice; None where older history has to be read first."""
    if wish.to:
        release = named(wish.to, _beginning(target, tools, wish.to), observed)
        if release is None and not last:
            return None
        observed = asked_too(tools, observed, release) if release else observed
        choice = wanted(target.name, release, wish.to, observed, target.short_lived)
        image = choice.candidates[0].image
        plain = wish.scope is Scope.DEFAULT and not wish.pin_digest
        if plain and running.image and same_bytes(image, running.image):
            return NothingToDo(target.name, f"{image.image.name} is what runs", running.image)
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
    target: Target, tools: Tools, observed: Observed, running: Running, choice: Choice, wish: Wish
) -> ReversiblePlan:
    builder = Trees(target, tools, observed)
    if wish.scope is Scope.CONFIG_ONLY:
        choice = image_stays(target.name, choice, running)
    trees = tuple(builder.of(c, wish.scope, digest=wish.pin_digest) for c in choice.candidates)
    if wish.scope is Scope.CONFIG_ONLY:
        choice, trees = _that_change(target, choice, trees)
    return make(
        Draft(target, observed, running, wish.scope, named=bool(wish.to)), choice, trees, builder.before(running)
    )


def _that_change(target: Target, choice: Choice, trees: tuple[Tree, ...]) -> tuple[Choice, tuple[Tree, ...]]:
    """The candidates that change anything; with the image staying, the others would only restart what runs."""
    pairs = [(c, tree) for c, tree in zip(choice.candidates, trees, strict=True) if tree.changes]
    if not pairs:
        raise Refused(
            f"No configuration of {target.name} would change: the newest releases changed their image only.",
            next=(f"lastgood plan {target.service} {target.env}",),
        )
    return Choice(tuple(c for c, _ in pairs), choice.skipped), tuple(tree for _, tree in pairs)
