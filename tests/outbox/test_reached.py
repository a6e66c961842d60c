"""A point that trackers and notifiers answer is done once all of them have taken the run's messages."""

from pathlib import Path

import pytest
from postal import Postal, Told, end

from lastgood import catalog
from lastgood.model.checklist import Check, State
from lastgood.model.message import Delivered, Failed
from lastgood.outbox.reached import reached
from lastgood.outbox.store import Outbox
from tests.journal.sample import begun

RUN = "20261122-174501-7f3a"

TICKS: dict[str, Check] = {"wiki": "page-written", "mail": "team-told", "chat": "team-told", "board": "task-written"}


def stands(postal: Postal) -> dict[Check, tuple[State, str]]:
    with Outbox(postal.path) as outbox:
        return reached(outbox, RUN, TICKS)


def test_what_arrived_must_be_done_and_what_waits_open_with_why(tmp_path: Path) -> None:
    wiki, mail, chat = Told("wiki"), Told("mail"), Told("chat")
    postal = Postal(tmp_path, wiki, mail, chat)
    wiki.does = lambda _: Delivered("https://wiki.example/incident")
    mail.does = lambda _: Failed("mail.example refuses")
    chat.does = lambda _: Delivered("chat.example")
    postal.writes(RUN, begun(), end())
    postal.collects()
    assert stands(postal)["page-written"] == (State.OPEN, "wiki: it waits in the outbox")
    postal.works()
    postal.works()
    found = stands(postal)
    assert found["page-written"] == (State.DONE, "wiki: https://wiki.example/incident")
    assert found["team-told"] == (State.OPEN, "mail: mail.example refuses; chat: chat.example")
    assert "task-written" not in found  # nobody keeps one: a person answers
    mail.does = lambda _: Delivered("")
    postal.delivers(all_of_them=True)
    postal.delivers(all_of_them=True)
    assert stands(postal)["team-told"] == (State.DONE, "mail; chat: chat.example")


@pytest.mark.parametrize("kind", catalog.kinds("trackers"))
def test_every_tracker_must_answer_a_point(kind: str) -> None:
    assert catalog.ticks("trackers", kind) in {"page-written", "task-written", "issue-opened"}


def test_a_silence_must_tell_nobody() -> None:
    assert catalog.ticks("notifiers", "alertmanager") == ""
    assert catalog.ticks("notifiers", "webhook") == "team-told"
