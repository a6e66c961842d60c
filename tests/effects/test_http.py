"""`PlainHttp` against real sockets on loopback: what it answers, and that nothing holds it beyond its deadline."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lastgood.effects.http import BODY_LIMIT, PlainHttp
from lastgood.model.facts import Known, Unknown
from lastgood.ports import Response
from tests.standin.held import LONG, not_held

TLS = Path(__file__).parent / "tls"
Serve = Callable[[Callable[[socket.socket], None]], int]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a server that handles each connection with the given function; gives its port."""
    with contextlib.ExitStack() as stack:

        def start(handle: Callable[[socket.socket], None], family: int = socket.AF_INET) -> int:
            listening = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
            listening.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
            listening.listen()
            threading.Thread(target=_accept, args=(listening, handle), daemon=True).start()
            stack.callback(listening.shutdown, socket.SHUT_RDWR)
            return int(listening.getsockname()[1])

        yield start


def _accept(listening: socket.socket, handle: Callable[[socket.socket], None]) -> None:
    with contextlib.suppress(OSError):
        while True:
            connected, _ = listening.accept()
            threading.Thread(target=_handle, args=(connected, handle), daemon=True).start()


def _handle(connected: socket.socket, handle: Callable[[socket.socket], None]) -> None:
    with connected, contextlib.suppress(OSError):
        handle(connected)


def request(connected: socket.socket) -> bytes:
    """The request's head, as it came."""
    head = b""
    while b"\r\n\r\n" not in head:
        head += connected.recv(65536)
    return head


def answering(answer: bytes) -> Callable[[socket.socket], None]:
    def handle(connected: socket.socket) -> None:
        request(connected)
        connected.sendall(answer)

    return handle


def value(fact: Known[Response] | Unknown) -> Response:
    assert isinstance(fact, Known), fact
    return fact.value


def reason(fact: Known[Response] | Unknown) -> str:
    assert isinstance(fact, Unknown), fact
    return fact.reason


def test_an_answer_must_come_back_with_status_headers_and_body(serve: Serve) -> None:
    port = serve(answering(b"HTTP/1.1 503 Busy\r\nX-A: one\r\nx-a: two\r\nContent-Length: 2\r\n\r\nok"))
    got = value(PlainHttp().ask(f"http://127.0.0.1:{port}/"))
    assert (got.status, got.headers["x-a"], got.body) == (503, "one, two", b"ok")
    assert 0 < got.elapsed < 5


def test_the_request_must_be_what_was_asked_for(serve: Serve) -> None:
    seen: list[bytes] = []

    def handle(connected: socket.socket) -> None:
        seen.append(request(connected))
        connected.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    port = serve(handle)
    value(PlainHttp().ask(f"http://localhost:{port}/a?b=c#d", method="HEAD", headers={"Accept": "x/y"}))
    lines = seen[0].decode().split("\r\n")
    assert lines[0] == "HEAD /a?b=c HTTP/1.1"
    assert f"Host: localhost:{port}" in lines
    assert "Accept: x/y" in lines


