"""A chat that is told of runs, enlisted for a while already."""

from pathlib import Path

import msgspec
import pytest
from postal import MACHINE, Postal, Told, end

from lastgood.model.event import RunStarted
from tests.journal.sample import begun as sample

RUN = "20261122-174501-7f3a"


def begun(by: str = f"ann@{MACHINE}", target: str = "shop-api/prod", action: str = "rollback") -> RunStarted:
    event = sample(target)
    plan = msgspec.structs.replace(event.plan, action=action)
    return msgspec.structs.replace(event, plan=plan, consent=msgspec.structs.replace(event.consent, by=by))


@pytest.fixture
def chat() -> Told:
    return Told("chat")


@pytest.fixture
def postal(tmp_path: Path, chat: Told) -> Postal:
    made = Postal(tmp_path, chat)
    made.writes("20200101-000000-0000", begun(), end())
    made.clock.by = 2 * 3600
    made.collects()  # from now on it is enlisted
    assert made.posts() == ()
    return made
