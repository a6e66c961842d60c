"""The one facade behind the command line and whatever else drives lastgood."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING

from lastgood.config.load import Config
from lastgood.effects.clock import SystemClock
from lastgood.effects.http import PlainHttp
from lastgood.git.origin import read_origin
from lastgood.journal.fold import fold
from lastgood.journal.live import Live
from lastgood.journal.store import Journal
from lastgood.model.chain import Line
from lastgood.model.errors import Exit, LastgoodError, UsageError
from lastgood.model.event import Acked, Entry, Event, Run, RunEnded, Ticked
from lastgood.model.observed import Observed
from lastgood.model.plan import Approved, NothingToDo, auto_approve
from lastgood.model.report import History, Planned, Status
from lastgood.model.target import Group, Target
from lastgood.observe.together import together
from lastgood.observe.world import observe
from lastgood.plan import report, single
from lastgood.plan.choose import Candidate
from lastgood.plan.draft import Draft, Schemas
from lastgood.plan.running import identify
from lastgood.ports import Forge, Tools
from lastgood.record.keeper import RedactingKeeper
from lastgood.run import adoption, caching, checkout, deployed, executor, lease, notes, pending, spelled, trail
from lastgood.run.desk import Desk
from lastgood.run.leases import held
from lastgood.run.planning import Said, Wish, drafted, look, plan
from lastgood.run.steps import sight
from lastgood.wiring import Places, Workshop, code_repo, forge_of, who

_DEPTH = 12
_RECENT = 20  # a run that waits to be settled is one of the newest

if TYPE_CHECKING:
    from lastgood.database.desk import DatabaseDesk
    from lastgood.databases import Databases
    from lastgood.git.revert import CodeRepo
    from lastgood.model.revert import Suspects
    from lastgood.posting import PostOffice
    from lastgood.run.calls import Calls


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
        self._workshop = Workshop(places, env, config.file.browser.chromium)

    def tools(self, target: Target) -> Tools:
        """The target's members and the effects. Raises GitUnavailable where the deploy repo is none."""
        return self._workshop.tools(target)

    def group(self, service: str, env: str) -> Group:
        """One configured target that moves as one: a service, or an app. Raises UsageError as `target` does."""
        if service not in self.config.apps:
            return Group.of(self.target(service, env))
        return Group(service, env, tuple(self.target(member, env) for member in self.config.apps[service]))

    def target(self, service: str, env: str) -> Target:
        """One configured target. Raises UsageError, with the right order or the nearest name."""
        return self.config.target(service, env, self.repo)

    def targets(self) -> tuple[Target, ...]:
        """Every configured target, in the file's order."""
        return self.config.targets(self.repo)

    def observe(self, target: Target, depth: int = 12) -> Observed:
        """One look at everything about a target."""
        tools = self.tools(target)
        return observe(target, tools, self.journal.judgements(target.name), depth, self.leased(target, tools))

    @staticmethod
    def leased(target: Target, tools: Tools) -> str:
        """Who acts on a target at this moment; empty where nobody does. Never raises: why it is not known is told."""
        try:
            there = held(tools.files, target.state, target.name, target.hosts)
        except LastgoodError as error:
            return error.what
        return there.shown() if there else ""

    def status(self, target: Target) -> Status:
        """What runs, what git pins, how it fares, what is the last good release."""
        return caching.status(target, self.tools(target), self.observe(target), self._waits_for_cdn)

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

    def plan(self, group: Group, wish: Wish, tell: Callable[[str], None] = lambda _: None) -> Planned:
        """The plan for a wish, touching nothing but copies. Raises what `run.planning.plan` raises.

        `tell` hears what is being tried on a copy of the database, which may take long.
        """
        tools = self._all_tools(group)
        schemas = partial(self._schemas, wish, tell)
        made, observed = plan(group, tools, self._said(group), wish, self._written(group, tools), schemas)
        if isinstance(made, NothingToDo):
            return Planned(pending.proven(made, self.journal, self.live, self.told), "", {})
        return Planned(made, made.digest, spelled.commands(made, group, tools), report.failing_of(group, observed))

    def _schemas(
        self,
        wish: Wish,
        tell: Callable[[str], None],
        drafts: tuple[Draft, ...],
        rounds: Sequence[tuple[Candidate, ...]],
    ) -> Schemas:
        """What becomes of the databases of services that go to candidates, round by round."""
        if all(draft.target.database is None for draft in drafts):
            if wish.down:
                self.database(drafts[0].target)  # which says what is missing
            return Schemas()
        from lastgood.run.rounds import decide_all

        moving = {draft.target.service for draft in drafts}
        others = [target for target in self.targets() if target.service not in moving]
        return decide_all(self.database, drafts, rounds, tell, down=wish.down, others=others)

    def _all_tools(self, group: Group) -> dict[str, Tools]:
        return {target.service: self.tools(target) for target in group.members}

    def _written(self, group: Group, tools: dict[str, Tools]) -> checkout.Written:
        """What runs that wait to be settled have left in the servers' checkouts."""
        found: checkout.Written = {}
        for run in (self.run(run) for run in self.journal.runs()[:_RECENT] if self._unsettled(run)):
            if run.plan.target.endswith(f"/{group.env}"):
                for host, files in checkout.left(run, tools[group.first.service]).items():
                    found.setdefault(host, {}).update(files)
        return found

    def _said(self, group: Group) -> Said:
        return {target.service: self.journal.judgements(target.name) for target in group.members}

    def rollback(  # noqa: PLR0913 - what was approved, of what, and how it is begun
        self, group: Group, approved: Approved, signature: str, tell: Teller, *, take_over: bool, noted: str = ""
    ) -> RunEnded:
        """Carry an approved plan out. `noted` is what the record is to say of how it came to that, where there is."""
        desk = self._desk(group, tell)
        before = self.journal.latest(group.name)
        facts = partial(sight, desk, approved.plan)
        with pending.ours(self.journal, self.live, self._workshop.machine()):
            ended = executor.start(approved, desk, facts=facts, signature=signature, take_over=take_over, noted=noted)
        recorded = approved.plan.action == "rollback" and ended.exit is Exit.DONE
        self._landed(group, self.journal.latest(group.name), tell)
        if before and recorded and self._unsettled(before):  # this run recorded what runs now
            what = f"{group.name} was rolled back again since; there is nothing left to settle."
            self.journal.append(before, RunEnded(Exit.WORLD_MOVED, what), SystemClock().now())
            trail.told_later(desk, before, self.run(before).plan.hosts)
        return ended

    def check(self, group: Group, tell: Teller) -> RunEnded:
        """Judge what runs now and record the verdict, here and on the hosts. Touches nothing of the service."""
        return self._single(group, tell, single.check, take_over=False)

    def restart(self, group: Group, tell: Teller, *, take_over: bool) -> RunEnded:
        """The same release again, gated and journalled."""
        return self._single(group, tell, single.restart, take_over=take_over)

    def _single(self, group: Group, tell: Teller, make: single.Make, *, take_over: bool) -> RunEnded:
        tools = self._all_tools(group)
        seen = look(group, tools, self._said(group), _DEPTH)
        made = make(group, [drafted(one, tools, Wish()) for one in seen])
        approved = auto_approve(made, who(), "the command itself")
        failing = report.failing_of(group, tuple(one.observed for one in seen))
        noted = deployed.beside(group, deployed.running(approved.plan), self.database, tell.progress)
        ended = self.rollback(group, approved, failing, tell, take_over=take_over)
        noted()
        return ended

    def _landed(self, group: Group, run: str | None, tell: Teller) -> None:
        """Note since when what a run brought runs."""
        deployed.beside(group, deployed.landed(self.run(run)) if run else {}, self.database, tell.progress)()

    def untaken(self, group: Group) -> None:
        """Make sure that nobody acts: what runs may be a run's that goes on, or is in doubt. Raises LeaseHeld."""
        with pending.ours(self.journal, self.live, self._workshop.machine()):
            for target in group.members:
                for host in target.hosts:
                    lease.free(self._workshop.files(host), SystemClock(), target.state, target.name)

    def recheck(self, group: Group, nothing: NothingToDo, tell: Teller) -> RunEnded:
        """Look again whether nothing is to be done: the digest and the gate must pass now, and git must say so.

        A run that was left mitigated is settled on the way.
        """
        tools = self._all_tools(group)
        if self._waits_for_cdn(nothing.run):
            ended = self.resume(nothing.run, tell)  # first: its cache is what the probes of a check would look at
            if ended.exit is not Exit.DONE:
                return ended
        checked = self.check(group, tell)
        if checked.exit is not Exit.DONE:
            further = f"lastgood rollback {group.service} {group.env} --further"
            what = f"{group.name}: {nothing.because}; it does not pass the gate now."
            return RunEnded(Exit.NEEDS_HUMAN, what, checked.because, nothing.next or (further,))
        if self._unsettled(nothing.run):
            return self.resume(nothing.run, tell)
        if drift := next(filter(None, (self._drift(target) for target in group.members)), ""):
            what = f"{group.name}: {nothing.because}; mitigated, not resolved."
            return RunEnded(Exit.MITIGATED, what, (drift,), nothing.next or ("lastgood settle",))
        if kept := next(filter(None, (caching.kept(one, tools[one.service]) for one in group.members)), ""):
            what = f"{group.name}: {nothing.because}; mitigated, not resolved: the CDN does not follow."
            again = (f"lastgood resume {nothing.run}",) if nothing.run else ()
            return RunEnded(Exit.MITIGATED, what, (kept,), (*again, "lastgood doctor"))
        passes = "; it passes the gate now" if nothing.next else ""
        return RunEnded(Exit.DONE, f"{group.name}: {nothing.because}{passes}.", checked.because, nothing.next)

    def _drift(self, target: Target) -> str:
        observed = self.observe(target)
        return report.drift(observed, identify(observed))

    def _unsettled(self, run: str) -> bool:
        ended = self.run(run).ended if run in self.journal.runs() else None
        return ended is not None and ended.exit is Exit.MITIGATED

    def _waits_for_cdn(self, run: str) -> bool:
        return self._unsettled(run) and caching.behind(self.run(run))

    def run(self, run: str) -> Run:
        """One run, added up from the journal."""
        return fold(self.journal.entries(run))

    def note(self, run_id: str, event: Event) -> tuple[str, ...]:
        """Add to the record of a run what a person says about it, here and on its hosts; the hosts that know it now.

        Raises Refused for a point of the checklist where it stopped half-way: that is for whoever takes it up.
        """
        self.adopt(run_id)
        plan = self.run(run_id).plan
        return notes.add(self.desk(plan.target), run_id, event, plan.hosts if plan.action != "check" else ())

    def desk(self, name: str) -> Desk:
        """The desk of a target by its name, at which nobody listens. Raises UsageError where it is not configured."""
        service, _, env = name.partition("/")
        return self._desk(self.group(service, env), Teller(lambda _: None, lambda _: None))

    @cached_property
    def calls(self) -> "Calls":
        """What the hosts know of the people who were called."""
        from lastgood.run.calls import Calls

        return Calls(self.desk, self._learnt)

    def resume(self, run_id: str, tell: Teller, *, aborting: bool = False, take_over: bool = False) -> RunEnded:
        """Take a run up again, or put back what was before it.

        `take_over` takes it from another machine, whose lastgood stops at its next step, should it still be alive.
        """
        self.adopt(run_id)
        run = self.run(run_id)
        service, _, env = run.plan.target.partition("/")
        desk = self._desk(self.group(service, env), tell)
        ended = executor.resume(run, desk, who(), aborting=aborting, take_over=take_over)
        self._landed(desk.group, run_id, tell)
        return ended

    def adopt(self, run_id: str) -> None:
        """Take over what the hosts know of a run that another machine began, or went on with.

        Raises UsageError where nobody knows the run, Refused where what a host knows contradicts the journal here.
        """
        repo = lambda target: self.tools(target).repo  # noqa: E731 - one expression, used once
        before = len(self.journal.entries(run_id))
        adoption.adopt(run_id, self.journal, self._workshop.files, self.targets(), repo)
        self._learnt(run_id, before)

    def _learnt(self, run_id: str, before: int) -> None:
        """Leave it to the machine that went on with a run to tell of that; what people say of it is no going on."""
        new = self.journal.entries(run_id)[before:]
        if self.tells and any(not isinstance(each.event, Ticked | Acked) for each in new):
            self.post_office.adopted(run_id, new[-1].seq)

    def told(self, run_id: str) -> tuple[Line, ...]:
        """The lines of a run as the hosts have them; raises as `adoption.told` does, and nothing is written."""
        return adoption.told(run_id, self._workshop.files, self.targets())

    def unfinished(self) -> str:
        """The one run that can be taken up, of this machine or by a lease on a host.

        Raises UsageError where there is none, or more than one.
        """
        return pending.only(self.waiting() or self._leased(), "unfinished")

    def waiting(self) -> tuple[str, ...]:
        """The runs of this machine that can be taken up: they stopped half-way, or wait to be settled."""
        return tuple(r for r in self.journal.runs() if self.run(r).open and not self.live.alive(r))

    def unsettled(self) -> str:
        """The one run that production is served by and git does not say yet. Raises UsageError as `unfinished`."""
        return pending.only([run for run in self.journal.runs() if self._unsettled(run)], "waiting to be settled")

    def _leased(self) -> list[str]:
        """The runs that hold leases on the hosts."""
        found = (held(self._workshop.files, target.state, target.name, target.hosts) for target in self.targets())
        return list(dict.fromkeys(there.run for there in found if there))

    def source(self, service: str) -> tuple[str, str]:
        """Where the code of a service is, and its branch as configured. Raises UsageError where that is not said."""
        if service not in self.config.file.services:
            self.target(service, next(iter(self.config.file.environments)))  # says what is near
        source = self.config.file.services[service].source
        if source is None:
            raise UsageError(
                f"{self.config.path} does not say where the code of {service} is.",
                next=(f"services.{service}.source: {{repo: PATH-or-URL}}", "or name a clone of it: --repo PATH"),
            )
        return source.repo, source.branch

    def database(self, target: Target) -> "DatabaseDesk":
        """The database of a target. Raises UsageError where the configuration names none."""
        from lastgood.database.desk import DatabaseDesk, configured

        spec = configured(target)
        code = partial(self._code, target, spec.repo, spec.branch)
        return DatabaseDesk(target, spec, self.tools(target), self._workshop.secrets, code)

    def _code(self, target: Target, repo: str, branch: str) -> "CodeRepo":
        """The code repo that a release's migrations are in. Raises UsageError where that is not said."""
        if not repo:
            repo, branch = self.source(target.service)
        return code_repo(repo, self.repo, branch, self._places)

    def databases(self, target: Target) -> "Databases":
        """What is done with the database of a target. Raises UsageError where the configuration names none."""
        from lastgood.databases import Databases

        office = lambda tell: self._desk(Group.of(target), Teller(lambda _: None, tell))  # noqa: E731 - used once
        return Databases(self.database(target), office, partial(self.observe, target))

    def forge(self, remote: str) -> Forge:
        """The forge of a code repo at this address: the configured one, where it is on the deploy repo's host."""
        target = self.targets()[0]
        return forge_of(remote, self._env, target.forge, read_origin(self._workshop.process, self.repo).url)

    def suspects(self, target: Target, repo: "CodeRepo") -> "Suspects":
        """The commits that the bad release of a target has and the good one has not."""
        from lastgood.run.suspects import suspects

        return suspects(target, self.observe(target), repo, self._workshop.process)

    @property
    def tells(self) -> bool:
        """Whether the configuration names anybody to tell of runs."""
        return bool(self.config.file.trackers or self.config.file.notifiers)

    @cached_property
    def post_office(self) -> "PostOffice":
        """Whoever is told of runs, and the outbox."""
        from lastgood.outbox.postman import World
        from lastgood.posting import PostOffice, Repo

        world = World(PlainHttp(), self._workshop.secrets, SystemClock())
        return PostOffice(self.config, self._places.state, world, Repo(self.repo, self._workshop.identity), self.calls)

    def _desk(self, group: Group, tell: Teller) -> Desk:
        return Desk(
            group=group,
            tools=self._all_tools(group),
            journal=self.journal,
            live=self.live,
            keeper=lambda run: RedactingKeeper(f"{self._places.state}/evidence/{run}"),
            holder=f"{who()} pid {os.getpid()}",
            machine=self._workshop.machine(),
            tell=self.post_office.listening(tell.entry) if self.tells else tell.entry,
            progress=tell.progress,
            database=lambda service: self.database(group.member(service)),
        )
