"""The real services whose addresses are in the environment, looked at through their own APIs.

`LASTGOOD_TEST_ALERTMANAGER_URL`; `LASTGOOD_TEST_VIKUNJA_URL`, `_TOKEN`, `_PROJECT`; `LASTGOOD_TEST_SILVERBULLET_URL`,
`_TOKEN`; `LASTGOOD_TEST_GITHUB_REPO`, `_TOKEN` (and `_URL` for an Enterprise Server). What is made there is named after
the run and stays, except for silences.
"""

import json
import os
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from lastgood.catalog import Family

Ask = Callable[[str], Any]


@dataclass(frozen=True)
class Real:
    """A real service: what to configure, and the texts about a run that its people see."""

    family: Family
    kind: str
    options: dict[str, Any]
    told: Callable[[str], list[str]]

    @property
    def token(self) -> str:
        return os.environ.get(f"LASTGOOD_TEST_{self.kind.upper()}_TOKEN", "none")


def _get(url: str, token: str = "", **headers: str) -> Any:
    given = headers | ({"Authorization": f"Bearer {token}"} if token else {})
    with urllib.request.urlopen(urllib.request.Request(url, headers=given), timeout=10) as answer:  # noqa: S310 - the tester's own address
        content = answer.read()
    return json.loads(content) if content[:1] in {b"[", b"{"} else content.decode()


def alertmanager(url: str) -> Real:
    """The Alertmanager at this address."""

    def told(run: str) -> list[str]:
        found = _get(f"{url}/api/v2/silences")
        return [s["comment"] for s in found if run in s["createdBy"] and s["status"]["state"] != "expired"]

    return Real("notifiers", "alertmanager", {"url": url}, told)


def _vikunja(url: str) -> Real:
    project, token = os.environ["LASTGOOD_TEST_VIKUNJA_PROJECT"], os.environ["LASTGOOD_TEST_VIKUNJA_TOKEN"]

    def told(run: str) -> list[str]:
        wanted = quote(f'title like "{run}"', safe="")
        tasks = _get(f"{url}/api/v1/projects/{project}/tasks?filter={wanted}", token) or []
        said = [_get(f"{url}/api/v1/tasks/{task['id']}/comments", token) or [] for task in tasks]
        return [text for task, rest in zip(tasks, said, strict=True) for text in _texts(task, rest)]

    return Real("trackers", "vikunja", {"url": url, "token": "env:TOKEN", "project": int(project), "done": True}, told)


def _texts(task: Any, comments: list[Any]) -> list[str]:
    return [task["description"], *(one["comment"] for one in comments)]


def _silverbullet(url: str) -> Real:
    token = os.environ["LASTGOOD_TEST_SILVERBULLET_TOKEN"]

    def told(run: str) -> list[str]:
        pages = _get(f"{url}/.fs", token, **{"X-Sync-Mode": "true"})
        names = [page["name"] for page in pages if run in page["name"]]
        texts = [_get(f"{url}/.fs/{quote(name)}", token, **{"X-Sync-Mode": "true"}) for name in names]
        return [block for text in texts for block in text.split("<!-- lastgood:begin ")[1:]]

    return Real("trackers", "silverbullet", {"url": url, "token": "env:TOKEN"}, told)


def _github(repo: str) -> Real:
    url = os.environ.get("LASTGOOD_TEST_GITHUB_URL", "https://api.github.com")
    token = os.environ["LASTGOOD_TEST_GITHUB_TOKEN"]

    def told(run: str) -> list[str]:
        issues = _get(f"{url}/repos/{repo}/issues?state=all&per_page=20", token)
        mine = [issue for issue in issues if f"lastgood:{run} " in (issue["body"] or "")]
        said = [_get(f"{url}/repos/{repo}/issues/{issue['number']}/comments", token) for issue in mine]
        rest = zip(mine, said, strict=True)
        return [text for issue, more in rest for text in (issue["body"], *(one["body"] for one in more))]

    return Real("trackers", "github", {"url": url, "token": "env:TOKEN", "repo": repo, "close": True}, told)


def services() -> tuple[Real, ...]:
    """Those that the environment names."""
    known = {
        "LASTGOOD_TEST_ALERTMANAGER_URL": alertmanager,
        "LASTGOOD_TEST_VIKUNJA_URL": _vikunja,
        "LASTGOOD_TEST_SILVERBULLET_URL": _silverbullet,
        "LASTGOOD_TEST_GITHUB_REPO": _github,
    }
    return tuple(make(os.environ[name].rstrip("/")) for name, make in known.items() if os.environ.get(name))
