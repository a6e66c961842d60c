"""The composition root, and the one facade behind the command line and whatever else drives lastgood."""

import getpass
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from lastgood import catalog
from lastgood.config.load import Config, load
from lastgood.effects.clock import SystemClock
from lastgood.effects.credentials import DockerCredentials
from lastgood.effects.files import LocalFiles
from lastgood.effects.http import PlainHttp
from lastgood.effects.memo import FolderMemo
from lastgood.effects.process import LocalProcess
from lastgood.git.repo import open_repo
from lastgood.journal.fold import fold
from lastgood.journal.live import Live
from lastgood.journal.store import Journal
from lastgood.model.command import Command
from lastgood.model.errors import Exit, LastgoodError, UsageError
from lastgood.model.event import Entry, Run, RunEnded
from lastgood.model.observed import Observed
from lastgood.model.plan import Approved, NothingToDo, ReversiblePlan, auto_approve
from lastgood.model.report import Check, History, Planned, Status
from lastgood.model.target import Target
from lastgood.observe.together import together
from lastgood.observe.world import facts_now, observe
from lastgood.plan import report, single
from lastgood.plan.running import identify
from lastgood.ports import Tools
from lastgood.record.keeper import RedactingKeeper
from lastgood.run import executor, lease
from lastgood.run.planning import Wish, plan


@dataclass(frozen=True)
class Places:
    """Where lastgood keeps its own things on this machine (XDG Base Directory Specification)."""

    state: str
    cache: str

    @classmethod
    def of(cls, env: Mapping[str, str]) -> "Places":
        """From `XDG_STATE_HOME` and `XDG_CACHE_HOME`, or below the home folder."""
        home = env.get("HOME", "/")
        state = env.get("XDG_STATE_HOME") or f"{home}/.local/state"
        cache = env.get("XDG_CACHE_HOME") or f"{home}/.cache"
        return cls(f"{state}/lastgood", f"{cache}/lastgood")


def configured(text: bytes, name: str, places: Places) -> Config:
    """A checked `lastgood.yaml`. Raises ConfigError."""
    return load(text, name, FolderMemo(f"{places.cache}/config"))


@dataclass(frozen=True)
class Teller:
    """Whom to tell while a run goes on: `entry` gets each journal line, `progress` what is seen in between."""

    entry: Callable[[Entry], None]
    progress: Callable[[str], None]


