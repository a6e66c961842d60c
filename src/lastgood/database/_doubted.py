"""The script whose end nobody noted: how far it came, and which of its statements a difference is about."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from lastgood.database._replay import Stand, apply, prepared, statements
from lastgood.model.database import Failed, Fingerprint
from lastgood.model.facts import Unknown
from lastgood.model.schema import Migration, SchemaState, Script, Statement
from lastgood.model.standing import Deviation
from lastgood.postgres.asking import execute
from lastgood.postgres.client import Client
from lastgood.sql import parts

_LONG: Final = 600.0
# A difference begins with what it is about: a kind, of one word or of several, and a name.
_ENDS: Final = (" is missing", " is there and was not", ' was "', " has ")
_NAME: Final = re.compile(r"(?:materialized view|event trigger|grants on \w+|\w+) ([^(]*).*", re.DOTALL)


class Doubt(msgspec.Struct, frozen=True):
    """A script that may have been begun: that of the step `way` (`up`, `down`), with `base` migrations applied before.

    `way` reads as a sentence's part: `up to 3`, `down from 4`.
    """

    script: Script
    base: int
    way: str


class Partly(msgspec.Struct, frozen=True):
    """A script of which the first `done` of `total` statements are there. `line` is the first that is not; 0: none.

    `failed` are the server's words where the next statement fails on an empty database, too.
    """

    doubt: Doubt
    done: int
    total: int
    line: int
    failed: str = ""


def doubts(state: SchemaState, steps: Sequence[Migration]) -> tuple[Doubt, ...]:
    """The scripts that may have been begun without their tool having noted it."""
    versions = ["", *(step.version for step in steps)]
    if state.version not in versions or (state.applied is None and not state.dirty):
        return ()
    at = versions.index(state.version)
    # A tool that notes the aim first is dirty at it; the others are still at where they began.
    up, down = (at, at + 1) if state.dirty else (at + 1, at)
    found = []
    if 0 < up <= len(steps) and (script := steps[up - 1].up):
        found.append(Doubt(script, up - 1, f"up to {versions[up]}"))
    if 0 < down <= len(steps) and (script := steps[down - 1].down):
        found.append(Doubt(script, down, f"down from {versions[down]}"))
    return tuple(found)


def partly(stand: Stand, steps: Sequence[Migration], live: Fingerprint, doubt: Doubt) -> Partly | None:
    """How far the script came, where the schema is what some of its statements make, one by one; else None."""
    around = stand.around()
    pieces = [one for one in statements(doubt.script) if not one.control]
    if isinstance(around, Unknown) or not pieces:
        return None
    with prepared(stand, steps, around.value) as client:
        if isinstance(client, Unknown):
            return None
        for step in steps[: doubt.base]:
            if step.up is None or isinstance(apply(client.value, step.up), Failed):
                return None
        stand.note(f"running {doubt.script.path} statement by statement")
        return _reached(stand, client.value, live, doubt, pieces)


def _reached(
    stand: Stand, client: Client, live: Fingerprint, doubt: Doubt, pieces: Sequence[Statement]
) -> Partly | None:
    before = ""  # each statement has a session of its own, and needs the settings that the file made
    for at, one in enumerate(pieces, 1):
        done = execute(client, f"{before}{one.text}", transaction=False, timeout=_LONG)
        before += f"{one.text};\n" if one.verb == "SET" else ""
        schema = stand.schema(client)
        if isinstance(schema, Unknown):
            return None
        there = schema.value.digest == live.digest
        if isinstance(done, Failed):  # what it left may be there, as of an index that was begun
            return Partly(doubt, at - 1, len(pieces), one.line, done.reason) if there else None
        if there:
            following = pieces[at] if at < len(pieces) else None
            return Partly(doubt, at, len(pieces), following.line if following else 0, _fails(client, following))
    return None


def _fails(client: Client, following: Statement | None) -> str:
    """Why the statement after those that are there fails; empty where it works, or there is none."""
    done = execute(client, following.text, transaction=False, timeout=_LONG) if following else None
    return done.reason if isinstance(done, Failed) else ""


def attributed(said: Iterable[str], scripts: Sequence[Script]) -> tuple[Deviation, ...]:
    """Differences with the statement that each is about, in the first script that has one."""
    return tuple(_attributed(one, scripts) for one in said)


def _attributed(said: str, scripts: Sequence[Script]) -> Deviation:
    subject = _subject(said)
    for names in (_changed, _touched):
        for script in scripts:
            for one in reversed(statements(script)):
                if any(_same(subject, name) for name in names(one)):
                    return Deviation(said, script.path, one.line)
    return Deviation(said)


def _subject(said: str) -> tuple[str, ...]:
    """What a difference is about, without its kind: the parts of its name."""
    text = said[: min((at for end in _ENDS if (at := said.find(end)) > 0), default=len(said))]
    found = _NAME.fullmatch(text)
    try:
        return parts(found[1]) if found else ()
    except ValueError:
        return ()


def _changed(one: Statement) -> Iterator[str]:
    """Names of what a statement makes or takes away."""
    for made in one.makes:
        yield made.name if made.what != "enum value" else made.of
        if made.of and made.what in {"constraint", "trigger", "policy", "rule"}:
            yield f"{made.of}.{made.name}"
    yield from (doomed.name for doomed in one.doomed)


def _touched(one: Statement) -> Iterator[str]:
    """Names of the tables that a statement locks so that nobody can write: their parts may change."""
    yield from (lock.relation for lock in one.locks)


def _same(subject: tuple[str, ...], name: str) -> bool:
    """Whether the subject is what the statement names, or a part of it: `public.orders.note` of `orders`."""
    try:
        wanted = parts(name)
    except ValueError:
        return False
    spans = range(len(subject) - len(wanted) + 1)
    return any(subject[at : at + len(wanted)] == wanted for at in spans)
