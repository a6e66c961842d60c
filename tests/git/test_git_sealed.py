"""Files that SOPS encrypted: never merged, never decrypted, shown by their keys only."""

from collections.abc import Callable

import pytest
import sops
from codeworld import code
from gitworld import FOLDER, World

from lastgood.git.repo import BareRepo
from lastgood.git.sealed import is_sealed
from lastgood.model.errors import PathConflict
from lastgood.model.revert import Wish
from lastgood.run.code import prepare

FORMS: dict[str, Callable[[dict[str, str]], bytes]] = {
    "secrets.enc.yaml": sops.yaml,
    "secrets.json": sops.document,
    "secrets.env": sops.dotenv,
    "secrets.ini": sops.ini,
    "tls.p12": lambda values: sops.binary(str(values)),
}
ROWS = {f"key{number}": "same" for number in range(12)}
BEFORE, BROKEN = {"first": "hunter2", **ROWS, "last": "a"}, {"first": "oops", **ROWS, "last": "a"}
LATER = {"first": "oops", **ROWS, "last": "b"}


def fetched(world: World) -> BareRepo:
    repo = world.repo()
    repo.fetch()
    return repo


every_form = pytest.mark.parametrize("name", FORMS)


@every_form
def test_an_encrypted_file_must_be_recognised_in_every_format(name: str) -> None:
    assert is_sealed(FORMS[name](BEFORE))
    assert is_sealed(FORMS[name](BEFORE).replace(b"\n", b"\r\n"))


@pytest.mark.parametrize(
    "content",
    [
        sops.document(BEFORE, indent=None),
        b'"sops":\n  mac: ENC[x]\n',
        b"a: 1\nsops: {mac: x, version: 3}\n",
        b"{a: 1, sops: {mac: x}}\n",
        b"# by hand\n\xef\xbb\xbf\nsops:\n\n# note\n  version: 3\n  mac: x\n",
        b"export sops_mac=ENC[x]\n",
        b"a: 1\n---\nb: 2\nsops:\n    mac: x\n",
    ],
)
def test_what_other_tools_make_of_an_encrypted_file_must_be_recognised(content: bytes) -> None:
    assert is_sealed(content)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"sops: enabled\nmac: 00:11:22\n",
        b"tool:\n  sops:\n    mac: x\n",
        b'{"tools": {"sops": {"mac": "x"}}}',
        b'{"sops": {"version": "3"}, "mac": "x"}',
        b"[sops]\nversion = 3\n[network]\nmac = 00:11\n",
        b"# sops_mac=x\n",
        b"creation_rules:\n  - age: age1\n",
        b"[" * 5000 + b'"sops", "mac"',
    ],
)
def test_what_only_speaks_of_sops_must_not_be_taken_for_encrypted(content: bytes) -> None:
    assert not is_sealed(content)


@every_form
def test_undo_must_put_the_bytes_from_before_back(world: World, name: str) -> None:
    path, form = f"{FOLDER}/{name}", FORMS[name]
    world.ship({path: form(BEFORE)}, "good")
    bad = world.ship({path: form(BROKEN)}, "bad")
    world.ship({f"{FOLDER}/notes": b"later\n"}, "later")
    repo = fetched(world)
    tree = repo.undo(repo.tip(), bad, FOLDER)
    assert world.at(tree, path, repo) == form(BEFORE)
    assert world.at(tree, f"{FOLDER}/notes", repo) == b"later\n"


@pytest.mark.parametrize("name", ["secrets.enc.yaml", "secrets.json", "secrets.env", "secrets.ini"])
def test_undo_must_never_merge_an_encrypted_file(world: World, name: str) -> None:
    path, form = f"{FOLDER}/{name}", FORMS[name]
    without = form(LATER).replace(sops.mac(LATER).encode(), sops.mac(BROKEN).encode())
    world.ship({path: form(BEFORE).replace(sops.mac(BEFORE).encode(), sops.mac(BROKEN).encode())}, "good")
    bad = world.ship({path: form(BROKEN)}, "bad")
    world.ship({path: without}, "later, lines far away, that git would merge")
    repo = fetched(world)
    with pytest.raises(PathConflict) as raised:
        repo.undo(repo.tip(), bad, FOLDER)
    assert raised.value.because[0].startswith(f"{path}: it is encrypted by SOPS")
    assert any("sops edit" in each for each in raised.value.next)


def test_a_plain_file_with_the_same_changes_must_be_merged(world: World) -> None:
    path = f"{FOLDER}/plain.env"
    plain = [b"".join(f"{k}={v}\n".encode() for k, v in side.items()) for side in (BEFORE, BROKEN, LATER)]
    world.ship({path: plain[0]}, "good")
    bad = world.ship({path: plain[1]}, "bad")
    world.ship({path: plain[2]}, "later")
    repo = fetched(world)
    merged = world.at(repo.undo(repo.tip(), bad, FOLDER), path, repo)
    assert merged == plain[2].replace(b"first=oops", b"first=hunter2")


def test_a_revert_in_a_code_repo_must_move_an_encrypted_file_whole_or_not_at_all(world: World) -> None:
    world.ship({"secrets.env": sops.dotenv(BEFORE)}, "good")
    bad = world.ship({"secrets.env": sops.dotenv(BROKEN)}, "bad")
    repo = code(world)
    whole = prepare(repo, Wish((bad,))).undos[0].tree
    assert world.at(whole, "secrets.env", repo) == sops.dotenv(BEFORE)
    mixed = sops.dotenv(BROKEN).replace(b"last=ENC", b"last=EnC")  # far from what the revert changes: git would merge
    world.ship({"secrets.env": mixed.replace(sops.mac(BROKEN).encode(), sops.mac(BEFORE).encode())}, "later")
    with pytest.raises(PathConflict) as raised:
        prepare(code(world), Wish((bad,)))
    assert raised.value.because[0].startswith("secrets.env: it is encrypted by SOPS")


def test_a_file_that_was_in_plain_text_on_one_side_must_not_be_merged_either(world: World) -> None:
    path = f"{FOLDER}/secrets.yaml"
    world.ship({path: b"db:\n    first: hunter2\n"}, "in plain text, oh dear")
    bad = world.ship({path: sops.yaml(BEFORE)}, "encrypt")
    world.ship({path: sops.yaml(LATER)}, "later")
    repo = fetched(world)
    with pytest.raises(PathConflict, match="cannot be reversed"):
        repo.undo(repo.tip(), bad, FOLDER)


def test_undo_must_take_out_an_encrypted_file_that_came_with_the_commit(world: World) -> None:
    path = f"{FOLDER}/secrets.yaml"
    bad = world.ship({path: sops.yaml(BEFORE)}, "bad")
    repo = fetched(world)
    assert world.at(repo.undo(repo.tip(), bad, FOLDER), path, repo) is None


def test_a_file_that_an_encrypted_one_replaced_must_come_back_whole_with_its_mode(world: World) -> None:
    path = f"{FOLDER}/secrets.yaml"
    world.ship({path: sops.yaml(BEFORE)}, "good")
    bad = world.ship({path: sops.yaml(BROKEN)}, "bad")
    (world.colleague / path).chmod(0o755)
    world.ship({}, "later, its mode only")
    repo = fetched(world)
    assert world.at(repo.undo(repo.tip(), bad, FOLDER), path, repo) == sops.yaml(BEFORE)
