"""A restore carried out: a database made beside, containers stopped, names swapped, containers started; all noted.

Each phase's intent is on the host's disk before its first effect, so that whoever finds it can ask the server how far
it has come: until the swap the database is the old one, from then on the restored one.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec

from lastgood.database import containers, intents
from lastgood.database.choices import by_hand, unanswered
from lastgood.database.desk import DatabaseDesk
from lastgood.database.trying import unlike, watched
from lastgood.model.command import Child, Command, Completed
from lastgood.model.database import Failed, Swap, SwapState
from lastgood.model.errors import Exit, InDoubt, NeedsHuman, Refused, WorldMoved
from lastgood.model.facts import Unknown
from lastgood.model.restoring import Agreed, Intent, Phase, Restored, Restoring, again
from lastgood.ports import Process
from lastgood.postgres import facts, kept, sessions
from lastgood.postgres.asking import script, told
from lastgood.postgres.client import Client
from lastgood.postgres.create import comments, drop
from lastgood.postgres.quoting import ident, literal
from lastgood.postgres.restore import restore_beside, swap_for
from lastgood.postgres.swap import reopen, swap

_SWAP_PATIENCE: Final = 30.0


@dataclass(frozen=True)
class Bench:
    """What a restore is carried out with: `keep` makes sure that the leases are still ours, before each effect.

    `keep` raises LeaseHeld and InDoubt. `holder` and `machine` say who acts.
    """

    desk: DatabaseDesk
    run: str
    holder: str
    machine: str
    keep: Callable[[], None]
    tell: Callable[[str], None]


def restore(bench: Bench, agreed: Agreed) -> Restored:
    """Carry a consented restore out. Raises WorldMoved where it does not fit any more, Refused where nothing was done.

    Raises InDoubt where a restore is there that has not ended, or this one stops half-way.
    """
    plan = agreed.plan
    _unmoved(bench, plan)
    at = bench.desk.tools.clock.now() // 1_000_000_000
    intent = Intent(bench.run, bench.holder, bench.machine, at, plan, agreed.by, agreed.how, Phase.LOADING)
    bench.keep()
    intents.create(bench.desk, intent)
    return _Restoration(bench, intent).carry()


def resume(bench: Bench, intent: Intent) -> Restored:
    """Bring a restore that did not end to its end, from where reality shows it to be. Raises as `restore`."""
    found = _Restoration(bench, intent)
    found.settle()
    return found.carry()


def abort(bench: Bench, intent: Intent) -> Restored:
    """Go back to the database from before. Raises Refused where the restored one is in use already."""
    found = _Restoration(bench, intent)
    found.settle()
    now = intents.reality(bench.desk, intent)
    if isinstance(now, Unknown):
        raise InDoubt("Which database is in use is not known.", because=(now.reason,), next=("try again",))
    if now.value in {SwapState.RENAMED, SwapState.DONE}:
        then = f"{again(intent.run, intent.plan.target)}, then: lastgood db restore {_words(intent.plan)} --back"
        raise Refused("The restored database is in use already.", because=(intents.NEW,), next=(then,))
    return found.give_up("it was given up")


def _unmoved(bench: Bench, plan: Restoring) -> None:
    """What was agreed to is still so: the same database, the same names to be had."""
    client = bench.desk.client(bench.run)
    there = facts.overview(client)
    if isinstance(there, Unknown):
        raise unanswered(client, there.reason)
    numbers = facts.databases(client)
    if isinstance(numbers, Unknown):
        raise unanswered(client, numbers.reason)
    if there.value.oid != plan.oid or numbers.value.get(plan.side, 0) != plan.side_oid or plan.aside in numbers.value:
        said = "The databases of the server are not those that the restore was agreed for."
        raise WorldMoved(said, next=(f"lastgood db restore {_words(plan)} … again",))


class _Noted:
    """A Process that tells of every process before it can do anything."""

    def __init__(self, inner: Process, note: Callable[[Child], None]) -> None:
        self._inner = inner
        self._note = note
        self.talk = inner.talk
        self.reap = inner.reap

    def run(
        self,
        command: Command,
        *,
        on_start: Callable[[Child], None] | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> Completed:
        return self._inner.run(command, on_start=on_start or self._note, on_line=on_line)


class _Restoration:
    """One restore, with what is noted of it."""

    def __init__(self, bench: Bench, intent: Intent) -> None:
        self._bench = bench
        self._desk = bench.desk
        self._intent = intent
        self._plan = intent.plan
        self._rows: dict[str, int] | None = None
        self._begun = time.monotonic()

    def carry(self) -> Restored:
        """The phases from the noted one on."""
        if self._intent.phase is Phase.LOADING:
            failed = self._load()
            if failed:
                return self._untouched(failed)
        if self._intent.phase is Phase.SWAPPING:
            failed = self._swap()
            if failed:
                return self.give_up(failed)
        return self._start()

    def settle(self) -> None:
        """End what an earlier lastgood left running for this restore, so that reality stands still."""
        patience = _SWAP_PATIENCE if self._intent.phase is Phase.SWAPPING else 0.0
        for child in self._intent.children:
            self._desk.tools.process.reap(child, patience)
        maintenance = self._maintenance()
        for name in (maintenance.reach.name, self._plan.side, self._plan.database, self._plan.aside):
            ended = sessions.reap(maintenance, name)
            if isinstance(ended, Unknown):
                said = "The server cannot be asked what of the restore goes on."
                then = (by_hand(maintenance, "SELECT 1"), again(self._intent.run, self._plan.target))
                raise InDoubt(said, because=(ended.reason,), next=then)
        if self._intent.phase is Phase.LOADING and not self._plan.back:
            self._drop_side()

    def _load(self) -> str:
        """Have the new database beside the real one, its rows counted; why that cannot be, or nothing."""
        plan = self._plan
        failed = "" if plan.back else self._fill()
        if failed:
            return failed
        counted = facts.counts(self._client().of(plan.side))
        if isinstance(counted, Unknown):
            return counted.reason
        self._rows = counted.value
        wrong = unlike(plan.rows, counted.value) if plan.rows is not None else ()
        wanted = swap_for(self._maintenance(), plan.database, plan.side, plan.aside)
        if wrong or isinstance(wanted, Failed):
            return "; ".join(wrong) or (wanted.reason if isinstance(wanted, Failed) else "")
        if wanted.old != plan.oid:
            return f"{plan.database} is another database by now"
        self._note(phase=Phase.SWAPPING, swap=wanted, children=())
        return ""

    def _fill(self) -> str:
        """Restore the dump into a new database; why that cannot be, or nothing. It was read to its end for the plan."""
        plan, client = self._plan, self._client()
        digest = kept.checksum(client, plan.source)
        if isinstance(digest, Unknown):
            return digest.reason
        if digest.value != plan.sha256 or plan.form is None:
            return f"{plan.source} is not the dump that was looked at: its checksum is {digest.value[:12]}…"
        self._bench.keep()
        self._bench.tell(f"restoring {plan.source} into {plan.side}, beside {plan.database}")
        size = f"SELECT pg_database_size({literal(plan.side)})"
        with watched(lambda: self._grown(size), self._bench.tell):
            made = restore_beside(client, plan.source, plan.form, plan.side, run=self._bench.run)
        return made.reason if isinstance(made, Failed) else ""

    def _grown(self, question: str) -> str:
        said = told(self._desk.client(), question)
        return "" if isinstance(said, Unknown) else f"{int(said.value or 0):,} bytes restored"

    def _swap(self) -> str:
        """Stop who writes, and let both databases trade names; why that cannot be, or nothing."""
        plan, wanted = self._plan, self._wanted
        now = intents.reality(self._desk, self._intent)
        if isinstance(now, Unknown):
            raise self._doubt("Which database is in use is not known.", now.reason)
        if now.value is SwapState.UNCLEAR:
            said = f"{wanted.name} and {wanted.side} are not the databases that were to be swapped any more."
            raise NeedsHuman(
                said,
                because=(f"numbers {wanted.old} and {wanted.new}",),
                next=("psql -l", f"then remove {intents.place(self._desk)}"),
            )
        if plan.stops and now.value is not SwapState.DONE:
            self._bench.keep()
            self._bench.tell(f"stopping {', '.join(one.name for one in plan.stops)}")
            stopped = containers.stop(self._desk, plan.stops)
            if stopped and now.value in {SwapState.BEFORE, SwapState.CLOSED}:
                return stopped.reason
        self._bench.keep()
        self._bench.tell(f"{plan.side} becomes {plan.database}, which is kept as {plan.aside}")
        maintenance = self._maintenance()
        maintenance.process = _Noted(maintenance.process, self._born)
        done = swap(maintenance, wanted)
        if isinstance(done, Failed):
            after = intents.reality(self._desk, self._intent)
            if isinstance(after, Unknown) or after.value is not SwapState.BEFORE:
                raise self._doubt("The swap of both databases stopped half-way.", done.reason)
            return done.reason
        self._note(phase=Phase.STARTING, swap=wanted, children=())
        return ""

    def _start(self) -> Restored:
        """Start what was stopped, and see that the restored database is the one that is used."""
        plan = self._plan
        if plan.stops:
            self._bench.keep()
            self._bench.tell(f"starting {', '.join(one.name for one in plan.stops)}")
            started = containers.start(self._desk, plan.stops)
            if started:
                raise self._doubt("The restored database is in use, and the service cannot be started.", started.reason)
        there = facts.overview(self._desk.client())
        if isinstance(there, Unknown) or there.value.oid != self._wanted.new:
            reason = there.reason if isinstance(there, Unknown) else f"{plan.database} is number {there.value.oid}"
            raise self._doubt("It is not seen that the restored database is the one in use.", reason)
        wrong = containers.unwell(self._desk, plan.stops)
        intents.remove(self._desk, self._intent)
        back = f"lastgood db restore {_words(plan)} --back"
        gone = f"when it is not needed any more, in psql: DROP DATABASE {ident(plan.aside)};"
        if wrong:
            what = f"{plan.database} is restored, and the service is not well with it."
            return self._ended(Exit.NEEDS_HUMAN, what, (wrong,), (back,), plan.aside)
        what = f"{plan.database} is restored{' as it was' if plan.back else ''} from {plan.source}."
        because = (f"the former database is kept as {plan.aside}",)
        return self._ended(Exit.DONE, what, because, (back, gone), plan.aside)

    def give_up(self, why: str) -> Restored:
        """Back to the database from before: opened, its service started, the new one dropped."""
        plan = self._plan
        self._bench.keep()
        if self._intent.swap:
            opened = reopen(self._maintenance(), self._intent.swap)
            if isinstance(opened, Failed):
                raise self._doubt("The database from before cannot be opened again.", opened.reason)
            started = containers.start(self._desk, plan.stops)
            if started:
                raise self._doubt(
                    "The database from before is in use, and the service cannot be started.", started.reason
                )
        return self._untouched(why)

    def _untouched(self, why: str) -> Restored:
        if not self._plan.back:
            self._drop_side()
        intents.remove(self._desk, self._intent)
        what = f"{self._plan.database} was not restored; it is as it was."
        return self._ended(Exit.FAILED_RESTORED, what, (why,), (), "")

    def _drop_side(self) -> None:
        """Drop what was made of the new database. Nobody else could have it: its name was free when this was noted."""
        maintenance, side = self._maintenance(), self._plan.side
        said = comments(maintenance)
        if isinstance(said, Unknown):
            raise self._doubt(f"{side} cannot be dropped.", said.reason)
        if said.value.get(side) == "":  # made, and not yet marked as ours
            script(
                maintenance,
                f"COMMENT ON DATABASE {ident(side)} IS {literal(f'lastgood side {self._intent.run}')};",
                timeout=30.0,
            )
        gone = drop(maintenance, side)
        if isinstance(gone, Failed):
            raise self._doubt(f"{side} cannot be dropped.", gone.reason)

    @property
    def _wanted(self) -> Swap:
        if self._intent.swap is None:
            raise self._doubt("It is not noted which databases were to be swapped.", intents.place(self._desk))
        return self._intent.swap

    def _client(self) -> Client:
        """The database; what takes long is noted when it is started."""
        client = self._desk.client(self._bench.run)
        client.on_start = self._born
        return client

    def _maintenance(self) -> Client:
        found = facts.maintenance(self._desk.client(self._bench.run))
        if isinstance(found, Unknown):
            raise self._doubt("The server cannot be asked.", found.reason)
        return found.value

    def _born(self, child: Child) -> None:
        plain = msgspec.structs.replace(child, argv=child.argv[:1])
        self._note(phase=self._intent.phase, swap=self._intent.swap, children=(*self._intent.children[-3:], plain))

    def _note(self, *, phase: Phase, swap: Swap | None, children: tuple[Child, ...]) -> None:
        self._intent = msgspec.structs.replace(self._intent, phase=phase, swap=swap, children=children)
        intents.replace(self._desk, self._intent)

    def _doubt(self, what: str, because: str) -> InDoubt:
        command = again(self._intent.run, self._plan.target)
        return InDoubt(what, because=(because,), next=(command, command.replace("--resume", "--abort")))

    def _ended(self, exit_: Exit, what: str, because: tuple[str, ...], then: tuple[str, ...], aside: str) -> Restored:
        plan, took = self._plan, time.monotonic() - self._begun
        return Restored(
            plan.target, self._intent.run, exit_, what, because, then, plan.database, aside, self._rows, took
        )


def _words(plan: Restoring) -> str:
    return plan.target.replace("/", " ")
