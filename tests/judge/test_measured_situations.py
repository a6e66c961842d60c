"""What is said of figures, stored lines and routers: since when, against what, and never a number that nobody has."""

from typing import Any

from lastgood.judge.decide import diagnose
from lastgood.model.diagnosis import Diagnosis, Source
from lastgood.model.facts import Known
from tests.judge.corpus import NOW, situation

FAILING: dict[str, Any] = {
    "containers": [{"name": "api-1", "started": "10m"}],
    "looks": ["500: Internal Server Error"],
    "changes": [{"ago": "10m", "image": True}],
}
FINE: dict[str, Any] = FAILING | {"looks": ["ok 0.02"]}


def said(found: Diagnosis, source: Source) -> list[str]:
    return [one.said for one in found.evidence if one.source is source]


def test_it_must_be_since_the_rise_and_told_against_what_was_before() -> None:
    rising = {"requests": 20, "errors": [["2h", 0.02], ["9m", 9]]}
    found = diagnose(situation(FAILING | {"metrics": rising}))
    assert found.since == Known(NOW - 9 * 60)
    assert said(found, Source.METRICS) == ["45.0% of requests fail, 0.1% before the newest change"]


def test_a_rise_before_the_change_must_be_told_with_both_times() -> None:
    rising = {"requests": 20, "errors": [["2h", 0.02], ["40m", 9]]}
    found = diagnose(situation(FAILING | {"metrics": rising}))
    assert found.contradictions[0] == (
        "it began at 2026-11-28 02:20:00 UTC, before the newest change came at 2026-11-28 02:50:00 UTC"
    )


def test_probes_that_pass_while_requests_fail_must_be_a_contradiction() -> None:
    found = diagnose(situation(FINE | {"metrics": {"requests": 20, "errors": [["2h", 0], ["9m", 8]]}}))
    assert found.contradictions == ("every probe passes",)
    assert said(found, Source.METRICS) == ["40.0% of requests fail, 0.0% before the newest change"]


def test_what_nobody_measured_must_be_named_and_give_no_number() -> None:
    missing = {"requests": "unknown: there is no data", "errors": "unknown: it answered only in part"}
    given = {"metrics": missing, "stored": "unknown: no org id", "router": "unknown: no answer in time"}
    found = diagnose(situation(FINE | given))
    assert said(found, Source.METRICS) == []
    assert {
        "metrics, requests: there is no data",
        "metrics, errors: it answered only in part",
        "logs, lines: no org id",
        "router, routing: no answer in time",
    } <= set(found.unknown)


def test_no_traffic_must_differ_from_no_data() -> None:
    silent = diagnose(situation(FINE | {"metrics": {"requests": [["2h", 12], ["10m", 0]], "errors": 0}}))
    assert silent.what == "No request arrives any more."
    assert said(silent, Source.METRICS)[0].startswith("no request arrives; ")
    gone = diagnose(situation(FINE | {"metrics": {"requests": [["2h", 12], ["10m", None]], "errors": 0}}))
    assert gone.what == "Nothing is seen to be wrong."


def test_a_router_s_health_check_must_be_evidence_beside_what_fails() -> None:
    found = diagnose(situation(FAILING | {"router": {"servers": ["down", "up", "unchecked"]}}))
    assert said(found, Source.ROUTER) == ["shop-api@docker: its health check fails for 1 of 3: http://10.0.0.0:8080"]
    disabled = {"disabled": 'middleware "auth@docker" does not exist', "servers": ["unchecked"]}
    routed = diagnose(situation(FAILING | {"looks": ["404: Not Found"], "router": disabled}))
    assert said(routed, Source.ROUTER) == ['router shop@docker is disabled: middleware "auth@docker" does not exist']


def test_lines_that_a_container_still_has_must_not_count_twice() -> None:
    log = {"ago": "9m", "text": "panic: boom\n"}
    given = FAILING | {"logs": {"api-1": log}, "stored": log}
    assert len(said(diagnose(situation(given)), Source.LOG)) == 1
    gone = FAILING | {"containers": [], "stored": log}
    assert said(diagnose(situation(gone)), Source.LOG) == ['logs: "panic: boom"']
