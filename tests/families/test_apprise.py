"""Apprise as a library, against a real mail server and a real HTTP sink: what arrives, how often, and what is told."""

import asyncio
import email
import logging
import re
import socket
import threading
from collections.abc import Iterator
from email.message import Message as Mail
from typing import Any

import msgspec
import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from lastgood import catalog
from lastgood.effects.http import PlainHttp
from lastgood.effects.process import LocalProcess
from lastgood.effects.secrets import LocalSecrets
from lastgood.model.facts import Known, Unknown
from lastgood.model.message import Delivered, Failed, Kind, Message
from lastgood.model.target import Adapter
from lastgood.ports import Outside
from tests.standin.held import LONG, not_held
from tests.standin.services import Answer, Asked, Service
from tests.standin.told import HOSTILE, RUN, message

PASSWORD = "s3cretpass"  # noqa: S105 - the test server's
BEGAN = message()
ENDED = message(Kind.ENDED, 9, what="shop-api/prod serves sha-1.", next=("ssh deploy@shop",))


class Post:
    """What a mail server does: `refuses` an address, `hangs` before it has taken a mail, `drops` once it has."""

    def __init__(self) -> None:
        self.taken: list[Envelope] = []
        self.refuses = False
        self.drops = False
        self.hangs = threading.Event()
        self.hangs.set()
        self.port = 0

    async def handle_RCPT(  # noqa: N802 - the library's own name
        self, _server: Any, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if self.refuses:
            return "550 5.1.1 no such user s3cretpass"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - as above
        await asyncio.to_thread(self.hangs.wait)
        self.taken.append(envelope)
        if self.drops:
            server.transport.abort()
        return "250 OK"

    def mails(self) -> list[Mail]:
        return [email.message_from_bytes(one.content or b"") for one in self.taken]


class Chat(Service):
    """Takes what `json://` sends."""

    def answer(self, _: Asked) -> Answer:
        return Answer(200, {})

    def told(self) -> list[Any]:
        return [asked.json for asked in self.log]


def lets_in(_server: Any, _session: Any, _envelope: Any, mechanism: str, given: Any) -> AuthResult:
    right = mechanism in {"LOGIN", "PLAIN"} and given == LoginPassword(b"lastgood", PASSWORD.encode())
    return AuthResult(success=right, handled=False)


@pytest.fixture
def post() -> Iterator[Post]:
    handler, loop = Post(), asyncio.new_event_loop()

    def made() -> SMTP:
        return SMTP(handler, authenticator=lets_in, auth_required=True, auth_require_tls=False, loop=loop)

    server = loop.run_until_complete(loop.create_server(made, "127.0.0.1", 0))
    handler.port = server.sockets[0].getsockname()[1]
    serving = threading.Thread(target=loop.run_forever)
    serving.start()
    yield handler
    handler.hangs.set()
    loop.call_soon_threadsafe(loop.stop)
    serving.join()
    server.close()
    for left in asyncio.all_tasks(loop):
        left.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


def mail(post: Post, password: str = PASSWORD, port: int = 0) -> str:
    given = "from=lastgood@shop.example&to=ann@shop.example&mode=insecure"
    return f"mailto://lastgood:{password}@127.0.0.1:{port or post.port}/?{given}"


def member(*urls: str, seconds: float = LONG / 2) -> Any:
    given = {f"URL{number}": url for number, url in enumerate(urls)}
    raw = {"urls": [f"env:{name}" for name in given]}
    outside = Outside(PlainHttp(), LocalSecrets(LocalProcess(), given), BEGAN.at, seconds)
    options = msgspec.convert(raw, catalog.options("notifiers", "apprise"))
    return catalog.notifier("notifiers", Adapter("apprise", options), outside)


def tell(*urls: str, told: Message = BEGAN, ref: str = "", again: bool = False, seconds: float = LONG / 2) -> Any:
    return member(*urls, seconds=seconds).deliver(told, ref, again=again)


def failed(done: Any) -> Failed:
    assert isinstance(done, Failed), done
    assert not re.search(r"s3cret|shop\.example|127\.0\.0\.1", done.because)
    return done


@pytest.fixture
def unheard(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's log as it is at first: pytest listens to one that was set apart before, by another test."""
    monkeypatch.setattr(logging.getLogger("apprise"), "propagate", True)


@pytest.mark.usefixtures("unheard")
def test_a_mail_must_arrive_once_with_all_it_says_and_headers_that_no_program_answers(
    post: Post, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    first = tell(mail(post))
    assert isinstance(first, Delivered), first
    assert isinstance(tell(mail(post), told=ENDED, ref=first.ref), Delivered)
    began, ended = post.mails()
    assert [one.rcpt_tos for one in post.taken] == [["ann@shop.example"]] * 2
    assert (began["Auto-Submitted"], began["X-Lastgood-Message"]) == ("auto-generated", BEGAN.key)
    assert began["References"] == ended["References"] == f"<{RUN}@lastgood.invalid>"
    assert began["Message-ID"] != ended["Message-ID"]
    assert "shop-api/prod" in str(email.header.make_header(email.header.decode_header(ended["Subject"])))
    text = body(ended)
    assert "serves sha-1." in text
    assert "ssh deploy@shop" in text  # what is to be typed stays what it is
    assert [record.getMessage() for record in caplog.records if record.name == "apprise"] == []
    said = "".join(capfd.readouterr()) + repr(first)
    assert not re.search(r"s3cret|shop\.example", said)


def body(found: Mail) -> str:
    parts = [part for part in found.walk() if part.get_content_type() == "text/plain"] or [found]
    payload = parts[0].get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode()


def test_a_recipient_that_is_refused_must_be_a_failure_for_sure(post: Post) -> None:
    post.refuses = True
    done = failed(tell(mail(post)))
    assert not done.doubtful
    assert "550" in done.because
    assert post.taken == []


def test_a_server_that_hangs_must_be_left_in_time_and_that_it_may_have_it_be_said(post: Post) -> None:
    post.hangs.clear()
    for seconds in (0.5, 5.0, 25.0):  # more where the time was over before the server was asked
        with not_held():
            done = failed(tell(mail(post), seconds=seconds))
        if "no time left" not in done.because:
            break
    assert done.doubtful


def test_a_server_that_drops_after_accepting_must_leave_a_doubt_that_the_reader_is_told(post: Post) -> None:
    post.drops = True
    assert failed(tell(mail(post))).doubtful
    post.drops = False
    assert isinstance(tell(mail(post), again=True), Delivered)
    assert ["perhaps told already" in body(one) for one in post.mails()] == [False, True]


def test_a_server_that_is_not_there_or_lets_nobody_in_must_be_a_failure_for_sure(post: Post) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and nobody listens
        nobody = mail(post, port=taken.getsockname()[1])
        assert not failed(tell(nobody)).doubtful
        assert isinstance(member(nobody).check(), Unknown)
    wrong = mail(post, password="s3cret-other")  # noqa: S106 - a wrong one
    assert not failed(tell(wrong)).doubtful
    said = member(wrong).check()
    assert isinstance(said, Unknown)
    assert "s3cret" not in said.reason
    assert post.taken == []


def test_a_check_must_log_in_and_send_nothing(post: Post) -> None:
    said = member(mail(post)).check()
    assert isinstance(said, Known)
    assert "lets us in" in said.value
    assert post.taken == []


def test_of_several_each_must_be_told_once_however_often_another_fails(post: Post) -> None:
    with Chat() as chat:
        url = chat.url.replace("http://", "json://")
        post.refuses = True
        ref = ""
        for _ in range(3):
            done = failed(tell(url, mail(post), ref=ref))
            ref = done.ref
        assert len(chat.log) == 1
        post.refuses = False
        last = tell(url, mail(post), ref=ref)
        assert isinstance(last, Delivered)
        assert (len(chat.log), len(post.taken)) == (1, 1)
        assert isinstance(tell(url, mail(post), told=ENDED, ref=last.ref), Delivered)
        assert (len(chat.log), len(post.taken)) == (2, 2)


def test_in_a_chat_what_others_wrote_must_stay_inert_and_trouble_be_told() -> None:
    with Chat() as chat:
        url = chat.url.replace("http://", "json://") + "/hook/s3cretpath"
        assert isinstance(tell(url, told=message(Kind.STOPPED, 1, what=HOSTILE)), Delivered)
        (told,) = chat.told()
        assert (told["type"], "needs a person" in told["title"]) == ("failure", True)
        assert not set("<>@") & set(told["message"])
        for trouble in (500, 403, "silent", "lost"):
            chat.trouble = trouble
            failed(tell(url, seconds=0.4))


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("feishu://s3crettoken", "feishu"),
        ("lark://s3crettoken", "feishu"),
        ("https://open.larksuite.com/open-apis/bot/v2/hook/s3cret-def", "feishu"),
        ("dingtalk://s3crettoken/123", "dingtalk"),
        ("wecombot://s3cretkey", "wecom"),
        ("https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=s3cret", "wecom"),
    ],
)
def test_a_bot_that_refuses_unheard_must_be_one_of_our_own_kinds(url: str, kind: str) -> None:
    done = failed(tell(url))
    assert f"kind: {kind}" in done.because
    assert not done.doubtful
    assert isinstance(member(url).check(), Unknown)


def test_a_service_for_short_messages_must_get_the_commands_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """apprise hands on what is too long, and the service refuses it for ever: Discord takes 2,000 letters."""
    from apprise.plugins.custom_json import NotifyJSON

    monkeypatch.setattr(NotifyJSON, "body_maxlen", 2000)
    long = ('{"level": "error"}' * 30,) * 12
    told = message(Kind.STOPPED, 5, what=long[0], because=long, risk=long, next=("lastgood resume 7f3a",))
    with Chat() as chat:
        done = tell(f"json://127.0.0.1:{chat.server_port}/{PASSWORD}", told=told)
        assert isinstance(done, Delivered), done
        (said,) = chat.told()
    assert len(said["title"] + said["message"]) < 2000
    assert "lastgood resume 7f3a" in said["message"]
    assert "more" in said["message"]


def test_what_is_no_url_or_no_secret_must_be_told_by_its_reference_alone() -> None:
    assert "env:URL0" in failed(tell("nosuch://s3cret")).because
    made = catalog.options("notifiers", "apprise")(urls=("env:NOSUCH",))  # type: ignore[call-arg]
    to = catalog.notifier(
        "notifiers", Adapter("apprise", made), Outside(PlainHttp(), LocalSecrets(LocalProcess(), {}), 0)
    )
    assert "NOSUCH" in failed(to.deliver(BEGAN, "", again=False)).because


def test_without_the_library_the_command_that_installs_it_must_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "apprise", None)
    done = failed(tell("json://127.0.0.1"))
    assert "pip install 'lastgood[apprise]'" in done.because
    assert not done.doubtful


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"url": "http://a"},
        {"key": "k"},
        {"urls": ["env:A"], "url": "http://a", "key": "k"},
        {"urls": ["mailto://x:y@z"]},
    ],
)
def test_half_of_a_way_both_ways_and_a_url_in_the_open_must_be_refused(raw: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(raw, catalog.options("notifiers", "apprise"))
