"""What surrounds the parts of a world: environment, lastgood's configuration, and the proxy's options."""

import os
import sys
from pathlib import Path

from sandbox import compose, engine, paths
from sandbox.releases import API, WEB
from sandbox.run import docker

NOT_INHERITED = (
    "GIT_",
    "SSH_",
    "DOCKER_",
    "COMPOSE_",
    "XDG_",
    "LASTGOOD_",
    "PYTEST_",
    "NO_COLOR",
    "FORCE_COLOR",
    "PYTHONPATH",
)
PROBES = {API: "/api/health", WEB: "/version.json"}
ROUTES = (
    "traefik.enable=true",
    "traefik.http.routers.api.rule=PathPrefix(`/api`)",
    "traefik.http.routers.api.service=api",
    "traefik.http.services.api.loadbalancer.server.url=http://api:8080",
    "traefik.http.routers.web.rule=PathPrefix(`/`)",
    "traefik.http.routers.web.priority=1",
    "traefik.http.routers.web.service=web",
    "traefik.http.services.web.loadbalancer.server.url=http://web:80",
)
GATE = "{interval: 500ms, passes: 3, window: 2s, limit: 25s}"
CONFIG = """\
environments:
  prod:
    hosts: [local]
    checkout: {root}/checkout
    state: {root}/host-state

services:
"""
SERVICE = """\
  {service}:
    engine: {{kind: compose, file: "envs/{{env}}/apps/{{service}}/compose.yaml", project: "{service}-{world}"}}
    pin: {{kind: values, file: "envs/{{env}}/apps/{{service}}/values.yaml", key: image}}
    probes:
      - {{kind: http, url: "{url}", json: {{version: "{{tag}}"}}, timeout: 5s}}
    gate: {gate}
    walk_back: {{releases: 3, time: 5m}}
    logs: {{watch: 0s}}
"""


def environment(root: Path) -> dict[str, str]:
    """Returns the environment for programs that run in a world, with a home of their own in its folder."""
    home = root / "home"
    programs = compose.ensure()
    _furnish(home, programs / "docker-compose")
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(NOT_INHERITED)}
    people = {"GIT_AUTHOR_NAME": "Robin", "GIT_AUTHOR_EMAIL": "robin@shop.example"}
    people |= {key.replace("AUTHOR", "COMMITTER"): value for key, value in people.items()}
    return (
        inherited
        | people
        | {
            "PATH": os.pathsep.join((str(programs), str(Path(sys.executable).parent), os.environ["PATH"])),
            "DOCKER_HOST": engine.address(),
            "HOME": str(home),
            "XDG_STATE_HOME": str(home / "state"),
            "XDG_CACHE_HOME": str(home / "cache"),
            "XDG_CONFIG_HOME": str(home / "config"),
            "GIT_CONFIG_NOSYSTEM": "1",
            "LASTGOOD_CHROMIUM": "/none",  # a browser beside every rollback would be heavy: who wants one says so
        }
    )


def _furnish(home: Path, program: Path) -> None:
    plugins = home / ".docker/cli-plugins"
    plugins.mkdir(parents=True, exist_ok=True)
    if not (plugins / program.name).is_symlink():
        (plugins / program.name).symlink_to(program)


def config(world: str, root: Path, url: str, services: tuple[str, ...]) -> str:
    """Returns the world's lastgood.yaml."""
    parts = [SERVICE.format(service=name, world=world, url=url + PROBES[name], gate=GATE) for name in services]
    return CONFIG.format(root=root) + "\n".join(parts)


def start_proxy(name: str, world: str, port: int, image: str, options: tuple[str, ...]) -> None:
    """Starts Traefik; it routes to the containers of this world only."""
    constraint = f"Label(`{paths.LABEL}.world`,`{world}`)"
    routes = [word for label in ROUTES for word in ("--label", label)]
    docker(
        *("run", "--detach", "--name", name, *options, *routes, "--publish", f"127.0.0.1:{port}:80"),
        *("--volume", f"{engine.socket()}:/var/run/docker.sock", image),
        *("--entrypoints.web.address=:80", "--providers.docker=true", "--providers.docker.exposedbydefault=false"),
        f"--providers.docker.constraints={constraint}",
        *("--providers.providersthrottleduration=50ms", "--log.level=WARN"),
        *("--api.insecure=true", "--metrics.prometheus=true"),  # on port 8080, which is not published
        *("--global.checknewversion=false", "--global.sendanonymoususage=false"),
    )
