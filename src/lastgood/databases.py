"""The facade for a service's database: who may act on it, what earlier attempts left, which backups are needed."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final

import msgspec

from lastgood.database import backups, intents, restorable, restoring
from lastgood.database.choices import addressed
from lastgood.database.desk import DatabaseDesk
from lastgood.database.status import status
from lastgood.journal.fold import fold
from lastgood.model.backups import BackupMade, Backups, Verification
from lastgood.model.errors import ConfigError, Exit, InDoubt, LastgoodError, LeaseHeld, UsageError
from lastgood.model.event import Entry
from lastgood.model.observed import Observed
from lastgood.model.restoring import PREFIX, Agreed, Restored, Restoring, again
from lastgood.model.standing import DatabaseStatus
from lastgood.run import lease
from lastgood.run.desk import Desk
from lastgood.run.leases import Leases, held

Tell = Callable[[str], None]
Office = Callable[[Tell], Desk]

_NANO: Final = 1_000_000_000


class Databases:
    """One target's database. `office` is who acts: journal, leases, machine; `observe` looks at all of the target."""

    def __init__(self, desk: DatabaseDesk, office: Office, observe: Callable[[], Observed]) -> None:
        self._desk = desk
        self._office = office
        self._observe = observe

    def status(self) -> DatabaseStatus:
        """How the database stands to the releases. Raises Refused, NeedsHuman where it cannot be asked.

        Raises InDoubt where that is so because a restore has not ended.
        """
        unfinished = intents.shown(self._desk)
        try:
            with addressed(self._desk.target):
                found = status(self._desk, self._observe())
        except LastgoodError as error:
            intent = intents.read(self._desk) if unfinished else None
            if intent is None:
                raise
            raise intents.interrupted(self._desk, intent) from error
        if not unfinished:
            return found
        return msgspec.structs.replace(found, restore=unfinished, next=(again(PREFIX, found.target), *found.next))

    def goal(self, to: str) -> str:
        """The release that `to` means: a version of the schema, or a release. Raises as `run.goals.goal`."""
        from lastgood.run.goals import goal

        return goal(self._desk, self._observe(), to)

    def backup(self, why: str, tell: Tell, *, prove: bool, take_over: bool) -> BackupMade:
        """Make a backup, look at it, and let go of those that the retention rule lets go.

        Raises Refused, NeedsHuman as `backups.make` does, LeaseHeld where another one is made at this moment.
        """
        office = self._office(tell)
        with self._alone(office, "backup", why, take_over=take_over) as run:
            made = backups.make(
                self._desk, run, why or f"asked for by {office.holder.partition(' pid ')[0]}", prove=prove, tell=tell
            )
            needed, because = self._needed(office)
            removed = () if because else backups.let_go(self._desk, needed)
            warnings = (*made.warnings, f"no backup is let go: {because}") if because else made.warnings
            return msgspec.structs.replace(made, removed=removed, warnings=warnings)

    def backups(self) -> Backups:
        """The backups that are kept. Raises Refused where they cannot be listed."""
        there = lease.read(self._desk.files, self._desk.target.state, self._beside)
        return backups.listed(self._desk, there.shown() if there else "")

    def verify(self, name: str, tell: Tell, *, take_over: bool) -> Verification:
        """Look at a backup, the newest by default, or at a dump by its path: restored and counted as well.

        Raises UsageError where there is none, LeaseHeld where one is made or looked at at this moment.
        """
        path, manifest = backups.chosen(self._desk, name)
        with self._alone(self._office(tell), "verify", path, take_over=take_over) as run:
            return backups.look(self._desk, path, manifest, run, restoring=True, tell=tell)

    def planned(self, name: str, tell: Tell, *, back: bool, keep_running: bool) -> tuple[Restoring, str]:
        """What restoring a backup, or with `back` the former database, would do; and the name it has as a run.

        Touches nothing. Raises InDoubt where a restore has not ended, Refused where it must not be, UsageError.
        """
        unfinished = intents.read(self._desk)
        if unfinished:
            raise intents.interrupted(self._desk, unfinished)
        run = f"{PREFIX}{self._stamp()}-{secrets.token_hex(2)}"
        if back:
            return restorable.from_kept(self._desk, name, run, keep_running=keep_running), run
        return restorable.from_dump(self._desk, name, run, tell, keep_running=keep_running), run

    def restore(self, agreed: Agreed, run: str, tell: Tell, *, take_over: bool) -> Restored:
        """Carry an accepted restore out. Raises as `restoring.restore`, and LeaseHeld where somebody else acts."""
        what = f"restore of {agreed.plan.database} from {agreed.plan.source}"
        with self._holding(run, what, tell, take_over=take_over) as bench:
            return restoring.restore(bench, agreed)

    def resume(self, tell: Tell, *, aborting: bool, take_over: bool) -> Restored:
        """Bring a restore that has not ended to its end, or with `aborting` back to the database from before.

        Raises UsageError where there is none.
        """
        intent = intents.read(self._desk)
        if intent is None:
            return self._nothing(tell, take_over=take_over)
        if intent.machine != self._office(tell).machine and not take_over:
            because = (f"{intent.run}, begun by {intent.holder}", intents.standing(self._desk, intent))
            command = again(intent.run, self._desk.target.name, "--take-over")
            raise LeaseHeld(
                "The restore was begun on another machine.", because=because, next=(f"{command}   # if it died",)
            )
        what = f"{'abort' if aborting else 'end'} of the restore of {intent.plan.database}"
        with self._holding(intent.run, what, tell, take_over=take_over) as bench:
            there = intents.read(self._desk)  # it may have ended while the lease was waited for
            if there is None:
                raise UsageError("The restore has ended meanwhile.", next=(f"lastgood db status {self._words}",))
            return (restoring.abort if aborting else restoring.resume)(bench, there)

    def _nothing(self, tell: Tell, *, take_over: bool) -> Restored:
        """There is no restore to take up; a lease that one left before its first effect, or after its last, goes."""
        desk, target = self._office(tell), self._desk.target
        there = held(desk.shared.files, target.state, target.name, target.hosts)
        if there is None or not there.run.startswith(PREFIX):
            raise UsageError(
                f"No restore of {target.name} waits to be ended.", next=(f"lastgood db status {self._words}",)
            )
        with self._holding(there.run, "end of a restore", tell, take_over=take_over):
            what = f"{there.run} had nothing left to do."
            because = ("it died before its first effect or after its last one",)
            name = self._desk.spec.name
            return Restored(target.name, there.run, Exit.DONE, what, because, (), name, "", None, 0.0)

    @contextmanager
    def _holding(self, run: str, doing: str, tell: Tell, *, take_over: bool) -> Iterator[restoring.Bench]:
        """Hold the leases of the target's hosts, as every run does. They stay where the restore stops half-way."""
        desk = self._office(tell)
        token = secrets.token_hex(16)
        leases = Leases(desk, run, token, self._desk.target.hosts)
        with desk.live.executing(run):
            leases.tidy(lambda other: self._over(desk, other, run))
            leases.take(doing, take_over=take_over)
            keep = lambda: leases.keep(alone=False)  # noqa: E731 - one expression, used once
            try:
                yield restoring.Bench(self._desk, run, desk.holder, desk.machine, keep, tell)
            except KeyboardInterrupt:
                raise self._stopped(run, "interrupted") from None
            finally:
                if self._at_rest():
                    leases.release()

    def _at_rest(self) -> bool:
        """Whether it is seen that no restore is under way: until then its leases stay."""
        try:
            return intents.read(self._desk) is None
        except LastgoodError:
            return False

    def _over(self, desk: Desk, other: str, run: str) -> bool:
        """Whether a lease is one that a restore of this machine left behind with nothing more to do."""
        if not other.startswith(PREFIX) or other == run or desk.live.alive(other) or intents.read(self._desk):
            return False
        target = self._desk.target
        there = held(desk.shared.files, target.state, target.name, target.hosts)
        return there is not None and there.machine == desk.machine

    def _stopped(self, run: str, why: str) -> InDoubt:
        command = again(run, self._desk.target.name)
        return InDoubt(
            "The restore stopped half-way.", because=(why,), next=(command, command.replace("--resume", "--abort"))
        )

    @contextmanager
    def _alone(self, office: Desk, what: str, doing: str, *, take_over: bool) -> Iterator[str]:
        """Be the only one who makes or looks at backups of this target; what died over it is tidied first.

        This is not the lease of runs: a backup that takes an hour is in nobody's way who rolls back.
        """
        desk, clock, state = self._desk, self._desk.tools.clock, self._desk.target.state
        # Two of one second, on one host, must not share what is thrown away.
        run, token = f"{what}-{secrets.token_hex(2)}-{self._stamp()}", secrets.token_hex(16)
        with office.live.executing(run):
            there = lease.read(desk.files, state, self._beside)
            dead = there is not None and there.machine == office.machine and not office.live.alive(there.run)
            if there is not None and (dead or take_over):
                office.progress(backups.tidied(desk, there.run))
                lease.release(desk.files, state, self._beside, there.token)
            try:
                lease.take(
                    desk.files, clock, state, self._beside,
                    run=run, token=token, holder=office.holder, doing=f"{what} {doing}".strip(), machine=office.machine,
                )  # fmt: skip
            except LeaseHeld as error:
                said = f"Backups of {desk.target.name} are being worked on already."
                then = f"lastgood db {what} {self._words} --take-over   # only if that died"
                raise LeaseHeld(said, because=error.because, next=("wait for it to end", then)) from error
            failed: LastgoodError | None = None
            try:
                yield run
            except LastgoodError as error:
                failed = error
                raise
            finally:
                try:
                    lease.release(desk.files, state, self._beside, token)
                except InDoubt as lost:
                    raise self._cut_off(what, failed, lost) from failed

    def _cut_off(self, what: str, failed: LastgoodError | None, lost: InDoubt) -> InDoubt:
        """The host went away meanwhile: what failed for it, and that the next one takes away what was left there."""
        if failed is None:
            return lost
        again = f"lastgood db {what} {self._words}   # takes away first what this one left"
        return InDoubt(failed.what, because=(*failed.because, *lost.because), next=(*lost.next, again))

    def _needed(self, office: Desk) -> tuple[tuple[str, ...], str]:
        """The backups that stay because a run that is not at its end names them; or why that is not known."""
        target = self._desk.target
        try:
            intent = intents.read(self._desk)
            there = held(office.shared.files, target.state, target.name, target.hosts)
            texts = [msgspec.json.encode(one.event) for run in office.journal.runs() for one in _open(office, run)]
            paths = [one.backup.path for one in backups.listed(self._desk, "").backups]
        except (LastgoodError, ConfigError) as error:
            return (), error.what
        if there and not (intent and there.run == intent.run):
            return (), f"somebody acts on {target.name}: {there.shown()}"
        named = [path for path in paths if any(msgspec.json.encode(path)[1:-1] in text for text in texts)]
        return (*named, *([intent.plan.source] if intent else [])), ""

    def _stamp(self) -> str:
        return f"{datetime.fromtimestamp(self._desk.tools.clock.now() // _NANO, UTC):%Y%m%dT%H%M%SZ}"

    @property
    def _beside(self) -> str:
        """The name of the lease for backups: no service can have it."""
        return f"{self._desk.target.service}+backups/{self._desk.target.env}"

    @property
    def _words(self) -> str:
        return f"{self._desk.target.service} {self._desk.target.env}"


def _open(office: Desk, run: str) -> tuple[Entry, ...]:
    """The lines of a run that has not ended, or ended without being settled."""
    entries = office.journal.entries(run)
    ended = fold(entries).ended
    return entries if ended is None or ended.exit in (Exit.IN_DOUBT, Exit.MITIGATED) else ()
