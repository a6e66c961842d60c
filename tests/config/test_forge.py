"""`forge` in `lastgood.yaml`: what it says reaches the target, and a secret written there is never repeated."""

import pytest

from lastgood.config.load import load
from lastgood.forges import github, link
from lastgood.model.errors import ConfigError
from lastgood.model.target import Adapter

BASE = "environments: {prod: {}}\nservices: {shop: {probes: [{kind: container}]}}\n"


def forge(text: str) -> Adapter | None:
    return load(f"{BASE}{text}\n".encode(), "lastgood.yaml").target("shop", "prod", "").forge


def test_a_file_without_a_forge_must_leave_it_to_the_remotes_address() -> None:
    config = load(BASE.encode(), "lastgood.yaml")
    target = config.target("shop", "prod", "")
    assert target.forge is None
    assert ("forge.kind", "by the remote's address", "default") in config.explain(target)


def test_a_forge_must_be_what_the_file_says() -> None:
    assert forge("forge: {kind: github, repo: a/b, url: 'https://git.example/api/v3', token: 'file:~/t'}") == Adapter(
        "github",
        github.Options(repo="a/b", url="https://git.example/api/v3", token="file:~/t"),  # noqa: S106 - a reference
    )
    assert forge("forge: {kind: link, software: gitea}") == Adapter("link", link.Options(software="gitea"))


def test_explain_must_name_the_place_and_only_the_reference_of_a_token() -> None:
    config = load(f"{BASE}forge: {{kind: github, token: 'env:T'}}\n".encode(), "lastgood.yaml")
    found = config.explain(config.target("shop", "prod", ""))
    assert ("forge.token", "env:T", "lastgood.yaml $.forge.token") in found
    assert ("forge.url", "https://api.github.com", "default") in found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("forge: {token: 'env:T'}", "lastgood.yaml:3 $.forge: kind is missing or no text; one of: github, link"),
        (
            "forge: {kind: githab}",
            "lastgood.yaml:3 $.forge.kind: there is no forge kind 'githab'; did you mean github?",
        ),
        ("forge: {kind: github, tokn: x}", "lastgood.yaml:3 $.forge.tokn: unknown key; did you mean token?"),
        ("forge: {kind: github, repo: a/b/c}", "lastgood.yaml:3 $.forge: repo must be owner/name"),
        ("forge: {kind: github, repo: ../b}", "lastgood.yaml:3 $.forge: repo must be owner/name"),
        ("forge: {kind: link, software: svn}", "lastgood.yaml:3 $.forge.software: 'svn' is not known"),
    ],
)
def test_a_wrong_forge_must_be_an_error_at_its_place(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        forge(text)
    assert raised.value.what.startswith(message)


@pytest.mark.parametrize("key", ["token: ghp_s3cret", "url: 'https://u:ghp_s3cret@git.example'"])
def test_a_secret_in_the_file_must_be_refused_and_not_repeated(key: str) -> None:
    with pytest.raises(ConfigError) as raised:
        forge(f"forge: {{kind: github, {key}}}")
    assert "s3cret" not in f"{raised.value} {raised.value.because} {raised.value.next}"
