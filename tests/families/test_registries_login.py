"""Real registries that want a login, tags over several pages, and images for several platforms."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from token_service import LOGIN, TokenService, by_password, by_token, guarded, service

from lastgood.effects.http import PlainHttp
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.observed import Availability
from lastgood.model.release import Image
from lastgood.ports import Response
from lastgood.registries import _pages, oci
from sandbox import oci as packing
from sandbox import prepare
from sandbox.registry import Registry
from sandbox.run import fetch

INDEX_TYPES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


class Logins:
    def __init__(self, login: str | None) -> None:
        self.login = login

    def basic(self, host: str) -> str | None:
        _ = host
        return self.login


class Counting(PlainHttp):
    """Counts the requests."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, str]] = []

    def ask(
        self, url: str, *, method: str = "GET", headers: dict[str, str] | None = None, timeout: float = 5.0
    ) -> Fact[Response]:
        self.asked.append((method, url))
        return super().ask(url, method=method, headers=headers, timeout=timeout)


def put(registry: str, tag: str, kind: str, manifest: bytes) -> str:
    answer = fetch("PUT", f"{registry}/v2/shop/api/manifests/{tag}", manifest, {"Content-Type": kind})
    assert answer.status == 201, answer.body
    return packing.digest(manifest)


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A registry's storage with one image under all four media types and 12 tags; digests by tag."""
    prepare.ensure()
    storage = tmp_path_factory.mktemp("storage")
    image = packing.Image((packing.Layer.of_files({"a": b"a"}),), {})
    with Registry.temporary(storage) as registry:
        digests = {"docker": packing.push(registry.url, "shop/api", "docker", image)}
        plain = json.loads(image.manifest())
        kinds = {
            "config": "application/vnd.oci.image.config.v1+json",
            "layer": "application/vnd.oci.image.layer.v1.tar+gzip",
        }
        plain |= {"mediaType": OCI_MANIFEST, "config": plain["config"] | {"mediaType": kinds["config"]}}
        plain["layers"] = [layer | {"mediaType": kinds["layer"]} for layer in plain["layers"]]
        digests["oci"] = put(registry.url, "oci", OCI_MANIFEST, json.dumps(plain).encode())
        for tag, kind in zip(("index", "list"), INDEX_TYPES, strict=True):
            listed = tag == "list"
            media = packing.MANIFEST if listed else OCI_MANIFEST
            whole = image.manifest() if listed else json.dumps(plain).encode()
            entry = {"mediaType": media, "size": len(whole), "digest": packing.digest(whole)}
            platforms = (
                {"os": "linux", "architecture": "arm64", "variant": "v8"},
                {"os": "unknown", "architecture": "unknown"},
            )
            document = {
                "schemaVersion": 2,
                "mediaType": kind,
                "manifests": [entry | {"platform": p} for p in platforms],
            }
            digests[tag] = put(registry.url, tag, kind, json.dumps(document).encode())
        for number in range(8):
            packing.put_manifest(registry.url, "shop/api", f"t{number}", image.manifest())
    return storage, digests


@pytest.fixture(scope="module")
def tokens() -> Iterator[TokenService]:
    with service() as server:
        yield server


@pytest.fixture(scope="module")
def registry(stocked: tuple[Path, dict[str, str]], tokens: TokenService) -> Iterator[Registry]:
    with guarded(stocked[0], *by_token(tokens, stocked[0])) as started:
        yield started


def asked(registry: Registry, tag: str, login: str | None = LOGIN) -> Fact[Availability]:
    return oci.make(oci.Options()).available(PlainHttp(), Image(f"{registry.host}/shop/api", tag), Logins(login))


@pytest.mark.parametrize("tag", ["docker", "oci", "index", "list"])
def test_every_kind_of_manifest_must_be_found_behind_a_token(
    registry: Registry, stocked: tuple[Path, dict[str, str]], tag: str
) -> None:
    assert asked(registry, tag) == Known(Availability(stocked[1][tag], index=tag in {"index", "list"}))


def test_what_a_token_registry_does_not_have_must_be_gone_only_for_those_who_may_look(registry: Registry) -> None:
    assert asked(registry, "never") == Known(Availability(None))
    for login in (None, "Basic d3Jvbmc6d3Jvbmc="):
        assert isinstance(asked(registry, "never", login), Unknown)
        assert isinstance(asked(registry, "docker", login), Unknown)


def test_a_token_that_may_not_pull_must_be_unknown(registry: Registry, tokens: TokenService) -> None:
    tokens.allowed = []
    try:
        fact = asked(registry, "docker")
    finally:
        tokens.allowed = ["pull"]
    assert fact == Unknown(f"{registry.host} refused the login (401)")


def test_an_expired_token_must_be_unknown_after_one_more_login(registry: Registry, tokens: TokenService) -> None:
    tokens.lifetime, before = -300, tokens.minted
    try:
        fact = asked(registry, "never")
    finally:
        tokens.lifetime = 300
    assert fact == Unknown(f"{registry.host} refused the login (401)")
    assert tokens.minted == before + 1


def test_every_tag_of_a_real_registry_must_be_read(registry: Registry) -> None:
    fact = oci.make(oci.Options()).tags(PlainHttp(), f"{registry.host}/shop/api", Logins(LOGIN))
    assert isinstance(fact, Known)
    assert sorted(fact.value) == ["docker", "index", "list", "oci", *(f"t{number}" for number in range(8))]


