"""Makes the two fixtures out of GitHub's own descriptions: `python -m sandbox.github.trim FOLDER`.

FOLDER holds the unpacked npm packages `@octokit/openapi` 23.0.2 (as `openapi/`) and `@octokit/graphql-schema` 15.26.1
(as `graphql/`), both under the MIT licence (`LICENSE`), each a `package/` folder as `npm pack` gives it. Kept are
the operations and fields that lastgood uses. OpenAPI's `nullable` is rewritten to what JSON Schema understands.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from graphql import DocumentNode, Node, parse, print_ast

from sandbox.github import HERE

_REPO: Final = "/repos/{owner}/{repo}"
OPERATIONS: Final = (
    (_REPO, "get"),
    (f"{_REPO}/branches/{{branch}}", "get"),
    (f"{_REPO}/branches/{{branch}}/protection", "get"),
    (f"{_REPO}/rules/branches/{{branch}}", "get"),
    (f"{_REPO}/pulls", "get"),
    (f"{_REPO}/pulls", "post"),
    (f"{_REPO}/pulls/{{pull_number}}", "get"),
    (f"{_REPO}/issues", "get"),
    (f"{_REPO}/issues", "post"),
    (f"{_REPO}/issues/{{issue_number}}", "get"),
    (f"{_REPO}/issues/{{issue_number}}", "patch"),
    (f"{_REPO}/issues/{{issue_number}}/comments", "get"),
    (f"{_REPO}/issues/{{issue_number}}/comments", "post"),
    (f"{_REPO}/deployments", "get"),
    (f"{_REPO}/deployments", "post"),
    (f"{_REPO}/deployments/{{deployment_id}}/statuses", "get"),
    (f"{_REPO}/deployments/{{deployment_id}}/statuses", "post"),
    (f"{_REPO}/actions/runs", "get"),
    (f"{_REPO}/commits/{{ref}}/status", "get"),
    (f"{_REPO}/commits/{{ref}}/check-runs", "get"),
)
_PROSE: Final = frozenset(
    {"description", "examples", "example", "externalDocs", "title", "summary", "tags", "deprecated"}
)
FIELDS: Final = {
    "Query": {"id", "repository", "node"},
    "Mutation": {"enablePullRequestAutoMerge", "disablePullRequestAutoMerge"},
    "Repository": {"id", "pullRequests"},
    "Node": {"id"},
    "Actor": {"login"},
    "User": {"id", "login"},
    "Bot": {"id", "login"},
    "PullRequest": {"id", "number", "url", "title", "author", "autoMergeRequest", "files"},
    "PullRequestConnection": {"nodes", "pageInfo"},
    "PullRequestChangedFileConnection": {"nodes", "pageInfo"},
    "PullRequestChangedFile": {"path"},
    "PageInfo": {"hasNextPage", "endCursor"},
    "AutoMergeRequest": {"mergeMethod"},
    "EnablePullRequestAutoMergePayload": {"pullRequest"},
    "DisablePullRequestAutoMergePayload": {"pullRequest"},
}
WHOLE: Final = {
    "EnablePullRequestAutoMergeInput",
    "DisablePullRequestAutoMergeInput",
    "PullRequestMergeMethod",
    "PullRequestState",
    "IssueOrder",
    "IssueOrderField",
    "OrderDirection",
    "URI",
    "GitObjectID",
}


def openapi(whole: dict[str, Any]) -> dict[str, Any]:  # Any: JSON
    """The chosen operations with every component that they lead to, without prose."""
    paths: dict[str, Any] = {}
    for path, method in OPERATIONS:
        paths.setdefault(path, {})[method] = _plain(whole["paths"][path][method])
    components: dict[str, Any] = {}
    waiting = list(_references(paths))
    while waiting:
        kind, name = waiting.pop().split("/")[2:]
        if name not in components.setdefault(kind, {}):
            components[kind][name] = _plain(whole["components"][kind][name])
            waiting += _references(components[kind][name])
    return {"paths": paths, "components": components}


def _plain(node: Any, *, names: bool = False) -> Any:  # noqa: ANN401 - JSON
    """A node without prose, `nullable` as JSON Schema says it. `names`: its keys are properties, not keywords."""
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {
        key: _plain(value, names=key == "properties" and not names)
        for key, value in node.items()
        if names or (key not in _PROSE and not key.startswith("x-") and key != "nullable")
    }
    return {"anyOf": [kept, {"type": "null"}]} if node.get("nullable") is True and not names else kept


def _references(node: Any) -> Iterator[str]:  # noqa: ANN401 - JSON
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        node = list(node.values())
    if isinstance(node, list):
        for item in node:
            yield from _references(item)


def schema(text: str) -> str:
    """The chosen types with the chosen fields, in GraphQL's own language."""
    wanted = WHOLE | set(FIELDS)
    kept = [one for one in parse(text).definitions if _named(one) in wanted]
    return print_ast(DocumentNode(definitions=tuple(_bare(one) for one in kept))) + "\n"


def _named(node: Any) -> str:  # noqa: ANN401 - any node of the tree
    return node.name.value if getattr(node, "name", None) else ""


def _bare(node: Any) -> Any:  # noqa: ANN401 - any node of the tree
    """A node without prose and directives; a type in `FIELDS` with those fields and the interfaces that are kept."""
    if isinstance(node, tuple | list):
        return tuple(_bare(item) for item in node)
    if not isinstance(node, Node):
        return node
    gone = {"loc": None, "description": None, "directives": ()}
    found: dict[str, Any] = {k: gone[k] if k in gone else _bare(getattr(node, k)) for k in node.keys}
    if _named(node) in FIELDS and "interfaces" in found:
        found["fields"] = tuple(field for field in found["fields"] if _named(field) in FIELDS[_named(node)])
        found["interfaces"] = tuple(one for one in found["interfaces"] or () if _named(one) in FIELDS)
    return type(node)(**found)


def main(folder: Path) -> None:
    """Write both fixtures and the licence beside this file."""
    found = json.loads((folder / "openapi/package/generated/api.github.com.json").read_text())
    trimmed = {"x-source": "npm @octokit/openapi 23.0.2, MIT, trimmed by trim.py", **openapi(found)}
    (HERE / "openapi.json").write_text(json.dumps(trimmed, separators=(",", ":"), sort_keys=True) + "\n")
    head = "# npm @octokit/graphql-schema 15.26.1, MIT, trimmed by trim.py\n"
    (HERE / "schema.graphql").write_text(head + schema((folder / "graphql/package/schema.graphql").read_text()))
    licence = (folder / "openapi/package/LICENSE").read_text(), (folder / "graphql/package/LICENSE.md").read_text()
    (HERE / "LICENSE").write_text("\n".join(licence))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
