import base64
import json
import time
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastgood.model.secretive import looks_secret
from lastgood.record.redact import redact, redact_inspect, secrets, secrets_of_inspect

PASSWORD = 'p@ss/w0rd+"ü\n!'  # noqa: S105 - made up


@pytest.mark.parametrize(
    "name",
    [
        "POSTGRES_PASSWORD", "PGPASSWORD", "db.passwd", "JWT_SECRET", "githubToken", "API_KEY", "api-key", "APIKEY",
        "AWS_SECRET_ACCESS_KEY", "PRIVATE_KEY", "GOOGLE_CREDENTIALS", "SENTRY_DSN", "DSN", "DB_PASS", "SIGNING_KEY",
    ],
)  # fmt: skip
def test_names_of_secrets_must_be_known(name: str) -> None:
    assert looks_secret(name, "hunter22")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PATH", "/usr/bin"),
        ("MONKEY", "banana"),
        ("PRIMARY_KEYS", "id"),
        ("POSTGRES_PASSWORD_FILE", "/run/secrets/db"),
        ("USE_TOKEN", "true"),
        ("COMPASS", "north"),
        ("HOSTNAME", "passau"),
    ],
)
def test_other_names_must_be_left_alone(name: str, value: str) -> None:
    assert not looks_secret(name, value)


def test_secrets_must_be_taken_from_names_and_from_urls() -> None:
    found = secrets(
        iter(
            [
                ("DB_PASSWORD", "hunter22"),
                ("PIN_TOKEN", "abc"),
                ("DATABASE", "postgres://app:s3%40cret@db/app"),
                ("LANG", "C.UTF-8"),
            ]
        )
    )
    assert found == {"hunter22", "s3%40cret", "s3@cret"}


def test_secrets_of_an_inspect_must_be_found_wherever_they_stand() -> None:
    document = [
        {
            "Config": {
                "Env": ["POSTGRES_PASSWORD=from env", "A=B"],
                "Cmd": ["serve", "--api-key", "from-cmd", "--db-password=from-arg"],
                "Labels": {"auth.token": "from-label"},
            },
            "Args": ["redis://:from-url@cache:6379/0"],
        }
    ]
    found = secrets_of_inspect(json.dumps(document).encode())
    assert found == {"from env", "from-cmd", "from-arg", "from-label", "from-url"}


@pytest.mark.parametrize("content", [b"", b"Error: no such object", b"\xff", b"[" * 100_000])
def test_what_is_no_inspect_must_be_refused(content: bytes) -> None:
    for read in (secrets_of_inspect, redact_inspect):
        with pytest.raises(ValueError, match="not the JSON"):
            read(content)


@pytest.mark.parametrize(
    "form",
    [
        PASSWORD.encode(),
        quote(PASSWORD, safe="").encode(),
        quote(PASSWORD, safe="").lower().encode(),
        json.dumps(PASSWORD).encode(),
        json.dumps(PASSWORD, ensure_ascii=False).encode(),
    ],
)
def test_a_known_secret_must_be_masked_in_every_spelling(form: bytes) -> None:
    text, kinds = redact(b"\xffconnecting with " + form + b" now", [PASSWORD])
    assert text.startswith(b"\xffconnecting with")
    assert b"w0rd" not in text
    assert "known secret" in kinds


@pytest.mark.parametrize("before", ["", "u", "us", "user:"])
def test_a_known_secret_must_be_masked_inside_base64(before: str) -> None:
    encoded = base64.b64encode(f"{before}hunter22-and-more".encode()) + b" end"
    text, kinds = redact(encoded, ["hunter22-and-more"])
    assert b"<redacted>" in text
    assert kinds == ("known secret",)
    assert b"aHVudGVy" not in text


