"""What somebody approved is what is run: a migration file that is another by now makes another plan."""

import msgspec
import pytest
import test_plan_walk_descent as descent_plans
from plan_values import CONSENT

from lastgood.model.errors import WorldMoved
from lastgood.model.plan import consent

OTHERS = {
    "another statement": {"sql": "DROP TABLE notes, orders;\n", "sha256": "01"},
    "another file with the same statements": {"sha256": "01"},
    "another way to run it": {"alone": "line 1: DROP INDEX CONCURRENTLY cannot run in a transaction"},
    "another migration": {"version": "4"},
}


@pytest.mark.parametrize("case", OTHERS)
def test_consent_to_one_migration_file_is_none_to_another(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    approved = descent_plans.descending()
    (undo,) = descent_plans.WAY.undone
    tampered = msgspec.structs.replace(undo, **OTHERS[case])
    monkeypatch.setattr(descent_plans, "WAY", msgspec.structs.replace(descent_plans.WAY, undone=(tampered,)))
    now = descent_plans.descending()
    assert now.digest != approved.digest
    with pytest.raises(WorldMoved):
        consent(now, msgspec.structs.replace(CONSENT, plan_digest=approved.digest))
