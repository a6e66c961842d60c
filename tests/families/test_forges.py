"""Conformance of the forges: whatever is configured and whatever the host does, a fact comes back; and the links."""

import inspect
from typing import Any, Protocol

import msgspec
import pytest

from lastgood import catalog
from lastgood.model.facts import Known, Unknown
from lastgood.model.forge import Bump, Proposal, ProposalState
from lastgood.model.remote import Remote
from lastgood.model.target import Adapter
from lastgood.ports import Forge, Line, Response

HOSTILE = ("--force", "../x", "$(x)", "a\nb", "\x1b[31m", "", "ä", "a" * 5000)
BUMP = Bump(1, "https://x", "t", "a", auto_merge=True, id="PR_1", method="MERGE")


class Strange:
    """Answers everything with the same bytes."""

    def __init__(self, status: int, body: bytes) -> None:
        self.answer = Response(status, {"location": "//elsewhere", "link": '<:>; rel="next"'}, body, 0.1)

    def ask(self, url: str, **said: object) -> Known[Response]:
        assert url.isascii()
        assert not any(char <= " " for char in url)
        assert isinstance(said.get("timeout"), float)
        return Known(self.answer)


class Token:
    @staticmethod
    def read(reference: str) -> str:
        assert reference
        return "secret-token"


def made(kind: str, remote: str, http: Any = None) -> Forge:
    options = catalog.options("forges", kind)()
    return catalog.forge(Adapter(kind, options), Line(http or Strange(200, b"[]"), Token(), remote))


@pytest.fixture(params=catalog.kinds("forges"))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_options_must_be_strict_frozen_and_have_every_default(kind: str) -> None:
    options = catalog.options("forges", kind)
    assert options.__struct_config__.frozen
    assert options.__struct_config__.forbid_unknown_fields
    assert all(not field.required for field in msgspec.structs.fields(options))


def test_every_method_of_the_port_must_be_there_with_its_signature(kind: str) -> None:
    assert issubclass(Forge, Protocol)  # type: ignore[arg-type] # a protocol, as its definition says
    member = made(kind, "git@github.com:shop/deploy.git")
    for name, method in inspect.getmembers(Forge, inspect.isfunction):
        if not name.startswith("_"):
            theirs = inspect.signature(getattr(type(member), name))
            assert list(theirs.parameters) == list(inspect.signature(method).parameters), name


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"null", b"<html>", b'{"data": null}', b"\xff\xfe", b"[[[["])
@pytest.mark.parametrize("status", [200, 201, 204, 301, 307, 400, 401, 403, 404, 422, 500])
def test_any_answer_must_end_in_a_fact_without_the_secret(kind: str, status: int, body: bytes) -> None:
    for remote in ("git@github.com:shop/deploy.git", "https://u:p4ss@host/x/y", "/srv/repo", ""):
        one = made(kind, remote, Strange(status, body))
        facts = (
            one.protected("main"),
            one.propose("h", "main", "t", "b"),
            one.proposal("h", "main"),
            one.bumps("values.yaml", "main"),
            one.flights("main"),
            one.checks("a" * 40),
            one.pause(BUMP),
            one.unpause(BUMP),
        )
        for fact in facts:
            assert isinstance(fact, Known | Unknown)
            assert "secret-token" not in repr(fact)
            assert "p4ss" not in repr(fact)


@pytest.mark.parametrize("word", HOSTILE)
def test_hostile_words_must_stay_words(kind: str, word: str) -> None:
    one = made(kind, "git@github.com:shop/deploy.git", Strange(404, b"{}"))
    for fact in (one.protected(word), one.propose(word, word, word, word), one.bumps(word, word), one.checks(word)):
        assert isinstance(fact, Known | Unknown)
        shown = fact.reason if isinstance(fact, Unknown) else f"{getattr(fact.value, 'because', '')}"
        assert shown.isprintable()


