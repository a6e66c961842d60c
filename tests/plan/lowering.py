"""A world small enough to be told in numbers: a schema's version, who runs, what was written. Steps change it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import TypeAlias

import msgspec
from plan_values import CONSENT, GROUP, container, drafted, history, image, observed, release, runnable, view

from lastgood.journal.fold import fold
from lastgood.model.command import Child
from lastgood.model.descent import Descent, Loss, Undo
from lastgood.model.event import (
    ChildStarted,
    Entry,
    Event,
    Failure,
    Resumed,
    Run,
    RunStarted,
    Said,
    StepDone,
    StepFailed,
    StepStarted,
    StepState,
)
from lastgood.model.plan import AnyPlan, FileChange
from lastgood.model.release import Evidence
from lastgood.model.step import (
    BackupStep,
    DownStep,
    LossyDownStep,
    ReloadStep,
    StartStep,
    Step,
    StopStep,
    SwitchStep,
)
from lastgood.model.target import Group
from lastgood.plan.choose import Candidate
from lastgood.plan.draft import Draft, Extra, Round, Schema, Tree
from lastgood.plan.lowered import FOUND, stopping
from lastgood.plan.moves import End
from lastgood.plan.planner import make
from lastgood.plan.walk import next_move

TAGS = ("v2", "v1", "v0")
TOP = 5


def way(before: int, to: int) -> Descent:
    undone = tuple(Undo(str(n), f"{n}.down.sql", "00", f"DROP TABLE t{n};\n") for n in range(before, to, -1))
    return Descent("golang-migrate", '"m"', "", str(before), str(to), undone)


def schemas(*levels: int, losses: tuple[Loss, ...] = ()) -> tuple[Schema, ...]:
    """From version 5, the version that each release in turn needs."""
    found, now = [], TOP
    for level in levels:
        goes = level < now
        found.append(
            Schema(f"at {level}", (), way(now, level) if goes else None, losses if goes else (), "local", "/backups")
        )
        now = level
    return tuple(found)


Databases: TypeAlias = tuple[tuple[tuple[str, ...], tuple[int, ...]], ...]
"""Of each database the services that use it, and the versions that the rounds need. A service in capitals stays."""


def _drafts(databases: Databases, hosts: int, *, scripted: bool) -> tuple[Draft, ...]:
    world = observed(history("v3", *TAGS), *(view((container("v3"),)) for _ in range(hosts)))
    services = [service for users, _ in databases for service in users]
    targets = [msgspec.structs.replace(GROUP.first, service=service) for service in services]
    return tuple(drafted(world, target, pin_first=scripted) for target in targets)


def _round(databases: Databases, number: int, losses: tuple[Loss, ...]) -> Round:
    """The candidates of one round, their trees, and what becomes of the databases."""
    candidates, trees, found = [], [], list[Schema]()
    for users, levels in databases:
        for service in users:
            tag = "v3" if service.isupper() else TAGS[number]
            changes = () if service.isupper() else (FileChange(f"{service}.yaml", ("-a", "+b")),)
            candidates.append(Candidate(release(tag, 0), Evidence(), runnable(tag), ()))
            trees.append(Tree(TAGS[number], image(tag), ("api",), changes))
        first = msgspec.structs.replace(
            schemas(*levels, losses=losses)[number], database=users[0] if len(users) > 1 else ""
        )
        found += [first, *(Schema(first.said, database=users[0]) for _ in users[1:])]
    return Round(tuple(candidates), tuple(trees), tuple(found))


Place: TypeAlias = tuple[str, str]
"""A service on a host."""


@dataclass
class Small:
    """What is so: `up` is what serves where, `stopped` what would start again there, both by tag; and the databases."""

    plan: AnyPlan
    databases: Databases
    versions: dict[str, int]
    up: dict[Place, str] = field(default_factory=dict)
    stopped: dict[Place, str] = field(default_factory=dict)
    writes: dict[str, set[int]] = field(default_factory=dict)
    kept: dict[str, tuple[int, frozenset[int]]] = field(default_factory=dict)
    journal: list[Event] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)

    @classmethod
    def of(
        cls, databases: Databases, *, hosts: int = 1, scripted: bool = False, losses: tuple[Loss, ...] = ()
    ) -> "Small":
        drafts = _drafts(databases, hosts, scripted=scripted)
        rounds = tuple(_round(databases, number, losses) for number in range(len(databases[0][1])))
        group = Group("shop", "prod", tuple(draft.target for draft in drafts))
        before = tuple(Tree("before", image("v3"), ("api",), ()) for _ in drafts)
        plan = make(group, drafts, rounds, before, (), Extra())
        owners = [users[0] for users, _ in databases]
        up = {(draft.target.service, host): "v3" for draft in drafts for host in plan.hosts}
        return cls(plan, databases, dict.fromkeys(owners, TOP), up, writes={owner: set() for owner in owners})

    def owner(self, service: str) -> str:
        return next(users[0] for users, _ in self.databases if service in users)

    def knows(self, service: str, tag: str) -> set[int]:
        """The versions that a release works with. One that stays works with all that are needed beside it."""
        levels = next(levels for users, levels in self.databases if service in users)
        if tag == "v3":
            return {TOP, *levels} if service.isupper() else {TOP}
        return {levels[TAGS.index(tag)]}

    @property
    def version(self) -> int:
        return next(iter(self.versions.values()))

    @property
    def run(self) -> Run:
        begun = RunStarted(self.plan, CONSENT, "/deploy", "token", "", "0")
        return fold([Entry("R1", n, n, event) for n, event in zip(count(1), (begun, *self.journal), strict=False)])

    def writing(self, owner: str) -> bool:
        return any(self.owner(service) == owner for service, _ in self.up)

    def customers(self) -> None:
        """Whoever serves writes."""
        for service, _ in self.up:
            written = self.writes[self.owner(service)]
            written.add(len(written))

    def serves(self, place: Place, tag: str) -> None:
        self.up[place] = tag
        self.stopped.pop(place, None)
        version = self.versions[self.owner(place[0])]
        if version not in self.knows(place[0], tag):
            self.wrong.append(f"{tag} of {place} serves with version {version}")

    def does(self, step: Step) -> dict[str, str]:  # noqa: C901 - one per kind of step
        """The step's effect, and what it saw."""
        match step:
            case StopStep():
                found = self.up.pop((step.service, step.host), "")
                if found:
                    self.stopped[step.service, step.host] = found
                return {FOUND: found or ("shop-api-1" if stopping(self.run) else "")}
            case StartStep():
                place = (step.service, step.host)
                if place not in self.up:
                    self.serves(place, self.stopped[place])
            case BackupStep():
                return self.backs_up(step)
            case DownStep() | LossyDownStep():
                if step.descent.before != str(self.versions[step.service]) or self.writing(step.service):
                    self.wrong.append(f"{step.id} from {self.versions}, with {self.up}")
                self.versions[step.service] = int(step.descent.to)
            case ReloadStep():
                version, writes = self.kept[step.backup]
                if version != self.versions[step.service]:
                    self.wrong += [f"{step.id} loses {n}" for n in sorted(self.writes[step.service] - writes)]
                    self.versions[step.service] = version
            case SwitchStep():
                self.serves((step.service, step.host), step.image.image.tag)
            case _:
                return {"commit": "c"} if step.id.endswith("pin") else {}
        return {}

    def backs_up(self, step: BackupStep) -> dict[str, str]:
        if self.writing(step.service):
            self.wrong.append(f"{step.id} while somebody writes")
        version = self.versions[step.service]
        self.kept[step.id] = (version, frozenset(self.writes[step.service]))
        return {"path": f"/backups/{step.id}", "version": str(version)}

    def happened(self, step: Step) -> bool:
        """What reality says of a step whose process died; other steps are simply done again."""
        match step:
            case DownStep() | LossyDownStep():
                return self.versions[step.service] == int(step.descent.to)
            case SwitchStep():
                return self.up.get((step.service, step.host)) == step.image.image.tag
            case _:
                return False

    def again(self, *, aborting: bool = False) -> None:
        """The next process takes it up, and asks reality about what is in doubt."""
        self.journal.append(Resumed("ada", aborting=aborting or self.run.aborting, lease="t"))
        steps = {step.id: step for step in self.plan.steps()}
        for name, state in self.run.steps.items():
            if state is StepState.STARTED:
                so = self.happened(steps[name])
                self.journal.append(StepDone(name, "seen") if so else Said("not so"))

    def goes(self, fate: Callable[[str], str]) -> End:
        """Until the run ends. A step's `fate`: done, fails, fails late (after its effect), dies, dies late, meddled."""
        for _ in range(300):
            move = next_move(self.run, 0)
            if isinstance(move, End):
                return move
            for step in move.steps:
                self.taken.append(step.id)
                self.journal.append(StepStarted(step.id))
            fates = [fate(step.id) for step in move.steps]
            for step, each in zip(move.steps, fates, strict=True):
                self.takes(step, each)
            if any(each.startswith("dies") for each in fates):
                self.again(aborting=fate("resume") == "aborts")
        raise AssertionError(self.taken)

    def takes(self, step: Step, fate: str) -> None:
        if fate == "meddled":  # somebody starts by hand what the run stopped
            for place in list(self.stopped):
                self.up[place] = self.stopped.pop(place)
            self.customers()
        self.customers()
        if isinstance(step, ReloadStep) and self.writing(step.service):  # reality is asked first
            self.journal.append(StepFailed(step.id, "somebody runs", Failure.IN_DOUBT))
            return
        if isinstance(step, StopStep) and (step.service, step.host) in self.up and fate != "fails":
            self.journal.append(ChildStarted(step.id, Child(1, 1, ("docker", "stop", "--", "shop-api-1"))))
        saw = self.does(step) if fate in {"done", "meddled", "fails late", "dies late"} else {}
        self.customers()
        if fate in {"done", "meddled"}:
            self.journal.append(StepDone(step.id, "seen", saw))
        elif fate.startswith("fails"):
            self.journal.append(StepFailed(step.id, f"{step.id} failed", kind(step)))


def kind(step: Step) -> Failure:
    """What a failure of the step says, in truth."""
    if isinstance(step, ReloadStep | StartStep):
        return Failure.IN_DOUBT
    return Failure.RELEASE if isinstance(step, SwitchStep) or "verify" in step.id else Failure.PREPARE


def failing(*steps: str, **fates: str) -> Callable[[str], str]:
    """These steps fail; others have the fate that is given, or are done."""
    return lambda step: "fails" if step in steps else fates.get(step.replace(".", "_"), "done")


def serving(world: Small) -> Sequence[str]:
    return sorted(set(world.up.values()))
