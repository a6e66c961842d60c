"""The journal's lines, and the run they add up to. Times are Unix nanoseconds, UTC."""

import enum
from typing import TypeAlias

import msgspec

from lastgood.model.command import Child
from lastgood.model.errors import Exit
from lastgood.model.plan import AnyPlan, Consent
from lastgood.model.release import Grade, Image


class RunStarted(msgspec.Struct, frozen=True, tag="run-started", tag_field="event"):
    """The first line: everything that was decided. Nothing was done before it was on disk."""

    plan: AnyPlan
    consent: Consent
    repo: str
    lease: str
    signature: str
    version: str


class StepStarted(msgspec.Struct, frozen=True, tag="step-started", tag_field="event"):
    """The intent: on disk before the step's first side effect."""

    step: str


class ChildStarted(msgspec.Struct, frozen=True, tag="child-started", tag_field="event"):
    """A process was started for a step; `resume` ends or awaits it before it asks reality."""

    step: str
    child: Child


class StepDone(msgspec.Struct, frozen=True, tag="step-done", tag_field="event"):
    """The step took effect, as far as was seen; `seen` says what."""

    step: str
    seen: str
    details: dict[str, str] = {}


class Failure(enum.StrEnum):
    """What a failed step says, and about whom."""

    RELEASE = "the release failed"
    PREPARE = "the release could not be prepared"
    ELSEWHERE = "the cause lies elsewhere"
    IN_DOUBT = "what happened is not known"
    UNSETTLED = "git could not be brought to what runs"
    STALE = "customers may get something else than runs"
    CONTRADICTED = "somebody else changed what this run decided"
    UNREACHABLE = "the host does not answer and was left out"

    @property
    def retried(self) -> bool:
        """Whether `resume` looks at the step again: the failure said nothing about the release."""
        kinds = (Failure.IN_DOUBT, Failure.UNSETTLED, Failure.STALE, Failure.CONTRADICTED, Failure.UNREACHABLE)
        return self in kinds


class StepFailed(msgspec.Struct, frozen=True, tag="step-failed", tag_field="event"):
    """The step did not take effect. `signature` is alike for alike causes; `next` are a human's commands."""

    step: str
    because: str
    kind: Failure = Failure.RELEASE
    signature: str = ""
    next: tuple[str, ...] = ()


class KeptFile(msgspec.Struct, frozen=True):
    """One piece of evidence: what it is called, the file that it is in, and the SHA-256 and size in bytes of that.

    `redacted` are the kinds of secrets that were taken out.
    """

    name: str
    file: str
    sha256: str
    size: int
    redacted: tuple[str, ...] = ()


class Kept(msgspec.Struct, frozen=True, tag="kept", tag_field="event"):
    """Evidence was kept for a step, on the machine that acted. `lost` says what was not kept, and why."""

    step: str
    machine: str
    files: tuple[KeptFile, ...]
    lost: tuple[str, ...] = ()


class Judged(msgspec.Struct, frozen=True, tag="judged", tag_field="event"):
    """A verdict about a release, usable as evidence later."""

    target: str
    image: Image
    grade: Grade
    because: str
    signature: str = ""


class ErrorLine(msgspec.Struct, frozen=True):
    """One kind of error message in a log: `signature` without what varies, how often, and the first as it stood there.

    `at` is when that was written, in Unix seconds, 0 where the log does not say.
    """

    signature: str
    count: int
    example: str
    at: int = 0


class LogErrors(msgspec.Struct, frozen=True, tag="log-errors", tag_field="event"):
    """The error messages that the logs of `image` showed at a step; what was new is told by those of other releases."""

    step: str
    target: str
    image: Image
    found: tuple[ErrorLine, ...]


class Ticked(msgspec.Struct, frozen=True, tag="ticked", tag_field="event"):
    """A person answered a point of the checklist: it is done, or skipped and why. `how` is how they said so."""

    point: str
    text: str
    by: str
    how: str
    skipped: bool = False
    because: str = ""


class Acked(msgspec.Struct, frozen=True, tag="acknowledged", tag_field="event"):
    """A person said at `at`, in Unix nanoseconds, that they have a run that needs one. `how` is how they said so."""

    by: str
    how: str
    at: int


class Said(msgspec.Struct, frozen=True, tag="said", tag_field="event"):
    """Something worth telling the reader that is no step: a decision to walk on, a moved branch, a retry."""

    text: str


class Resumed(msgspec.Struct, frozen=True, tag="resumed", tag_field="event"):
    """Somebody took the run up again; `aborting` when in order to put the state from before back."""

    by: str
    aborting: bool
    lease: str


class RunEnded(msgspec.Struct, frozen=True, tag="run-ended", tag_field="event"):
    """The last line, unless the run is taken up again."""

    exit: Exit
    what: str
    because: tuple[str, ...] = ()
    next: tuple[str, ...] = ()


Event: TypeAlias = (
    RunStarted
    | StepStarted
    | ChildStarted
    | StepDone
    | StepFailed
    | Kept
    | LogErrors
    | Judged
    | Ticked
    | Acked
    | Said
    | Resumed
    | RunEnded
)


class Entry(msgspec.Struct, frozen=True):
    """An event as the journal keeps it: which run, which line of it, when."""

    run: str
    seq: int
    at: int
    event: Event


class StepState(enum.StrEnum):
    """How far a step of a run has come."""

    STARTED = "in doubt"
    DONE = "done"
    FAILED = "failed"


class Run(msgspec.Struct, frozen=True):
    """What the journal's lines of one run add up to. `steps` holds those that were begun, in order."""

    id: str
    plan: AnyPlan
    consent: Consent
    started: int
    repo: str
    lease: str
    signature: str
    steps: dict[str, StepState]
    failures: dict[str, StepFailed]
    done: dict[str, StepDone]
    children: tuple[Child, ...] = ()
    aborting: bool = False
    ended: RunEnded | None = None
    last: int = 0

    @property
    def open(self) -> bool:
        """Whether it can be taken up, unless it is under way: it stopped half-way, or waits to be settled."""
        return self.ended is None or self.ended.exit in (Exit.IN_DOUBT, Exit.MITIGATED)
