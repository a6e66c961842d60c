from pathlib import Path

import pytest
from postal import Postal, Told

from lastgood.outbox.escalation import Contact


@pytest.fixture
def ann() -> Told:
    return Told("contact:ann", kinds=frozenset())


@pytest.fixture
def bo() -> Told:
    return Told("contact:bo", kinds=frozenset())


@pytest.fixture
def postal(tmp_path: Path, ann: Told, bo: Told) -> Postal:
    made = Postal(tmp_path, ann, bo)
    made.contacts = (Contact("contact:ann", "ann", 0), Contact("contact:bo", "bo", 900, ("prod",)))
    made.collects()
    return made
