"""Salvages as text. Pure."""

from collections.abc import Iterator

from lastgood.cli.text_db import size
from lastgood.cli.words import ago, field, moment
from lastgood.model.salvage import Part, PutBack, PuttingBack, Salvage, Salvages
from lastgood.model.schema import What
from lastgood.model.target import shown


def salvages_text(found: Salvages, now: int) -> tuple[str, ...]:
    """What is kept, newest first."""
    head = f"{found.target}: {found.database}, salvages of it: {len(found.salvages)}"
    each = (line for one in found.salvages for line in _one(one, now))
    strange = (f"  ! {path} cannot be read" for path in found.unreadable)
    return (head, *field("folder", found.folder), *each, *strange)


def _one(one: Salvage, now: int) -> Iterator[str]:
    yield ""
    yield f"  {one.run}: down from {one.before or 'none'} to {one.to or 'none'}, {moment(one.at)} ({ago(one.at, now)})"
    if one.done:
        yield from field("put back", f"{moment(one.done.at)} by {one.done.by}")
    yield from field("in", f"{one.folder} on {shown(one.host)}")
    yield from field("kept", *map(_part, one.parts))


def _part(part: Part) -> str:
    note = f"; not put back by lastgood: {part.note}" if part.note else ""
    return f"{part.called}: {part.rows} {_unit(part)}, {size(part.size)}{note}"


def _unit(part: Part) -> str:
    return "values" if part.keys and part.what in {What.COLUMN, What.VALUES} else "rows"


def putting_text(found: PuttingBack) -> tuple[str, ...]:
    """What was put back, or would be, and what was not and why."""
    from lastgood.cli import out

    head = out.block(f"{found.target}: {found.what}", found.because, ())
    each = (f"  {_fates(one, happened=found.happened)}" for one in found.parts)
    return (*head, *each, *field("by hand", *found.by_hand), *field("next", *found.next))


def _fates(one: PutBack, *, happened: bool) -> str:
    back = "put back" if happened else "to be put back"
    said = {back: one.back, "there already": one.same, "newer, and kept": one.newer, "without a row now": one.gone}
    return f"{one.name}: " + "; ".join(f"{many} {word}" for word, many in said.items() if many or word == back)
