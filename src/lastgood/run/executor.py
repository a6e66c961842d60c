"""Carries a run out: asks for the next move, records the intent, acts, records what was seen; again until the end.

`resume` is the same loop: what a killed process left in doubt is first settled by asking reality.
"""

import contextlib
import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TypeAlias

import msgspec

from lastgood import __version__
from lastgood.journal.fold import fold
from lastgood.journal.store import new_run_id
from lastgood.model.command import Child
from lastgood.model.errors import Exit, InDoubt, LastgoodError, Refused, WorldMoved
from lastgood.model.event import (
    ChildStarted,
    Entry,
    Event,
    Failure,
    Judged,
    Kept,
    Resumed,
    Run,
    RunEnded,
    RunStarted,
    Said,
    StepDone,
    StepFailed,
    StepStarted,
    StepState,
)
from lastgood.model.facts import No, Unclear, Unknown, Yes
from lastgood.model.plan import AnyPlan, Approved, Facts
from lastgood.model.release import short
from lastgood.model.step import (
    DownStep,
    LossyDownStep,
    RecordStep,
    ReloadStep,
    RestartStep,
    Step,
    SwitchStep,
    WatchStep,
)
from lastgood.observe.together import together
from lastgood.plan.moves import End, host_of, lost, mixed
from lastgood.plan.verdicts import verdicts
from lastgood.plan.walk import next_move
from lastgood.ports import Evidence, Tools
from lastgood.run import notes
from lastgood.run.attempting import attempted
from lastgood.run.desk import Desk
from lastgood.run.doing import Doing, FirstLook, Sights
from lastgood.run.evidence import Witnessed, discreet
from lastgood.run.leases import Leases
from lastgood.run.passing import passed_on
from lastgood.run.record import SEARCHED
from lastgood.run.steps import happened, strangers
from lastgood.run.trail import Trail
from lastgood.run.watching import cut_short

_NANO = 1_000_000_000
_ORPHAN_PATIENCE = 10.0


Sight: TypeAlias = tuple[Facts, Sights]


def start(  # noqa: PLR0913 - what was approved, and how it is begun
    approved: Approved,
    desk: Desk,
    *,
    facts: Callable[[], Sight],
    signature: str,
    take_over: bool,
    noted: str = "",
) -> RunEnded:
    """Carry an approved plan out.

    `facts` looks at the world again, and its look serves the first steps as well; `signature` is how the running
    release was seen to fail, empty where it was not; `noted` is written down beside the plan. Raises LeaseHeld where
    somebody else acts, WorldMoved where the plan no longer fits, JournalUnwritable where no durable record can be made;
    nothing was touched then.
    """
    plan = approved.plan
    desk.journal.reserve()
    run = new_run_id(desk.shared.clock.now(), secrets.token_bytes(2))
    token = secrets.token_hex(16)
    with desk.live.executing(run), _leased(desk, plan, run, token, take_over=take_over) as leases:
        now, hosts = facts()
        _unmoved(plan.facts, now)
        begun = RunStarted(plan, approved.consent, desk.group.first.repo, token, signature, __version__)
        return _Execution(desk, run, leases, plan.hosts).begin(begun, hosts, noted)


def resume(run: Run, desk: Desk, by: str, *, aborting: bool, take_over: bool) -> RunEnded:
    """Take a run up again, or put the state from before back; an abort that was cut short goes on as one.

    `take_over` is for a run that another machine began: that one stops at its next step, should it still be alive.
    Raises Refused where there is nothing to take up or git has the run already.
    """
    aborting = aborting or run.aborting
    over = (Exit.DONE, Exit.FAILED_RESTORED, Exit.REFUSED, Exit.WORLD_MOVED)
    if run.ended and run.ended.exit in over:
        _tidy(desk, Leases(desk, run.id, run.lease, run.plan.hosts))
        raise Refused(f"Run {run.id} has ended: {run.ended.what}", next=(f"lastgood show {run.id}",))
    desk.journal.reserve()
    token = secrets.token_hex(16) if take_over else run.lease
    with desk.live.executing(run.id), _leased(desk, run.plan, run.id, token, take_over=take_over) as leases:
        if aborting:
            _unrecorded(run, desk.shared)
        return _Execution(desk, run.id, leases, run.plan.hosts).again(Resumed(by, aborting, token), run)


