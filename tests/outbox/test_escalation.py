"""People are called one after the other, with what they need, and not once more than it takes."""

from pathlib import Path

import msgspec
import pytest
from postal import MACHINE, NANO, Moved, Postal, Told, end

from lastgood import posting
from lastgood.config.load import load
from lastgood.effects.http import PlainHttp
from lastgood.effects.process import LocalProcess
from lastgood.effects.secrets import LocalSecrets
from lastgood.journal.store import Journal
from lastgood.model.errors import ConfigError, Exit, UsageError
from lastgood.model.event import Acked, Failure, Resumed, RunEnded, RunStarted, StepFailed, StepStarted, Ticked
from lastgood.model.forge import AWAITS_MERGE
from lastgood.model.message import Acknowledged, Ask, Delivered, Failed, Kind, Message
from lastgood.outbox.escalation import Contact, acknowledge, acknowledged, escalate, stopped
from lastgood.outbox.postman import World
from lastgood.outbox.store import Outbox
from lastgood.outside.text import markdown, markup, plain
from lastgood.posting import PostOffice, Repo
from tests.journal.sample import begun as sample

RUN, LATER = "20261122-174501-7f3a", "20261122-184501-0001"
TICKED = Ticked("before/1", "Team told", "ann@laptop", "terminal")
BASE = "environments: {prod: {}}\nservices: {shop: {probes: [{kind: container}]}}\n"


def begun(action: str = "rollback", target: str = "shop-api/prod") -> RunStarted:
    event = sample(target)
    plan = msgspec.structs.replace(event.plan, action=action)
    consent = msgspec.structs.replace(event.consent, by=f"ann@{MACHINE}")
    return msgspec.structs.replace(event, plan=plan, consent=consent)


def stops(postal: Postal, run: str = RUN, code: Exit = Exit.NEEDS_HUMAN) -> Message:
    failed = StepFailed("1.verify", "it answers 500", Failure.RELEASE)
    postal.writes(run, begun(), StepStarted("1.verify"), failed, end(code, "Nothing passed."))
    return stop(postal)


def stop(postal: Postal) -> Message:
    with Outbox(postal.path) as outbox:
        (found,) = stopped(postal.journal, outbox, postal.here)
    return found


@pytest.mark.parametrize("code", [Exit.IN_DOUBT, Exit.NEEDS_HUMAN])
def test_the_next_contact_must_be_called_after_the_time_and_each_once(
    postal: Postal, ann: Told, bo: Told, code: Exit
) -> None:
    stops(postal, code=code)
    postal.works()
    assert (ann.keys, bo.keys) == ([f"{RUN}/called/4/ann"], [])
    postal.clock.by += 899
    postal.works()
    assert bo.keys == []
    postal.clock.by += 2
    postal.works()
    postal.works()
    assert (ann.keys, bo.keys) == ([f"{RUN}/called/4/ann"], [f"{RUN}/called/4/bo"])


def test_a_call_must_say_what_one_needs_to_go_on(postal: Postal) -> None:
    postal.writes(RUN, begun(), StepStarted("1.pull"), end(Exit.IN_DOUBT, "It stopped."))
    postal.works()
    (post,) = postal.posts()
    said = plain(post.message)
    assert f"lastgood ack {RUN}" in said
    assert f"lastgood show {RUN}" in said
    assert "1.pull was begun, and whether it took effect is not known" in said
    assert said.startswith("lastgood needs a person: rollback of shop-api/prod: in doubt")
    assert "for: ann" in said
    assert all("At risk" in text for text in (said, markdown(post.message), markup(post.message)))


