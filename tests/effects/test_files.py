"""Files are written whole or not at all, on this machine and on an SSH host alike."""

import errno
import io
import os
import subprocess
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec import structs
from sshd import Server

from lastgood.effects.files import LocalFiles
from lastgood.effects.hostfiles import HostFiles
from lastgood.effects.hosts import Processes
from lastgood.model.command import Child, Command, Completed
from lastgood.ports import Files


@pytest.fixture(params=["local", "ssh", "busybox"])
def files(request: pytest.FixtureRequest) -> Files:
    """The same promises by Python, by the coreutils of a host, and by a host that has but busybox."""
    if request.param == "local":
        return LocalFiles()
    server: Server = request.getfixturevalue("busybox" if request.param == "busybox" else "server")
    processes: Processes = request.getfixturevalue("processes")
    return HostFiles(processes, server.host)


def test_reading_what_is_not_there_must_be_none_but_what_cannot_be_read_must_raise(
    files: Files, tmp_path: Path
) -> None:
    assert files.read(str(tmp_path / "absent")) is None
    with pytest.raises(IsADirectoryError):
        files.read(str(tmp_path))


def test_creating_must_make_missing_folders_and_leave_nothing_else(files: Files, tmp_path: Path) -> None:
    path = tmp_path / "state" / "leases" / "shop"
    assert files.create(str(path), b"token\x00\xff")
    assert files.read(str(path)) == b"token\x00\xff"
    assert list(path.parent.iterdir()) == [path]


def test_creating_what_exists_must_change_nothing(files: Files, tmp_path: Path) -> None:
    path = tmp_path / "lease"
    path.write_bytes(b"theirs")
    assert not files.create(str(path), b"ours")
    assert path.read_bytes() == b"theirs"
    assert list(tmp_path.iterdir()) == [path]


