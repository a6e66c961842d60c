"""Every kind through the outbox: killed between the other side's answer and our note of it, and with a new token."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from test_outside import BEGAN, ENDED, NAMED, Case, told_twice, writes

from lastgood import catalog
from lastgood.effects.http import PlainHttp
from lastgood.effects.process import LocalProcess
from lastgood.effects.secrets import LocalSecrets
from lastgood.model.facts import Fact
from lastgood.model.message import Fate, Kind, Message
from lastgood.model.target import Adapter
from lastgood.outbox.collect import Subscription
from lastgood.outbox.postman import Destination, World, deliver
from lastgood.outbox.store import Outbox
from lastgood.ports import Http, Response
from tests.standin.clock import NANO, Clock
from tests.standin.held import LONG
from tests.standin.notifiers import SIGNING
from tests.standin.services import Asked, Service

GIVEN = {"TOKEN": Service.TOKEN, "SIGNING": SIGNING}


class Kills(PlainHttp):
    """Ends the process once something was written and the answer is there."""

    def ask(self, url: str, *, method: str = "GET", **more: Any) -> Fact[Response]:
        answer = super().ask(url, method=method, **more)
        if writes(Asked(method, url, {}, b"")):
            os.kill(os.getpid(), signal.SIGKILL)
        return answer


class Box:
    """An outbox for one destination."""

    def __init__(self, case: Case, service: Any, folder: Path) -> None:
        self.case = case
        self.service = service
        self.path = str(folder / "outbox.db")
        with Outbox(self.path) as outbox:
            outbox.enlist("here", 0)

    def take(self, message: Message) -> None:
        with Outbox(self.path) as outbox:
            outbox.take("here", 0, [message])

    def works(self, http: Http | None = None, env: dict[str, str] | None = None) -> tuple[str, ...]:
        raw = self.case.options | {"url": self.service.url}
        adapter = Adapter(self.case.kind, msgspec.convert(raw, catalog.options(self.case.family, self.case.kind)))
        make = partial(catalog.notifier, self.case.family, adapter)
        state = catalog.stateful(self.case.family, self.case.kind)
        to = Destination(Subscription("here", frozenset(Kind)), make, state)
        secrets = LocalSecrets(LocalProcess(), GIVEN if env is None else env)
        world = World(http or PlainHttp(), secrets, Clock(BEGAN.at + 60 * NANO))
        return deliver(self.path, [to], world, LONG / 2, all_of_them=True)

    def killed(self) -> None:
        dying = multiprocessing.get_context("fork").Process(target=self.works, args=(Kills(),))
        dying.start()
        dying.join(120)
        assert dying.exitcode == -signal.SIGKILL

    def fates(self) -> list[Fate]:
        with Outbox(self.path) as outbox:
            return [post.fate for post in outbox.posts(9)]


@pytest.fixture
def box_of(tmp_path: Path) -> Iterator[Callable[[Case], Box]]:
    with ExitStack() as stack:
        yield lambda case: Box(case, stack.enter_context(case.serve()), tmp_path)


@NAMED
def test_a_process_killed_before_it_noted_the_answer_must_not_make_it_told_twice(
    case: Case, box_of: Callable[[Case], Box]
) -> None:
    box = box_of(case)
    for number, message in enumerate((BEGAN, ENDED), 1):
        box.take(message)
        box.killed()
        assert box.fates()[-1] is Fate.SENDING
        assert box.works() == ()
        assert box.fates() == [Fate.DELIVERED] * number
    told_twice(case, box.service)


@NAMED
def test_a_token_that_was_replaced_must_deliver_what_waits_and_be_kept_nowhere(
    case: Case, box_of: Callable[[Case], Box]
) -> None:
    box = box_of(case)
    box.take(BEGAN)
    assert box.works(env={"TOKEN": "tk_s3cret-old", "SIGNING": "s3cret-old"}) == ("here",)
    assert box.works() == ()
    assert box.fates() == [Fate.DELIVERED]
    assert len(box.service.told()) == 1
    kept = Path(box.path).read_bytes()
    assert not any(word in kept for word in (b"s3cret", Service.TOKEN.encode(), SIGNING.encode()))
