"""Which errors are old every machine can read on the hosts, and whatever else stands there counts for nothing."""

import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hostplace import NOW, HostPlace

from lastgood.judge.errors import MOST, errors, is_signature
from lastgood.judge.logs import read
from lastgood.model.event import Entry, LogErrors
from lastgood.model.facts import Known, Unknown
from lastgood.model.release import Image
from lastgood.observe import kinds
from lastgood.observe.kinds import ErrorKinds, Heard
from tests.standin.clock import NANO

V1 = Image("r/shop", "v1", "sha256:" + "a" * 64)
HOUR = 3600
DAY = 24 * HOUR
ROOM = 256 * 1024
ONE = ErrorKinds("shop/prod", V1, NOW - HOUR, "run-1", ("ERROR order # not found",))


class Place(HostPlace):
    @property
    def file(self) -> Path:
        return Path(kinds.path(self.target))

    def leaves(self, *read: ErrorKinds) -> tuple[str, ...]:
        return kinds.leave(self.target, self.tools, self.hosts, read)

    def answers(self) -> kinds.Answers:
        return kinds.Asking(self.target, self.tools, self.hosts).answers(60)

    def finds(self) -> tuple[ErrorKinds, ...]:
        told = self.answers()["local"]
        assert isinstance(told, Known)
        return told.value

    def lines(self) -> list[bytes]:
        return self.file.read_bytes().splitlines()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "state")


def changed(one: ErrorKinds = ONE, **fields: Any) -> ErrorKinds:
    return msgspec.structs.replace(one, **fields)


def line(**fields: Any) -> bytes:
    return msgspec.json.encode(changed(**fields))


def test_what_logs_show_must_lie_there_without_secrets_and_without_what_was_written(place: Place) -> None:
    log = read(
        "api",
        b"2026-11-28T10:00:00Z ERROR order 4711 of ann@example.org not found\n"
        b"ERROR login with hunter2-of-shop refused, token=abcdefgh12345678\n"
        b"\x1b[31mERROR red\x1b[0m \xe2\x80\xaeback\n"
        b'10.0.0.9 - - [28/Nov/2026:10:00:00 +0000] "GET /u/ann HTTP/1.1" 503 12\n',
        ["hunter2-of-shop"],
    )
    event = LogErrors("1.watch", "shop/prod", V1, errors([log]))
    place.leaves(ErrorKinds.of(Entry("run-1", 7, (NOW - 5) * NANO, event), event))
    (found,) = place.finds()
    assert found == ErrorKinds("shop/prod", V1, NOW - 5, "run-1", tuple(one.signature for one in event.found))
    assert len(found.kinds) == 4
    written = place.file.read_bytes()
    for secret in (b"hunter2", b"abcdefgh", b"4711", b"10.0.0.9", b"/u/ann", b"\x1b", "\u202e".encode()):
        assert secret not in written


def test_a_reading_that_found_nothing_must_be_told_apart_from_none(place: Place) -> None:
    assert place.leaves() == ()
    assert not place.file.exists()
    assert kinds.heard(place.finds(), V1, ()) is None
    place.leaves(changed(kinds=()))
    assert kinds.heard(place.finds(), V1, ()) == Heard((), ("run-1",))


def test_what_several_read_of_one_release_must_be_one_and_nothing_of_others_or_of_one_s_own(place: Place) -> None:
    other = Image("r/shop", "v1", "sha256:" + "b" * 64)  # the tag was moved
    place.leaves(
        ONE,
        changed(run="run-2", kinds=("panic: nil map", ONE.kinds[0])),
        changed(run="run-3", image=other, kinds=("KeyError: 'x'",)),
        changed(run="run-4", image=Image("r/shop", "v1"), kinds=("ERROR by tag",)),
        changed(run="mine", kinds=("ERROR of my own",)),
    )
    told = place.finds()
    assert kinds.heard(told, V1, {"mine"}) == Heard(
        (ONE.kinds[0], "panic: nil map", "ERROR by tag"), ("run-1", "run-2", "run-4")
    )
    assert kinds.heard(told, Image("r/shop", "v2"), ()) is None