@pytest.mark.parametrize(
    ("address", "remote"),
    [
        ("git@github.com:shop/deploy.git", Remote("ssh", "github.com", 0, "shop/deploy")),
        ("github.com:shop/deploy", Remote("ssh", "github.com", 0, "shop/deploy")),
        ("ssh://git@ssh.github.com:443/shop/deploy.git", Remote("ssh", "ssh.github.com", 443, "shop/deploy")),
        ("https://x-access-token:t0ken@GitHub.com/shop/deploy.git/", Remote("https", "github.com", 0, "shop/deploy")),
        ("git+ssh://git@host/~kim/deploy", Remote("ssh", "host", 0, "~kim/deploy")),
        ("https://git.example:8443/a/b/c/d.git", Remote("https", "git.example", 8443, "a/b/c/d")),
        ("ssh://[::1]:2222/shop/deploy", Remote("ssh", "[::1]", 2222, "shop/deploy")),
        ("/srv/git/deploy.git", None),
        ("./deploy.git", None),
        ("../github.com:x", None),
        ("file:///srv/github.com/deploy", None),
        ("https://evil.example/#@github.com/x", Remote("https", "evil.example", 0, "#@github.com/x")),
        ("https://github.com", None),
        ("git@git hub.com:x/y", None),
        ("git@-oProxyCommand=x:y/z", None),
        ("", None),
    ],
)
def test_a_remotes_address_must_be_read_as_git_reads_it(address: str, remote: Remote | None) -> None:
    assert Remote.parse(address) == remote


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("git@github.com:shop/deploy.git", "github"),
        ("ssh://git@ssh.github.com:443/shop/deploy.git", "github"),
        ("https://github.com.evil.example/shop/deploy", "link"),
        ("https://gitlab.com/shop/deploy.git", "link"),
        ("/srv/github.com/deploy.git", "link"),
    ],
)
def test_the_kind_must_follow_from_the_remotes_host(address: str, kind: str) -> None:
    assert catalog.forge_kind(address) == kind
    assert type(catalog.forge(None, Line(Strange(200, b""), Token(), address))) is type(made(kind, address))


HEAD = "lastgood/run-1"


@pytest.mark.parametrize(
    ("address", "url"),
    [
        (
            "git@gitlab.com:group/sub/deploy.git",
            (
                "https://gitlab.com/group/sub/deploy/-/merge_requests/new?merge_request%5Bsource_branch%5D=lastgood%2Frun-1"
                "&merge_request%5Btarget_branch%5D=main&merge_request%5Btitle%5D=back+to+sha-0"
            ),
        ),
        (
            "ssh://git@codeberg.org:22/shop/deploy.git",
            "https://codeberg.org/shop/deploy/compare/main...lastgood/run-1",
        ),
        (
            "http://gitea.shop.example:3000/shop/deploy",
            "http://gitea.shop.example:3000/shop/deploy/compare/main...lastgood/run-1",
        ),
        (
            "https://kim@bitbucket.org/shop/deploy.git",
            "https://bitbucket.org/shop/deploy/pull-requests/new?source=lastgood%2Frun-1&dest=main",
        ),
        (
            "ssh://git@bitbucket.shop.example:7999/ops/deploy.git",
            (
                "https://bitbucket.shop.example/projects/ops/repos/deploy/pull-requests?create"
                "&sourceBranch=refs%2Fheads%2Flastgood%2Frun-1&targetBranch=refs%2Fheads%2Fmain"
            ),
        ),
        (
            "https://bitbucket.shop.example/scm/ops/deploy.git",
            (
                "https://bitbucket.shop.example/projects/ops/repos/deploy/pull-requests?create"
                "&sourceBranch=refs%2Fheads%2Flastgood%2Frun-1&targetBranch=refs%2Fheads%2Fmain"
            ),
        ),
        (
            "git@github.com:shop/deploy.git",
            "https://github.com/shop/deploy/compare/main...lastgood%2Frun-1?expand=1&title=back+to+sha-0",
        ),
    ],
)
def test_a_link_must_open_the_hosts_own_form(address: str, url: str) -> None:
    found = made("link", address).propose(HEAD, "main", "back to sha-0", "body")
    assert found == Known(Proposal(0, url, ProposalState.BY_HAND, auto_merge=False, because="open it there"))


@pytest.mark.parametrize("address", ["git@git.shop.example:shop/deploy.git", "/srv/git/deploy.git"])
def test_an_unknown_host_must_be_told_by_the_branches_names(address: str) -> None:
    found = made("link", address).propose(HEAD, "main", "t", "b")
    because = "ask to have branch lastgood/run-1 merged into main"
    assert found == Known(Proposal(0, "", ProposalState.BY_HAND, auto_merge=False, because=because))


def test_a_host_that_was_named_must_be_linked_at_the_address_people_browse() -> None:
    options = catalog.options("forges", "link")(software="gitea", web="https://code.shop.example/git/")
    one = catalog.forge(Adapter("link", options), Line(Strange(200, b""), Token(), "git@10.0.0.7:shop/deploy.git"))
    found = one.propose(HEAD, "main", "t", "b")
    assert isinstance(found, Known)
    assert found.value.url == "https://code.shop.example/git/shop/deploy/compare/main...lastgood/run-1"
