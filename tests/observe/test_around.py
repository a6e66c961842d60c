"""What a diagnosis sees around a service: pages by HTTP, hosts by their own programs, changes out of git."""

import pytest

from lastgood.model.command import Command, Completed
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.observe.changes import _configures
from lastgood.observe.pages import _page, addresses
from lastgood.observe.surroundings import read_host
from lastgood.ports import Response

URL = "https://shop.example/"
PAGE = b'<script type="module" src="/a.js"></script><link rel=stylesheet href=b.css><script src="//x.example/t.js">'


def said(stdout: str, status: int | None = 0) -> Completed:
    return Completed(Command(("program",)), status, stdout.encode(), b"it failed\n")


class Web:
    """Answers by method and URL; everything else does not answer."""

    def __init__(self, answers: dict[tuple[str, str], Fact[Response]]) -> None:
        self.answers = answers
        self.asked: list[tuple[str, str]] = []

    def ask(self, url: str, *, method: str = "GET", timeout: float = 5.0, **_: object) -> Fact[Response]:
        assert timeout <= 5
        self.asked.append((method, url))
        return self.answers.get((method, url), Unknown("connection refused"))


def answer(status: int, kind: str = "text/javascript", body: bytes = b"", **headers: str) -> Known[Response]:
    return Known(Response(status, {"content-type": kind, **headers}, body, 0.01))


def test_only_what_the_page_itself_serves_must_be_asked_for_and_without_bodies_first() -> None:
    web = Web({("HEAD", f"{URL}a.js"): answer(200, **{"content-length": "7"})})
    found = _page(web, URL, answer(200, "text/html", PAGE).value)  # type: ignore[arg-type]
    assert [(one.url, one.status, one.module) for one in found.assets] == [
        (f"{URL}a.js", 200, True),
        (f"{URL}b.css", 0, False),
    ]
    assert not any("x.example" in url for _, url in web.asked)


def test_a_server_that_knows_no_head_must_be_asked_as_browsers_do_and_a_long_script_is_there() -> None:
    web = Web(
        {
            ("HEAD", f"{URL}a.js"): answer(405),
            ("GET", f"{URL}a.js"): answer(200, body=b"x"),
            ("GET", f"{URL}b.css"): Unknown("the answer is longer than 1 MiB"),
        }
    )
    found = _page(web, URL, answer(200, "text/html", PAGE).value)  # type: ignore[arg-type]
    assert [(one.status, one.size) for one in found.assets] == [(200, 1), (200, None)]


@pytest.mark.parametrize("headers", [{"age": "120"}, {"x-cache": "Hit from cloudfront"}, {"cf-cache-status": "HIT"}])
def test_a_page_out_of_a_cache_must_be_known_as_one(headers: dict[str, str]) -> None:
    assert _page(Web({}), URL, answer(200, "text/html", b"<p>x", **headers).value).cached  # type: ignore[arg-type]
    assert not _page(Web({}), URL, answer(200, "text/html", b"<p>x", age="0").value).cached  # type: ignore[arg-type]


def test_a_page_must_be_looked_for_only_where_a_probe_asks_for_a_file_or_a_folder() -> None:
    probes = ("https://a.example/version.json", "https://a.example/", "https://b.example", "https://c.example/health")
    assert list(addresses((*probes, "container"))) == ["https://a.example/", "https://b.example/"]


MEMORY = "0.50 0.40 0.30 1/200 999\nMemTotal: 1000 kB\nMemFree: 10 kB\nMemAvailable: 250 kB\n"
SPACE = "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/sda1 100 75 25 75% /\ntmpfs 0 0 0 - /my disk\n"
INODES = "Filesystem Inodes IUsed IFree IUse% Mounted on\n/dev/sda1 100 100 0 100% /\n"


def test_load_memory_disks_and_inodes_must_be_read() -> None:
    found = read_host("web-1", said(MEMORY), said("2\n"), said(SPACE), said(INODES))
    assert isinstance(found, Known)
    assert (found.value.load, found.value.memory) == (0.25, 0.25)
    assert [(one.path, one.free, one.inodes) for one in found.value.disks] == [("/", 0.25, 0.0), ("/my disk", 1.0, 1.0)]


@pytest.mark.parametrize(
    "figures", [said("", 1), said("\xff garbage"), said("0.5\nMemTotal: 0 kB\nMemAvailable: 0 kB\n")]
)
def test_a_host_that_tells_nothing_must_be_unknown(figures: Completed) -> None:
    assert isinstance(read_host("web-1", figures, said("2"), said(SPACE), said(INODES)), Unknown)


def test_the_pins_own_lines_must_not_count_as_configuration() -> None:
    assert not _configures("+  tag: sha-2", at_pin=True)
    assert _configures("+  tag: sha-2", at_pin=False)
    assert _configures("-  greeting: hello", at_pin=True)
    assert not _configures("--- a/values.yaml", at_pin=True)
    assert not _configures("   same", at_pin=True)
