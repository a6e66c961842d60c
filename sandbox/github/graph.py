"""GitHub's GraphQL as the stand-in answers it: executed by GitHub's own types."""

from functools import cache
from typing import Any, Final

from graphql import GraphQLError, GraphQLSchema, build_schema, graphql_sync, parse, validate

from sandbox.github import HERE
from sandbox.github.contract import Violation
from sandbox.github.state import Pull, Refusal, State

Json = dict[str, Any]  # Any: JSON
_PAGE: Final = 100


@cache
def _schema() -> GraphQLSchema:
    return build_schema((HERE / "schema.graphql").read_text())


def answer(state: State, asked: Json, page: int, *, write: bool) -> Json:
    """The answer to a query. Raises Violation for one that GitHub's types do not allow."""
    if set(asked) - {"query", "variables", "operationName"}:
        raise Violation(f"GraphQL takes no {sorted(asked)}")
    _judge(asked["query"])
    done = graphql_sync(
        _schema(), asked["query"], _Root(state, min(page, _PAGE), write=write), variable_values=asked.get("variables")
    )
    for error in done.errors or []:
        if not isinstance(error.original_error, Refusal):
            raise Violation(f"GraphQL: {error.message}")
    found: Json = {"data": done.data}
    if done.errors:
        found["errors"] = [{"type": "UNPROCESSABLE", "path": e.path, "message": e.message} for e in done.errors]
    return found


def _judge(query: str) -> None:
    try:
        wrong = validate(_schema(), parse(query))
    except GraphQLError as broken:
        wrong = [broken]
    if wrong:
        raise Violation(f"GraphQL: {wrong[0].message}")


class _Root:
    """Resolves the fields that lastgood asks for."""

    def __init__(self, state: State, page: int, *, write: bool) -> None:
        self._state = state
        self._page = page
        self._write = write

    def repository(self, _info: object, owner: str, name: str, **_: object) -> Json | None:
        if f"{owner}/{name}".lower() != self._state.full_name.lower():
            raise Refusal(200, f"Could not resolve to a Repository with the name '{owner}/{name}'.")
        return {"id": "R_1", "pullRequests": self._pulls}

    def node(self, _info: object, id: str) -> Json:  # noqa: A002 - GraphQL's own name
        return self._shown(self._pull(id)) | {"__typename": "PullRequest"}

    def enablePullRequestAutoMerge(self, _info: object, input: Json) -> Json:  # noqa: A002, N802 - GraphQL's own names
        pull = self._pull(input["pullRequestId"])
        words = (input.get("commitHeadline") or "", input.get("commitBody") or "")
        self._may_write()
        self._state.enable_auto(pull, input["mergeMethod"], words)
        return {"pullRequest": self._shown(pull)}

    def disablePullRequestAutoMerge(self, _info: object, input: Json) -> Json:  # noqa: A002, N802 - as above
        pull = self._pull(input["pullRequestId"])
        self._may_write()
        self._state.disable_auto(pull)
        return {"pullRequest": self._shown(pull)}

    def _may_write(self) -> None:
        if not self._write:
            raise Refusal(200, "Resource not accessible by personal access token")

    def _pull(self, node: str) -> Pull:
        for pull in self._state.pulls:
            if node == node_id(pull):
                return pull
        raise Refusal(200, f"Could not resolve to a node with the global id of '{node}'")

    def _pulls(self, _info: object, first: int, **said: Any) -> Json:  # noqa: ANN401 - the field's own arguments
        base = said.get("baseRefName")
        found = [one for one in self._state.pulls if one.state == "open" and base in (None, one.base)]
        return _connection([self._shown(one) for one in found], min(first, self._page), said.get("after"))

    def _shown(self, pull: Pull) -> Json:
        def files(_info: object, first: int, after: str | None = None) -> Json:
            return _connection([{"path": path} for path in self._state.files(pull)], min(first, self._page), after)

        return {
            "id": node_id(pull),
            "number": pull.number,
            "url": f"https://github.com/{self._state.full_name}/pull/{pull.number}",
            "title": pull.title,
            "author": {"__typename": "User", "login": pull.author} if pull.author else None,
            "autoMergeRequest": {"mergeMethod": pull.auto} if pull.auto else None,
            "files": files,
        }


def node_id(pull: Pull) -> str:
    """The id that REST and GraphQL share."""
    return f"PR_{pull.number}"


def _connection(nodes: list[Json], first: int, after: str | None) -> Json:
    begin = int(after or 0)
    end = begin + first
    return {"nodes": nodes[begin:end], "pageInfo": {"hasNextPage": end < len(nodes), "endCursor": str(end)}}
