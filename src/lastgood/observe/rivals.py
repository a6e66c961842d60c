"""What on the hosts would undo a rollback by itself: every kind of rival, on every host, side by side."""

from collections.abc import Sequence
from functools import partial

import msgspec

from lastgood import catalog
from lastgood.model.command import Command, Completed
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.observed import Container, HostView
from lastgood.model.rival import Seen
from lastgood.model.target import Target
from lastgood.observe.together import together
from lastgood.ports import Rival, Tools


def seen(target: Target, tools: Tools, hosts: dict[str, HostView]) -> dict[str, Fact[tuple[Seen, ...]]]:
    """The rivals on each host, in the order of their kinds. `hosts` shows which containers are ours.

    A kind that could not be looked for makes the whole host's answer Unknown only where no other kind found anything;
    else it is among the answers, as a Seen that says so.
    """
    found = together([partial(_on, target, tools, host, view) for host, view in hosts.items()])
    return dict(zip(hosts, found, strict=True))


def _on(target: Target, tools: Tools, host: str, view: HostView) -> Fact[tuple[Seen, ...]]:
    ours = tuple(c for c in view.containers.value if c.mine) if isinstance(view.containers, Known) else ()
    rivals = dict(zip(catalog.kinds("rivals"), catalog.rivals(), strict=True))
    first = _ask(tools, host, [q for one in rivals.values() for q in one.questions(target)])
    more = _ask(tools, host, [q for one in rivals.values() for q in one.follow_up(target, first)])
    answers = (*first, *more)
    return _sum({kind: _read(one, target, ours, answers) for kind, one in rivals.items()})


def _read(
    rival: Rival, target: Target, ours: tuple[Container, ...], answers: Sequence[Completed]
) -> Fact[tuple[Seen, ...]]:
    return rival.read(target, ours, answers)


def _sum(read: dict[str, Fact[tuple[Seen, ...]]]) -> Fact[tuple[Seen, ...]]:
    found = tuple(one for fact in read.values() if isinstance(fact, Known) for one in fact.value)
    blind = {kind: fact.reason for kind, fact in read.items() if isinstance(fact, Unknown)}
    if blind and not found:
        return Unknown("; ".join(f"{kind}: {reason}" for kind, reason in blind.items()))
    return Known(
        (*found, *(Seen(kind, kind, f"it could not be looked for: {reason}") for kind, reason in blind.items()))
    )


def _ask(tools: Tools, host: str, commands: Sequence[Command]) -> tuple[Completed, ...]:
    """Each command once, however many kinds want its answer."""
    placed = [msgspec.structs.replace(command, host=host) for command in dict.fromkeys(commands)]
    return tuple(together([partial(tools.process.run, command) for command in placed])) if placed else ()
