"""Taking configuration back by itself, on the real engine: exact bytes, later changes kept, secrets never shown."""

import base64
import subprocess

from operating import says_no
from shop import API, ENV, PIN, Shop
from test_config_scope import FOLDER, colleague_edits, greeting, pinned_greeting

from lastgood.model.errors import Exit

SEALED = f"{FOLDER}/secrets.enc.yaml"
SETTINGS = f"{FOLDER}/settings.env"
SETTINGS_BEFORE = "TIMEOUT=30\nAPI_TOKEN=hunter2\nA=1\nB=2\nC=3\nOWNER=shop\n"
SETTINGS_BAD = "TIMEOUT=3\nAPI_TOKEN=hunter3\nA=1\nB=2\nC=3\nOWNER=shop\n"
SETTINGS_WANTED = "TIMEOUT=30\nAPI_TOKEN=hunter2\nA=1\nB=2\nC=3\nOWNER=night\n"


def encrypted(value: str) -> str:
    """A file as SOPS leaves it."""
    data = base64.b64encode(value.encode()).decode()
    enc = f"ENC[AES256_GCM,data:{data},iv:aXY=,tag:dGFn,type:str]"
    return (
        f"db_password: {enc}\nuser: ENC[AES256_GCM,data:c2hvcA==,iv:aXY=,tag:dGFn,type:str]\n"
        f"sops:\n    age: []\n    mac: ENC[AES256_GCM,data:bWFj{data},iv:aXY=,tag:dGFn,type:str]\n    version: 3.8.1\n"
    )


def content(shop: Shop, path: str, commit: str = "main") -> bytes:
    """The exact bytes at the remote."""
    git = ["git", "-C", str(shop.world.remote), "show", f"{commit}:{path}"]
    return subprocess.run(git, capture_output=True, check=True, env=shop.world.env).stdout


def a_release_with_secrets(shop: Shop) -> None:
    """`good-1`, then one commit that pins a bad release, says goodbye and changes secrets, plain and encrypted."""
    shop.ships("good-1")
    shop.world.commit({SETTINGS: SETTINGS_BEFORE, SEALED: encrypted("s3cr3t-before")}, "Settings")
    changed = shop.world.show(PIN).replace(shop.tag("good-1"), shop.tag("needs-greeting"))
    bad = {PIN: changed.replace("greeting: hello", "greeting: goodbye"), SETTINGS: SETTINGS_BAD}
    shop.world.commit({**bad, SEALED: encrypted("s3cr3t-broken")}, f"{API}: release needs-greeting")
    shop.world.deploy(API)
    shop.fails_with(500)


def later_changes(shop: Shop) -> None:
    colleague_edits(shop, "owner: team-shop", "owner: team-night", "Hand over")
    colleague_edits(shop, "OWNER=shop", "OWNER=night", "Hand over the settings", SETTINGS)
    shop.world.commit({"README.md": "elsewhere\n"}, "Elsewhere")


def test_configuration_must_go_back_exactly_and_later_changes_of_the_same_files_stay(shop: Shop) -> None:
    a_release_with_secrets(shop)
    later_changes(shop)
    before = content(shop, PIN)
    shop.rollback("--config-only", ends=Exit.DONE)
    assert content(shop, PIN) == before.replace(b"greeting: goodbye", b"greeting: hello")
    assert content(shop, SETTINGS) == SETTINGS_WANTED.encode()
    assert content(shop, SEALED) == encrypted("s3cr3t-before").encode()
    assert content(shop, "README.md") == b"elsewhere\n"
    assert shop.changed() == sorted([SEALED, SETTINGS, PIN])
    assert shop.serves("needs-greeting")
    assert greeting(shop) == "hello"


def test_a_named_commit_must_take_configuration_back_to_its_release(shop: Shop) -> None:
    a_release_with_secrets(shop)
    commit = shop.world.log()[1][0]
    later_changes(shop)
    shop.rollback("--to", commit, "--config-only", ends=Exit.DONE)
    assert content(shop, SETTINGS) == SETTINGS_WANTED.encode()
    assert content(shop, SEALED) == encrypted("s3cr3t-before").encode()
    assert "owner: team-night" in shop.world.show(PIN)
    assert (shop.serves("needs-greeting"), greeting(shop)) == (True, "hello")


def test_a_change_of_configuration_alone_must_go_back_to_the_commit_that_is_named(shop: Shop) -> None:
    shop.ships("good-1")
    shop.world.commit({SETTINGS: SETTINGS_BEFORE, SEALED: encrypted("s3cr3t-before")}, "Settings")
    good = shop.world.log()[0][0]
    whole = content(shop, PIN)
    shop.world.commit({SEALED: encrypted("s3cr3t-broken"), SETTINGS: SETTINGS_BAD}, "Break the settings")
    colleague_edits(shop, "greeting: hello", "greeting: goodbye", "Break the greeting")
    shop.world.commit({"README.md": "elsewhere\n"}, "Elsewhere")
    shop.world.deploy(API)
    shop.rollback("--to", good, "--config-only", ends=Exit.DONE)
    assert content(shop, PIN) == whole
    assert content(shop, SETTINGS) == SETTINGS_BEFORE.encode()
    assert content(shop, SEALED) == encrypted("s3cr3t-before").encode()
    assert content(shop, "README.md") == b"elsewhere\n"
    assert (shop.serves("good-1"), greeting(shop)) == (True, "hello")


def test_configuration_that_came_without_a_release_must_be_named_with_the_way_back(shop: Shop) -> None:
    shop.ships("good-1", "good-2")
    before = shop.world.log()[0][0]
    colleague_edits(shop, "greeting: hello", "greeting: goodbye", "Break the greeting")
    said = says_no(shop, "rollback", API, ENV, "--yes", "--config-only", ends=Exit.REFUSED)
    assert f"--config-only --to {before[:12]}" in said
    assert "Break the greeting" in said


def test_no_plan_must_hold_a_secret(shop: Shop) -> None:
    a_release_with_secrets(shop)
    words = [("plan", API, ENV), ("plan", API, ENV, "--config-only"), ("rollback", API, ENV, "--dry-run")]
    outputs = [shop.world.lastgood(*each, *more, check=Exit.DONE) for each in words for more in ((), ("--json",))]
    outputs.append(shop.world.lastgood("rollback", API, ENV, check=Exit.CONSENT_NEEDED))
    outputs.append(shop.world.lastgood("rollback", API, ENV, "--yes", check=Exit.DONE))
    for done in outputs:
        said = done.stdout + done.stderr
        assert not [each for each in ("hunter", "s3cr3t", "ENC[", "czNjcjN0") if each in said]
    plan = outputs[0].stdout
    assert "-API_TOKEN=(changed)" in plan
    assert "-TIMEOUT=3" in plan
    assert "encrypted by SOPS, moved whole and not decrypted; keys: 1 (changed), 1 (unchanged)" in plan
    assert "~ db_password: (changed)" in plan


def test_an_encrypted_file_that_was_changed_since_must_be_named_and_nothing_be_touched(shop: Shop) -> None:
    a_release_with_secrets(shop)
    colleague_edits(shop, "user: ENC[AES256_GCM,data:c2hvcA==", "user: ENC[AES256_GCM,data:bmlnaHQ=", "sops", SEALED)
    said = says_no(shop, "rollback", API, ENV, "--yes", "--config-only", ends=Exit.REFUSED)
    assert f"{SEALED}: it is encrypted by SOPS and was changed later" in said
    shop.rollback("--image-only", ends=Exit.DONE)
    assert shop.world.pinned(API) == shop.tag("good-1")
    assert pinned_greeting(shop) == "goodbye"
