"""A live schema against what the releases' migrations make: which versions have this very schema."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from lastgood.database._replay import Replayed, Stage, Stand, made, replay
from lastgood.database.releases import Sourced
from lastgood.model.database import Fingerprint
from lastgood.model.errors import Refused
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.schema import NOTHING, Migration, SchemaState
from lastgood.postgres.fingerprint import difference

Sources = Callable[[], Iterator[Fact[Sourced]]]
"""The migrations of the release that runs, then those of others, newest first."""

_MOST: Final = 4
_READ: Final = "`database.migrations` in lastgood.yaml says where a release's migrations are"
_EXTENSION: Final = "extension "


class Compared(msgspec.Struct, frozen=True):
    """A release's migrations, what they make, and the places in `replayed.stages` whose schema is the live one.

    `live` is without the extensions of `taken` sentences, where some were left out to find a match.
    """

    sourced: Sourced
    replayed: Replayed
    live: Fingerprint
    matches: tuple[int, ...]
    as_noted: bool = False

    @property
    def steps(self) -> tuple[Migration, ...]:
        """The migrations, oldest first."""
        return self.sourced.migrations.steps

    @property
    def versions(self) -> tuple[str, ...]:
        """The versions, that of nothing first."""
        return (NOTHING, *(step.version for step in self.steps))

    def nearest(self, to: str) -> Stage:
        """The stage that differs least from the live schema; of several, the one that is nearest to version `to`."""
        stages = self.replayed.stages
        here = self.versions.index(to) if to in self.versions else len(stages)
        wrong = [len(difference(stage.schema, self.live).real) for stage in stages]
        return stages[min(range(len(stages)), key=lambda at: (wrong[at], abs(at - here)))]


@dataclass
class Search:
    """Looks through the releases for migrations that make the live schema. `running` are those of the first source."""

    stand: Stand
    state: SchemaState
    live: Fingerprint
    reasons: list[str] = field(default_factory=list)
    running: Sourced | None = None
    _read: list[Sourced] = field(default_factory=list)

    def run(self, sources: Sources) -> Compared:
        """The first release's that explain the schema, else those that come nearest.

        Raises Refused where no migrations can be had, or none be replayed.
        """
        tried: list[Compared] = []
        for sourced in self.candidates(sources):
            found = self._compared(sourced)
            if isinstance(found, Unknown):
                self.reasons.append(found.reason)
                break
            if found.value.matches or found.value.as_noted:
                return found.value
            tried.append(found.value)
            if len(tried) == _MOST:
                break
        if not tried:
            because = tuple(dict.fromkeys(self.reasons))
            raise Refused("What the migrations make cannot be told.", because=because, next=(_READ,))
        lenient = next((one for one in map(self._without_extensions, tried) if one.matches), None)
        return lenient or min(tried, key=self._distance)

    def _distance(self, one: Compared) -> int:
        return len(difference(one.nearest(self.state.version).schema, one.live).real)

    def candidates(self, sources: Sources) -> Iterator[Sourced]:
        """Those that know every version that the table has; the others only where none does. Each once."""
        noted, lacking, knowing = noted_versions(self.state), list[Sourced](), False
        keys: list[tuple[tuple[str, str], ...]] = []
        for at, fact in enumerate(sources()):
            if isinstance(fact, Unknown):
                self.reasons.append(fact.reason)
                continue
            sourced = fact.value
            self.running = sourced if not at else self.running
            if not sourced.migrations.native:
                said = "These migrations are no SQL, and only their own tool can tell what they make."
                raise Refused(said, next=("ask that tool, in a container of the release that runs: `alembic current`",))
            key = tuple((one.version, one.up.sha256 if one.up else "") for one in sourced.migrations.steps)
            if any(known[: len(key)] == key for known in keys):
                continue
            keys.append(key)
            self._read.append(sourced)
            if noted <= {one.version for one in sourced.migrations.steps}:
                knowing = True
                yield sourced
            else:
                lacking.append(sourced)
        yield from () if knowing else lacking

    def _compared(self, sourced: Sourced) -> Fact[Compared]:
        steps = sourced.migrations.steps
        if applied := odd(self.state, steps):  # one was left out, and may have been on purpose
            last = replay(self.stand, applied, every=False)
            if isinstance(last, Unknown):
                return last
            if last.value.stages and last.value.stages[-1].schema.digest == self.live.digest:
                return Known(Compared(sourced, last.value, self.live, (), as_noted=True))
        found = replay(self.stand, steps)
        if isinstance(found, Unknown):
            return found
        return Known(Compared(sourced, found.value, self.live, _matching(found.value.stages, self.live)))

    def _without_extensions(self, one: Compared) -> Compared:
        """The same, where extensions that no migration of any release makes do not count."""
        ours = frozenset().union(*(made(sourced.migrations.steps, "extension") for sourced in self._read))
        there = {part for part in self.live.parts if part.startswith(_EXTENSION)}
        extra = sorted(part for part in there if part.removeprefix(_EXTENSION).strip('"') not in ours)
        live = _less(self.live, extra)
        stages = tuple(Stage(stage.version, _less(stage.schema, extra)) for stage in one.replayed.stages)
        taken = (*one.replayed.taken, *(f"the {part} was put there by no migration" for part in extra))
        replayed = msgspec.structs.replace(one.replayed, stages=stages, taken=tuple(dict.fromkeys(taken)))
        return Compared(one.sourced, replayed, live, _matching(stages, live) if extra else ())


def noted_versions(state: SchemaState) -> frozenset[str]:
    """The versions that the table has."""
    if state.applied is not None:
        return frozenset(state.applied)
    return frozenset((state.version,)) - {NOTHING}


def odd(state: SchemaState, steps: Sequence[Migration]) -> tuple[Migration, ...]:
    """The migrations that are applied, where they are known and no beginning of the steps; else none."""
    by_version = {one.version: one for one in steps}
    applied = state.applied or ()
    if not set(applied) <= by_version.keys() or set(applied) == {one.version for one in steps[: len(applied)]}:
        return ()
    return tuple(by_version[one] for one in applied)


def _matching(stages: Sequence[Stage], live: Fingerprint) -> tuple[int, ...]:
    return tuple(at for at, stage in enumerate(stages) if stage.schema.digest == live.digest)


def _less(one: Fingerprint, parts: Sequence[str]) -> Fingerprint:
    kept = {name: text for name, text in one.parts.items() if name not in parts}
    return msgspec.structs.replace(one, parts=kept)
