"""What a deploy repo looks like, for `lastgood init`: pins, Compose files, health checks. Finds; never decides."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from lastgood.config import draft
from lastgood.config.draft import Finding, Proposal
from lastgood.config.rules import is_name, is_project, is_relative
from lastgood.model.release import Image
from lastgood.model.text import sanitise

_COMPOSE: Final = re.compile(r"(?:.*/)?(?:docker-)?compose\.ya?ml")
_VALUES: Final = re.compile(r"envs/(?P<env>[^/]+)/apps/(?P<service>[^/]+)/values\.yaml")
_ENV_FILE: Final = re.compile(r"(?:.*/)?(?:[^/]*\.)?env")
_ENVIRONMENT: Final = re.compile(r"(?:^|/)(?:envs?|environments)/([^/]+)/")
_ASSIGNMENT: Final = re.compile(r"^(?:export )?([A-Za-z_]\w*)=[\"']?([^\"'\s#]*)", re.MULTILINE | re.ASCII)
_PORT: Final = re.compile(r"(?:[\d.]+:)?(\d{1,5}):\d{1,5}(?:/tcp)?")
_INFRASTRUCTURE: Final = re.compile(
    r"adminer|caddy|elasticsearch|grafana|haproxy|loki|mariadb|memcached|minio|mongo|mysql|nats|nginx|pgadmin4|postgis"
    r"|postgres|prometheus|rabbitmq|redis|timescaledb|traefik|valkey|watchtower"
)


class _Spot(NamedTuple):
    """What a finding is to be called, and the Compose file (and the service in it, if one) that it belongs to."""

    name: str
    env: str
    compose: str
    service: str = ""


class _Pinned(NamedTuple):
    """A Compose service with an image that is pinned in the Compose file itself."""

    name: str
    image: Image


class _Repo:
    """The deploy repo's files, and what is noted on the way."""

    def __init__(self, files: Sequence[str], read: Callable[[str], bytes | None]) -> None:
        self.files = sorted(path for path in files if is_relative(path) and "{" not in path)
        self.notes: list[str] = []
        self._read = read

    def text(self, path: str) -> str:
        return (self._read(path) or b"").decode(errors="replace")

    def mapping(self, path: str) -> dict[object, object]:
        """A YAML file's mapping; empty, and noted, where it is none. Templates and custom tags are not followed."""
        from ruamel.yaml import YAML
        from ruamel.yaml.error import YAMLError

        try:
            value = YAML(typ="safe", pure=True).load(self.text(path))
        except (YAMLError, ValueError, RecursionError):
            value = None
        if isinstance(value, dict):
            return value
        self.notes.append(f"{path} cannot be read as YAML and was left out.")
        return {}

    def beside(self, path: str) -> tuple[str, ...]:
        folder = path.rpartition("/")[0]
        return tuple(other for other in self.files if other.rpartition("/")[0] == folder and other != path)


def propose(files: Sequence[str], read: Callable[[str], bytes | None]) -> Proposal:
    """A commented `lastgood.yaml` for a deploy repo, and what a person has to know about it.

    `files` are the repo's tracked paths; `read` gives a file's content, or None. The text always loads: what could
    not be found is left to its default, and said in a comment and a note.
    """
    repo = _Repo(files, read)
    by_convention = list(_by_convention(repo))
    folders = {finding.compose.rpartition("/")[0] for finding in by_convention if finding.compose}
    folders |= {finding.pin["file"].rpartition("/")[0] for finding in by_convention}
    composes = [path for path in repo.files if _COMPOSE.fullmatch(path) and path.rpartition("/")[0] not in folders]
    others = [finding for path in composes for finding in _by_compose(repo, path)]
    if any(path.endswith("/deploy-service.sh") for path in repo.files):
        repo.notes.append("The repo's own deploy scripts are not called: services are switched by Docker Compose.")
    return draft.written(_unique(repo, [*by_convention, *others]), tuple(repo.notes))


def _by_convention(repo: _Repo) -> Iterator[Finding]:
    """The services of `envs/ENV/apps/SERVICE/values.yaml`."""
    for path in repo.files:
        found = _VALUES.fullmatch(path)
        if found is None:
            continue
        keys = list(_image_keys(repo.mapping(path), ""))
        if not keys:
            repo.notes.append(f"{path} holds no image (repository and tag) and was left out.")
            continue
        if len(keys) > 1:
            repo.notes.append(f"{path} holds several images ({', '.join(keys)}); the first was taken.")
        compose = next((other for other in repo.beside(path) if _COMPOSE.fullmatch(other)), "")
        pin = {"kind": "values", "file": path, "key": keys[0]}
        yield _finding(repo, _Spot(found["service"], found["env"], compose), pin)


def _image_keys(value: object, path: str) -> Iterator[str]:
    """Dotted paths at which a file of values holds an image, `image` itself first."""
    if not isinstance(value, dict):
        return
    if path and {"repository", "tag"} <= value.keys():
        yield path
        return
    for key in sorted((key for key in value if isinstance(key, str)), key=lambda key: (key != "image", key)):
        if not re.fullmatch(r"[\w-]+", key):
            continue
        inner = f"{path}.{key}" if path else key
        if key == "image" and isinstance(value[key], str) and _pinned(value[key]):
            yield inner
        yield from _image_keys(value[key], inner)