@pytest.mark.parametrize(
    ("line", "gone", "kind"),
    [
        ("Authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz", "authorization header"),
        ('{"authorization": "token abcdefgh"}', "abcdefgh", "authorization header"),
        ("got Bearer abc.def-ghi_jkl from", "abc.def", "bearer token"),
        ("Set-Cookie: sid=abcdef; Path=/", "abcdef", "cookie"),
        ("key AKIAIOSFODNN7EXAMPLE used", "AKIAIOSFODNN7EXAMPLE", "AWS key"),
        ("push with ghp_" + "a1" * 18, "ghp_a1", "GitHub token"),
        ("push with github_pat_" + "a1_" * 12, "github_pat_a1", "GitHub token"),
        ("npm npm_" + "a1" * 18, "npm_a1", "service token"),
        *(
            (f"with {begins}{'a1B2' * 10}", f"{begins}a1B2", "service token")
            for begins in ("glsa_", "glc_", "GOCSPX-", "sntrys_", "ATATT3xF", "ATBB", "tskey-auth-", "pscale_tkn_",
                           "NRAK-", "doo_v1_", "glptt-", "glcbt-", "x" * 14 + ".atlasv1.")
        ),
        ("redis-cli -h cache -a hunter2 ping", "hunter2", "login on a command line"),
        ("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIx.c2ln", "eyJhbGci", "JSON web token"),
        ("dial postgres://app:s3cret@db:5432/x", "s3cret", "password in a URL"),
        ("start with DB_PASSWORD=s3cret and go", "s3cret", "value of a secret name"),
        ("password = 'two words'", "two words", "value of a secret name"),
        ("      POSTGRES_PASSWORD: s3cret", "s3cret", "value of a secret name"),
        ('{"user":"x","password":"s3 \\" cret"}', "cret", "value of a secret name"),
        ("GET /login?token=s3cret&x=1", "s3cret", "value of a secret name"),
    ],
)  # fmt: skip
def test_what_looks_like_a_credential_must_be_masked(line: str, gone: str, kind: str) -> None:
    text, kinds = redact(line.encode(), [])
    assert gone.encode() not in text
    assert b"<redacted>" in text
    assert kind in kinds


@pytest.mark.parametrize(
    "line",
    [
        "config error: DB_PASSWORD: required but not set",
        "GET /api/health 500 in 12ms",
        "http://registry:4873/@scope/pkg",
        "image ghcr.io/axinova/home:sha-1a2b3c@sha256:" + "ab" * 32,
        "user=ann host=db port=5432",
    ],
)
def test_what_a_diagnosis_needs_must_stay(line: str) -> None:
    assert redact(line.encode(), []) == (line.encode(), ())


def test_secrets_that_are_no_valid_text_must_be_masked_too() -> None:
    assert redact(b"a \xffabcd b", ["\udcffabcd"])[0] == b"a <redacted> b"
    assert redact(b"a \\ud800abcd b", ["\ud800abcd"])[0] == b"a <redacted> b"


def test_private_keys_must_go_whole_also_when_cut_off_or_escaped() -> None:
    key = b"-----BEGIN RSA PRIVATE KEY-----\nMIIEsecret\nMIIEmore\n-----END RSA PRIVATE KEY-----"
    assert redact(b"a " + key + b" b", []) == (b"a <redacted> b", ("private key",))
    assert redact(b"a " + key[:50], [])[0] == b"a <redacted>"
    assert redact(b"a " + key.replace(b"\n", b"\\n") + b" b", [])[0] == b"a <redacted> b"
    certificate = b"-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----"
    assert redact(certificate, []) == (certificate, ())


def test_an_inspect_must_keep_its_shape_and_lose_its_secrets() -> None:
    document = [
        {
            "Name": "/api",
            "RestartCount": 3,
            "Config": {
                "Env": ["DB_PASSWORD=abc", "JWT_SECRET=hunter22", "DSN=", "LANG=C", "URL=postgres://a:pw12@db/x"],
                "Cmd": ["serve", "--token", "hunter33"],
                "Labels": {"api.token": "hunter44", "plain": "uses hunter22 inside"},
            },
        }
    ]
    masked = redact_inspect(json.dumps(document).encode())
    assert msgspec.json.decode(masked) == [
        {
            "Name": "/api",
            "RestartCount": 3,
            "Config": {
                "Env": [
                    "DB_PASSWORD=<redacted>",
                    "JWT_SECRET=<redacted>",
                    "DSN=",
                    "LANG=C",
                    "URL=postgres://a:<redacted>@db/x",
                ],
                "Cmd": ["serve", "--token", "<redacted>"],
                "Labels": {"api.token": "<redacted>", "plain": "uses <redacted> inside"},
            },
        }
    ]


@given(
    st.lists(st.text(min_size=4).filter(lambda each: each not in "<redacted>"), max_size=4),
    st.lists(st.text(), min_size=1, max_size=6),
    st.data(),
)
def test_no_known_secret_must_ever_be_left(known: list[str], around: list[str], data: st.DataObject) -> None:
    parts = [part + (data.draw(st.sampled_from(known)) if known else "") for part in around]
    known = [each for each in known if not set(each) & set("<redacted>")]
    text, _ = redact("".join(parts).encode(errors="surrogatepass"), known)
    assert not [each for each in known if each.encode(errors="surrogatepass") in text]


@pytest.mark.parametrize(
    "piece",
    [
        b"-----BEGIN PRIVATE KEY-----",
        b"a" * 100,
        b"a://b:",
        b"password=",
        b'"',
        b"Bearer ",
        b"://" + b"x:" * 30,
        b"a.b-",
    ],
)
def test_hostile_output_must_not_take_more_than_its_length(piece: bytes) -> None:
    text = piece * (500_000 // len(piece))
    begun = time.process_time()
    redact(text, ["hunter22"])
    assert time.process_time() - begun < 20