class Service:
    """Everything lastgood can do in one deploy repo."""

    def __init__(self, repo: str, config: Config, places: Places, env: Mapping[str, str]) -> None:
        self.repo = repo
        self.config = config
        self._places = places
        self._env = env
        self.journal = Journal(f"{places.state}/journal.db")
        self.live = Live(places.state)
        self._process = LocalProcess()

    def target(self, service: str, env: str) -> Target:
        """One configured target. Raises UsageError, with the right order or the nearest name."""
        return self.config.target(service, env, self.repo)

    def targets(self) -> tuple[Target, ...]:
        """Every configured target, in the file's order."""
        return self.config.targets(self.repo)

    def tools(self, target: Target) -> Tools:
        """The target's members and the effects. Raises GitUnavailable where the deploy repo is none."""
        return Tools(
            process=self._process,
            http=PlainHttp(),
            files=LocalFiles(),
            clock=SystemClock(),
            credentials=DockerCredentials(self._process, self._docker_config()),
            repo=open_repo(self._process, target.repo, target.branch, self._places.cache),
            engine=catalog.engine(target.engine),
            pin=catalog.pin(target.pin),
            registry=catalog.registry(target.registry),
            probes=tuple(catalog.probe(probe) for probe in target.probes),
        )

    def _docker_config(self) -> str:
        return self._env.get("DOCKER_CONFIG") or f"{self._env.get('HOME', '/')}/.docker"

    def observe(self, target: Target, depth: int = 12) -> Observed:
        """One look at everything about a target."""
        tools = self.tools(target)
        return observe(target, tools, self.journal.judgements(target.name), depth, self._lease(target, tools))

    @staticmethod
    def _lease(target: Target, tools: Tools) -> str:
        try:
            held = lease.read(tools.files, target.state, target.name)
        except LastgoodError as error:
            return error.what
        return held.shown() if held else ""

    def status(self, target: Target) -> Status:
        """What runs, what git pins, how it fares, what is the last good release."""
        return report.status(target, self.observe(target))

    def overview(self) -> tuple[tuple[str, Status | LastgoodError], ...]:
        """Every target's name and status, looked at side by side; an error of one hides no other."""
        targets = self.targets()
        return tuple(zip((t.name for t in targets), together([partial(self._tried, t) for t in targets]), strict=True))

    def _tried(self, target: Target) -> Status | LastgoodError:
        try:
            return self.status(target)
        except LastgoodError as error:
            return error

    def history(self, target: Target, depth: int = 12) -> History:
        """The newest `depth` releases with evidence and whereabouts."""
        return report.history(target, self.observe(target, depth))

    def plan(self, target: Target, wish: Wish) -> Planned:
        """The plan for a wish, touching nothing. Raises what `run.planning.plan` raises."""
        tools = self.tools(target)
        made, observed = plan(target, tools, self.journal.judgements(target.name), wish)
        if isinstance(made, NothingToDo):
            return Planned(made, "", {})
        return Planned(made, made.digest, executor.commands(made, target, tools), report.failing(observed))

    def rollback(
        self, target: Target, approved: Approved, signature: str, tell: Teller, *, take_over: bool
    ) -> RunEnded:
        """Carry an approved plan out."""
        desk = self._desk(target, tell)
        return executor.start(
            approved, desk, facts=partial(_facts, desk, approved.plan), signature=signature, take_over=take_over
        )

    def check(self, target: Target, tell: Teller) -> RunEnded:
        """Judge what runs now and record the verdict as evidence. Touches nothing."""
        return self._single(target, tell, single.check, take_over=False)

    def restart(self, target: Target, tell: Teller, *, take_over: bool) -> RunEnded:
        """The same release again, gated and journalled."""
        return self._single(target, tell, single.restart, take_over=take_over)

    def _single(self, target: Target, tell: Teller, make: single.Make, *, take_over: bool) -> RunEnded:
        observed = self.observe(target)
        made = make(target, observed, identify(observed))
        approved = auto_approve(made, who(), "the command itself")
        return self.rollback(target, approved, report.failing(observed), tell, take_over=take_over)

    def recheck(self, target: Target, nothing: NothingToDo, tell: Teller, *, take_over: bool = False) -> RunEnded:
        """Look again whether nothing is to be done: the digest and the gate must pass now, and git must say so.

        A run that was left mitigated is settled on the way. Raises LeaseHeld where somebody acts, unless `take_over`:
        what runs may then be a run's that is still under way, or in doubt.
        """
        tools = self.tools(target)
        if not take_over:
            lease.free(tools.files, tools.clock, target.state, target.name)
        checked = self.check(target, tell)
        if checked.exit is not Exit.DONE:
            further = f"lastgood rollback {target.service} {target.env} --further"
            what = f"{target.name}: {nothing.because}, but it does not pass the gate now."
            return RunEnded(Exit.NEEDS_HUMAN, what, checked.because, (further,))
        if self._unsettled(nothing.run):
            return self.resume(nothing.run, tell)
        drift = report.drift(observed := self.observe(target), identify(observed))
        if drift:
            what = f"{target.name}: {nothing.because}; mitigated, not resolved."
            return RunEnded(Exit.MITIGATED, what, (drift,), ("lastgood resume, where that run was made",))
        return RunEnded(Exit.DONE, f"{target.name}: {nothing.because}.", checked.because)

    def _unsettled(self, run: str) -> bool:
        if run not in self.journal.runs():
            return False
        ended = self.run(run).ended
        return ended is not None and ended.exit is Exit.MITIGATED

    def run(self, run: str) -> Run:
        """One run, added up from the journal."""
        return fold(self.journal.entries(run))

    def resume(self, run_id: str, tell: Teller, *, aborting: bool = False) -> RunEnded:
        """Take a run up again, or put back what was before it."""
        run = self.run(run_id)
        service, _, env = run.plan.target.partition("/")
        return executor.resume(run, self._desk(self.target(service, env), tell), who(), aborting=aborting)

    def unfinished(self) -> str:
        """The one run that can be taken up. Raises UsageError where there is none, or more than one."""
        open_ = [run for run in self.journal.runs() if _open(self.run(run)) and not self.live.alive(run)]
        if len(open_) != 1:
            what = "No run is unfinished." if not open_ else f"{len(open_)} runs are unfinished: {', '.join(open_)}."
            raise UsageError(what, next=("lastgood runs",))
        return open_[0]

    def doctor(self, targets: Sequence[Target]) -> tuple[Check, ...]:
        """Everything a rollback of these targets will need. Never raises: what cannot be checked is a check as well."""
        from lastgood.diagnose.doctor import Practice, examine

        waiting = lambda: tuple(r for r in self.journal.runs() if _open(self.run(r)) and not self.live.alive(r))  # noqa: E731 - one expression, used once
        practice = Practice(
            config=self.config.path,
            tools=self.tools,
            judgements=self.journal.judgements,
            lease=self._lease,
            reserve=self.journal.reserve,
            unfinished=waiting,
        )
        return examine(practice, targets)

    def _desk(self, target: Target, tell: Teller) -> executor.Desk:
        return executor.Desk(
            target=target,
            tools=self.tools(target),
            journal=self.journal,
            live=self.live,
            keeper=lambda run: RedactingKeeper(f"{self._places.state}/evidence/{run}"),
            holder=f"{who()} pid {os.getpid()}",
            tell=tell.entry,
            progress=tell.progress,
        )


def committed(repo: str, path: str) -> bytes | None:
    """A file of the deploy branch as last fetched, for a checkout of another branch; None where there is none."""
    for branch in ("refs/remotes/origin/HEAD", "refs/remotes/origin/main"):
        found = LocalProcess().run(Command(("git", "-C", repo, "show", f"{branch}:{path}")))
        if found.ok:
            return found.stdout
    return None


def tracked(repo: str) -> tuple[str, ...]:
    """The paths that git holds in a deploy repo. Raises UsageError where it is no git repository."""
    found = LocalProcess().run(Command(("git", "-C", repo, "ls-files", "-z")))
    if not found.ok:
        raise UsageError(f"{repo} is no deploy repo.", because=(found.why(),), next=("lastgood init --repo PATH",))
    return tuple(path for path in found.stdout.decode(errors="surrogateescape").split("\0") if path)


def _facts(desk: executor.Desk, plan: ReversiblePlan) -> executor.Sight:
    return facts_now(desk.target, desk.tools, plan.attempts[0].image.image.repository)


def _open(run: Run) -> bool:
    return run.ended is None or run.ended.exit in (Exit.IN_DOUBT, Exit.MITIGATED)


def who() -> str:
    """The person or program that acts, as `user@host`."""
    return f"{getpass.getuser()}@{socket.gethostname()}"
