"""`make judge`: the corpus judged, the confusion matrix, and failure for a wrong change of production."""

import sys
from collections import Counter
from collections.abc import Sequence

from lastgood.judge.decide import diagnose
from lastgood.model.diagnosis import Action, Destructive, Diagnosis, Scenario
from tests.judge.corpus import Case, cases

LEAST = 0.9
Judged = tuple[Case, Diagnosis]


def dangerous(case: Case, said: Diagnosis) -> bool:
    """Whether it recommends to change production in a way that is not right here."""
    return isinstance(said.recommendation, Destructive) and said.recommendation.action not in case.actions


def right(case: Case, said: Diagnosis) -> bool:
    """Whether scenario, key and recommendation are all as expected."""
    key = not case.key or said.key == case.key
    return said.scenario is case.scenario and key and said.recommendation.action in case.actions


def judged() -> list[Judged]:
    """Every situation with what is said of it."""
    return [(case, diagnose(case.seen)) for case in cases()]


def _matrix(found: Sequence[Judged]) -> list[str]:
    """Rows: what it is. Columns: what was said, by the number of the row."""
    used = [one for one in Scenario if any(one in (case.scenario, said.scenario) for case, said in found)]
    count = Counter((case.scenario, said.scenario) for case, said in found)
    head = " " * 19 + "".join(f"{number:>4}" for number in range(1, len(used) + 1))
    rows = [
        f"{number:>2} {row:<16}" + "".join(f"{count[row, column] or '.':>4}" for column in used)
        for number, row in enumerate(used, 1)
    ]
    return [head, *rows]


def _actions(found: Sequence[Judged]) -> list[str]:
    count = Counter((case.actions[0], said.recommendation.action) for case, said in found)
    head = " " * 19 + "".join(f"{one:>16}" for one in Action)
    return [
        head,
        *(f"   {row:<16}" + "".join(f"{count[row, column] or '.':>16}" for column in Action) for row in Action),
    ]


def _figures(name: str, found: Sequence[Judged]) -> str:
    good = sum(said.scenario is case.scenario for case, said in found)
    whole = sum(right(*one) for one in found)
    bad = sum(dangerous(*one) for one in found)
    return f"{name}: {len(found)} situations; scenario right {good}, all right {whole}, wrong changes {bad}"


def main() -> int:
    """Print the figures; 1 where a change is recommended wrongly, or fewer than nine of ten are right."""
    found = judged()
    print("\n".join((*_matrix(found), "", *_actions(found), "")))
    for case, said in found:
        if not right(case, said):
            told = f"{said.scenario}, {said.recommendation.action}" + (
                f", key {said.key or 'none'}" if case.key else ""
            )
            mark = "WRONG CHANGE" if dangerous(case, said) else "wrong"
            print(f"{mark}: {case.file}: {case.name}: {told}; it is {case.scenario}, {case.actions[0]}")
    mended, held = [one for one in found if not one[0].held_out], [one for one in found if one[0].held_out]
    print("\n".join(("", _figures("mended by", mended), _figures("held out", held))))
    enough = sum(right(*one) for one in found) >= LEAST * len(found)
    return 0 if enough and not any(dangerous(*one) for one in found) else 1


if __name__ == "__main__":
    sys.exit(main())
