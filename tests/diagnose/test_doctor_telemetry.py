"""What `doctor` says of what watches a target: a source that would not answer is a warning and hides no other."""

from typing import Any, cast

from lastgood.diagnose.case import Case
from lastgood.diagnose.telemetry import checks
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.report import Mark


class Source:
    def __init__(self, fact: Fact[str] | Exception) -> None:
        self.fact = fact

    def check(self) -> Fact[str]:
        if isinstance(self.fact, Exception):
            raise self.fact
        return self.fact


def case(**sources: Source) -> Case:
    class Given:
        name = "shop-api/prod"
        telemetry = staticmethod(lambda _seconds: sources)

    given = cast("Any", Given())
    return Case(given, given, given)


def test_each_source_must_be_told_by_its_name() -> None:
    found = checks(
        case(
            metrics=Source(Known("Prometheus 2.42.0 answers requests, errors")),
            logs=Source(Unknown("there is no line of the last day; are the query and tenant a right?")),
            router=Source(ZeroDivisionError("x")),
        )
    )
    assert [(one.name, one.mark) for one in found] == [
        ("shop-api/prod: metrics", Mark.OK),
        ("shop-api/prod: logs", Mark.WARN),
        ("shop-api/prod: router", Mark.WARN),
    ]
    assert "are the query and tenant a right?" in found[1].said
    assert found[1].next[0].startswith("a rollback goes on without it")


def test_a_target_that_nothing_watches_must_have_no_such_check() -> None:
    assert checks(case()) == ()
