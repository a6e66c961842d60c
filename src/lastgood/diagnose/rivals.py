"""What would bring a bad release back, or prune the way back: rivals on the hosts, and images with one place only."""

from lastgood.diagnose.case import Case, ok, unknown, warn
from lastgood.model.errors import LastgoodError
from lastgood.model.facts import Fact, Unknown
from lastgood.model.report import Check
from lastgood.model.rival import Harm, Seen
from lastgood.observe.images import look
from lastgood.observe.rivals import seen


def checks(case: Case) -> tuple[Check, ...]:
    """Each host's rivals, and the images that only one host has. Nothing where the world could not be looked at."""
    if isinstance(case.seen, LastgoodError):
        return ()
    found = seen(case.target, case.tools, case.seen.hosts)
    return tuple(check for host, fact in found.items() for check in _of(case, host, fact))


def retention(case: Case) -> tuple[Check, ...]:
    """Images that are needed to go back, are on one host only, and can never be pulled again."""
    if isinstance(case.seen, LastgoodError):
        return ()
    name, depth = f"{case.name}: retention", case.target.walk_back.releases
    found = look(case.target, case.tools, case.seen, depth)
    bare = [i for i in found.images if i.registry == "gone" and len(i.hosts) == 1 and i.protected != i.hosts]
    if not bare:
        return ()
    said = ", ".join(f"{image.image.name} is only on {image.hosts[0]}" for image in bare)
    then = f"lastgood images protect {case.target.service} {case.target.env}"
    return (warn(name, f"{said}, gone from the registry, and not protected", then),)


def _of(case: Case, host: str, fact: Fact[tuple[Seen, ...]]) -> tuple[Check, ...]:
    name = f"{case.name} on {host}: rivals"
    if isinstance(fact, Unknown):
        return (unknown(name, fact.reason),)
    harmful = [one for one in fact.value if one.harm is not Harm.NONE]
    if not harmful:
        return (
            ok(name, "; ".join(f"{one.name}: {one.said}" for one in fact.value) or "nothing would undo a rollback"),
        )
    return tuple(warn(name, f"{one.kind} {one.name}: {one.said}", *_then(case, one)) for one in harmful)


def _then(case: Case, one: Seen) -> tuple[str, ...]:
    if one.harm is Harm.PRUNES:
        return (f"lastgood images protect {case.target.service} {case.target.env}",)
    return (" ".join(one.pause),) if one.pause else ()
