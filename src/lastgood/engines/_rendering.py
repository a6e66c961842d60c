"""What Compose made of a release's files, judged before anything runs. Sentences never hold values: they may be secret.

Read from `docker compose config --format json`, whose shape is that of https://github.com/compose-spec/compose-spec.
"""

import re
from collections.abc import Iterator, Sequence

import msgspec

from lastgood.engines._docker import reference, same_repository
from lastgood.model.command import Completed
from lastgood.model.release import Image
from lastgood.model.step import RenderStep

_UNSET = re.compile(r'The \\?"([^"\\]+)\\?" variable is not set')
_QUOTING = re.compile(r"(variable name|quoted value|template:|near|interpolation format for [^:]+:)\s.*")
_LENGTH = 300


class _Mount(msgspec.Struct):
    type: str = ""
    source: str = ""


class _Service(msgspec.Struct):
    image: str | None = None
    volumes: list[_Mount] | None = None
    configs: list[_Mount] | None = None
    secrets: list[_Mount] | None = None


class _OnDisk(msgspec.Struct):
    file: str = ""


class _Project(msgspec.Struct):
    services: dict[str, _Service] = {}
    configs: dict[str, _OnDisk] = {}
    secrets: dict[str, _OnDisk] = {}


def problems(step: RenderStep, answers: Sequence[Completed]) -> tuple[str, ...]:
    """What is wrong; `answers` are the rendering as it would run and the one of the release's own files alone."""
    failed = dict.fromkeys(_failure(answer) for answer in answers if not answer.ok)
    if failed:
        return (*failed, *_unset(answers))
    try:
        switched, own = (msgspec.json.decode(answer.stdout, type=_Project) for answer in answers)
    except (msgspec.DecodeError, ValueError):
        return ("Compose rendered something that cannot be read",)
    return (*_unset(answers), *_unlike(step, own), *_unswitched(step, switched))


def _failure(answer: Completed) -> str:
    """The first thing it complained about: what follows may quote the file."""
    if answer.failure:
        return answer.why()
    lines = answer.stderr.decode(errors="replace").splitlines()
    complaints = [line for line in lines if line.strip() and "level=warning" not in line]
    said = _QUOTING.sub(r"\1 (not shown)", complaints[0]) if complaints else f"exit status {answer.status}"
    return f"Compose refuses it: {said[:_LENGTH]}"


def _unset(answers: Sequence[Completed]) -> Iterator[str]:
    said = "\n".join(answer.stderr.decode(errors="replace") for answer in answers)
    for name in dict.fromkeys(_UNSET.findall(said)):
        yield f"variable {name} is not set: name the file that holds it under env_files"


def _unlike(step: RenderStep, own: _Project) -> Iterator[str]:
    """Where the release's own files do not mean the services that are to be switched."""
    repository = step.image.image.repository
    using = {name for name, service in own.services.items() if _of(service.image, repository)}
    for name in step.services:
        if name not in own.services:
            yield f"there is no service {name} in this release's Compose file"
        elif name not in using:
            yield f"service {name} does not use {repository} in this release's Compose file"
    for name in sorted(using - set(step.services)):
        yield f"service {name} uses {repository} too, but would not be switched"


def _of(image: str | None, repository: str) -> bool:
    try:
        return same_repository(Image.parse(image or "").repository, repository)
    except ValueError:
        return False


def _unswitched(step: RenderStep, switched: _Project) -> Iterator[str]:
    for name in step.services:
        image = switched.services.get(name, _Service()).image
        if image != reference(step.image):
            yield f"service {name} would run {image or 'no image'} instead of {reference(step.image)}"


def mounted(step: RenderStep, answers: Sequence[Completed]) -> tuple[str, ...]:
    """Paths below the release's folder that its services mount, each once."""
    try:
        project = msgspec.json.decode(answers[0].stdout, type=_Project)
    except (msgspec.DecodeError, IndexError):
        return ()  # `problems` says so
    sources = (path for name in step.services for path in _sources(project, name))
    return tuple(dict.fromkeys(path for path in sources if path.startswith(f"{step.folder}/")))


def _sources(project: _Project, name: str) -> Iterator[str]:
    service = project.services.get(name, _Service())
    yield from (mount.source for mount in service.volumes or () if mount.type == "bind")
    for named, used in ((project.configs, service.configs), (project.secrets, service.secrets)):
        yield from (named[one.source].file for one in used or () if one.source in named)
