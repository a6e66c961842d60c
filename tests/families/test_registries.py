"""Conformance of the registries, and the protocol's traps on a loopback server that speaks it, and on a real one."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from lastgood import catalog
from lastgood.effects.http import PlainHttp
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.observed import Availability
from lastgood.model.release import Image
from lastgood.model.target import Adapter
from lastgood.ports import Response
from lastgood.registries import oci
from sandbox.world import World

MANIFEST = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json"}).encode()
DIGEST = "sha256:" + hashlib.sha256(MANIFEST).hexdigest()
LOGIN = "Basic " + base64.b64encode(b"me:pw").decode()
ALL_TYPES = {
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
}


class Logins:
    """Credentials as a test wants them: one login for all, none, or a failure."""

    def __init__(self, login: str | None = None, problem: str = "") -> None:
        self.login = login
        self.problem = problem
        self.asked: list[str] = []

    def basic(self, host: str) -> str | None:
        self.asked.append(host)
        if self.problem:
            raise OSError(self.problem)
        return self.login


class FakeRegistry(ThreadingHTTPServer):
    """One image, `shop/api:good`, behind whatever a test sets up."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.auth = ""
        self.token_user: str | None = None
        self.token_body: bytes | None = None
        self.realm = f"{self.url}/token"
        self.send_digest = True
        self.digest = DIGEST
        self.manifest = MANIFEST
        self.status: int | None = None
        self.page: bytes = b""
        self.code = "MANIFEST_UNKNOWN"
        self.expired: set[str] = set()
        self.minted = 0
        self.log: list[tuple[str, str]] = []

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"


class _Handler(BaseHTTPRequestHandler):
    server: FakeRegistry

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        self.server.log.append((self.command, path))
        if path == "/token":
            self._token()
        elif self.server.status:
            self._answer(self.server.status, self.server.page)
        elif not self._let_in():
            challenge = self.server.auth.replace("REALM", self.server.realm)
            self._answer(401, b'{"errors":[{"code":"UNAUTHORIZED"}]}', {"WWW-Authenticate": challenge})
        else:
            self._manifest(path)

    def _let_in(self) -> bool:
        given = self.headers.get("Authorization", "")
        scheme = "Bearer" if "Bearer realm" in self.server.auth else self.server.auth.partition(" ")[0]
        if scheme == "Basic":
            return given == LOGIN
        return not scheme or (given.startswith("Bearer token-") and given not in self.server.expired)

    def _token(self) -> None:
        given, query = self.headers.get("Authorization"), parse_qs(urlsplit(self.path).query)
        if given != self.server.token_user or query.get("scope") != ["repository:shop/api:pull"]:
            self._answer(403, b"{}")
            return
        self.server.minted += 1
        body = json.dumps({"token": f"token-{self.server.minted}"}).encode()
        self._answer(200, body if self.server.token_body is None else self.server.token_body)

    def _manifest(self, path: str) -> None:
        accepted = {part.strip() for part in self.headers.get("Accept", "").split(",")}
        known = path in {"/v2/shop/api/manifests/good", f"/v2/shop/api/manifests/{DIGEST}"}
        if not known or accepted != ALL_TYPES:  # the trap: an image that exists answers 404 without every type
            self._answer(404, json.dumps({"errors": [{"code": self.server.code}]}).encode())
            return
        headers = {"Docker-Content-Digest": self.server.digest} if self.server.send_digest else {}
        self._answer(200, self.server.manifest, headers)

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        _ = format, args


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


def ask(registry: FakeRegistry, tag: str = "good", logins: Logins | None = None, digest: str = "") -> str | None:
    """The digest, None for gone; the reason in brackets where it is unknown."""
    fact = oci.make(oci.Options()).available(
        PlainHttp(), Image(f"{registry.host}/shop/api", tag, digest), logins or Logins()
    )
    return fact.value.digest if isinstance(fact, Known) else f"<{fact.reason.replace(registry.host, 'HOST')}>"


