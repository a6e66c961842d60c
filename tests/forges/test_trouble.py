"""What goes wrong with GitHub, and that a reader gets the reason and nobody gets the token."""

from pathlib import Path

import pytest
from hub import PIN, TOKEN, Place, forge, known, reason

from lastgood import catalog
from lastgood.effects.http import PlainHttp
from lastgood.effects.process import LocalProcess
from lastgood.effects.secrets import LocalSecrets
from lastgood.forges.github import Options
from lastgood.model.facts import Fact, Unknown
from lastgood.model.forge import Protection
from lastgood.model.target import Adapter
from lastgood.ports import Line
from sandbox.github.server import GitHub
from sandbox.github.state import Rules
from tests.standin.held import not_held


def said(hub: GitHub, token: str = TOKEN) -> str:
    """The reason that every method gives, the same for all."""
    one = forge(hub, token)
    facts: list[Fact[object]] = [
        one.protected("main"),
        one.proposal("x", "main"),
        one.propose("x", "main", "t", "b"),
        one.bumps(PIN, "main"),
        one.flights("main"),
        one.checks("a" * 40),
    ]
    reasons = {reason(fact).replace(hub.url.removeprefix("http://"), "HOST") for fact in facts}
    assert len(reasons) == 1, reasons
    only = reasons.pop()
    assert not token or token not in only
    assert only.isprintable()
    return only


@pytest.mark.parametrize(
    ("outage", "words"),
    [
        (502, "HOST is in trouble itself (502)"),
        (503, "HOST is in trouble itself (503)"),
        (418, "HOST answered 418"),
        ("html", "HOST answered with something that is not what GitHub's API says; is it a proxy?"),
        ("broken", "HOST answered with something that is not what GitHub's API says; is it a proxy?"),
    ],
)
def test_an_outage_must_be_unknown_with_its_reason(hub: GitHub, outage: int | str, words: str) -> None:
    hub.outage = outage
    assert said(hub) == words


