"""The checklist of a run: what has to be so before, meanwhile and afterwards, and how each point stands."""

import enum
from typing import Final, Literal, TypeAlias

import msgspec

from lastgood.model.errors import Exit

Check: TypeAlias = Literal[
    "config-backed-up",
    "database-backed-up",
    "deployment-stopped",
    "deployed",
    "healthy",
    "user-flows",
    "logs-watched",
    "recorded",
    "quarantined",
    "evidence-kept",
    "page-written",
    "team-told",
    "task-written",
    "issue-opened",
]
"""What the record of a run, or the outbox, can tell by itself; where there is nothing to go by, a person answers."""


class Phase(enum.StrEnum):
    """When a point is due."""

    BEFORE = "before"
    DURING = "during"
    AFTER = "after"


class Point(msgspec.Struct, frozen=True):
    """One point of a list: `check` says what answers it, a person where it is empty."""

    phase: Phase
    id: str
    text: str
    check: Check | Literal[""] = ""


class State(enum.StrEnum):
    """How a point stands. What the record does not tell is unknown, never done."""

    DONE = "done"
    SKIPPED = "skipped"
    OPEN = "open"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Standing(msgspec.Struct, frozen=True):
    """A point, how it stands and why; `by` and `at` (ISO 8601 UTC) where a person said so."""

    point: Point
    state: State
    because: str = ""
    by: str = ""
    at: str = ""


class Checklist(msgspec.Struct, frozen=True):
    """The list of one run."""

    run: str
    target: str
    points: tuple[Standing, ...]

    @property
    def left(self) -> tuple[Standing, ...]:
        """The points that are neither done nor skipped."""
        return tuple(one for one in self.points if one.state not in (State.DONE, State.SKIPPED))

    @property
    def exit(self) -> Exit:
        """8 as long as a point is left."""
        return Exit.NEEDS_HUMAN if self.left else Exit.DONE


# The runbook's own list.
DEFAULT: Final[dict[Phase, tuple[Point, ...]]] = {
    Phase.BEFORE: (
        Point(Phase.BEFORE, "root-cause", "Root cause identified, or at least which release brought it"),
        Point(Phase.BEFORE, "wiki-page", "Wiki page begun", "page-written"),
        Point(Phase.BEFORE, "team-told", "Team told", "team-told"),
        Point(Phase.BEFORE, "config-backed-up", "Configuration backed up", "config-backed-up"),
        Point(Phase.BEFORE, "database-backed-up", "Database backed up, where it is touched", "database-backed-up"),
    ),
    Phase.DURING: (
        Point(Phase.DURING, "deployment-stopped", "Deployment under way stopped", "deployment-stopped"),
        Point(Phase.DURING, "deployed", "Last good release deployed", "deployed"),
        Point(Phase.DURING, "healthy", "Health verified", "healthy"),
        Point(Phase.DURING, "user-flows", "Critical user flows tested", "user-flows"),
        Point(Phase.DURING, "logs-watched", "Logs watched for new errors", "logs-watched"),
    ),
    Phase.AFTER: (
        Point(Phase.AFTER, "recorded", "Git says what runs", "recorded"),
        Point(Phase.AFTER, "quarantined", "Bad release in quarantine", "quarantined"),
        Point(Phase.AFTER, "task-updated", "Task updated", "task-written"),
        Point(Phase.AFTER, "post-mortem", "Post-mortem written"),
        Point(Phase.AFTER, "issue", "Issue for the root cause opened", "issue-opened"),
        Point(Phase.AFTER, "re-deployment", "Re-deployment planned"),
    ),
}