class Silent:
    """A network where nothing answers; keeps the URLs that were asked for."""

    def __init__(self) -> None:
        self.urls: list[str] = []

    def ask(
        self, url: str, *, method: str = "GET", headers: dict[str, str] | None = None, timeout: float = 5.0
    ) -> Fact[Response]:
        _ = method, headers, timeout
        self.urls.append(url)
        return Unknown("connection refused")


@pytest.mark.parametrize("kind", catalog.kinds("registries"))
def test_every_kind_must_call_an_image_unknown_when_nothing_answers(kind: str) -> None:
    made = catalog.registry(Adapter(kind, catalog.options("registries", kind)()))
    fact = made.available(Silent(), Image("ghcr.io/shop/api", "good"), Logins())
    assert isinstance(fact, Unknown)
    assert "connection refused" in fact.reason


@pytest.mark.parametrize("kind", catalog.kinds("registries"))
def test_every_kind_must_refuse_unknown_options(kind: str) -> None:
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.convert({"no_such": 1}, catalog.options("registries", kind))


def test_an_image_must_be_found_by_tag_and_by_digest_with_one_request(registry: FakeRegistry) -> None:
    assert ask(registry) == DIGEST
    assert registry.log == [("HEAD", "/v2/shop/api/manifests/good")]
    assert ask(registry, digest=DIGEST) == DIGEST


@pytest.mark.parametrize("code", ["MANIFEST_UNKNOWN", "NAME_UNKNOWN"])
def test_gone_must_be_said_by_the_registry_itself(registry: FakeRegistry, code: str) -> None:
    registry.code = code
    assert ask(registry, "absent") is None
    assert [method for method, _ in registry.log] == ["HEAD", "GET"]


@pytest.mark.parametrize(("code", "said"), [("DENIED", "404 DENIED"), ("\x1b[2J", "404"), ("", "404")])
def test_another_404_must_never_mean_gone(registry: FakeRegistry, code: str, said: str) -> None:
    registry.code = code
    assert ask(registry, "absent") == f"<HOST answered {said}, which says nothing about the image>"


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (404, "<HOST answered 404, which says nothing about the image>"),
        (403, "<HOST refused us (403)>"),
        (429, "<HOST limits our requests (429)>"),
        (500, "<HOST answered 500, which says nothing about the image>"),
        (503, "<HOST answered 503, which says nothing about the image>"),
        (307, "<HOST answered 307, which says nothing about the image>"),
        (200, "<HOST answered 200 with something that is not a manifest>"),
    ],
)
def test_an_html_page_must_be_unknown_whatever_its_status(registry: FakeRegistry, status: int, expected: str) -> None:
    registry.status, registry.page = status, b"<html>Gateway</html>"
    assert ask(registry) == expected


def test_a_missing_digest_header_must_be_made_good_by_hashing_the_manifest(registry: FakeRegistry) -> None:
    registry.send_digest = False
    assert ask(registry) == DIGEST
    registry.manifest = MANIFEST.replace(b"2", b"1")
    assert ask(registry) == "<HOST answered 200 with something that is not a manifest>"


def test_an_answer_for_another_digest_must_not_be_believed(registry: FakeRegistry) -> None:
    registry.digest = "sha256:" + "0" * 64
    assert ask(registry, digest=DIGEST) == "<HOST answered with another digest than was asked for>"
    registry.digest = "sha512:" + "0" * 128
    assert ask(registry) == "<HOST names the image by something that is not a sha256 digest>"


BEARER = 'Bearer realm="REALM",service="reg, the \\"best\\"",scope="repository:shop/api:pull"'


@pytest.mark.parametrize("auth", [BEARER, "Bearer realm=REALM", f'Basic realm="x, Bearer y", {BEARER}'])
@pytest.mark.parametrize("login", [None, LOGIN])
def test_a_token_must_be_fetched_with_the_login_or_without(
    registry: FakeRegistry, auth: str, login: str | None
) -> None:
    registry.auth, registry.token_user = auth, login
    assert ask(registry, logins=Logins(login)) == DIGEST


