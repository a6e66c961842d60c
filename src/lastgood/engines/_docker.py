"""Looking at one Compose project through the docker client: questions, and what their answers say.

Facts of the formats: `docker ps --help`, `docker image ls --format '{{json .}}'`, and the Engine API's
ContainerInspect (https://docs.docker.com/reference/api/engine/), checked against engine 20.10 with client 28.2.
"""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeVar

import msgspec

from lastgood.engines import _keeping
from lastgood.model.command import Command, Completed
from lastgood.model.facts import Fact, Known, Unknown, known_or
from lastgood.model.observed import Container, Healthcheck, HostView, LocalImage, State
from lastgood.model.release import Image
from lastgood.model.step import Runnable

RUN_LABEL = "dev.lastgood.run"
# Names the image of a container that could only be created from a bare id, which says nothing about a repository.
IMAGE_LABEL = "dev.lastgood.image"

_T = TypeVar("_T")
_LIST = ("docker", "ps")
_INSPECT = ("docker", "container", "inspect")
_IMAGES = ("docker", "image", "ls")
_PLATFORM = ("docker", "version", "--format", "{{.Server.Os}}/{{.Server.Arch}}")
_COMPOSES = (("docker", "compose"), ("docker-compose",))
_OLDEST_COMPOSE = 2
_LIMIT = 10.0
_PULL_LIMIT = 600.0
_LOG_LINES = "2000"
_LOG_BYTES = 1024 * 1024
_EVIDENCE_LIMIT = 3.0
# A line without an end comes in pieces of 16 KiB that count as lines: 2000 of them are 32 MB. What has come once the
# time is up (`timeout` of coreutils says so by 124, BusyBox by 143) is kept. The status is that of `docker logs`.
_LOGS = """\
limit=; command -v timeout >/dev/null && limit="timeout 2"; exec 3>&1
status=$({ { $limit docker logs --timestamps --tail "$2" -- "$1" 2>&1 4>&-; echo $? >&4; } |
  tail -c "$3" >&3 4>&-; } 4>&1)
case $status in 0|124|143) ;; *) echo "docker logs: exit status $status" >&2; exit 1;; esac"""
_NANO = 1e9
_LOG_LENGTH = 300
_NONE = "<none>"
_NEVER = "0001-"
_ID = re.compile(r"[0-9a-f]{64}")
_BARE_ID = re.compile(r"(?:sha256:)?[0-9a-f]{12,64}")
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")  # the engine's own rule for container names

# Only what is needed leaves the engine: a container's environment, where its secrets are, is never asked for.
_FIELDS = {
    "name": ".Name",
    "ref": ".Config.Image",
    "image_id": ".Image",
    "restarts": ".RestartCount",
    "restart_policy": ".HostConfig.RestartPolicy.Name",
    "state": ".State",
    "healthcheck": ".Config.Healthcheck",
    "service": '(index .Config.Labels "com.docker.compose.service")',
    "run": f'(index .Config.Labels "{RUN_LABEL}")',
    "image": f'(index .Config.Labels "{IMAGE_LABEL}")',
}
_FORMAT = "{" + ",".join(f'"{name}":{{{{json {path}}}}}' for name, path in _FIELDS.items()) + "}"


class _Probed(msgspec.Struct):
    output: str = msgspec.field(name="Output", default="")


class _Health(msgspec.Struct, rename="pascal"):
    status: str = ""
    log: list[_Probed] | None = None


class _State(msgspec.Struct, rename="pascal"):
    status: State
    exit_code: int
    started_at: str
    health: _Health | None = None


class _Healthcheck(msgspec.Struct, rename="pascal"):
    """Lengths in nanoseconds; 0 stands for the engine's default."""

    test: list[str] | None = None
    interval: int = 0
    timeout: int = 0
    retries: int = 0
    start_period: int = 0


class _Inspected(msgspec.Struct):
    name: str
    ref: str
    image_id: str
    restarts: int
    state: _State
    healthcheck: _Healthcheck | None
    service: str
    run: str
    image: str
    restart_policy: str = ""

    @property
    def nameless(self) -> bool:
        """Whether it was created from a bare id, so that only the host's images tell whose it is."""
        return not self.image and _BARE_ID.fullmatch(self.ref) is not None


class _Judged(NamedTuple):
    seen: _Inspected
    mine: bool


class _Row(msgspec.Struct, rename="pascal"):
    repository: str
    tag: str
    digest: str
    image_id: str = msgspec.field(name="ID")


def glance(project: str, repository: str) -> tuple[Command, ...]:
    """What runs and which images are here, as far as one round of questions can tell."""
    belongs = f"label=com.docker.compose.project={project}"
    lasting = "label=com.docker.compose.oneoff=False"  # `docker compose run` containers are somebody's errand
    return (
        Command((*_LIST, "--all", "--quiet", "--no-trunc", "--filter", belongs, "--filter", lasting), timeout=_LIMIT),
        Command(
            (*_IMAGES, "--no-trunc", "--digests", "--format", "{{json .}}", "--", repository),
            timeout=_LIMIT,
        ),
    )


