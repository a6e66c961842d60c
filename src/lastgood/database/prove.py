"""Migrations proved by running them: up, down, up again, with rows in the tables, and nothing may be different.

    A ── up ──▶ B (rows are put in) ── down ──▶ must be A, with all rows of A ── up ──▶ must be B

What is wrong is a finding. After each one the database is made anew from the first migration on, so that no migration
is blamed for another.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from lastgood.database import _proof_told as told
from lastgood.database._linted import Pair, Read, pair
from lastgood.database._proof_bench import Bench, State, opened
from lastgood.database._proof_rows import announced, lost, more
from lastgood.model.database import Failed
from lastgood.model.errors import Refused
from lastgood.model.lint import Finding, Mark, Outcome, Proof, Proved
from lastgood.model.schema import Migration, Migrations
from lastgood.postgres.client import Client
from lastgood.postgres.fingerprint import difference

Tell = Callable[[str], None]
Proofs = tuple[Proof | None, tuple[Finding, ...]]


def prove(client: Client, migrations: Migrations, *, image: str = "", tell: Tell = lambda _: None) -> Proofs:
    """What running the migrations shows; None where they are no SQL. `tell` gets one line for each of them.

    It is done in a throw-away database: on a server of `image`, or beside the client's own where that is empty. Nothing
    of it stays, whatever happens. Raises Refused where there is none to be had.
    """
    if not migrations.native:
        return None, (told.unprovable(),)
    with opened(client, image) as bench:
        tell(f"  PostgreSQL {bench.like.version}: {len(migrations.steps)} migrations up, down and up again")
        return proved(bench, migrations, tell)


def proved(bench: Bench, migrations: Migrations, tell: Tell = lambda _: None) -> tuple[Proof, tuple[Finding, ...]]:
    """As `prove`, in a throw-away database that is there and empty."""
    work = _Proving(bench, migrations.steps)
    steps = tuple(work.each(tell))
    return Proof(bench.like.version, steps), tuple(work.found)


@dataclass
class _Proving:
    """One database, and what was found in it. `first` is the first migration after which rows are put in."""

    bench: Bench
    steps: tuple[Migration, ...]
    found: list[Finding] = field(default_factory=list)
    first: int = 0
    _reached: bool = True
    _told: set[tuple[str, str]] = field(default_factory=set)

    def each(self, tell: Tell) -> Iterator[Proved]:
        state = self.bench.state()
        for at, migration in enumerate(self.steps):
            if not self._reached:
                yield Proved(migration.version, migration.name, Outcome.NOT_REACHED)
                continue
            before = len(self.found)
            case = _Case(self, at, pair(migration))
            outcome = case.outcome(state)
            new = self.found[before:]
            state = case.end
            proved = Proved(migration.version, migration.name, outcome, migration.irreversible)
            tell(told.line(proved, new))
            yield proved

    def stop(self) -> None:
        """Nothing that comes later can be told."""
        self._reached = False

    def seed(self, at: int, side: Read, before: State) -> None:
        """Put rows in after the up, which began at `before`, and say once where there can be none."""
        for table, why in self.bench.seed(at, before).items():
            if (table, why) not in self._told:
                self._told.add((table, why))
                self.found.append(told.unseeded(side, table, why))

    def only_counted(self, side: Read, state: State) -> Iterator[Finding]:
        """The tables that are too large to be compared row by row, each once."""
        for table, rows in state.rows.items():
            if rows.rows is None and (table, "") not in self._told:
                self._told.add((table, ""))
                yield told.counted(side, table)

    def replay(self, upto: int, *, seeded: bool) -> None:
        """The database as it is after the first `upto` migrations; `seeded`: with rows after the last one, too."""
        at = 0
        self.bench.renew()
        while at < upto:
            up = self.steps[at].up
            ran = self.bench.apply(up) if up else None
            if isinstance(ran, Failed):
                if self.first >= at:
                    version = self.steps[at].version
                    said = f"Migration {version} ran before, and does not now."
                    raise Refused(said, because=(ran.reason,), next=("lastgood lint migrations, without --prove",))
                self.first, at = at, 0  # only empty tables bear it
                self.bench.renew()
                continue
            if at >= self.first and (seeded or at < upto - 1):
                self.bench.seed(at)
            at += 1


@dataclass
class _Case:
    """One migration. `late`: rows are put in only when it is done with; `end` is how it leaves the database."""

    work: _Proving
    at: int
    pair: Pair
    late: bool = False
    end: State = field(init=False)

    def outcome(self, state: State) -> Outcome:
        """Prove it, in a database as `state` says."""
        self.end = state
        before = len(self._errors)
        up, down = self.pair.up, self.pair.down
        started = self._up(up, state) if up is not None else None
        if up is None or started is None:
            self._say(*([told.no_up(self.pair.migration.version, down)] if up is None else []))
            self.work.stop()
            return Outcome.FAILED
        runs = down is not None and not self.pair.migration.irreversible
        if down is not None and runs:
            self._there_and_back(up, down, started)
        if len(self._errors) > before:
            self.work.replay(self.at + 1, seeded=True)
            self.end = self.work.bench.state()
            return Outcome.FAILED
        # What the down took, or what came too late, is filled for the next one.
        if self.late or not runs or self.end.empty:
            if not runs:
                self.end = self.work.bench.state()
            self.work.seed(self.at, up, self.end)
            self.end = self.work.bench.filled(self.end)
        if runs:
            return Outcome.PROVED
        return Outcome.IRREVERSIBLE if self.pair.migration.irreversible else Outcome.NO_DOWN

    @property
    def _errors(self) -> list[Finding]:
        return [finding for finding in self.work.found if finding.mark is Mark.ERROR]

    def _say(self, *findings: Finding) -> None:
        self.work.found.extend(findings)

    def _up(self, up: Read, state: State) -> State | None:
        """Run the up; the state that it began at. None where it fails, with rows and without."""
        failed = self.work.bench.apply(up.script)
        if not isinstance(failed, Failed):
            return state
        if state.filled:
            first, self.work.first = self.work.first, self.at
            self.work.replay(self.at, seeded=False)
            empty = self.work.bench.state()
            if not isinstance(self.work.bench.apply(up.script), Failed):
                self.late = True
                self._say(told.only_empty(up, failed, "up"))
                return empty
            self.work.first = first
        self._say(told.failed(up, failed, "up"))
        return None

    def _there_and_back(self, up: Read, down: Read, before: State) -> None:
        bench = self.work.bench
        if not self.late:
            self.work.seed(self.at, up, before)
        there = self._down(down)
        if there is None:
            return
        self._say(*self.work.only_counted(up, there))
        back = bench.state()
        self._say(*told.differs(down, difference(before.shape, back.shape), "the down"))
        gone = tuple(lost(before.rows, back.rows))
        self._say(*(told.lost(down, one, announced(one, up)) for one in gone))
        again = bench.apply(up.script)
        if isinstance(again, Failed):
            self._say(told.failed(up, again, "up, run again after the down,"))
            return
        self.end = bench.state()
        self._say(*told.differs(up, difference(there.shape, self.end.shape), "the up, run again after the down,"))
        # What was written since the up, as far as the schema before it can hold it. The up's own changes are no loss.
        told_of = {one.table for one in gone}
        kept = {name: rows for name, rows in there.rows.items() if name in before.rows and name not in told_of}
        narrowed = {name: rows.only(before.rows[name].columns) for name, rows in kept.items()}
        since = [one for one in lost(narrowed, self.end.rows) if not announced(one, up)]
        self._say(*(told.lost_since(down, one, announced(one, down)) for one in since))
        self._say(*(told.doubled(up, table, number) for table, number in more(there.rows, self.end.rows)))

    def _down(self, down: Read) -> State | None:
        """Run the down; the state that it began at. None where it fails, with this migration's rows and without."""
        there = self.work.bench.state()
        failed = self.work.bench.apply(down.script)
        if not isinstance(failed, Failed):
            return there
        if not self.late:
            self.late = True
            self.work.replay(self.at + 1, seeded=False)
            there = self.work.bench.state()
            if not isinstance(self.work.bench.apply(down.script), Failed):
                self._say(told.only_empty(down, failed, "down"))
                return there
        self._say(told.failed(down, failed, "down"))
        return None
