"""Programs are started clean, heard while they run, and ended for certain."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lastgood.effects.process import LocalProcess
from lastgood.model.command import Child, Command, Completed

PROCESS = LocalProcess(patience=0.3)
PYTHON = sys.executable


def python(code: str, *args: str, timeout: float = 20, stdin: bytes = b"") -> Command:
    return Command((PYTHON, "-c", code, *args), timeout=timeout, stdin=stdin)


def lives(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(") ")[2][0] not in "ZX"


def within(seconds: float, pid: int) -> bool:
    """Whether the process is gone within `seconds`."""
    end = time.monotonic() + seconds
    while lives(pid) and time.monotonic() < end:
        time.sleep(0.01)
    return not lives(pid)


@pytest.fixture
def orphans() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes that a test started past LocalProcess; ended afterwards."""
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for process in started:
        process.kill()
        process.wait()


def child_of(process: subprocess.Popen[bytes]) -> Child:
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(") ")[2].split()
    return Child(process.pid, int(fields[19]), ("sleeper",))


def test_status_and_both_outputs_must_come_back_as_bytes() -> None:
    done = PROCESS.run(python("import sys; sys.stdout.buffer.write(b'out\\xff'); sys.stderr.write('err'); sys.exit(7)"))
    assert (done.status, done.stdout, done.stderr, done.failure) == (7, b"out\xff", b"err", "")
    assert not done.ok
    assert done.elapsed > 0


def test_arguments_must_reach_the_program_untouched() -> None:
    hostile = ("--force", "$(id)", "a\nb", "*", "'\"", "../x")
    done = PROCESS.run(python("import sys; sys.stdout.write('|'.join(sys.argv[1:]))", *hostile))
    assert done.text == "|".join(hostile)


def test_input_larger_than_any_pipe_must_be_fed_while_output_is_read() -> None:
    content = os.urandom(3_000_000)
    done = PROCESS.run(
        python("import sys, shutil; shutil.copyfileobj(sys.stdin.buffer, sys.stdout.buffer)", stdin=content)
    )
    assert done.stdout == content


def test_a_program_that_ignores_its_input_must_not_hang_or_fail() -> None:
    assert PROCESS.run(Command(("true",), stdin=b"x" * 1_000_000)).ok


def test_only_the_named_variables_must_be_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    passed = {"HOME": "/h", "LC_ALL": "C", "XDG_CONFIG_HOME": "/x", "DOCKER_HOST": "unix:///s", "NO_PROXY": "a"}
    passed |= {"GIT_CONFIG_GLOBAL": "/g", "GIT_SSH_COMMAND": "ssh -v", "SSL_CERT_FILE": "/c", "GNUPGHOME": "/k"}
    kept_back = ("IMAGE_TAG", "COMPOSE_FILE", "COMPOSE_PROJECT_NAME", "GIT_DIR", "GIT_INDEX_FILE", "DOCKER_DEFAULT")
    for name, value in passed.items():
        monkeypatch.setenv(name, value)
    for name in (*kept_back, "XPATH", "PATHX"):
        monkeypatch.setenv(name, "stray")
    done = PROCESS.run(Command(("env", "-0"), env=(("GIVEN", "1"), ("HOME", "/other"))))
    seen = dict(entry.split("=", 1) for entry in done.text.split("\0") if entry)
    assert passed | {"GIVEN": "1", "HOME": "/other"} == {name: seen.get(name) for name in (*passed, "GIVEN")}
    assert "stray" not in seen.values()


def test_lines_of_both_outputs_must_be_handed_on_as_they_come(tmp_path: Path) -> None:
    code = (
        "import pathlib, sys, time\n"
        "print('one', flush=True)\n"
        "print('t\\xf6', file=sys.stderr, flush=True)\n"
        "while not pathlib.Path(sys.argv[1]).exists(): time.sleep(0.01)\n"
        "sys.stdout.write('rest\\r\\nend')\n"
    )
    heard: list[str] = []

    def listen(line: str) -> None:
        heard.append(line)
        if len(heard) == 2:
            (tmp_path / "heard").touch()

    assert PROCESS.run(python(code, str(tmp_path / "heard")), on_line=listen).ok
    assert sorted(heard[:2]) == ["one", "t\xf6"]
    assert heard[2:] == ["rest", "end"]


def test_bytes_that_are_no_text_must_not_stop_the_listener() -> None:
    heard: list[str] = []
    PROCESS.run(python("import sys; sys.stdout.buffer.write(b'\\xff\\xfe\\n')"), on_line=heard.append)
    assert heard == ["\ufffd\ufffd"]


def test_of_huge_output_the_beginning_and_the_end_must_be_kept() -> None:
    small = LocalProcess(keep=1000)
    done = small.run(python("import sys; sys.stdout.write('a' * 1000 + 'b' * 5_000_000 + 'c' * 1000)"))
    assert done.stdout == b"a" * 1000 + b"\n[5000000 bytes left out]\n" + b"c" * 1000


def test_a_line_that_never_ends_must_not_be_held_in_memory() -> None:
    heard: list[str] = []
    PROCESS.run(python("import sys; sys.stdout.write('x' * 1_000_000)"), on_line=heard.append)
    assert "".join(heard) == "x" * 1_000_000
    assert len(heard) > 1


