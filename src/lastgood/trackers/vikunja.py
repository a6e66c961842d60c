"""`kind: vikunja`: a task for each run, found by the run's id in its title; later messages are comments.

Facts from Vikunja's source (v2.5.0) and its API descriptions. In v1 PUT creates and POST updates; v2 (from 2.4.0) uses
the usual verbs and wraps lists. `POST /tasks/{id}` writes the whole task: what is left out is emptied, assignees and
reminders are deleted. It is never used here: comments are added, and `done` is set by v2's PATCH or v1's bulk update,
which deletes assignees and reminders as well unless they are given; before 1.0 the same request is taken for another
one, which deletes assignees, sets nothing, and answers 200. Texts are HTML, which the server does not clean.
A token without a permission gets 401 and code 11, as an expired one does.
"""

import html
import re
from typing import Annotated, Final, Literal, TypeVar
from urllib.parse import quote

import msgspec

from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.message import Delivered, Delivery, Message
from lastgood.outside.talk import REFERENCE, URL, Talk, Trouble
from lastgood.outside.text import markup
from lastgood.ports import Outside, Response

T = TypeVar("T")

STATE: Final = False
CHECK: Final = "task-written"
_PAGES: Final = 50
_REFUSED: Final = 401
_MISSING: Final = 404
_FIELDS: Final = (1, 0)
_SECOND: Final = (2, 4)
_MERGE: Final = {"Content-Type": "application/merge-patch+json"}


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`url` is the site's address, `project` its number, `token` a reference. `done` ticks a task off when verified."""

    url: Annotated[str, msgspec.Meta(pattern=URL)]
    project: Annotated[int, msgspec.Meta(ge=1)]
    token: Annotated[str, msgspec.Meta(pattern=REFERENCE)] = "env:VIKUNJA_TOKEN"  # noqa: S105 - a reference
    api: Literal["auto", "v1", "v2"] = "auto"
    done: bool = False


class _Info(msgspec.Struct):
    version: str = ""


class _Task(msgspec.Struct):
    """A task; what must survive an update is kept as it came."""

    id: int
    title: str = ""
    description: str = ""
    done: bool = False
    project_id: int = 0
    is_favorite: bool = False
    assignees: msgspec.Raw = msgspec.Raw(b"null")
    reminders: msgspec.Raw = msgspec.Raw(b"null")


class _Comment(msgspec.Struct):
    comment: str = ""


class _Items(msgspec.Struct):
    items: msgspec.Raw = msgspec.Raw(b"[]")
    total_pages: int = 0


