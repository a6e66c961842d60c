"""A destination that the file names no more holds nothing up for ever, and one that comes back has lost nothing."""

from pathlib import Path

import pytest
from postal import Postal, Told, end
from test_escalation import BASE, GROUP, RUN, begun

from lastgood.config.load import load
from lastgood.diagnose.outside import checks
from lastgood.effects.http import PlainHttp
from lastgood.effects.process import LocalProcess
from lastgood.effects.secrets import LocalSecrets
from lastgood.model.errors import UsageError
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.message import Failed
from lastgood.model.report import Mark
from lastgood.outbox.leaving import let_go
from lastgood.outbox.postman import World
from lastgood.outbox.store import Outbox
from lastgood.posting import PostOffice, Repo

HOUR = 3600.0


@pytest.fixture
def postal(tmp_path: Path) -> Postal:
    """Two messages that did not reach `old`; `kept` is still named."""
    made = Postal(tmp_path, Told("old", does=lambda _: Failed("gone")), Told("kept", does=lambda _: Failed("down")))
    made.writes(RUN, begun(), end())
    made.works()
    return made


def tidied(postal: Postal, *named: str) -> list[tuple[str, str]]:
    with Outbox(postal.path) as outbox:
        let_go(outbox, named, postal.clock.now())
    return [(post.destination, post.fate.value) for post in postal.posts() if post.fate.value == "superseded"]


def test_what_waits_for_it_must_be_let_go_of_after_a_day_and_nothing_else(postal: Postal) -> None:
    assert tidied(postal, "kept") == []
    postal.clock.by += 23 * HOUR
    assert tidied(postal, "kept") == []
    postal.clock.by += 2 * HOUR
    assert tidied(postal, "kept") == [("old", "superseded")] * 2
    assert "names no such destination" in next(post.because for post in postal.posts() if post.destination == "old")


def test_one_that_is_named_again_must_have_lost_nothing(postal: Postal) -> None:
    """As where a clone of another branch was looked from in between."""
    tidied(postal, "kept")
    postal.clock.by += 23 * HOUR
    tidied(postal, "kept", "old")
    postal.clock.by += 2 * HOUR
    assert tidied(postal, "kept") == []
    postal.clock.by -= 10 * HOUR
    assert tidied(postal, "kept") == []


def office(postal: Postal, text: str = GROUP) -> PostOffice:
    world = World(PlainHttp(), LocalSecrets(LocalProcess(), {}), postal.clock)
    made = PostOffice(
        load(f"{BASE}{text}".encode(), "x"), str(postal.folder), world, Repo("/deploy", lambda path: path)
    )
    made.path = postal.path
    return made


def test_it_must_be_let_go_of_at_once_where_somebody_says_so_but_not_one_that_is_named(postal: Postal) -> None:
    post_office = office(postal)
    for wrong, why in (("group", "still to be told"), ("nosuch", "Nothing waits")):
        with pytest.raises(UsageError) as raised:
            post_office.forget(wrong)
        assert why in raised.value.what
    assert post_office.forget("old") == 2
    assert {post.fate.value for post in postal.posts() if post.destination == "kept"} == {"failed", "waiting"}


def test_where_nobody_is_named_any_more_it_must_be_let_go_of_too(postal: Postal) -> None:
    post_office = office(postal, "")
    for _ in range(2):
        assert post_office.work(1.0) == ()
        postal.clock.by += 25 * HOUR
    assert set(postal.fates()) == {"superseded"}


def test_asking_an_outbox_that_was_never_written_must_make_none(tmp_path: Path) -> None:
    postal = Postal(tmp_path)
    office(postal, "").collect()
    assert not Path(postal.path).exists()


@pytest.mark.parametrize(
    ("looks", "mark", "said"),
    [
        ({"a": Known("fine"), "b": Known("fine")}, Mark.OK, "ann, bo could be called"),
        ({"a": Known("fine"), "b": Unknown("401")}, Mark.WARN, "bo could not be called"),
        ({"a": Unknown("gone"), "b": Unknown("401")}, Mark.WARN, "nobody could be called"),
    ],
)
def test_a_doctor_must_say_who_could_not_be_called(looks: dict[str, Fact[str]], mark: Mark, said: str) -> None:
    asked = [(name, lambda one=one: one) for name, one in looks.items()]
    found = {check.name: check for check in checks(asked, lambda: 0, lambda: 1000.0, {"ann": "a", "bo": "b"})}
    assert (found["contacts"].mark, found["contacts"].said) == (mark, found["contacts"].said)
    assert said in found["contacts"].said
    assert found["outbox timer"].mark is Mark.WARN  # an hour is enough for messages, and too late for people
    assert "contacts after the first" in found["outbox timer"].said
