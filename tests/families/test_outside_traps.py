"""The traps of each service outside, one by one, as its documentation and source have them."""

import copy
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from lastgood import catalog
from lastgood.catalog import Family
from lastgood.effects.http import PlainHttp
from lastgood.effects.process import LocalProcess
from lastgood.effects.secrets import LocalSecrets
from lastgood.model.facts import Known, Unknown
from lastgood.model.message import Delivered, Failed, Kind, Message
from lastgood.model.target import Adapter
from lastgood.outside.talk import near
from lastgood.outside.text import cut, fenced
from lastgood.ports import Notifier, Outside
from tests.standin.notifiers import SIGNING
from tests.standin.services import Answer, Service
from tests.standin.told import RUN, message
from tests.standin.trackers import GitHubIssues, SilverBulletSpace, VikunjaTasks

BEGAN, ENDED = message(), message(Kind.ENDED, 9)
SECONDARY = {"message": "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."}
USED_UP = {"message": "API rate limit exceeded for user ID 7."}
PAGE = f"Incidents/shop-api prod {RUN}.md"


def member(family: Family, kind: str, service: Service, later: float = 60, **options: Any) -> Notifier:
    secrets = LocalSecrets(LocalProcess(), {"TOKEN": Service.TOKEN, "SIGNING": SIGNING})
    outside = Outside(PlainHttp(), secrets, BEGAN.at + int(later * 10**9))
    given = {"token": "env:TOKEN", "url": service.url} | options
    made = msgspec.convert(given, catalog.options(family, kind))
    return catalog.notifier(family, Adapter(kind, made), outside)


def delivered(to: Notifier, told: Message, ref: str = "", *, again: bool = False) -> Delivered:
    done = to.deliver(told, ref, again=again)
    assert isinstance(done, Delivered), done
    return done


def failed(to: Notifier, told: Message, ref: str = "") -> Failed:
    done = to.deliver(told, ref, again=False)
    assert isinstance(done, Failed), done
    return done


