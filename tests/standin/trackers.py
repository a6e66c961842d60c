"""Stand-ins for trackers, with the traps that their documentation and source have."""

import json
import re
import time
from collections.abc import Callable
from typing import Any

from sandbox.github.contract import understood
from tests.standin.services import Answer, Asked, Json, Service

NOTHING = "0001-01-01T00:00:00Z"


class GitHubIssues(Service):
    """The issues and deployments of shop/deploy. Labels are dropped without a word where the token may not push.

    Every request has to be one that GitHub describes.
    """

    def __init__(self) -> None:
        super().__init__()
        self.push = True
        self.archived = False
        self.scopes: str | None = None
        self.gone = 410
        """What it answers for an issue that is not there: deleted, moved to another repo, or not to be seen."""
        self.issues: list[dict[str, Json]] = [
            {"number": 1, "state": "open", "body": "<!-- lastgood:quoted -->", "pull_request": {}, "labels": []},
            *({"number": n, "state": "open", "body": None, "labels": []} for n in range(2, 40)),
        ]
        self.comments: dict[int, list[str]] = {}
        self.others: dict[int, list[str]] = {}
        self.deployments: list[dict[str, Json]] = []
        self.statuses: list[dict[str, Json]] = []

    def answer(self, asked: Asked) -> Answer:
        understood(asked.method, asked.url, asked.body)
        if asked.headers.get("authorization") != f"Bearer {self.TOKEN}":
            return Answer(401, {"message": f"Bad credentials {asked.headers.get('authorization')}"})
        if asked.headers.get("accept") != "application/vnd.github+json" or "user-agent" not in asked.headers:
            return Answer(415, {"message": "Unsupported"})
        if "/deployments" in asked.path:
            return self._deployed(asked)
        place, _, rest = asked.path.partition("/repos/shop/deploy")[2].partition("/issues")
        if place or not asked.path.startswith("/repos/shop/deploy"):
            return Answer(404, {"message": "Not Found"})
        if not asked.path.endswith("/issues") and not rest:
            about = {"has_issues": True, "archived": self.archived, "permissions": {"push": self.push, "pull": True}}
            return Answer(200, about, {} if self.scopes is None else {"X-OAuth-Scopes": self.scopes})
        return self._issues(asked, rest.strip("/").split("/"))

    def _issues(self, asked: Asked, rest: list[str]) -> Answer:
        if asked.method == "POST" and len(asked.json["body"]) > 65_536:
            said = [{"resource": "Issue", "field": "body", "code": "custom", "message": "body is too long"}]
            return Answer(422, {"message": "Validation Failed", "errors": said})
        if rest == [""]:
            return self._created(asked.json) if asked.method == "POST" else self._page(asked, self.issues)
        number = int(rest[0])
        issue = next((one for one in self.issues if one["number"] == number), None)
        if issue is None:
            message = {301: "Moved Permanently", 404: "Not Found"}.get(self.gone, "This issue was deleted")
            return Answer(self.gone, {"message": message, "url": "https://api.github.example/repositories/1/issues/7"})
        if rest[1:] == ["comments"]:
            if asked.method == "POST":
                self.comments.setdefault(number, []).append(asked.json["body"])
                return Answer(201, {"id": 1, "body": asked.json["body"]})
            said = [{"body": body, "user": {"login": "bot"}} for body in self.comments.get(number, [])]
            return self._page(
                asked, [*({"body": b, "user": {"login": "eve"}} for b in self.others.get(number, [])), *said]
            )
        if asked.method == "PATCH":
            issue |= asked.json
        return Answer(200, issue)

    def _created(self, given: Json) -> Answer:
        labels = [{"name": name} for name in given.get("labels", [])] if self.push else []
        number = len(self.issues) + 1
        issue = {"number": number, "state": "open", **given, "labels": labels, "user": {"login": "bot"}}
        issue["html_url"] = f"https://github.example/shop/deploy/issues/{number}"
        self.issues.append(issue)
        return Answer(201, issue)

    def _deployed(self, asked: Asked) -> Answer:
        if asked.path.endswith("/statuses"):
            number = int(asked.path.split("/")[-2])
            if asked.method == "POST":
                assert len(asked.json["description"]) <= 140
                self.statuses.append({"deployment": number, **asked.json})
                return Answer(201, {"id": len(self.statuses), **asked.json})
            return self._page(asked, [one for one in self.statuses if one["deployment"] == number])
        if asked.method == "POST":
            if asked.json.get("auto_merge", True):
                return Answer(202, {"message": "Auto-merged main into the ref on deployment."})
            if "required_contexts" not in asked.json:
                return Answer(409, {"message": "Conflict: Commit status checks failed for the ref."})
            self.deployments.append({"id": len(self.deployments) + 1, "sha": asked.json["ref"], **asked.json})
            return Answer(201, self.deployments[-1])
        wanted = {name: asked.query[name] for name in ("sha", "environment") if name in asked.query}
        found = [one for one in self.deployments if wanted.items() <= one.items()]
        return self._page(asked, found[::-1])

    @staticmethod
    def _page(asked: Asked, items: list[Any]) -> Answer:
        size, number = int(asked.query.get("per_page", "30")), int(asked.query.get("page", "1"))
        return Answer(200, items[(number - 1) * size : number * size])

    def told(self) -> list[str]:
        made = [one for one in self.issues if one["number"] > 39]
        return [text for one in made for text in (one["body"], *self.comments.get(one["number"], []))]


