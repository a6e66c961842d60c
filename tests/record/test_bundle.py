import hashlib
import os
import stat
from pathlib import Path

import pytest

from lastgood.record.bundle import Bundle, read


def test_what_is_kept_must_be_there_byte_for_byte_and_private(tmp_path: Path) -> None:
    content = b"\xff\x00log\r\n"
    kept = Bundle(str(tmp_path / "runs" / "r")).keep("api.log", content)
    path = Path(kept.path)
    assert path == tmp_path / "runs" / "r" / f"api.{kept.sha256[:12]}.log"
    assert (kept.file, kept.size) == (path.name, len(content))
    assert path.read_bytes() == content
    assert kept.sha256 == hashlib.sha256(content).hexdigest()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "name",
    ["../x", "/etc/passwd", "..", ".", "", "a/b", "--force", "$(x)", "a\nb", "\x1b[2J", "a\0b", "é" * 300, "\udcff"],
)
def test_hostile_names_must_stay_inside_the_folder(tmp_path: Path, name: str) -> None:
    bundle = Bundle(str(tmp_path / "b"))
    paths = {Path(bundle.keep(each, b"x").path) for each in (name, name + "!", "x", "a_b")}
    assert len(paths) == 4
    assert {path.parent for path in paths} == {tmp_path / "b"}
    assert all(path.name.isascii() and path.name.isprintable() and path.name[0].isalnum() for path in paths)
    assert sorted(tmp_path.rglob("*")) == sorted({tmp_path / "b", *paths})


def test_what_was_kept_must_never_be_overwritten(tmp_path: Path) -> None:
    bundle = Bundle(str(tmp_path))
    files = [Path(bundle.keep("api.log", content).path) for content in (b"1", b"2", b"3")]
    assert len({file.name for file in files}) == 3
    assert [file.read_bytes() for file in files] == [b"1", b"2", b"3"]
    files[0].write_bytes(b"changed by somebody")
    again = bundle.keep("api.log", b"1")
    assert again.file == f"{files[0].name}.2"
    assert [Path(again.path).read_bytes(), files[0].read_bytes()] == [b"1", b"changed by somebody"]


def test_the_same_content_under_the_same_name_must_be_one_file(tmp_path: Path) -> None:
    bundle = Bundle(str(tmp_path))
    assert bundle.keep("api.log", b"1") == bundle.keep("api.log", b"1")
    assert len(list(tmp_path.iterdir())) == 1


def test_only_plain_files_must_be_read_back(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/hostname")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "plain").write_bytes(b"x")
    found = [read(str(tmp_path / name)) for name in ("link", "pipe", "gone", "plain")]
    assert found == [None, None, None, b"x"]


def test_a_link_planted_in_the_folder_must_not_be_followed(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    name = f"api.{hashlib.sha256(b'x').hexdigest()[:12]}.log"
    (tmp_path / "b" / name).symlink_to(tmp_path / "elsewhere")
    kept = Bundle(str(tmp_path / "b")).keep("api.log", b"x")
    assert kept.file == f"{name}.2"
    assert not (tmp_path / "elsewhere").exists()


def test_too_much_must_be_cut_in_the_middle_with_a_note(tmp_path: Path) -> None:
    content = b"begin" + b"x" * 1000 + b"end"
    kept = Bundle(str(tmp_path), cap=100).keep("api.log", content)
    written = Path(kept.path).read_bytes()
    assert written.startswith(b"begin")
    assert written.endswith(b"end")
    assert b"[... lastgood left 908 bytes out here ...]" in written
    assert kept.sha256 == hashlib.sha256(written).hexdigest()


def test_a_folder_that_cannot_be_written_must_be_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        Bundle(str(tmp_path / "file")).keep("x", b"")