def has(postal: Postal, found: Message, by: str = "ann@laptop") -> None:
    """What an older lastgood noted in the outbox alone."""
    with Outbox(postal.path) as outbox:
        acknowledge(outbox, found, Acknowledged(found.run, found.target, by, postal.clock.now() // NANO))


def test_a_clock_that_is_set_back_must_delay_nobody_s_call(postal: Postal, ann: Told, bo: Told) -> None:
    postal.clock.by = 7200
    stops(postal)
    postal.clock.by = 0
    postal.works()
    assert (len(ann.keys), len(bo.keys)) == (1, 0)
    postal.clock.by = 901
    postal.works()
    assert (len(ann.keys), len(bo.keys)) == (1, 1)


def test_whoever_has_it_must_end_the_calling_and_the_first_one_stays(postal: Postal, ann: Told, bo: Told) -> None:
    found = stops(postal)
    postal.works()
    postal.writes(RUN, Acked("ann@laptop", "terminal", 7 * NANO), TICKED, Acked("bo@desk", "terminal", 9 * NANO))
    with Outbox(postal.path) as outbox:
        assert acknowledged(postal.journal, outbox, found) == Acknowledged(RUN, "shop-api/prod", "ann@laptop", 7)
    postal.clock.by += 3600
    postal.works()
    assert (len(ann.keys), bo.keys) == (1, [])


def test_a_call_that_still_waits_must_be_taken_back(postal: Postal, ann: Told) -> None:
    found = stops(postal)
    postal.collects()
    has(postal, found)
    postal.works()
    assert ann.keys == []
    assert postal.fates() == ["superseded"]


def test_going_on_must_end_the_calling_and_stopping_again_must_call_again(postal: Postal, ann: Told, bo: Told) -> None:
    has(postal, stops(postal))
    postal.writes(RUN, Resumed(f"ann@{MACHINE}", aborting=False, lease="t"))
    postal.alive.add(RUN)
    postal.clock.by += 3600
    postal.works()
    assert (ann.keys, bo.keys) == ([], [])
    postal.alive.clear()
    postal.writes(RUN, end(Exit.NEEDS_HUMAN))
    postal.works()
    assert (ann.keys, bo.keys) == ([f"{RUN}/called/6/ann"], [])
    postal.writes(RUN, Resumed(f"ann@{MACHINE}", aborting=True, lease="t"), end(Exit.FAILED_RESTORED))
    postal.clock.by += 3600
    postal.works()
    assert bo.keys == []


@pytest.mark.parametrize("killed", [True, False])
def test_what_people_tick_off_meanwhile_must_not_end_or_repeat_the_calling(
    postal: Postal, ann: Told, bo: Told, *, killed: bool
) -> None:
    postal.writes(RUN, begun(), StepStarted("1.pull"), *([] if killed else [end(Exit.NEEDS_HUMAN)]))
    postal.works()
    postal.writes(RUN, TICKED)
    postal.clock.by += 3600
    postal.works()
    line = 2 if killed else 3
    assert (ann.keys, bo.keys) == ([f"{RUN}/called/{line}/ann"], [f"{RUN}/called/{line}/bo"])


@pytest.mark.parametrize(
    ("action", "code", "calls"),
    [
        ("rollback", Exit.DONE, False),
        ("rollback", Exit.MITIGATED, False),
        ("rollback", Exit.WORLD_MOVED, True),
        ("check", Exit.DONE, False),
        ("check", Exit.NEEDS_HUMAN, True),
    ],
)
def test_a_newer_run_that_ends_well_must_end_the_calling(
    postal: Postal, bo: Told, action: str, code: Exit, *, calls: bool
) -> None:
    stops(postal)
    postal.works()
    postal.clock.by += 60
    postal.writes(LATER, begun(action), end(code))
    postal.clock.by += 3600
    postal.works()
    assert bool(bo.keys) is calls


def test_other_targets_and_environments_must_be_called_about_by_themselves(postal: Postal, ann: Told, bo: Told) -> None:
    stops(postal)
    postal.clock.by += 60
    postal.writes(LATER, begun(target="shop-web/staging"), end(Exit.NEEDS_HUMAN))
    postal.clock.by += 3600
    postal.works()
    assert sorted(ann.keys) == [f"{RUN}/called/4/ann", f"{LATER}/called/2/ann"]
    assert bo.keys == [f"{RUN}/called/4/bo"]


def test_a_contact_that_is_new_must_not_be_called_about_old_stops(tmp_path: Path, ann: Told) -> None:
    postal = Postal(tmp_path, ann)
    postal.contacts = (Contact("contact:ann", "ann", 0),)
    stops(postal)
    postal.clock.by += 7200
    postal.works()
    assert ann.keys == []


def test_what_else_goes_on_meanwhile_must_hide_no_stop(postal: Postal, ann: Told, bo: Told) -> None:
    """As thirty services that are deployed, and a check that a timer gives each minute."""
    ann.does = lambda _: Failed("it is down")
    stops(postal)
    postal.works()
    failed = end(Exit.NEEDS_HUMAN)
    for number in range(30):
        postal.writes(f"20261122-19{number:04d}-0000", begun("check"), failed)
        postal.writes(f"20261122-20{number:04d}-0000", begun(target=f"web{number}/prod"), end())
    postal.clock.by += 901
    ann.does = lambda _: Delivered("here")
    postal.works()
    assert (ann.keys[-1], bo.keys) == (f"{RUN}/called/4/ann", [f"{RUN}/called/4/bo"])
    assert postal.fates() == ["delivered", "delivered"]


@pytest.mark.parametrize("named", [True, False])
def test_whoever_joins_while_people_are_called_must_be_called_too(
    postal: Postal, ann: Told, bo: Told, *, named: bool
) -> None:
    """As somebody who is written into the file because nobody answers, be it in the place of those who do not."""
    stops(postal)
    postal.works()
    postal.clock.by += 7200
    cy = Told("contact:cy", kinds=frozenset())
    postal.told = (ann, bo, cy) if named else (cy,)
    postal.contacts = (*(postal.contacts if named else ()), Contact("contact:cy", "cy", 60))
    postal.works()
    postal.works()
    assert cy.keys == [f"{RUN}/called/4/cy"]
    assert (len(ann.keys), len(bo.keys)) == (1, 1 if named else 0)


def test_whoever_waited_for_their_time_must_not_be_called_where_it_was_said_elsewhere_who_has_it(
    postal: Postal, ann: Told
) -> None:
    postal.contacts = (Contact("contact:ann", "ann", 300),)
    found = stops(postal)

    def works() -> None:
        with Journal(postal.journal.path) as journal, Outbox(postal.path) as outbox:
            heard = lambda one: Acknowledged(one.run, one.target, "cy@home", 7)  # noqa: E731 - used once
            escalate(journal, outbox, postal.contacts, postal.here, postal.clock.now(), heard)

    works()
    with Outbox(postal.path) as outbox:
        assert acknowledged(postal.journal, outbox, found) is None  # nobody is due, so nobody was asked
    postal.clock.by += 301
    works()
    postal.delivers()
    assert ann.keys == []


def test_a_run_that_waits_for_nobody_must_not_be_taken_on(postal: Postal) -> None:
    world = World(PlainHttp(), LocalSecrets(LocalProcess(), {}), postal.clock)
    config = load(BASE.encode(), "lastgood.yaml")
    office = PostOffice(config, str(postal.folder), world, Repo("/deploy", lambda path: path))
    postal.writes(RUN, begun(), end())
    with pytest.raises(UsageError) as raised:
        office.stop(RUN)
    assert "waits for nobody" in raised.value.what
    for name in ("nosuch", "ask-nosuch"):
        with pytest.raises(UsageError):
            office.stop(name)
    postal.clock.by += 60
    postal.writes(LATER, begun(), RunEnded(Exit.IN_DOUBT, "x"))
    stop, who, ours = office.stop(LATER[:13])
    assert (stop.run, who, ours) == (LATER, None, True)


@pytest.mark.parametrize(("signature", "calls"), [(AWAITS_MERGE, True), ("", False)])
def test_a_proposal_that_waits_for_a_merge_must_call_until_it_is_settled(
    postal: Postal, ann: Told, bo: Told, signature: str, *, calls: bool
) -> None:
    waits = StepFailed("record", "proposed: pull/7", Failure.UNSETTLED, signature, ("merge pull/7",))
    postal.writes(RUN, begun(), StepStarted("record"), waits, RunEnded(Exit.MITIGATED, "It serves.", (), waits.next))
    postal.works()
    assert bool(ann.keys) is calls
    assert not calls or "merge pull/7" in postal.posts()[0].message.next
    postal.writes(RUN, Resumed(f"ann@{MACHINE}", aborting=False, lease="t"), end())
    postal.clock.by += 3600
    postal.works()
    assert bo.keys == []


GROUP = "notifiers: {group: {kind: wecom, token: 'env:T'}, quiet: {kind: alertmanager, url: 'http://a'}}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[{who: ann, by: grup}]", "$.contacts[0].by: there is no notifier or tracker 'grup'; did you mean group?"),
        ("[{who: ann, by: quiet}]", "$.contacts[0].by: nobody reads what quiet is told"),
        ("[{who: ann, by: group}, {who: ann, by: group}]", "$.contacts[1].who: ann stands here twice"),
        (
            "[{who: ann, by: group, after: 5m}, {who: bo, by: group}]",
            "$.contacts[1].after: it is shorter than that of the contact before",
        ),
        ("[{who: ann, by: group, envs: [prd]}]", "$.contacts[0].envs[0]: there is no environment 'prd'"),
        ("[{who: a b, by: group}]", "$.contacts[0].who: names are letters"),
        ("[{by: group}]", "$.contacts[0]: who is missing"),
    ],
)
def test_a_wrong_contact_must_be_an_error_at_its_place(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load(f"{BASE}{GROUP}contacts: {text}\n".encode(), "lastgood.yaml")
    assert message in raised.value.what


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("notifiers: {a: {}}", "$.notifiers.a: kind is missing or no text; one of: alertmanager, apprise"),
        ("notifiers: {a: {kind: feishuu}}", "there is no notifier kind 'feishuu'; did you mean feishu?"),
        ("notifiers: {a: {kind: wecom}}", "$.notifiers.a: token is missing"),
        ("notifiers: {a: {kind: wecom, token: s3cret}}", "$.notifiers.a.token:"),
        ("notifiers: {a: {kind: webhook, url: 'https://u:s3cret@h/'}}", "$.notifiers.a.url:"),
        ("trackers: {a: {kind: github, repo: x}}", "$.trackers.a.repo:"),
        ("trackers: {a: {kind: vikunja, url: 'http://v', project: 0}}", "$.trackers.a.project:"),
        ("notifiers: {a: {kind: wecom, token: 'env:T', on: [called]}}", "$.notifiers.a.on[0]:"),
        ("notifiers: {a: {kind: wecom, token: 'env:T', envs: [prd]}}", "there is no environment 'prd'"),
        ("notifiers: {'a/b': {kind: wecom, token: 'env:T'}}", "names are letters"),
        (
            "notifiers: {a: {kind: wecom, token: 'env:T'}}\ntrackers: {a: {kind: github, repo: x/y}}",
            "a tracker is called a already",
        ),
    ],
)
def test_a_wrong_destination_must_be_an_error_at_its_place_without_a_secret(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load(f"{BASE}{text}\n".encode(), "lastgood.yaml")
    assert message in raised.value.what
    assert "s3cret" not in f"{raised.value.what} {raised.value.because} {raised.value.next}"


def test_whoever_is_called_by_a_notifier_must_not_be_told_of_the_stop_once_more() -> None:
    contacts = "contacts: [{who: ann, by: group}]\n"
    plainly, called = (load(f"{BASE}{GROUP}{more}".encode(), "x").addressees()[0].kinds for more in ("", contacts))
    assert plainly == {Kind.BEGAN, Kind.ENDED, Kind.STOPPED}
    assert called == {Kind.BEGAN, Kind.ENDED}


class Silent:
    """Hosts that do not answer, each time for three seconds of `now`."""

    def __init__(self) -> None:
        self.now = 0.0
        self.asked = 0

    def monotonic(self) -> float:
        return self.now

    def publish(self, ask: Ask) -> None:
        pass

    def answered(self, _: Message) -> None:
        self.asked += 1
        self.now += 3


def test_many_stops_on_silent_hosts_must_hold_no_command_up_and_all_be_called_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts, moved = Silent(), Moved()
    world = World(PlainHttp(), LocalSecrets(LocalProcess(), {}), moved)
    config = load(f"{BASE}{GROUP}contacts: [{{who: ann, by: group, after: 60s}}]\n".encode(), "x")
    office = PostOffice(config, str(tmp_path), world, Repo("/deploy", lambda path: path), hosts)
    for number in range(6):
        office.ask(Message("", 1, Kind.STOPPED, 0, f"web{number}/prod", "rollback", "x", exit=8))
    moved.by = 61
    monkeypatch.setattr(posting, "time", hosts)
    office.collect()
    assert hosts.asked == 1
    assert len([post for post in office.report(9).posts if post.kind is Kind.CALLED]) == 6