@pytest.mark.parametrize(
    ("status", "headers", "words"),
    [
        (403, {"Retry-After": "60"}, "HOST limits our requests (403); it may be asked again in 60 s"),
        (429, {"Retry-After": "7"}, "HOST limits our requests (429); it may be asked again in 7 s"),
        (
            403,
            {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1767322800"},
            "HOST limits our requests (403); it may be asked again at 2026-01-02 03:00 UTC",
        ),
        (403, {"X-Other": "1"}, "HOST limits our requests (403); wait a minute or more"),
        (429, {"Retry-After": "soon\t"}, "HOST limits our requests (429); wait a minute or more"),
    ],
)
def test_a_rate_limit_must_say_when_to_ask_again(hub: GitHub, status: int, headers: dict[str, str], words: str) -> None:
    hub.limited, hub.limit_status = headers, status
    assert said(hub) == words


def test_a_token_that_ended_must_be_told_and_not_shown(hub: GitHub) -> None:
    assert said(hub, "ghp_expired") == "HOST refused the token (401): it is expired, revoked or not one"


def test_a_server_that_is_gone_must_be_unknown(hub: GitHub) -> None:
    assert reason(forge(hub, url="http://127.0.0.1:1").protected("main")) == "127.0.0.1:1: connection refused"


def test_a_silent_server_must_be_left_at_the_time_limit(hub: GitHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lastgood.forges._github_api._TIMEOUT", 0.3)
    hub.outage = "silent"
    with not_held():
        assert reason(forge(hub).protected("main")).endswith("no answer within 0.3 s")


def test_a_renamed_repo_must_be_followed_also_for_writing(place: Place, hub: GitHub) -> None:
    hub.moved = ("old/name",)
    place.commit("lastgood/run-1", {PIN: "tag: sha-0\n"}, "back")
    one = forge(hub, repo="old/name")
    made = known(one.propose("lastgood/run-1", "main", "t", "b"))
    assert known(one.proposal("lastgood/run-1", "main")) is not None
    assert (len(hub.state.pulls), getattr(made, "number", 0)) == (1, 1)
    assert known(one.checks(place.first, repo="old/name")) is not None


def test_a_redirect_to_another_server_must_not_get_the_token(hub: GitHub, place: Place) -> None:
    with GitHub(place.remote) as other:
        hub.moved, hub.elsewhere = ("old/name",), other.url
        assert "sends us to another server" in reason(forge(hub, repo="old/name").protected("main"))
        assert other.log == []


def test_enterprise_server_must_be_asked_at_its_own_addresses(place: Place, hub: GitHub) -> None:
    place.commit("bump", {PIN: "tag: sha-9\n"}, "bump")
    hub.state.open_pull("bump", "main", "Bump")
    one = forge(hub, url=hub.enterprise)
    assert known(one.protected("main")) is not None
    assert len(known(one.bumps(PIN, "main"))) == 1  # type: ignore[arg-type] # a tuple, as its type says
    assert {path.split("?")[0] for _, path in hub.log} >= {"/api/v3/repos/shop/deploy", "/api/graphql"}


def test_a_public_repo_must_be_readable_without_a_token(hub: GitHub) -> None:
    assert "may not see it (404)" in reason(forge(hub, "").protected("main"))
    hub.state.private = False
    hub.state.rules["main"] = Rules(rules=("non_fast_forward",))
    assert isinstance(known(forge(hub, "").protected("main")), Protection)


def with_token(hub: GitHub, reference: str, env: dict[str, str] | None = None) -> Fact[Protection]:
    line = Line(PlainHttp(), LocalSecrets(LocalProcess(), env or {}), "https://github.com/shop/deploy")
    return catalog.forge(Adapter("github", Options(url=hub.url, token=reference)), line).protected("main")


def test_a_token_must_be_had_by_every_kind_of_reference(hub: GitHub, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    known(with_token(hub, "env:DEPLOY_TOKEN", {"DEPLOY_TOKEN": TOKEN}))
    known(with_token(hub, f"file:{tmp_path}/token"))
    known(with_token(hub, f"command:printf %s {TOKEN}"))
    known(with_token(hub, "", {"GH_TOKEN": TOKEN}))


def test_a_named_token_that_is_not_there_must_never_be_left_out(hub: GitHub, tmp_path: Path) -> None:
    hub.state.private = False
    (tmp_path / "two").write_text("ghp_a\nX-Injected: yes\n")
    (tmp_path / "spaced").write_text("ghp a\n")
    for reference, words in (
        ("env:NOT_SET", "the token env:NOT_SET is not set"),
        ("file:/nowhere/token", "the token cannot be had: file:/nowhere/token cannot be read: no such file"),
        ("command:false", "command:false failed: exit status 1"),
        ("command:printf '", "is no command line"),
        (f"file:{tmp_path}/two", "does not give one line of text"),
        (f"file:{tmp_path}/spaced", "does not give a token"),
    ):
        found = reason(with_token(hub, reference))
        assert words in found
        assert "ghp" not in found
    assert hub.log == []


def test_a_token_must_not_go_to_another_machine_in_the_open() -> None:
    line = Line(PlainHttp(), LocalSecrets(LocalProcess(), {"GITHUB_TOKEN": TOKEN}), "git@github.com:shop/deploy")
    one = catalog.forge(Adapter("github", Options(url="http://github.example/api/v3")), line)
    assert reason(one.protected("main")) == "the token is not sent to github.example, which is not https"


@pytest.mark.parametrize("remote", ["/srv/git/deploy.git", "git@github.com:deploy", "https://github.com/a/b/c", ""])
def test_a_remote_that_names_no_repo_must_be_unknown_with_what_to_set(hub: GitHub, remote: str) -> None:
    assert "set `repo` of `forge`" in reason(forge(hub, remote=remote).protected("main"))


def test_words_of_the_server_that_quote_the_token_must_be_blanked(hub: GitHub) -> None:
    refused = forge(hub).protected(f"x{TOKEN}y")
    assert isinstance(refused, Unknown)
    assert TOKEN not in refused.reason
