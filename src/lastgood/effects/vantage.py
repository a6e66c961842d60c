"""The registry as the servers see it: their names, their network, their logins, from the first of them that answers."""

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

from lastgood.effects.credentials import DockerCredentials
from lastgood.effects.hostfiles import HostFiles
from lastgood.effects.hosts import Processes
from lastgood.effects.http import PlainHttp
from lastgood.effects.tunnel import HostHttp
from lastgood.model.command import Command
from lastgood.model.facts import Fact
from lastgood.ports import Credentials, Http, Response

_PATIENCE = 10.0


class _View(NamedTuple):
    http: Http
    credentials: Credentials


class Vantage:
    """Implements `ports.Http` and `ports.Credentials` from where `hosts` are; `config_dir` is this machine's login."""

    def __init__(self, processes: Processes, hosts: Sequence[str], config_dir: str) -> None:
        self._processes = processes
        self._hosts = tuple(hosts)
        self._config_dir = config_dir

    def ask(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: dict[str, str] | None = None,
        body: bytes | None = None,
        timeout: float = 5.0,
    ) -> Fact[Response]:
        """One request, as `ports.Http.ask`."""
        return self._view.http.ask(url, method=method, headers=headers, body=body, timeout=timeout)

    def basic(self, host: str) -> str | None:
        """The value of an `Authorization` header, as `ports.Credentials.basic`."""
        return self._view.credentials.basic(host)

    @cached_property
    def _view(self) -> _View:
        host = self._first()
        if host == "local":
            return _View(PlainHttp(), DockerCredentials(self._processes, self._config_dir))
        files = HostFiles(self._processes, host)
        return _View(HostHttp(self._processes.ssh(host)), DockerCredentials(self._processes, files=files, host=host))

    def _first(self) -> str:
        """The first host that answers; the first of all where none does: then it says why."""
        if len(self._hosts) == 1:
            return self._hosts[0]
        answers = (h for h in self._hosts if self._processes.run(Command(("true",), host=h, timeout=_PATIENCE)).ok)
        return next(answers, self._hosts[0])
