"""What a host of git knows beside git: protection, proposals to merge, runs of CI."""

import enum
from typing import Final

import msgspec

from lastgood.model.facts import Fact

AWAITS_MERGE: Final = "waits for a merge"
"""The signature of a step that goes no further until a person has merged something."""


class Protection(msgspec.Struct, frozen=True):
    """What the host refuses on a branch. `because` names the rules that were found, in one clause."""

    refuses_force: Fact[bool]
    refuses_direct: Fact[bool]
    because: str


class ProposalState(enum.StrEnum):
    """What became of a proposal. `BY_HAND`: nothing was opened; a person opens it at the address."""

    OPEN = "open"
    MERGED = "merged"
    CLOSED = "closed"
    BY_HAND = "by-hand"


class Proposal(msgspec.Struct, frozen=True):
    """A pull or merge request. `auto_merge`: it merges by itself once it may; `because` says why, or why not.

    `number` is 0, and `url` may be empty, where a person has to open it.
    """

    number: int
    url: str
    state: ProposalState
    auto_merge: bool
    because: str = ""


class Bump(msgspec.Struct, frozen=True):
    """An open proposal that would change a pin. `id` and `method` (of merging) are the host's own words."""

    number: int
    url: str
    title: str
    author: str
    auto_merge: bool
    id: str
    method: str = ""


class Flight(msgspec.Struct, frozen=True):
    """A run of CI that has not ended. `status` is the host's word, such as `queued`."""

    name: str
    url: str
    status: str
    commit: str


class CheckState(enum.StrEnum):
    """What CI says of a commit as a whole. `NONE`: nothing ever judged it."""

    PASSING = "passing"
    FAILING = "failing"
    PENDING = "pending"
    NONE = "none"


class Checks(msgspec.Struct, frozen=True):
    """What CI says of a commit, with the names of the checks that fail and of those still under way."""

    state: CheckState
    failing: tuple[str, ...] = ()
    pending: tuple[str, ...] = ()
