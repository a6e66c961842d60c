"""Errors that reach the operator: one type per fact, each with `because` and `next`, each with its exit code."""

import enum


class Exit(enum.IntEnum):
    """The exit codes; a contract with scripts and agents."""

    DONE = 0
    FAILED_RESTORED = 1
    USAGE = 2
    REFUSED = 3
    CONSENT_NEEDED = 4
    IN_DOUBT = 5
    LEASE_HELD = 6
    WORLD_MOVED = 7
    NEEDS_HUMAN = 8
    MITIGATED = 9


class LastgoodError(Exception):
    """Base of everything the operator is told instead of a traceback.

    `what` is the sentence, `because` the reasons, `next` the exact commands or edits to try.
    """

    exit = Exit.USAGE

    def __init__(self, what: str, *, because: tuple[str, ...] = (), next: tuple[str, ...] = ()) -> None:  # noqa: A002 - the contract's own word
        super().__init__(what)
        self.what = what
        self.because = because
        self.next = next


class UsageError(LastgoodError):
    """The command line asks for something that does not exist or contradicts itself."""


class ConfigError(LastgoodError):
    """`lastgood.yaml`, or a file it names, cannot be used; `what` names file and path inside it."""


class PinUnreadable(LastgoodError):
    """A pin file is missing, is not what its kind says, or does not hold an image where it should."""

    exit = Exit.REFUSED


class Refused(LastgoodError):
    """A rollback must not or cannot begin; nothing was touched."""

    exit = Exit.REFUSED


class GitUnavailable(LastgoodError):
    """The deploy repo's history cannot be had: neither from the remote nor from a copy on this machine."""

    exit = Exit.REFUSED


class PathConflict(LastgoodError):
    """Reversing a commit's configuration conflicts with later changes; the files are in `because`."""

    exit = Exit.REFUSED


class ConsentNeeded(LastgoodError):
    """There is a plan, and nobody who may approve it has done so. `by_person`: no program may, whatever it says."""

    exit = Exit.CONSENT_NEEDED
    by_person = False


class InDoubt(LastgoodError):
    """A run stopped half-way; `resume` or `abort` continues from what reality shows."""

    exit = Exit.IN_DOUBT


class LeaseHeld(LastgoodError):
    """Somebody else acts on this target.

    `ran_out`: they gave no sign of life for longer than they said. `run` is theirs, on `machine`; empty where that is
    not known.
    """

    exit = Exit.LEASE_HELD
    ran_out = False
    run = ""
    machine = ""


class WorldMoved(LastgoodError):
    """What the plan was made from is no longer so; nothing was touched."""

    exit = Exit.WORLD_MOVED


class NeedsHuman(LastgoodError):
    """The evidence contradicts itself, or a rollback is not the cure."""

    exit = Exit.NEEDS_HUMAN


class JournalUnwritable(LastgoodError):
    """The journal cannot take a durable record, so no effect may begin."""

    exit = Exit.REFUSED
