"""What the commands about kept dumps answer. Sizes are bytes, times Unix seconds."""

import msgspec

from lastgood.model.database import Backup
from lastgood.model.facts import Fact


class Checked(msgspec.Struct, frozen=True):
    """A look at a dump that found it good: when, and whether it was also restored and its rows were counted."""

    at: int
    restored: bool


class Kept(msgspec.Struct, frozen=True):
    """A backup that is there. `checked` is Unknown until it was looked at."""

    backup: Backup
    checked: Fact[Checked]


class BackupMade(msgspec.Struct, frozen=True):
    """A new backup, read through. `removed` are paths that the retention rule let go; `warnings` are sentences."""

    target: str
    database: str
    backup: Backup
    checked: Checked
    removed: tuple[str, ...]
    warnings: tuple[str, ...]


class Backups(msgspec.Struct, frozen=True):
    """The backups in `folder`, newest first, of which `keep` are kept; `unfinished` are paths of what never became one.

    `busy` says who makes or checks a backup at this moment, or died over it; empty where nobody does.
    """

    target: str
    database: str
    folder: str
    keep: int
    backups: tuple[Kept, ...]
    unfinished: tuple[str, ...]
    busy: str


class Verification(msgspec.Struct, frozen=True):
    """A dump that was looked at: what was seen, and in `problems` what is wrong with it.

    `rows` are those found when it was restored, by table; None where it did not come to that. `counted` says whether
    they were compared with the manifest's: a dump of other origin has none.
    """

    target: str
    path: str
    good: bool
    seen: tuple[str, ...]
    problems: tuple[str, ...]
    rows: dict[str, int] | None
    counted: bool
    seconds: float
