"""What one machine has judged every other one knows by the hosts, and nothing else from there counts."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hostplace import NOW, HostPlace

from lastgood.model.release import Grade, Image, Judgement
from lastgood.observe import verdicts

GOOD = Judgement("shop/prod", Image("r/shop", "v1"), Grade.VERIFIED, NOW - 60, "run-1", "passed the gate")
BAD = Judgement("shop/prod", Image("r/shop", "v2"), Grade.BAD, NOW - 30, "run-1", "http 500", "http 500")


class Place(HostPlace):
    @property
    def file(self) -> Path:
        return Path(verdicts.path(self.target))

    def leaves(self, *said: Judgement) -> tuple[str, ...]:
        return verdicts.leave(self.target, self.tools, self.hosts, said)

    def finds(self, *own: Judgement) -> tuple[Judgement, ...]:
        return verdicts.elsewhere(self.target, self.tools, own)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "state")


def changed(**fields: Any) -> bytes:
    return msgspec.json.encode(msgspec.structs.replace(GOOD, **fields))


def test_what_is_left_must_be_found_by_whoever_has_not_judged_it_himself(place: Place) -> None:
    assert place.finds() == ()
    assert place.leaves(GOOD, BAD) == ()
    assert place.finds() == (GOOD, BAD)
    assert place.finds(GOOD) == ()  # both are of this machine's own run


def test_what_is_not_conclusive_must_stay_where_it_was_found(place: Place) -> None:
    place.leaves(*(msgspec.structs.replace(GOOD, grade=one) for one in Grade if one not in {Grade.BAD, Grade.VERIFIED}))
    assert not place.file.exists()
    place.writes(changed(grade=Grade.INCONCLUSIVE), changed(grade=Grade.QUARANTINED))
    assert place.finds() == ()


def test_the_same_once_more_must_fill_no_disk_and_another_verdict_be_heard_at_once(place: Place) -> None:
    for minute in range(50):
        place.leaves(msgspec.structs.replace(GOOD, at=GOOD.at + 60 * minute, run=f"run-{minute}"))
    assert len(place.file.read_bytes().splitlines()) == 1
    place.leaves(msgspec.structs.replace(GOOD, grade=Grade.BAD), msgspec.structs.replace(GOOD, at=NOW))
    place.leaves(msgspec.structs.replace(GOOD, at=NOW + 24 * 3600))
    grades = [msgspec.json.decode(line, type=Judgement).grade for line in place.file.read_bytes().splitlines()]
    assert grades == [Grade.VERIFIED, Grade.BAD, Grade.VERIFIED, Grade.VERIFIED]


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\xff\xfe",
        b"[" * 2000,
        b'{"target": "shop/prod"}',
        changed(target="other/prod"),
        changed(image=Image("r/shop", "v1", "--privileged")),
        changed(image=Image("r/shop", "v1", "sha256:" + "a" * 63 + "\n")),
        changed(at=NOW + 3600),
        changed(grade=Grade.VERIFIED).replace(b"verified", b"excellent"),
    ],
)
def test_what_is_no_verdict_must_be_passed_over_and_the_others_count(place: Place, line: bytes) -> None:
    place.writes(line, changed(), line)
    assert place.finds() == (GOOD,)


def test_words_from_a_host_must_be_harmless(place: Place) -> None:
    place.writes(changed(because="fine\x1b[2J\n" + "x" * 5000))
    (found,) = place.finds()
    assert "\x1b" not in found.because
    assert "\n" not in found.because
    assert len(found.because) <= 300


def test_a_host_that_does_not_answer_must_be_named_and_take_nothing_away(place: Place) -> None:
    place.hosts = ("local", "silent")
    assert place.leaves(GOOD) == ("silent: no answer",)
    assert place.finds() == (GOOD,)


def test_a_line_that_was_cut_off_must_take_no_other_with_it(place: Place) -> None:
    place.leaves(GOOD)
    place.file.write_bytes(place.file.read_bytes() + b'{"target": "shop/pr')
    place.leaves(BAD)
    assert place.finds() == (GOOD, BAD)