def test_a_redirect_must_not_be_followed(serve: Serve) -> None:
    port = serve(answering(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"))
    assert value(PlainHttp().ask(f"http://127.0.0.1:{port}/")).status == 302


def test_a_chunked_and_an_unsized_body_must_be_read_to_the_end(serve: Serve) -> None:
    chunked = serve(answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"))
    assert value(PlainHttp().ask(f"http://127.0.0.1:{chunked}/")).body == b"abc"
    unsized = serve(answering(b"HTTP/1.0 200 OK\r\n\r\nuntil the end"))
    assert value(PlainHttp().ask(f"http://127.0.0.1:{unsized}/")).body == b"until the end"


def test_ipv6_must_work() -> None:
    with socket.socket(socket.AF_INET6) as listening:
        listening.bind(("::1", 0))
        listening.listen()
        handle = answering(b"HTTP/1.1 204 No\r\n\r\n")
        threading.Thread(target=_accept, args=(listening, handle), daemon=True).start()
        assert value(PlainHttp().ask(f"http://[::1]:{listening.getsockname()[1]}/")).status == 204
        listening.shutdown(socket.SHUT_RDWR)


def _drip_headers(connected: socket.socket) -> None:
    connected.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connected.sendall(b"X")
        time.sleep(0.05)


def _drip_body(connected: socket.socket) -> None:
    connected.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        connected.sendall(b"X")
        time.sleep(0.05)


def _silent(connected: socket.socket) -> None:
    while connected.recv(1):
        pass


@pytest.mark.parametrize("handle", [_silent, _drip_headers, _drip_body])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_no_server_must_hold_us_beyond_the_deadline(
    serve: Serve, scheme: str, handle: Callable[[socket.socket], None]
) -> None:
    port = serve(handle if scheme == "http" else _over_tls(handle) if handle is not _silent else _silent)
    with not_held():
        said = reason(_trusting().ask(f"{scheme}://localhost:{port}/", timeout=0.4))
    assert said == "no answer within 0.4 s"


def _over_tls(handle: Callable[[socket.socket], None]) -> Callable[[socket.socket], None]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "cert.pem", TLS / "key.pem")

    def secured(connected: socket.socket) -> None:
        with context.wrap_socket(connected, server_side=True) as wrapped:
            handle(wrapped)

    return secured


def _trusting() -> PlainHttp:
    return PlainHttp(ssl.create_default_context(cafile=str(TLS / "cert.pem")))


def test_many_silent_addresses_must_share_the_deadline(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    # A listening socket whose backlog is full takes no more connections: that is what a blackholed address looks like.
    with socket.socket() as full, contextlib.ExitStack() as stack:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.settimeout(0)
            with contextlib.suppress(BlockingIOError):
                waiting.connect(full.getsockname())
        port = serve(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
        silent = (socket.AF_INET, socket.SOCK_STREAM, 6, "", full.getsockname())
        good = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))
        # Each silent one has a twentieth of the time, and what is left is enough on any machine.
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [silent, silent, *[good] * 18])
        assert value(PlainHttp().ask("http://many.example/", timeout=10.0)).status == 200
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [silent] * 50)
        with not_held():
            assert reason(PlainHttp().ask("http://many.example/", timeout=0.5)) == "no answer within 0.5 s"


def test_a_name_server_that_does_not_answer_must_not_hold_us(monkeypatch: pytest.MonkeyPatch) -> None:
    end = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: end.wait(20) and [])
    assert reason(PlainHttp().ask("http://slow.example/", timeout=0.2)) == "no answer within 0.2 s"
    end.set()


def test_a_body_beyond_the_cap_must_not_be_cut_but_refused(serve: Serve) -> None:
    port = serve(answering(b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * (BODY_LIMIT + 1)))
    assert reason(PlainHttp().ask(f"http://127.0.0.1:{port}/")) == "the answer is longer than 1 MiB"
    port = serve(answering(b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * BODY_LIMIT))
    assert len(value(PlainHttp().ask(f"http://127.0.0.1:{port}/")).body) == BODY_LIMIT


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", "the answer was cut short"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf", "the answer was cut short"),
        (b"", "the server closed the connection without an answer"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "the answer is not HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 200 + b"\r\n", "the answer is not HTTP"),
    ],
)
def test_a_broken_answer_must_be_unknown_with_its_kind(serve: Serve, answer: bytes, expected: str) -> None:
    assert reason(PlainHttp().ask(f"http://127.0.0.1:{serve(answering(answer))}/")) == expected


def test_a_closed_port_must_be_called_refused_in_the_same_words_each_time() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"http://localhost:{bound.getsockname()[1]}/"
        assert {reason(PlainHttp().ask(url)) for _ in range(3)} == {"connection refused"}