def questions(project: str, repository: str) -> tuple[Command, ...]:
    """`glance`, whether Compose answers, and the engine's platform."""
    return (*glance(project, repository), _compose_version(_COMPOSES[0]), Command(_PLATFORM, timeout=_LIMIT))


def _compose_version(compose: tuple[str, ...]) -> Command:
    return Command((*compose, "version", "--short"), timeout=_LIMIT)


def pull(wanted: Runnable) -> Command:
    """Have an image: by digest; where there is none nothing can be pulled, and this only shows that it is there."""
    if wanted.image.digest:
        return Command(("docker", "pull", "--quiet", "--", reference(wanted)), timeout=_PULL_LIMIT)
    return Command(("docker", "image", "inspect", "--format", "{{.Id}}", "--", reference(wanted)))


def reference(wanted: Runnable) -> str:
    """What Docker is told to run: by digest where one is known, by tag where not, by id where there is neither."""
    image = wanted.image
    if image.digest:
        return f"{image.repository}@{image.digest}"
    return f"{image.repository}:{image.tag}" if image.tag else wanted.image_id


def evidence(containers: Sequence[Container]) -> tuple[tuple[str, Command], ...]:
    """How to get the end of the logs, and inspect, of containers, by file name. Both may hold secrets.

    Production waits meanwhile: of endless logs no more than that leaves the host, and no more time is spent on them.
    """
    if not containers:
        return ()
    names = tuple(one.name for one in containers)
    logs = (("sh", "-c", _LOGS, "logs", name, _LOG_LINES, str(_LOG_BYTES)) for name in names)
    return (
        *((f"logs-{argv[4]}.txt", Command(argv, timeout=_EVIDENCE_LIMIT)) for argv in logs),
        ("inspect.json", Command(("docker", "container", "inspect", "--", *names), timeout=_EVIDENCE_LIMIT)),
    )


def follow_up(answers: Sequence[Completed]) -> tuple[Command, ...]:
    """The containers that were listed, one by one, and Compose as a program of its own where the plugin is missing.

    The list itself lacks restarts, image ids and health logs.
    """
    listed, plugin = _answer(answers, _LIST), _answer(answers, (*_COMPOSES[0], "version"))
    ids = _ids(listed) if listed and listed.ok else None
    inspect = (Command((*_INSPECT, "--format", _FORMAT, "--", *ids), timeout=_LIMIT),) if ids else ()
    return (*inspect, *(() if plugin is None or _usable(plugin) else (_compose_version(_COMPOSES[1]),)))


def read(answers: Sequence[Completed]) -> HostView:
    """The answers as facts, told apart by the commands that they answer."""
    images = _images(_answer(answers, _IMAGES))
    found = _judged(answers, images)
    return HostView(
        containers=Known(tuple(_container(one, images) for one in found.value)) if isinstance(found, Known) else found,
        images=images,
        healthcheck=_slowest(one.seen.healthcheck for one in known_or(found, ()) if one.mine),
        compose=next((compose for compose in _COMPOSES if _usable(_answer(answers, (*compose, "version")))), ()),
        platform=_platform(_answer(answers, _PLATFORM)),
    )


def _platform(answer: Completed | None) -> str:
    said = answer.text.strip() if answer and answer.ok else ""
    return said if re.fullmatch(r"[a-z0-9]+/[a-z0-9]+", said) else ""


def same_repository(first: str, second: str) -> bool:
    """Whether two repository names are one; the engine shortens Docker Hub's names, people often do not."""
    return _familiar(first) == _familiar(second)


def _familiar(repository: str) -> str:
    for hub in ("docker.io/", "index.docker.io/"):
        repository = repository.removeprefix(hub)
    return repository.removeprefix("library/")


def _answer(answers: Sequence[Completed], argv: tuple[str, ...]) -> Completed | None:
    return next((answer for answer in answers if answer.command.argv[: len(argv)] == argv), None)


def _ids(listed: Completed) -> list[str] | None:
    """Container ids, or None where the text is something else."""
    lines = listed.text.split()
    return lines if all(_ID.fullmatch(line) for line in lines) else None


def _usable(version: Completed | None) -> bool:
    """Whether a Compose answers that knows what we ask of it."""
    said = re.match(r"v?(\d+)\.", version.text) if version and version.ok else None
    return said is not None and int(said[1]) >= _OLDEST_COMPOSE


def _images(answer: Completed | None) -> Fact[tuple[LocalImage, ...]]:
    if answer is None:
        return Unknown("the host's images were not asked for")
    if not answer.ok:
        return Unknown(answer.why())
    rows = _rows(answer, _Row)
    if isinstance(rows, Unknown):
        return rows
    mine = [row for row in rows.value if same_repository(row.repository, answer.command.argv[-1])]
    return Known(tuple(_image(image_id, mine) for image_id in dict.fromkeys(row.image_id for row in mine)))


