"""The stand-in for GitHub must be no easier than GitHub: what GitHub does not describe fails the test that asked."""

import json
from pathlib import Path

import pytest

from lastgood.effects.http import PlainHttp
from sandbox.github.server import GitHub
from sandbox.run import run

HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
LOGIN = {"Authorization": "Bearer ghp_write"}
REPO = "/repos/shop/deploy"
GOOD = {"title": "t", "head": "h", "base": "main"}


def graphql(query: str) -> dict[str, object]:
    return {"query": query, "variables": {}}


@pytest.mark.parametrize(
    ("method", "path", "body", "words"),
    [
        ("GET", "/repos/shop/deploy/nowhere", None, "is no path of the description"),
        ("PATCH", REPO, {}, "PATCH /repos/{owner}/{repo} is not described"),
        ("GET", f"{REPO}/pulls?stat=open", None, "query stat is not described"),
        ("GET", f"{REPO}/pulls?state=merged", None, "query state"),
        ("GET", f"{REPO}/pulls?per_page=many", None, "query per_page"),
        ("GET", f"{REPO}/pulls/first", None, "path pull_number"),
        ("POST", f"{REPO}/pulls", {"title": "t", "head": "h"}, "'base' is a required property"),
        ("POST", f"{REPO}/pulls", GOOD | {"title": 1}, "1 is not of type 'string'"),
        ("POST", f"{REPO}/pulls", GOOD | {"auto_merge": True}, "auto_merge is not described"),
        ("POST", "/graphql", graphql("{ repository(owner: 1) { id } }"), "GraphQL: "),
        ("POST", "/graphql", graphql("mutation { mergeEverything }"), "Cannot query field 'mergeEverything'"),
        ("POST", "/graphql", graphql("{ nothing"), "Syntax Error"),
    ],
)
def test_a_request_that_github_does_not_describe_must_fail_the_test(
    tmp_path: Path, method: str, path: str, body: dict[str, object] | None, words: str
) -> None:
    content = json.dumps(body).encode() if body is not None else None
    hub = GitHub(tmp_path)
    with pytest.raises(AssertionError, match="not GitHub's API") as raised, hub:
        PlainHttp().ask(f"{hub.url}{path}", method=method, headers=HEADERS | LOGIN, body=content)
    assert words in str(raised.value)


@pytest.mark.parametrize("missing", list(HEADERS))
def test_a_header_that_github_wants_must_be_sent(tmp_path: Path, missing: str) -> None:
    hub = GitHub(tmp_path)
    headers = {name: value for name, value in HEADERS.items() if name != missing}
    with pytest.raises(AssertionError, match=missing), hub:
        PlainHttp().ask(f"{hub.url}{REPO}", headers=headers | LOGIN)


def test_a_good_request_must_be_answered(tmp_path: Path) -> None:
    run(["git", "init", "-q", "--bare", tmp_path / "remote.git"])
    with GitHub(tmp_path / "remote.git") as hub:
        answer = PlainHttp().ask(f"{hub.url}{REPO}", headers=HEADERS | LOGIN)
        assert '"full_name": "shop/deploy"' in repr(answer)
    assert hub.violations == []
