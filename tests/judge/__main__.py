"""`make judge`: every situation judged, the confusion matrix, and failure for a wrong change of production."""

import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from lastgood.judge.decide import diagnose
from lastgood.model.diagnosis import Action, Destructive, Diagnosis, Scenario
from tests.judge.corpus import Case, cases

LEAST = 0.9


class Answer(NamedTuple):
    """What is said of a situation."""

    scenario: Scenario
    action: Action
    key: str
    changes: bool


class Outcome(NamedTuple):
    """One situation: what it is, and what is said of it."""

    part: str
    name: str
    scenario: Scenario
    actions: tuple[Action, ...]
    key: str
    said: Answer

    @property
    def dangerous(self) -> bool:
        """Whether it is advised to change production in a way that is not right here."""
        return self.said.changes and self.said.action not in self.actions

    @property
    def right(self) -> bool:
        """Whether scenario, key and advice are all as expected."""
        key = not self.key or self.said.key == self.key
        return self.said.scenario is self.scenario and key and self.said.action in self.actions


def recorded() -> list[tuple[Case, Diagnosis]]:
    """Every situation of the corpus with its diagnosis."""
    return [(case, diagnose(case.seen)) for case in cases()]


def outcome(case: Case, said: Diagnosis) -> Outcome:
    """A recorded situation's."""
    advice = said.recommendation
    answer = Answer(said.scenario, advice.action, said.key, isinstance(advice, Destructive))
    return Outcome(case.file, case.name, case.scenario, case.actions, case.key, answer)


def made() -> Iterator[Outcome]:
    """Situations on a real world, judged by the command itself."""
    from sandbox.prepare import ensure_browser
    from sandbox.world import World
    from tests.judge.live import diagnosed, situations

    ensure_browser()
    with World.up(web=True) as world:
        for live in situations(world):
            answer = answered(json.loads(diagnosed(world, live.service).stdout))
            yield Outcome("live", live.name, live.scenario, (live.action,), live.key, answer)


def answered(said: dict[str, Any]) -> Answer:
    """What the command printed."""
    advice = said["recommendation"]
    return Answer(Scenario(said["scenario"]), Action(advice["action"]), said["key"], advice["kind"] == "destructive")


def _matrix(found: Sequence[Outcome]) -> list[str]:
    """Rows: what it is. Columns: what was said, by the number of the row."""
    used = [one for one in Scenario if any(one in (each.scenario, each.said.scenario) for each in found)]
    count = Counter((each.scenario, each.said.scenario) for each in found)
    head = " " * 19 + "".join(f"{number:>4}" for number in range(1, len(used) + 1))
    rows = [
        f"{number:>2} {row:<16}" + "".join(f"{count[row, column] or '.':>4}" for column in used)
        for number, row in enumerate(used, 1)
    ]
    return [head, *rows]


def _actions(found: Sequence[Outcome]) -> list[str]:
    """Rows: the best advice. Columns: the advice given; where several are right and one of them is given, that."""
    count = Counter(
        (each.said.action if each.said.action in each.actions else each.actions[0], each.said.action) for each in found
    )
    head = " " * 19 + "".join(f"{one:>16}" for one in Action)
    return [
        head,
        *(f"   {row:<16}" + "".join(f"{count[row, column] or '.':>16}" for column in Action) for row in Action),
    ]


def _figures(part: str, found: Sequence[Outcome]) -> str:
    good = sum(each.said.scenario is each.scenario for each in found)
    whole = sum(each.right for each in found)
    bad = sum(each.dangerous for each in found)
    return f"{part:<16} {len(found):>4} situations, scenario right {good:>4}, all right {whole:>4}, wrong changes {bad}"


def _wrong(each: Outcome) -> str:
    said, key = each.said, f", key {each.said.key or 'none'}" if each.key else ""
    mark = "WRONG CHANGE" if each.dangerous else "wrong"
    best = f"{each.scenario}, {each.actions[0]}"
    return f"{mark}: {each.part}: {each.name}: {said.scenario}, {said.action}{key}; it is {best}"


def report(found: Sequence[Outcome]) -> int:
    """Print matrix and figures; 1 where a change is advised wrongly, or fewer than nine of ten are right."""
    print("\n".join((*_matrix(found), "", *_actions(found), "")))
    print("\n".join(_wrong(each) for each in found if not each.right))
    for part in dict.fromkeys(each.part for each in found):
        print(_figures(part, [each for each in found if each.part == part]))
    print(_figures("all", found))
    enough = sum(each.right for each in found) >= LEAST * len(found)
    return 0 if enough and not any(each.dangerous for each in found) else 1


def main(words: Sequence[str]) -> int:
    """Judge the corpus, with `--live` what is made on a real world as well."""
    found = [outcome(*each) for each in recorded()]
    return report([*found, *(made() if "--live" in words else ())])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
