"""Removing worlds: one's own at its end, and those whose owner has died without doing so."""

import os
import shutil
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sandbox import hosts, paths
from sandbox.releases import API, WEB
from sandbox.run import SandboxError, docker

WORLD = f"{paths.LABEL}.world"
ROOT = f"{paths.LABEL}.root"
MACHINE = f"{paths.LABEL}.machine"
KEPT = "kept"
NETWORK = "lastgood-sandbox-"
_NAMED = "{{.Name}}\t{{.Labels}}"


def claim(root: Path, *, keep: bool = False) -> None:
    """Makes a world's folder; the world belongs to this process, or with `keep` stays until it is taken down."""
    with paths.lock(paths.machine() / "sweep.lock"):
        if root.exists():
            raise SandboxError(f"there is a world at {root} already")
        root.mkdir(parents=True)
        (root / "owner").write_text(KEPT if keep else paths.identity(os.getpid()))


def create_network(world: str, root: Path) -> str:
    """Creates a world's network, whose labels say where the world is at home; returns its name."""
    labels = {paths.LABEL: "1", WORLD: world, ROOT: root, MACHINE: _machine()}
    options = [word for key, value in labels.items() for word in ("--label", f"{key}={value}")]
    docker("network", "create", *options, NETWORK + world)
    return NETWORK + world


def keep(root: Path) -> None:
    """Lets a world stay until somebody takes it down."""
    (root / "owner").write_text(KEPT)


def remove(world: str, root: Path | None, registry: str | None = None) -> None:
    """Removes a world's containers, volumes, network, images and folder."""
    _each(
        ["rm", "--force", "--volumes"],
        _marked(["ps", "--all", "--no-trunc"], "{{.ID}}\t{{.Labels}},{{.Networks}}", world),
    )
    with ThreadPoolExecutor() as pool:
        jobs = [
            pool.submit(lambda: _each(["volume", "rm", "--force"], _marked(["volume", "ls"], _NAMED, world))),
            pool.submit(lambda: _each(["network", "rm"], _marked(["network", "ls"], _NAMED, world))),
            pool.submit(lambda: _each(["image", "rm", "--force"], _images(registry) if registry else [])),
        ]
    for job in jobs:
        job.result()
    if root:
        _discard(root)


def _discard(root: Path) -> None:
    """Removes a folder and the servers that are in it."""
    hosts.remove(root / "hosts")
    shutil.rmtree(root, ignore_errors=True)


def _marked(listing: list[str], form: str, world: str) -> list[str]:
    """What has a label of a world's, or is in its network, out of one listing of a name and marks in each line."""
    marks = {f"{WORLD}={world}", f"{NETWORK}{world}"}
    marks |= {f"com.docker.compose.project={service}-{world}" for service in (API, WEB)}
    lines = (line.partition("\t") for line in docker(*listing, "--format", form).splitlines())
    return sorted(name for name, _, said in lines if marks & set(said.split(",")))


def take_down(world: str) -> None:
    """Removes a world of this clone by its name; raises SandboxError where there is none."""
    root = paths.WORLDS / world
    if not (root / "owner").exists():
        raise SandboxError(f"there is no world {world!r}; `python -m sandbox up` makes one")
    remove(world, root, _registry_of(root))


def sweep() -> list[str]:
    """Removes every world on the engine whose owner is dead; returns their names."""
    with paths.lock(paths.machine() / "sweep.lock"):
        dead = {name: root for name, root in _worlds().items() if not _owned(root)}
        for name, root in dead.items():
            remove(name, root, _registry_of(root))
        for root in paths.WORLDS.glob("*"):
            if not _owned(root):
                _discard(root)
        return sorted(dead)


def remove_all(clone: Path) -> list[str]:
    """Removes every world of a clone, owned or not; returns their names."""
    mine = {name: root for name, root in _worlds().items() if root and root.is_relative_to(clone)}
    for name, root in mine.items():
        remove(name, root, _registry_of(root))
    for root in (*paths.WORLDS.glob("*"), *paths.cache().glob("engine-*.part")):
        _discard(root)
    return sorted(mine)


def _worlds() -> dict[str, Path | None]:
    containers = docker("ps", "--all", "--filter", f"label={WORLD}", "--format", f'{{{{.Label "{WORLD}"}}}}')
    found: dict[str, Path | None] = dict.fromkeys(containers.splitlines())
    form = "\t".join(f'{{{{.Label "{label}"}}}}' for label in (WORLD, ROOT, MACHINE))
    for line in docker("network", "ls", "--filter", f"label={WORLD}", "--format", form).splitlines():
        name, root, machine = (*line.split("\t"), "")[:3]
        if machine == _machine():
            found[name] = Path(root)
        else:
            found.pop(name, None)
    return found


def _machine() -> str:
    """Returns what tells this process's machine (or container) from others that use the same engine."""
    return f"{socket.gethostname()} {Path('/proc/self/ns/pid').readlink()}"


def _owned(root: Path | None) -> bool:
    try:
        owner = (root / "owner").read_text() if root else ""
    except OSError:
        return False
    return owner == KEPT or (bool(owner) and owner == paths.identity(int(owner.split(":")[0])))


def _registry_of(root: Path | None) -> str | None:
    try:
        return (root / "registry.host").read_text() if root else None
    except OSError:
        return None


def _images(registry: str) -> list[str]:
    form = "{{.Repository}} {{.Tag}} {{.Digest}}"
    found = set()
    for line in docker("image", "ls", "--digests", "--format", form).splitlines():
        repository, tag, digest = line.split()
        if repository.startswith(f"{registry}/"):
            found |= {f"{repository}:{tag}"} if tag != "<none>" else {f"{repository}@{digest}"}
    return sorted(found)


def _each(command: list[str], names: list[str]) -> None:
    if names:
        docker(*command, *names, check=False)
