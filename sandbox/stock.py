"""The data folder that every simulated server's engine starts from: database and base layers, made once."""

import shutil
from pathlib import Path

from sandbox import compose, hosts, images, paths, template
from sandbox.network import Subnet
from sandbox.registry import Registry
from sandbox.releases import API, RELEASES, WEB
from sandbox.run import docker

PROGRAMS = {
    "sshd": "openssh-server",
    "ssh": "openssh-client",
    "ip": "iproute2",
    "unshare": "util-linux",
    "pkill": "procps",
    "iptables": "iptables",
    "dockerd": "docker.io",
}


def ensure() -> Path:
    """Makes sure the folder exists, and returns it."""
    made = template.folder().name + images.DATABASE.image
    engine = docker("version", "--format", "{{.Server.Version}}")
    folder = paths.cache() / f"engine-{paths.fingerprint(made, engine, Path(__file__))}"
    with paths.lock(paths.cache() / "stock.lock"):
        if not folder.exists():
            print("sandbox: filling a server's engine", flush=True)
            _fill(folder)
    return folder


def _fill(folder: Path) -> None:
    part = folder.with_suffix(".part")
    hosts.remove(part / "hosts")
    (part / "hosts").mkdir(parents=True)
    try:
        with Registry.temporary(template.folder()) as registry:
            site = hosts.Site(part / "hosts", part, registry.port, compose.ensure() / "docker-compose", "")
            host = hosts.Host.up(site, Subnet.claim(part / "hosts"), 0)
            _load(host, registry, part)
        host.stop_engine()
        host.off()
        (host.folder / "lib/docker").rename(folder)
    finally:
        hosts.remove(part / "hosts")
        shutil.rmtree(part)


def _load(host: hosts.Host, registry: Registry, part: Path) -> None:
    """Base layers come by pull, because an engine remembers of pulled layers only that it need not pull them again."""
    docker("save", "--output", part / "database.tar", images.DATABASE.image)
    host.docker("load", "--quiet", "--input", str(part / "database.tar"))
    for service in (API, WEB):
        tag = next(release.tag for release in RELEASES if release.service == service)
        pulled = f"{registry.host}/{service}:{tag}"
        host.docker("pull", "--quiet", pulled)
        host.docker("tag", pulled, f"{images.PREFIX}/{service}:base")
        host.docker("image", "rm", pulled)
