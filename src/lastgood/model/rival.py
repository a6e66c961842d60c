"""Rivals: what on a host would undo a rollback by itself, or take away the images it needs."""

import enum

import msgspec


class Harm(enum.StrEnum):
    """What a rival does to a rollback."""

    UNDOES = "undoes it"
    PRUNES = "removes images it needs"
    NONE = "harmless"


class Seen(msgspec.Struct, frozen=True):
    """One rival on one host.

    `kind` is its family member, `name` what it is called there (a container, a file and line, a unit), `said` one
    clause for the reader. `pause` and `unpause` are argv that stop it for a while and let it go on, both empty where
    it can only be reported. A harmless one is named so that the reader need not wonder.
    """

    kind: str
    name: str
    said: str
    harm: Harm = Harm.UNDOES
    pause: tuple[str, ...] = ()
    unpause: tuple[str, ...] = ()
