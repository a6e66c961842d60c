"""What GitHub's API answers with, as far as it is read, and what that means."""

from collections.abc import Iterable
from typing import Final

import msgspec

from lastgood.forges._github_api import Trouble
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.forge import Bump, Checks, CheckState, Proposal, ProposalState, Protection
from lastgood.model.text import sanitise

_OF_FORCE: Final = frozenset({"non_fast_forward"})
_OF_DIRECT: Final = frozenset({"pull_request", "update", "merge_queue", "required_status_checks"})
_GOOD: Final = frozenset({"success", "neutral", "skipped"})
_BAD: Final = frozenset({"failure", "timed_out", "cancelled", "action_required", "startup_failure", "stale", "error"})
# Rebased commits keep their messages and stay on the branch's own line; a merge hides them from `--first-parent`.
_METHODS: Final = ("REBASE", "SQUASH", "MERGE")


class Repo(msgspec.Struct):
    """A repo. What may be done in it is shown to those who may push; None where it is not shown."""

    full_name: str
    allow_auto_merge: bool | None = None
    allow_rebase_merge: bool | None = None
    allow_squash_merge: bool | None = None
    allow_merge_commit: bool | None = None

    @property
    def owner(self) -> str:
        """The account that the repo belongs to."""
        return self.full_name.partition("/")[0]

    @property
    def method(self) -> str:
        """How to merge: the first of those the repo allows."""
        allowed = (self.allow_rebase_merge, self.allow_squash_merge, self.allow_merge_commit)
        return next((name for name, may in zip(_METHODS, allowed, strict=True) if may), "MERGE")


class _Named(msgspec.Struct):
    full_name: str = ""


class _Side(msgspec.Struct):
    ref: str
    repo: _Named | None = None


class _Auto(msgspec.Struct):
    merge_method: str


class Pull(msgspec.Struct):
    """A pull request, as lists and single reads have it alike."""

    number: int
    html_url: str
    node_id: str
    state: str
    merged_at: str | None
    head: _Side
    base: _Side
    auto_merge: _Auto | None

    def between(self, head: str, base: str, repo: Repo) -> bool:
        """Whether it is from this branch of the repo itself: the filter of the list is ignored where it is not one."""
        own = self.head.repo is not None and self.head.repo.full_name.lower() == repo.full_name.lower()
        return own and (self.head.ref, self.base.ref) == (head, base)

    def proposal(self, because: str = "") -> Proposal:
        """It as a value. Merged is merged, squashed or not: GitHub keeps `merged_at` for every way."""
        if self.merged_at:
            state = ProposalState.MERGED
        else:
            state = ProposalState.OPEN if self.state == "open" else ProposalState.CLOSED
        auto = state is ProposalState.OPEN and self.auto_merge is not None
        return Proposal(self.number, sanitise(self.html_url), state, auto, because)


def newest(pulls: Iterable[Pull]) -> Pull | None:
    """The one that counts: an open one, else a merged one, else the newest."""
    found = list(pulls)
    for fits in (lambda pull: pull.state == "open", lambda pull: pull.merged_at, lambda _: True):
        if some := [pull for pull in found if fits(pull)]:
            return max(some, key=lambda pull: pull.number)
    return None


class Branch(msgspec.Struct):
    """A branch: `protected` by any means that GitHub tells everybody of."""

    protected: bool


class Rule(msgspec.Struct):
    """An active rule of a ruleset that applies to a branch."""

    type: str


class _Switch(msgspec.Struct):
    enabled: bool = False


class Classic(msgspec.Struct):
    """Branch protection of the older kind, which only administrators may read."""

    allow_force_pushes: _Switch = msgspec.field(default_factory=_Switch)
    lock_branch: _Switch = msgspec.field(default_factory=_Switch)
    required_pull_request_reviews: dict[str, object] | None = None
    required_status_checks: dict[str, object] | None = None
    restrictions: dict[str, object] | None = None

    @property
    def refuses_direct(self) -> Fact[bool]:
        """Whether a commit must come by a pull request, or with passed checks."""
        needed = (self.required_pull_request_reviews, self.required_status_checks)
        if self.lock_branch.enabled or any(one is not None for one in needed):
            return Known(value=True)
        if self.restrictions is not None:
            return Unknown("only those on a list may push, and whether we are on it cannot be seen")
        return Known(value=False)


