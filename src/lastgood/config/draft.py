"""Writes findings down as a commented `lastgood.yaml` that loads as it stands."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from lastgood.config.rules import is_project

_HEAD = """\
# lastgood.yaml, proposed by `lastgood init` from what this repo holds. Lines marked FILL IN are for you.
# What is not said here has a default; `lastgood status --explain` shows each value and where it is from.
"""
_NOTHING = """\
# FILL IN: nothing was found that says which image runs. The entry below is an example: its image is looked for in
# envs/prod/apps/my-service/values.yaml (image.repository, image.tag), its Compose file beside that.
"""


_COMPOSE_FILE = "envs/{env}/apps/{service}/compose.yaml"
_VALUES_FILE = "envs/{env}/apps/{service}/values.yaml"


class Finding(NamedTuple):
    """One service in one environment, as found. `pin` are the pin's settings with `file` as a path of the repo."""

    service: str
    env: str
    pin: dict[str, str]
    compose: str
    project: str
    checked: bool
    ports: tuple[int, ...]


class Proposal(NamedTuple):
    """A file to write, and sentences about what was found, what was not, and what a person must fill in."""

    text: str
    notes: tuple[str, ...]


def written(findings: Sequence[Finding], notes: tuple[str, ...]) -> Proposal:
    """The proposal for `findings`; `notes` are what was noticed while looking."""
    envs = tuple(dict.fromkeys(finding.env for finding in findings)) or ("prod",)
    services: dict[str, list[Finding]] = {}
    for finding in findings:
        services.setdefault(finding.service, []).append(finding)
    lines = [_HEAD, "environments:", *(line for env in envs for line in _environment(env)), "", "services:"]
    if not services:
        lines += [*_NOTHING.splitlines(), "  my-service:", f"    probes: []  # for example: {_probe(8080)}"]
    for name, found in services.items():
        lines += _service(name, found, envs)
    return Proposal("\n".join(lines) + "\n", (*_told(services), *notes))


def _environment(env: str) -> Iterator[str]:
    yield f"  {_quoted(env)}:"
    yield "    hosts: [local]  # lastgood runs on the server itself"
    yield '    # hosts: ["ssh://deploy@203.0.113.7"]  # FILL IN: the server, unless this machine is it'
    yield "    # checkout: /opt/deploy  # FILL IN: the server's own checkout of this repo, if it has one"


def _service(name: str, found: list[Finding], envs: tuple[str, ...]) -> Iterator[str]:
    first = found[0]
    settings = list(_settings(first))
    if {finding.env for finding in found} != set(envs):
        settings.append("envs: [" + ", ".join(_quoted(finding.env) for finding in found) + "]")
    yield f"  {_quoted(name)}:"
    yield from (f"    {line}" for line in (*settings, *_comments(first)))


def _settings(finding: Finding) -> Iterator[str]:
    """What differs from the conventions."""
    engine = _engine(finding)
    if engine not in ({}, {"file": _COMPOSE_FILE}):
        yield f"engine: {_flow({'kind': 'compose'} | engine)}"
    pin = finding.pin | {"file": _template(finding.pin["file"], finding)}
    if pin != {"kind": "values", "file": _VALUES_FILE, "key": "image"}:
        yield f"pin: {_flow(pin)}"


def _engine(finding: Finding) -> dict[str, str]:
    """The Compose file, and the project where it is not called like the service."""
    file = {"file": _template(finding.compose, finding)} if finding.compose else {}
    project = finding.project or _project(finding.compose.rpartition("/")[0].rpartition("/")[2])
    if not is_project(finding.service):
        project = project or _project(finding.service) or "project"
    return file | ({"project": project} if project not in {"", finding.service} else {})


def _project(folder: str) -> str:
    """What Compose calls the project in a folder, unless the file says otherwise; empty where that is nothing."""
    name = re.sub(r"[^a-z0-9_-]", "", folder.lower()).lstrip("_-")
    return name if is_project(name) else ""


def _comments(finding: Finding) -> Iterator[str]:
    if not finding.compose:
        yield "# FILL IN: no Compose file was found beside the pin"
        yield '# engine: {kind: compose, file: "path/to/compose.yaml"}'
    elif "/" not in finding.compose and not finding.project:
        yield "# FILL IN: the Compose project, as `docker compose ls` on the server shows it, if it is not the service"
    why = "besides its HEALTHCHECK" if finding.checked else "no HEALTHCHECK was found; a rollback needs that or a probe"
    yield f"# FILL IN how health shows from outside ({why})."
    # The empty list is there so that the entry is a mapping, and one line is all there is to edit.
    yield f"probes: []  # for example: {_probe(finding.ports[0] if finding.ports else 8080)}"


def _probe(port: int) -> str:
    return f'[{{kind: http, url: "http://127.0.0.1:{port}/", json: {{version: "{{tag}}"}}}}]'


def _told(services: dict[str, list[Finding]]) -> Iterator[str]:
    if not services:
        yield "Nothing was found that says which image runs; the file holds an example to replace."
    for name, found in services.items():
        where = ", ".join(dict.fromkeys(finding.pin["file"] for finding in found))
        yield f"{name}: its image is pinned in {where}."
        if any(list(_settings(one)) != list(_settings(found[0])) for one in found[1:]):
            yield f"{name}: its environments are laid out differently; the file follows {found[0].env}."
        if not found[0].compose:
            yield f"{name}: no Compose file was found beside its pin; say where it is."
        if not found[0].checked:
            yield f"{name}: no HEALTHCHECK in its Compose file; unless its image has one, add a probe."


def _template(path: str, finding: Finding) -> str:
    """`path` with the environment's and the service's own folders as placeholders."""
    parts = path.split("/")
    for number in range(len(parts) - 1):
        if number and parts[number] == finding.env and parts[number - 1] in {"env", "envs", "environments"}:
            parts[number] = "{env}"
        elif parts[number] == finding.service:
            parts[number] = "{service}"
    return "/".join(parts)


def _flow(values: dict[str, str]) -> str:
    return "{" + ", ".join(f"{key}: {_quoted(value)}" for key, value in values.items()) + "}"


def _quoted(text: str) -> str:
    """`text` as a YAML scalar: bare where nothing in it could be taken for something else, else as JSON writes it."""
    bare = text.replace("-", "").replace("_", "").isalpha() and text[0].isalpha() and text.isascii()
    return text if bare and text.lower() not in {"null", "true", "false"} else json.dumps(text, ensure_ascii=False)