class Vikunja:
    """One project's tasks."""

    def __init__(self, options: Options, outside: Outside) -> None:
        self._options = options
        self._talk = Talk(outside, options.url, options.token)
        self._second: bool | None = {"v1": False, "v2": True}.get(options.api)

    def deliver(self, message: Message, ref: str, *, again: bool) -> Delivery:  # noqa: ARG002 - it always looks first
        """Make the run's task, or add a comment to it."""
        try:
            task = self._known(ref) or self._found(message.run)
            if task is None:
                task = self._create(message)
            elif not self._told(task, message):
                self._put(f"/tasks/{task.id}/comments", {"comment": _text(message)})
            if self._options.done and message.exit == 0 and not task.done:
                self._tick(self._task(task.id))
        except Trouble as trouble:
            return _explained(trouble).failed()
        return Delivered(f"{self._options.url.rstrip('/')}/tasks/{task.id}", str(task.id))

    def check(self) -> Fact[str]:
        """Whether the token reads the project's tasks; which API is spoken."""
        try:
            self._list(self._tasks("lastgood-doctor"), list[_Task])
        except Trouble as trouble:
            return Unknown(str(_explained(trouble)))
        return Known(
            f"project {self._options.project} is read by {'v2' if self._v2() else 'v1'}; writing shows when it does"
        )

    def _known(self, ref: str) -> _Task | None:
        """The task of that number; None where it was deleted, which makes a new one."""
        if not re.fullmatch(r"\d{1,12}", ref):
            return None
        try:
            return self._task(int(ref))
        except Trouble as trouble:
            if trouble.status == _MISSING:
                return None
            raise

    def _task(self, number: int) -> _Task:
        return self._talk.read(self._ask("GET", f"/tasks/{number}"), _Task)

    def _found(self, run: str) -> _Task | None:
        """The oldest task with the run's mark in its title."""
        found = [task for task in self._list(self._tasks(run), list[_Task]) if f"[{run}]" in task.title]
        return min(found, key=lambda task: task.id, default=None)

    def _tasks(self, run: str) -> str:
        # The filter's parser stops at `& | ( )`; a run's id holds none of them.
        wanted = quote(f'title like "{run}"', safe="")
        return f"/projects/{self._options.project}/tasks?filter={wanted}"

    def _create(self, message: Message) -> _Task:
        title = f"{message.action} of {message.target} [{message.run}]"
        content = {"title": title, "description": _text(message)}
        return self._talk.read(self._put(f"/projects/{self._options.project}/tasks", content), _Task)

    def _told(self, task: _Task, message: Message) -> bool:
        mark = _mark(message)
        if mark in task.description:
            return True
        comments = self._list(f"/tasks/{task.id}/comments?order_by=asc", list[_Comment])
        return any(mark in comment.comment for comment in comments)

    def _tick(self, task: _Task) -> None:
        """Set `done` and nothing else; what v1 would delete by the way is given back as it was just read."""
        if self._v2():
            self._ask("PATCH", f"/tasks/{task.id}", msgspec.json.encode({"done": True}), headers=_MERGE)
            return
        if self._version() < _FIELDS:
            raise Trouble("this Vikunja is too old to set `done` without emptying the task; set done: false")
        kept = {"assignees": task.assignees, "reminders": task.reminders, "is_favorite": task.is_favorite}
        content = {"task_ids": [task.id], "fields": ["done"], "values": {"done": True, **kept}}
        self._ask("POST", "/tasks/bulk", content)

    def _list(self, place: str, kind: type[list[T]]) -> list[T]:
        """All pages of a list: bare in v1, wrapped in v2. Raises Trouble, also where it never ends.

        A server may give fewer on a page than was asked for (`service.maxitemsperpage`), and says how many pages.
        """
        found: list[T] = []
        for number in range(1, _PAGES + 1):
            answer = self._ask("GET", f"{place}&page={number}&per_page=50")
            wrapped = self._talk.read(answer, _Items) if self._v2() else None
            content = wrapped.items if wrapped else answer.body
            told = answer.headers.get("x-pagination-total-pages", "")
            pages = wrapped.total_pages if wrapped else int(told) if told.isdecimal() else 0
            try:
                page = msgspec.json.decode(content, type=kind | None) or kind()
            except msgspec.MsgspecError:
                raise Trouble(f"{self._talk.host} answered with a list that is not one of Vikunja's") from None
            found += page
            if not page or number >= pages > 0:
                return found
        raise Trouble(f"{self._talk.host} has more pages than can be read")

    def _put(self, path: str, content: object) -> Response:
        """Create something."""
        return self._ask("POST" if self._v2() else "PUT", path, content)

    def _ask(self, method: str, path: str, content: object = None, headers: dict[str, str] | None = None) -> Response:
        return self._talk.ask(method, f"/api/{'v2' if self._v2() else 'v1'}{path}", content, headers=headers)

    def _v2(self) -> bool:
        """Whether the server speaks v2: from version 2.4 on. One whose version cannot be read is spoken to in v1."""
        if self._second is None:
            self._second = self._version() >= _SECOND
        return self._second

    def _version(self) -> tuple[int, int]:
        """The server's version; zeros where it cannot be read."""
        version = self._talk.read(self._talk.ask("GET", "/api/v1/info"), _Info).version
        numbers = re.match(r"v?(\d+)\.(\d+)", version)
        return (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)


def _mark(message: Message) -> str:
    return f">{html.escape(message.key)}<"


def _text(message: Message) -> str:
    return f"{markup(message)}<p><em{_mark(message)}/em></p>"


def _explained(trouble: Trouble) -> Trouble:
    if trouble.status != _REFUSED:
        return trouble
    said = (
        f"{trouble}; Vikunja says so of a token that is expired, and of one that lacks a permission (tasks, comments)"
    )
    return Trouble(said, status=trouble.status, again=trouble.again)


def make(options: Options, outside: Outside) -> Vikunja:
    """The project that these options name."""
    return Vikunja(options, outside)