def test_a_token_must_be_kept_for_the_next_image_and_renewed_when_it_expires(registry: FakeRegistry) -> None:
    registry.auth = BEARER
    client, image = oci.make(oci.Options()), Image(f"{registry.host}/shop/api", "good")
    for _ in range(3):
        assert client.available(PlainHttp(), image, Logins()) == Known(Availability(DIGEST))
    assert registry.minted == 1
    registry.expired.add("Bearer token-1")
    assert client.available(PlainHttp(), image, Logins()) == Known(Availability(DIGEST))
    assert registry.minted == 2


def test_a_refused_login_must_be_unknown_and_never_go_on_anonymously(registry: FakeRegistry) -> None:
    registry.auth, registry.token_user = BEARER, None
    said = "<HOST refused the login (403 from its token service)>"
    assert ask(registry, logins=Logins(LOGIN)) == said
    assert registry.minted == 0
    registry.token_user = LOGIN
    assert ask(registry) == "<HOST refused to serve us without a login (403 from its token service)>"


def test_401_for_ever_must_end_after_one_login(registry: FakeRegistry) -> None:
    registry.auth = BEARER
    registry.expired = {f"Bearer token-{number}" for number in range(5)}
    assert ask(registry) == "<HOST refused the login (401)>"
    assert len(registry.log) == 3


@pytest.mark.parametrize("body", [b"<html>", b"{}", b'{"token": ""}', b'{"token": "a\\r\\nX: y"}', b'{"token": 1}'])
def test_a_token_service_without_a_token_must_be_unknown(registry: FakeRegistry, body: bytes) -> None:
    registry.auth, registry.token_body = BEARER, body
    assert ask(registry) == "<HOST: its token service answered without a token>"


def test_a_basic_login_must_be_given_where_asked_for(registry: FakeRegistry) -> None:
    registry.auth = 'Basic realm="registry"'
    assert ask(registry, logins=Logins(LOGIN)) == DIGEST
    assert ask(registry, logins=Logins("Basic wrong")) == "<HOST refused the login (401)>"
    assert ask(registry) == "<HOST asks for a login, and Docker's configuration has none>"


@pytest.mark.parametrize("auth", ["Negotiate", "Digest realm=x", "", "\x7f"])
def test_an_unknown_challenge_must_be_unknown(registry: FakeRegistry, auth: str) -> None:
    registry.auth = auth or "nothing"
    assert ask(registry) == "<HOST asks for a login of a kind that is not known>"


def test_a_failed_credential_helper_must_not_look_like_no_login(registry: FakeRegistry) -> None:
    registry.auth = BEARER
    assert ask(registry, logins=Logins(problem="credential helper x failed: locked")) == (
        "<credential helper x failed: locked>"
    )


class Challenging(Silent):
    """A registry on another machine that wants its logins sent to `realm`."""

    def __init__(self, realm: str) -> None:
        super().__init__()
        self.realm = realm

    def ask(
        self, url: str, *, method: str = "GET", headers: dict[str, str] | None = None, timeout: float = 5.0
    ) -> Fact[Response]:
        super().ask(url, method=method, headers=headers, timeout=timeout)
        return Known(Response(401, {"www-authenticate": f'Bearer realm="{self.realm}"'}, b"", 0.1))


@pytest.mark.parametrize("realm", ["http://evil/token", "", "ftp://x", "file:///etc/passwd"])
def test_a_login_must_never_be_sent_anywhere_but_over_https(realm: str) -> None:
    http = Challenging(realm)
    fact = oci.make(oci.Options()).available(http, Image("ghcr.io/shop/api", "good"), Logins(LOGIN))
    assert fact == Unknown("ghcr.io wants the login sent to an address that is not https")
    assert http.urls == ["https://ghcr.io/v2/shop/api/manifests/good"]