def _image(image_id: str, rows: Sequence[_Row]) -> LocalImage:
    """One image out of its rows: there is one for each pair of a tag and a digest."""
    tags = dict.fromkeys(row.tag for row in rows if row.image_id == image_id and row.tag != _NONE)
    digests = dict.fromkeys(row.digest for row in rows if row.image_id == image_id and row.digest != _NONE)
    own = [tag for tag in tags if _keeping.name_of(tag)]
    others = tuple(tag for tag in tags if tag not in own)
    return LocalImage(image_id, others, tuple(digests), tuple(_keeping.name_of(tag) for tag in own))


def _judged(answers: Sequence[Completed], images: Fact[tuple[LocalImage, ...]]) -> Fact[tuple[_Judged, ...]]:
    """The project's containers by name, each with whether it is the pin's."""
    found = _inspected(answers)
    if isinstance(found, Unknown):
        return found
    asked = _answer(answers, _IMAGES)
    repository = asked.command.argv[-1] if asked else ""
    known = {image.image_id for image in known_or(images, ())}
    nameless = next((one.name for one in found.value if one.nameless), "")
    if nameless and isinstance(images, Unknown):
        return Unknown(f"whose image {nameless.removeprefix('/')} runs: {images.reason}")
    ordered = sorted(found.value, key=lambda one: one.name)
    return Known(tuple(_Judged(one, _is_of(one, repository, known)) for one in ordered))


def _is_of(one: _Inspected, repository: str, known: set[str]) -> bool:
    if one.nameless:
        return one.image_id in known
    try:
        return same_repository(Image.parse(one.image or one.ref).repository, repository)
    except ValueError:
        return False


def _inspected(answers: Sequence[Completed]) -> Fact[tuple[_Inspected, ...]]:
    listed, answer = _answer(answers, _LIST), _answer(answers, _INSPECT)
    if listed is None:
        return Unknown("the host's containers were not asked for")
    if not listed.ok:
        return Unknown(listed.why())
    ids = _ids(listed)
    if ids is None:
        return Unknown("docker ps: the answer is no list of containers")
    return _all(ids, answer) if ids else Known(())


def _all(ids: Sequence[str], answer: Completed | None) -> Fact[tuple[_Inspected, ...]]:
    """All listed containers, or nothing: half a picture would look like containers that are gone for good."""
    if answer is None:
        return Unknown("the host's containers were listed but not looked at")
    if not answer.ok:
        gone = b"No such container" in answer.stderr
        return Unknown("containers came and went while looking" if gone else answer.why())
    rows = _rows(answer, _Inspected)
    if isinstance(rows, Known):
        names = [row.name.removeprefix("/") for row in rows.value]
        if len(names) != len(ids) or not all(_NAME.fullmatch(name) for name in names):
            return Unknown("docker container inspect: the answer is not about the containers asked for")
    return rows


def _rows(answer: Completed, row: type[_T]) -> Fact[tuple[_T, ...]]:
    """One value a line."""
    try:
        return Known(tuple(msgspec.json.decode(line, type=row) for line in answer.stdout.splitlines()))
    except msgspec.DecodeError as error:
        command = " ".join(answer.command.argv[:3])
        return Unknown(f"{command}: the answer cannot be read: {error}")


def _container(judged: _Judged, images: Fact[tuple[LocalImage, ...]]) -> Container:
    one, health = judged.seen, judged.seen.state.health or _Health()
    log = health.log or [_Probed()]
    return Container(
        name=one.name.removeprefix("/"),
        service=one.service,
        image=one.ref,
        image_id=one.image_id,
        digests=next((image.digests for image in known_or(images, ()) if image.image_id == one.image_id), ()),
        state=one.state.status,
        exit_code=one.state.exit_code,
        health="" if health.status == "none" else health.status,
        health_log=log[-1].output.strip()[:_LOG_LENGTH],
        restarts=one.restarts,
        started="" if one.state.started_at.startswith(_NEVER) else one.state.started_at,
        run=one.run,
        mine=judged.mine,
        restart_policy=one.restart_policy,
    )


def _slowest(given: Iterable[_Healthcheck | None]) -> Healthcheck | None:
    """The HEALTHCHECK that takes longest to fail: a gate that waits for it waits for the others too."""
    checks = [_seconds(one) for one in given if one and one.test and one.test != ["NONE"]]
    return max(checks, key=lambda one: one.start_period + one.retries * (one.interval + one.timeout), default=None)


def _seconds(given: _Healthcheck) -> Healthcheck:
    """The engine's nanoseconds as seconds, its defaults in place of zeros."""
    default = Healthcheck()
    return Healthcheck(
        interval=given.interval / _NANO or default.interval,
        timeout=given.timeout / _NANO or default.timeout,
        retries=given.retries or default.retries,
        start_period=given.start_period / _NANO,
    )
