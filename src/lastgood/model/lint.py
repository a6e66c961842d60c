"""What a look at migration files finds, without a database."""

import enum

import msgspec


class Mark(enum.StrEnum):
    """How grave a finding is. Only an error makes the check fail."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class Finding(msgspec.Struct, frozen=True):
    """One thing found in one file: `rule` is its name in kebab case, `next` what to do, empty where nothing need be.

    `path` is empty and `line` 0 for what is no matter of one file; other lines count from 1.
    """

    path: str
    line: int
    rule: str
    mark: Mark
    said: str
    next: str = ""


class Outcome(enum.StrEnum):
    """What became of one migration in the proof."""

    PROVED = "proved"
    FAILED = "failed"
    IRREVERSIBLE = "irreversible"
    NO_DOWN = "no-down"
    NOT_REACHED = "not-reached"


class Proved(msgspec.Struct, frozen=True):
    """One migration in the proof. `said` is the reason where it is irreversible, else empty."""

    version: str
    name: str
    outcome: Outcome
    said: str = ""


class Proof(msgspec.Struct, frozen=True):
    """What running the migrations showed, on a PostgreSQL `server` of that version; the findings are told apart."""

    server: str
    steps: tuple[Proved, ...]


class Linted(msgspec.Struct, frozen=True):
    """`lastgood lint migrations`. Paths begin with `folder`. `migrations` is their number, `tool` what runs them.

    `base` is the commit since which changes are looked at: what was found in other files is there as INFO. It is empty
    where all files count. `proof` is None where nothing was run.
    """

    folder: str
    tool: str
    migrations: int
    base: str
    findings: tuple[Finding, ...]
    proof: Proof | None = None

    @property
    def failed(self) -> bool:
        """Whether there is an error."""
        return any(finding.mark is Mark.ERROR for finding in self.findings)
