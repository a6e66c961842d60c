"""Verdicts about a record: by its own hashes, and by what others know of it."""

import pytest

from lastgood.journal import codec
from lastgood.model import chain
from lastgood.model.chain import Fault, Line
from lastgood.model.errors import Exit
from lastgood.model.event import Said
from lastgood.model.verified import Mark, Statement, Verdict, Verified
from lastgood.record.verify import verify
from lastgood.run.witnesses import marked
from tests.journal.sample import begun, lined

PLAIN = tuple(codec.line(entry) for entry in lined(begun(), Said("a"), Said("b"), Said("c")))
SEALS = chain.seals(PLAIN)
LINES = tuple(
    Line(line.run, line.seq, line.at, line.kind, line.event, sealed) for line, sealed in zip(PLAIN, SEALS, strict=True)
)
HOST = Statement("on the host", tuple(Mark(at, sealed) for at, sealed in enumerate(SEALS, start=1)))
COMMIT = Statement("in commit 1a2b3c", (Mark(2, SEALS[1]),))


def judged(lines: tuple[Line, ...], *statements: Statement, **more: bool) -> Verified:
    return verify("r", "shop-api/prod", lines, statements, **more)


def rewritten(lines: tuple[Line, ...], at: int) -> tuple[Line, ...]:
    """The whole chain made again, after line `at` was changed: it fits its hashes."""
    plain = [Line(o.run, o.seq, o.at + (o.seq == at), o.kind, o.event) for o in lines]
    return tuple(Line(o.run, o.seq, o.at, o.kind, o.event, s) for o, s in zip(plain, chain.seals(plain), strict=True))


def test_a_record_that_a_host_knows_whole_must_be_whole() -> None:
    found = judged(LINES, HOST, COMMIT)
    assert (found.verdict, found.exit, found.head, found.limits) == (Verdict.WHOLE, Exit.DONE, SEALS[-1], ())
    assert [one.lines for one in found.witnesses] == [4, 2]


def test_what_nobody_else_knows_must_be_unproven_and_say_so() -> None:
    found = judged(LINES)
    assert (found.verdict, found.exit) == (Verdict.UNPROVEN, Exit.NEEDS_HUMAN)
    assert "cut off at its end" in found.limits[0]
    silent = judged(LINES, Statement("on the host", (), "No route to host"))
    assert (silent.verdict, silent.witnesses[0].because) == (Verdict.UNPROVEN, "No route to host")


def test_a_record_that_nobody_is_to_know_must_be_whole_and_name_the_limit() -> None:
    found = judged(LINES, alone=True)
    assert found.verdict is Verdict.WHOLE
    assert "nobody else was asked" in found.limits[0]
    assert judged((), alone=True).verdict is Verdict.UNPROVEN


def test_lines_that_others_do_not_know_must_be_unproven_by_number() -> None:
    found = judged(LINES, COMMIT)
    assert (found.verdict, found.limits) == (Verdict.UNPROVEN, ("lines 3 to 4 are known here only",))


@pytest.mark.parametrize("left", [1, 2, 3])
def test_a_record_that_was_cut_off_must_be_broken_by_what_others_know(left: int) -> None:
    found = judged(LINES[:left], HOST)
    assert (found.verdict, found.faults[0].line) == (Verdict.BROKEN, left + 1)
    assert "cut off" in found.faults[0].what
    assert judged(LINES[:left]).verdict is Verdict.UNPROVEN


@pytest.mark.parametrize("at", [1, 2, 4])
def test_a_chain_that_was_made_again_must_be_broken_by_what_others_know(at: int) -> None:
    found = judged(rewritten(LINES, at), HOST)
    assert (found.verdict, found.faults[0].line) == (Verdict.BROKEN, at)
    assert judged(rewritten(LINES, at)).verdict is Verdict.UNPROVEN


def test_a_hash_that_somebody_kept_must_be_a_witness() -> None:
    assert judged(LINES, Statement("by --head", (Mark(0, SEALS[-1]),))).verdict is Verdict.WHOLE
    earlier = judged(LINES, Statement("by --head", (Mark(0, SEALS[1]),)))
    assert (earlier.verdict, earlier.witnesses[0].lines) == (Verdict.UNPROVEN, 2)
    assert judged(LINES, Statement("by --head", (Mark(0, "0" * 64),))).verdict is Verdict.BROKEN


def test_lines_from_before_there_were_hashes_must_be_told() -> None:
    found = verify("r", "t", PLAIN, (), chained_since="2026-11-22 17:45 UTC", alone=True)
    assert (found.verdict, found.unchained) == (Verdict.UNPROVEN, 4)
    assert "before this journal was chained (chained since 2026-11-22 17:45 UTC)" in found.limits[0]
    mixed = judged((*PLAIN[:2], *LINES[2:]), alone=True)
    assert (mixed.verdict, mixed.unchained) == (Verdict.UNPROVEN, 2)
    assert "lines 1 to 2" in mixed.limits[0]
    assert judged(PLAIN, HOST).verdict is Verdict.WHOLE  # the host knows what they were


def test_an_end_without_hashes_must_be_unproven_unless_others_know_it() -> None:
    bare = (*LINES[:2], *PLAIN[2:])
    found = judged(bare, alone=True)
    assert (found.verdict, found.limits[-1][:21]) == (Verdict.UNPROVEN, "line 4 has no hash: a")
    assert judged(bare, HOST).verdict is Verdict.WHOLE


def test_faults_found_by_other_means_must_count() -> None:
    assert verify("r", "t", LINES, (HOST,), faults=(Fault(2, "filed wrongly"),)).verdict is Verdict.BROKEN


@pytest.mark.parametrize("value", ["", "r", "r/x/aa", "other/1/aa", "r/1", "r/1/aa/bb", "r/-1/aa", "r/²/aa"])
def test_a_trailer_that_says_nothing_about_the_run_must_be_none(value: str) -> None:
    assert marked("r", value) is None


def test_a_trailer_must_be_read_as_it_is_written() -> None:
    assert marked("r", f"r/2/{SEALS[1]}") == Mark(2, SEALS[1])