def _unrecorded(run: Run, tools: Tools) -> None:
    """History is only ever added to, so a run that git has cannot be aborted. Raises Refused where it may have it."""
    if not any(isinstance(step, RecordStep) and step.id in run.steps for step in run.plan.steps()):
        return
    with tools.repo.lock():
        remote = tools.repo.fetch()
        found = tools.repo.find_trailer("Lastgood-Run", run.id, SEARCHED)
    if isinstance(remote, Unknown):
        because = (f"the git remote does not answer: {remote.reason}", "the run may have been pushed")
        raise Refused(f"Run {run.id} cannot be aborted now.", because=because, next=(f"lastgood resume {run.id}",))
    if found:
        member = run.plan.members[0]
        name = member.running.name if member.running and len(run.plan.members) == 1 else "COMMIT"
        raise Refused(
            f"Run {run.id} is in git already as {short(found)}, and history is only ever added to.",
            next=(f"lastgood rollback {run.plan.target.replace('/', ' ')} --to {name}",),
        )


def _unmoved(planned: Facts, now: Facts) -> None:
    if planned != now:
        raise WorldMoved(
            "The world moved since the plan was made; nothing was touched.",
            because=tuple(_differences(planned, now)),
            next=("make the plan again and look at it",),
        )


def _differences(planned: Facts, now: Facts) -> list[str]:
    found = [f"git pinned {planned.pin}, now it pins {now.pin}"] if planned.pin != now.pin else []
    for (host, before), (_, after) in zip(planned.running, now.running, strict=False):
        if before != after:
            found.append(f"{host} ran {', '.join(before) or 'nothing'}, now it runs {', '.join(after) or 'nothing'}")
    return found


@contextlib.contextmanager
def _leased(desk: Desk, plan: AnyPlan, run: str, token: str, *, take_over: bool) -> Iterator[Leases | None]:
    """Hold the target's lease meanwhile. A run that is in doubt keeps it, so that nobody acts on a half-done switch.

    `check` only looks, so it needs none.
    """
    if plan.action == "check":
        yield None
        return
    leases = Leases(desk, run, token, plan.hosts)
    _tidy(desk, leases)
    leases.take(f"{plan.action} of {plan.target}", take_over=take_over)
    try:
        yield leases
    finally:
        if not _in_doubt(desk, run):
            leases.release()


def _tidy(desk: Desk, leases: Leases) -> None:
    """Let go of leases that were left behind. Only a run of this machine's journal can be known to have ended."""

    def over(run: str) -> bool:
        return bool(desk.journal.entries(run)) and not _in_doubt(desk, run) and not desk.live.alive(run)

    leases.tidy(over)


def _in_doubt(desk: Desk, run: str) -> bool:
    """Whether the run was begun and stopped half-way, here or on its way to its end."""
    entries = desk.journal.entries(run)
    if not entries:
        return False
    ended = fold(entries).ended
    return ended is None or ended.exit is Exit.IN_DOUBT