def test_the_same_once_more_must_fill_no_disk_and_what_is_more_be_told_at_once(place: Place) -> None:
    for minute in range(50):
        place.leaves(changed(at=ONE.at + 60 * minute, run=f"run-{minute}"))
    assert len(place.lines()) == 1
    place.leaves(changed(at=NOW, run="more", kinds=(*ONE.kinds, "panic: nil map")), changed(at=NOW, run="less"))
    assert [one.run for one in place.finds()] == ["run-0", "more"]
    place.clock.at += DAY * NANO
    place.leaves(changed(at=NOW + DAY, run="tomorrow"))
    assert [one.run for one in place.finds()] == ["run-0", "more", "tomorrow"]


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"\xff\xfe",
        b"[" * 2000,
        b'{"target": "shop/prod"}',
        line()[:-5],
        line(target="other/prod"),
        line(at=NOW + HOUR),
        line(run="run 1; rm"),
        line(run="r" * 65),
        line(image=Image("r/shop", "v1", "--privileged")),
        line(image=Image("r/shop", "v1\x1b[2J:x")),
        line(kinds=("ERROR order 4711 not found",)),
        line(kinds=("",)),
        line(kinds=("ERROR \x1b[2J",)),
        line(kinds=("ERROR two\nlines",)),
        line(kinds=("ERROR \u202eback",)),
        line(kinds=("ERROR " + "x" * 200,)),
        line(kinds=tuple("ERROR " + "x" * n for n in range(MOST + 1))),
        line(kinds=(*ONE.kinds, "ERROR order 4711 not found")),
        msgspec.json.encode({**msgspec.to_builtins(ONE), "kinds": [7]}),
    ],
)
def test_what_is_no_reading_must_be_passed_over_and_the_others_count(place: Place, bad: bytes) -> None:
    place.writes(bad, msgspec.json.encode(ONE), bad)
    assert place.finds() == (ONE,)


def test_a_line_that_was_cut_off_must_take_no_other_with_it(place: Place) -> None:
    place.leaves(ONE)
    place.file.write_bytes(place.file.read_bytes() + line(run="torn")[:40])
    place.leaves(changed(run="run-2", kinds=("panic: nil map",)))
    assert [one.run for one in place.finds()] == ["run-1", "run-2"]


def test_however_much_is_left_or_written_there_must_be_an_end_to_the_file(place: Place) -> None:
    sizes = []
    for number in range(35):
        wide = tuple(f"ERROR {'é' * 150} {'x' * one}" for one in range(1, MOST))
        place.leaves(changed(run=f"run-{number}", at=NOW - 35 * DAY + number * DAY, kinds=wide))
        sizes.append(place.file.stat().st_size)
    assert max(sizes) <= ROOM + sizes[0] + 10
    assert min(sizes[20:]) < ROOM * 3 // 4
    assert [one.run for one in place.finds()][-5:] == [f"run-{number}" for number in range(30, 35)]
    place.writes(*[b"x" * 1000] * 2000)
    place.leaves(ONE)
    assert place.lines() == [msgspec.json.encode(ONE)]


def test_only_the_end_of_a_huge_file_must_be_read(place: Place) -> None:
    place.writes(line(run="first"), b"x" * ROOM, line(run="last"))
    assert [one.run for one in place.finds()] == ["last"]


def test_two_that_write_at_once_must_both_be_read(place: Place) -> None:
    def writes(name: str) -> None:
        for number in range(20):
            told = (f"ERROR {name} {'x' * (number + 1)}",)
            assert place.leaves(changed(run=f"{name}-{number}", kinds=told)) == ()

    threads = [threading.Thread(target=writes, args=(name,)) for name in ("a", "b")]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert {one.run for one in place.finds()} == {f"{name}-{number}" for name in "ab" for number in range(20)}


def test_a_host_that_does_not_answer_must_say_why_and_take_nothing_away(place: Place) -> None:
    place.hosts = ("local", "silent")
    assert place.leaves(ONE) == ("silent: no answer",)
    assert place.answers() == {"local": Known((ONE,)), "silent": Unknown("no answer")}


@pytest.mark.parametrize("text", ["ERROR x" + " " * 250, "ERROR " + "x" * 193 + " 1 more", "KeyError: '7'"])
def test_what_is_found_in_a_log_must_be_what_counts_as_a_signature(text: str) -> None:
    assert all(is_signature(one.signature) for one in errors([read("api", text.encode())]))
