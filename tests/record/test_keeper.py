"""What is kept: redacted before it is written, bounded, whatever the bytes are."""

import json
from pathlib import Path

import pytest

from lastgood.ports import Evidence
from lastgood.record.keeper import RedactingKeeper

MIB = 1024 * 1024


def kept(tmp_path: Path, **files: bytes) -> tuple[Evidence, dict[str, bytes]]:
    found = RedactingKeeper(str(tmp_path)).keep(files)
    return found, {one.name: (tmp_path / one.file).read_bytes() for one in found.files}


def inspect(password: str) -> bytes:
    return json.dumps([{"Config": {"Env": [f"DB_PASSWORD={password}"]}}]).encode()


def test_a_secret_that_one_file_names_must_be_masked_in_all_and_be_listed(tmp_path: Path) -> None:
    found, content = kept(tmp_path, inspect=inspect("hunter2-xyz"), log=b"login hunter2-xyz failed", plain=b"fine")
    assert content["log"] == b"login <redacted> failed"
    assert {one.name: one.redacted for one in found.files}["log"] == ("known secret",)
    assert {one.name: one.redacted for one in found.files}["inspect"] == ("value of a secret name",)
    assert {one.name: one.redacted for one in found.files}["plain"] == ()


def test_a_secret_that_was_known_once_must_be_masked_in_what_comes_later(tmp_path: Path) -> None:
    keeper = RedactingKeeper(str(tmp_path))
    keeper.keep({"inspect.json": inspect("hunter2-xyz")})
    later = keeper.keep({"out.txt": b"connecting with hunter2-xyz"}).files[0]
    assert (tmp_path / later.file).read_bytes() == b"connecting with <redacted>"


@pytest.mark.parametrize("content", [b"\x00\xff\xfe binary \x80", b"\x1b]0;owned\x07\x1b[2J", b"", b"\r\n\x00"])
def test_binary_logs_and_terminal_escapes_must_be_kept_as_they_are(tmp_path: Path, content: bytes) -> None:
    assert kept(tmp_path, log=content)[1]["log"] == content


def test_an_endless_log_must_be_kept_at_both_ends_without_the_secret_that_the_cut_goes_through(tmp_path: Path) -> None:
    half, key = MIB // 2, b"-----BEGIN RSA PRIVATE KEY-----\n" + b"Zm9vYmFy\n" * 900 + b"-----END RSA PRIVATE KEY-----"
    filler = b"." * 20 * MIB
    head = b"begin" + filler[: half - 4000] + key + filler
    tail = filler + key + filler[: half - 4000] + b"end"
    for name, content in (("head", head), ("tail", tail)):
        clean = kept(tmp_path / name, log=content)[1]["log"]
        assert len(clean) < MIB + 100
        assert b"Zm9vYmFy" not in clean
        assert b"bytes out here ...]" in clean
    assert kept(tmp_path, log=head)[1]["log"].startswith(b"begin")
    assert kept(tmp_path, log=tail)[1]["log"].endswith(b"end")


def test_what_cannot_be_read_must_not_be_kept_and_be_named(tmp_path: Path) -> None:
    found, content = kept(tmp_path, inspect=b"[{", rendered=b"\xff", log=b"x")
    assert content == {"log": b"x"}
    assert [lost.split()[0] for lost in found.lost] == ["inspect", "rendered"]


def test_a_picture_must_be_kept_byte_for_byte_or_not_at_all(tmp_path: Path) -> None:
    png = b"\x89PNG\r\n\x1a\n" + b"token=hunter2-xyz\x00://a:hunter2-xyz@" * 9
    found, content = kept(
        tmp_path, **{"page.png": png, "inspect": inspect("hunter2-xyz"), "no.png": b"token=hunter2-xyz"}
    )
    assert content["page.png"] == png
    assert content["no.png"] == b"token=<redacted>"
    assert found.lost == ()
    found, content = kept(tmp_path, **{"page.png": png + bytes(3 * MIB)})
    assert (content, found.lost) == ({}, ("page.png was not kept: it is too large a picture",))


def test_a_password_that_the_plan_names_anyhow_must_leave_words_readable_and_be_masked_in_files(tmp_path: Path) -> None:
    keeper = RedactingKeeper(str(tmp_path))
    inspect = b'[{"Config": {"Env": ["DB_PASSWORD=shop", "API_TOKEN=9f8e7d6c5b"]}}]'
    found = keeper.keep({"inspect.json": inspect, "log.txt": b"shop and 9f8e7d6c5b"})
    assert [Path(found.folder, one.file).read_bytes() for one in found.files if one.name == "log.txt"] == [
        b"<redacted> and <redacted>"
    ]
    said = "envs/prod/apps/shop-api/prices.json is not in git; 9f8e7d6c5b"
    assert keeper.clean(said, named="rollback of shop-api") == said.replace("9f8e7d6c5b", "<redacted>")
    assert "<redacted>-api" in keeper.clean(said)
