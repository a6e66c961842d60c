"""Conformance of the user flows, and what each kind sees. HTTP and programs are real, on this machine."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import msgspec
import pytest

from lastgood import catalog
from lastgood.config.load import load
from lastgood.effects.clock import SystemClock
from lastgood.effects.http import PlainHttp
from lastgood.effects.process import LocalProcess
from lastgood.effects.secrets import LocalSecrets
from lastgood.model.duration import Duration
from lastgood.model.errors import ConfigError
from lastgood.model.flow import FlowRun, FlowState
from lastgood.model.release import Image
from lastgood.model.target import Adapter
from lastgood.ports import Stage

IMAGE = Image("ghcr.io/shop/api", "sha-1234567", "sha256:" + "a" * 64)
PASSWORD = "correct horse & battery=staple"  # noqa: S105 - of a shop that is not there
MINIMAL: dict[str, dict[str, object]] = {
    "http": {"base": "http://127.0.0.1:1", "steps": [{"get": "/"}]},
    "command": {"argv": ["false"]},
}


class Shop:
    """A shop with a login, a session cookie, a form token and a cart; `asked` is what came."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, str], str]] = []
        self.cart: list[str] = []
        handler = type("Handler", (_Handler,), {"shop": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    shop: Shop

    def _take(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        self.shop.asked.append((self.command, self.path, dict(self.headers), body))
        status, content, headers = self._answer(body)
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content.encode())

    def do_GET(self) -> None:
        self._take()

    def do_POST(self) -> None:
        self._take()

    def do_DELETE(self) -> None:
        self._take()

    def _answer(self, body: str) -> tuple[int, str, list[tuple[str, str]]]:
        match self.command:
            case "POST":
                return self._login(body) if self.path == "/login" else self._buy(body)
            case "DELETE":
                return (204, "", []) if self.shop.cart.pop() else (404, "", [])
            case _:
                return self._page()

    def _login(self, body: str) -> tuple[int, str, list[tuple[str, str]]]:
        sent = parse_qs(body)
        if sent.get("csrf") != ["t0k3n"] or sent.get("password") != [PASSWORD]:
            return 403, f"no such login: {sent.get('password', [''])[0]}", []
        cookie = "session=s3ss10n; Path=/; HttpOnly; Expires=Fri, 01 Jan 2100 00:00:00 GMT"
        return 303, "", [("Location", "/account"), ("Set-Cookie", "shown=1; Path=/other"), ("Set-Cookie", cookie)]

    def _buy(self, body: str) -> tuple[int, str, list[tuple[str, str]]]:
        self.shop.cart.append(body)
        return 201, json.dumps({"id": 41 + len(self.shop.cart)}), []

    def _page(self) -> tuple[int, str, list[tuple[str, str]]]:
        signed_in = "session=s3ss10n" in self.headers.get("Cookie", "")
        away = f"http://localhost:{self.shop.server.server_port}/elsewhere"
        pages: dict[str, tuple[int, str, list[tuple[str, str]]]] = {
            "/login": (200, '<input name="csrf" value="t0k3n">', [("Set-Cookie", "seen=1; Path=/")]),
            "/account": (200, "Hello Robin", []) if signed_in else (302, "", [("Location", "/login")]),
            "/version": (200, json.dumps({"version": IMAGE.tag, "items": len(self.shop.cart)}), []),
            "/loop": (302, "", [("Location", "/loop")]),
            "/nonsense": (302, "", [("Location", "http://[")]),
            "/mail": (302, "", [("Location", "mailto:us@shop.example")]),
            "/away": (302, "", [("Location", away)]),
        }
        return pages.get(self.path, (404, "\x1b[31mnot here\x1b[0m", []))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
        """Nothing."""


@pytest.fixture
def shop() -> Iterator[Shop]:
    made = Shop()
    yield made
    made.server.shutdown()
    made.server.server_close()


def stage(folder: Path = Path("/"), **env: str) -> Stage:
    process = LocalProcess()
    names = {"LASTGOOD_TAG": IMAGE.tag}
    return Stage(PlainHttp(), process, LocalSecrets(process, env), SystemClock(), IMAGE, str(folder), names)


def walked(kind: str, folder: Path = Path("/"), known: dict[str, str] | None = None, **options: object) -> FlowRun:
    made = msgspec.convert(options, catalog.options("flows", kind), dec_hook=lambda _, text: Duration(float(text)))
    return catalog.flow(Adapter(kind, made)).run(stage(folder, **(known or {})))


@pytest.mark.parametrize("kind", [kind for kind in catalog.kinds("flows") if kind in MINIMAL])
def test_every_kind_must_be_made_from_its_smallest_options_and_fail_where_nothing_is(kind: str) -> None:
    found = walked(kind, **MINIMAL[kind])
    assert found.state is FlowState.FAILED
    assert found.because
    assert found.signature


@pytest.mark.parametrize("kind", [kind for kind in catalog.kinds("flows") if kind in MINIMAL])
def test_every_kind_must_refuse_unknown_options(kind: str) -> None:
    with pytest.raises(msgspec.ValidationError, match="unknown"):
        msgspec.convert({**MINIMAL[kind], "unknown": 1}, catalog.options("flows", kind))


SIGNING_IN: list[dict[str, object]] = [
    {"get": "/login", "keep": {"csrf": 'name="csrf" value="([^"]+)"'}},
    {
        "post": "/login",
        "form": {"user": "probe", "password": "env:SHOP_PASSWORD", "csrf": "{csrf}"},
        "expect": {"url": "/account", "contains": "Hello"},
    },
]


def test_a_customer_must_be_able_to_sign_in_and_buy(shop: Shop) -> None:
    steps = [
        *SIGNING_IN,
        {"post": "/cart", "json": {"item": "tea"}, "expect": {"status": 201}, "keep": {"order": "json:id"}},
        {"get": "/version", "expect": {"json": {"version": "{tag}", "items": "1"}, "lacks": "error"}},
        {"delete": "/cart/{order}", "expect": {"status": 204}},
    ]
    found = walked("http", known={"SHOP_PASSWORD": PASSWORD}, base=shop.url, steps=steps)
    assert (found.state, found.because) == (FlowState.PASSED, "")
    assert [one.partition(":")[0] for one in found.steps] == [
        "GET /login", "POST /login", "POST /cart", "GET /version", "DELETE /cart/{order}",
    ]  # fmt: skip
    assert shop.asked[-1][:2] == ("DELETE", "/cart/42")
    assert shop.cart == []


def test_a_wrong_answer_must_be_told_with_its_step_and_without_the_secret_that_was_sent(shop: Shop) -> None:
    steps = [{"post": "/login", "form": {"password": "env:SHOP_PASSWORD"}}]
    found = walked("http", known={"SHOP_PASSWORD": PASSWORD + "!"}, base=shop.url, steps=steps)
    assert found.state is FlowState.FAILED
    assert found.because == "POST /login: 403: no such login: <redacted>"
    assert found.signature == "POST /login: 403"
    assert PASSWORD not in str(found)
    assert found.files == {"answer.txt": b"no such login: <redacted>"}


def test_an_address_that_a_page_names_must_not_have_to_be_one(shop: Shop) -> None:
    steps = [{"get": "/elsewhere", "expect": {"status": 404}, "keep": {"next": "(not).*"}}, {"get": "http://[{next}"}]
    found = walked("http", base=shop.url, steps=steps)
    assert (found.state, found.because) == (FlowState.FAILED, "GET http://[{next}: http://[not is no web address")


def test_a_redirect_to_another_program_must_be_a_failure_and_no_crash_with_cookies(shop: Shop) -> None:
    found = walked("http", base=shop.url, steps=[{"get": "/login"}, {"get": "/mail"}])
    assert (found.state, found.because) == (FlowState.FAILED, "GET /mail: mailto:us@shop.example is no web address")


def test_a_secret_that_cannot_be_had_must_say_nothing_about_the_release(shop: Shop) -> None:
    found = walked("http", base=shop.url, steps=SIGNING_IN)
    assert (found.state, found.because) == (FlowState.UNKNOWN, "the secret env:SHOP_PASSWORD is not set")
    assert [asked[:2] for asked in shop.asked] == [("GET", "/login")]


@pytest.mark.parametrize(
    ("step", "because"),
    [
        ({"get": "/nowhere"}, r"GET /nowhere: 404: \x1b[31mnot here\x1b[0m"),
        ({"get": "/loop"}, "GET /loop: more than 5 redirects"),
        ({"get": "/nonsense"}, "GET /nonsense: http://[ is no web address"),
        ({"get": "/account", "follow": False}, "GET /account: 302: /login"),
        ({"get": "/account", "expect": {"url": "/account"}}, "led to"),
        ({"get": "/version", "expect": {"json": {"items": "3"}}}, "GET /version: 200, but items is 0, not 3"),
        ({"get": "/login", "expect": {"json": {"items": "3"}}}, "GET /login: 200, but not JSON"),
        ({"get": "/login", "expect": {"lacks": "csrf"}}, "GET /login: 200, but with 'csrf'"),
        ({"get": "/login", "keep": {"csrf": "no(thing)"}}, "GET /login: 200, but there is no csrf to keep"),
        ({"get": "/login", "expect": {"max_latency": 0.000001}}, "the limit is"),
    ],
)
def test_what_is_not_as_it_has_to_be_must_fail(shop: Shop, step: dict[str, object], because: str) -> None:
    found = walked("http", base=shop.url, steps=[step])
    assert found.state is FlowState.FAILED
    assert because in found.because


def test_what_was_meant_for_one_host_must_not_go_to_another(shop: Shop) -> None:
    headers = {"Authorization": "env:SHOP_PASSWORD", "X-Flow": "yes"}
    walked("http", known={"SHOP_PASSWORD": "t0ps3cret"}, base=shop.url, steps=[{"get": "/away", "headers": headers}])
    there = next(found for method, path, found, _ in shop.asked if path == "/elsewhere")
    assert not {"Authorization", "X-Flow", "Cookie"} & set(there)


@pytest.mark.parametrize(
    "step",
    [
        {},
        {"get": "/", "post": "/"},
        {"post": "/", "form": {"a": "b"}, "body": "c"},
        {"get": "/", "keep": {"x": "no group"}},
        {"get": "/", "keep": {"tag": "(.*)"}},
        {"get": "/", "keep": {"x": "(open"}},
    ],
)
def test_a_step_that_is_no_request_must_be_refused(step: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"base": "http://shop.example", "steps": [step]}, catalog.options("flows", "http"))


def test_a_program_must_pass_by_its_exit_and_know_what_ought_to_answer(tmp_path: Path) -> None:
    script = "test $LASTGOOD_TAG = sha-1234567 && test $KEY = k3y && pwd > here"
    found = walked("command", tmp_path, {"SHOP_KEY": "k3y"}, argv=["sh", "-c", script], env={"KEY": "env:SHOP_KEY"})
    assert (found.state, (tmp_path / "here").read_text().strip()) == (FlowState.PASSED, str(tmp_path))


@pytest.mark.parametrize(
    ("argv", "state", "because"),
    [
        (["sh", "-c", "echo out; echo 'cannot pay' >&2; exit 3"], FlowState.FAILED, "sh: cannot pay"),
        (["sleep", "60"], FlowState.FAILED, "sleep: "),
        (["no-such-program-anywhere"], FlowState.UNKNOWN, "no-such-program-anywhere"),
        (["sh", "-c", "exec ./missing"], FlowState.UNKNOWN, "sh"),
    ],
)
def test_a_program_that_fails_must_be_told_from_one_that_cannot_be_run(
    tmp_path: Path, argv: list[str], state: FlowState, because: str
) -> None:
    found = walked("command", tmp_path, argv=argv, timeout=0.5 if argv[0] == "sleep" else 60.0)
    assert found.state is state
    assert because in found.because


@pytest.mark.parametrize("status", [1, 127])
def test_a_secret_that_a_program_repeats_must_be_told_nobody(tmp_path: Path, status: int) -> None:
    script = f'echo "out $KEY"; echo "no login with $KEY" >&2; exit {status}'
    known, env = {"SHOP_KEY": "k3y-of-the-shop"}, {"KEY": "env:SHOP_KEY"}
    found = walked("command", tmp_path, known, argv=["sh", "-c", script], env=env)
    assert "no login with <redacted>" in found.because
    assert "k3y-of-the-shop" not in repr(found)


def test_a_program_that_is_not_there_must_be_missing_before_it_is_needed() -> None:
    options = msgspec.convert({"argv": ["no-such-program-anywhere"]}, catalog.options("flows", "command"))
    assert catalog.flow(Adapter("command", options)).missing(None)


ENV = "environments: {prod: {}}\nservices:\n  api:\n    probes: [{kind: container}]\n    flows:\n"


@pytest.mark.parametrize(
    ("flow", "said"),
    [
        ("{name: pay, argv: [x]}", ".flows[0]: kind is missing or no text; one of: "),
        ("{kind: command, argv: [x]}", ".flows[0]: name says"),
        ("{kind: command, name: pay, argv: [x], tries: 0}", ".flows[0].tries: a whole number from 1 to 20"),
        (
            "{kind: comand, name: pay, argv: [x]}",
            ".flows[0].kind: there is no flow kind 'comand'; did you mean",
        ),
        ("{kind: command, name: pay, argv: [x], timeot: 1s}", ".flows[0].timeot: unknown key"),
        ('{kind: command, name: pay, argv: ["{tga}"]}', ".flows[0].argv[0]: unknown placeholder {tga}"),
        (
            "{kind: command, name: pay, argv: [x]}\n      - {kind: command, name: pay, argv: [y]}",
            ".flows[1].name: there is",
        ),
    ],
)
def test_what_is_wrong_with_a_flow_must_be_told_with_its_place(flow: str, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        load(f"{ENV}      - {flow}\n".encode(), "lastgood.yaml")
    assert said in str(error.value)


def test_a_name_that_an_earlier_step_keeps_may_stand_in_braces() -> None:
    steps = "[{get: /, keep: {k: '(.)'}}, {get: '/{k}'}]"
    text = f"{ENV}      - {{name: a, kind: http, base: 'http://x.example', steps: {steps}}}\n"
    assert load(text.encode(), "lastgood.yaml").target("api", "prod", "").flows[0].name == "a"
