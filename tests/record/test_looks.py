"""Credentials that nobody told of: by the names beside them, where they stand, or their own form."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lastgood.journal.store import Journal
from lastgood.model.errors import Exit
from lastgood.model.event import Kept, Resumed, RunEnded, Said, StepDone, StepFailed
from lastgood.record.keeper import RedactingKeeper
from lastgood.record.redact import redact, redact_inspect
from lastgood.recording import packed
from lastgood.run.evidence import discreet
from lastgood.wiring import Places
from tests.journal.sample import begun

S = "Zk9-tR7qLmX2vB4wYs8p"  # gitleaks:allow
AROUND = (
    # headers
    f"Authorization: Basic {S}", f'{{"authorization":"Bearer {S}"}}', f"map[Authorization:[Bearer {S}] X:[y]]",
    f"X-Api-Key: {S}", f"12:00 GET / x-api-key: {S} ua=x", f"PRIVATE-TOKEN: {S}", f"X-Registry-Auth: {S}",
    f"Set-Cookie: sid={S}; Path=/", f'{{"cookie":["sid={S}; a=b"]}}', f"http.extraheader=AUTHORIZATION: basic {S}",
    # addresses
    f"https://{S}@github.com/x/y.git", f"https://x-access-token:{S}@github.com/x", f"redis://:{S}@cache:6379/0",
    f"GET /cb?access_token={S}&x=1", f"GET /cb?key={S}&x=1", f"GET /cb?code={S}&state=1", f"error: token={S}",
    f"https://b.blob.core.windows.net/x?sv=1&sig={S}%3D", f"https://s3/x?X-Amz-Signature={S}&X-Amz-Date=1",
    f"postgres%3A%2F%2Fu%3A{S}%40db", f"user:{S}@tcp(db:3306)/x", f"jdbc:postgresql://db/x?user=u&password={S}",
    # webhooks of chats
    f"https://hooks.slack.com/services/T000/B000/{S}", f"https://discord.com/api/webhooks/123456789/{S}",
    f"https://open.feishu.cn/open-apis/bot/v2/hook/{S}", f"https://open.larksuite.com/open-apis/bot/v2/hook/{S}",
    f"https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key={S}", f"https://x.webhook.office.com/webhookb2/{S}/a",
    f"https://oapi.dingtalk.com/robot/send?access_token={S}", f"https://api.telegram.org/bot123456789:AAF{S}/sendMessage",
    f"tgram://123456789:AAF{S}/1", f"mailto://user:{S}@mail.example",
    # command lines
    f"mysql --password {S} -h db", f"mysql -uroot -p{S}", f"tool --token={S}", f'["tool","--password","{S}"]',
    f"['tool', '--token', '{S}']", f"curl -u admin:{S} https://x", f"curl -b sid={S} https://x",
    f"docker login -u x -p {S} ghcr.io", f"sshpass -p {S} ssh x", f"PGPASSWORD={S} psql", f"export DB_PASSWORD={S}",
    # files
    f'{{"auths":{{"ghcr.io":{{"auth":"{S}"}}}}}}', f'{{"identitytoken":"{S}"}}', f'{{"tokens":["{S}"]}}',
    f"password: |\n  {S}\n", f"password:\n  {S}\n", f"- API_TOKEN={S}", f'  db_password: "{S}"',
    f"aws_secret_access_key = {S}",
    f"machine x login y password {S}", f"db:5432:x:u:{S}", f"AccountName=x;AccountKey={S}==;EndpointSuffix=core",
    f"Server=db;Uid=sa;Pwd={S};", f"SharedAccessKeyName=Root;SharedAccessKey={S}", f"<password>{S}</password>",
    # what programs say
    f"level=info token={S} msg=x", f'msg=x password="{S} abc"', f'{{"msg":"{{\\"password\\":\\"{S}\\"}}"}}',
    f"{{'password': '{S}'}}", f"{{Host:db Password:{S} Port:1}}", f'Config {{ password: "{S}", host: "x" }}',
    f':password=>"{S}"', f"'password' => '{S}'", f"ALTER USER x PASSWORD '{S}'", f"IDENTIFIED BY '{S}'",
    f"password is {S}", f"using password: {S} for x", f"\x1b[36mpassword\x1b[0m={S}", f"\x1b[36mtoken\x1b[0m: {S}",
    f"-----BEGIN OPENSSH PRIVATE KEY-----\n{S}\n-----END OPENSSH PRIVATE KEY-----",
    f"2026Z -----BEGIN PRIVATE KEY-----\n2026Z {S}\n2026Z -----END PRIVATE KEY-----",
)  # fmt: skip

A = "a1B2c3D4"
FORMS = (
    "sk_" + "live_" + A * 3, "rk_" + "live_" + A * 3, "sk_" + "test_" + A * 3, "whsec_" + A * 4, "sk-proj-" + A * 4,
    "sk-ant-api03-" + A * 4, "SG." + A * 3 + "." + A * 5, "glpat-" + A * 3, "xoxb-123456789012-" + A,
    "xapp-1-A1-" + A * 3,
    "npm_" + A * 4, "pypi-" + A * 4, "dckr_pat_" + A * 4, "hf_" + A * 4, "dop_v1_" + "a1b2c3d4" * 8, "hvs." + A * 3,
    "shpat_" + "a1b2c3d4" * 4, "key-" + "a1b2c3d4" * 4, "tk_" + "a1b2c3d4" * 4, "SK" + "a1b2c3d4" * 4,
    "AIza" + "SyA1234567890abcdefghijklmnopqrstuv", "AGE-SECRET-KEY-1" + "QPZRY9X8" * 7, "AKIA" + "IOSFODNN7EXAMPLE",
    "ghp_" + "a1" * 18, "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIx.c2ln", "$2y$05$abcdefghijklmnopqrstuu",
    "123456789:AA" + A * 5, "Basic dXNlcjpaazktdFI3cUxtWDI=",
)  # fmt: skip

HARMLESS = (
    "image=ghcr.io/axinova/auth:sha-1a2b3c4d5e", "pulling registry:4873/secret-manager:1.2.3 now",
    "ghcr.io/axinova/token-service:sha-1a2b3c4d5e@sha256:" + "ab" * 32, "API_KEY: field required (type=missing)",
    'pq: password authentication failed for user "app"', "invalid token at position 12",
    "Basic authentication required",
    "unexpected token < in JSON at position 0", "login failed for user 12345", "main.go:42:7:error:undefined",
    "app.py:1024:10:warn:unused", 'ERROR: relation "auth_tokens" does not exist', "error code=500 msg=x",
    'primary key constraint "users_pkey" violated', "Key (id)=(12345) already exists.", "sk-some-long-name-of-a-thing",
    "key-value-store-backend-1 started", 'exec: "private": executable file not found', "http://user@host/x",
    "https://github.com/axinova/home/compare/abc123...def456", "git@github.com:axinova/x.git", "postgres://app@db:5432/x",
    "lastgood quarantine lift shop-api prod sha-1a2b3c --because REASON", "secrets:\n  db_password:\n    file: /run/x",
    '"auth": {"type": "oidc"}', "secrets:\n  - name: x", "token count 17 of 20", '{"signature":"http:500"}',
)  # fmt: skip


@pytest.mark.parametrize("line", AROUND)
def test_a_secret_must_go_wherever_it_is_usually_written(line: str) -> None:
    text, kinds = redact(f"before\n{line}\nafter".encode(), ())
    assert S.encode() not in text
    assert kinds
    assert (text.startswith(b"before\n"), text.endswith(b"after")) == (True, True)
    assert redact(text, ())[0] == text


@pytest.mark.parametrize("form", FORMS)
def test_a_token_must_be_known_by_its_form_alone(form: str) -> None:
    assert form.removeprefix("Basic ").encode() not in redact(f"using {form} now".encode(), ())[0]


@pytest.mark.parametrize("line", HARMLESS)
def test_what_is_no_secret_must_stay(line: str) -> None:
    assert redact(line.encode(), ()) == (line.encode(), ())


def test_a_login_in_a_healthcheck_must_not_stay_in_an_inspect() -> None:
    test = ["CMD", "curl", "-u", f"probe:{S}", "http://127.0.0.1/health"]
    masked = redact_inspect(json.dumps([{"Config": {"Healthcheck": {"Test": test}}, "Name": "/api"}]).encode())
    assert S.encode() not in masked
    assert b"probe:<redacted>" in masked


# What is written down of a run, and by whom: each place for something that a program said.
PLACES = ("log", "rendered", "script", "failed", "done", "said", "ended")
SPELLED = ("{}", '{{"x":"{}"}}', "connect to {} failed", "\x1b[31m{}\x1b[0m", "\0{}\n", "x={};", "[{}]")


@settings(max_examples=60, deadline=None)
@given(
    st.text(st.characters(min_codepoint=33, max_codepoint=382, blacklist_characters="<>"), min_size=6, max_size=40),
    st.lists(st.tuples(st.sampled_from(PLACES), st.sampled_from(SPELLED)), min_size=1, max_size=5),
)
def test_a_secret_of_a_container_must_not_be_in_the_bundle_wherever_programs_repeat_it(
    tmp_path_factory: pytest.TempPathFactory, secret: str, said: list[tuple[str, str]]
) -> None:
    # A word of the record itself is masked as well, which proves nothing.
    secret = f"~{secret}"
    folder = tmp_path_factory.mktemp("run")
    archive = bundle(folder, secret, [(place, form.format(secret)) for place, form in said])
    assert secret.encode() not in archive
    assert json.dumps(secret)[1:-1].encode() not in archive


def bundle(folder: Path, secret: str, said: list[tuple[str, str]]) -> bytes:
    """A run of which containers had the secret in their environment and programs said all this."""
    keeper = RedactingKeeper(f"{folder}/evidence/r")
    inspect = json.dumps([{"Config": {"Env": [f"SOME_TOKEN={secret}"]}}]).encode()
    texts = [(f"{place}-{at}.txt", text.encode()) for at, (place, text) in enumerate(said) if place in PLACES[:3]]
    first = keeper.keep({"inspect.json": inspect, **dict(texts)})
    with Journal(f"{folder}/journal.db") as journal:
        journal.append("r", begun(), 1)
        journal.append("r", Kept("capture", "this-one", first.files), 2)
        for at, (place, text) in enumerate(said, start=3):
            event = {
                "failed": StepFailed("1.pull", text),
                "done": StepDone("1.pull", text),
                "ended": RunEnded(Exit.NEEDS_HUMAN, "Nothing passed.", (text,)),
            }.get(place, Said(text if place == "said" else "on"))
            journal.append("r", discreet(event, keeper), at)
        (folder / "machine").write_text("this-one")
        return packed(journal, Places(str(folder), str(folder)), "r")[0]


def test_what_lets_somebody_act_on_a_run_must_not_be_handed_over_with_it(tmp_path: Path) -> None:
    (tmp_path / "machine").write_text("this-one")
    taken = "fedcba98" * 4
    with Journal(f"{tmp_path}/journal.db") as journal:
        for at, event in enumerate(
            (begun(), Said("on"), Resumed("bo@laptop", aborting=False, lease=taken), Said(f"lease {taken}"))
        ):
            journal.append("r", event, at)
        archive, manifest, _ = packed(journal, Places(str(tmp_path), str(tmp_path)), "r")
    assert taken.encode() not in archive
    assert b'"lease":"token"' not in archive
    assert manifest.masked == (1, 3, 4)
