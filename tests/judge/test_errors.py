"""Error messages of two releases are compared by what they say, not by when, to whom, or how often."""

import pytest

from lastgood.judge.errors import MOST, errors, merged, new, signature
from lastgood.judge.logs import read
from lastgood.model.event import ErrorLine
from lastgood.model.situation import Log


def log(*lines: str, mine: bool = True) -> Log:
    return read("api", "\n".join(lines).encode(), mine=mine)


def found(*lines: str) -> list[str]:
    return [one.signature for one in errors([log(*lines)])]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("error: order 4711 not found", "error: order 4712 not found"),
        ("2026-11-28T10:00:00Z ERROR timeout after 31 ms", "2026-11-28 11:00:05.125 ERROR timeout after 9 ms"),
        (
            "error: session 6f1e0c1a-8a4b-4c3d-9a55-0123456789ab expired",
            "error: session aaaaaaaa-8a4b-4c3d-9a55-0123456789ab expired",
        ),
        ("panic: nil pointer at 0xc000123", "panic: nil pointer at 0xc0009ff"),
        ("ERROR dial tcp 10.0.0.7:5432: refused", "ERROR dial tcp 10.0.0.8:5433: refused"),
    ],
)
def test_messages_that_differ_in_numbers_only_must_be_one_kind(one: str, other: str) -> None:
    assert signature(one) == signature(other)
    [both] = errors([log(one, other)])
    assert (both.count, both.example) == (2, one.removeprefix("2026-11-28T10:00:00Z "))  # the engine's own stamp


@pytest.mark.parametrize(
    "line",
    [
        'level=info msg="retried after an error"',
        '{"level":"info","msg":"error budget is fine"}',
        "INFO error handler registered",
        "build finished, 0 errors",
        "batch done error=nil",
        '10.0.0.1 - - [28/Nov/2026:10:00:00 +0000] "GET /error/exception HTTP/1.1" 200 12',
        "mirror mirror on the wall",
        "terrors of the deep",
    ],
)  # fmt: skip
def test_what_only_mentions_an_error_must_be_none(line: str) -> None:
    assert found(line) == []


@pytest.mark.parametrize(
    "line",
    [
        "level=error msg=boom",
        '{"level":"error","msg":"boom"}',
        '{"level":50,"msg":"boom"}',
        "panic: runtime error: index out of range [3] with length 3",
        "Traceback (most recent call last):",
        "KeyError: 'total'",
        "java.lang.NullPointerException: null",
        "E1128 10:00:00.000000       1 main.go:12] it broke",
        "2 errors, 0 warnings",
    ],
)
def test_what_loggers_and_runtimes_write_must_be_found(line: str) -> None:
    assert len(found(line)) == 1


def test_a_request_that_was_answered_with_a_server_error_must_count_without_what_was_asked_for() -> None:
    lines = [f'10.0.0.{n} - - [28/Nov/2026:10:00:0{n} +0000] "GET /u/{n}?q=error HTTP/1.1" 503 12' for n in range(3)]
    assert found(*lines) == ["a request was answered with 503"]


def test_only_the_service_s_own_containers_must_count() -> None:
    assert errors([log("ERROR boom", mine=False)]) == ()


def test_lines_outside_the_time_must_not_count_and_lines_without_a_time_must() -> None:
    lines = ("2026-11-28T10:00:00Z ERROR early", "2026-11-28T10:01:00Z ERROR late", "ERROR whenever")
    cut = 1795860060 - 30  # between the two
    assert {one.example for one in errors([log(*lines)], since=cut)} == {"ERROR late", "ERROR whenever"}
    assert {one.example for one in errors([log(*lines)], until=cut)} == {"ERROR early", "ERROR whenever"}


def test_what_either_of_the_others_showed_must_not_be_new() -> None:
    after = (ErrorLine("a #", 1, "a 1"), ErrorLine("b #", 1, "b 1"), ErrorLine("c #", 1, "c 1"))
    assert [one.signature for one in new(after, (ErrorLine("a #", 9, "a 7"),), (ErrorLine("b #", 1, "b 2"),))] == [
        "c #"
    ]
    assert [one.count for one in merged([after, after])] == [2, 2, 2]


def test_an_endless_variety_must_be_cut() -> None:
    letters = "abcdefghijklmnopqrstuvwxyz"
    lines = [f"ERROR {one}{other} broke" for one in letters for other in letters]
    assert len(errors([log(*lines)])) == MOST
