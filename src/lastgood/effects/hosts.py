"""Sends each command to where it belongs: this machine, or a host by SSH."""

import threading
from collections.abc import Callable

from lastgood.effects.process import LocalProcess
from lastgood.effects.ssh import SshProcess
from lastgood.effects.talk import Conversation
from lastgood.model.command import Child, Command, Completed


class Processes:
    """Implements `ports.Process` everywhere, by `Command.host`: `local`, or `ssh://[user@]host[:port]`."""

    def __init__(self, local: LocalProcess | None = None) -> None:
        self._local = local or LocalProcess()
        self._hosts: dict[str, SshProcess] = {}
        self._lock = threading.Lock()

    def run(
        self,
        command: Command,
        *,
        on_start: Callable[[Child], None] | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> Completed:
        """Run `command` on its host; a host that is no address is a failure, not an error."""
        try:
            place = self._at(command.host)
        except ValueError as error:
            return Completed(command, None, failure=str(error))
        return place.run(command, on_start=on_start, on_line=on_line)

    def talk(self, command: Command) -> Conversation:
        """Start a program that answers questions; only on this machine. Raises OSError."""
        try:
            return self._at(command.host).talk(command)
        except ValueError as error:
            raise OSError(str(error)) from error

    def reap(self, child: Child, patience: float) -> bool:
        """Wait up to `patience` seconds for an orphan on its host, then end it. True when nothing of it is left."""
        try:
            return self._at(child.host).reap(child, patience)
        except ValueError:
            return False

    def ssh(self, host: str) -> SshProcess:
        """The way to an SSH host, shared by all who ask. Raises ValueError where `host` is no such address."""
        with self._lock:
            if host not in self._hosts:
                self._hosts[host] = SshProcess(self._local, host)
            return self._hosts[host]

    def close(self) -> None:
        """End all connections; the next command to a host makes a new one."""
        with self._lock:
            hosts = tuple(self._hosts.values())
        for host in hosts:
            host.close()

    def _at(self, host: str) -> LocalProcess | SshProcess:
        return self._local if host == "local" else self.ssh(host)
