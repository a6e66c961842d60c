"""The stand-in's HTTP side: tokens, limits, outages, pages, and REST answers that GitHub's description allows."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlencode, urlsplit

from sandbox.github import contract, graph
from sandbox.github.contract import Asked, Json, Violation
from sandbox.github.state import Pull, Refusal, Right, Rules, State

_REPO: Final = "/repos/{owner}/{repo}"
_UNPAGED: Final = 100


class GitHub(ThreadingHTTPServer):
    """GitHub, for one repository, at `url` (and as Enterprise Server at `enterprise`). Use as a context manager.

    `outage` is what every request gets while it is set: a status (with a page of HTML), `broken` (JSON cut short),
    `html` (200 with a page) or `silent` (nothing, for 3 s). `limited` are the headers of a rate limit.
    `moved` lists former names of the repository, which redirect (to the server `elsewhere`, where that is set). `page`
    bounds the length of pages. `log` has every request as method and path; `violations` those that GitHub does not
    describe, which leaving the context raises.
    """

    daemon_threads = True

    def __init__(self, remote: Path, full_name: str = "shop/deploy") -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.state = State(remote, full_name)
        self.outage: int | str = ""
        self.limited: dict[str, str] = {}
        self.limit_status = 403
        self.moved: tuple[str, ...] = ()
        self.elsewhere = ""
        self.page = _UNPAGED
        self.log: list[tuple[str, str]] = []
        self.violations: list[str] = []
        self.busy = threading.Lock()

    @property
    def url(self) -> str:
        """The base of REST, as `https://api.github.com` is."""
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def enterprise(self) -> str:
        """The base of REST as an Enterprise Server has it."""
        return f"{self.url}/api/v3"

    def __enter__(self) -> Self:
        """Serve."""
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop. Raises AssertionError where a request, or an answer, was not one of GitHub's."""
        self.shutdown()
        self.server_close()
        if self.violations:
            raise AssertionError("not GitHub's API:\n" + "\n".join(self.violations))


