"""Databases as text. Pure."""

from collections.abc import Iterator

from lastgood.cli.text_status import unknown
from lastgood.cli.words import field, image
from lastgood.model.database import Difference
from lastgood.model.facts import Fact, Unknown
from lastgood.model.standing import Ahead, DatabaseStatus, Deviation, Resolution, Truth

_UNITS = ((1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB"))


def size(count: int) -> str:
    """Bytes as people read them: `3.2 MB`."""
    for least, unit in _UNITS:
        if count >= least:
            return f"{count / least:.1f} {unit}"
    return f"{count} B"


def database_text(status: DatabaseStatus) -> tuple[str, ...]:
    """Everything about one database."""
    return tuple(_one(status))


def _one(status: DatabaseStatus) -> Iterator[str]:
    dirty = ", dirty" if status.dirty else ""
    yield f"{status.target}: schema version {status.schema_version or 'none'}{dirty}"
    yield from field("database", status.database, f"PostgreSQL {status.server}, {size(status.size)}")
    yield from field("tool", f"{status.tool}, by {status.table}")
    if status.applied is not None:
        yield from field("applied", ", ".join(status.applied) or "nothing")
    yield from field("doubt", status.doubt)
    yield from field("dirty", *status.meaning)
    yield from field("runs", *_ahead(status.runs))
    yield from field("back to", *_ahead(status.back_to))
    yield from field("restore", status.restore)
    yield from field("drift", *_drift(status.drift))
    yield from field("next", *status.next)


def resolution_text(found: Resolution) -> tuple[str, ...]:
    """What was really applied, and what is to be done or was."""
    return tuple(_resolved(found))


def _resolved(found: Resolution) -> Iterator[str]:
    dirty = ", dirty" if found.dirty else ""
    yield f"{found.target}: {_verdict(found)}"
    yield from field("database", found.database)
    yield from field(
        "said", f"version {found.schema_version or 'none'}{dirty}, by {found.table} ({found.tool})", found.doubt
    )
    yield from field("found", *found.said)
    yield from field("compared", found.where, *found.taken)
    if found.nearest is not None:
        yield from field("nearest", f"version {found.nearest or 'none'}, from which it differs:")
        yield from field("", *map(_deviation, found.differences))
    yield from field("sets", *found.sql.splitlines())
    yield from field("next", *found.next)


def _verdict(found: Resolution) -> str:
    if found.done:
        return f"set to version {found.to or 'none'}, and seen to be so"
    if found.to is not None:
        return f"the schema is that of version {found.to or 'none'}"
    return {
        Truth.RIGHT: "nothing to resolve",
        Truth.AMBIGUOUS: "several versions have this schema, and a person has to say which it is",
        Truth.DIFFERENT: "the schema is that of no version, and nothing is set",
        Truth.UNKNOWN: "it cannot be told which version the schema is that of, and nothing is set",
    }.get(found.truth, "nothing to resolve")


def _deviation(one: Deviation) -> str:
    return f"{one.said} ({one.path}, line {one.line})" if one.path else one.said


def _drift(found: Fact[Difference] | None) -> tuple[str, ...]:
    if found is None:
        return ()
    if isinstance(found, Unknown):
        return (unknown(found),)
    return (*found.value.real, *found.value.order) or ("none: the schema is what the applied migrations make",)


def _ahead(found: Fact[Ahead]) -> tuple[str, ...]:
    """A release against the database."""
    if isinstance(found, Unknown):
        return (unknown(found),)
    one = found.value
    said = [f"{image(one.image)}, {one.where}"]
    if one.missing:
        said.append(f"does not know, and the database has: {', '.join(one.missing)}")
    if one.pending:
        said.append(f"knows, and the database lacks: {', '.join(one.pending)}")
    if not one.missing and not one.pending:
        said.append("the database is at its version")
    return tuple(said)
