"""What hosts and probes show right now: shared by planning, the gate and `resume`."""

from collections.abc import Callable
from functools import partial

import msgspec

from lastgood.git import checkout
from lastgood.model.command import Command, Completed
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.observed import Checkout, Container, HostView, Look
from lastgood.model.release import Image
from lastgood.model.target import Target
from lastgood.observe import deploys
from lastgood.observe.together import Asked, together
from lastgood.ports import Tools
from lastgood.record.redact import without


def look_at(target: Target, tools: Tools, host: str, repository: str, *, brief: bool = False) -> HostView:
    """One host's containers of the service, and unless `brief` all that only planning has to know."""
    glance = tools.engine.glance(target, repository)
    if brief:
        return _discreet(tools.engine.read(_followed(tools, host, glance)))
    beside = tuple(c for c in tools.engine.questions(target, repository) if c not in glance)
    meanwhile = Asked(partial(_followed, tools, host, beside))
    others = Asked(partial(_beside_the_engine, target, tools, host))
    near = _followed(tools, host, glance)  # asked before anything is waited for
    return others.answer()(_discreet(tools.engine.read((*near, *meanwhile.answer()))))


def _discreet(view: HostView) -> HostView:
    """Without secrets in what HEALTHCHECKs printed, which becomes a reason in plans, records and messages."""
    if isinstance(view.containers, Unknown):
        return view
    clean = (msgspec.structs.replace(one, health_log=without(one.health_log)) for one in view.containers.value)
    return msgspec.structs.replace(view, containers=Known(tuple(clean)))


def _beside_the_engine(target: Target, tools: Tools, host: str) -> Callable[[HostView], HostView]:
    """What the engine cannot tell: which deploys run there, and what is in the checkout that it deploys from."""
    running = Asked(partial(deploys.running, target, tools, host))
    seen = _checked_out(target, tools, host) if tools.engine.pin_first else None
    found = running.answer()
    return lambda view: msgspec.structs.replace(view, checkout=seen, deploys=found)


def _checked_out(target: Target, tools: Tools, host: str) -> Fact[Checkout]:
    """The checkout, as far as it can be seen and brought forward by whoever logs in."""
    look, may = _ask(tools, host, (checkout.look(target.checkout), checkout.writable(target.checkout)))
    seen = checkout.read(look)
    if isinstance(seen, Known) and not may.ok:
        return Unknown(f"{target.checkout} belongs to somebody else and cannot be written")
    return seen


def look_everywhere(target: Target, tools: Tools, repository: str, *, brief: bool = False) -> dict[str, HostView]:
    """Every host at once."""
    views = together([partial(look_at, target, tools, host, repository, brief=brief) for host in target.hosts])
    return dict(zip(target.hosts, views, strict=True))


def _followed(tools: Tools, host: str, commands: tuple[Command, ...]) -> tuple[Completed, ...]:
    """Answers, and answers to what they make it possible to ask; nothing waits for what it does not need."""
    first = _ask(tools, host, commands)
    return (*first, *_ask(tools, host, tools.engine.follow_up(first)))


def _ask(tools: Tools, host: str, commands: tuple[Command, ...]) -> tuple[Completed, ...]:
    placed = [msgspec.structs.replace(command, host=host) for command in commands]
    return tuple(together([partial(tools.process.run, command) for command in placed]))


def probe(tools: Tools, image: Image, containers: tuple[Container, ...]) -> tuple[Look, ...]:
    """Every probe's one look, expecting `image`; an answer that holds a secret is told without it."""
    looks = together([partial(one.look, tools.http, image, containers) for one in tools.probes])
    return tuple(msgspec.structs.replace(look, said=without(look.said)) for look in looks)


def pins_containers(views: dict[str, HostView]) -> tuple[Container, ...]:
    """The pin's containers over all hosts that could be seen."""
    return tuple(
        c for view in views.values() if isinstance(view.containers, Known) for c in view.containers.value if c.mine
    )