def test_tags_of_a_refused_or_unknown_repository_must_be_unknown(registry: Registry) -> None:
    client = oci.make(oci.Options())
    assert isinstance(client.tags(PlainHttp(), f"{registry.host}/shop/api", Logins(None)), Unknown)
    assert isinstance(client.tags(PlainHttp(), f"{registry.host}/shop/never", Logins(LOGIN)), Unknown)
    assert isinstance(client.tags(PlainHttp(), "../x", Logins(LOGIN)), Unknown)


@pytest.mark.parametrize(("tag", "requests"), [("index", 1), ("list", 1), ("docker", 2), ("oci", 2)])
def test_platforms_must_be_told_of_indexes_and_of_single_images(registry: Registry, tag: str, requests: int) -> None:
    client, image = oci.make(oci.Options()), Image(f"{registry.host}/shop/api", tag)
    client.available(PlainHttp(), image, Logins(LOGIN))
    http = Counting()
    fact = client.platforms(http, image, Logins(LOGIN))
    own = f"linux/{json.loads(packing.Image(()).configuration())['architecture']}"
    assert fact == Known(("linux/arm64/v8",) if requests == 1 else (own,))
    assert len(http.asked) == requests


def test_an_ordinary_look_must_cost_one_request(registry: Registry) -> None:
    client, http = oci.make(oci.Options()), Counting()
    for tag in ("docker", "index", "oci", "list"):
        client.available(http, Image(f"{registry.host}/shop/api", tag), Logins(LOGIN))
    registries = [url for _, url in http.asked if "/manifests/" in url]
    assert len(registries) == 5  # one each, and the first again after its login
    assert {method for method, url in http.asked if "/manifests/" in url} == {"HEAD"}


def test_a_password_must_be_given_to_a_registry_that_wants_one(stocked: tuple[Path, dict[str, str]]) -> None:
    storage, digests = stocked
    with guarded(storage, *by_password(storage)) as registry:
        assert asked(registry, "docker") == Known(Availability(digests["docker"]))
        assert asked(registry, "never") == Known(Availability(None))
        assert isinstance(asked(registry, "never", None), Unknown)
        assert isinstance(asked(registry, "docker", "Basic d3Jvbmc6d3Jvbmc="), Unknown)


class Pages(ThreadingHTTPServer):
    """Serves a page of tags with whatever `Link` a test gives, to whoever asks."""

    daemon_threads = True

    def __init__(self, link: str, body: bytes = b'{"name":"a","tags":["one"]}') -> None:
        self.link, self.body, self.paths = link, body, list[str]()
        super().__init__(("127.0.0.1", 0), _PageHandler)
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def tags(self) -> Fact[tuple[str, ...]]:
        return oci.make(oci.Options()).tags(PlainHttp(), f"127.0.0.1:{self.server_port}/a", Logins(LOGIN))


class _PageHandler(BaseHTTPRequestHandler):
    server: Pages

    def do_GET(self) -> None:
        self.server.paths.append(self.path)
        if isinstance(self.server, Book):
            self.server.turn()
        self.send_response(200)
        if self.server.link:
            self.send_header("Link", self.server.link.replace("NUMBER", str(len(self.server.paths))))
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        _ = format, args


@pytest.mark.parametrize(
    "link",
    [
        '<http://evil.example/v2/a/tags/list?last=x>; rel="next"',
        '<//evil.example/v2/a/tags/list?last=x>; rel="next"',
        '</v2/secret/tags/list?last=x>; rel="next"',
        '</v2/a/tags/list/../../b?last=x>; rel="next"',
        '<file:///etc/passwd>; rel="next"',
        '<http://[bad/v2>; rel="next"',
        '</v2/a/tags/list?n=1000>; rel="next"',
        '</v2/a/tags/list?last=NUMBER>; rel="next"',
    ],
)
def test_a_hostile_next_page_must_be_refused_and_a_loop_ended(link: str) -> None:
    with Pages(link) as server:
        assert isinstance(server.tags(), Unknown)
        assert len(server.paths) <= _pages.MOST
        server.shutdown()


@pytest.mark.parametrize("link", ["", '</v2/a/tags/list?last=x>; rel="prev"', "<<<>>>", "garbage"])
def test_a_link_that_is_no_next_page_must_end_the_list(link: str) -> None:
    with Pages(link) as server:
        assert server.tags() == Known(("one",))
        server.shutdown()


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"tags":[1]}', b"{}"])
def test_what_is_no_list_of_tags_must_be_unknown(body: bytes) -> None:
    with Pages("", body) as server:
        assert isinstance(server.tags(), Unknown)
        server.shutdown()


class Book(Pages):
    """Three pages, one after the other, as the specification has them: a relative `Link` until the last."""

    def __init__(self) -> None:
        self.pages = iter((("a", "b"), ("c",), ("d", "b")))
        super().__init__("")

    def turn(self) -> None:
        tags = next(self.pages)
        self.body = json.dumps({"name": "a", "tags": tags}).encode()
        self.link = "" if tags[0] == "d" else f'</v2/a/tags/list?last={tags[-1]}&n=2>; rel="next"'


def test_tags_must_be_read_over_all_pages() -> None:
    with Book() as server:
        assert server.tags() == Known(("a", "b", "c", "d"))
        assert server.paths == ["/v2/a/tags/list?n=1000", *(f"/v2/a/tags/list?last={last}&n=2" for last in "bc")]
        server.shutdown()


def test_a_hostile_tag_must_be_left_out() -> None:
    with Pages("", b'{"tags":["good","--force","../x","a\\u001b[2J",""]}') as server:
        assert server.tags() == Known(("good",))
        server.shutdown()
