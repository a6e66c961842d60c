"""A difference as it may be shown: secrets only as changed or unchanged, encrypted files by their keys."""

import random

import pytest
import sops

from lastgood.git.shown import difference


def shown(old: str, new: str) -> list[str]:
    return [line for line in difference(old.encode(), new.encode()) if not line.startswith("@@")]


def test_a_secret_that_changed_must_be_told_to_have_changed() -> None:
    assert shown("a: 1\npassword: hunter2\n", "a: 1\npassword: hunter3\n") == [
        " a: 1",
        "-password: (changed)",
        "+password: (changed)",
    ]


def test_a_secret_that_comes_or_goes_must_be_told() -> None:
    assert shown("a: 1\n", "a: 1\nTOKEN: x\n") == [" a: 1", "+TOKEN: (added)"]
    assert shown("a: 1\nTOKEN: x\n", "a: 1\n") == [" a: 1", "-TOKEN: (removed)"]


def test_a_secret_beside_a_change_must_be_told_to_be_unchanged() -> None:
    assert shown("a: 1\ndb_password: x\n", "a: 2\ndb_password: x\n") == ["-a: 1", "+a: 2", " db_password: (unchanged)"]


def test_a_secret_that_only_moved_must_be_told_to_be_unchanged() -> None:
    lines = shown("db:\n  secret: x\nweb: 1\n", "db:\n    secret: x\nweb: 1\n")
    assert lines == [" db:", "-  secret: (unchanged)", "+    secret: (unchanged)", " web: 1"]


@pytest.mark.parametrize(
    "text",
    [
        "tls_private: |\n  S3CRET line\n  S3CRET more\n",
        "passwords:\n  admin: S3CRET\n  list:\n    - S3CRET\n",
        "passwords:\n# a note\n  admin: S3CRET\n",
        "tokens:\n- S3CRET\n- S3CRET\n",
        "env:\n  - name: DB_PASSWORD\n    value: S3CRET\n",
        'A_SECRET="S3CRET\nS3CRET"\nB=1\n',
        "cert: |\n  -----BEGIN RSA PRIVATE KEY-----\n  S3CRET\n  -----END RSA PRIVATE KEY-----\n",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nS3CRET\n-----END OPENSSH PRIVATE KEY-----\n",
        '{"password": "S3CRET", "token": "S3CRET"}\n',
        '{\n  "db": {\n    "password": "S3CRET"\n  }\n}\n',
        "db: {user: shop, password: S3CRET}\n",
        "command: serve --password=S3CRET --port 1\n",
        "command: serve --password S3CRET --port 1\n",
        'command: ["serve", "--api-key", "S3CRET"]\n',
        "command:\n  - --password\n  - S3CRET\n",
        "DATABASE_URL=postgres://shop:S3CRET@db/shop\n",
        "db: postgres://shop:S3CRET@db/shop\n",
        "# DB_PASSWORD=S3CRET\n",
        "[passwords]\nadmin = S3CRET\n",
        "export API_KEY=S3CRET\n",
        "header: 'Authorization: Bearer S3CRETS3CRET'\n",
        "dbPass: S3CRET\n",
        "secrets:\n  [S3CRET]\n",
        "<db><password>S3CRET</password></db>\n",
        "passwords:\n- \n- S3CRET\n",
    ],
)
def test_no_secret_must_be_in_a_difference(text: str) -> None:
    for old, new in ((text, ""), ("", text), (text, text.replace("S3CRET", "S3CRET2")), (text + "z: 1\n", text)):
        found = "\n".join(shown(old, new))
        assert found
        assert "S3CRET" not in found


@pytest.mark.parametrize(
    "line",
    [
        "image: registry.example/token-service:sha-1",
        "image: auth-token:sha-1",
        "tag: sha-1a2b3c4",
        "url: https://shop.example/compass?x=1",
        "max_key_length: 3",
        "password_file: /run/secrets/db",
        "replicas: 2",
        "flow: {password: true, level: 1}",
    ],
)
def test_what_is_no_secret_must_be_shown(line: str) -> None:
    assert shown("", line + "\n") == [f"+{line}"]


def test_a_difference_must_otherwise_be_that_of_difflib() -> None:
    from difflib import unified_diff

    rng = random.Random(7)  # noqa: S311 - a test's own choice of lines
    for _ in range(200):
        old, new = ([rng.choice("abcde") for _ in range(rng.randrange(20))] for _ in range(2))
        want = tuple(unified_diff(old, new, lineterm=""))[2:]
        assert difference("\n".join(old).encode(), "\n".join(new).encode()) == want


BEFORE = {"password": "hunter2", "user": "shop", "old": "x"}
AFTER = {"password": "hunter3", "user": "shop", "new": "y"}
KEYS = {"~ db.password: (changed)", "~ db.old: (removed)", "~ db.new: (added)"}


@pytest.mark.parametrize("form", [sops.yaml, sops.document, sops.ini, lambda v: sops.document(v, indent=None)])
def test_of_an_encrypted_file_only_its_keys_must_be_shown(form: object) -> None:
    assert callable(form)
    head, *keys = difference(form(BEFORE), form(AFTER))
    assert set(keys) == KEYS
    assert head.startswith("~ encrypted by SOPS, moved whole and not decrypted; keys: 3 (changed), ")


def test_keys_of_an_encrypted_env_file_must_be_shown() -> None:
    assert set(difference(sops.dotenv(BEFORE), sops.dotenv(AFTER))[1:]) == {k.replace("db.", "") for k in KEYS}


def test_a_change_of_who_can_decrypt_must_be_told() -> None:
    said = difference(sops.yaml(BEFORE, "age1ops"), sops.yaml(BEFORE, "age1former"))
    assert said[1:] == ("~ sops.age: (changed)",)
    assert "age1former" not in str(said)


def test_a_file_that_goes_back_to_plain_text_must_be_told_without_its_values() -> None:
    said = difference(sops.yaml(BEFORE), b"db:\n    password: hunter2\n")
    assert "no longer encrypted" in said[0]
    assert "hunter2" not in str(said)


@pytest.mark.parametrize("form", [sops.yaml, sops.dotenv, sops.ini, sops.document])
def test_no_ciphertext_must_be_shown(form: object) -> None:
    assert callable(form)
    for old, new in ((form(BEFORE), form(AFTER)), (form(BEFORE), b""), (b"", form(BEFORE))):
        assert "ENC[" not in str(difference(old, new))


def test_hostile_keys_must_not_reach_the_reader_as_they_are() -> None:
    evil = b"\x1b[2Jx: ENC[a]\n" + b"[" * 3000 + b"\nsops:\n    mac: x\n"
    assert "\x1b" not in str(difference(b"", evil))
