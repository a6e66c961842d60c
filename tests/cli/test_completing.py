"""What a shell completes of runs: those that the command is for, newest first, and never an error."""

import os
from pathlib import Path

import click
import msgspec
import pytest

from lastgood.cli.session import Session
from lastgood.cli.verbs import abort, ack, bundle, checklist, postmortem, resume, settle, show, status, verify
from lastgood.journal.live import Live
from lastgood.journal.store import Journal
from lastgood.model.errors import Exit
from lastgood.model.event import Acked, Event, RunEnded, RunStarted, StepStarted
from lastgood.model.message import Kind, Message
from lastgood.outbox.asks import ask
from lastgood.outbox.store import Outbox
from lastgood.wiring import Places
from tests.journal.sample import begun

CALLS = """\
notifiers: {hook: {kind: webhook, url: "http://127.0.0.1:9/"}}
contacts: [{who: ann, by: hook}]
"""
STEP = StepStarted("1.pull")
DONE, MITIGATED, DOUBT, DIED, LIVES, CHECK, KILLED_CHECK, CALLED = (f"2026112{day}-174501-7f3a" for day in range(1, 9))
ENDS = {DONE: Exit.DONE, MITIGATED: Exit.MITIGATED, DOUBT: Exit.IN_DOUBT, CHECK: Exit.DONE, CALLED: Exit.NEEDS_HUMAN}
EVERY = sorted((DONE, MITIGATED, DOUBT, DIED, LIVES, CHECK, KILLED_CHECK, CALLED), reverse=True)


def first(repo: Path, *, check: bool) -> RunStarted:
    begin = msgspec.structs.replace(begun(), repo=str(repo))
    return msgspec.structs.replace(begin, plan=msgspec.structs.replace(begin.plan, action="check")) if check else begin


@pytest.fixture
def state(deploy_repo: Path) -> str:
    """Where a journal lies with a run of every kind."""
    found = Places.of(os.environ).state
    with Journal(f"{found}/journal.db") as journal:
        for at, run in enumerate(reversed(EVERY), start=1):
            ends: tuple[Event, ...] = (RunEnded(ENDS[run], "so it ended"),) if run in ENDS else (STEP,)
            for event in (first(deploy_repo, check=run in (CHECK, KILLED_CHECK)), *ends):
                journal.append(run, event, at)
    return found


def completed(verb: click.Command, begin: str = "") -> list[str]:
    found = verb.params[0].shell_complete(click.Context(verb), begin)
    return [one.value for one in found]


def test_each_command_must_be_given_the_runs_that_it_is_for(state: str) -> None:
    acted = [run for run in EVERY if run not in (CHECK, KILLED_CHECK)]
    with Live(state).executing(LIVES):
        for verb in (show.command, verify.command):
            assert completed(verb) == EVERY
        for verb in (bundle.command, postmortem.command, checklist.command):
            assert completed(verb) == acted
        for verb in (resume.command, abort.command):
            assert completed(verb) == [DIED, DOUBT, MITIGATED]
        assert completed(settle.command) == [MITIGATED]
    assert completed(resume.command, DIED[:8]) == [DIED]
    assert completed(resume.command, "x") == []
    assert completed(resume.command) == [LIVES, DIED, DOUBT, MITIGATED]


def test_timers_checks_must_not_hide_a_run_that_stopped(state: str, deploy_repo: Path) -> None:
    with Journal(f"{state}/journal.db") as journal:
        for minute in range(120):
            journal.append(f"20261201-10{minute:04}-7f3a", first(deploy_repo, check=True), 100 + minute)
    assert completed(settle.command) == [MITIGATED]
    assert completed(show.command, MITIGATED[:8]) == [MITIGATED]
    assert len(completed(show.command)) == 50


def test_where_there_are_only_checks_these_must_be_completed(deploy_repo: Path) -> None:
    with Journal(f"{Places.of(os.environ).state}/journal.db") as journal:
        journal.append(CHECK, first(deploy_repo, check=True), 1)
    assert (completed(bundle.command), completed(resume.command)) == ([CHECK], [])


def test_what_people_are_called_for_must_be_completed_until_somebody_has_it(state: str, deploy_repo: Path) -> None:
    assert completed(ack.command) == []  # nobody is ever called: there are no contacts
    file = deploy_repo / "lastgood.yaml"
    file.write_text(file.read_text() + CALLS)
    (newest,) = completed(ack.command)
    assert newest == CALLED  # one that the newest run of its target came after is called for no more
    outbox = next(iter(Path(state, "outbox").glob("*.db")), None)
    assert outbox is None  # to look makes nothing
    with Journal(f"{state}/journal.db") as journal:
        journal.append(CALLED, Acked("ann", "terminal", 99), 99)
    assert completed(ack.command) == []


def test_an_ask_must_be_completed(deploy_repo: Path) -> None:
    file = deploy_repo / "lastgood.yaml"
    file.write_text(file.read_text() + CALLS)

    office = Session((), json=False, repo=None, no_color=True, quiet=True).service.post_office
    message = Message("", 1, Kind.STOPPED, 0, "shop-api/prod", "rollback", "x", services=("shop-api",), exit=8)
    with Outbox(office.path) as outbox:
        made = ask(outbox, message, 0.0, 1)
    assert made
    assert completed(ack.command, "ask-") == [made.message.run]
    assert completed(ack.command, "2") == []


@pytest.mark.parametrize("wrong", ["no repo", "no config", "a broken one", "a broken journal", "no folder"])
def test_whatever_is_wrong_must_complete_nothing_and_say_nothing(
    deploy_repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], wrong: str
) -> None:
    file, journal = deploy_repo / "lastgood.yaml", Path(Places.of(os.environ).state, "journal.db")
    match wrong:
        case "no repo":
            monkeypatch.setenv("LASTGOOD_REPO", str(tmp_path / "nowhere"))
        case "no config":
            file.unlink()
        case "a broken one":
            file.write_text("services: [")
        case "a broken journal":
            journal.parent.mkdir(parents=True)
            journal.write_bytes(b"no database" * 100)
            file.unlink()
        case _:
            gone = tmp_path / "gone"
            gone.mkdir()
            monkeypatch.chdir(gone)
            gone.rmdir()
    for verb in (status, resume, settle, ack, show, bundle):
        assert completed(verb.command) == []
    said = capfd.readouterr()
    assert said.out + said.err == ""
