"""The steps of an attempt and of what puts the state from before back, in their order."""

from collections.abc import Sequence
from itertools import chain

from lastgood.model.facts import Known, Unknown
from lastgood.model.observed import HostView
from lastgood.model.plan import Attempt, Restore
from lastgood.model.step import (
    CaptureStep,
    CheckoutStep,
    FreshStep,
    Pinned,
    PinStep,
    PullStep,
    PurgeStep,
    RecordStep,
    RenderStep,
    Runnable,
    Step,
    StopStep,
    SwitchStep,
    SyncStep,
    VerifyStep,
    WatchStep,
)
from lastgood.model.target import Order, Target
from lastgood.plan.descending import ascents, descents, restarts
from lastgood.plan.draft import Draft, Going, Tree
from lastgood.plan.naming import Names

_PROOF = "a command that returns proves nothing; what is seen does"


def captures(draft: Draft, *, many: bool) -> tuple[CaptureStep, ...]:
    """Keep what the service shows on every host."""
    name, service = Names("", many=many), draft.target.service
    because = "what the present release shows is lost once it is replaced"
    return tuple(CaptureStep(name("capture", service, host), service, host, because) for host in draft.observed.hosts)


def attempt(goings: Sequence[Going], number: int, *, changed: bool) -> tuple[Step, ...]:
    """Everything for the attempt of that number; `changed` says whether git needs a commit."""
    name = Names(f"{number}.", many=len(goings) > 1)
    return (
        *_put(goings, name, changed=changed, down=descents(goings, name, number)),
        *restarts(goings, name),
        *(_proof(going, name) for going in goings),
        _record(goings, name, changed=changed),
        *(_syncs(goings, name) if changed else ()),
        *chain.from_iterable(_fresh(going, name) for going in goings if going.moves),
        *watches([(going.draft.target, going.image, going.hosts) for going in goings if going.moves], name),
    )


def watches(moved: Sequence[tuple[Target, Runnable, tuple[str, ...]]], name: Names) -> tuple[WatchStep, ...]:
    """Watch the logs of what was put there, last of all: git and the checkouts do not wait for that."""
    because = "what the gate does not see shows in the logs"
    return tuple(
        WatchStep(name("watch", target.service), target.service, image, hosts, float(target.watch), because)
        for target, image, hosts in moved
    )


def restore(drafts: Sequence[Draft], before: Sequence[Tree] | None, attempts: Sequence[Attempt]) -> Restore | None:
    """How the state from before comes back; None where it is not known well enough.

    `before` are the trees that run now. Where only schemas and who was stopped for them come back, none is needed.
    """
    images = [draft.running.image for draft in drafts]
    known = [image for image in images if image is not None]
    name = Names("restore.", many=len(drafts) > 1)
    back = ascents(attempts, name)
    below = {step.service for one in attempts[:1] for step in one.steps if isinstance(step, StopStep)}
    bare = all(draft.target.service in below and not draft.pin_first for draft in drafts)
    if len(known) != len(images) or (not before and not bare):
        return None
    trees = before or [Tree("", image.image, (), ()) for image in known]
    goings = [Going(*each) for each in zip(drafts, known, trees, strict=True)]
    verifies = tuple(_back(going, name) for going in goings)
    put = _put(goings, name, changed=True, down=None)
    # Once there was a switch onto a schema that went down, nothing is switched back by itself.
    put = tuple(step for step in put if isinstance(step, PinStep | CheckoutStep) or _whose(step) not in below)
    return Restore(tuple(known), (*back, *put, *verifies), "when nothing passes, production is left as it was found")


def _whose(step: Step) -> str:
    return getattr(step, "service", "")


def _put(goings: Sequence[Going], name: Names, *, changed: bool, down: tuple[Step, ...] | None) -> tuple[Step, ...]:
    """Everything is had and checked everywhere before anything is switched; then service by service.

    `down` is what has to happen to schemas before; None where the state from before is put back.
    """
    marked = down is not None
    moving = [going for going in goings if going.moves]
    pin = (_pin(goings, name),) if changed and _pin_first(goings) else ()
    return (
        *chain.from_iterable(_pulls(going, name) for going in moving),
        *chain.from_iterable(_renders(going, name, marked=marked) for going in moving),
        *(down or ()),
        *pin,
        *_checkouts(moving, name, goings[-1].tree.id, pinned=bool(pin)),
        *chain.from_iterable(_switches(going, name, marked=marked) for going in moving),
        *chain.from_iterable(_purges(going, name) for going in moving),
    )


def _pin_first(goings: Sequence[Going]) -> bool:
    return any(going.draft.pin_first for going in goings)


def _pulls(going: Going, name: Names) -> tuple[Step, ...]:
    service, image = going.draft.target.service, going.image
    because = (
        "it must be there before anything is switched; it was there a moment ago"
        if image.image_id
        else "it must be there before anything is switched; it is not, and is pulled by digest"
    )
    return tuple(PullStep(name("pull", service, host), service, host, image, because) for host in going.hosts)


def _renders(going: Going, name: Names, *, marked: bool) -> tuple[Step, ...]:
    if going.draft.pin_first:
        return ()
    service, tree, hosts = going.draft.target.service, going.tree, going.draft.observed.hosts
    return tuple(
        RenderStep(
            name("render", service, host), service, host, tree.id, _folder(going), going.image, tree.services, marked,
            view.compose, "what runs must be exactly what git will say",
        )
        for host, view in hosts.items()
    )  # fmt: skip


def _pin(goings: Sequence[Going], name: Names) -> PinStep:
    because = "the deploy script runs what the branch says, so the pin comes before the switch"
    base = goings[0].draft.observed.tip.commit
    return PinStep(name("pin"), goings[-1].tree.id, base, _pinned(goings), because)


