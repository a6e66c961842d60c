"""`kind: github`: an issue for each run, found again by a mark in its body; later messages are comments.

Operations: GitHub's REST documentation, "Issues" and "Issue comments", version 2022-11-28. Labels are dropped without
a word where the token may not push ("Create an issue"), so the issue is found by its mark and never by its label.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import msgspec

from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.message import Delivered, Delivery, Message
from lastgood.outside.github import REPO, Repo
from lastgood.outside.talk import REFERENCE, URL, Trouble
from lastgood.outside.text import cut, markdown
from lastgood.ports import Outside

STATE: Final = False
CHECK: Final = "issue-opened"
_LONGEST: Final = 60_000  # GitHub takes 65,536 characters
_GONE: Final = (301, 410)
_NANO: Final = 1_000_000_000


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`repo` is owner/name, `token` a reference. `close` closes the issue once the run is done and verified."""

    repo: Annotated[str, msgspec.Meta(pattern=REPO)]
    url: Annotated[str, msgspec.Meta(pattern=URL)] = "https://api.github.com"
    token: Annotated[str, msgspec.Meta(pattern=REFERENCE)] = "env:GITHUB_TOKEN"  # noqa: S105 - a reference
    labels: tuple[Annotated[str, msgspec.Meta(min_length=1, max_length=50)], ...] = ()
    close: bool = False


class _User(msgspec.Struct):
    login: str = ""


class _Label(msgspec.Struct):
    name: str = ""


class _Issue(msgspec.Struct):
    number: int
    html_url: str = ""
    body: str | None = None
    state: str = "open"
    labels: list[_Label | str] = []
    user: _User | None = None
    pull_request: dict[str, object] | None = None


class _Comment(msgspec.Struct):
    user: _User | None = None
    body: str | None = None


class GitHub:
    """The issues of one repo."""

    def __init__(self, options: Options, outside: Outside) -> None:
        self._options = options
        self._repo = Repo(outside, options.url, options.token, options.repo)

    def deliver(self, message: Message, ref: str, *, again: bool) -> Delivery:  # noqa: ARG002 - it always looks first
        """Make the run's issue, or add a comment to it."""
        try:
            issue = self._known(ref) or self._found(message)
            if issue is None:
                issue = self._create(message)
            elif not self._told(issue, message):
                self._repo.send("POST", f"/issues/{issue.number}/comments", {"body": _text(message)})
            if self._options.close and message.exit == 0 and issue.state == "open":
                closed = {"state": "closed", "state_reason": "completed"}
                self._repo.send("PATCH", f"/issues/{issue.number}", closed)
        except Trouble as trouble:
            return trouble.failed()
        return Delivered(self._where(issue), str(issue.number))

    def check(self) -> Fact[str]:
        """Whether the token sees the repo, issues are on, and whether labels would be dropped."""
        try:
            repo = self._repo.about("repo", "public_repo")
        except Trouble as trouble:
            return Unknown(str(trouble))
        if not repo.has_issues:
            return Unknown(f"issues are switched off in {self._options.repo}")
        if self._options.labels and not (repo.permissions.get("push") or repo.permissions.get("triage")):
            return Unknown(f"the token may not set labels in {self._options.repo}: GitHub would drop them silently")
        return Known(f"the token sees {self._options.repo}; that it may write issues shows when it does")

    def _known(self, ref: str) -> _Issue | None:
        """The issue that the number says; None where it was deleted or went to another repo, which makes a new one.

        Where the whole repo was renamed, looking further tells so. One that is not found may be there in a moment.
        """
        if not re.fullmatch(r"\d{1,12}", ref):
            return None
        try:
            return self._repo.get(f"/issues/{ref}", _Issue)
        except Trouble as trouble:
            if trouble.status in _GONE:
                return None
            raise

    def _found(self, message: Message) -> _Issue | None:
        """The oldest issue with the run's mark: a later one may quote it. Clocks may differ by a day."""
        since = datetime.fromtimestamp(message.at // _NANO, UTC) - timedelta(days=1)
        query = f"state=all&sort=created&direction=asc&since={since:%Y-%m-%dT%H:%M:%SZ}"
        for issues in self._repo.pages(f"/issues?{query}", list[_Issue]):
            for issue in issues:
                if issue.pull_request is None and _mark(message.run) in (issue.body or ""):
                    return issue
        return None

    def _create(self, message: Message) -> _Issue:
        title = f"{message.action} of {message.target}, run {message.run}"
        content = {"title": title, "body": f"{_text(message)}\n\n{_mark(message.run)}"}
        labels = {"labels": list(self._options.labels)} if self._options.labels else {}
        return self._repo.post("/issues", content | labels, _Issue)

    def _told(self, issue: _Issue, message: Message) -> bool:
        """Whether the issue, or a comment by who made it, holds this very message: others may write our marks."""
        if _mark(message.key) in (issue.body or ""):
            return True
        pages = self._repo.pages(f"/issues/{issue.number}/comments", list[_Comment])
        return any(_mark(message.key) in (one.body or "") and one.user == issue.user for page in pages for one in page)

    def _where(self, issue: _Issue) -> str:
        """The issue's address, and which labels it did not take."""
        has = {label if isinstance(label, str) else label.name for label in issue.labels}
        dropped = [label for label in self._options.labels if label not in has]
        shown = self._repo.clean(issue.html_url) or f"#{issue.number}"
        return f"{shown} (without {', '.join(dropped)}: the token may not set labels)" if dropped else shown


def _mark(key: str) -> str:
    return f"<!-- lastgood:{key} -->"


def _text(message: Message) -> str:
    return f"{cut(markdown(message), _LONGEST)}\n\n{_mark(message.key)}"


def make(options: Options, outside: Outside) -> GitHub:
    """The repo that these options name."""
    return GitHub(options, outside)
