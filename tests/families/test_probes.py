"""Conformance of the probes, and what each kind sees. HTTP is real, on loopback."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec
import pytest

from lastgood import catalog
from lastgood.effects.http import PlainHttp
from lastgood.model.duration import Duration
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.observed import Container, Look, State
from lastgood.model.release import Image
from lastgood.model.target import Adapter
from lastgood.ports import Response
from lastgood.probes import http as http_probe

IMAGE = Image("ghcr.io/shop/api", "sha-1234567", "sha256:" + "a" * 64)
MINIMAL: dict[str, dict[str, object]] = {"http": {"url": "http://127.0.0.1:1/"}, "container": {}}


class Canned:
    """Answers every request alike."""

    def __init__(self, answer: Fact[Response]) -> None:
        self.answer = answer

    def ask(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: dict[str, str] | None = None,
        timeout: float = 5.0,
        body: bytes | None = None,
    ) -> Fact[Response]:
        _ = url, method, headers, timeout, body
        return self.answer


def answered(status: int, body: bytes | str, elapsed: float = 0.03, **headers: str) -> Canned:
    return Canned(Known(Response(status, headers, body.encode() if isinstance(body, str) else body, elapsed)))


@pytest.mark.parametrize("kind", catalog.kinds("probes"))
def test_every_kind_must_be_made_from_its_smallest_options_and_find_fault_with_nothing_there(kind: str) -> None:
    options = msgspec.convert(MINIMAL[kind], catalog.options("probes", kind))
    probe = catalog.probe(Adapter(kind, options))
    look = probe.look(Canned(Unknown("connection refused")), IMAGE, ())
    assert probe.name
    assert (look.probe, look.ok) == (probe.name, False)
    assert look.said
    assert look.signature


@pytest.mark.parametrize("kind", catalog.kinds("probes"))
def test_every_kind_must_refuse_unknown_options(kind: str) -> None:
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.convert(MINIMAL[kind] | {"no_such": 1}, catalog.options("probes", kind))


def look(http: Canned, options: dict[str, object], image: Image = IMAGE) -> Look:
    chosen = msgspec.convert(
        {"url": "http://shop/api/health"} | options, http_probe.Options, dec_hook=lambda _, text: Duration.parse(text)
    )
    return http_probe.make(chosen).look(http, image, ())


def test_the_version_of_the_release_must_be_seen() -> None:
    seen = look(answered(200, '{"version": "sha-1234567"}'), {"json": {"version": "{tag}"}})
    assert (seen.ok, seen.said, seen.signature) == (True, "200 in 0.03 s, version sha-1234567", "")


@pytest.mark.parametrize(
    ("http", "options", "said", "signature"),
    [
        (answered(500, "oh\n no"), {}, "500: oh no", "http 500"),
        (answered(500, ""), {}, "500", "http 500"),
        (answered(500, "x" * 500), {}, "500: " + "x" * 119 + "…", "http 500"),
        (answered(500, b"\x1b[2J\xff"), {}, "500: \\x1b[2J�", "http 500"),
        (answered(301, "", location="https://shop/"), {}, "301: to https://shop/", "http 301"),
        (answered(200, "x"), {"status": 204}, "200: x", "http 200"),
        (
            Canned(Unknown("connection refused")),
            {},
            "no answer: connection refused",
            "http no answer: connection refused",
        ),
        (answered(200, "<html>"), {"json": {"v": "1"}}, "200, but not JSON: <html>", "http not json"),
        (answered(200, "{}"), {"json": {"v": "1"}}, "200, but v is missing", "http json v"),
        (answered(200, '{"v": "old"}'), {"json": {"v": "{tag}"}}, "200, but v is old, not sha-1234567", "http json v"),
        (answered(200, '{"v": {"a": 1}}'), {"json": {"v": "1"}}, '200, but v is {"a":1}, not 1', "http json v"),
        (answered(200, "hello"), {"contains": "{tag}"}, "200, but without 'sha-1234567'", "http contains"),
        (
            answered(200, "ok", 1.5),
            {"max_latency": "1s"},
            "200, but in 1.50 s; the limit is 1.0 s",
            "http slow",
        ),
    ],
)
def test_each_fault_must_be_told_with_a_signature_of_its_own(
    http: Canned, options: dict[str, object], said: str, signature: str
) -> None:
    seen = look(http, options)
    assert (seen.ok, seen.said, seen.signature) == (False, said, signature)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("text", "x"),
        ("number", "1"),
        ("half", "1.5"),
        ("yes", "true"),
        ("none", "null"),
        ("deep.list.1.id", "b"),
        ("empty", ""),
    ],
)
def test_values_must_be_compared_as_json_writes_them(path: str, expected: str) -> None:
    body = {
        "text": "x",
        "number": 1,
        "half": 1.5,
        "yes": True,
        "none": None,
        "empty": "",
        "deep": {"list": [0, {"id": "b"}]},
    }
    assert look(answered(200, json.dumps(body)), {"json": {path: expected}}).ok


@pytest.mark.parametrize("options", [{"json": {"v": "{tag}"}}, {"contains": "v{tag}"}])
def test_a_pin_without_a_tag_must_never_match_an_empty_one(options: dict[str, object]) -> None:
    assert not look(answered(200, '{"v": ""}v'), options, Image("r", digest=IMAGE.digest)).ok


def test_the_signature_must_be_the_same_for_two_releases_with_the_same_fault() -> None:
    first, second = Image("r", "one"), Image("r", "two")
    http = answered(200, '{"v": "other"}')
    options: dict[str, object] = {"json": {"v": "{tag}"}}
    assert look(http, options, first).signature == look(http, options, second).signature


@pytest.mark.parametrize(
    "options",
    [
        {"url": "ftp://x"},
        {"url": "http://x/{tag}"},
        {"timeout": "0s"},
        {"max_latency": "0s"},
        {"json": {"v": "{tga}"}},
    ],
)
def test_options_that_can_never_pass_must_be_refused(options: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        look(answered(200, ""), options)


class _Health(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b'{"status": "ok", "version": "sha-1234567"}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        _ = format, args


@pytest.fixture
def service() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Health) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/api/health"
        server.shutdown()


def test_a_real_service_must_pass_with_its_version_and_fail_with_another(service: str) -> None:
    probe = http_probe.make(http_probe.Options(service, json={"version": "{tag}"}))
    assert probe.look(PlainHttp(), IMAGE, ()).ok
    assert probe.look(PlainHttp(), Image("r", "sha-0000000"), ()).signature == "http json version"


def container(name: str = "api-1", state: State = State.RUNNING, **more: object) -> Container:
    return msgspec.structs.replace(Container(name, "api", "r:t", "sha256:1", (), state), **more)


@pytest.mark.parametrize(
    ("containers", "signature"),
    [
        ((container(),), ""),
        ((container(health="healthy"), container("api-2")), ""),
        ((container(), container("migrate", State.EXITED)), ""),
        ((container(), container("db", State.EXITED, exit_code=1, mine=False)), ""),
        ((), "container missing"),
        ((container(mine=False),), "container missing"),
        ((container(health="unhealthy"),), "container unhealthy"),
        ((container(health="starting"),), "container starting"),
        ((container(), container("api-2", health="unhealthy")), "container unhealthy"),
        ((container(state=State.EXITED, exit_code=78),), "container exited 78"),
        ((container(state=State.EXITED, exit_code=0, restarts=2),), "container exited 0"),
        ((container(state=State.EXITED),), "container exited 0"),
        ((container(state=State.RESTARTING, exit_code=1),), "container restarting"),
        ((container(state=State.DEAD),), "container dead"),
    ],
)
def test_the_container_probe_must_judge_the_pins_containers_only(
    containers: tuple[Container, ...], signature: str
) -> None:
    probe = catalog.probe(Adapter("container", catalog.options("probes", "container")()))
    seen = probe.look(Canned(Unknown("not asked")), IMAGE, containers)
    assert (seen.ok, seen.signature) == (not signature, signature)