def _checkouts(goings: Sequence[Going], name: Names, tree: str, *, pinned: bool) -> tuple[Step, ...]:
    """One for each host: the services of an app are in one checkout."""
    because = "the deploy script reads the server's checkout"
    pin = name("pin") if pinned else ""
    return tuple(
        CheckoutStep(
            name("checkout", "", host), host, pin, first.draft.observed.tip.commit, tree, files, because,
            _ours(first, host),
        )
        for host, first, files in _checked_out(goings)
    )  # fmt: skip


def _ours(going: Going, host: str) -> tuple[tuple[str, str], ...]:
    seen = going.draft.observed.hosts[host].checkout
    return seen.value.ours if isinstance(seen, Known) else ()


def _checked_out(goings: Sequence[Going]) -> list[tuple[str, Going, tuple[str, ...]]]:
    """Each host with a checkout that is deployed from, and the pin files that matter there."""
    ours = [going for going in goings if going.draft.pin_first and going.moves]
    hosts = dict.fromkeys(host for going in ours for host in going.hosts)
    return [(host, ours[0], tuple(going.draft.target.pin_file for going in ours)) for host in hosts]


def _switches(going: Going, name: Names, *, marked: bool) -> tuple[Step, ...]:
    """In the order that the environment asks for. What is put back is put back everywhere at once."""
    hosts, order = going.draft.observed.hosts, going.draft.target.order
    switches = tuple(_switch(going, name, host, view, marked=marked) for host, view in hosts.items())
    if len(switches) == 1 or order is Order.ALL_AT_ONCE or not marked:
        return switches
    alone = len(switches) - 1 if order is Order.ONE_BY_ONE else 1
    first: list[Step] = []
    for switch in switches[:alone]:
        first += [switch, _between(going, name, switch.host)]
    return (*first, *switches[alone:])


def _switch(going: Going, name: Names, host: str, view: HostView, *, marked: bool) -> SwitchStep:
    target = going.draft.target
    ours = marked and not going.draft.pin_first  # the team's script puts no mark on the containers
    folder = target.checkout if going.draft.pin_first else _folder(going)
    return SwitchStep(
        name("switch", target.service, host), target.service, host, folder, going.image, going.tree.services,
        _scale(view), ours, view.compose, "this is the rollback itself",
    )  # fmt: skip


def _between(going: Going, name: Names, host: str) -> VerifyStep:
    service = going.draft.target.service
    because = "one host has to run it before the next is touched"
    return VerifyStep(
        name("verify", service, host), service, going.image, gate=True, hosts=(host,), probed=False, because=because
    )


def _proof(going: Going, name: Names) -> VerifyStep:
    service = going.draft.target.service
    return VerifyStep(
        name("verify", service), service, going.image, gate=True, hosts=going.hosts, probed=True, because=_PROOF,
        flows=tuple(flow.name for flow in going.draft.target.flows),
    )  # fmt: skip


def _back(going: Going, name: Names) -> VerifyStep:
    service = going.draft.target.service
    because = "the state from before is seen to be back"
    return VerifyStep(
        name("verify", service), service, going.image, gate=False, hosts=going.hosts, probed=True, because=because
    )


def _record(goings: Sequence[Going], name: Names, *, changed: bool) -> RecordStep:
    base, pins = goings[0].draft.observed.tip.commit, _pinned(goings)
    if not changed:
        return RecordStep(name("record"), "", base, pins, "", "git pins it already")
    because = "git has to say what runs, or the next deploy brings the bad release back"
    pin = name("pin") if _pin_first(goings) else ""
    return RecordStep(name("record"), goings[-1].tree.id, base, pins, pin, because)


def _syncs(goings: Sequence[Going], name: Names) -> tuple[Step, ...]:
    because = "the next deploy starts from what the branch says"
    return tuple(SyncStep(name("sync", "", host), host, files, because) for host, _, files in _checked_out(goings))


def _purges(going: Going, name: Names) -> tuple[Step, ...]:
    """Once every host was switched: one that was not could fill the cache again with what was left."""
    service, cdn = going.draft.target.service, going.draft.target.cdn
    because = "it would go on giving customers what it has kept of the release that was left"
    return (PurgeStep(name("purge", service), service, cdn.cache.kind, because),) if cdn else ()


def _fresh(going: Going, name: Names) -> tuple[Step, ...]:
    """Last of all: a cache that does not follow must not keep git from saying what runs."""
    service, cdn = going.draft.target.service, going.draft.target.cdn
    because = "what runs does not help customers who are given something else"
    return (FreshStep(name("fresh", service), service, cdn.cache.kind, because),) if cdn else ()


def _pinned(goings: Sequence[Going]) -> tuple[Pinned, ...]:
    return tuple(Pinned(going.draft.target.service, going.tree.pin) for going in goings)


def _folder(going: Going) -> str:
    return release_folder(going.draft.target, going.tree.id, going.image)


def release_folder(target: Target, tree: str, image: Runnable) -> str:
    """Where a release's exported tree lies on a host."""
    bytes_ = (image.image.digest or image.image_id).rpartition(":")[2][:12]
    return f"{target.state}/releases/{target.env}/{target.service}/{tree[:12]}-{bytes_}"


def _scale(view: HostView) -> tuple[tuple[str, int], ...]:
    """Services that run more than one container keep their number: `up` alone would go back to the file's."""
    if isinstance(view.containers, Unknown):
        return ()
    names = [c.service for c in view.containers.value if c.mine and not c.oneshot_done]
    return tuple((name, names.count(name)) for name in sorted(set(names)) if names.count(name) > 1)
