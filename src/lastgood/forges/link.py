"""`kind: link`: any host of git, without its API: only the address at which a person can open a merge request.

Address shapes: GitLab's documentation ("Create merge requests", URL parameters), Gitea and Forgejo (`compare`),
Bitbucket Cloud and Data Center (what they print after a push), GitHub ("Using query parameters to create a pull
request").
"""

from collections.abc import Callable
from typing import Annotated, Final, Literal
from urllib.parse import quote, urlencode

import msgspec

from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.forge import Bump, Checks, Flight, Proposal, ProposalState, Protection
from lastgood.model.remote import Remote
from lastgood.model.text import sanitise
from lastgood.ports import Line

Software = Literal["auto", "github", "gitlab", "gitea", "bitbucket", "bitbucket-server"]

_BLIND: Final = Unknown("the host of this remote is not asked (forge kind link)")
_BY_NAME: Final[tuple[tuple[str, Software], ...]] = (
    ("gitlab", "gitlab"),
    ("bitbucket.org", "bitbucket"),
    ("bitbucket", "bitbucket-server"),
    ("codeberg.org", "gitea"),
    ("gitea", "gitea"),
    ("forgejo", "gitea"),
    ("github", "github"),
)


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`software: auto` goes by the host's name; `web` is the address people browse, else that of the remote's host."""

    software: Software = "auto"
    web: Annotated[str, msgspec.Meta(pattern=r"^(https?://[^\s/@?#]+(/[^\s@?#]*)?)?$")] = ""


class LinkForge:
    """A repo on a host that is not asked. Everything but the link is Unknown."""

    def __init__(self, options: Options, line: Line) -> None:
        self._options = options
        self._remote = Remote.parse(line.remote)

    def protected(self, branch: str) -> Fact[Protection]:  # noqa: ARG002 - the port's signature
        """Unknown."""
        return _BLIND

    def propose(self, head: str, base: str, title: str, body: str) -> Fact[Proposal]:
        """The link for a person to open, or the branches' names where the host's links are not known."""
        link = self._link(head, base, title, body)
        if link:
            return Known(Proposal(0, link, ProposalState.BY_HAND, auto_merge=False, because="open it there"))
        because = f"ask to have branch {sanitise(head)} merged into {sanitise(base)}"
        return Known(Proposal(0, "", ProposalState.BY_HAND, auto_merge=False, because=because))

    def proposal(self, head: str, base: str) -> Fact[Proposal | None]:  # noqa: ARG002 - the port's signature
        """Unknown."""
        return _BLIND

    def bumps(self, path: str, base: str) -> Fact[tuple[Bump, ...]]:  # noqa: ARG002 - as above
        """Unknown."""
        return _BLIND

    def flights(self, branch: str) -> Fact[tuple[Flight, ...]]:  # noqa: ARG002 - as above
        """Unknown."""
        return _BLIND

    def checks(self, commit: str, *, repo: str = "") -> Fact[Checks]:  # noqa: ARG002 - as above
        """Unknown."""
        return _BLIND

    def pause(self, bump: Bump) -> Fact[Bump]:  # noqa: ARG002 - as above
        """Unknown."""
        return _BLIND

    def unpause(self, bump: Bump) -> Fact[Bump]:  # noqa: ARG002 - as above
        """Unknown."""
        return _BLIND

    def _link(self, head: str, base: str, title: str, body: str) -> str:
        software = self._software()
        if self._remote is None or software == "auto":
            return ""
        return _LINKS[software](self._repo_page(self._remote, software), head, base, {"title": title, "body": body})

    def _software(self) -> Software:
        if self._options.software != "auto" or self._remote is None:
            return self._options.software
        host = self._remote.host
        return next((software for part, software in _BY_NAME if part in host), "auto")

    def _repo_page(self, remote: Remote, software: Software) -> str:
        """The repo in a browser. A port belongs to git's ssh, so only that of an http address is kept."""
        port = f":{remote.port}" if remote.port and remote.scheme in {"http", "https"} else ""
        scheme = "http" if remote.scheme == "http" else "https"
        host = {"ssh.github.com": "github.com", "altssh.gitlab.com": "gitlab.com"}.get(remote.host, remote.host)
        host = "bitbucket.org" if host == "altssh.bitbucket.org" else host
        path = quote(remote.path.removeprefix("scm/") if software == "bitbucket-server" else remote.path)
        if software == "bitbucket-server":
            project, _, name = path.rpartition("/")
            path = f"projects/{project}/repos/{name}"
        return f"{self._options.web.rstrip('/') or f'{scheme}://{host}{port}'}/{path}"


def make(options: Options, line: Line) -> LinkForge:
    """The repo at the remote's address."""
    return LinkForge(options, line)


def _github(page: str, head: str, base: str, words: dict[str, str]) -> str:
    query = urlencode({"expand": "1", "title": words["title"]})
    return f"{page}/compare/{quote(base, safe='')}...{quote(head, safe='')}?{query}"


def _gitlab(page: str, head: str, base: str, words: dict[str, str]) -> str:
    names = {"source_branch": head, "target_branch": base, "title": words["title"]}
    query = urlencode({f"merge_request[{name}]": value for name, value in names.items()})
    return f"{page}/-/merge_requests/new?{query}"


def _gitea(page: str, head: str, base: str, _words: dict[str, str]) -> str:
    return f"{page}/compare/{quote(base)}...{quote(head)}"


def _bitbucket(page: str, head: str, base: str, _words: dict[str, str]) -> str:
    return f"{page}/pull-requests/new?{urlencode({'source': head, 'dest': base})}"


def _bitbucket_server(page: str, head: str, base: str, _words: dict[str, str]) -> str:
    query = urlencode({"sourceBranch": f"refs/heads/{head}", "targetBranch": f"refs/heads/{base}"})
    return f"{page}/pull-requests?create&{query}"


_LINKS: Final[dict[str, Callable[[str, str, str, dict[str, str]], str]]] = {
    "github": _github,
    "gitlab": _gitlab,
    "gitea": _gitea,
    "bitbucket": _bitbucket,
    "bitbucket-server": _bitbucket_server,
}