def protection(rules: Fact[frozenset[str]], classic: Fact[Classic | None]) -> Protection:
    """Both kinds together: one that refuses is enough; "no" takes both to be known."""
    found = classic.value if isinstance(classic, Known) else None
    old_force: Fact[bool] = classic if isinstance(classic, Unknown) else Known(_forced(found))
    old_direct = classic if isinstance(classic, Unknown) else found.refuses_direct if found else Known(value=False)
    names = sorted(rules.value) if isinstance(rules, Known) else []
    said = [f"rules: {', '.join(names)}"] if names else []
    said += ["branch protection"] if found else []
    return Protection(
        refuses_force=_either(_any_of(rules, _OF_FORCE), old_force),
        refuses_direct=_either(_any_of(rules, _OF_DIRECT), old_direct),
        because=sanitise("; ".join(said) or "no rule was seen"),
    )


def _forced(classic: Classic | None) -> bool:
    return classic is not None and (classic.lock_branch.enabled or not classic.allow_force_pushes.enabled)


def _any_of(rules: Fact[frozenset[str]], wanted: frozenset[str]) -> Fact[bool]:
    return rules if isinstance(rules, Unknown) else Known(bool(rules.value & wanted))


def _either(one: Fact[bool], other: Fact[bool]) -> Fact[bool]:
    if Known(value=True) in (one, other):
        return Known(value=True)
    return one if isinstance(one, Unknown) else other


class Status(msgspec.Struct):
    """A commit status, of the older kind."""

    context: str
    state: str


class Statuses(msgspec.Struct):
    """The newest status of each context. The sum that GitHub gives is not read: it is `pending` where there is none."""

    statuses: list[Status]


class CheckRun(msgspec.Struct):
    """A check run, of the newer kind."""

    name: str
    status: str
    conclusion: str | None


class CheckRuns(msgspec.Struct):
    """A page of check runs."""

    check_runs: list[CheckRun]


def judged(results: Iterable[tuple[str, str]]) -> Checks:
    """Names with `pending`, or the word it ended with, as one verdict. Raises Trouble for a word that is not known."""
    failing: dict[str, None] = {}
    pending: dict[str, None] = {}
    some = False
    for name, word in results:
        some = True
        if word in _BAD:
            failing[sanitise(name)] = None
        elif word == "pending":
            pending[sanitise(name)] = None
        elif word not in _GOOD:
            raise Trouble(f"the check {sanitise(name)} ended with {sanitise(word)!r}, which is not known")
    state = CheckState.PASSING if some else CheckState.NONE
    if failing or pending:
        state = CheckState.FAILING if failing else CheckState.PENDING
    return Checks(state, tuple(failing), tuple(pending))


class Run(msgspec.Struct):
    """A workflow run."""

    id: int
    name: str | None
    html_url: str
    status: str | None
    head_sha: str


class Runs(msgspec.Struct):
    """A page of workflow runs."""

    workflow_runs: list[Run]


class _Author(msgspec.Struct):
    login: str


class Cursor(msgspec.Struct):
    """Where the next page of a GraphQL list begins."""

    hasNextPage: bool  # noqa: N815 - GraphQL's own name
    endCursor: str | None  # noqa: N815 - as above


class _File(msgspec.Struct):
    path: str


class Files(msgspec.Struct):
    """A page of the files that a pull request changes."""

    nodes: list[_File]
    pageInfo: Cursor  # noqa: N815 - GraphQL's own name


class _AutoMerge(msgspec.Struct):
    mergeMethod: str  # noqa: N815 - GraphQL's own name


class Open(msgspec.Struct):
    """An open pull request as GraphQL has it: with its files, for which REST takes one more request each."""

    id: str
    number: int
    url: str
    title: str
    author: _Author | None
    autoMergeRequest: _AutoMerge | None  # noqa: N815 - GraphQL's own name
    files: Files | None

    def bump(self) -> Bump:
        """It as a value; an author whose account is gone is GitHub's `ghost`."""
        method = self.autoMergeRequest.mergeMethod if self.autoMergeRequest else ""
        author = self.author.login if self.author else "ghost"
        title, url = sanitise(self.title), sanitise(self.url)
        return Bump(self.number, url, title, sanitise(author), self.autoMergeRequest is not None, self.id, method)
