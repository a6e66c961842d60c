"""Consent: one question, and nothing is touched without a yes."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pexpect  # type: ignore[import-untyped] # it ships no types
import pytest

from lastgood.service import Service
from tests.cli import stand_in
from tests.cli.conftest import Said

Lastgood = Callable[..., Said]
ROOT = Path(__file__).parents[2]
QUESTION = r"Roll shop-api/prod back to sha-two\? \[y/N\] "


@pytest.fixture(autouse=True)
def _stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Service, "plan", stand_in.plan)
    monkeypatch.setattr(Service, "rollback", stand_in.rollback)


def digest() -> str:
    """The digest of the plan that the stand-in makes."""
    return stand_in.plan(None).digest  # type: ignore[arg-type] # it does not look at it


@pytest.fixture
def terminal(deploy_repo: Path) -> Callable[..., "pexpect.spawn[str]"]:
    """Run the stand-in on a terminal of its own."""

    def spawn(*argv: str, **env: str) -> "pexpect.spawn[str]":
        return pexpect.spawn(
            sys.executable,
            ["-m", "tests.cli.stand_in", *argv],
            cwd=str(ROOT),
            env={**os.environ, "LASTGOOD_REPO": str(deploy_repo), **env},
            encoding="utf-8",
            timeout=120,
            dimensions=(60, 160),
        )

    return spawn


def ended(child: "pexpect.spawn[str]") -> tuple[int | None, str]:
    child.expect(pexpect.EOF)
    child.close()
    return child.exitstatus, child.before or ""


Terminal = Callable[..., "pexpect.spawn[str]"]


@pytest.mark.parametrize("answer", ["n", "", "no", "yess", "Y E S"])
def test_anything_but_a_yes_must_touch_nothing(terminal: Terminal, answer: str) -> None:
    child = terminal("rollback", "shop-api", "prod")
    child.expect(QUESTION)
    child.sendline(answer)
    code, said = ended(child)
    assert code == 4
    assert "Nothing was touched" in said
    assert not stand_in.touched().exists()


@pytest.mark.parametrize("answer", ["y", "YES", "Yes "])
def test_a_yes_must_roll_back(terminal: Terminal, answer: str) -> None:
    child = terminal("rollback", "shop-api", "prod")
    child.expect(QUESTION)
    child.sendline(answer)
    code, said = ended(child)
    assert code == 0
    assert "shop-api/prod serves sha-two." in said
    assert stand_in.touched().read_text() == "terminal"


def test_the_end_of_input_must_be_a_no(terminal: Terminal) -> None:
    child = terminal("rollback", "shop-api", "prod")
    child.expect(QUESTION)
    child.sendeof()
    assert ended(child)[0] == 4
    assert not stand_in.touched().exists()


def test_ctrl_c_at_the_question_must_touch_nothing(terminal: Terminal) -> None:
    child = terminal("rollback", "shop-api", "prod")
    child.expect(QUESTION)
    child.sendintr()
    code, said = ended(child)
    assert code == 3
    assert "nothing was touched" in said
    assert "Traceback" not in said
    assert not stand_in.touched().exists()


def test_an_interrupt_in_the_middle_of_a_run_must_be_in_doubt(terminal: Terminal) -> None:
    code, said = ended(terminal("rollback", "shop-api", "prod", "--yes", INTERRUPTED="1"))
    assert code == 5
    assert f"lastgood resume {stand_in.RUN}" in said


def test_the_plan_must_be_shown_before_the_question(terminal: Terminal) -> None:
    child = terminal("rollback", "shop-api", "prod")
    child.expect(QUESTION)
    assert "roll back from sha-bad to sha-two" in child.before
    assert digest() in child.before


def test_no_arguments_must_offer_the_one_unhealthy_service(terminal: Terminal) -> None:
    child = terminal("rollback", UNHEALTHY="shop-api/prod")
    child.expect("shop-api/prod +unhealthy")
    child.expect(QUESTION)
    child.sendline("y")
    assert ended(child)[0] == 0
    assert stand_in.touched().exists()


def test_no_arguments_must_let_choose_among_several_unhealthy_services(terminal: Terminal) -> None:
    child = terminal("rollback", UNHEALTHY="shop-api/staging shop-web/prod")
    child.expect("1  shop-api/staging")
    child.expect("2  shop-web/prod")
    child.expect("Which one")
    child.sendline("2")
    child.expect("Roll shop-web/prod back")
    child.sendline("n")
    assert ended(child)[0] == 4


@pytest.mark.parametrize("answer", ["", "0", "3", "-1", "shop-api", "\u00b2"])
def test_a_choice_that_is_none_must_touch_nothing(terminal: Terminal, answer: str) -> None:
    child = terminal("rollback", UNHEALTHY="shop-api/staging shop-web/prod")
    child.expect("Which one")
    child.sendline(answer)
    code, said = ended(child)
    assert code == 4
    assert "Nothing was touched" in said


def test_no_arguments_must_say_that_everything_is_healthy(terminal: Terminal) -> None:
    code, said = ended(terminal("rollback"))
    assert code == 0
    assert "Everything is healthy." in said


def test_no_arguments_must_not_call_the_unknown_healthy(terminal: Terminal) -> None:
    code, said = ended(terminal("rollback", UNKNOWN="shop-web/prod"))
    assert code == 8
    assert "Everything is healthy." not in said


def test_without_a_terminal_the_plan_must_be_printed_and_consent_asked_for(lastgood: Lastgood) -> None:
    said = lastgood("rollback", "shop-api", "prod")
    assert said.code == 4
    assert "roll back from sha-bad to sha-two" in said.out
    assert f"lastgood rollback shop-api prod --plan {digest()}" in said.err
    assert not stand_in.touched().exists()


def test_the_command_that_is_offered_must_be_the_one_given_plus_the_digest(lastgood: Lastgood) -> None:
    said = lastgood("rollback", "shop-api", "prod", "--further", "--json")
    assert (said.code, said.json["exit"], said.json["error"]) == (4, 4, "ConsentNeeded")
    assert said.json["next"] == [f"lastgood rollback shop-api prod --further --json --plan {digest()}"]


@pytest.mark.parametrize("shortened", [lambda d: d, lambda d: d[:19], lambda d: d.removeprefix("sha256:")[:12]])
def test_the_plan_s_digest_must_approve_it(lastgood: Lastgood, shortened: Callable[[str], str]) -> None:
    assert lastgood("rollback", "shop-api", "prod", "--plan", shortened(digest())).code == 0
    assert stand_in.touched().read_text() == "--plan"


@pytest.mark.parametrize("yes", [(), ("--yes",)])
def test_another_plan_s_digest_must_be_exit_7(lastgood: Lastgood, yes: tuple[str, ...]) -> None:
    said = lastgood("rollback", "shop-api", "prod", "--plan", "sha256:" + "0" * 64, *yes)
    assert said.code == 7
    assert "lastgood plan shop-api prod" in said.err
    assert not stand_in.touched().exists()


def test_eleven_digits_must_not_be_enough(lastgood: Lastgood) -> None:
    assert lastgood("rollback", "shop-api", "prod", "--plan", digest()[: len("sha256:") + 11]).code == 2
    assert not stand_in.touched().exists()


@pytest.mark.parametrize("extra", [(), ("--yes",), ("--json",)])
def test_a_dry_run_must_touch_nothing(lastgood: Lastgood, extra: tuple[str, ...]) -> None:
    assert lastgood("rollback", "shop-api", "prod", "--dry-run", *extra).code == 0
    assert not stand_in.touched().exists()


def test_yes_must_not_ask(lastgood: Lastgood) -> None:
    said = lastgood("rollback", "shop-api", "prod", "--yes")
    assert said.code == 0
    assert said.out.startswith("shop-api/prod serves sha-two.")
    assert stand_in.touched().read_text() == "--yes"


def test_json_must_be_alone_on_stdout(lastgood: Lastgood) -> None:
    said = lastgood("rollback", "shop-api", "prod", "--yes", "--json")
    assert (said.json["version"], said.json["kind"], said.json["exit"]) == (1, "run", 0)
    assert (said.json["run"], said.json["plan"]) == (stand_in.RUN, digest())


def test_quiet_must_leave_stderr_empty(lastgood: Lastgood) -> None:
    assert lastgood("rollback", "shop-api", "prod", "--yes", "--quiet").err == ""


def test_show_and_runs_must_tell_of_the_run_without_a_deploy_repo(
    lastgood: Lastgood, monkeypatch: pytest.MonkeyPatch
) -> None:
    lastgood("rollback", "shop-api", "prod", "--yes")
    monkeypatch.chdir("/")
    assert f"{stand_in.RUN}  shop-api/prod  rollback  done" in lastgood("runs").out
    assert "ended with exit 0" in lastgood("show", stand_in.RUN[:8]).out
    assert lastgood("show", "--json").json["exit"] == 0


def test_a_run_that_died_must_be_shown_as_such(lastgood: Lastgood, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERRUPTED", "1")
    assert lastgood("rollback", "shop-api", "prod", "--yes").code == 5
    assert lastgood("runs", "--json").json["runs"][0]["state"] == "died"
    assert f"lastgood resume {stand_in.RUN}" in lastgood("show").out
    assert lastgood("show", "--json").json["exit"] is None
