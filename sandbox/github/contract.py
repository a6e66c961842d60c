"""GitHub's OpenAPI description as a judge of requests and answers, and as a source of answers that are valid."""

import json
import re
from functools import cache
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from jsonschema import Draft202012Validator

from sandbox.github import HERE

Json = dict[str, Any]  # Any: JSON

_SAMPLES: Final[dict[str, Any]] = {"string": "x", "integer": 1, "number": 1, "boolean": False, "array": []}
_FORMATS: Final = {"date-time": "2026-01-02T03:04:05Z", "uri": "https://github.example/x", "email": "x@example.org"}


class Violation(Exception):
    """A request, or an answer of the stand-in's own, that GitHub does not describe."""


class Asked(NamedTuple):
    """A request that was understood: the operation's path as described, what stood in it, query and body."""

    method: str
    path: str
    names: dict[str, str]
    query: dict[str, str]
    body: Json


@cache
def _described() -> Json:
    found: Json = json.loads((HERE / "openapi.json").read_text())
    return found


def understood(method: str, target: str, body: bytes) -> Asked:
    """A request as an operation of the description. Raises Violation for anything that is not described."""
    url = urlsplit(target)
    path, names = _path(url.path)
    operation = _described()["paths"][path].get(method.lower())
    if operation is None:
        raise Violation(f"{method} {path} is not described")
    query = dict(parse_qsl(url.query, keep_blank_values=True, strict_parsing=bool(url.query)))
    _check_parameters(operation, names, query)
    return Asked(method, path, names, query, _body(operation, body))


def check_answer(asked: Asked, status: int, content: Any) -> None:  # noqa: ANN401 - JSON
    """Raises Violation where the description has the status, and the content is not what it says."""
    answer = _described()["paths"][asked.path][asked.method.lower()]["responses"].get(str(status))
    described = _resolved(answer or {}).get("content", {}).get("application/json")
    if described:
        _check(described["schema"], content, f"answer {status} to {asked.method} {asked.path}")


def sample(name: str) -> Json:
    """The smallest valid value of a component that is an object: required properties only."""
    found: Json = _sample({"$ref": f"#/components/schemas/{name}"})
    return found


def _path(path: str) -> tuple[str, dict[str, str]]:
    for described in _described()["paths"]:
        pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(described))
        if found := re.fullmatch(pattern, path):
            return described, {name: unquote(value) for name, value in found.groupdict().items()}
    raise Violation(f"{path} is no path of the description")


def _check_parameters(operation: Json, names: dict[str, str], query: dict[str, str]) -> None:
    described = [_resolved(one) for one in operation.get("parameters", [])]
    for one in described:
        given = {"path": names, "query": query}.get(one["in"], {})
        if one["name"] in given:
            _check(one["schema"], _typed(one["schema"], given[one["name"]]), f"{one['in']} {one['name']}")
        elif one.get("required"):
            raise Violation(f"{one['in']} {one['name']} is missing")
    unknown = set(query) - {one["name"] for one in described if one["in"] == "query"}
    if unknown:
        raise Violation(f"query {', '.join(sorted(unknown))} is not described")


def _typed(schema: Json, text: str) -> Any:  # noqa: ANN401 - JSON
    kind = _resolved(schema).get("type")
    if kind == "integer" and re.fullmatch(r"-?\d+", text):
        return int(text)
    return {"true": True, "false": False}.get(text, text) if kind == "boolean" else text


def _body(operation: Json, body: bytes) -> Json:
    described = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if described is None:
        if body:
            raise Violation("a body is not described")
        return {}
    try:
        found: Json = json.loads(body)
    except ValueError:
        raise Violation("the body is no JSON") from None
    _check(described["schema"], found, "body")
    unknown = set(found) - set(_resolved(described["schema"])["properties"])
    if unknown:
        raise Violation(f"body: {', '.join(sorted(unknown))} is not described")
    return found


def _check(schema: Json, value: Any, what: str) -> None:  # noqa: ANN401 - JSON
    judge = Draft202012Validator({"allOf": [schema], "components": _described()["components"]})
    for error in judge.iter_errors(value):
        raise Violation(f"{what}: {error.json_path}: {error.message[:300]}")


def _resolved(node: Json) -> Json:
    while "$ref" in node:
        kind, name = node["$ref"].split("/")[2:]
        node = _described()["components"][kind][name]
    return node


def _sample(schema: Json) -> Any:  # noqa: ANN401 - JSON
    schema = _resolved(schema)
    for key in ("anyOf", "oneOf"):
        if key in schema:
            options = schema[key]
            return None if {"type": "null"} in options else _sample(options[0])
    if "allOf" in schema:
        return {name: value for part in schema["allOf"] for name, value in _sample(part).items()}
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("type") == "object" or "properties" in schema:
        return {name: _sample(schema["properties"][name]) for name in schema.get("required", [])}
    return _FORMATS.get(schema.get("format", "")) or _SAMPLES[schema.get("type", "string")]
