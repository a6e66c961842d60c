"""The outbox loses nothing, tells nothing twice at the same time, keeps a run's order, and never gets in the way."""

from pathlib import Path

import msgspec
import pytest
from chatting import RUN, begun, chat, postal
from postal import MACHINE, Postal, Told, end

from lastgood.model.errors import Exit
from lastgood.model.event import Failure, Resumed, RunEnded, StepFailed, StepStarted
from lastgood.model.message import Delivered, Failed, Kind
from lastgood.outbox.collect import adopted
from lastgood.outbox.escalation import stopped
from lastgood.outbox.store import Outbox
from lastgood.posting import Repo

__all__ = ["chat", "postal"]


def test_a_run_must_be_told_when_it_begins_and_when_it_ends(postal: Postal, chat: Told) -> None:
    postal.alive.add(RUN)
    postal.writes(RUN, begun())
    postal.works()
    assert chat.heard == [(f"{RUN}/began/1", "", False)]
    postal.writes(RUN, StepStarted("1.pull"), end())
    postal.works()
    postal.works()
    assert chat.heard[1:] == [(f"{RUN}/ended/3", "ref", False)]
    assert postal.fates() == ["delivered", "delivered"]


def test_a_message_must_keep_the_time_at_which_it_happened(postal: Postal, chat: Told) -> None:
    chat.does = lambda _: Failed("down")
    postal.writes(RUN, begun(), end())
    at = postal.journal.entries(RUN)[1].at
    postal.works()
    postal.clock.by += 86400
    chat.does = lambda _: Delivered("here")
    postal.works()
    assert postal.posts()[1].message.at == at


@pytest.mark.parametrize(("code", "kind"), [(5, "stopped"), (8, "stopped"), (9, "ended"), (1, "ended"), (0, "ended")])
def test_a_run_that_needs_a_person_must_be_told_with_what_was_tried(
    postal: Postal, chat: Told, code: int, kind: str
) -> None:
    failed = StepFailed("1.verify", "it answers 500", Failure.RELEASE)
    postal.writes(RUN, begun(), StepStarted("1.verify"), failed, end(Exit(code)))
    postal.works()
    assert chat.keys[-1] == f"{RUN}/{kind}/4"
    told = postal.posts()[-1].message
    assert ("1.verify: it answers 500" in told.because) is (kind == "stopped")
    assert (f"lastgood show {RUN}" in told.next) is (kind == "stopped")


def test_a_killed_run_must_be_told_by_whoever_looks_next_and_once(postal: Postal, chat: Told) -> None:
    postal.writes(RUN, begun(), StepStarted("1.pull"))
    postal.alive.add(RUN)
    postal.works()
    postal.alive.clear()
    postal.works()
    postal.works()
    assert chat.keys == [f"{RUN}/began/1", f"{RUN}/stopped/2"]
    assert f"lastgood resume {RUN}" in postal.posts()[-1].message.next
    postal.writes(RUN, Resumed(f"ann@{MACHINE}", aborting=False, lease="t"), end())
    postal.works()
    assert chat.keys[2:] == [f"{RUN}/began/3", f"{RUN}/ended/4"]
    assert "taken up again by ann@laptop, to finish it" in postal.posts()[2].message.what


def test_what_another_machine_wrote_down_must_be_left_to_it_to_tell(postal: Postal, chat: Told) -> None:
    postal.writes(RUN, begun("bo@desk"), StepStarted("1.pull"))
    with Outbox(postal.path) as outbox:
        adopted(outbox, RUN, 2)
    postal.works()
    assert chat.keys == []
    postal.writes(RUN, Resumed(f"ann@{MACHINE}", aborting=False, lease="t"), end())
    postal.works()
    assert chat.keys == [f"{RUN}/began/3", f"{RUN}/ended/4"]


def test_the_run_of_another_deploy_repo_must_be_told_by_that_one_alone(postal: Postal, chat: Told) -> None:
    postal.writes(RUN, msgspec.structs.replace(begun(), repo="/other"), end(Exit.NEEDS_HUMAN))
    postal.writes("20261122-184501-0001", msgspec.structs.replace(begun(), repo="/other"), StepStarted("1.pull"))
    postal.works()
    assert chat.keys == []
    with Outbox(postal.path) as outbox:
        assert list(stopped(postal.journal, outbox, postal.here)) == []


def test_two_clones_of_one_deploy_repo_must_share_an_outbox_and_another_repo_has_its_own() -> None:
    origins = {"/a": "git@h:deploy", "/b": "git@h:deploy", "/c": "git@h:other"}
    first, second, third = (Repo(path, lambda path: origins.get(path, path)) for path in ["/a", "/b", "/c"])
    assert first.tag == second.tag != third.tag
    assert first.same("/b")
    assert not first.same("/c")
    assert not first.same("/gone")


@pytest.mark.parametrize(("code", "aborting", "told"), [(9, False, 0), (9, True, 1), (5, False, 1)])
def test_a_run_that_is_only_settled_must_not_be_told_to_begin_again(
    postal: Postal, chat: Told, code: int, *, aborting: bool, told: int
) -> None:
    postal.writes(RUN, begun(), end(Exit(code)), Resumed(f"ann@{MACHINE}", aborting=aborting, lease="t"), end())
    postal.works()
    assert chat.keys.count(f"{RUN}/began/3") == told
    assert chat.keys[-1] == f"{RUN}/ended/4"


def test_a_check_must_not_be_told(postal: Postal, chat: Told) -> None:
    postal.writes(RUN, begun(action="check"), end())
    postal.works()
    assert chat.heard == []


def test_what_nobody_wants_to_hear_must_not_be_told(tmp_path: Path) -> None:
    ends, staging = Told("ends", kinds=frozenset({Kind.ENDED})), Told("staging", envs=("staging",))
    postal = Postal(tmp_path, ends, staging)
    postal.writes(RUN, begun(), end())
    postal.writes("20261122-180000-0001", begun(target="shop-api/staging"))
    postal.alive.add("20261122-180000-0001")
    postal.works()
    assert ends.keys == []  # new here, it hears of the newest run, and that has not ended
    assert staging.keys == ["20261122-180000-0001/began/1"]


def test_a_new_destination_must_hear_of_the_run_under_way_and_of_no_older_one(tmp_path: Path, chat: Told) -> None:
    postal = Postal(tmp_path, chat)
    postal.writes("20200101-000000-0000", begun(), end())
    postal.writes(RUN, begun())
    postal.alive.add(RUN)
    postal.works()
    assert chat.keys == [f"{RUN}/began/1"]


def test_what_leaves_the_machine_must_hold_no_secret_and_nothing_endless(postal: Postal) -> None:
    because = ("DB_PASSWORD=hunter2hunter2 \x1b[31m " + "x" * 10_000, "Authorization: Bearer abcdefghijk")
    postal.writes(RUN, begun(), RunEnded(Exit.NEEDS_HUMAN, "postgres://u:s3cretpw@db/x failed", because, ()))
    postal.collects()
    content = Path(postal.path).read_bytes()
    assert not any(word in content for word in (b"hunter2", b"s3cretpw", b"abcdefghijk", b"\x1b["))
    assert all(len(each) < 520 for each in postal.posts()[-1].message.because)
