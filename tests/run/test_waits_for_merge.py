"""Who is to be called for a proposal: somebody where a person has to merge it, nobody where it merges by itself."""

from typing import Any
from unittest.mock import Mock

import pytest

from lastgood.model.event import Failure
from lastgood.model.facts import Known, Unknown
from lastgood.model.forge import AWAITS_MERGE, Proposal, ProposalState
from lastgood.run.propose import proposed


@pytest.mark.parametrize(
    ("answer", "waits"),
    [
        (Known(Proposal(7, "https://h/pull/7", ProposalState.OPEN, auto_merge=False)), True),
        (Known(Proposal(7, "https://h/pull/7", ProposalState.OPEN, auto_merge=True)), False),
        (Known(Proposal(7, "https://h/pull/7", ProposalState.MERGED, auto_merge=False)), False),
        (Known(Proposal(7, "https://h/pull/7", ProposalState.CLOSED, auto_merge=False)), True),
        (Known(Proposal(0, "https://h/compare", ProposalState.BY_HAND, auto_merge=False)), True),
        (Unknown("it does not answer"), True),
    ],
)
def test_a_step_must_say_whether_it_waits_for_a_person(answer: Any, *, waits: bool) -> None:
    forge = Mock(propose=lambda *_: answer)
    desk = Mock(shared=Mock(forge=lambda: forge), group=Mock(first=Mock(branch="main")))
    step, offered = Mock(id="record"), Mock(commit="c" * 40, pushed=Mock(because="it is protected"))
    failed = proposed(step, desk, "20261122-174501-7f3a", offered, "subject\n\nbody")
    assert failed.kind is Failure.UNSETTLED
    assert (failed.signature == AWAITS_MERGE) is waits
    assert failed.next[-1] == "lastgood settle 20261122-174501-7f3a"
