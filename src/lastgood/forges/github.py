"""`kind: github`: github.com, and GitHub Enterprise Server by its `url`.

Operations and fields: GitHub's OpenAPI description (npm `@octokit/openapi`) and GraphQL schema (npm
`@octokit/graphql-schema`), against which the tests check every request.
"""

import re
from collections.abc import Callable, Iterator
from typing import Annotated, Final, TypeVar

import msgspec

from lastgood.forges._github_answers import (
    Branch,
    CheckRuns,
    Classic,
    Cursor,
    Files,
    Open,
    Pull,
    Repo,
    Rule,
    Runs,
    Statuses,
    judged,
    newest,
    protection,
)
from lastgood.forges._github_api import Api, Trouble, segment
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.forge import Bump, Checks, Flight, Proposal, ProposalState, Protection
from lastgood.model.remote import Remote
from lastgood.model.text import sanitise
from lastgood.ports import Line

T = TypeVar("T")

_NAME: Final = re.compile(r"(?!\.{1,2}/)[A-Za-z0-9_.-]+/(?!\.{1,2}\Z)[A-Za-z0-9_.-]+")
_COMMIT: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_MISSING: Final = 404
_INVALID: Final = 422
# Pull requests and runs repeat their repos; more of them would not fit into the answer's limit of 1 MiB.
_FEW: Final = "10"
_SOME: Final = "30"
_MANY: Final = "100"
# In the order that a run goes through them, so that one that moves on while we ask is seen the later time.
_IN_FLIGHT: Final = ("requested", "queued", "pending", "waiting", "in_progress")
_FILES: Final = "files(first: 100, after: $files) { nodes { path } pageInfo { hasNextPage endCursor } }"
_OPEN: Final = f"""
query Bumps($owner: String!, $name: String!, $base: String!, $after: String, $files: String) {{
  repository(owner: $owner, name: $name) {{
    pullRequests(states: [OPEN], baseRefName: $base, first: 25, after: $after) {{
      nodes {{ id number url title author {{ login }} autoMergeRequest {{ mergeMethod }} {_FILES} }}
      pageInfo {{ hasNextPage endCursor }}
    }}
  }}
}}"""
_MORE_FILES: Final = f"""
query Files($id: ID!, $files: String) {{ node(id: $id) {{ ... on PullRequest {{ {_FILES} }} }} }}"""
_ENABLE: Final = """
mutation Enable($id: ID!, $method: PullRequestMergeMethod!, $headline: String, $body: String) {
  enablePullRequestAutoMerge(
    input: {pullRequestId: $id, mergeMethod: $method, commitHeadline: $headline, commitBody: $body}
  ) { pullRequest { autoMergeRequest { mergeMethod } } }
}"""
_DISABLE: Final = """
mutation Disable($id: ID!) {
  disablePullRequestAutoMerge(input: {pullRequestId: $id}) { pullRequest { autoMergeRequest { mergeMethod } } }
}"""


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`repo` is owner/name, else taken from the remote's address; `token` is a reference, never the token itself."""

    repo: str = ""
    url: Annotated[str, msgspec.Meta(pattern=r"^https?://[^\s/@?#]+(/[^\s@?#]*)?$")] = "https://api.github.com"
    token: str = ""

    def __post_init__(self) -> None:
        """Refuse what could not be asked with. Raises ValueError, which never repeats what may be a token."""
        if self.repo and not _NAME.fullmatch(self.repo):
            raise ValueError("repo must be owner/name")
        if self.token and not re.fullmatch(r"(?:env|file|command):.+", self.token):
            raise ValueError("token must be a reference (env:NAME, file:PATH or command:ARGV), never the token itself")


class _List(msgspec.Struct):
    nodes: list[Open]
    pageInfo: Cursor  # noqa: N815 - GraphQL's own name


class _Holder(msgspec.Struct):
    pullRequests: _List  # noqa: N815 - as above


class _Found(msgspec.Struct):
    repository: _Holder | None


class _Pages(msgspec.Struct):
    files: Files | None = None


class _Node(msgspec.Struct):
    node: _Pages | None