def _by_compose(repo: _Repo, path: str) -> Iterator[Finding]:
    """The services of a Compose file that stands elsewhere: images pinned in it, or in an env file beside it."""
    document = repo.mapping(path)
    found = _ENVIRONMENT.search(path)
    env = found[1] if found else "prod"
    if document and not found:
        repo.notes.append(f"{path}: its environment was called prod; rename it if it is another.")
    pinned = list(_images(repo, path, document))
    folder = path.rpartition("/")[0].rpartition("/")[2]
    for one in pinned:
        name = folder if folder and len(pinned) == 1 else one.name
        pin = {"kind": "compose", "file": path, "service": one.name}
        yield _finding(repo, _Spot(name, env, path, one.name), pin)
    if document and not pinned:
        by_env_file = list(_by_env_file(repo, _Spot(folder, env, path)))
        if not by_env_file:
            repo.notes.append(f"{path}: neither it nor an env file beside it says which image of an app runs.")
        yield from by_env_file


def _images(repo: _Repo, path: str, document: dict[object, object]) -> Iterator[_Pinned]:
    services = document.get("services")
    for name, service in services.items() if isinstance(services, dict) else ():
        reference = service.get("image") if isinstance(service, dict) else None
        if not isinstance(reference, str) or "$" in reference or not isinstance(name, str) or not is_name(name):
            continue
        image = _pinned(reference)
        if image is None:
            repo.notes.append(f"{path}: {name} ({reference}) is not pinned to a tag that stays and was left out.")
        elif _INFRASTRUCTURE.fullmatch(image.repository.rpartition("/")[2]):
            repo.notes.append(f"{path}: {name} ({reference}) looks like infrastructure and was left out.")
        else:
            yield _Pinned(name, image)


def _by_env_file(repo: _Repo, spot: _Spot) -> Iterator[Finding]:
    """A Compose file that takes its images from variables: the env files beside it are looked at."""
    for path in repo.beside(spot.compose):
        if _ENV_FILE.fullmatch(path):
            variables = dict(_ASSIGNMENT.findall(repo.text(path)))
            for name, pin in _variables(variables):
                named = spot._replace(name=name or spot.name or "app")
                yield _finding(repo, named, {"kind": "env-file", "file": path} | pin)


def _variables(variables: dict[str, str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Variables that pin an image (`API_IMAGE`, or `API_REPOSITORY` with `API_TAG`), by what they seem to belong to."""
    for variable, value in variables.items():
        stem = variable.removesuffix("_REPOSITORY")
        name = re.sub(r"_?IMAGE$", "", stem).lower().replace("_", "-").strip("-")
        if stem != variable and f"{stem}_TAG" in variables:
            yield name, {"repository": variable, "tag": f"{stem}_TAG", "digest": f"{stem}_DIGEST"}
        elif variable.endswith("IMAGE") and _pinned(value):
            yield name, {"image": variable}


def _pinned(reference: str) -> Image | None:
    """The image of a reference that pins one, or None: `latest` and bare names are nothing to go back to."""
    if "$" in reference or not re.fullmatch(r"[\w.:/@+-]+", reference):
        return None
    try:
        image = Image.parse(reference)
    except ValueError:
        return None
    return image if image.digest or image.tag not in {"", "latest"} else None


def _finding(repo: _Repo, spot: _Spot, pin: dict[str, str]) -> Finding:
    """A finding with what its Compose file tells: the project's name, published ports, whether there is a check."""
    document = repo.mapping(spot.compose) if spot.compose else {}
    listed = document.get("services")
    services = listed if isinstance(listed, dict) else {}
    mine = [one for key, one in services.items() if isinstance(one, dict) and spot.service in {"", key}]
    project = document.get("name")
    return Finding(
        service=spot.name,
        env=spot.env,
        pin=pin,
        compose=spot.compose,
        project=project if isinstance(project, str) and is_project(project) else "",
        checked=any("healthcheck" in one for one in mine),
        ports=tuple(dict.fromkeys(port for one in mine for port in _ports(one.get("ports")))),
    )


def _ports(ports: object) -> Iterator[int]:
    for port in ports if isinstance(ports, list) else ():
        published = port.get("published") if isinstance(port, dict) else None
        found = re.fullmatch(r"(\d{1,5})", str(published)) if published else _PORT.fullmatch(str(port))
        if found:
            yield int(found[1])


def _unique(repo: _Repo, findings: list[Finding]) -> list[Finding]:
    """Findings with usable names, each pair of service and environment once."""
    kept: dict[tuple[str, str], Finding] = {}
    for finding in findings:
        key = (finding.service, finding.env)
        if not is_name(finding.service) or not is_name(finding.env):
            repo.notes.append(f"{finding.pin['file']}: {'/'.join(key)} is no usable name and was left out.")
        elif key in kept:
            repo.notes.append(f"{finding.pin['file']}: there is a {'/'.join(key)} already; add it under another name.")
        else:
            kept[key] = finding
    repo.notes[:] = [sanitise(note) for note in dict.fromkeys(repo.notes)]
    return list(kept.values())
