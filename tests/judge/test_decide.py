"""What must hold of every diagnosis, whatever was seen."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lastgood.cli.text_diagnose import diagnosis_text
from lastgood.judge.decide import diagnose
from lastgood.judge.logs import read
from lastgood.judge.patterns import TABLE
from lastgood.model.diagnosis import Action, Confidence, Destructive, Harmless, Scenario
from lastgood.model.facts import Known, Unknown
from lastgood.model.observed import Look, State
from lastgood.model.report import Health
from lastgood.model.situation import Body, Change, HostSeen, Neighbour, Page, Situation
from lastgood.model.visit import Fault, Missed, Visit
from tests.judge.corpus import NOW, cases

UNSEEN = Unknown("nobody could look")
BROKEN = (Look("https://shop.example/", ok=False, said="500: no", signature="http 500"),)
ILL = Body("api-1", health="unhealthy", created=NOW - 600, started=NOW - 600)
PANIC = read("api-1", b"panic: assignment to entry in nil map\n")
SHIPPED = Change(NOW - 600, "c" * 40, "b" * 40, image=True, before="sha-1", after="sha-2")
HOST = HostSeen("local", 0.2, 0.6)


def broken() -> Situation:
    """A release that fails since it was shipped, and everything known of it."""
    return Situation(
        "shop-api/prod",
        NOW,
        Known((ILL,)),
        BROKEN,
        Known((PANIC,)),
        Known((SHIPPED,)),
        hosts=Known((HOST,)),
        neighbours=Known((Neighbour("shop-web/prod", Health.HEALTHY),)),
    )


def test_a_release_that_fails_since_it_was_shipped_must_be_rolled_back() -> None:
    said = diagnose(broken())
    assert said.recommendation == Destructive(
        Action.ROLLBACK, "lastgood rollback shop-api prod", "it began after sha-2 was pinned", Scenario.API_ERRORS
    )


@pytest.mark.parametrize("part", ["bodies", "logs", "changes"])
def test_no_change_may_be_recommended_where_an_essential_part_is_not_known(part: str) -> None:
    said = diagnose(msgspec.structs.replace(broken(), **{part: UNSEEN}))
    assert isinstance(said.recommendation, Harmless)
    assert said.recommendation.action is Action.HUMAN
    assert any("nobody could look" in one for one in said.unknown)


def test_nothing_known_at_all_must_be_unknown_and_never_healthy() -> None:
    said = diagnose(Situation("shop-api/prod", NOW, UNSEEN))
    assert (said.scenario, said.confidence, said.recommendation.action) == (
        Scenario.UNKNOWN,
        Confidence.NONE,
        Action.HUMAN,
    )


def test_a_neighbour_that_is_down_too_must_stop_a_change() -> None:
    seen = msgspec.structs.replace(broken(), neighbours=Known((Neighbour("shop-web/prod", Health.UNHEALTHY, "502"),)))
    said = diagnose(seen)
    assert said.contradictions == ("it is not alone: shop-web/prod is down too",)
    assert said.recommendation.action is Action.HUMAN


def test_a_service_of_another_team_must_be_quoted_in_a_command() -> None:
    seen = msgspec.structs.replace(broken(), target="shop api;reboot/prod")
    assert diagnose(seen).recommendation.command == "lastgood rollback 'shop api;reboot' prod"


def test_what_nothing_dates_must_not_be_blamed_on_an_older_change() -> None:
    silent = msgspec.structs.replace(broken(), logs=Known(()))
    assert diagnose(silent).recommendation.action is Action.ROLLBACK
    older = msgspec.structs.replace(SHIPPED, at=NOW - 3600)
    ill = msgspec.structs.replace(ILL, created=NOW - 3600, started=NOW - 3600)
    said = diagnose(msgspec.structs.replace(silent, changes=Known((older,)), bodies=Known((ill,))))
    assert (said.scenario, said.recommendation.action) == (Scenario.API_ERRORS, Action.HUMAN)


def test_words_that_passing_trouble_has_as_well_must_never_be_sure() -> None:
    def said(line: bytes) -> Confidence:
        logs = Known((read("api-1", line), read("api-2", line)))
        found = diagnose(msgspec.structs.replace(broken(), logs=logs))
        assert found.scenario is Scenario.DEPENDENCY
        return found.confidence

    assert said(b"read tcp 10.0.0.2:1->10.0.0.3:2: read: connection reset by peer\n") is Confidence.MEDIUM
    assert said(b"dial tcp 10.0.0.3:5432: connect: connection refused\n") is Confidence.HIGH


def test_what_a_running_service_writes_must_be_understood_before_a_change_is_blamed() -> None:
    def said(line: bytes) -> Action:
        return diagnose(msgspec.structs.replace(broken(), logs=Known((read("api-1", line),)))).recommendation.action

    assert said(b"listening on :8080\n") is Action.ROLLBACK
    assert said(b"ERROR the frobnicator declined\n") is Action.HUMAN
    assert said(b"ERROR the frobnicator declined\npanic: boom\n") is Action.ROLLBACK


@pytest.mark.parametrize(
    ("error", "action"),
    [
        ("unable to start container process: exec: /app: permission denied", Action.ROLLBACK),
        ("fork/exec /usr/bin/dockerinit: too many open files", Action.HUMAN),
    ],
)
def test_why_an_engine_could_not_start_it_must_be_understood_as_well(error: str, action: Action) -> None:
    failed = Body("api-1", state=State.CREATED, exit_code=128, error=error, created=NOW - 600)
    seen = msgspec.structs.replace(broken(), bodies=Known((failed,)), logs=Known(()))
    assert diagnose(seen).recommendation.action is action


def test_a_restart_must_have_an_error_of_the_services_own_for_a_reason() -> None:
    old = msgspec.structs.replace(broken(), changes=Known(()))
    assert diagnose(old).recommendation.action is Action.RESTART
    other = read("api-1", b"the queue says no\n")
    assert diagnose(msgspec.structs.replace(old, logs=Known((other,)))).recommendation.action is Action.HUMAN


@pytest.mark.parametrize("line", [b"panic: boom\n", b'ERROR: column "x" does not exist\n'])
def test_what_a_log_says_must_not_be_enough_against_what_passes(line: bytes) -> None:
    well = msgspec.structs.replace(ILL, health="healthy")
    seen = msgspec.structs.replace(broken(), bodies=Known((well,)), logs=Known((read("api-1", line * 3),)), looks=())
    said = diagnose(seen)
    assert (said.contradictions, said.recommendation.action) == (("every HEALTHCHECK passes",), Action.HUMAN)
    probed = diagnose(msgspec.structs.replace(seen, looks=(Look("u", ok=True, said="200"),)))
    assert (probed.contradictions, probed.recommendation.action) == (("every probe passes",), Action.HUMAN)


def test_configuration_alone_must_go_back_to_the_commit_before_it() -> None:
    change = Change(NOW - 600, "c" * 40, "b" * 40, keys=("greeting",))
    said = diagnose(msgspec.structs.replace(broken(), changes=Known((change,))))
    assert said.recommendation.command == f"lastgood rollback shop-api prod --config-only --to {'b' * 12}"


def test_harmless_may_not_be_a_change_nor_a_change_what_cannot_cure() -> None:
    with pytest.raises(ValueError, match="changes production"):
        Harmless(Action.ROLLBACK, "lastgood rollback", "")
    with pytest.raises(ValueError, match="not cured"):
        Destructive(Action.ROLLBACK, "lastgood rollback", "", Scenario.DISK_FULL)
    with pytest.raises(ValueError, match="changes nothing"):
        Destructive(Action.HUMAN, "lastgood status", "", Scenario.API_ERRORS)
    with pytest.raises(ValueError, match="needs a human"):
        msgspec.structs.replace(diagnose(broken()), contradictions=("it is not so",))


words = st.sampled_from([
    b"panic: x", b"no space left on device", b"connection refused", b"SHOP_KEY is required", b"level=info ok",
    b"Dirty database version 3. Fix and force version.", b"no such host", b"\x00\xff\x1b[31m", b"Traceback", b"",
])  # fmt: skip
logs = st.lists(words, max_size=12).map(lambda lines: read("api-1", b"\n".join(lines)))
bodies = st.builds(
    Body,
    name=st.just("api-1"),
    mine=st.booleans(),
    state=st.sampled_from(State),
    exit_code=st.sampled_from([0, 1, 137]),
    oom=st.booleans(),
    restarts=st.integers(0, 5),
    health=st.sampled_from(["", "healthy", "unhealthy", "starting"]),
    health_log=st.sampled_from(["", "HTTP 500", "curl: executable file not found"]),
    created=st.sampled_from([0, NOW - 60, NOW - 90_000]),
    kept_up=st.booleans(),
)
changes = st.builds(Change, at=st.integers(NOW - 90_000, NOW), image=st.booleans(), keys=st.sampled_from([(), ("a",)]))
looks = st.sampled_from([(), BROKEN, (Look("u", ok=True, said="200"),), (Look("u", ok=False, said="no answer: x"),)])


def fact(of: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.one_of(st.just(UNSEEN), of.map(Known))


@settings(max_examples=120, deadline=None)
@given(
    st.builds(
        Situation,
        target=st.just("shop-api/prod"),
        now=st.just(NOW),
        bodies=fact(st.lists(bodies, max_size=3).map(tuple)),
        looks=looks,
        logs=fact(st.lists(logs, max_size=2).map(tuple)),
        changes=fact(st.lists(changes, max_size=3).map(tuple)),
        hosts=fact(st.just((HOST,))),
        verified=st.booleans(),
    )
)
def test_whatever_is_seen_must_be_judged_and_a_change_must_have_every_ground(seen: Situation) -> None:
    said = diagnose(seen)
    assert diagnosis_text(said, NOW)
    if isinstance(said.recommendation, Destructive):
        assert isinstance(seen.bodies, Known)
        assert isinstance(seen.changes, Known)
        assert said.contradictions == ()
        assert said.confidence in {Confidence.HIGH, Confidence.MEDIUM}
        assert said.evidence
    if said.scenario is Scenario.HEALTHY:
        assert isinstance(seen.bodies, Known)
        assert all(look.ok for look in seen.looks)


def test_the_text_must_quote_what_a_log_says_and_show_no_instruction_as_ours() -> None:
    case = next(one for one in cases() if "orders the reader" in one.name)
    text = diagnosis_text(diagnose(case.seen), NOW)
    assert not any("ignore previous" in line for line in text)
    assert next(line for line in text if "integer divide" in line).count('"') == 2
    assert text[-1] == "  next       lastgood rollback shop-api prod"


def test_no_message_may_take_long_to_be_read() -> None:
    """Every pattern against long lines that nearly match: none may go back and forth over them."""
    import time

    nearly = ("environment variable " * 30, "A_" * 300, "variables " + "x" * 590, '"GET ' + "a" * 590, "path: [ '" * 60)
    nearly += (
        "error " + "a-b " * 148,
        "connection " * 54,
        "Connect" * 85,
        "error connection " * 35,
        "FATAL: " + " " * 590,
    )
    begun = time.process_time()
    for line in nearly:
        for pattern in TABLE:
            pattern.words.search(line)
    assert time.process_time() - begun < 5


TEXTS = st.text(max_size=20)
FOREIGN = st.sampled_from(
    ["https://stats.example.net/t.js", "http://shop.example/t.js", "https://shop.example.evil/a.js", "http://[", ""]
)
KINDS = st.sampled_from(["script", "stylesheet", "xhr", "fetch", "image", "document"])
THEIRS = st.builds(
    Visit,
    url=st.just("https://shop.example/"),
    blank=st.sampled_from([True, False, None]),
    text=st.sampled_from(["", "Shop", "Something went wrong"]),
    faults=st.lists(st.builds(Fault, TEXTS, FOREIGN, st.booleans())).map(tuple),
    console=st.lists(st.builds(Fault, TEXTS, FOREIGN)).map(tuple),
    missed=st.lists(st.builds(Missed, FOREIGN, KINDS, st.sampled_from([0, 404, 503])), min_size=1).map(tuple),
)


@given(THEIRS)
@settings(max_examples=200, deadline=None)
def test_what_others_serve_must_never_lead_to_a_change(visit: Visit) -> None:
    works = msgspec.structs.replace(
        broken(), bodies=Known((Body("web-1", health="healthy"),)), looks=(), logs=Known(())
    )
    said = diagnose(msgspec.structs.replace(works, visit=Known(visit)))
    loaded = any(one.kind in {"script", "stylesheet", "xhr", "fetch"} for one in visit.missed)
    assert isinstance(said.recommendation, Harmless) or (visit.blank and not loaded)
    assert visit.blank or said.scenario is Scenario.HEALTHY


def test_a_page_that_no_browser_saw_must_be_said_to_be_unknown() -> None:
    page = Known(Page("https://shop.example/", 200))
    seen = msgspec.structs.replace(broken(), page=page, visit=Unknown("no answer within 2.0 s"))
    assert "whether the page's scripts run without errors: no answer within 2.0 s" in diagnose(seen).unknown
    hung = msgspec.structs.replace(seen, visit=Known(Visit("https://shop.example/", blank=None)))
    assert any("did not come to rest" in one for one in diagnose(hung).unknown)
