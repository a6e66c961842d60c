"""What a comparison means, in sentences and commands. Pure."""

from collections.abc import Iterator, Sequence

from lastgood.database._compared import Compared
from lastgood.database._doubted import Partly
from lastgood.model.schema import NOTHING, SchemaState
from lastgood.model.standing import Truth


def truth(state: SchemaState, found: Compared) -> Truth:
    """What the schema says of the version that the table says."""
    if not state.dirty and not state.doubt and (found.as_noted or stated(state, found) in found.matches):
        return Truth.RIGHT
    if len(found.matches) == 1:
        return Truth.WRONG
    if found.matches:
        return Truth.AMBIGUOUS
    return Truth.UNKNOWN if found.replayed.stopped else Truth.DIFFERENT


def stated(state: SchemaState, found: Compared) -> int | None:
    """The place of what the table says among the versions; None where it is none of them."""
    if state.applied is not None and set(state.applied) != set(found.versions[1 : len(state.applied) + 1]):
        return None
    return found.versions.index(state.version) if state.version in found.versions else None


def called(version: str) -> str:
    """A version in a sentence."""
    return f"version {version}" if version != NOTHING else "no version"


def happened(state: SchemaState, found: Compared) -> Iterator[str]:
    """What the schema shows of what was done."""
    versions, matches = found.versions, found.matches
    if found.as_noted:
        yield "the schema is what the applied migrations make, in the order in which they were applied"
    for at in matches:
        yield _dirty(versions, stated(state, found), at, state) if state.dirty else _clean(found, at, state)
    if len(matches) > 1:
        alike = [versions[at] for at in matches if at - 1 in matches]
        names = ", ".join(versions[at] or "none" for at in matches)
        yield f"versions {names} have the same schema" + (f": {', '.join(alike)} change none" if alike else "")
    unknown = sorted(set(state.applied or (state.version,)) - set(versions))
    if unknown:
        yield f"no release that is known has {', '.join(map(called, unknown))}"
    if found.replayed.stopped:
        yield found.replayed.stopped


def _dirty(versions: Sequence[str], here: int | None, at: int, state: SchemaState) -> str:
    """What a step that was begun and not noted did, where the schema is that of `at`."""
    schema, aim = f"the schema is that of {called(versions[at])}", called(state.version)
    if here is None or abs(at - here) > 1:
        return f"{schema}, which no single step to {aim} explains"
    if at == here - 1:
        return f"the step up to {aim} failed, and nothing of it is there: {schema}"
    if at == here + 1:
        return f"the step down from {versions[at]} to {aim} failed, and nothing of it was done: {schema}"
    up = f"up from {called(versions[at - 1])}" if at else ""
    down = f"down from {called(versions[at + 1])}" if at + 1 < len(versions) else ""
    which = " or ".join(filter(None, (up, down)))
    open_ = ", which leave the same schema" if up and down else ""
    return f"the step to {aim} was applied wholly, and only its end was not noted: it was the step {which}{open_}"


def _clean(found: Compared, at: int, state: SchemaState) -> str:
    """What is noted wrongly, where the schema is that of `at`."""
    versions = found.versions
    schema = f"the schema is that of {called(versions[at])}"
    noted = set(state.applied if state.applied is not None else _up_to(versions, state.version))
    there = set(versions[1 : at + 1])
    more = [one for one in versions[1:] if one in there - noted]
    less = [one for one in (*versions[1:], *sorted(noted - set(versions))) if one in noted - there]
    said = [f"applied and not noted: {', '.join(more)}"] if more else []
    said += [f"noted and not applied: {', '.join(less)}"] if less else []
    return "; ".join((schema, *said))


def _up_to(versions: Sequence[str], version: str) -> tuple[str, ...]:
    if version in versions:
        return tuple(versions[1 : versions.index(version) + 1])
    return (version,)


def halfway(found: Partly) -> tuple[str, ...]:
    """How far a script came."""
    path, count = found.doubt.script.path, f"{found.done} of {found.total}"
    said = [f"the step {found.doubt.way} was applied in part: {count} statements of {path} are there"]
    if found.line:
        said.append(f"the next one stands in line {found.line}")
    if found.failed:
        said.append(f"it fails on an empty database, too: {found.failed}")
    return tuple(said)


def choices(words: str, kind: Truth, matches: Sequence[str], parted: Partly | None) -> tuple[str, ...]:
    """What a person can do; `words` are SERVICE and ENV."""
    again = f"lastgood db resolve {words}"
    if kind is Truth.RIGHT:
        return ()
    if kind is Truth.WRONG:
        return (f"{again} --yes",)
    if kind is Truth.AMBIGUOUS:
        return tuple(f"{again} --set {one or 'none'}" for one in matches)
    by_hand = (f"put right by hand what differs, then: {again}",)
    if parted:
        path = parted.doubt.script.path
        finish = f"do the rest of {path} by hand, from line {parted.line} on, then: {again}"
        by_hand = (*((finish,) if parted.line else ()), f"or take back by hand what is there of {path}, then: {again}")
    return (*by_hand, f"or go back to a backup: lastgood db backups {words}")
