"""A frontend on the real engine behind a CDN: customers are not left with what the rollback left."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from operating import begin
from shop import Shop

from lastgood.model.errors import Exit
from sandbox.releases import WEB
from sandbox.run import fetch, run, wait_until
from sandbox.world import World
from tests.standin.cdn import Cloudflare
from tests.standin.services import Answer, Asked

ROLLBACK = ("rollback", WEB, "prod", "--anyway", "--yes")
TOKEN = "CDN_TOKEN"  # noqa: S105 - the variable's name


class Site:
    """The shop's frontend and the CDN that customers get it from; both good releases and the blank one are known."""

    def __init__(self, world: World) -> None:
        self.shop = Shop(world)
        self.world = world
        self.cdn = Cloudflare(self._origin)

    def _origin(self, path: str) -> Answer:
        found = fetch("GET", self.world.url + path)
        headers = {"Content-Type": found.headers.get("content-type", "text/plain")}
        return Answer(found.status, found.body, headers)

    def fronted(self) -> None:
        """lastgood.yaml declares the CDN, which it finds the page at, and looks at health through it."""
        options = ", ".join(f"{key}: {value!r}" for key, value in self.cdn.options.items())
        path, old = "lastgood.yaml", f"{self.world.url}/version.json"
        text = self.world.show(path).replace(old, f"{self.cdn.url}/version.json")
        head, tail = text.split(f"  {WEB}:\n")
        cdn = f'    cdn: {{kind: cloudflare, page: "{self.cdn.url}/", {options}}}\n'
        self.world.commit({path: f"{head}  {WEB}:\n{cdn}{tail}"}, "lastgood: the CDN")
        run(["git", "-C", self.world.laptop, "pull", "-q", "--ff-only"], env=self.world.env)

    def visited(self) -> bytes:
        """Customers come by: the CDN keeps what runs. Gives the page that they get."""
        page = self.customers("/")
        self.customers("/version.json")
        return page

    def customers(self, path: str) -> bytes:
        """What customers get by HTTP."""
        return fetch("GET", self.cdn.url + path).body

    def pages(self) -> tuple[bytes, bytes]:
        """What customers get, and what runs."""
        return self.customers("/"), fetch("GET", f"{self.world.url}/").body

    def serves(self, release: str) -> bool:
        """Whether the release runs by its digest, and git pins it."""
        tag = self.world.tag(WEB, release)
        runs = [one.digest for one in self.world.running(WEB)] == [self.world.digest(WEB, release)]
        return (self.world.serving(WEB), runs, self.world.pinned(WEB)) == (tag, True, tag)


@contextmanager
def site() -> Iterator[Site]:
    """A new world, whose bad release customers have been to."""
    with World.up(web=True) as world:
        found = Site(world)
        with found.cdn:
            world.ship(WEB, "good-1")
            world.ship(WEB, "good-2")
            world.ship(WEB, "blank")
            found.fronted()
            world.env[TOKEN] = found.cdn.TOKEN
            found.visited()
            yield found


def test_customers_must_get_the_good_page_and_a_cdn_in_trouble_must_neither_hide_nor_hold_up() -> None:
    with site() as web:
        bad = web.visited()
        assert web.pages() == (bad, bad)

        # The API hangs, then refuses: production goes back in time, and what customers get is not taken for good.
        purges: list[Asked] = []

        def hangs(asked: Asked) -> bool:
            purges.append(asked)
            return web.cdn.is_api(asked) and len([one for one in purges if web.cdn.is_api(one)]) == 1

        web.cdn.trouble, web.cdn.troubled, web.cdn.refuses = "silent", hangs, True
        begun = time.monotonic()
        said = web.shop.does(*ROLLBACK, ends=Exit.MITIGATED)
        assert time.monotonic() - begun < 60
        assert web.serves("good-2")
        assert web.customers("/") == bad
        assert "the CDN still serves something else" in said["what"]
        seen = web.shop.does("status", WEB, "prod")
        assert "customers still get something else" in seen["health_because"]
        assert seen["next"] == [f"lastgood resume {said['run']}   # purges it again"]
        assert web.shop.does(*ROLLBACK, ends=Exit.MITIGATED)["run"] == said["run"]

        # The token is mended, and a process killed around its purge: the next one brings customers the good page.
        web.cdn.refuses, web.cdn.delay = False, 1.0
        with begin(web.shop, "resume", said["run"]) as session:
            session.begun("1.purge")
            wait_until(lambda: bool(web.cdn.inside), "the purge has come", every=0.01)
            session.dies()
        web.cdn.delay = 0.0
        web.shop.does("resume", said["run"], ends=Exit.DONE)
        customers, runs = web.pages()
        assert customers == runs != bad
        assert web.serves("good-2")

        # All is well: one purge, before health is judged through the CDN; nothing holds the token.
        web.world.ship(WEB, "blank")
        web.cdn.shelf.purge()
        assert web.visited() == bad
        before = web.cdn.shelf.purged
        web.shop.does(*ROLLBACK, "--to", web.world.tag(WEB, "good-1"), ends=Exit.DONE)
        assert web.serves("good-1")
        customers, runs = web.pages()
        assert customers == runs != bad
        assert web.cdn.shelf.purged == before + 1
        state = Path(web.world.env["XDG_STATE_HOME"])
        assert not [path for path in state.rglob("*") if path.is_file() and web.cdn.TOKEN.encode() in path.read_bytes()]