class _Execution:
    """One process's part of a run. `leases` is None for one that only looks."""

    def __init__(self, desk: Desk, run: str, leases: Leases | None, hosts: Sequence[str]) -> None:
        self._desk = desk
        self._run = run
        self._leases = leases
        self._entries = list(desk.journal.entries(run))
        before = [(entry, desk.journal.sealed(entry)) for entry in self._entries]
        self._hosts = hosts if leases else ()
        self._trail = Trail(desk, run, self._hosts, before=before)
        self._lock = threading.RLock()
        self._over = False
        self._words = ""
        self._keeper = desk.keeper(run)
        self._fresh: Sights = {}
        self._since = desk.shared.clock.monotonic()
        now = desk.shared.clock.now()
        self._earlier = max(0.0, (now - self._entries[0].at) / _NANO) if self._entries else 0.0

    def begin(self, started: RunStarted, hosts: Sights, noted: str) -> RunEnded:
        if started.plan.base:
            self._trail.pack(self._desk.shared.repo.pack(started.plan.trees, started.plan.base))
        self._append(started)
        if noted:
            self._append(Said(noted))
        self._fresh = hosts
        return self._loop()

    def again(self, resumed: Resumed, run: Run) -> RunEnded:
        """Settle what is in doubt by asking reality, then go on."""
        with notes.turn(self._desk, self._run, resumed, self._hosts) as entry:
            self._added(entry)
            with contextlib.suppress(InDoubt):  # what a host was not told now it is told before the next effect
                self._trail.flush(alone=True)
        for child in run.children:
            if not self._desk.shared.process.reap(child, _ORPHAN_PATIENCE):
                raise InDoubt(f"A process of run {run.id} does not end: {child.pid} {child.argv[0]}.")
        others = strangers(run, self._desk)
        if others:
            return self._moved(others)
        steps = {step.id: step for step in run.plan.steps()}
        for name, state in fold(self._entries).steps.items():
            if state is StepState.STARTED:
                self._settle(steps[name])
        return self._loop()

    def _moved(self, others: tuple[str, ...]) -> RunEnded:
        """Somebody else acted since: what this run decided is over, and undoing it would undo theirs."""
        name = self._desk.group.name
        what = f"{name} was changed by somebody else since; run {self._run} is over, and nothing was done."
        ended = RunEnded(Exit.WORLD_MOVED, what, others, (f"lastgood status {name.replace('/', ' ')}",))
        self._append(ended)
        self._trail.flush(alone=True)
        return ended

    def _settle(self, step: Step) -> None:
        match happened(step, self._doing(step, self._first_look())):
            case Yes():
                self._append(StepDone(step.id, "it had taken effect, as reality shows"))
            case No():
                self._append(Said(f"{step.id} had not taken effect; it is done again if it is still wanted"))
            case Unclear(reason):
                alone = fold(self._entries).plan.alone and host_of(step)
                self._append(StepFailed(step.id, reason, Failure.UNREACHABLE if alone else Failure.IN_DOUBT))

    def _loop(self) -> RunEnded:
        while True:
            run = fold(self._entries)
            # What the clock on the wall says may jump meanwhile; a walk must not end for that.
            elapsed = self._earlier + self._desk.shared.clock.monotonic() - self._since
            move = next_move(run, elapsed)
            if isinstance(move, End):
                return self._conclude(run, move)
            if move.why:
                self._append(Said(move.why))
            try:
                self._intend(move.steps)
            except InDoubt as error:
                return self._conclude(run, self._silent(error))
            self._take(move.steps)

    def _intend(self, steps: Sequence[Step]) -> None:
        """The intents, here and on the hosts. Raises InDoubt where a host is silent, LeaseHeld where it was taken."""
        alone = fold(self._entries).plan.alone
        if self._leases:
            self._leases.keep(alone=alone)
        for step in steps:
            self._append(StepStarted(step.id))
        self._trail.flush(alone=alone)

    def _silent(self, error: InDoubt) -> End:
        """The next effect could not be begun: what each host runs by now is said, and how to go on."""
        again = (f"lastgood resume {self._run}", f"lastgood abort {self._run}")
        because = (*error.because, *mixed(fold(self._entries)))
        return End(Exit.IN_DOUBT, f"{self._desk.group.name} is in doubt: {error.what}", because, (*error.next, *again))

    def _take(self, steps: Sequence[Step]) -> None:
        """All the steps at the same time, then what was seen."""
        first = self._first_look()
        doing = [self._doing(step, first) for step in steps]
        try:
            outcomes = together([partial(attempted, *pair) for pair in zip(steps, doing, strict=True)])
        except KeyboardInterrupt:
            watches = [step for step in steps if isinstance(step, WatchStep)]
            if len(watches) == len(steps):  # the rest is done, and nothing is in doubt
                for step in watches:
                    self._append(cut_short(step))
                return
            names = ", ".join(step.id for step in steps)
            self._append(Said(f"interrupted during {names}"))
            raise self._interrupted(names) from None
        for outcome in outcomes:
            self._append(outcome)

    def _interrupted(self, steps: str) -> InDoubt:
        return InDoubt(
            f"Run {self._run} was interrupted during {steps}.",
            because=("what the step had begun may have taken effect",),
            next=(f"lastgood resume {self._run}", f"lastgood abort {self._run}"),
        )

    def _first_look(self) -> FirstLook:
        fresh, self._fresh = self._fresh, {}
        return FirstLook(self._desk, fold(self._entries).plan, fresh)

    def _doing(self, step: Step, first: FirstLook) -> Doing:
        desk, run = self._desk, fold(self._entries)
        begun = [e.at for e in self._entries if isinstance(e.event, StepStarted) and e.event.step == step.id]
        return Doing(
            desk=desk,
            service=getattr(step, "service", ""),
            run=run,
            keeper=Witnessed(self._keeper, partial(self._kept, step)),
            tell=desk.progress,
            child=lambda child: self._child(step, child),
            since=begun[0] if begun else desk.shared.clock.now(),
            first=first,
            note=self._append,
            lost=lost(run),
        )

    def _child(self, step: Step, child: Child) -> None:
        """What switches is known on its host before it begins: whoever goes on waits for it, or ends it."""
        with self._lock:
            self._append(ChildStarted(step.id, child))
            if isinstance(step, SwitchStep | RestartStep | DownStep | LossyDownStep | ReloadStep):
                self._trail.at(step.host)

    def _kept(self, step: Step, found: Evidence) -> None:
        self._append(Kept(step.id, self._desk.machine, found.files, found.lost))

    def _append(self, event: Event) -> None:
        with self._lock:  # preparations run side by side and journal their children
            if self._over:  # watches that were interrupted go on in their threads, and no line comes after the end
                return
            now = self._desk.shared.clock.now()
            self._added(self._desk.journal.append(self._run, discreet(event, self._keeper, self._named()), now))
            self._over = isinstance(event, RunEnded)

    def _named(self) -> str:
        """The plan in words, which are no secrets."""
        if not self._words and self._entries:
            self._words = msgspec.json.encode(fold(self._entries[:1]).plan).decode()
        return self._words

    def _added(self, entry: Entry) -> None:
        """A line has come to the journal; before it perhaps what people said of the run meanwhile."""
        if entry.seq > len(self._entries) + 1:
            theirs = self._desk.journal.entries(self._run)[len(self._entries) : entry.seq - 1]
        else:
            theirs = ()
        for one in (*theirs, entry):
            self._entries.append(one)
            self._trail.add(one, self._desk.journal.sealed(one))
        self._desk.tell(entry)

    def _conclude(self, run: Run, end: End) -> RunEnded:
        said = [e.event for e in self._entries if isinstance(e.event, Judged)]
        if end.exit is not Exit.IN_DOUBT:
            for judged in verdicts(run):
                if judged not in said:
                    self._append(judged)
            for why in passed_on(run, tuple(self._entries), self._desk):
                self._append(Said(why))
        ended = RunEnded(end.exit, end.what, end.because, end.next)
        self._append(ended)
        with contextlib.suppress(LastgoodError):  # how it ended is known here; the host is told what it can be told
            self._trail.flush(alone=True)
        return ended