@pytest.mark.parametrize(
    ("repository", "url", "login"),
    [
        ("nginx", "https://registry-1.docker.io/v2/library/nginx/manifests/t", "docker.io"),
        ("library/nginx", "https://registry-1.docker.io/v2/library/nginx/manifests/t", "docker.io"),
        ("shop/api", "https://registry-1.docker.io/v2/shop/api/manifests/t", "docker.io"),
        ("docker.io/nginx", "https://registry-1.docker.io/v2/library/nginx/manifests/t", "docker.io"),
        ("index.docker.io/a/b", "https://registry-1.docker.io/v2/a/b/manifests/t", "docker.io"),
        ("ghcr.io/a/b/c", "https://ghcr.io/v2/a/b/c/manifests/t", "ghcr.io"),
        ("registry:5000/a", "https://registry:5000/v2/a/manifests/t", "registry:5000"),
        ("localhost/a", "http://localhost/v2/a/manifests/t", "localhost"),
        ("localhost:5000/a", "http://localhost:5000/v2/a/manifests/t", "localhost:5000"),
        ("127.8.9.1:5000/a", "http://127.8.9.1:5000/v2/a/manifests/t", "127.8.9.1:5000"),
        ("[::1]:5000/a", "http://[::1]:5000/v2/a/manifests/t", "[::1]:5000"),
        ("127.0.0.1.evil.org/a", "https://127.0.0.1.evil.org/v2/a/manifests/t", "127.0.0.1.evil.org"),
    ],
)
def test_a_name_must_lead_where_docker_would_look(repository: str, url: str, login: str) -> None:
    http, logins = Challenging("https://token.example/"), Logins()
    oci.make(oci.Options()).available(http, Image(repository, "t"), logins)
    assert http.urls[0] == url
    assert logins.asked == [login]


def test_a_configured_scheme_must_be_used() -> None:
    http = Silent()
    oci.make(oci.Options(scheme="http")).available(http, Image("registry.lan:5000/a", "t"), Logins())
    oci.make(oci.Options(scheme="https")).available(http, Image("localhost:5000/a", "t"), Logins())
    assert [url.partition("://")[0] for url in http.urls] == ["http", "https"]


@pytest.mark.parametrize(
    "image",
    [
        Image("ghcr.io/../../etc", "t"),
        Image("ghcr.io/a?b", "t"),
        Image("ghcr.io/a b", "t"),
        Image("me:pw@ghcr.io/a", "t"),
        Image("ghcr.io/A", "t"),
        Image("--force", "t"),
        Image("ghcr.io/", "t"),
        Image("", "t"),
        Image("ghcr.io/a", "t\r\nX: y"),
        Image("ghcr.io/a", "../x"),
        Image("ghcr.io/a", "$(x)"),
        Image("ghcr.io/a", "x" * 129),
        Image("ghcr.io/a"),
        Image("ghcr.io/a", digest="sha256:short"),
    ],
)
def test_a_hostile_name_must_be_unknown_before_anything_is_asked(image: Image) -> None:
    http = Silent()
    fact = oci.make(oci.Options()).available(http, image, Logins())
    assert isinstance(fact, Unknown)
    assert not http.urls
    assert fact.reason.isprintable()


def test_a_real_registry_must_be_understood() -> None:
    with World.up() as world:
        shipped = world.ship("shop-web", "good-1", deploy=False)
        client, repository = oci.make(oci.Options()), world.repository("shop-web")

        def asked(tag: str = "", digest: str = "") -> Fact[Availability]:
            return client.available(PlainHttp(), Image(repository, tag, digest), Logins())

        assert asked(shipped.tag) == Known(Availability(shipped.digest))
        assert asked(digest=shipped.digest) == Known(Availability(shipped.digest))
        assert asked("sha-never") == Known(Availability(None))
        assert asked(digest="sha256:" + "0" * 64) == Known(Availability(None))
        world.registry.delete("shop-web", shipped.tag)
        assert asked(shipped.tag) == Known(Availability(None))
        world.registry.stop()
        fact = asked(shipped.tag)
        assert isinstance(fact, Unknown)
        assert fact.reason.endswith("connection refused")
