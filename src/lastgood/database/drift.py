"""Whether a schema is what the applied migrations make."""

from lastgood.database._compared import Search, Sources, noted_versions, odd
from lastgood.database._replay import Stand, replay
from lastgood.model.database import Difference
from lastgood.model.errors import Refused
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.schema import Migration, SchemaState
from lastgood.postgres.fingerprint import difference


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
