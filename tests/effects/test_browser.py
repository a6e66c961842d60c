"""A real Chromium on pages that do what they should not: facts come back, and nothing stays."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lastgood.effects.browser import LocalBrowser, clear
from lastgood.effects.pixels import one_colour
from lastgood.model.facts import Known, Unknown
from lastgood.model.visit import NO_TIME, Errand, Move, Visit
from tests.effects.pages import PASSWORD, Server, serving
from tests.standin.held import LONG

BROWSER = LocalBrowser(os.environ)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving() as found:
        yield found


@pytest.fixture(autouse=True)
def temporary(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the browser's folders are made, with a short path as sockets need; pytest's own place stays where it is."""
    tmp_path_factory.getbasetemp()
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        monkeypatch.setattr("tempfile.tempdir", folder)
        yield Path(folder)


def visited(url: str, *seconds: float) -> Visit:
    """The visit, given more time where the browser did not even start: machines may be busy."""
    for limit in (*seconds, 40.0):
        begun = time.monotonic()
        found = BROWSER.visit(Errand((Move("goto", url),), seconds=limit))
        assert time.monotonic() - begun < limit + LONG / 2
        if isinstance(found, Known):
            return found.value
    raise AssertionError(found)


def started_in(folder: Path) -> list[str]:
    """The command lines of what was started with a folder below `folder`."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
            except OSError:
                continue
            if os.fsencode(str(folder)) in words and b"pytest" not in words.split(b"\0")[0]:
                found.append(words.replace(b"\0", b" ").decode(errors="replace")[:200])
    return found


def test_a_hostile_page_must_be_told_in_few_harmless_words_and_leave_nothing(server: Server, temporary: Path) -> None:
    server.asked.clear()
    seen = visited(f"{server.url}/")
    assert (seen.status, seen.blank, seen.text, seen.title) == (200, False, "Welcome", "Shop [31m")
    thrown, promise = seen.faults
    assert (thrown.said, thrown.url) == (
        "TypeError: Cannot read properties of undefined (reading 'open')",
        f"{server.url}/thrown.js",
    )
    assert (promise.said, promise.promise) == ("Error: nobody waits", True)
    assert {(one.url, one.kind, one.status) for one in seen.missed} == {
        (f"{server.url}/gone.js", "script", 404),
        (f"{server.url}/api/orders", "fetch", 500),
    }
    assert len(seen.console) == 40
    assert seen.more > 300
    assert all(len(one.said) <= 400 and one.said.isprintable() for one in seen.console)
    assert seen.picture.startswith(b"\x89PNG")
    assert "/worker.js" not in server.asked
    assert PASSWORD not in repr(seen)
    assert list(temporary.iterdir()) == []
    wait(lambda: started_in(temporary) == [])


def test_a_page_that_shows_nothing_must_be_blank_and_what_draws_anything_must_not(server: Server) -> None:
    blank = visited(f"{server.url}/blank")
    assert blank.blank is True
    assert one_colour(blank.picture)
    assert [one.said for one in blank.faults] == ["Error: no root"]
    drawn = visited(f"{server.url}/drawn")
    assert (drawn.blank, drawn.text) == (False, "")


def test_a_page_that_never_comes_to_rest_must_be_left_in_time(server: Server, temporary: Path) -> None:
    assert visited(f"{server.url}/hangs", 4.5, 9).blank is None
    wait(lambda: started_in(temporary) == [])


def test_a_page_that_waits_for_an_answer_must_not_be_called_blank(server: Server) -> None:
    assert visited(f"{server.url}/waits", 4.5, 9).blank is None


def test_a_circle_of_redirects_must_be_told_as_a_problem(server: Server) -> None:
    assert visited(f"{server.url}/round").problem == "too many redirects"


def test_time_that_is_over_must_not_be_told_as_where_the_page_is(server: Server) -> None:
    moves = (Move("goto", f"{server.url}/form"), Move("url", "/account"))
    for seconds in (3.5, 9.0, 40.0):  # more where the machine is busy
        found = BROWSER.visit(Errand(moves, seconds=seconds, patience=LONG))
        if isinstance(found, Known) and found.value.done:
            break
    assert isinstance(found, Known)
    assert (found.value.done, found.value.problem) == (1, NO_TIME)


def test_where_nothing_can_be_written_that_must_be_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/proc")
    found = BROWSER.visit(Errand((Move("goto", "http://127.0.0.1:9/"),)))
    assert isinstance(found, Unknown)
    assert found.reason.startswith("the browser has no room to write in: ")


@pytest.mark.parametrize("whom", ["parent", "driver"])
def test_nothing_must_stay_where_either_process_is_killed(server: Server, temporary: Path, whom: str) -> None:
    code = (
        "import os, tempfile; from lastgood.effects.browser import *; from lastgood.model.visit import *;"
        f"tempfile.tempdir = {str(temporary)!r};"
        f"print(LocalBrowser(os.environ).visit(Errand((Move('goto', {server.url!r} + '/hangs'),), 120)))"
    )
    server.asked.clear()
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True) as parent:
        wait(lambda: "/hangs" in server.asked)
        driver = int(Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()[0])
        os.kill(parent.pid if whom == "parent" else driver, signal.SIGKILL)
        said = parent.communicate()[0]
    assert (b"Unknown" in said) is (whom == "driver")
    wait(lambda: started_in(temporary) == [] and list(temporary.iterdir()) == [])


def test_nothing_must_stay_where_nobody_takes_the_answer(server: Server, temporary: Path) -> None:
    folder = temporary / "lastgood-browser-x"
    folder.mkdir()
    command = BROWSER._command(Errand((Move("goto", f"{server.url}/form"),), seconds=LONG), str(folder))
    reading, writing = os.pipe()
    os.close(reading)
    env = {**os.environ, **dict(command.env)}
    subprocess.run(command.argv, cwd=command.cwd, env=env, input=command.stdin, stdout=writing, check=False)
    os.close(writing)
    wait(lambda: started_in(temporary) == [])
    assert list(temporary.iterdir()) == []


def test_a_process_of_root_s_must_not_keep_the_folder(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: int) -> None:
        raise PermissionError

    folder = temporary / "lastgood-browser-x"
    folder.mkdir()
    monkeypatch.setattr("lastgood.effects.browser._GRACE", 0.1)
    with subprocess.Popen(("sleep", "60"), env={"TMPDIR": str(folder)}, start_new_session=True) as other:
        with monkeypatch.context() as patch:
            patch.setattr(os, "killpg", refused)
            clear(str(folder))
        other.kill()
    assert list(temporary.iterdir()) == []


def test_a_helper_whose_title_is_one_text_must_be_ended_as_well(temporary: Path) -> None:
    folder = temporary / "lastgood-browser-x"
    folder.mkdir()
    title = f"/usr/lib/chromium/chromium --type=renderer --user-data-dir={folder}/profile --lang=en"
    with subprocess.Popen((title, "60"), executable="/bin/sleep", env={}, start_new_session=True) as helper:
        clear(str(folder))
        assert helper.wait(60) == -signal.SIGKILL


def wait(until: Callable[[], bool]) -> None:
    end = time.monotonic() + 120
    while not until():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_missing_browser_must_be_unknown_with_the_command_that_mends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    errand = Errand((Move("goto", "http://127.0.0.1:9/"),), seconds=LONG)
    monkeypatch.setenv("PATH", str(tmp_path))
    none = LocalBrowser({"HOME": str(tmp_path)}).visit(errand)
    assert none == Unknown(f"no browser looks: {sys.executable} -m playwright install --with-deps chromium")
    named = LocalBrowser({"LASTGOOD_CHROMIUM": "/nowhere/chromium"}).visit(errand)
    assert named == Unknown("no browser looks: there is no program /nowhere/chromium")
    broken = tmp_path / "chromium"
    broken.write_text("#!/bin/sh\necho no display >&2\nexit 1\n")
    broken.chmod(0o755)
    found = LocalBrowser({}, str(broken)).visit(errand)
    assert isinstance(found, Unknown)
    assert "does not start" in found.reason
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert LocalBrowser({}).missing() == f"no browser looks: {sys.executable} -m pip install 'playwright>=1.49'"