class _Handler(BaseHTTPRequestHandler):
    server: GitHub

    def do_GET(self) -> None:
        self._serve(b"")

    def do_POST(self) -> None:
        self._serve(self.rfile.read(int(self.headers.get("Content-Length", "0"))))

    def do_PUT(self) -> None:
        self.do_POST()

    def do_PATCH(self) -> None:
        self.do_POST()

    def do_DELETE(self) -> None:
        self.do_POST()

    def _serve(self, body: bytes) -> None:
        hub = self.server
        hub.log.append((self.command, self.path))
        if hub.outage or hub.limited:
            self._trouble()
            return
        with hub.busy:
            try:
                self._answer(*self._routed(body))
            except Refusal as refusal:
                errors = {"errors": [{"message": text, "resource": "x", "code": "custom"} for text in refusal.errors]}
                content = {"message": refusal.message, "documentation_url": "https://docs.github.com/rest"}
                self._answer(refusal.status, content | (errors if refusal.errors else {}))
            except Exception as violation:  # noqa: BLE001 - a defect here must fail the test, not look like an outage
                hub.violations.append(f"{self.command} {self.path}: {type(violation).__name__}: {violation}")
                self._answer(500, {"message": f"violation: {violation}"})

    def _trouble(self) -> None:
        hub = self.server
        page = b"<html><body>Unicorn! \x1b[31m</body></html>"
        if hub.limited:
            message = {"message": "You have exceeded a secondary rate limit."}
            self._raw(
                hub.limit_status, json.dumps(message).encode(), {"Content-Type": "application/json", **hub.limited}
            )
        elif hub.outage == "silent":
            time.sleep(3)
        elif hub.outage == "broken":
            self._raw(200, b'{"full_name": "shop/dep', {})
        else:
            self._raw(hub.outage if isinstance(hub.outage, int) else 200, page, {"Content-Type": "text/html"})

    def _routed(self, body: bytes) -> tuple[int, Any, dict[str, str]]:
        right = self._right()
        path = urlsplit(self.path).path
        if path in {"/graphql", "/api/graphql"}:
            if right is None:
                raise Refusal(401, "This endpoint requires you to be authenticated.")
            return 200, graph.answer(self.server.state, json.loads(body), self.server.page, write=right.write), {}
        asked = contract.understood(self.command, self.path.removeprefix("/api/v3"), body)
        if moved := self._moved(asked):
            return moved
        if f"{asked.names['owner']}/{asked.names['repo']}".lower() != self.server.state.full_name.lower():
            raise Refusal(404, "Not Found")
        if right is None and self.server.state.private:
            raise Refusal(404, "Not Found")
        content, total = Rest(self.server.state, right).answer(asked)
        content, headers = self._paged(asked, content, total)
        status = 201 if self.command == "POST" else 200
        contract.check_answer(asked, status, content)
        return status, content, headers

    def _right(self) -> Right | None:
        """Whose request it is. What GitHub wants of every request is checked as well."""
        for name in ("User-Agent", "X-GitHub-Api-Version"):
            if not self.headers.get(name):
                raise Violation(f"{name} is missing")
        if self.headers.get("Accept") != "application/vnd.github+json":
            raise Violation("Accept is not application/vnd.github+json")
        given = self.headers.get("Authorization")
        if given is None:
            return None
        right = self.server.state.tokens.get(given.removeprefix("Bearer "))
        if right is None:
            raise Refusal(401, "Bad credentials")
        return right

    def _moved(self, asked: Asked) -> tuple[int, Any, dict[str, str]] | None:
        name = f"{asked.names['owner']}/{asked.names['repo']}"
        if name not in self.server.moved:
            return None
        there = self.path.replace(f"/repos/{name}", f"/repos/{self.server.state.full_name}", 1)
        url = f"{self.server.elsewhere or self.server.url}{there}"
        return (301 if self.command == "GET" else 307), {"message": "Moved Permanently", "url": url}, {"Location": url}

    def _paged(self, asked: Asked, content: Any, key: str) -> tuple[Any, dict[str, str]]:  # noqa: ANN401 - JSON
        """One page of a list (which stands under `key`, or is the whole content), and where the next one is."""
        items = content.get(key) if key and isinstance(content, dict) else content
        if not isinstance(items, list):
            return content, {}
        size, number = min(int(asked.query.get("per_page", "30")), self.server.page), int(asked.query.get("page", "1"))
        shown = items[(number - 1) * size : number * size]
        query = urlencode(asked.query | {"page": str(number + 1)})
        following = f"{self.server.url}{urlsplit(self.path).path}?{query}"
        link = {"Link": f'<{self.server.url}/first>; rel="first", <{following}>; rel="next"'}
        return (content | {key: shown} if key else shown), (link if number * size < len(items) else {})

    def _answer(self, status: int, content: Any, headers: dict[str, str] | None = None) -> None:  # noqa: ANN401 - JSON
        self._raw(status, json.dumps(content).encode(), {"Content-Type": "application/json", **(headers or {})})

    def _raw(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        _ = format, args


class Rest:
    """REST answers out of a state, for whoever asks."""

    def __init__(self, state: State, right: Right | None) -> None:
        self._state = state
        self._right = right or Right(login="", write=False)

    def answer(self, asked: Asked) -> tuple[Any, str]:
        """The content, and the key of the list in it that comes in pages."""
        lists = {
            f"{_REPO}/actions/runs": "workflow_runs",
            f"{_REPO}/commits/{{ref}}/status": "statuses",
            f"{_REPO}/commits/{{ref}}/check-runs": "check_runs",
        }
        answers = {
            ("GET", _REPO): self._repo,
            ("GET", f"{_REPO}/branches/{{branch}}"): self._branch,
            ("GET", f"{_REPO}/branches/{{branch}}/protection"): self._protection,
            ("GET", f"{_REPO}/rules/branches/{{branch}}"): self._rules,
            ("GET", f"{_REPO}/pulls"): self._pulls,
            ("POST", f"{_REPO}/pulls"): self._propose,
            ("GET", f"{_REPO}/pulls/{{pull_number}}"): self._pull,
            ("GET", f"{_REPO}/actions/runs"): self._runs,
            ("GET", f"{_REPO}/commits/{{ref}}/status"): self._status,
            ("GET", f"{_REPO}/commits/{{ref}}/check-runs"): self._checks,
        }
        return answers[asked.method, asked.path](asked), lists.get(asked.path, "")

    def _repo(self, _asked: Asked) -> Json:
        shown = {"full_name": self._state.full_name, "private": self._state.private}
        if self._right.write:
            names = {"MERGE": "allow_merge_commit", "SQUASH": "allow_squash_merge", "REBASE": "allow_rebase_merge"}
            shown |= {name: method in self._state.methods for method, name in names.items()}
            shown |= {"allow_auto_merge": self._state.allow_auto_merge}
        return contract.sample("full-repository") | shown

    def _known_branch(self, asked: Asked) -> str:
        try:
            self._state.commit(asked.names["branch"])
        except Refusal:
            raise Refusal(404, "Branch not found") from None
        return asked.names["branch"]

    def _branch(self, asked: Asked) -> Json:
        branch = self._known_branch(asked)
        rules = self._state.rules.get(branch, Rules())
        shown = {"name": branch, "protected": rules.classic is not None or bool(rules.rules)}
        found: Json = contract.sample("branch-with-protection") | shown
        found["commit"]["sha"] = self._state.commit(branch)
        return found

    def _protection(self, asked: Asked) -> Json:
        rules = self._state.rules.get(self._known_branch(asked), Rules())
        if not self._right.admin:
            raise (
                Refusal(404, "Not Found")
                if not self._right.write
                else Refusal(403, "Resource not accessible by personal access token")
            )
        if rules.classic is None:
            raise Refusal(404, "Branch not protected")
        return contract.sample("branch-protection") | rules.classic

    def _rules(self, asked: Asked) -> list[Json]:
        found = self._state.rules.get(asked.names["branch"], Rules())
        source = {"ruleset_source_type": "Repository", "ruleset_source": self._state.full_name, "ruleset_id": 1}
        return [{"type": name, **source} for name in found.rules]

    def _pulls(self, asked: Asked) -> list[Json]:
        state, head, base = (asked.query.get(name, "") for name in ("state", "head", "base"))
        owner = self._state.full_name.partition("/")[0]
        found = [
            pull
            for pull in reversed(self._state.pulls)
            if state in ("all", pull.state)
            and base in ("", pull.base)
            # a filter that is not owner:branch is ignored, not refused
            and (":" not in head or head == f"{owner}:{pull.head}")
        ]
        return [self._shown(pull, "pull-request-simple") for pull in found]

    def _propose(self, asked: Asked) -> Json:
        if not self._right.write:
            raise Refusal(403, "Resource not accessible by personal access token")
        body = asked.body
        pull = self._state.open_pull(body["head"], body["base"], body["title"], body.get("body", ""), self._right.login)
        return self._shown(pull, "pull-request")

    def _pull(self, asked: Asked) -> Json:
        number = int(asked.names["pull_number"])
        if not 0 < number <= len(self._state.pulls):
            raise Refusal(404, "Not Found")
        return self._shown(self._state.pulls[number - 1], "pull-request")

    def _shown(self, pull: Pull, kind: str) -> Json:
        found: Json = contract.sample(kind)
        repo = contract.sample("repository") | {"full_name": self._state.full_name}
        for side, branch in (("head", pull.head), ("base", pull.base)):
            found[side] |= {"ref": branch, "repo": repo, "label": f"{self._state.full_name.partition('/')[0]}:{branch}"}
        if pull.auto:
            found["auto_merge"] = {
                "enabled_by": contract.sample("simple-user"),
                "merge_method": pull.auto.lower(),
                "commit_title": pull.words[0],
                "commit_message": pull.words[1],
            }
        return found | {
            "number": pull.number,
            "html_url": f"https://github.com/{self._state.full_name}/pull/{pull.number}",
            "node_id": graph.node_id(pull),
            "state": pull.state,
            "merged_at": pull.merged_at,
            "title": pull.title,
            "body": pull.body,
        }

    def _runs(self, asked: Asked) -> Json:
        branch, status = asked.query.get("branch"), asked.query.get("status")
        found = [r for r in self._state.runs if branch in (None, r["head_branch"]) and status in (None, r["status"])]
        shown = [
            contract.sample("workflow-run") | run | {"html_url": f"https://github.com/x/actions/runs/{run['id']}"}
            for run in found
        ]
        return {"total_count": len(shown), "workflow_runs": shown}

    def _known_commit(self, asked: Asked) -> str:
        try:
            return self._state.git("rev-parse", "--verify", "--quiet", f"{asked.names['ref']}^{{commit}}")
        except Refusal:
            raise Refusal(422, f"No commit found for SHA: {asked.names['ref']}") from None

    def _status(self, asked: Asked) -> Json:
        """The newest status of each context; the sum is `pending` where there is none, as GitHub has it."""
        commit = self._known_commit(asked)
        newest = {str(one["context"]): one["state"] for one in self._state.statuses if one["sha"] == commit}
        words = set(newest.values())
        summed = "failure" if words & {"failure", "error"} else "success" if words == {"success"} else "pending"
        shown = [contract.sample("simple-commit-status") | {"context": n, "state": s} for n, s in newest.items()]
        found = contract.sample("combined-commit-status")
        return found | {"sha": commit, "state": summed, "total_count": len(shown), "statuses": shown}

    def _checks(self, asked: Asked) -> Json:
        commit = self._known_commit(asked)
        newest = {str(one["name"]): one for one in self._state.checks if one["head_sha"] == commit}
        shown = [contract.sample("check-run") | one for one in newest.values()]
        return {"total_count": len(shown), "check_runs": shown}
