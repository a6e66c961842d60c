"""A real sshd on loopback with keys, port and log of its own, and an `ssh` on PATH that knows only it."""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from sandbox.packages import provide
from sandbox.registry import free_port

_CONFIG = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
PidFile none
AuthorizedKeysFile {folder}/authorized_keys
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
PermitUserEnvironment no
AcceptEnv *
LogLevel VERBOSE
"""

_CLIENT = """
Host shop
  HostName 127.0.0.1
  Port {port}
  User {user}
Host *
  IdentityFile {folder}/id
  IdentitiesOnly yes
  IdentityAgent none
  UserKnownHostsFile {folder}/known_hosts
  GlobalKnownHostsFile /dev/null
"""


class Server:
    """`ssh://shop` means it once `folder/bin` is first on PATH."""

    def __init__(self, folder: Path, extra: str = "") -> None:
        self.folder = folder
        self.host = "ssh://shop"
        self.port = free_port()
        self._extra = extra
        self._process: subprocess.Popen[bytes] | None = None
        for key in ("host_key", "id"):
            self.make_key(key)
        (folder / "authorized_keys").write_bytes((folder / "id.pub").read_bytes())
        self.trust()
        user = os.environ.get("USER") or "root"
        (folder / "config").write_text(_CLIENT.format(folder=folder, port=self.port, user=user))
        (folder / "bin").mkdir()
        ssh = folder / "bin" / "ssh"
        ssh.write_text(f'#!/bin/sh\nexec /usr/bin/ssh -F {folder}/config "$@"\n')
        ssh.chmod(0o755)

    def use(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Put the `ssh` that knows this server first on PATH."""
        monkeypatch.setenv("PATH", f"{self.folder}/bin{os.pathsep}{os.environ['PATH']}")

    def make_key(self, name: str) -> None:
        for path in (self.folder / name, self.folder / f"{name}.pub"):
            path.unlink(missing_ok=True)
        subprocess.run(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.folder / name), check=True)

    def trust(self) -> None:
        """Let the client know the present host key."""
        kind, key = (self.folder / "host_key.pub").read_text().split()[:2]
        (self.folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {kind} {key}\n")

    def start(self) -> None:
        Path("/run/sshd").mkdir(exist_ok=True)
        config = self.folder / "sshd_config"
        config.write_text(_CONFIG.format(folder=self.folder, port=self.port) + self._extra)
        self._process = subprocess.Popen(
            ("/usr/sbin/sshd", "-D", "-f", config, "-E", self.folder / "log"), stdin=subprocess.DEVNULL
        )
        end = time.monotonic() + 120
        while not _answers(self.port):
            assert time.monotonic() < end, self.log()
            time.sleep(0.02)

    def stop(self) -> None:
        """End the listener and every session."""
        if self._process:
            for pid in self.sessions():
                _signal(pid, signal.SIGCONT)
                _signal(pid, signal.SIGKILL)
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart(self, extra: str = "") -> None:
        self.stop()
        self._extra = extra
        self.start()

    def sessions(self) -> list[int]:
        """The numbers of the processes that serve connections, children before parents."""
        return [*reversed(_below(self._process.pid, "sshd"))] if self._process else []

    def signal_sessions(self, number: signal.Signals) -> None:
        for pid in self.sessions():
            _signal(pid, number)

    def signal_listener(self, number: signal.Signals) -> None:
        """It goes on to take connections, by its kernel."""
        assert self._process
        self._process.send_signal(number)

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def logins(self) -> int:
        return self.log().count("Accepted publickey")


def _below(pid: int, name: str) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            content = stat.read_text()
        except OSError:
            continue
        if content.rpartition(") ")[2].split()[1] == str(pid) and f"({name}" in content:
            child = int(stat.parent.name)
            found += [child, *_below(child, name)]
    return found


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def shell_of(name: str) -> str:
    """The path of a shell, which is installed where it is missing: the hosts that people have know many kinds."""
    provide({name: name})
    found = shutil.which(name)
    assert found, name
    return found
