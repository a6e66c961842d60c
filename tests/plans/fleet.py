"""Worlds of several hosts, several services, and servers that deploy by the team's script."""

import msgspec

from lastgood.model.facts import Known
from lastgood.model.observed import Checkout, HostView, Look, Observed
from lastgood.model.plan import FileChange, LeftOut, Scope
from lastgood.model.release import Image
from lastgood.model.report import Planned
from lastgood.model.step import PauseStep, UnpauseStep
from lastgood.model.target import Adapter, Cdn, Group, Order, Target
from lastgood.plan import guards, report
from lastgood.plan.choose import Candidate, choose
from lastgood.plan.combine import combine
from lastgood.plan.draft import Draft, Extra, Round, Schema, Tree
from lastgood.plan.planner import make
from lastgood.plan.running import identify
from tests.plans.builders import NOW, TARGET, NoOptions, World, commands, history, lowered

HOSTS = ("ssh://deploy@one.example", "ssh://deploy@two.example:2222", "ssh://deploy@three.example")
LOST = LeftOut(HOSTS[2], "ssh: connect to host three.example port 22: No route to host")
CHECKOUT = Known(Checkout("main", "f" * 40))


def seen(world: World, hosts: tuple[str, ...], *, scripted: bool = False) -> Observed:
    """One look at the same world on several hosts."""
    observed = world.observed()
    (view,) = observed.hosts.values()
    one: HostView = msgspec.structs.replace(view, compose=(), checkout=CHECKOUT) if scripted else view
    return msgspec.structs.replace(observed, hosts=dict.fromkeys(hosts, one))


def drafted(
    world: World,
    *hosts: str,
    service: str = "shop-api",
    order: Order = Order.ONE_FIRST,
    scripted: bool = False,
) -> Draft:
    """What planning works on for one service."""
    target: Target = msgspec.structs.replace(
        TARGET, service=service, hosts=hosts, order=order, checkout="/opt/deploy",
        pin_file=f"envs/prod/apps/{service}/values.yaml",
    )  # fmt: skip
    observed = seen(world, hosts, scripted=scripted)
    running = identify(observed)
    guards.check(target, observed, running, named=False)
    return Draft(target, observed, running, Scope.DEFAULT, pin_first=scripted)


def behind_a_cdn(draft: Draft) -> Draft:
    """The service with a CDN in front of it."""
    cdn = Cdn(Adapter("cloudflare", NoOptions()), ("https://shop.example/",))
    return msgspec.structs.replace(draft, target=msgspec.structs.replace(draft.target, cdn=cdn))


def rollback(draft: Draft, extra: Extra | None = None, schemas: tuple[Schema, ...] = ()) -> Planned:
    """The plan for one service."""
    target = draft.target
    choice = choose(target.name, draft.observed, draft.running, target.short_lived, target.walk_back.releases)
    rounds = tuple(
        Round((candidate,), (_tree(draft, candidate, str(number)),))
        for number, candidate in enumerate(choice.candidates, 1)
    )
    before = (Tree("b" * 40, _runs(draft), _services(draft), ()),)
    made = make(Group.of(target), (draft,), lowered(rounds, schemas), before, choice.skipped, extra or Extra())
    return Planned(made, made.digest, commands(made), report.failing(draft.observed))


def app(*drafts: Draft, order: tuple[str, ...], schemas: tuple[Schema, ...] = ()) -> Planned:
    """The plan for an app; `order` are the commits that changed a pin, newest first."""
    found = combine(drafts, order, 3)
    rounds = tuple(
        Round(
            one.candidates,
            tuple(_tree(d, c, str(number)) for d, c in zip(drafts, one.candidates, strict=True)),
            schemas,
        )
        for number, one in enumerate(found.found[:1] if schemas else found.found, 1)
    )
    before = tuple(Tree("b" * 40, _runs(draft), _services(draft), ()) for draft in drafts)
    group = Group("shop", "prod", tuple(draft.target for draft in drafts))
    made = make(group, drafts, rounds, before, found.skipped, Extra())
    return Planned(made, made.digest, commands(made), f"{drafts[0].target.service}: http 500")


def paused() -> Extra:
    """Something that would undo the rollback is held meanwhile."""
    host, hold, go = HOSTS[0], ("docker", "pause", "watchtower"), ("docker", "unpause", "watchtower")
    pause = PauseStep(f"pause.{host}", host, "watchtower", hold, go, "it would put the newest image back")
    because = "it was only held for the rollback"
    return Extra(before=(pause,), after=(UnpauseStep(f"unpause.{host}", pause.id, host, "watchtower", go, because),))


def web(*tags: str, later: int = 1) -> World:
    """Another service's world, healthy: its releases were pinned `later` days after those of `shop-api`."""
    releases = tuple(
        msgspec.structs.replace(
            one, commit=one.commit[:-1] + "e", at=one.at + later * 86_400, until=None if age == 0 else NOW,
        )
        for age, one in enumerate(history(*tags))
    )  # fmt: skip
    return World(releases, looks=(Look("https://shop.example/", ok=True, said="200 in 0.02 s"),))


def _tree(draft: Draft, candidate: Candidate, mark: str) -> Tree:
    pin = candidate.release.image
    was = draft.observed.history[0].image
    lines = (" image:", f"-  tag: {was.tag}", f"+  tag: {pin.tag}")
    changes = () if pin.same(was) else (FileChange(draft.target.pin_file, lines),)
    return Tree(mark * 40, pin, _services(draft), changes)


def _services(draft: Draft) -> tuple[str, ...]:
    return () if draft.pin_first else ("api",)


def _runs(draft: Draft) -> Image:
    return draft.observed.history[0].image