def test_only_one_of_many_creators_must_win(files: Files, tmp_path: Path) -> None:
    path = str(tmp_path / "lease")
    won: list[int] = []
    start = threading.Barrier(8)

    def contend(number: int) -> None:
        start.wait()
        if files.create(path, str(number).encode()):
            won.append(number)

    threads = [threading.Thread(target=contend, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert files.read(path) == str(won[0]).encode()
    assert len(won) == 1


def test_replacing_must_keep_permissions_and_never_write_into_the_old_file(files: Files, tmp_path: Path) -> None:
    path = tmp_path / "values.yaml"
    path.write_bytes(b"old")
    path.chmod(0o640)
    with path.open("rb") as reader:
        files.replace(str(path), b"new")
        assert reader.read() == b"old"
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o640


def test_replacing_what_is_not_there_must_create_it(files: Files, tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"
    files.replace(str(path), b"new")
    assert path.read_bytes() == b"new"
    assert path.parent.stat().st_mode & 0o777 == 0o755 & ~_umask()


def test_a_write_that_fails_must_leave_no_trace(files: Files, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError, match="folder"):
        files.replace(str(tmp_path / "folder"), b"content")
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder"]


def test_removing_must_be_fine_where_it_is_gone(files: Files, tmp_path: Path) -> None:
    path = tmp_path / "lease"
    path.touch()
    files.remove(str(path))
    files.remove(str(path))
    files.remove(str(tmp_path / "no" / "folder" / "either"))
    assert not path.exists()


def test_what_hostile_names_hold_must_be_kept_apart_from_programs_and_options(files: Files, tmp_path: Path) -> None:
    for name in ("--force", "a b", "$(touch x)", "new\nline", "it's", 'a"b', "-", "\\", "ü", "*", "~"):
        path = str(tmp_path / name)
        assert files.create(path, name.encode())
        assert not files.create(path, b"other")
        files.append(path, b"+")
        assert files.read(path) == name.encode() + b"+"
        files.replace(path, b"new")
        assert files.read(path) == b"new"
        assert files.missing((path, path + "?")) == (path + "?",)
        files.remove(path)
    assert list(tmp_path.iterdir()) == []


def test_appending_must_make_the_file_and_add_to_it(files: Files, tmp_path: Path) -> None:
    path = tmp_path / "state" / "notes"
    files.append(str(path), b"one\x00\n")
    files.append(str(path), b"")
    files.append(str(path), b"two\n")
    assert path.read_bytes() == b"one\x00\ntwo\n"
    assert list(path.parent.iterdir()) == [path]
    with pytest.raises(IsADirectoryError):
        files.append(str(tmp_path), b"x")


def test_lines_that_several_append_at_once_must_stay_whole(files: Files, tmp_path: Path) -> None:
    path = tmp_path / "notes"
    lines = [bytes([65 + number]) * 200_000 + b"\n" for number in range(6)]
    threads = [threading.Thread(target=files.append, args=(str(path), line)) for line in lines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(path.read_bytes().splitlines(keepends=True)) == lines


def archive(*members: tuple[str, bytes, int], links: dict[str, str] | None = None) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for name, content, mode in members:
            info = tarfile.TarInfo(name)
            info.size, info.mode, info.uid = len(content), mode, 4711
            tar.addfile(info, io.BytesIO(content))
        for name, to in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, to
            tar.addfile(info)
    return made.getvalue()


def test_an_archive_must_be_unpacked_with_its_links_and_permissions(files: Files, tmp_path: Path) -> None:
    packed = archive(("a/b", b"b\xff", 0o664), ("run.sh", b"#!", 0o775), links={"a/l": "../run.sh", "out": "/nowhere"})
    folder = tmp_path / "new" / "tree"
    files.unpack(str(folder), packed)
    assert (folder / "a" / "b").read_bytes() == b"b\xff"
    assert (folder / "a" / "l").read_bytes() == b"#!"
    assert (folder / "out").readlink() == Path("/nowhere")
    assert [(folder / name).stat().st_mode & 0o777 for name in ("a/b", "run.sh")] == [0o644, 0o755]
    assert (folder / "a" / "b").stat().st_uid == os.getuid()
    assert list(folder.parent.iterdir()) == [folder]


def test_what_git_archives_must_be_unpacked(files: Files, tmp_path: Path) -> None:
    origin = tmp_path / "origin"
    origin.mkdir()
    (origin / "values.yaml").write_text("tag: 1\n")
    (origin / ("long" * 40)).write_text("x")
    who = ("-c", "user.name=x", "-c", "user.email=x@x")
    for words in (("init", "-q"), ("add", "."), (*who, "commit", "-qm", "x")):
        subprocess.run(("git", "-C", origin, *words), check=True)
    packed = subprocess.run(("git", "-C", origin, "archive", "HEAD"), check=True, capture_output=True).stdout
    files.unpack(str(tmp_path / "tree"), packed)
    assert (tmp_path / "tree" / "values.yaml").read_text() == "tag: 1\n"
    assert (tmp_path / "tree" / ("long" * 40)).exists()


def test_unpacking_where_something_is_must_change_nothing(files: Files, tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    files.unpack(str(tmp_path / "tree"), archive(("a", b"a", 0o644)))
    assert list((tmp_path / "tree").iterdir()) == []
    assert list(tmp_path.iterdir()) == [tmp_path / "tree"]


@pytest.mark.parametrize(
    "packed",
    [
        archive(("../evil", b"x", 0o644)),
        archive(("/tmp/evil", b"x", 0o644)),
        archive(("a/../../evil", b"x", 0o644)),
        b"no archive at all",
        archive(("a", b"x" * 2000, 0o644))[:1024],
    ],
)
def test_an_archive_that_is_broken_or_climbs_must_leave_nothing(files: Files, tmp_path: Path, packed: bytes) -> None:
    with pytest.raises(OSError, match=r"archive|unpacked") as caught:
        files.unpack(str(tmp_path / "new" / "tree"), packed)
    assert caught.value.errno == errno.EINVAL
    assert not (tmp_path / "new").exists() or list((tmp_path / "new").iterdir()) == []
    assert not (tmp_path / "evil").exists()


def test_an_archive_must_not_write_through_its_own_link(files: Files, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    made = io.BytesIO(archive(links={"a": str(tmp_path / "outside")}))
    with tarfile.open(fileobj=made, mode="a") as tar:
        tar.addfile(tarfile.TarInfo("a/evil"), io.BytesIO())
    with pytest.raises(OSError, match="evil"):
        files.unpack(str(tmp_path / "tree"), made.getvalue())
    assert list((tmp_path / "outside").iterdir()) == []


def test_a_link_must_be_made_unless_something_is_there(files: Files, tmp_path: Path) -> None:
    link, folder = tmp_path / "new" / "link", tmp_path / "folder"
    files.link(str(link), "../no/where")
    files.link(str(link), "/else")
    assert link.readlink() == Path("../no/where")
    folder.mkdir()
    files.link(str(folder), "/else")
    assert list(folder.iterdir()) == []
    assert not folder.is_symlink()


def test_what_is_missing_must_be_told_links_followed(files: Files, tmp_path: Path) -> None:
    (tmp_path / "there").touch()
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "good").symlink_to("there")
    names = [str(tmp_path / name) for name in ("there", "absent", "dangling", "good", "there/below")]
    assert files.missing(tuple(names)) == (names[1], names[2], names[4])
    assert files.missing(()) == ()


def test_what_cannot_be_read_must_say_why(files: Files) -> None:
    with pytest.raises(OSError, match="Input/output error") as caught:
        files.read("/proc/self/mem")
    assert caught.value.errno == errno.EIO


class Cutting(Processes):
    """A connection that breaks before the last byte."""

    def run(
        self,
        command: Command,
        *,
        on_start: Callable[[Child], None] | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> Completed:
        return super().run(structs.replace(command, stdin=command.stdin[:-1]), on_start=on_start, on_line=on_line)


def test_content_that_did_not_arrive_whole_must_change_nothing(server: Server, tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(b"old")
    cutting = Cutting()
    files = HostFiles(cutting, server.host)
    try:
        for attempt in (
            lambda: files.create(str(tmp_path / "new"), b"content"),
            lambda: files.replace(str(tmp_path / "old"), b"content"),
            lambda: files.append(str(tmp_path / "old"), b"content"),
            lambda: files.unpack(str(tmp_path / "tree"), archive(("a", b"a", 0o644))),
        ):
            with pytest.raises(OSError, match="did not arrive whole"):
                attempt()
    finally:
        cutting.close()
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("old", b"old")]


def test_a_host_that_cannot_be_reached_must_be_the_reason(fresh: Server, processes: Processes, tmp_path: Path) -> None:
    fresh.stop()
    files = HostFiles(processes, fresh.host)
    for attempt in (
        lambda: files.read("/x"),
        lambda: files.create(str(tmp_path / "x"), b""),
        lambda: files.remove("/x"),
        lambda: files.missing(("/x",)),
    ):
        with pytest.raises(OSError, match="connection refused") as caught:
            attempt()
        assert caught.value.strerror == "ssh://shop cannot be reached: connection refused"


def test_a_full_disk_must_be_named_and_leave_nothing(files: Files, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", small), check=True)
    try:
        with pytest.raises(OSError, match="No space left") as caught:
            files.create(str(small / "lease"), b"x" * 200_000)
        assert caught.value.errno == errno.ENOSPC
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(("umount", small), check=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
