"""Every kind of cache must be purged at once and wholly, fail in words without secrets, and be checked unnoticed."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from lastgood import catalog
from lastgood.config.load import load
from lastgood.effects.http import PlainHttp
from lastgood.effects.process import LocalProcess
from lastgood.effects.secrets import LocalSecrets
from lastgood.model.errors import ConfigError
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.ports import Cache, Edge, Response
from tests.standin.cdn import ZONE, Cdn, Cloudflare, Fastly, Varnish
from tests.standin.held import not_held
from tests.standin.services import Answer

CONFIG = "environments: {{prod: {{hosts: [local]}}}}\nservices:\n  web:\n    cdn: {cdn}\n"
ALL = (Cloudflare, Fastly, Varnish)
KINDS = pytest.mark.parametrize("make", ALL, ids=lambda make: make.kind)


class Bench:
    """A CDN at work, in front of something that counts how often it was asked."""

    def __init__(self, make: Callable[[Any], Cdn]) -> None:
        self.asked = 0
        self.cdn: Any = make(self._origin)

    def _origin(self, path: str) -> Answer:
        self.asked += 1
        kind = "text/html" if path == "/" else "text/javascript"
        return Answer(200, f"{path} {self.asked}".encode(), {"Content-Type": kind, "Surrogate-Key": "all app"})

    def cache(self, folder: Path, token: str = Cdn.TOKEN, http: Any = None, **options: object) -> Cache:
        given = {"kind": self.cdn.kind, **self.cdn.options, "page": f"{self.cdn.url}/", **options}
        target = load(CONFIG.format(cdn=given).encode(), "lastgood.yaml").target("web", "prod", str(folder))
        assert target.cdn
        process = LocalProcess()
        secrets = LocalSecrets(process, {"CDN_TOKEN": token} if token else {})
        edge = Edge(http or PlainHttp(), secrets, 0, process=process, folder=str(folder), page=target.cdn.pages[0])
        return catalog.cache(target.cdn.cache, edge)

    def gives(self) -> str:
        found: bytes = self.cdn.gives("/")
        return found.decode()


@pytest.fixture
def bench_of() -> Iterator[Callable[[Callable[[Any], Cdn]], Bench]]:
    with ExitStack() as stack:

        def made(make: Callable[[Any], Cdn]) -> Bench:
            bench = Bench(make)
            stack.enter_context(bench.cdn)
            return bench

        yield made


def refused(fact: Known[str] | Unknown) -> str:
    assert isinstance(fact, Unknown), fact
    assert Cdn.TOKEN not in fact.reason
    assert "\x1b" not in fact.reason
    return fact.reason


def test_every_kind_must_have_a_stand_in() -> None:
    assert {make.kind for make in ALL} == set(catalog.kinds("caches"))


@KINDS
def test_a_purge_must_make_it_forget_at_once_and_again(make: Any, bench_of: Any, tmp_path: Path) -> None:
    bench = bench_of(make)
    assert (bench.gives(), bench.gives()) == ("/ 1", "/ 1")
    cache = bench.cache(tmp_path)
    for number in (2, 3):
        assert isinstance(cache.purge(), Known)
        assert (bench.gives(), bench.gives()) == (f"/ {number}", f"/ {number}")
    assert Cdn.TOKEN not in cache.shown()
    given = PlainHttp().ask(f"{bench.cdn.url}/")
    assert isinstance(given, Known)
    assert cache.passed(given.value.headers)


@KINDS
def test_a_check_must_tell_whether_it_would_and_forget_nothing(make: Any, bench_of: Any, tmp_path: Path) -> None:
    bench = bench_of(make)
    bench.gives()
    assert isinstance(bench.cache(tmp_path).check(), Known)
    assert bench.gives() == "/ 1"
    assert "not set" in refused(bench.cache(tmp_path, token="").check())


@pytest.mark.parametrize(
    ("make", "trouble"),
    [
        *((make, trouble) for make in (Cloudflare, Fastly) for trouble in ("html", "redirect")),
        *((make, trouble) for make in ALL for trouble in ("token", "refuses", "busy", 500, "lost", "dead")),
    ],
)
def test_what_is_not_accepted_must_be_said_and_never_be_taken_for_a_purge(
    make: Any, trouble: str | int, bench_of: Any, tmp_path: Path
) -> None:
    bench = bench_of(make)
    cache = bench.cache(tmp_path, token="tk_of_somebody_else" if trouble == "token" else Cdn.TOKEN)
    bench.cdn.refuses = trouble == "refuses"
    bench.cdn.trouble = "" if trouble in {"token", "refuses", "dead"} else trouble
    if trouble == "dead":
        bench.cdn.shutdown()
        bench.cdn.server_close()
    reason = refused(cache.purge())
    assert "s3cret" not in reason
    assert reason


class Hanging:
    """Never answers, and notes how long it was waited for."""

    def __init__(self) -> None:
        self.waited = 0.0

    def ask(self, url: str, *, timeout: float = 5.0, **_: object) -> Fact[Response]:  # noqa: ARG002 - the port's
        self.waited += timeout
        return Unknown("no answer within 5.0 s")


@pytest.mark.parametrize("make", [Cloudflare, Fastly], ids=lambda make: make.kind)
def test_an_api_that_hangs_must_be_given_up_within_seconds(make: Any, bench_of: Any, tmp_path: Path) -> None:
    http = Hanging()
    assert "no answer" in refused(bench_of(make).cache(tmp_path, http=http).purge())
    assert 0 < http.waited <= 5


def test_cloudflare_that_refuses_with_200_must_not_be_believed(bench_of: Any, tmp_path: Path) -> None:
    bench = bench_of(Cloudflare)
    bench.cdn.polite = bench.cdn.refuses = True
    assert "Authentication error" in refused(bench.cache(tmp_path).purge())
    assert "Authentication error" in refused(bench.cache(tmp_path).check())


def test_cloudflare_must_say_what_is_wrong_with_a_token(bench_of: Any, tmp_path: Path) -> None:
    bench = bench_of(Cloudflare)
    bench.cdn.refuses, bench.cdn.state = True, "expired"
    assert "the token is expired" in refused(bench.cache(tmp_path).check())
    bench.cdn.refuses, bench.cdn.bucket = False, 0
    assert "rate limit reached (10429)" in refused(bench.cache(tmp_path).purge())
    other = bench.cache(tmp_path, zone="f" * 32)
    assert "Could not route" in refused(other.check())


def test_cloudflare_must_know_an_answer_that_did_not_come_by_it(bench_of: Any, tmp_path: Path) -> None:
    assert not bench_of(Cloudflare).cache(tmp_path).passed({"server": "nginx"})


def test_cloudflare_must_purge_no_more_than_is_named(bench_of: Any, tmp_path: Path) -> None:
    bench = bench_of(Cloudflare)
    for options in ({"prefixes": ["127.0.0.1/"]}, {"hosts": ["127.0.0.1"]}):
        before = bench.gives()
        assert isinstance(bench.cache(tmp_path, **options).purge(), Known)
        assert bench.gives() != before
    before = bench.gives()
    assert isinstance(bench.cache(tmp_path, hosts=["other.example"]).purge(), Known)
    assert bench.gives() == before


def test_fastly_must_purge_keys_at_once_and_know_what_its_token_may(bench_of: Any, tmp_path: Path) -> None:
    bench = bench_of(Fastly)
    bench.gives()
    assert isinstance(bench.cache(tmp_path, keys=["app"]).purge(), Known)
    assert bench.gives() == "/ 2"  # softly, it would be the old one once more
    bench.cdn.scope = "purge_select"
    assert "no scope purge_all" in refused(bench.cache(tmp_path).check())
    assert isinstance(bench.cache(tmp_path, keys=["app"]).check(), Known)
    bench.cdn.services = ["another"]
    assert "other services" in refused(bench.cache(tmp_path, keys=["app"]).check())


def test_a_program_must_be_found_where_it_will_be_run(bench_of: Any, tmp_path: Path) -> None:
    bench = bench_of(Varnish)
    script = tmp_path / "purge.sh"
    assert "there is no program" in refused(bench.cache(tmp_path, run=["./purge.sh"]).check())
    assert "there is no program" in refused(bench.cache(tmp_path, run=["no-such-program"]).check())
    script.write_text("#!/bin/sh\nsleep 60\n")
    script.chmod(0o755)
    assert isinstance(bench.cache(tmp_path, run=["./purge.sh"]).check(), Known)
    with not_held():
        refused(bench.cache(tmp_path, run=["./purge.sh"], timeout="500ms").purge())


@pytest.mark.parametrize(
    ("cdn", "place", "said"),
    [
        ({"kind": "cloudfare"}, "cdn.kind", "did you mean cloudflare?"),
        ({"kind": "cloudflare", "zone": "shop.example", "token": "env:T"}, "cdn.zone", "matching regex"),
        ({"kind": "cloudflare", "zone": ZONE, "token": "v1.0-abc"}, "cdn.token", "matching regex"),
        ({"kind": "cloudflare", "zone": ZONE}, "cdn", "token is missing"),
        (
            {"kind": "cloudflare", "zone": ZONE, "token": "env:T", "hosts": ["a.example"], "tags": ["b"]},
            "cdn",
            "do not go together",
        ),
        (
            {"kind": "cloudflare", "zone": ZONE, "token": "env:T", "prefixes": ["https://a.example/"]},
            "cdn",
            "without https://",
        ),
        ({"kind": "fastly", "service": "S1", "token": "env:T", "soft": True}, "cdn.soft", "unknown key"),
        ({"kind": "command", "run": ["purge"], "secrets": {"KEY": "tk_1"}}, "cdn", "a reference"),
        ({"kind": "command", "run": []}, "cdn.run", "something in it"),
        ({"kind": "command", "run": ["purge"]}, "cdn", "name the one that customers get"),
        ({"kind": "command", "run": ["purge"], "page": "shop.example"}, "cdn.page", "not the address of a page"),
        (
            {"kind": "command", "run": ["purge"], "page": "https://a.example/", "origin": "10.0.0.5"},
            "cdn.origin",
            "not an address",
        ),
        ({"kind": "command", "run": ["purge", "{envv}"]}, "cdn.run[1]", "unknown placeholder"),
    ],
)
def test_a_mistake_must_be_told_at_its_place(cdn: dict[str, object], place: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(CONFIG.format(cdn=cdn).encode(), "lastgood.yaml")
    text = " ".join((caught.value.what, *caught.value.because))
    assert f"services.web.{place}" in text
    assert said in text
    assert "tk_1" not in text


def test_the_page_must_be_that_of_public_probes_unless_it_is_named() -> None:
    probes = (
        '\n    probes: [{kind: http, url: "http://10.0.0.5/"}, {kind: http, url: "https://a.example/version.json"}]'
    )
    text = CONFIG.format(cdn={"kind": "command", "run": ["purge"]}) + probes
    target = load(text.encode(), "lastgood.yaml").target("web", "prod", "/repo")
    assert target.cdn
    assert target.cdn.pages == ("https://a.example/",)
