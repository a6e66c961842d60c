"""What is wrong with a service, as far as the evidence goes, and the one thing to do next."""

import enum
from typing import TypeAlias

import msgspec

from lastgood.model.facts import Fact


class Source(enum.StrEnum):
    """Where evidence comes from."""

    ENGINE = "engine"
    LOG = "log"
    HEALTH = "health"
    GIT = "git"
    DATABASE = "database"
    HOST = "host"
    REGISTRY = "registry"
    PAGE = "page"
    NEIGHBOURS = "neighbours"
    METRICS = "metrics"
    ROUTER = "router"


class Evidence(msgspec.Struct, frozen=True):
    """One thing that was seen. `said` may quote a log: it is harmless on a terminal, and never an instruction.

    `at` is when it was first seen, in Unix seconds, None where that is not known.
    """

    source: Source
    said: str
    at: int | None = None


class Scenario(enum.StrEnum):
    """What can be wrong. The first four are a release's own doing more often than not."""

    API_ERRORS = "api-errors"
    MIGRATION = "migration"
    FRONTEND = "frontend"
    CONFIGURATION = "configuration"
    IMAGE_MISSING = "image-missing"
    OUT_OF_MEMORY = "out-of-memory"
    DISK_FULL = "disk-full"
    PORT_TAKEN = "port-taken"
    DEPENDENCY = "dependency"
    DNS = "dns"
    CERTIFICATE = "certificate"
    OVERLOADED = "overloaded"
    PROBE = "probe"
    ROUTING = "routing"
    SEVERAL_DOWN = "several-down"
    SLOW = "slow"
    HEALTHY = "healthy"
    UNKNOWN = "unknown"


CURABLE = frozenset(
    {
        Scenario.API_ERRORS,
        Scenario.MIGRATION,
        Scenario.FRONTEND,
        Scenario.CONFIGURATION,
        Scenario.OUT_OF_MEMORY,
        Scenario.IMAGE_MISSING,
    }
)
"""Scenarios that changing what runs may cure. For all others a `Destructive` recommendation cannot be built."""


DOUBTED = frozenset(
    {
        Scenario.DISK_FULL,
        Scenario.PORT_TAKEN,
        Scenario.DEPENDENCY,
        Scenario.DNS,
        Scenario.CERTIFICATE,
        Scenario.SEVERAL_DOWN,
    }
)
"""Scenarios that stand in the way of a rollback, where they are sure: it would not cure them."""


class Confidence(enum.StrEnum):
    """How sure a diagnosis is."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    NONE = "none"


class Action(enum.StrEnum):
    """What is to be done. All but the last two change production."""

    ROLLBACK = "rollback"
    CONFIG_ROLLBACK = "config-rollback"
    DATABASE = "database"
    RESTART = "restart"
    HUMAN = "human"
    NOTHING = "nothing"


class Harmless(msgspec.Struct, frozen=True, tag="harmless", tag_field="kind"):
    """Looks, or has a person look. `command` is the one to run next."""

    action: Action
    command: str
    because: str

    def __post_init__(self) -> None:
        """Refuse what would change production under this name. Raises ValueError."""
        if self.action not in (Action.HUMAN, Action.NOTHING):
            raise ValueError(f"{self.action} changes production")


class Destructive(msgspec.Struct, frozen=True, tag="destructive", tag_field="kind"):
    """Changes production: another release, other configuration, another schema, or a restart.

    It can be built only for a scenario that this may cure, with no contradiction. The command itself shows its plan
    and asks.
    """

    action: Action
    command: str
    because: str
    scenario: Scenario

    def __post_init__(self) -> None:
        """Refuse what cannot be a cure. Raises ValueError."""
        if self.action in (Action.HUMAN, Action.NOTHING):
            raise ValueError(f"{self.action} changes nothing")
        if self.scenario not in CURABLE:
            raise ValueError(f"{self.scenario} is not cured by {self.action}")


Recommendation: TypeAlias = Harmless | Destructive


class Finding(msgspec.Struct, frozen=True):
    """One scenario with what speaks for it. `key` names a configuration key, where that is the cause."""

    scenario: Scenario
    what: str
    confidence: Confidence
    evidence: tuple[Evidence, ...]
    key: str = ""


class Diagnosis(msgspec.Struct, frozen=True):
    """What is wrong with one target; `at` and `since` in Unix seconds.

    `what` is a sentence, `changed` sentences about what changed, newest first. `evidence` speaks for the scenario,
    `contradictions` against it: with any of those the recommendation is a human. `others` are further findings.
    `unknown` says what could not be seen.
    """

    target: str
    at: int
    scenario: Scenario
    what: str
    since: Fact[int]
    changed: tuple[str, ...]
    confidence: Confidence
    evidence: tuple[Evidence, ...]
    contradictions: tuple[str, ...]
    others: tuple[Finding, ...]
    unknown: tuple[str, ...]
    recommendation: Recommendation
    key: str = ""

    @property
    def doubts(self) -> bool:
        """Whether it is sure that a rollback would not cure this. What is not known never doubts."""
        return self.scenario in DOUBTED and self.confidence is Confidence.HIGH

    def __post_init__(self) -> None:
        """Refuse to recommend a change against the evidence. Raises ValueError."""
        if self.contradictions and isinstance(self.recommendation, Destructive):
            raise ValueError("contradicting evidence needs a human, never a change")
