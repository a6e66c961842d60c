"""What a fleet is asked to be, and the lastgood.yaml that follows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sandbox import setting
from sandbox.hosts import CHECKOUT, SSH_PORT, STATE, USER

HOME_GO = "axinova-home-go"
HOME_WEB = "axinova-home-web"
PORTS = {HOME_GO: 8080, HOME_WEB: 8081}
HEALTH = {HOME_GO: "/api/health", HOME_WEB: "/version.json"}
ROUTES = {"/api": HOME_GO, "/": HOME_WEB}
Engine = Literal["script", "compose"]
CONFIG = """\
environments:
  prod:
    hosts: [{hosts}]
    checkout: {checkout}
    state: {state}

services:
{services}"""
SERVICE = """\
  {service}:
    engine: {engine}
    pin: {{kind: values, file: "envs/{{env}}/apps/{{service}}/values.yaml", key: image}}
    probes:
{probes}
    gate: {gate}
    walk_back: {{releases: 3, time: 5m}}
    logs: {{watch: 0s}}
"""
PROBE = """      - {{kind: http, url: "{url}", json: {{version: "{{tag}}"}}, timeout: 5s}}"""
ENGINES = {
    "script": "{{kind: script}}",
    "compose": '{{kind: compose, file: "envs/{{env}}/apps/{{service}}/compose.yaml", project: {service}}}',
}
APP = f"\napps:\n  axinova-home: [{HOME_GO}, {HOME_WEB}]\n"


@dataclass(frozen=True)
class Layout:
    """How many servers, and what lastgood.yaml says of them."""

    hosts: int
    engine: Engine
    app: bool
    front: str
    """The URL of the proxy in front of the servers; empty where there is none and every server is probed."""

    def config(self, addresses: Sequence[str]) -> str:
        """Returns the lastgood.yaml of servers with these addresses."""
        hosts = ", ".join(f'"ssh://{USER}@{one}:{SSH_PORT}"' for one in addresses)
        services = "\n".join(self._service(name, addresses) for name in PORTS)
        text = CONFIG.format(hosts=hosts, checkout=CHECKOUT, state=STATE, services=services)
        return text + (APP if self.app else "")

    def _service(self, name: str, addresses: Sequence[str]) -> str:
        places = [self.front] if self.front else [f"http://{one}:{PORTS[name]}" for one in addresses]
        probes = "\n".join(PROBE.format(url=place + HEALTH[name]) for place in places)
        engine = ENGINES[self.engine].format(service=name)
        return SERVICE.format(service=name, engine=engine, probes=probes, gate=setting.GATE)