class GitHubDeployments(GitHubIssues):
    """The same, for those who look at deployments."""

    def told(self) -> list[str]:
        return [f"{self.deployments[one['deployment'] - 1]} {one}" for one in self.statuses]


class VikunjaTasks(Service):
    """Project 12 as Vikunja has it: in v1 PUT creates, POST writes the whole object and so empties what is left out."""

    def __init__(self, version: str = "v2.5.0") -> None:
        super().__init__()
        self.version = version
        self.most = 50
        """`service.maxitemsperpage`: more are not on a page, whatever is asked for."""
        self.tasks: dict[int, dict[str, Json]] = {
            1: self._task(1, "quotes nothing", assignees=[{"id": 3, "username": "bo"}]),
        }
        self.comments: dict[int, list[str]] = {}

    @staticmethod
    def _task(number: int, title: str, **more: Json) -> dict[str, Json]:
        empty = {
            "description": "",
            "done": False,
            "due_date": NOTHING,
            "priority": 0,
            "percent_done": 0,
            "labels": None,
        }
        rest = {"assignees": None, "reminders": None, "is_favorite": False, "hex_color": ""}
        return {"id": number, "title": title, "project_id": 12, **empty, **rest, **more}

    @property
    def _second(self) -> bool:
        return self.version >= "v2.4"

    def answer(self, asked: Asked) -> Answer:
        if asked.path == "/api/v1/info":
            return Answer(200, {"version": self.version, "concurrent_writes": False})
        if asked.headers.get("authorization") != f"Bearer {self.TOKEN}":
            said = "missing, malformed, expired or otherwise invalid token provided"
            return Answer(401, {"code": 11, "message": said})
        second = asked.path.startswith("/api/v2")
        if second and not self._second:
            return Answer(404, {"message": "Not Found"})
        path = asked.path.removeprefix("/api/v2" if second else "/api/v1")
        create = "POST" if second else "PUT"
        for shape, method, act in self._routes(create, second=second):
            found = re.fullmatch(shape, path)
            if found and method == asked.method:
                return act(asked, *(int(each) for each in found.groups()))
        return Answer(404, {"message": "Not Found"})

    def _routes(self, create: str, *, second: bool) -> list[tuple[str, str, Callable[..., Answer]]]:
        lists = self._wrapped if second else self._bare
        routes: list[tuple[str, str, Callable[..., Answer]]] = [
            (r"/projects/12/tasks", "GET", lambda asked: lists(asked, self._matching(asked))),
            (r"/projects/12/tasks", create, self._created),
            (r"/tasks/(\d+)", "GET", self._one),
            (r"/tasks/(\d+)/comments", "GET", lambda asked, n: lists(asked, self._said(n))),
            (r"/tasks/(\d+)/comments", create, self._commented),
        ]
        if second:
            return [*routes, (r"/tasks/(\d+)", "PATCH", self._patched)]
        return [*routes, (r"/tasks/bulk", "POST", self._bulk), (r"/tasks/(\d+)", "POST", self._whole)]

    def _matching(self, asked: Asked) -> list[Json]:
        wanted = re.fullmatch(r'title like "([^&|()"]+)"', asked.query["filter"])
        return [task for task in self.tasks.values() if wanted and wanted[1] in task["title"]]

    def _said(self, number: int) -> list[Json]:
        return [{"id": at, "comment": text} for at, text in enumerate(self.comments.get(number, []))]

    def _bare(self, asked: Asked, items: list[Json]) -> Answer:
        size, page = min(self.most, int(asked.query.get("per_page", "50"))), int(asked.query.get("page", "1"))
        shown = items[(page - 1) * size : page * size]
        return Answer(200, shown or b"null", {"x-pagination-total-pages": str(-(-len(items) // size))})

    def _wrapped(self, asked: Asked, items: list[Json]) -> Answer:
        bare = self._bare(asked, items)
        pages = int(bare.headers["x-pagination-total-pages"])
        return Answer(200, {"items": json.loads(bare.body), "total": len(items), "page": 1, "total_pages": pages})

    def _created(self, asked: Asked) -> Answer:
        if not asked.json.get("title"):
            return Answer(412, {"code": 2002, "message": "Invalid data", "invalid_fields": ["title"]})
        task = self._task(max(self.tasks) + 1, asked.json["title"]) | asked.json
        self.tasks[task["id"]] = task
        return Answer(201, task)

    def _one(self, _asked: Asked, number: int) -> Answer:
        missing = Answer(404, {"code": 4002, "message": "This task does not exist."})
        return Answer(200, self.tasks[number]) if number in self.tasks else missing

    def _commented(self, asked: Asked, number: int) -> Answer:
        self.comments.setdefault(number, []).append(asked.json["comment"])
        return Answer(201, {"id": 1, "comment": asked.json["comment"]})

    def _whole(self, asked: Asked, number: int) -> Answer:
        kept = {"title": self.tasks[number]["title"], "labels": self.tasks[number]["labels"]}
        self.tasks[number] = self._task(number, kept["title"], labels=kept["labels"]) | asked.json
        return Answer(200, self.tasks[number])

    def _bulk(self, asked: Asked) -> Answer:
        given = asked.json
        if self.version.startswith("v0."):  # a task of its own is read from the top: it has no `done`, and no assignees
            for number in given["task_ids"]:
                self.tasks[number] |= {"done": given.get("done", False), "assignees": given.get("assignees")}
            return Answer(200, {})
        if set(given["fields"]) - set(self._task(0, "")):
            return Answer(400, {"code": 4027, "message": "The task column is invalid."})
        for number in given["task_ids"]:
            for name in given["fields"]:
                self.tasks[number][name] = given["values"][name]
            for name in ("assignees", "reminders", "is_favorite"):  # not guarded by `fields`
                self.tasks[number][name] = given["values"].get(name)
        return Answer(200, {"tasks": []})

    def _patched(self, asked: Asked, number: int) -> Answer:
        if asked.headers.get("content-type") != "application/merge-patch+json":
            return Answer(415, {"title": "Unsupported Media Type", "status": 415})
        self.tasks[number] |= asked.json
        return Answer(200, self.tasks[number])

    def told(self) -> list[str]:
        ours = [task for number, task in self.tasks.items() if number > 1]
        return [text for task in ours for text in (task["description"], *self.comments.get(task["id"], []))]


class SilverBulletSpace(Service):
    """A space in Go 2.4 or Rust 2.10: no conditional writes, no atomic ones, a redirect without X-Sync-Mode in Go."""

    def __init__(self, profile: str = "rust-2.10") -> None:
        super().__init__()
        self.profile = profile
        self.pages: dict[str, tuple[bytes, int]] = {}
        self.read_only = False
        self.truncated = 0
        self.meddling: list[Callable[[], None]] = []
        self.moment = time.time_ns() // 1_000_000

    def answer(self, asked: Asked) -> Answer:
        if asked.path == "/.ping":
            return Answer(200, b"OK")
        if asked.headers.get("authorization") != f"Bearer {self.TOKEN}":
            return Answer(401, b"Unauthorized", {"Location": "/.auth"})
        if asked.path == "/.config":
            return Answer(200, {"readOnly": self.read_only, "indexPage": "index"})
        if self.profile.startswith("go") and asked.headers.get("x-sync-mode") != "true":
            return Answer(307, b"", {"Location": "/"})
        if asked.path == "/.fs":
            return Answer(200, [{"name": name} for name in self.pages])
        name = asked.path.removeprefix("/.fs/")
        return self._write(name, asked) if asked.method == "PUT" else self._read(name)

    def _read(self, name: str) -> Answer:
        if name not in self.pages:
            return Answer(404, b"Not found", {"Content-Type": "text/html"})
        text, changed = self.pages[name]
        answer = Answer(200, text, {"X-Last-Modified": str(changed), "Content-Type": "application/octet-stream"})
        if self.meddling:  # somebody writes right after we have read
            self.meddling.pop(0)()
        return answer

    def _write(self, name: str, asked: Asked) -> Answer:
        plain = {"Content-Type": "text/plain; charset=utf-8"}
        if self.read_only:
            return (
                Answer(500, b"Write failed\n", plain)
                if self.profile.startswith("go")
                else Answer(403, b"Forbidden", plain)
            )
        assert "x-last-modified" not in asked.headers  # it would become the file's time
        body = asked.body[: len(asked.body) // 2] if self.truncated else asked.body
        self.truncated = max(0, self.truncated - 1)
        self.put(name, body)
        return Answer(200, b"OK")

    def put(self, name: str, text: bytes) -> None:
        self.moment += 1
        self.pages[name] = (text, self.moment)

    def told(self) -> list[str]:
        block = re.compile(rb"<!-- lastgood:begin (\S+) -->\n(.*?)\n<!-- lastgood:end \1 -->", re.DOTALL)
        return [found[2].decode() for text, _ in self.pages.values() for found in block.finditer(text)]
