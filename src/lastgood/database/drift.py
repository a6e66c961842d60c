"""Whether a schema is what the applied migrations make."""

import secrets
from typing import Final

from lastgood.database._compared import Search, Sources, noted_versions, odd
from lastgood.database._replay import Note, Stand, replay
from lastgood.database.choices import ALONE, OTHERWISE
from lastgood.database.releases import Sourced
from lastgood.database.tables import Tool
from lastgood.model.database import Difference
from lastgood.model.errors import Refused
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.schema import Migration, SchemaState
from lastgood.postgres.client import Client
from lastgood.postgres.fingerprint import difference

_NEW: Final = " is there and was not"


def drift(stand: Stand, state: SchemaState, sources: Sources) -> Fact[Difference]:
    """How the live schema differs from what the applied migrations make of nothing, in a throw-away database.

    Unknown where the version cannot be believed, no release knows it, or its migrations cannot be applied to nothing.
    """
    if state.dirty or state.doubt:
        return Unknown(state.doubt or "the version is dirty: lastgood db resolve says what was applied")
    live = stand.schema(stand.client)
    if isinstance(live, Unknown):
        return live
    steps = _applied(Search(stand, state, live.value), state, sources)
    if isinstance(steps, Unknown):
        return steps
    made = replay(stand, steps.value, every=False)
    if isinstance(made, Unknown):
        return made
    if made.value.stopped:
        return Unknown(made.value.stopped)
    return Known(difference(made.value.stages[-1].schema, live.value))


def undrifted(client: Client, tool: Tool, state: SchemaState, newer: Sourced, note: Note) -> str:
    """For the reader: that the schema is what its migrations make, or why that is unknown.

    Raises Refused where it is not, but for extensions that somebody installed: a down undoes what its up made, and
    nobody can answer for what it does to anything else.
    """
    stand = Stand(client, tool.table, f"drift-{secrets.token_hex(4)}", note)
    found = drift(stand, state, lambda: iter((Known(newer),)))
    if isinstance(found, Unknown):
        return f"whether the schema is what its migrations make is unknown: {found.reason}"
    real = tuple(each for each in found.value.real if not (each.startswith("extension ") and each.endswith(_NEW)))
    if not real:
        return "the schema is what its migrations make"
    raise Refused(
        f"The schema is not what {newer.where} make, so nobody can answer for what their downs do.",
        because=real,
        next=(
            "lastgood db status SERVICE ENV --drift",
            "undo by hand what was done by hand, as told above",
            ALONE,
            OTHERWISE,
        ),
    )


def _applied(search: Search, state: SchemaState, sources: Sources) -> Fact[tuple[Migration, ...]]:
    """The migrations that the table says are applied, of the first release that knows them."""
    noted = noted_versions(state)
    try:
        first = next(search.candidates(sources), None)
    except Refused as error:
        return Unknown(error.what.rstrip("."))
    if first is None:
        return Unknown("; ".join(dict.fromkeys(search.reasons)))
    steps = first.migrations.steps
    versions = [one.version for one in steps]
    if not noted <= set(versions):
        return Unknown(f"no release that is known has {', '.join(sorted(noted - set(versions)))}")
    if state.applied is None:
        return Known(steps[: versions.index(state.version) + 1] if noted else ())
    return Known(odd(state, steps) or steps[: len(state.applied)])
