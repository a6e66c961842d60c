"""`DockerCredentials` on real files and real helper programs: a login that cannot be had is never "no login"."""

import base64
import json
import os
from pathlib import Path

import pytest

from lastgood.effects.credentials import DockerCredentials
from lastgood.effects.process import LocalProcess


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def auth(user: str, password: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.fixture
def credentials(tmp_path: Path) -> DockerCredentials:
    return DockerCredentials(LocalProcess(), str(tmp_path))


def write(folder: Path, config: object) -> None:
    (folder / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))


def helper(folder: Path, name: str, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program = folder / f"docker-credential-{name}"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_without_a_configuration_there_must_be_no_login(credentials: DockerCredentials) -> None:
    assert credentials.basic("ghcr.io") is None


@pytest.mark.parametrize("key", ["ghcr.io", "https://ghcr.io", "https://ghcr.io/v1/", "http://ghcr.io/v2/"])
def test_a_login_in_the_file_must_be_found_however_its_key_is_written(
    tmp_path: Path, credentials: DockerCredentials, key: str
) -> None:
    write(tmp_path, {"auths": {"example.org": auth("no", "no"), key: auth("me", "p:w")}, "psFormat": "x"})
    assert credentials.basic("ghcr.io") == basic("me", "p:w")
    assert credentials.basic("other.io") is None


@pytest.mark.parametrize("key", ["https://index.docker.io/v1/", "docker.io", "index.docker.io"])
def test_docker_hubs_own_key_must_be_known(tmp_path: Path, credentials: DockerCredentials, key: str) -> None:
    write(tmp_path, {"auths": {key: auth("me", "pw")}})
    assert credentials.basic("docker.io") == basic("me", "pw")


def test_a_user_and_password_in_plain_fields_must_be_used(tmp_path: Path, credentials: DockerCredentials) -> None:
    write(tmp_path, {"auths": {"a.io": {"username": "me", "password": "pw"}, "b.io": {}}})
    assert credentials.basic("a.io") == basic("me", "pw")
    assert credentials.basic("b.io") is None


def test_a_helper_must_be_asked_for_the_host_on_stdin_and_only_once(
    tmp_path: Path, credentials: DockerCredentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = f'cat >> {tmp_path}/asked; echo "$@" >> {tmp_path}/asked; echo \'{{"Username":"me","Secret":"pw"}}\''
    helper(tmp_path, "test", script, monkeypatch)
    write(tmp_path, {"auths": {"ghcr.io": auth("not", "this")}, "credHelpers": {"ghcr.io": "test"}})
    assert credentials.basic("ghcr.io") == basic("me", "pw")
    assert credentials.basic("ghcr.io") == basic("me", "pw")
    assert (tmp_path / "asked").read_text() == "ghcr.ioget\n"


def test_the_general_store_must_be_asked_for_docker_hub_by_its_key(
    tmp_path: Path, credentials: DockerCredentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper(tmp_path, "store", f'cat > {tmp_path}/asked; echo \'{{"Username":"me","Secret":"pw"}}\'', monkeypatch)
    write(tmp_path, {"credsStore": "store", "credHelpers": {"ghcr.io": "absent"}})
    assert credentials.basic("docker.io") == basic("me", "pw")
    assert (tmp_path / "asked").read_text() == "https://index.docker.io/v1/"


def test_a_helper_that_has_nothing_must_mean_no_login(
    tmp_path: Path, credentials: DockerCredentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper(tmp_path, "none", "echo 'credentials not found in native keychain'; exit 1", monkeypatch)
    write(tmp_path, {"credsStore": "none"})
    assert credentials.basic("ghcr.io") is None


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("echo 'keychain is locked'; exit 1", "credential helper bad failed: keychain is locked"),
        ("echo boom >&2; exit 2", "credential helper bad failed: docker-credential-bad: boom"),
        ("printf '\\033[2Jgone'; exit 1", "credential helper bad failed: \\x1b[2Jgone"),
        ("echo nonsense", "credential helper bad failed: its answer is not a login"),
        ('echo \'{"Username":"<token>","Secret":"s3cret"}\'', "identity token"),
        ('echo \'{"Secret":"s3cret"}\'; exit 1', "credential helper bad failed"),
    ],
)
def test_a_helper_that_fails_must_raise_and_never_show_a_secret(
    tmp_path: Path, credentials: DockerCredentials, monkeypatch: pytest.MonkeyPatch, script: str, expected: str
) -> None:
    helper(tmp_path, "bad", script, monkeypatch)
    write(tmp_path, {"credsStore": "bad"})
    with pytest.raises(OSError, match=r"credential helper|identity token") as raised:
        credentials.basic("ghcr.io")
    assert expected in str(raised.value)
    assert "s3cret" not in str(raised.value)


def test_a_helper_that_is_not_installed_must_raise(tmp_path: Path, credentials: DockerCredentials) -> None:
    write(tmp_path, {"credsStore": "not-installed"})
    with pytest.raises(OSError, match="credential helper not-installed failed"):
        credentials.basic("ghcr.io")


@pytest.mark.parametrize("name", ["../../bin/sh", "a b", "--x", "a\nb"])
def test_a_helpers_name_must_not_lead_elsewhere(tmp_path: Path, credentials: DockerCredentials, name: str) -> None:
    write(tmp_path, {"credsStore": name})
    with pytest.raises(OSError, match="no proper name"):
        credentials.basic("ghcr.io")


@pytest.mark.parametrize(
    "config",
    [
        "{",
        '{"auths": []}',
        {"auths": {"ghcr.io": {"auth": "!!s3cret"}}},
        {"auths": {"ghcr.io": {"auth": "bm9jb2xvbg=="}}},
        {"auths": {"ghcr.io": {"identitytoken": "s3cret"}}},
    ],
)
def test_a_configuration_that_cannot_be_used_must_raise(
    tmp_path: Path, credentials: DockerCredentials, config: object
) -> None:
    write(tmp_path, config)
    with pytest.raises(OSError, match=r"Docker's configuration|identity token") as raised:
        credentials.basic("ghcr.io")
    assert "s3cret" not in str(raised.value)