def test_a_name_that_does_not_exist_must_be_named() -> None:
    assert reason(PlainHttp().ask("http://no-such-host.invalid/")) == "the name no-such-host.invalid does not resolve"


def test_a_certificate_must_be_verified(serve: Serve) -> None:
    port = serve(_over_tls(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")))
    assert value(_trusting().ask(f"https://localhost:{port}/")).body == b"ok"
    assert reason(PlainHttp().ask(f"https://localhost:{port}/")).startswith("certificate: self")
    assert reason(_trusting().ask(f"https://127.0.0.1:{port}/")).startswith("certificate: IP address mismatch")


def test_plain_http_behind_https_must_be_told_as_tls(serve: Serve) -> None:
    def handle(connected: socket.socket) -> None:
        connected.sendall(b"HTTP/1.1 400 Bad\r\n\r\n")
        _silent(connected)

    port = serve(handle)
    assert reason(PlainHttp().ask(f"https://127.0.0.1:{port}/")).startswith("TLS: ")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://a/\r\nX: y", "control character"),
        ("http://a/ b", "a space"),
        ("http://a/\x1b[2J", "control character"),
        ("http://ä.example/", "not percent-encoded"),
        ("file:///etc/passwd", "not http://"),
        ("ftp://a/", "not http://"),
        ("http:///x", "not http://"),
        ("--force", "not http://"),
        ("http://a:99999/", "host or port"),
        ("http://[::1/", "host or port"),
        ("http://me:secret@a/", "user name or password"),
    ],
)
def test_a_hostile_url_must_be_refused_before_anything_is_sent(url: str, expected: str) -> None:
    said = reason(PlainHttp().ask(url))
    assert expected in said
    assert "secret" not in said


def test_a_header_that_cannot_be_sent_must_not_show_its_value(serve: Serve) -> None:
    port = serve(answering(b"HTTP/1.1 200 OK\r\n\r\n"))
    said = reason(PlainHttp().ask(f"http://127.0.0.1:{port}/", headers={"Authorization": "Basic s3cret\r\nX: y"}))
    assert said == "the request cannot be sent"


@pytest.mark.parametrize("body", [b"", b'{"title": "x"}', bytes(range(256)) * 4096])
@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT"])
def test_a_body_must_arrive_whole_with_its_length(serve: Serve, method: str, body: bytes) -> None:
    got: list[bytes] = []

    def handle(connected: socket.socket) -> None:
        head, _, rest = request(connected).partition(b"\r\n\r\n")
        while len(rest) < len(body):
            rest += connected.recv(65536)
        got.extend((head, rest))
        connected.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok")

    url = f"http://127.0.0.1:{serve(handle)}/x"
    answer = PlainHttp().ask(url, method=method, headers={"Content-Type": "application/json"}, body=body)
    assert isinstance(answer, Known)
    assert (answer.value.status, answer.value.body) == (201, b"ok")
    assert got[0].startswith(f"{method} /x HTTP/1.1\r\n".encode())
    assert f"Content-Length: {len(body)}".encode() in got[0].split(b"\r\n")
    assert got[1] == body


def test_a_request_without_a_body_must_not_claim_one(serve: Serve) -> None:
    got: list[bytes] = []

    def handle(connected: socket.socket) -> None:
        got.append(request(connected))
        connected.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    PlainHttp().ask(f"http://127.0.0.1:{serve(handle)}/")
    assert b"content-length" not in got[0].lower()


def test_a_server_that_does_not_take_the_body_must_be_left_at_the_deadline(serve: Serve) -> None:
    released = threading.Event()
    port = serve(lambda _: (released.wait(LONG), None)[1])
    with not_held():
        answer = PlainHttp().ask(
            f"http://127.0.0.1:{port}/", method="POST", body=b"x" * (32 * 1024 * 1024), timeout=0.4
        )
    released.set()
    assert answer == Unknown("no answer within 0.4 s")
