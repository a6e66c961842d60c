"""One login for many commands: OpenSSH's shared control connection (ssh_config, ControlMaster).

The login is the user's own: aliases, jump hosts, keys, agent and known_hosts of `~/.ssh/config` hold. It never prompts,
and forwards neither agent nor display. The master process is not our child's child for long: it leaves for a session of
its own, and ends by itself a minute after its last command, so that nothing stays behind where we are killed.
"""

import atexit
import os
import re
import secrets
import shutil
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from lastgood.effects.process import LocalProcess
from lastgood.model.command import Command, Completed
from lastgood.model.text import sanitise

_ADDRESS = re.compile(
    r"ssh://(?:(?P<user>\w[\w.-]*)@)?(?:(?P<host>\w[\w.-]*)|\[(?P<v6>[0-9A-Fa-f:]+)\])(?::(?P<port>\d{1,5}))?"
)
_CONNECT: Final = 5
_LOGIN: Final = 20.0
_REMEMBERED: Final = 5.0

_OPTIONS: Final = tuple(
    part
    for option in (
        "BatchMode=yes",  # never a question
        "StrictHostKeyChecking=yes",
        "UpdateHostKeys=no",
        f"ConnectTimeout={_CONNECT}",
        "ConnectionAttempts=1",
        "ServerAliveInterval=5",  # a host that vanished is noticed within 15 s, also where TCP stays silent
        "ServerAliveCountMax=2",
        "ControlPersist=60",
        "ClearAllForwardings=yes",
        "ForwardAgent=no",
        "ForwardX11=no",
        "Tunnel=no",
        "PermitLocalCommand=no",
        "RemoteCommand=none",
        "RequestTTY=no",
        "LogLevel=INFO",  # channels that cannot be opened are told at this level only
    )
    for part in ("-o", option)
)

# A client must never log in by itself where the master has gone: no configuration, and nothing to connect through.
_CLIENT: Final = (
    *("-F", "none", "-T", "-a", "-x", "-e", "none", "-o", "ControlMaster=no", "-o", "ProxyCommand=false"),
    *("-o", "BatchMode=yes", "-o", "LogLevel=ERROR"),
)


class Connection:
    """The shared connection to `ssh://[user@]host[:port]`. Raises ValueError where the address is not one."""

    def __init__(self, local: LocalProcess, address: str) -> None:
        found = _ADDRESS.fullmatch(address)
        if not found:
            raise ValueError(f"{address!r} is not an address of the form ssh://[user@]host[:port]")
        self._local = local
        self._address = address
        self._name = found["host"] or found["v6"]
        user, port = found["user"], found["port"]
        self._where = (*(("-l", user) if user else ()), *(("-p", port) if port else ()), "--", self._name)
        self._lock = threading.Lock()
        self._login: _Login | None = None
        self._folder = ""
        self._socket = ""

    def ready(self, deadline: float) -> str:
        """Be connected: empty, or why it cannot be had by the monotonic moment `deadline`.

        Any number of threads may ask: one login is made for all of them. A failed one is not tried again for 5 s.
        """
        with self._lock:
            if self._login is None or self._login.outdated(self._socket):
                self._login = self._begin()
            login = self._login
        why = login.result(deadline)
        return f"no answer from {self._address} in time" if why is None else why

    def client(self, options: tuple[str, ...], *words: str) -> tuple[str, ...]:
        """An `ssh` command line that uses the connection and can make none of its own."""
        return ("ssh", "-S", self._socket, *_CLIENT, *options, "--", self._name, *words)

    def log(self) -> bytes:
        """What the shared connection had to say until now."""
        try:
            return Path(f"{self._socket}.log").read_bytes()
        except OSError:
            return b""

    def close(self) -> None:
        """End the connection, and what still uses it. Fine where there is none."""
        with self._lock:
            login, self._login = self._login, None
        if login is None:
            return
        # A login that is still going on finds no folder for its socket, and ends (mux.c, muxserver_listen).
        login.result(time.monotonic() + 1)
        self._local.run(Command(self.client(("-O", "exit")), timeout=2))
        shutil.rmtree(self._folder, ignore_errors=True)
        atexit.unregister(self.close)

    def _begin(self) -> "_Login":
        if not self._folder or not Path(self._folder).is_dir():
            self._folder = _folder()
            atexit.register(self.close)
        # A new name each time: the master before may be dying and would take the new one's socket with it.
        self._socket = f"{self._folder}/{secrets.token_hex(2)}"
        return _Login(self._connect)

    def _connect(self) -> str:
        path = self._socket
        log = ("-E", f"{path}.log")  # so that a banner of the server's is not in what ssh says
        argv = ("ssh", "-M", "-S", path, "-f", "-N", "-T", "-a", "-x", *log, *_OPTIONS, *self._where)
        done = self._local.run(Command(argv, timeout=_LOGIN))
        if done.ok:
            return ""
        return f"{self._address} cannot be reached: {_reason(done, self.log() or done.stderr, self._name)}"