class GitHub:
    """One repo on GitHub. The repo's present name and the token are looked up once."""

    def __init__(self, options: Options, line: Line) -> None:
        self._api = Api(line, options.url, options.token)
        self._named = options.repo
        self._remote = line.remote
        self._known: Repo | None = None

    def protected(self, branch: str) -> Fact[Protection]:
        """By branch protection and by rulesets; Unknown where neither can be read, never "no" for want of rights."""
        return _fact(lambda: self._protection(f"{self._path()}/branches/{segment(branch)}", branch))

    def _protection(self, place: str, branch: str) -> Protection:
        flagged = self._api.get(place, Branch).protected
        rules = _fact(lambda: self._rules(branch))
        classic: Fact[Classic | None] = _fact(lambda: self._classic(place)) if flagged else Known(None)
        found = protection(rules, classic)
        if isinstance(found.refuses_force, Unknown) and isinstance(found.refuses_direct, Unknown):
            raise Trouble(found.refuses_force.reason)
        return found

    def _rules(self, branch: str) -> frozenset[str]:
        pages = self._api.pages(f"{self._path()}/rules/branches/{segment(branch)}", list[Rule], per_page=_MANY)
        return frozenset(rule.type for page in pages for rule in page)

    def _classic(self, place: str) -> Classic | None:
        """None where the flag is from a ruleset: GitHub then says so to those who may read protection."""
        try:
            return self._api.get(f"{place}/protection", Classic)
        except Trouble as trouble:
            if trouble.status == _MISSING and trouble.said.lower().startswith("branch not protected"):
                return None
            raise

    def propose(self, head: str, base: str, title: str, body: str) -> Fact[Proposal]:
        """The pull request of these branches, made where there is none, set to merge by itself where that is allowed.

        One that was closed without a merge is handed back as it is: somebody decided that.
        """
        return _fact(lambda: self._propose(head, base, title, body))

    def _propose(self, head: str, base: str, title: str, body: str) -> Proposal:
        self._api.needs_token()
        pull = self._pull(head, base) or self._create(head, base, title, body)
        if pull.state != "open" or pull.auto_merge:
            return pull.proposal("it was closed without being merged" if self._closed(pull) else "")
        return self._to_merge_itself(pull, title, body)

    @staticmethod
    def _closed(pull: Pull) -> bool:
        return pull.proposal().state is ProposalState.CLOSED

    def _create(self, head: str, base: str, title: str, body: str) -> Pull:
        try:
            content = {"title": title, "head": head, "base": base, "body": body}
            return self._api.post(f"{self._path()}/pulls", content, Pull)
        except Trouble as trouble:
            # Somebody else was quicker, or the answer to an earlier try was lost on its way.
            if trouble.status == _INVALID and (made := self._pull(head, base)):
                return made
            raise

    def _to_merge_itself(self, pull: Pull, title: str, body: str) -> Proposal:
        """Ask for auto-merge; where that is refused the pull request is open all the same, and the reason is kept."""
        if self._repo().allow_auto_merge is False:
            return pull.proposal("auto-merge is not allowed in this repo")
        method = self._repo().method
        # The body ends with the trailers that tell other machines what was found bad; a squash must keep them.
        words = {"headline": title, "body": body} if method == "SQUASH" else {}
        try:
            self._api.graphql(_ENABLE, {"id": pull.node_id, "method": method, **words}, dict[str, object])
        except Trouble as trouble:
            return pull.proposal(f"it does not merge by itself: {trouble}")
        return self._again(pull.number).proposal()

    def proposal(self, head: str, base: str) -> Fact[Proposal | None]:
        """What became of the pull request of these branches, merged in whatever way; None where there is none."""
        return _fact(lambda: pull.proposal() if (pull := self._pull(head, base)) else None)

    def _pull(self, head: str, base: str) -> Pull | None:
        query = {"state": "all", "head": f"{self._repo().owner}:{head}", "base": base, "per_page": _FEW}
        pages = self._api.pages(f"{self._path()}/pulls", list[Pull], **query)
        return newest(pull for page in pages for pull in page if pull.between(head, base, self._repo()))

    def _again(self, number: int) -> Pull:
        return self._api.get(f"{self._path()}/pulls/{number}", Pull)

    def bumps(self, path: str, base: str) -> Fact[tuple[Bump, ...]]:
        """Open pull requests to `base`, from whomever, that change the file at `path`."""
        return _fact(lambda: tuple(one.bump() for one in self._open(base) if self._changes(one, path)))

    def _open(self, base: str) -> Iterator[Open]:
        owner, _, name = self._repo().full_name.partition("/")
        after: str | None = None
        while True:
            variables = {"owner": owner, "name": name, "base": base, "after": after}
            found = self._api.graphql(_OPEN, variables, _Found).repository
            if found is None:
                raise Trouble(f"{self._api.host} has no repo {owner}/{name}")
            yield from found.pullRequests.nodes
            after = _next(found.pullRequests.pageInfo)
            if after is None:
                return

    def _changes(self, pull: Open, path: str) -> bool:
        files = pull.files
        while files is not None:
            if any(file.path == path for file in files.nodes):
                return True
            after = _next(files.pageInfo)
            if after is None:
                return False
            node = self._api.graphql(_MORE_FILES, {"id": pull.id, "files": after}, _Node).node
            files = node.files if node else None
        raise Trouble(f"which files #{pull.number} changes cannot be seen")

    def flights(self, branch: str) -> Fact[tuple[Flight, ...]]:
        """Workflow runs on the branch that wait or run."""
        return _fact(lambda: tuple(self._flights(branch).values()))

    def _flights(self, branch: str) -> dict[int, Flight]:
        found: dict[int, Flight] = {}
        for status in _IN_FLIGHT:
            query = {"branch": branch, "status": status, "per_page": _SOME}
            for page in self._api.pages(f"{self._path()}/actions/runs", Runs, **query):
                for run in page.workflow_runs:
                    name = sanitise(run.name or f"run {run.id}")
                    found[run.id] = Flight(name, sanitise(run.html_url), sanitise(run.status or status), run.head_sha)
        return found

    def checks(self, commit: str, *, repo: str = "") -> Fact[Checks]:
        """Statuses and check runs of a commit, the newest of each name, in this repo or another."""
        if not _COMMIT.fullmatch(commit) or (repo and not _NAME.fullmatch(repo)):
            return Unknown("the commit is not named by its full id" if not repo else "the repo is no owner/name")
        return _fact(lambda: judged(self._results(f"{self._path(repo)}/commits/{commit}")))

    def _results(self, place: str) -> Iterator[tuple[str, str]]:
        for page in self._api.pages(f"{place}/status", Statuses, per_page=_MANY):
            yield from ((status.context, status.state) for status in page.statuses)
        for runs in self._api.pages(f"{place}/check-runs", CheckRuns, filter="latest", per_page=_SOME):
            for run in runs.check_runs:
                yield run.name, (run.conclusion or "unsaid") if run.status == "completed" else "pending"

    def pause(self, bump: Bump) -> Fact[Bump]:
        """Switch auto-merge off. Known once GitHub shows it off; Unknown where it merged meanwhile."""
        return _fact(lambda: self._switched(bump, _DISABLE, {"id": bump.id}, on=False))

    def unpause(self, bump: Bump) -> Fact[Bump]:
        """Switch auto-merge on, with the method it had. GitHub refuses where nothing is left to wait for."""
        return _fact(lambda: self._switched(bump, _ENABLE, {"id": bump.id, "method": bump.method or "MERGE"}, on=True))

    def _switched(self, bump: Bump, mutation: str, variables: dict[str, str | None], *, on: bool) -> Bump:
        """Ask, and believe only what a look shows afterwards: switching off what is off is refused, and is fine."""
        refusal: Trouble | None = None
        try:
            self._api.graphql(mutation, variables, dict[str, object])
        except Trouble as trouble:
            refusal = trouble
        seen = self._again(bump.number)
        if seen.state != "open":
            raise Trouble(f"#{bump.number} is {seen.proposal().state} meanwhile")
        if (seen.auto_merge is not None) is not on:
            raise refusal or Trouble(f"#{bump.number} did not take the change")
        return msgspec.structs.replace(bump, auto_merge=on)

    def _path(self, repo: str = "") -> str:
        return f"/repos/{repo or self._repo().full_name}"

    def _repo(self) -> Repo:
        """The repo under its present name: what a rename leaves behind redirects reads, but not every filter."""
        if self._known is None:
            found = self._api.get(f"/repos/{self._name()}", Repo)
            if not _NAME.fullmatch(found.full_name):
                raise Trouble(f"{self._api.host} calls the repo by something that is no owner/name")
            self._known = found
        return self._known

    def _name(self) -> str:
        if self._named:
            return self._named
        remote = Remote.parse(self._remote)
        if remote is None or not _NAME.fullmatch(remote.path):
            raise Trouble("the remote's address does not say owner/name; set `repo` of `forge` in lastgood.yaml")
        return remote.path


def make(options: Options, line: Line) -> GitHub:
    """The repo that these options, or the remote's address, name."""
    return GitHub(options, line)


def _fact(look: Callable[[], T]) -> Fact[T]:
    try:
        return Known(look())
    except Trouble as trouble:
        return Unknown(str(trouble))


def _next(cursor: Cursor) -> str | None:
    return cursor.endCursor if cursor.hasNextPage else None