class TestGitHub:
    @pytest.fixture
    def hub(self) -> Iterator[GitHubIssues]:
        with GitHubIssues() as serving:
            yield serving

    def issues(self, hub: GitHubIssues, **options: Any) -> Notifier:
        return member("trackers", "github", hub, repo="shop/deploy", labels=["incident"], **options)

    def test_labels_that_are_dropped_must_be_told_and_the_issue_found_all_the_same(self, hub: GitHubIssues) -> None:
        hub.push = False
        done = delivered(self.issues(hub), BEGAN)
        assert "without incident" in done.where
        delivered(self.issues(hub), ENDED)  # its number was lost: it is found by its mark
        assert len(hub.issues) == 40
        assert len(hub.comments[40]) == 1
        checked = self.issues(hub).check()
        assert isinstance(checked, Unknown)
        assert "labels" in checked.reason

    def test_an_issue_that_people_wrote_in_and_closed_must_stay_theirs(self, hub: GitHubIssues) -> None:
        ref = delivered(self.issues(hub), BEGAN).ref
        hub.issues[-1] |= {"state": "closed", "body": hub.issues[-1]["body"] + "\nour root cause"}
        delivered(self.issues(hub), ENDED, ref)
        assert hub.issues[-1]["state"] == "closed"
        assert hub.issues[-1]["body"].endswith("our root cause")

    def test_an_issue_must_be_closed_only_where_that_is_asked_for_and_the_run_is_verified(
        self, hub: GitHubIssues
    ) -> None:
        ref = delivered(self.issues(hub, close=True), BEGAN).ref
        delivered(self.issues(hub, close=True), message(Kind.STOPPED, 5), ref)
        assert hub.issues[-1]["state"] == "open"
        delivered(self.issues(hub), ENDED, ref)
        assert hub.issues[-1]["state"] == "open"
        delivered(self.issues(hub, close=True), message(Kind.ENDED, 11), ref)
        assert hub.issues[-1]["state"] == "closed"

    def test_a_deleted_issue_must_be_made_anew_and_a_quoted_mark_must_not_be_taken_for_one(
        self, hub: GitHubIssues
    ) -> None:
        ref = delivered(self.issues(hub), BEGAN).ref
        quoting = {"number": 41, "state": "open", "body": hub.issues[-1]["body"], "labels": []}
        hub.issues.append(quoting)
        assert delivered(self.issues(hub), ENDED).ref == ref
        del hub.issues[-2:]
        assert delivered(self.issues(hub), message(Kind.ENDED, 11), ref).ref == "40"
        assert len(hub.issues) == 40

    def test_an_issue_that_went_to_another_repo_must_not_take_later_messages_along(self, hub: GitHubIssues) -> None:
        ref = delivered(self.issues(hub), BEGAN).ref
        hub.gone = 404  # as right after it was made, for a moment
        assert "(404)" in failed(self.issues(hub), ENDED, "77").because
        hub.gone = 301
        del hub.issues[-1]
        hub.issues.append({"number": 39, "state": "open", "body": None, "labels": []})
        assert delivered(self.issues(hub), ENDED, ref).ref == "41"

    def test_a_repo_that_was_renamed_must_keep_what_waits_until_the_file_says_so(self, hub: GitHubIssues) -> None:
        hub.trouble = 301
        assert "redirects elsewhere (301)" in failed(self.issues(hub), ENDED, "40").because
        hub.trouble = ""
        delivered(self.issues(hub), ENDED, "40")
        assert len(hub.told()) == 1

    @pytest.mark.parametrize(
        ("answer", "waits"),
        [
            (Answer(403, SECONDARY, {"Retry-After": "30"}), 30),
            (Answer(403, SECONDARY), 60),
            (Answer(429, USED_UP, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1795369861"}), 300),
            (Answer(403, USED_UP, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1795369000"}), 0),
            (Answer(403, USED_UP, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "99999999999"}), 3600),
            (Answer(403, {"message": "Resource not accessible"}, {"x-ratelimit-remaining": "4999"}), 0),
        ],
    )
    def test_a_limit_must_be_waited_for_as_github_says(
        self, hub: GitHubIssues, monkeypatch: pytest.MonkeyPatch, answer: Answer, waits: int
    ) -> None:
        monkeypatch.setattr(hub, "answer", lambda _: answer)
        assert failed(self.issues(hub), BEGAN).again == waits

    def test_what_github_would_not_take_for_its_length_must_be_cut_and_be_found_again(self, hub: GitHubIssues) -> None:
        long = ("\N{COLLISION SYMBOL}" * 500,) * 12
        told = message(because=long, risk=long, next=long)
        delivered(self.issues(hub), told)
        delivered(self.issues(hub), told, again=True)
        assert len(hub.told()) == 1

    def test_a_mark_that_somebody_else_wrote_must_not_keep_a_message_back(self, hub: GitHubIssues) -> None:
        ref = delivered(self.issues(hub), BEGAN).ref
        hub.others[int(ref)] = [f"<!-- lastgood:{ENDED.key} -->"]
        delivered(self.issues(hub), ENDED, ref)
        assert len(hub.comments[int(ref)]) == 1


class TestGitHubDeployments:
    @pytest.mark.parametrize(
        ("told", "state"),
        [(ENDED, "success"), (message(Kind.ENDED, 9, exit=1), "failure"), (message(Kind.STOPPED, 9), "error")],
    )
    def test_a_run_must_be_one_deployment_of_the_old_commit_that_is_merged_into_nothing(
        self, told: Message, state: str
    ) -> None:
        with GitHubIssues() as hub:
            to = member("notifiers", "github-deployment", hub, repo="shop/deploy")
            delivered(to, BEGAN)
            delivered(to, told)
            (made,) = hub.deployments
            assert (made["ref"], made["auto_merge"], made["required_contexts"]) == ("c" * 40, False, [])
            assert (made["environment"], made["task"]) == ("prod", "rollback")
            assert [one["state"] for one in hub.statuses] == ["in_progress", state]

    def test_a_run_that_went_further_back_must_show_the_commit_that_it_came_to(self) -> None:
        with GitHubIssues() as hub:
            to = member("notifiers", "github-deployment", hub, repo="shop/deploy")
            delivered(to, BEGAN)
            delivered(to, message(Kind.ENDED, 9, commit="d" * 40))
            assert [one["ref"] for one in hub.deployments] == ["c" * 40, "d" * 40]
            assert hub.statuses[-1] | {"state": "success", "deployment": 2} == hub.statuses[-1]

    def test_a_run_that_goes_to_no_commit_must_be_none(self) -> None:
        with GitHubIssues() as hub:
            to = member("notifiers", "github-deployment", hub, repo="shop/deploy")
            delivered(to, message(commit=""))
            assert hub.deployments == []


class TestVikunja:
    @pytest.mark.parametrize("version", ["v1.0.0", "v2.5.0"])
    def test_ticking_a_task_off_must_change_nothing_else(self, version: str) -> None:
        with VikunjaTasks(version) as service:
            to = member("trackers", "vikunja", service, project=12, done=True)
            ref = delivered(to, BEGAN).ref
            task = service.tasks[int(ref)]
            filled: dict[str, Any] = {
                "description": task["description"] + "<p>by people</p>",
                "due_date": "2026-12-01T00:00:00Z",
                "priority": 5,
                "percent_done": 0.5,
                "hex_color": "ff0000",
                "is_favorite": True,
                "assignees": [{"id": 3, "username": "bo"}],
                "reminders": [{"reminder": "2026-11-30T00:00:00Z"}],
                "labels": [{"id": 9}],
            }
            task |= filled
            before = copy.deepcopy(task)
            delivered(to, ENDED, ref)
            assert service.tasks[int(ref)] == before | {"done": True}

    def test_a_server_without_a_safe_update_must_be_told_and_nothing_emptied(self) -> None:
        with VikunjaTasks("v0.24.0") as service:
            to = member("trackers", "vikunja", service, project=12, done=True)
            ref = delivered(to, BEGAN).ref
            before = copy.deepcopy(service.tasks[int(ref)])
            assert "too old" in failed(to, ENDED, ref).because
            assert service.tasks[int(ref)] == before

    @pytest.mark.parametrize("version", ["v1.0.0", "v2.5.0"])
    def test_a_server_with_small_pages_must_be_read_to_its_end(self, version: str) -> None:
        with VikunjaTasks(version) as service:
            service.most = 2
            to = member("trackers", "vikunja", service, project=12)
            ref = delivered(to, BEGAN).ref
            for seq in range(2, 9):
                delivered(to, message(Kind.STOPPED, seq), ref)
            delivered(to, message(Kind.STOPPED, 8), ref, again=True)
            assert len(service.told()) == 8

    def test_a_message_must_not_be_taken_for_one_whose_number_it_begins(self) -> None:
        with VikunjaTasks() as service:
            to = member("trackers", "vikunja", service, project=12)
            ref = delivered(to, message(Kind.ENDED, 95)).ref
            delivered(to, message(Kind.ENDED, 9), ref)
            assert len(service.told()) == 2

    def test_a_task_that_was_deleted_must_be_made_anew(self) -> None:
        with VikunjaTasks() as service:
            to = member("trackers", "vikunja", service, project=12)
            ref = delivered(to, BEGAN).ref
            del service.tasks[int(ref)]
            delivered(to, ENDED, ref)
            (made,) = (task for task in service.tasks.values() if RUN in task["title"])
            assert ENDED.key in made["description"]

    def test_a_401_must_not_be_called_an_expired_token_only(self) -> None:
        with VikunjaTasks() as service:
            service.trouble = 401
            to = member("trackers", "vikunja", service, project=12, api="v2")
            assert "lacks a permission" in failed(to, BEGAN).because

    def test_a_task_that_was_found_must_be_the_runs_own_in_either_api(self) -> None:
        with VikunjaTasks() as service:
            first = delivered(member("trackers", "vikunja", service, project=12, api="v1"), BEGAN)
            later = delivered(member("trackers", "vikunja", service, project=12, api="v2"), ENDED)
            assert first.ref == later.ref
            assert first.where.endswith(f"/tasks/{first.ref}")


class TestSilverBullet:
    @pytest.fixture
    def space(self) -> Iterator[SilverBulletSpace]:
        with SilverBulletSpace() as serving:
            yield serving

    def test_what_people_wrote_must_stay_wherever_it_stands(self, space: SilverBulletSpace) -> None:
        to = member("trackers", "silverbullet", space)
        delivered(to, BEGAN)
        text = space.pages[PAGE][0]
        people = text.replace(b"# rollback", b"Before us: \xc3\xa4\r\n# rollback") + b"## Lessons\n* [ ] fix it"
        space.put(PAGE, people)
        delivered(to, ENDED)
        now = space.pages[PAGE][0]
        ours = now[now.index(b"\n<!-- lastgood:begin " + ENDED.key.encode()) :]
        ours = ours[: ours.index(b"-->\n", ours.index(b"lastgood:end")) + 4]
        assert now.replace(ours, b"", 1) == people
        assert len(space.told()) == 2

    def test_somebody_who_writes_meanwhile_must_not_lose_a_word(self, space: SilverBulletSpace) -> None:
        to = member("trackers", "silverbullet", space)
        delivered(to, BEGAN)

        def meddle() -> None:
            space.put(PAGE, space.pages[PAGE][0] + b"written meanwhile\n")

        space.meddling = [meddle, meddle]
        delivered(to, ENDED)
        assert space.pages[PAGE][0].count(b"written meanwhile") == 2
        assert len(space.told()) == 2

    def test_a_page_that_changes_all_the_time_must_get_a_sibling(self, space: SilverBulletSpace) -> None:
        to = member("trackers", "silverbullet", space)
        delivered(to, BEGAN)
        space.meddling = [lambda: space.put(PAGE, space.pages[PAGE][0] + b".")] * 6
        where = delivered(to, ENDED).where
        assert "lastgood%20draft" in where
        assert set(space.pages) == {f"{PAGE[:-3]} lastgood draft.md", PAGE}

    def test_a_write_that_was_cut_short_must_be_noticed_and_made_good(self, space: SilverBulletSpace) -> None:
        space.truncated = 1
        delivered(member("trackers", "silverbullet", space), BEGAN)
        assert len(space.told()) == 1

    @pytest.mark.parametrize(
        ("profile", "said"), [("rust-2.10", "(403): Forbidden"), ("go-2.4", "(500): Write failed")]
    )
    def test_a_read_only_space_must_be_found_out_beforehand(self, profile: str, said: str) -> None:
        with SilverBulletSpace(profile) as space:
            space.read_only = True
            to = member("trackers", "silverbullet", space)
            checked = to.check()
            assert isinstance(checked, Unknown)
            assert "read-only" in checked.reason
            assert failed(to, BEGAN).because.endswith(said)


@pytest.mark.parametrize(
    ("changed", "kinds"),
    [
        ({"archived": True}, ["github", "github-deployment"]),
        ({"scopes": "read:org, gist"}, ["github", "github-deployment"]),
        ({"scopes": ""}, ["github", "github-deployment"]),
        ({"scopes": "public_repo"}, ["github-deployment"]),
        ({"push": False}, ["github-deployment"]),
        ({"scopes": "gist, repo"}, []),
    ],
)
def test_a_check_must_find_out_who_may_not_write_without_writing(changed: dict[str, Any], kinds: list[str]) -> None:
    with GitHubIssues() as hub:
        vars(hub).update(changed)
        members = {
            "github": member("trackers", "github", hub, repo="shop/deploy"),
            "github-deployment": member("notifiers", "github-deployment", hub, repo="shop/deploy"),
        }
        assert [kind for kind, to in members.items() if isinstance(to.check(), Unknown)] == kinds
        assert all(asked.method == "GET" for asked in hub.log)


def test_a_token_must_not_go_in_the_clear_to_a_host_in_the_open() -> None:
    outside = Outside(PlainHttp(), LocalSecrets(LocalProcess(), {"TOKEN": "tk_1"}), 0)
    made = msgspec.convert(
        {"url": "http://tasks.example.com", "token": "env:TOKEN", "project": 1, "api": "v1"},
        catalog.options("trackers", "vikunja"),
    )
    said = failed(catalog.notifier("trackers", Adapter("vikunja", made), outside), BEGAN)
    assert "the token is not sent" in said.because
    assert near("vikunja")
    assert near("192.168.1.2")
    assert near("::1")
    assert not near("8.8.8.8")


def test_a_server_that_quotes_a_part_of_a_secret_address_must_not_have_it_shown() -> None:
    with GitHubIssues() as quotes:
        quotes.answer = lambda asked: Answer(
            404, {"message": f"no hook {asked.path.split('/')[2]} {asked.query['key']}"}
        )  # type: ignore[method-assign]
        secrets = LocalSecrets(LocalProcess(), {"HOOK": f"{quotes.url}/hooks/s3cretpart?key=s3cretkey"})
        made = msgspec.convert({"url": "env:HOOK"}, catalog.options("notifiers", "webhook"))
        to = catalog.notifier("notifiers", Adapter("webhook", made), Outside(PlainHttp(), secrets, 0))
        assert failed(to, BEGAN).because.endswith("(404): no hook *** ***")


def test_a_webhook_whose_address_is_a_secret_must_not_show_it() -> None:
    secrets = LocalSecrets(LocalProcess(), {"HOOK": "http://127.0.0.1:9/hooks/s3cret"})
    made = msgspec.convert({"url": "env:HOOK"}, catalog.options("notifiers", "webhook"))
    to = catalog.notifier("notifiers", Adapter("webhook", made), Outside(PlainHttp(), secrets, 0))
    said = failed(to, BEGAN)
    assert said.because == "127.0.0.1: connection refused"
    assert not said.doubtful
    checked = to.check()
    assert isinstance(checked, Unknown)
    assert "s3cret" not in checked.reason


def test_a_text_must_be_cut_between_letters_and_fenced_beyond_its_own_fences() -> None:
    assert cut("ü" * 10, 20) == "ü" * 10
    assert len(cut("ü" * 11, 20).encode()) <= 20
    assert fenced("a ```` b").startswith("`````\n")


def test_checks_must_be_known_where_all_is_well() -> None:
    with GitHubIssues() as hub:
        assert isinstance(member("trackers", "github", hub, repo="shop/deploy").check(), Known)
