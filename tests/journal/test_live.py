import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lastgood.journal.live import Live
from lastgood.model.errors import JournalUnwritable, LeaseHeld, UsageError

HOLDER = """
import sys
from lastgood.journal.live import Live
with Live(sys.argv[1]).executing("run-1"):
    print("held", flush=True)
    sys.stdin.read()
"""


def held(folder: Path) -> subprocess.Popen[bytes]:
    """A process that executes run-1 until its stdin is closed."""
    started = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert started.stdout is not None
    assert started.stdout.readline() == b"held\n"
    return started


def test_a_run_must_be_alive_exactly_while_a_process_executes_it(tmp_path: Path) -> None:
    live = Live(str(tmp_path / "state"))
    assert not live.alive("run-1")
    with held(tmp_path / "state") as process:
        assert live.alive("run-1")
        assert not live.alive("run-2")
        process.communicate()
    assert process.returncode == 0
    assert not live.alive("run-1")
    assert not list((tmp_path / "state" / "runs").glob("*.lock"))


def test_a_killed_process_must_leave_its_run_dead_and_free_to_resume(tmp_path: Path) -> None:
    live = Live(str(tmp_path))
    with held(tmp_path) as process:
        process.send_signal(signal.SIGKILL)
    assert not live.alive("run-1")
    with live.executing("run-1"):
        assert live.alive("run-1")


def test_a_second_process_must_be_refused_and_told_who(tmp_path: Path) -> None:
    with held(tmp_path) as process:
        with (
            pytest.raises(LeaseHeld, match=f"by process {process.pid} ") as told,
            Live(str(tmp_path)).executing("run-1"),
        ):
            pytest.fail("two processes execute one run")
        assert told.value.next
        process.communicate()


def test_a_failure_inside_must_end_the_hold(tmp_path: Path) -> None:
    live = Live(str(tmp_path))
    with pytest.raises(KeyError), live.executing("run-1"):
        raise KeyError
    assert not live.alive("run-1")


def test_looking_must_never_get_in_the_way_of_beginning(tmp_path: Path) -> None:
    live = Live(str(tmp_path))

    def work(number: int) -> None:
        with live.executing(f"run-{number}"):
            assert live.alive(f"run-{number}")

    def look(number: int) -> bool:
        return live.alive(f"run-{number % 4}")

    with ThreadPoolExecutor(8) as pool:
        looks = [pool.submit(look, number) for number in range(400)]
        works = [pool.submit(work, number) for number in range(4)]
        for begun in works:
            begun.result()
        for looked in looks:
            looked.result()


@pytest.mark.parametrize("run", ["", "../x", "a/b", "--force", ".guard", "a\nb", "x\0", "\x1b[2J", "é"])
def test_hostile_run_names_must_be_refused(tmp_path: Path, run: str) -> None:
    live = Live(str(tmp_path / "state"))
    with pytest.raises(UsageError, match="is not the id") as told:
        live.alive(run)
    assert told.value.what.isprintable()
    with pytest.raises(UsageError), live.executing(run):
        pytest.fail("it must not begin")
    assert not (tmp_path / "state").exists()


def test_a_folder_that_cannot_be_made_must_be_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalUnwritable), Live(str(tmp_path / "file")).executing("run-1"):
        pytest.fail("it must not begin")
