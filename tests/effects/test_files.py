"""Files are written whole or not at all."""

import os
import threading
from pathlib import Path

import pytest

from lastgood.effects.files import LocalFiles

FILES = LocalFiles()


def test_reading_what_is_not_there_must_be_none_but_what_cannot_be_read_must_raise(tmp_path: Path) -> None:
    assert FILES.read(str(tmp_path / "absent")) is None
    with pytest.raises(IsADirectoryError):
        FILES.read(str(tmp_path))


def test_creating_must_make_missing_folders_and_leave_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "state" / "leases" / "shop"
    assert FILES.create(str(path), b"token\x00\xff")
    assert FILES.read(str(path)) == b"token\x00\xff"
    assert list(path.parent.iterdir()) == [path]


def test_creating_what_exists_must_change_nothing(tmp_path: Path) -> None:
    path = tmp_path / "lease"
    path.write_bytes(b"theirs")
    assert not FILES.create(str(path), b"ours")
    assert path.read_bytes() == b"theirs"
    assert list(tmp_path.iterdir()) == [path]


def test_only_one_of_many_creators_must_win(tmp_path: Path) -> None:
    path = str(tmp_path / "lease")
    won: list[int] = []
    start = threading.Barrier(8)

    def contend(number: int) -> None:
        start.wait()
        if FILES.create(path, str(number).encode()):
            won.append(number)

    threads = [threading.Thread(target=contend, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert FILES.read(path) == str(won[0]).encode()
    assert len(won) == 1


def test_replacing_must_keep_permissions_and_never_write_into_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "values.yaml"
    path.write_bytes(b"old")
    path.chmod(0o640)
    with path.open("rb") as reader:
        FILES.replace(str(path), b"new")
        assert reader.read() == b"old"
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o640


def test_replacing_what_is_not_there_must_create_it(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"
    FILES.replace(str(path), b"new")
    assert path.read_bytes() == b"new"
    assert path.parent.stat().st_mode & 0o777 == 0o755 & ~_umask()


def test_a_write_that_fails_must_leave_no_trace(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        FILES.replace(str(tmp_path / "folder"), b"content")
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder"]


def test_removing_must_be_fine_where_it_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "lease"
    path.touch()
    FILES.remove(str(path))
    FILES.remove(str(path))
    FILES.remove(str(tmp_path / "no" / "folder" / "either"))
    assert not path.exists()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
