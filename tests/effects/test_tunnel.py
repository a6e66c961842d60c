"""HTTP and logins as a server has them, by a real sshd."""

import base64
import contextlib
import json
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sshd import Server

from lastgood.effects.credentials import DockerCredentials
from lastgood.effects.hostfiles import HostFiles
from lastgood.effects.hosts import Processes
from lastgood.effects.tunnel import HostHttp
from lastgood.model.command import Command
from lastgood.model.facts import Known, Unknown
from tests.standin.held import LONG, not_held

TLS = Path(__file__).parent / "tls"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture
def listening() -> Iterator[Callable[[Callable[[socket.socket], None]], int]]:
    """Starts a server that hands each connection to a function; gives its port."""
    with contextlib.ExitStack() as stack:

        def start(handle: Callable[[socket.socket], None]) -> int:
            server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

            def accept() -> None:
                with contextlib.suppress(OSError):
                    while True:
                        connected, _ = server.accept()
                        with connected, contextlib.suppress(OSError):
                            handle(connected)

            threading.Thread(target=accept, daemon=True).start()
            stack.callback(server.shutdown, socket.SHUT_RDWR)
            return int(server.getsockname()[1])

        yield start


def plain(connected: socket.socket) -> None:
    connected.recv(65536)
    connected.sendall(ANSWER)


def test_an_answer_must_come_through_the_connection_that_is_there(
    server: Server, processes: Processes, listening: Callable[[Callable[[socket.socket], None]], int]
) -> None:
    http, port = HostHttp(processes.ssh(server.host)), listening(plain)
    before = server.logins()
    for _ in range(3):
        found = http.ask(f"http://localhost:{port}/", timeout=20)
        assert isinstance(found, Known)
        assert (found.value.status, found.value.body) == (200, b"ok")
    assert server.logins() == before + 1


def test_tls_must_be_spoken_through_it_and_certificates_be_checked(
    server: Server, processes: Processes, listening: Callable[[Callable[[socket.socket], None]], int]
) -> None:
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(TLS / "cert.pem", TLS / "key.pem")

    def handle(connected: socket.socket) -> None:
        with theirs.wrap_socket(connected, server_side=True) as secured:
            plain(secured)

    port = listening(handle)
    ours = ssl.create_default_context(cafile=str(TLS / "cert.pem"))
    trusting = HostHttp(processes.ssh(server.host), ours)
    assert isinstance(trusting.ask(f"https://localhost:{port}/", timeout=20), Known)
    found = HostHttp(processes.ssh(server.host)).ask(f"https://localhost:{port}/", timeout=20)
    assert isinstance(found, Unknown)
    assert found.reason.startswith("certificate:")


def test_why_the_server_reaches_nobody_must_be_told_the_same_each_time(server: Server, processes: Processes) -> None:
    http = HostHttp(processes.ssh(server.host))
    for url, why in (
        ("http://127.0.0.1:1/", "connection refused"),
        ("http://no-such-name.invalid/", "the name is not known on the server"),
        ("http://127.0.0.1:1/", "connection refused"),
    ):
        assert http.ask(url, timeout=20) == Unknown(why)


def test_a_server_that_forwards_nothing_must_be_named_as_the_cause(fresh: Server, processes: Processes) -> None:
    fresh.restart("AllowTcpForwarding no\n")
    http = HostHttp(processes.ssh(fresh.host))
    assert http.ask("http://127.0.0.1:1/", timeout=20) == Unknown("the ssh server forwards no connections to there")


def test_a_server_that_cannot_be_reached_must_be_told(fresh: Server, processes: Processes) -> None:
    fresh.stop()
    found = HostHttp(processes.ssh(fresh.host)).ask("http://127.0.0.1:1/")
    assert found == Unknown("ssh://shop cannot be reached: connection refused")


def test_a_silent_service_must_hold_nobody_beyond_the_deadline(
    server: Server, processes: Processes, listening: Callable[[Callable[[socket.socket], None]], int]
) -> None:
    http = HostHttp(processes.ssh(server.host))
    assert processes.run(Command(("true",), host=server.host)).ok
    over = threading.Event()

    def wait(_connected: socket.socket) -> None:
        over.wait(LONG)

    port = listening(wait)
    with not_held():
        found = http.ask(f"http://127.0.0.1:{port}/", timeout=1)
    over.set()
    assert isinstance(found, Unknown)
    assert found.reason.startswith("no answer within")


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def test_logins_must_be_those_of_the_host(fresh: Server, processes: Processes, tmp_path: Path) -> None:
    folder = tmp_path / "docker on host"
    folder.mkdir()
    helper = folder / "docker-credential-there"
    helper.write_text('#!/bin/sh\nread server; echo "{\\"Username\\":\\"$server\\",\\"Secret\\":\\"s\\"}"\n')
    helper.chmod(0o755)
    login = {"auth": base64.b64encode(b"me:word").decode()}
    config = {"auths": {"ghcr.io": login}, "credHelpers": {"other.io": "there"}}
    (folder / "config.json").write_text(json.dumps(config))
    fresh.restart(f'SetEnv "DOCKER_CONFIG={folder}" "PATH={folder}:{os.environ["PATH"]}"\n')
    credentials = DockerCredentials(processes, files=HostFiles(processes, fresh.host), host=fresh.host)
    assert credentials.basic("ghcr.io") == basic("me", "word")
    assert credentials.basic("other.io") == basic("other.io", "s")
    assert credentials.basic("third.io") is None


def test_logins_of_a_host_that_cannot_be_asked_must_not_be_none(fresh: Server, processes: Processes) -> None:
    fresh.stop()
    credentials = DockerCredentials(processes, files=HostFiles(processes, fresh.host), host=fresh.host)
    with pytest.raises(OSError, match="connection refused"):
        credentials.basic("ghcr.io")