class _Login:
    """One attempt to connect, in a thread: those who wait for it have different deadlines."""

    def __init__(self, connect: Callable[[], str]) -> None:
        self._why = ""
        self._over = threading.Event()
        self._ended = 0.0
        threading.Thread(target=self._make, args=(connect,), daemon=True, name="ssh login").start()

    def _make(self, connect: Callable[[], str]) -> None:
        self._why = "the login was not finished"
        try:
            self._why = connect()
        finally:
            self._ended = time.monotonic()
            self._over.set()

    def result(self, deadline: float) -> str | None:
        """Empty when connected, else why not; None where it is not known by `deadline`."""
        return self._why if self._over.wait(max(0.0, deadline - time.monotonic())) else None

    def outdated(self, path: str) -> bool:
        """Whether another attempt is due: this one failed a while ago, or the connection has gone since."""
        if not self._over.is_set():
            return False
        return time.monotonic() > self._ended + _REMEMBERED if self._why else not _listens(path)


def _listens(path: str) -> bool:
    """Whether the master is there: it takes connections."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as attempt:
        attempt.settimeout(1)
        try:
            attempt.connect(path)
        except OSError:
            return False
    return True


def _folder() -> str:
    """A fresh folder for our eyes only (0700), its name short and plain.

    A socket's path has at most 107 bytes (unix(7)), of which ssh needs 17 for itself, and ssh expands `%` in it.
    """
    base = os.environ.get("TMPDIR", "/tmp")  # noqa: S108 - the folder below has a random name and is made exclusively
    if not re.fullmatch(r"/[\w/.-]{1,50}", base, re.ASCII):
        base = "/tmp"  # noqa: S108 - as above
    path = f"{base}/lastgood-{secrets.token_hex(6)}"
    Path(path).mkdir(mode=0o700)
    return path


# What ssh says (OpenSSH 8.4 to 10.0: sshconnect.c, sshconnect2.c, readconf.c, misc.c), in words for the operator.
_REASONS: Final = (
    (r"REMOTE HOST IDENTIFICATION HAS CHANGED", "its host key has CHANGED: find out why before you accept the new one"),
    (r"REVOKED HOST KEY", "its host key is marked as revoked in known_hosts"),
    (r"Host key verification failed|host key is known", "its host key is not known: log in once by hand and check it"),
    (
        r"Permission denied|Too many authentication failures",
        "the login is refused: see that your key is accepted there",
    ),
    (r"Could not resolve hostname", "the name {name} is not known"),
    (r"timed out|Connection timeout", "no answer"),
    (r"Connection refused", "connection refused"),
    (r"No route to host|Network is unreachable", "no way to it in the network"),
)


def _reason(done: Completed, log: bytes, name: str) -> str:
    """Why a login failed, the same for the same cause; the special before the general."""
    if done.status is None:
        absent = done.failure.startswith("not found")
        return "there is no ssh program on this machine" if absent else f"no login within {_LOGIN:g} s"
    said = log.decode(errors="replace")
    for pattern, words in _REASONS:
        if re.search(pattern, said):
            return words.replace("{name}", name)
    return sanitise((said.strip().splitlines() or [f"ssh ended with status {done.status}"])[-1])
