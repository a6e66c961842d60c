"""What is printed: harmless, coloured only where wanted, and never in the way of the exit code."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lastgood.cli import live, out
from lastgood.cli.live import Plain, Telling
from lastgood.cli.text_status import overview_text, status_text
from lastgood.cli.words import since
from lastgood.model.errors import Refused
from lastgood.model.event import Entry, RunStarted, StepDone, StepFailed, StepStarted
from lastgood.model.facts import Unknown
from lastgood.model.plan import Consent, ReversiblePlan
from lastgood.model.report import Health, Status
from lastgood.record.timeline import lines as timeline
from tests.cli import stand_in
from tests.plans.builders import World, history, planned

ROOT = Path(__file__).parents[2]
NOTHING = Unknown("the engine does not answer")
BLIND = Status(
    *("shop-api/prod", NOTHING, "", "", NOTHING, NOTHING, "", Health.UNKNOWN, "nobody could look"),
    *(NOTHING, Unknown("no migrator is configured"), (), (), ""),
)


@pytest.fixture(autouse=True)
def _no_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)


def entry(event: RunStarted | StepStarted | StepDone | StepFailed) -> Entry:
    return Entry("20261122-174501-7f3a", 1, 0, event)


def begun() -> Entry:
    plan = planned(World(history("sha-bad", "sha-two"))).plan
    assert isinstance(plan, ReversiblePlan)
    return entry(RunStarted(plan, Consent("ann", "--yes", ""), "/deploy", "token", "", "0"))


def test_escape_sequences_must_not_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    out.lines(("ok \x1b]0;owned\x07", "two\nlines"))
    assert capsys.readouterr().out == "ok \\x1b]0;owned\\x07\ntwo\\nlines\n"


def test_progress_must_be_harmless_too(capsys: pytest.CaptureFixture[str]) -> None:
    telling = Telling(Plain())
    telling.entry(begun())
    telling.entry(entry(StepStarted("1.verify")))
    telling.progress("\x1b[2Jwaiting")
    telling.entry(entry(StepFailed("1.verify", "it said \x1b[31m")))
    assert "\x1b" not in capsys.readouterr().err


def test_what_is_waited_for_must_be_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    telling = Telling(Plain())
    telling.entry(begun())
    telling.entry(entry(StepStarted("1.verify")))
    for _ in range(5):
        telling.progress("shop-api-api-1 is starting")
    assert capsys.readouterr().err.count("is starting") == 1


def test_output_of_programs_must_not_fill_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    telling = Telling(Plain())
    telling.entry(begun())
    telling.entry(entry(StepStarted("1.switch.local")))
    telling.progress("Container shop-api-api-1 Recreated")
    assert "Recreated" not in capsys.readouterr().err


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
@pytest.mark.usefixtures("deploy_repo")
def test_output_that_cannot_be_written_must_not_stop_a_run(stream: str) -> None:
    program = (sys.executable, "-m", "tests.cli.stand_in", "rollback", "shop-api", "prod", "--yes")
    variables = {**os.environ, "LASTGOOD_REPO": str(Path.cwd())}
    with Path("/dev/full").open("wb", buffering=0) as full:
        out_, err = (full, None) if stream == "stdout" else (None, full)
        done = subprocess.run(program, cwd=ROOT, env=variables, check=False, stdout=out_, stderr=err)
    assert done.returncode == 0
    assert stand_in.touched().exists()


@pytest.mark.parametrize("words", [("--help",), ("schema",), ("runs",)])
def test_a_reader_that_went_away_must_be_no_error(tmp_path: Path, words: tuple[str, ...]) -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as closed:
        done = subprocess.run(
            (sys.executable, "-m", "lastgood", *words),
            stdout=closed,
            stderr=subprocess.PIPE,
            env={**os.environ, "HOME": str(tmp_path)},
            check=False,
        )
    assert done.stderr == b""


def test_closed_streams_must_not_end_a_command(tmp_path: Path) -> None:
    shell = f'exec "{sys.executable}" -m lastgood runs <&- >&- 2>&-'
    assert subprocess.run(("sh", "-c", shell), env={**os.environ, "HOME": str(tmp_path)}, check=False).returncode == 0


@pytest.mark.parametrize(
    ("variables", "off", "wanted"),
    [
        ({}, False, False),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": "1"}, True, False),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, False),
    ],
)
def test_colours_must_be_there_only_where_wanted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variables: dict[str, str], *, off: bool, wanted: bool
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with (tmp_path / "log").open("w") as log:
        assert out.coloured(log, off=off) is wanted


def test_what_is_unknown_must_be_told_as_unknown_with_its_reason() -> None:
    text = "\n".join(status_text(BLIND, 0))
    assert text.startswith("shop-api/prod: unknown")
    assert text.count("unknown: the engine does not answer") == 4
    assert "none: git and runtime agree" not in text


def test_an_error_of_one_target_must_not_hide_the_others() -> None:
    text = overview_text((("shop-api/prod", Refused("It cannot be seen.")), ("shop-web/prod", BLIND)))
    assert "It cannot be seen." in text[1]
    assert "shop-web/prod" in text[2]


def test_a_time_that_cannot_be_read_must_be_shown_as_it_is() -> None:
    assert since("yesterday", 0) == "yesterday"
    assert since("2026-11-22T17:45:01.123456789Z", 1_795_369_561) == "2026-11-22 17:45 UTC (1 min ago)"


def test_a_moving_line_must_never_be_wider_than_the_terminal() -> None:
    assert live._cut("a日本語b", 5) == "a日本"
    assert live._cut("plain", 80) == "plain"


def test_an_envelope_must_hold_what_json_cannot(capsys: pytest.CaptureFixture[str]) -> None:
    assert '"what": "\\\\udcff"' in out.envelope("error", {"what": "\udcff"})
    assert '"timeline": []' in out.envelope("run", {"timeline": timeline(())})
    assert capsys.readouterr().out == ""


def test_json_must_hold_nothing_that_a_terminal_acts_upon_and_mean_the_same() -> None:
    value = {"said": "\x9b31m \x1b[2J \x7f \u202e \u2028 \u200b \u00fc \U0001f600"}
    text = out.envelope("x", value)
    assert all(char.isprintable() or char == "\n" for char in text)
    assert json.loads(text)["said"] == value["said"]
    assert "\u00fc \U0001f600" in text
