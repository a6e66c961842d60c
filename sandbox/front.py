"""What stands in front of a fleet: Traefik, which spreads requests over the servers and passes over silent ones."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sandbox import images
from sandbox.run import docker, status, wait_until


def start(name: str, port: int, folder: Path, routes: Mapping[str, Sequence[str]], options: Sequence[str]) -> None:
    """Starts the proxy on a port of 127.0.0.1; `routes` are path prefixes and the servers' URLs that answer them."""
    folder.mkdir()
    (folder / "front.yaml").write_text(json.dumps({"http": _http(routes)}))
    docker(
        *("run", "--detach", "--name", name, *options, "--publish", f"127.0.0.1:{port}:80"),
        *("--volume", f"{folder}:/front:ro", images.TRAEFIK_PART.image),
        *("--entrypoints.web.address=:80", "--providers.file.filename=/front/front.yaml", "--log.level=ERROR"),
        *("--global.checknewversion=false", "--global.sendanonymoususage=false"),
    )
    wait_until(lambda: status(f"http://127.0.0.1:{port}/") is not None, "the proxy in front of the fleet answers")


def _http(routes: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Each request is tried on as many servers as there are, as long as they do not even take the connection."""
    tries = max(len(servers) for servers in routes.values())
    routers, services = {}, {}
    for number, (prefix, servers) in enumerate(routes.items()):
        name = f"service{number}"
        routers[name] = {"rule": f"PathPrefix(`{prefix}`)", "service": name, "middlewares": ["again"]}
        balancer = {"servers": [{"url": url} for url in servers], "serversTransport": "quick"}
        services[name] = {"loadBalancer": balancer}
    return {
        "routers": routers,
        "services": services,
        "middlewares": {"again": {"retry": {"attempts": tries}}},
        "serversTransports": {"quick": {"forwardingTimeouts": {"dialTimeout": "300ms"}}},
    }
