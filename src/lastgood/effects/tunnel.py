"""HTTP as a server sees it: connections that begin on an SSH host, through the connection that is there already."""

import contextlib
import errno
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from lastgood.effects.http import PlainHttp
from lastgood.effects.process import environment
from lastgood.effects.ssh import SshProcess
from lastgood.model.facts import Fact
from lastgood.ports import Response

if TYPE_CHECKING:
    import ssl

_PATIENCE: Final = 1.0


class HostHttp:
    """Implements `ports.Http` from where `ssh` leads: `localhost` in a URL is the server, its names are the server's.

    `context` replaces this machine's trusted certificates.
    """

    def __init__(self, ssh: SshProcess, context: "ssl.SSLContext | None" = None) -> None:
        self._connection = ssh.connection
        self._http = PlainHttp(context, self._open)

    def ask(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: dict[str, str] | None = None,
        body: bytes | None = None,
        timeout: float = 5.0,
    ) -> Fact[Response]:
        """One request, as `PlainHttp.ask`; connecting to the host is part of `timeout`."""
        return self._http.ask(url, method=method, headers=headers, body=body, timeout=timeout)

    @contextlib.contextmanager
    def _open(self, host: str, port: int, left: Callable[[], float]) -> Iterator[socket.socket]:
        """A socket whose other end `ssh -W` connects to `host:port`, seen from the server."""
        why = self._connection.ready(time.monotonic() + left())
        if why:
            raise OSError(errno.EHOSTUNREACH, why)
        told = len(self._connection.log())
        place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        ours, client = _through(self._connection.client(("-W", place)))
        try:
            yield ours
        except OSError as error:
            explained = _explained(client, error, self._connection.log()[told:])
            if explained is None:
                raise
            raise explained from error
        finally:
            ours.close()
            client.kill()
            client.wait()


def _through(argv: tuple[str, ...]) -> "tuple[socket.socket, subprocess.Popen[bytes]]":
    """A socket to a program's standard input and output, and the program."""
    ours, theirs = socket.socketpair()
    with theirs:
        end = theirs.fileno()
        try:
            return ours, subprocess.Popen(
                argv, stdin=end, stdout=end, stderr=subprocess.DEVNULL, env=environment(), start_new_session=True
            )
        except BaseException:
            ours.close()
            raise


# Why the server opened no connection: RFC 4254, 5.1, and the words of its resolver and kernel, in our ssh's log.
_REASONS: Final = (
    (rb"administratively prohibited", errno.EPERM, "the SSH server forwards no connections to there"),
    (rb"Connection refused", errno.ECONNREFUSED, "connection refused"),
    (rb"not known|resol|No address", errno.ENOENT, "the name is not known on the server"),
    (rb"timed out", errno.EHOSTUNREACH, "no answer to the server"),
    (rb"open failed", errno.EHOSTUNREACH, "no connection from the server"),
)


def _explained(client: "subprocess.Popen[bytes]", error: OSError, log: bytes) -> OSError | None:
    """What stood in the way of a connection that `ssh` gave up by itself; None where it did not."""
    import ssl

    if not isinstance(error, ConnectionError | ssl.SSLEOFError):
        return None
    try:
        status = client.wait(timeout=_PATIENCE)
    except subprocess.TimeoutExpired:
        return None
    failures = b"".join(line for line in log.splitlines() if b"open failed" in line)
    for pattern, number, words in _REASONS:
        if status and re.search(pattern, failures):
            return OSError(number, words)
    return OSError(errno.EIO, "the connection to the server was lost") if status else None
