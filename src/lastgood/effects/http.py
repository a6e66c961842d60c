"""HTTP by the standard library, with one deadline over everything and nothing followed or assumed.

`http.client`, `socket` and `ssl` are imported inside functions: they cost 30 ms that `status --help` need not pay.
Proxies from the environment are not used: a probe has to see what is there, not what a proxy kept of it.
"""

import contextlib
import io
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Final, TypeAlias

from lastgood import __version__
from lastgood.model.duration import spoken
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.ports import Response

if TYPE_CHECKING:
    import http.client
    import socket
    import ssl

    from _typeshed import WriteableBuffer

Opened: TypeAlias = Callable[[str, int, Callable[[], float]], "AbstractContextManager[socket.socket]"]

BODY_LIMIT: Final = 1024 * 1024
"""Bytes. A longer body is Unknown, never cut: half a manifest has another digest."""


class PlainHttp:
    """`ports.Http` on the standard library. `context` replaces the system's trusted certificates (tests need that).

    `opened` gives a connection to a host and port within the seconds that its third argument tells are left, and
    closes it; by default one from this machine.
    """

    def __init__(self, context: "ssl.SSLContext | None" = None, opened: Opened | None = None) -> None:
        self._context = context
        self._opened = opened or _direct

    def ask(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: dict[str, str] | None = None,
        timeout: float = 5.0,
        body: bytes | None = None,
    ) -> Fact[Response]:
        """One request, redirects not followed. `timeout` in seconds bounds look-up, connection, TLS and whole body.

        A `body`, an empty one as well, is sent with its Content-Length; its type is for `headers` to say. Unknown
        carries a reason in words that are the same for the same cause: gates compare them.
        """
        import http.client

        begun = time.monotonic()
        left = _Deadline(begun + timeout)
        try:
            answer = self._exchange(_Address.of(url), method, headers or {}, body, left)
        except (OSError, ValueError, http.client.HTTPException) as error:
            return Unknown(_reason(error, timeout))
        return Known(Response(*answer[:3], time.monotonic() - begun, answer[3]))

    def _exchange(
        self, address: "_Address", method: str, headers: dict[str, str], body: bytes | None, left: "_Deadline"
    ) -> tuple[int, dict[str, str], bytes, tuple[str, ...]]:
        import http.client

        with self._opened(address.host, address.port, left) as plain, self._secured(plain, address, left) as connected:
            connection = http.client.HTTPConnection(address.host, address.port)
            connection.sock = _TimedSocket(connected, left)
            _send(connection, address, method, headers, body)
            with connection.getresponse() as answer:
                cookies = tuple(answer.headers.get_all("set-cookie", ()))
                return answer.status, _headers(answer), _body(answer), cookies

    def _secured(self, connected: "socket.socket", address: "_Address", left: "_Deadline") -> "socket.socket":
        if not address.secure:
            return connected
        import ssl

        if self._context is None:
            self._context = ssl.create_default_context()
        connected.settimeout(left())
        return self._context.wrap_socket(connected, server_hostname=address.host)


class _Refused(ValueError):
    """An URL or an answer that is not accepted; the text is the whole reason."""


class _Deadline:
    """Seconds left until a moment; raises TimeoutError when there are none."""

    def __init__(self, end: float) -> None:
        self._end = end

    def __call__(self) -> float:
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


class _Address:
    """The parts of an URL that a connection needs."""

    def __init__(self, *, secure: bool, host: str, port: int, shown: str, path: str) -> None:
        self.secure = secure
        self.host = host
        self.port = port
        self.shown = shown
        self.path = path

    @classmethod
    def of(cls, url: str) -> "_Address":
        """Take an URL apart. Refused: what is not plain ASCII, not http(s), or carries a password for logs to keep."""
        from urllib.parse import urlsplit

        if not url.isascii() or any(letter <= " " or letter == "\x7f" for letter in url):
            raise _Refused("the URL holds a space, a control character or a letter that is not percent-encoded")
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise _Refused("the URL's host or port is not one") from None
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise _Refused("the URL is not http://host/… or https://host/…")
        if "@" in parts.netloc:
            raise _Refused("the URL carries a user name or password")
        secure = parts.scheme == "https"
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        number = port if port is not None else (443 if secure else 80)
        return cls(secure=secure, host=parts.hostname, port=number, shown=parts.netloc, path=path)


@contextlib.contextmanager
def _direct(host: str, port: int, left: Callable[[], float]) -> "Iterator[socket.socket]":
    connected = _connect(host, port, left)
    try:
        yield connected
    finally:
        connected.close()


