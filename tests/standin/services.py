"""Stand-ins for services outside, over real HTTP: what they do with a request, and the ways in which they fail."""

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.standin.held import LONG

Json = Any
PAGE: Final = b"<!DOCTYPE html><html><title>Sign in</title><body>s3cret-page \x1b[31m</body></html>"


class Asked:
    """One request."""

    def __init__(self, method: str, url: str, headers: dict[str, str], body: bytes) -> None:
        parts = urlsplit(url)
        self.url = url
        self.method = method
        self.path = unquote(parts.path)
        self.query = dict(parse_qsl(parts.query))
        self.headers = headers
        self.body = body

    @property
    def json(self) -> Json:
        return json.loads(self.body)


class Answer:
    """One answer; `content` is JSON unless it is bytes."""

    def __init__(self, status: int, content: Json = None, headers: dict[str, str] | None = None) -> None:
        self.status = status
        raw = isinstance(content, bytes)
        self.body = content if raw else b"" if content is None else json.dumps(content).encode()
        self.headers = {} if raw else {"Content-Type": "application/json"}
        self.headers |= headers or {}


class Service(ThreadingHTTPServer):
    """A service. `trouble` is how it fails while set, for requests that `troubled` picks (all of them, by default).

    `html` (200 with a login page), `redirect` (to one), `silent` (no answer for as long as a client waits), `lost` (it
    does what was asked, and the connection ends), a status (with a page), or `busy` (429 that asks for 40 s).
    """

    daemon_threads = True
    request_queue_size = 128  # a connection that finds no room is tried again after a second
    TOKEN: Final = "tk_s3cret0123456789"  # noqa: S105 - the stand-in's

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.trouble: int | str = ""
        self.troubled: Callable[[Asked], bool] = lambda _: True
        self.log: list[Asked] = []
        self.busy = threading.Lock()
        self.inside = 0
        self.most_inside = 0
        self.delay = 0.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def clock(self) -> float:
        """The time that it believes in, in Unix seconds; each answer says so."""
        return time.time()

    def answer(self, asked: Asked) -> Answer:
        """What the service does."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: Service

    def _serve(self) -> None:
        service = self.server
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        asked = Asked(self.command, self.path, {name.lower(): value for name, value in self.headers.items()}, body)
        with service.busy:
            service.log.append(asked)
            service.inside += 1
            service.most_inside = max(service.most_inside, service.inside)
        if service.delay:
            time.sleep(service.delay)
        try:
            self._respond(service, asked)
        finally:
            with service.busy:
                service.inside -= 1

    def _respond(self, service: Service, asked: Asked) -> None:
        trouble = service.trouble if service.troubled(asked) else ""
        if trouble in {"", "lost"}:
            with service.busy:
                answer = service.answer(asked)
            if not trouble:
                self._raw(answer.status, answer.body, answer.headers)
        elif trouble == "silent":
            time.sleep(LONG)
        elif trouble == "redirect":
            self._raw(302, b"", {"Location": f"{service.url}/login?token=s3cret-page"})
        elif trouble == "busy":
            self._raw(429, b'{"message": "slow down"}', {"Content-Type": "application/json", "Retry-After": "40"})
        else:
            self._raw(200 if trouble == "html" else int(trouble), PAGE, {"Content-Type": "text/html; charset=utf-8"})

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_PURGE = _serve  # noqa: N815 - the base class's names

    def _raw(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string(self.server.clock() if timestamp is None else timestamp)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        _ = format, args
