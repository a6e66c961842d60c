"""The traps of notifiers, and what each service says where it refuses, as its documentation and source have it."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import msgspec
import pytest
from test_outside_traps import BEGAN, delivered, failed, member

from lastgood import catalog
from lastgood.catalog import Family
from lastgood.effects.http import PlainHttp
from lastgood.effects.process import LocalProcess
from lastgood.effects.secrets import LocalSecrets
from lastgood.model.facts import Known, Unknown
from lastgood.model.message import Kind
from lastgood.model.target import Adapter
from lastgood.ports import Outside
from tests.standin.notifiers import AppriseApi, Bot, Silences
from tests.standin.services import Answer, Asked, Service
from tests.standin.told import LATER, RUN, message


class Fixed(Service):
    """Answers whatever is asked in one way."""

    def __init__(self, given: Answer) -> None:
        super().__init__()
        self.given = given

    def answer(self, _: Asked) -> Answer:
        return self.given


INVALID = {"code": 2002, "message": "Invalid data", "invalid_fields": ["title"]}
ARCHIVED = {"code": 3008, "message": "This project is archived."}
UNPROCESSABLE = {"title": "Unprocessable Entity", "status": 422, "detail": "validation failed", "errors": []}
DISABLED = {"message": "Issues are disabled for this repo", "status": "410"}
MATCHERS = {"code": 612, "message": "matchers in body should have at least 1 items"}
KEYWORDS = {"code": 19024, "data": {}, "msg": "Key Words Not Found"}
PROBLEM = {"Content-Type": "application/problem+json"}
PLAIN = {"Content-Type": "text/plain; charset=utf-8"}
PAGE = {"Content-Type": "text/html"}


@pytest.mark.parametrize(
    ("kind", "answer", "said"),
    [
        ("vikunja", Answer(412, INVALID), "Invalid data"),
        ("vikunja", Answer(412, ARCHIVED), "This project is archived."),
        ("vikunja", Answer(422, UNPROCESSABLE, PROBLEM), "Unprocessable Entity; validation failed"),
        ("vikunja", Answer(500, {"message": "Internal Server Error"}), "Internal Server Error"),
        ("silverbullet", Answer(500, b"Write failed\nat disk.go:12", PLAIN), "(500): Write failed"),
        ("github", Answer(410, DISABLED), "Issues are disabled for this repo"),
        ("alertmanager", Answer(400, "Failed to create silence: it ends in the past"), "it ends in the past"),
        ("alertmanager", Answer(422, MATCHERS), "should have at least 1 items"),
        ("feishu", Answer(400, {"code": 9499, "data": {}, "msg": "Bad Request"}), "Bad Request"),
        ("feishu", Answer(200, KEYWORDS), "(19024): Key Words Not Found"),
        ("dingtalk", Answer(200, {"errcode": 310000, "errmsg": "not in whitelist", "status": 1}), "not in whitelist"),
        ("wecom", Answer(200, {"errcode": 93000, "errmsg": "invalid webhook url"}), "(93000): invalid webhook url"),
        ("webhook", Answer(404, b"<html>\x1b[31mnothing here</html>", PAGE), "(404)"),
    ],
)
def test_what_a_service_says_of_its_refusal_must_be_told(kind: str, answer: Answer, said: str) -> None:
    family: Family = "trackers" if kind in {"vikunja", "silverbullet", "github"} else "notifiers"
    options = {"vikunja": {"project": 12, "api": "v2"}, "github": {"repo": "shop/deploy"}}.get(kind, {})
    with Fixed(answer) as service:
        assert failed(member(family, kind, service, **options), BEGAN).because.endswith(said)


@pytest.mark.parametrize("kind", ["wecom", "dingtalk"])
def test_a_token_that_is_quoted_as_it_stood_in_the_address_must_not_be_shown(kind: str) -> None:
    given = {"TOKEN": "s3cret+part/of=it"}

    class Echo(Service):
        def answer(self, asked: Asked) -> Answer:
            return Answer(200, {"errcode": 1, "errmsg": f"no {asked.url} {asked.query}"})

    with Echo() as service:
        made = msgspec.convert({"token": "env:TOKEN", "url": service.url}, catalog.options("notifiers", kind))
        outside = Outside(PlainHttp(), LocalSecrets(LocalProcess(), given), BEGAN.at)
        said = failed(catalog.notifier("notifiers", Adapter(kind, made), outside), BEGAN).because
    assert "s3cret" not in said
    assert said.count("***") == 2


@pytest.mark.parametrize("status", [429, 400])
def test_feishus_limit_must_be_waited_for_as_its_own_header_says(status: int) -> None:
    said = {"code": 99991400, "msg": "request trigger frequency limit"}
    with Fixed(Answer(status, said, {"x-ogw-ratelimit-limit": "100", "x-ogw-ratelimit-reset": "52"})) as service:
        assert failed(member("notifiers", "feishu", service), BEGAN).again == 52


@pytest.mark.parametrize("older", [True, False])
def test_the_newer_and_the_older_success_of_a_bot_must_both_count(*, older: bool) -> None:
    newer = {} if older else {"code": 0, "data": {}, "msg": "success"}
    with Fixed(Answer(200, {"Extra": None, "StatusCode": 0, "StatusMessage": "success", **newer})) as service:
        delivered(member("notifiers", "feishu", service), BEGAN)


@pytest.mark.parametrize("kind", ["feishu", "dingtalk", "wecom"])
class TestBots:
    def test_a_refusal_with_status_200_must_be_a_failure(self, kind: str) -> None:
        with Bot(kind) as bot:
            options = {} if kind == "wecom" else {"secret": "env:SIGNING"}
            bot.refuses = 310000
            said = failed(member("notifiers", kind, bot, **options), BEGAN)
            assert "refused the message (310000): sign match fail" in said.because
            assert "s3cret" not in said.because
            assert not said.doubtful

    def test_too_many_messages_must_be_waited_for(self, kind: str) -> None:
        with Bot(kind) as bot:
            options = {} if kind == "wecom" else {"secret": "env:SIGNING"}
            bot.refuses = {"feishu": 11232, "dingtalk": 130101, "wecom": 45009}[kind]
            waits = 600 if kind == "dingtalk" else 60
            assert failed(member("notifiers", kind, bot, **options), BEGAN).again == waits

    @pytest.mark.parametrize("letter", ["ü", '"', "<"])
    def test_a_very_long_message_must_arrive_with_the_commands_to_go_on(self, kind: str, letter: str) -> None:
        with Bot(kind) as bot:
            options = {} if kind == "wecom" else {"secret": "env:SIGNING"}
            long = (letter * 500,) * 12
            told = message(Kind.STOPPED, 5, what=long[0], because=long, risk=long, evidence="/var/lib/evidence/7f3a")
            delivered(member("notifiers", kind, bot, **options), told)
            (text,) = bot.told()
            assert told.next[0] in text
            assert "evidence: /var/lib/evidence/7f3a" in text
            assert "and 11 more" in text or "and 9 more" in text or "and 6 more" in text


class TestApprise:
    def test_one_of_its_services_that_failed_must_be_told(self) -> None:
        with AppriseApi() as api:
            api.partly = True
            to = member("notifiers", "apprise", api, key="env:TOKEN", token="")
            said = failed(to, BEGAN)
            assert said.doubtful
            assert "some of its services" in said.because

    def test_a_key_without_a_configuration_must_be_a_failure(self) -> None:
        with AppriseApi() as api:
            to = member("notifiers", "apprise", api, key="nobody", token="")
            assert "no configuration" in failed(to, BEGAN).because
            assert isinstance(to.check(), Unknown)
            other = member("notifiers", "apprise", api, key="env:TOKEN", tag="nosuch", token="")
            assert isinstance(other.check(), Unknown)


class TestAlertmanager:
    @pytest.fixture
    def silences(self) -> Iterator[Silences]:
        with Silences(LATER) as serving:
            yield serving

    def test_each_service_of_an_app_must_be_silenced_by_itself_and_for_a_bounded_time(self, silences: Silences) -> None:
        told = message(services=("shop-api", "shop-web"))
        delivered(member("notifiers", "alertmanager", silences, env_label="env", minutes=20), told)
        found = silences.active()
        assert [one["matchers"][0]["value"] for one in found] == ["shop-api", "shop-web"]
        assert all(one["matchers"][1] == found[0]["matchers"][1] for one in found)
        assert {one["endsAt"] for one in found} == {"2026-11-22T18:05:01Z"}
        assert {one["createdBy"] for one in found} == {f"lastgood/{RUN}"}

    def test_a_silence_must_be_told_anew_before_it_ends_and_stay_one(self, silences: Silences) -> None:
        done = delivered(member("notifiers", "alertmanager", silences), BEGAN)
        assert done.again == 29 * 60 / 2
        silences.by = timedelta(minutes=15)
        anew = message(at=BEGAN.at + 16 * 60 * 10**9)
        again = delivered(member("notifiers", "alertmanager", silences, later=16 * 60), anew, done.ref)
        (one,) = silences.active()
        assert (one["endsAt"], len(silences.made), again.ref) == ("2026-11-22T18:31:01Z", 1, done.ref)
        delivered(member("notifiers", "alertmanager", silences, later=16 * 60), BEGAN, again.ref)
        assert silences.active()[0]["endsAt"] == "2026-11-22T18:31:01Z"  # one that comes late makes it no shorter
        silences.by = timedelta(minutes=46)
        assert silences.active() == []  # by itself, were we killed

    @pytest.mark.parametrize("hours", [-30, -1, 1, 30])
    def test_a_clock_that_is_wrong_must_make_no_silence_longer_shorter_or_later(
        self, silences: Silences, hours: int
    ) -> None:
        silences.by = timedelta(hours=hours)
        to = member("notifiers", "alertmanager", silences)
        for _ in range(2):
            delivered(to, BEGAN)
        (one,) = silences.active()
        assert datetime.fromisoformat(one["startsAt"]) <= silences.now
        assert datetime.fromisoformat(one["endsAt"]) - silences.now == timedelta(minutes=29)

    def test_a_silence_of_somebody_else_must_stay(self, silences: Silences) -> None:
        to = member("notifiers", "alertmanager", silences)
        delivered(to, BEGAN)
        delivered(to, message(run="20261122-180000-0001"))
        delivered(to, message(Kind.STOPPED, 7))
        assert [one["createdBy"] for one in silences.active()] == ["lastgood/20261122-180000-0001"]

    def test_a_check_must_say_that_other_environments_are_silenced_too(self, silences: Silences) -> None:
        for options, said in (({}, True), ({"env_label": "env"}, False)):
            checked = member("notifiers", "alertmanager", silences, **options).check()
            assert isinstance(checked, Known)
            assert ("in every environment" in checked.value) is said

    def test_one_that_comes_too_late_must_not_silence_anything(self, silences: Silences) -> None:
        to = member("notifiers", "alertmanager", silences, later=31 * 60)
        assert delivered(to, BEGAN).again == 1  # unless the run goes on, which is looked at then
        assert silences.made == {}

    def test_the_wish_to_silence_everything_must_be_refused(self) -> None:
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({"url": "http://a", "label": ""}, catalog.options("notifiers", "alertmanager"))
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({"url": "http://a", "minutes": 600}, catalog.options("notifiers", "alertmanager"))