def _connect(host: str, port: int, left: Callable[[], float]) -> "socket.socket":
    """Try every address of the host. Each gets its share of the time left, so a silent first one spoils nothing."""
    import socket

    found = _look_up(host, port, left)
    errors: list[OSError] = []
    for number, (family, sockaddr) in enumerate(found):
        attempt = socket.socket(family, socket.SOCK_STREAM)
        try:
            attempt.settimeout(left() / (len(found) - number))
            attempt.connect(sockaddr)
        except OSError as error:
            attempt.close()
            errors.append(error)
        else:
            return attempt
    # The order of addresses changes from look-up to look-up; the reason must not.
    raise min(errors, key=lambda error: (not isinstance(error, ConnectionRefusedError), type(error).__name__))


def _look_up(
    host: str, port: int, left: Callable[[], float]
) -> "list[tuple[socket.AddressFamily, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]]]":
    """The host's addresses. getaddrinfo knows no time limit, so it waits in a thread that may be left behind."""
    import socket
    import threading

    entries: list[tuple[socket.AddressFamily, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]]] = []
    errors: list[OSError | UnicodeError] = []

    def ask() -> None:
        try:
            answer = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            errors.append(error)
        else:
            entries.extend((entry[0], entry[4]) for entry in answer)

    asking = threading.Thread(target=ask, name="name look-up", daemon=True)
    asking.start()
    asking.join(left())
    if errors:
        raise _Refused(f"the name {host} does not resolve") from errors[0]
    if not entries:
        raise TimeoutError
    return entries


class _Timed(io.RawIOBase):
    """A socket's receiving side where every read gets only what is left of the one deadline.

    A timeout on the socket alone starts anew with each byte, so a server that drips would hold us for ever.
    """

    def __init__(self, connected: "socket.socket", left: _Deadline) -> None:
        self._connected = connected
        self._left = left

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        self._connected.settimeout(self._left())
        return self._connected.recv_into(buffer)


class _TimedSocket:
    """As much of a socket as http.client uses, with the deadline on both directions."""

    def __init__(self, connected: "socket.socket", left: _Deadline) -> None:
        self._connected = connected
        self._left = left

    def sendall(self, content: bytes) -> None:
        self._connected.settimeout(self._left())
        self._connected.sendall(content)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Timed(self._connected, self._left))

    def close(self) -> None:
        """Nothing: http.client drops the socket before it reads a body without a length. `_exchange` closes it."""


def _send(
    connection: "http.client.HTTPConnection",
    address: _Address,
    method: str,
    headers: dict[str, str],
    body: bytes | None,
) -> None:
    connection.putrequest(method, address.path, skip_host=True)
    fixed = {"Host": address.shown, "User-Agent": f"lastgood/{__version__}", "Connection": "close"}
    if body is not None:
        fixed["Content-Length"] = str(len(body))
    for name, value in (fixed | headers).items():
        connection.putheader(name, value)
    connection.endheaders(body)


def _headers(answer: "http.client.HTTPResponse") -> dict[str, str]:
    """Lower-case names; repeated headers joined by commas (RFC 9110, 5.3), as two login challenges may come in two."""
    found: dict[str, str] = {}
    for name, value in answer.getheaders():
        key = name.lower()
        found[key] = f"{found[key]}, {value}" if key in found else value
    return found


def _body(answer: "http.client.HTTPResponse") -> bytes:
    body = answer.read(BODY_LIMIT + 1)
    if len(body) > BODY_LIMIT:
        raise _Refused("the answer is longer than 1 MiB")
    if answer.length:  # read(n) does not itself complain about a body that ends early
        raise _Refused("the answer was cut short")
    return body


def _reason(error: Exception, timeout: float) -> str:
    """One clause for an error, without addresses, ports or numbers that differ between alike failures."""
    for kinds, say in _reasons():
        if isinstance(error, kinds):
            return say(error)
    return f"no answer within {spoken(timeout)}" if isinstance(error, TimeoutError) else _plain(error)


def _reasons() -> tuple[tuple[type[Exception] | tuple[type[Exception], ...], Callable[[Exception], str]], ...]:
    """Errors and their words, the special before the general."""
    import http.client
    import ssl

    return (
        (_Refused, str),
        (ssl.SSLCertVerificationError, lambda error: f"certificate: {getattr(error, 'verify_message', '')}"),
        (ssl.SSLError, lambda error: f"TLS: {str(getattr(error, 'reason', '')).lower().replace('_', ' ')}"),
        (ConnectionRefusedError, lambda _: "connection refused"),
        (http.client.RemoteDisconnected, lambda _: "the server closed the connection without an answer"),
        (http.client.IncompleteRead, lambda _: "the answer was cut short"),
        ((ConnectionResetError, BrokenPipeError), lambda _: "connection reset"),
        (http.client.HTTPException, lambda _: "the answer is not HTTP"),
    )


def _plain(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return "the request cannot be sent"  # the error's own text may quote a header, and with it a login
