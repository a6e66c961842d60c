"""`kind: github`: an issue for each run, found again by a mark in its body; later messages are comments.

Operations: GitHub's REST documentation, "Issues" and "Issue comments", version 2022-11-28. Labels are dropped without
a word where the token may not push ("Create an issue"), so the issue is found by its mark and never by its label.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, TypeVar

import msgspec

from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.message import Delivered, Delivery, Message
from lastgood.outside.talk import REFERENCE, URL, Talk, Trouble
from lastgood.outside.text import cut, markdown
from lastgood.ports import Outside, Response

T = TypeVar("T")

STATE: Final = False
_HEADERS: Final = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
_LONGEST: Final = 60_000  # GitHub takes 65,536 characters
_PAGES: Final = 50
_PAGE: Final = 20  # bodies may be long, and an answer over 1 MiB is not read
_GONE: Final = 410
_NANO: Final = 1_000_000_000


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`repo` is owner/name, `token` a reference. `close` closes the issue once the run is done and verified."""

    repo: Annotated[str, msgspec.Meta(pattern=r"^(?!\.{1,2}/)[A-Za-z0-9_.-]+/(?!\.{1,2}$)[A-Za-z0-9_.-]+$")]
    url: Annotated[str, msgspec.Meta(pattern=URL)] = "https://api.github.com"
    token: Annotated[str, msgspec.Meta(pattern=REFERENCE)] = "env:GITHUB_TOKEN"  # noqa: S105 - a reference
    labels: tuple[Annotated[str, msgspec.Meta(min_length=1, max_length=50)], ...] = ()
    close: bool = False


class _Label(msgspec.Struct):
    name: str = ""


class _Issue(msgspec.Struct):
    number: int
    html_url: str = ""
    body: str | None = None
    state: str = "open"
    labels: list[_Label | str] = []
    pull_request: dict[str, object] | None = None


class _Comment(msgspec.Struct):
    body: str | None = None


class _Repo(msgspec.Struct):
    has_issues: bool = True
    permissions: dict[str, bool] = {}


class GitHub:
    """The issues of one repo."""

    def __init__(self, options: Options, outside: Outside) -> None:
        self._options = options
        self._talk = Talk(outside, options.url, options.token)
        self._place = f"/repos/{options.repo}"

    def deliver(self, message: Message, ref: str, *, again: bool) -> Delivery:  # noqa: ARG002 - it always looks first
        """Make the run's issue, or add a comment to it."""
        try:
            issue = self._known(ref) or self._found(message)
            if issue is None:
                issue = self._create(message)
            elif not self._told(issue, message):
                self._send("POST", f"{self._place}/issues/{issue.number}/comments", {"body": _text(message)})
            if self._options.close and message.exit == 0 and issue.state == "open":
                closed = {"state": "closed", "state_reason": "completed"}
                self._send("PATCH", f"{self._place}/issues/{issue.number}", closed)
        except Trouble as trouble:
            return trouble.failed()
        return Delivered(self._where(issue), str(issue.number))

    def check(self) -> Fact[str]:
        """Whether the token sees the repo, issues are on, and whether labels would be dropped."""
        try:
            repo = self._read(self._send("GET", self._place), _Repo)
        except Trouble as trouble:
            return Unknown(str(trouble))
        if not repo.has_issues:
            return Unknown(f"issues are switched off in {self._options.repo}")
        if self._options.labels and not (repo.permissions.get("push") or repo.permissions.get("triage")):
            return Unknown(f"the token may not set labels in {self._options.repo}: GitHub would drop them silently")
        return Known(f"the token sees {self._options.repo}; that it may write issues shows when it does")

    def _known(self, ref: str) -> _Issue | None:
        """The issue that the number says; None where it was deleted, which makes a new one."""
        if not re.fullmatch(r"\d{1,12}", ref):
            return None
        try:
            return self._read(self._send("GET", f"{self._place}/issues/{ref}"), _Issue)
        except Trouble as trouble:
            if trouble.status == _GONE:
                return None
            raise

    def _found(self, message: Message) -> _Issue | None:
        """The oldest issue with the run's mark: a later one may quote it. Clocks may differ by a day."""
        since = datetime.fromtimestamp(message.at // _NANO, UTC) - timedelta(days=1)
        query = f"state=all&sort=created&direction=asc&since={since:%Y-%m-%dT%H:%M:%SZ}"
        for issues in self._pages(f"{self._place}/issues?{query}", list[_Issue]):
            for issue in issues:
                if issue.pull_request is None and _mark(message.run) in (issue.body or ""):
                    return issue
        return None

    def _create(self, message: Message) -> _Issue:
        title = f"{message.action} of {message.target}, run {message.run}"
        content = {"title": title, "body": f"{_text(message)}\n\n{_mark(message.run)}"}
        labels = {"labels": list(self._options.labels)} if self._options.labels else {}
        return self._read(self._send("POST", f"{self._place}/issues", content | labels), _Issue)

    def _told(self, issue: _Issue, message: Message) -> bool:
        """Whether the issue, or one of its comments, holds this very message."""
        if _mark(message.key) in (issue.body or ""):
            return True
        pages = self._pages(f"{self._place}/issues/{issue.number}/comments?sort=created", list[_Comment])
        return any(_mark(message.key) in (comment.body or "") for page in pages for comment in page)

    def _where(self, issue: _Issue) -> str:
        """The issue's address, and which labels it did not take."""
        has = {label if isinstance(label, str) else label.name for label in issue.labels}
        dropped = [label for label in self._options.labels if label not in has]
        shown = self._talk.clean(issue.html_url) or f"#{issue.number}"
        return f"{shown} (without {', '.join(dropped)}: the token may not set labels)" if dropped else shown

    def _pages(self, place: str, kind: type[list[T]]) -> Iterator[list[T]]:
        """Every page of a list. Raises Trouble, also where it never ends."""
        for number in range(1, _PAGES + 1):
            page = self._read(self._send("GET", f"{place}&per_page={_PAGE}&page={number}"), kind)
            yield page
            if len(page) < _PAGE:
                return
        raise Trouble(f"{self._talk.host} has more pages than can be read")

    def _send(self, method: str, path: str, content: object = None) -> Response:
        return self._talk.ask(method, path, content, headers=_HEADERS)

    def _read(self, answer: Response, kind: type[T]) -> T:
        return self._talk.read(answer, kind)


def _mark(key: str) -> str:
    return f"<!-- lastgood:{key} -->"


def _text(message: Message) -> str:
    return f"{cut(markdown(message), _LONGEST)}\n\n{_mark(message.key)}"


def make(options: Options, outside: Outside) -> GitHub:
    """The repo that these options name."""
    return GitHub(options, outside)