def test_at_the_time_limit_the_whole_group_must_be_killed_even_if_it_ignores_terminate() -> None:
    stubborn = Command(("sh", "-c", "trap '' TERM; sleep 60 & echo $!; wait; sleep 60"), timeout=1.5)
    done = PROCESS.run(stubborn)
    assert (done.status, done.failure) == (None, "killed after 1.5 s")
    assert done.elapsed < 20
    assert within(20, int(done.text))


def test_at_the_time_limit_a_program_must_get_the_chance_to_end_by_itself() -> None:
    polite = Command(("sh", "-c", "trap 'echo bye >&2; exit' TERM; sleep 60 & wait"), timeout=1.5)
    done = LocalProcess(patience=20).run(polite)
    assert (done.status, done.stderr) == (None, b"bye\n")
    assert done.elapsed < 20


def test_output_that_a_background_child_keeps_open_must_not_be_waited_for() -> None:
    done = PROCESS.run(Command(("sh", "-c", "sleep 30 & echo $!"), timeout=20))
    os.kill(int(done.text), signal.SIGKILL)
    assert done.ok
    assert done.elapsed < 10


def test_the_child_must_be_known_before_its_output_is_read_and_identified_by_its_start() -> None:
    seen: list[Child] = []
    lines: list[int] = []
    command = Command(("echo", "x"))
    PROCESS.run(command, on_start=seen.append, on_line=lambda _: lines.append(len(seen)))
    assert lines == [1]
    assert seen[0].argv == command.argv
    assert seen[0].started > 0


def test_the_child_must_lead_a_session_of_its_own() -> None:
    done = PROCESS.run(python("import os; print(os.getpid() == os.getsid(0) == os.getpgid(0))"))
    assert done.text == "True\n"


def test_a_child_that_could_not_be_noted_down_must_be_killed() -> None:
    started: list[int] = []

    def refuse(child: Child) -> None:
        started.append(child.pid)
        message = "disk full"
        raise OSError(message)

    with pytest.raises(OSError, match="disk full"):
        PROCESS.run(Command(("sleep", "60")), on_start=refuse)
    assert not lives(started[0])


def test_control_c_must_end_the_group_and_then_be_raised() -> None:
    started: list[int] = []

    def interrupt(child: Child) -> None:
        started.append(child.pid)
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()

    with pytest.raises(KeyboardInterrupt):
        PROCESS.run(Command(("sleep", "60")), on_start=interrupt)
    assert not lives(started[0])


@pytest.mark.parametrize(
    ("command", "failure"),
    [
        (Command(("no-such-program-here",)), "not found: no-such-program-here"),
        (Command(("true",), cwd="/no/such/folder"), "no such folder: /no/such/folder"),
        (Command(("true",), host="ssh://deploy@host"), "ssh://deploy@host is not this machine"),
        (Command(("true", "a\0b")), "cannot be started: embedded null byte"),
        (Command(("/",)), "cannot be started: [Errno 13] Permission denied: '/'"),
    ],
)
def test_what_cannot_be_started_must_be_a_result_with_its_reason(command: Command, failure: str) -> None:
    assert PROCESS.run(command) == Completed(command, None, failure=failure)


def test_an_orphan_that_ends_by_itself_must_be_awaited(orphans: list[subprocess.Popen[bytes]]) -> None:
    orphans.append(subprocess.Popen(["sleep", "0.3"], start_new_session=True))
    assert PROCESS.reap(child_of(orphans[0]), patience=10)
    assert orphans[0].wait() == 0


def test_an_orphan_that_does_not_end_must_be_ended_with_its_group(orphans: list[subprocess.Popen[bytes]]) -> None:
    command = ["sh", "-c", "trap '' TERM; sleep 60 & echo $!; wait; wait; sleep 60"]
    orphans.append(subprocess.Popen(command, start_new_session=True, stdout=subprocess.PIPE))
    stdout = orphans[0].stdout
    assert stdout is not None
    member = int(stdout.readline())
    assert PROCESS.reap(child_of(orphans[0]), patience=0.1)
    assert orphans[0].wait() == -signal.SIGKILL
    assert not lives(member)
    stdout.close()


def test_a_process_that_got_the_same_number_must_never_be_signalled(orphans: list[subprocess.Popen[bytes]]) -> None:
    orphans.append(subprocess.Popen(["sleep", "60"], start_new_session=True))
    real = child_of(orphans[0])
    assert PROCESS.reap(Child(real.pid, real.started - 1, real.argv), patience=0)
    assert lives(real.pid)


def test_others_of_a_group_whose_leader_is_gone_must_be_reported_and_not_signalled(
    orphans: list[subprocess.Popen[bytes]],
) -> None:
    command = ["sh", "-c", "sleep 60 & echo $!; read _"]
    orphans.append(subprocess.Popen(command, start_new_session=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
    stdin, stdout = orphans[0].stdin, orphans[0].stdout
    assert stdin is not None
    assert stdout is not None
    member = int(stdout.readline())
    child = child_of(orphans[0])
    stdin.close()
    orphans[0].wait()
    stdout.close()
    assert not PROCESS.reap(child, patience=0.1)
    assert lives(member)
    os.kill(member, signal.SIGKILL)


def test_a_child_that_was_never_there_must_count_as_gone() -> None:
    assert PROCESS.reap(Child(2**22 + 5, 1, ("x",)), patience=0)
