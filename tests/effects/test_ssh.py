"""Commands on a host by a real sshd: as they are meant, by one login, and never left behind."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from remotely import at, gone, hold, mine, running, together, within
from sshd import Server, shell_of

from lastgood.effects.hosts import Processes
from lastgood.effects.process import _PASSED, LocalProcess
from lastgood.effects.remote import PROGRAM, header
from lastgood.model.command import Child, Command
from tests.standin.held import not_held


def test_status_and_both_outputs_must_come_back_as_bytes(server: Server, processes: Processes) -> None:
    done = processes.run(at(server, "sh", "-c", r"printf 'out\377\000'; printf err >&2; exit 7"))
    assert (done.status, done.stdout, done.stderr, done.failure) == (7, b"out\xff\x00", b"err", "")


@pytest.mark.parametrize("kind", ["server", "busybox"])
def test_thirty_commands_at_once_must_need_one_login(
    kind: str, request: pytest.FixtureRequest, processes: Processes
) -> None:
    server: Server = request.getfixturevalue(kind)
    before = server.logins()
    answers = together(30, processes, at(server, "echo", "hi"))
    assert [answer.stdout for answer in answers] == [b"hi\n"] * 30
    assert server.logins() == before + 1


def test_two_who_share_a_host_must_not_share_a_connection(server: Server, processes: Processes) -> None:
    other = Processes()
    before = server.logins()
    try:
        assert processes.run(at(server, "true")).ok
        assert other.run(at(server, "true")).ok
    finally:
        other.close()
    assert processes.run(at(server, "true")).ok
    assert server.logins() == before + 2


@pytest.mark.parametrize("status", [1, 126, 127, 254, 255])
def test_the_programs_own_status_must_never_be_taken_for_that_of_ssh(
    server: Server, processes: Processes, status: int
) -> None:
    done = processes.run(at(server, "sh", "-c", f"echo lost >&2; exit {status}"))
    assert (done.status, done.stderr, done.failure) == (status, b"lost\n", "")


@pytest.mark.parametrize("kind", ["server", "busybox"])
def test_hostile_arguments_folders_and_values_must_arrive_as_they_are(
    kind: str, request: pytest.FixtureRequest, processes: Processes, tmp_path: Path
) -> None:
    server: Server = request.getfixturevalue(kind)
    hostile = ["--force", "$(touch x)", "`id`", "a'b\"c", "new\nline\n", "\n", "", " ", "\\", "\\n\\'", "!!", "*", "~"]
    hostile.append(os.fsdecode(bytes(range(1, 256))))
    script = "import os,sys; sys.stdout.buffer.write(b'\\0'.join([os.getcwdb(), os.environb[b'X'], "
    script += "*map(os.fsencode, sys.argv[1:])]))"
    folder = tmp_path / "-a b'\n$(x)"
    folder.mkdir()
    for value in hostile:
        command = at(server, sys.executable, "-c", script, *hostile, cwd=str(folder), env=(("X", value),))
        done = processes.run(command)
        assert done.stdout.split(b"\0") == [os.fsencode(text) for text in (str(folder), value, *hostile)], done


@pytest.mark.parametrize("shell", ["bash", "dash", "fish", "tcsh"])
def test_every_login_shell_must_read_the_command_alike(fresh: Server, processes: Processes, shell: str) -> None:
    fresh.restart(f'ForceCommand {shell_of(shell)} -c "$SSH_ORIGINAL_COMMAND"\n')
    done = processes.run(at(fresh, "printf", "%s", "a'b\\'\\\\!\n$x", stdin=b"x"))
    assert done.stdout == b"a'b\\'\\\\!\n$x", done


def test_what_cannot_be_sent_or_started_must_be_told(server: Server, processes: Processes) -> None:
    for command, why in (
        (at(server, "true", cwd="/no/such"), "no such folder: /no/such"),
        (at(server, "no-such-program"), "not found: no-such-program"),
        (at(server, "true", "a\0b"), "cannot be started: embedded null byte"),
        (at(server, "true", env=(("A B", "c"),)), "cannot be started: 'A B' cannot be the name of a variable"),
        (Command(("true",), host="ssh://-oProxyCommand=x"), "'ssh://-oProxyCommand=x' is not an address"),
        (Command(("true",), host="ssh://user:secret@shop"), "is not an address"),
    ):
        done = processes.run(command)
        assert done.status is None
        assert why in done.failure


def test_a_command_that_was_not_received_whole_must_not_run(tmp_path: Path) -> None:
    content = header(Command(("touch", str(tmp_path / "ran"))), "token", "mark")
    for cut in (content[:-1], content[:-2], content[:-9]):
        subprocess.run(("sh", "-c", PROGRAM), input=cut, check=False, capture_output=True)
        assert not (tmp_path / "ran").exists()
    subprocess.run(("sh", "-c", PROGRAM), input=content, check=False, capture_output=True)
    assert (tmp_path / "ran").exists()


_SHOWN = "import os,sys; sys.stdout.write('\\0'.join(f'{k}={v}' for k, v in os.environ.items()))"
_NAMES = (
    *("IMAGE_TAG", "COMPOSE_FILE", "DOCKER_HOST", "DOCKER_X", "LC_ALL", "LC_", "XDG_X", "HTTPS_PROXY", "Http_Proxy"),
    *("GIT_DIR", "GIT_SSH", "GIT_DIRX", "GIT_INDEX_FILE", "TZ", "TERM", "TERMX", "PWD", "OLDPWD", "lower"),
    *("lg_n", "lg_m", "lg_s", "SSH_AUTH_SOCK", "SSH_CLIENT"),
)


@pytest.mark.parametrize("shell", ["bash", "dash", "busybox"])
@pytest.mark.parametrize(
    "value", ["plain", "a\nexport HOME=x\nexport PATH\nexport -x=$(y)\nexport lg_n=\nexport IFS='"]
)
def test_every_shell_must_pass_the_same_names_as_are_passed_here(tmp_path: Path, shell: str, value: str) -> None:
    (tmp_path / "sh").symlink_to(shell_of(shell))
    given = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "HOME": "/", **dict.fromkeys(_NAMES, value)}
    content = header(Command((sys.executable, "-c", _SHOWN, "a\nb"), env=(("IMAGE_DIGEST", "meant"),)), "token", "m")
    done = subprocess.run(("sh", "-c", PROGRAM), env=given, input=content, capture_output=True, check=False)
    assert done.stderr.endswith(b"lastgood:token:0\n")  # bash may complain of such a LC_ALL before
    shown = dict(pair.split("=", 1) for pair in done.stdout.decode().split("\0"))
    expected = {name: text for name, text in given.items() if _PASSED.fullmatch(name)}
    own = {"_", "SHLVL", "LC_CTYPE", "OLDPWD"} & (shown.keys() - given.keys())  # made by the shell or by Python
    assert {name: text for name, text in shown.items() if name not in own} == expected | {
        "IMAGE_DIGEST": "meant",
        "LASTGOOD_CHILD": "m",
    }


def test_what_the_server_sets_must_not_steer_compose(fresh: Server, processes: Processes) -> None:
    fresh.restart("SetEnv IMAGE_TAG=stray COMPOSE_FILE=x DOCKER_HOST=unix:///x\n")
    shown = processes.run(at(fresh, "env")).text.splitlines()
    assert "DOCKER_HOST=unix:///x" in shown
    assert not [line for line in shown if line.startswith(("IMAGE_TAG", "COMPOSE"))]


def test_a_value_of_the_environment_must_be_in_no_list_of_processes(server: Server, processes: Processes) -> None:
    script = "for f in /proc/[0-9]*/cmdline; do tr '\\0' ' ' < $f; echo; done 2>/dev/null"
    done = processes.run(at(server, "sh", "-c", script, env=(("TOKEN", "s3cr3t"),)))
    assert "lg_n" in done.text
    assert "s3cr3t" not in done.text


def test_twenty_megabytes_must_go_in_and_come_out_whole(server: Server, processes: Processes) -> None:
    content = os.urandom(20_000_000)
    done = processes.run(at(server, "cat", stdin=content, timeout=240))
    assert done.stdout == content


def test_lines_must_come_while_the_program_runs_and_the_report_must_not_be_among_them(
    server: Server, processes: Processes, tmp_path: Path
) -> None:
    lines: list[str] = []

    def hear(line: str) -> None:
        lines.append(line)
        (tmp_path / "heard").touch()

    script = f"echo one; until [ -e {tmp_path}/heard ]; do sleep 0.02; done; printf two >&2"
    assert processes.run(at(server, "sh", "-c", script), on_line=hear).ok
    assert lines == ["one", "two"]


def test_a_command_over_its_time_must_be_ended_on_the_host(server: Server, processes: Processes) -> None:
    with not_held():
        done = processes.run(hold(server, mine("held-over-time"), timeout=1))
    assert (done.status, done.failure, done.loose) == (None, "killed after 1 s", False)
    assert gone(mine("held-over-time"), 0)


def test_a_program_that_ignores_sigterm_must_be_ended_all_the_same(server: Server) -> None:
    from lastgood.effects.ssh import SshProcess

    ssh = SshProcess(LocalProcess(), server.host, patience=0.3)
    try:
        done = ssh.run(
            at(server, "sh", "-c", "trap '' TERM; while :; do sleep 1; done", mine("deaf-to-term"), timeout=1)
        )
    finally:
        ssh.close()
    assert (done.status, done.loose) == (None, False)
    assert gone(mine("deaf-to-term"), 20)


def test_an_interrupted_command_must_be_ended_on_the_host(server: Server, processes: Processes) -> None:
    def interrupt(_line: str) -> None:
        raise KeyboardInterrupt

    command = at(server, "sh", "-c", "echo go; sleep 60; :", mine("interrupted-one"))
    with pytest.raises(KeyboardInterrupt):
        processes.run(command, on_line=interrupt)
    assert gone(mine("interrupted-one"), 0)


def test_nothing_must_have_run_where_the_child_could_not_be_noted(
    server: Server, processes: Processes, tmp_path: Path
) -> None:
    def refuse(child: Child) -> None:
        assert (child.pid, child.host) == (0, server.host)
        assert child.mark
        raise OSError("the journal is full")

    with pytest.raises(OSError, match="journal"):
        processes.run(at(server, "touch", str(tmp_path / "ran")), on_start=refuse)
    assert processes.run(at(server, "true")).ok
    assert not (tmp_path / "ran").exists()


_KILLED = """
import sys
from lastgood.effects.hosts import Processes
from lastgood.model.command import Command
script = "sh -c 'sleep 60; :' $0 & touch $1; wait"
command = Command(("sh", "-c", script, sys.argv[3], sys.argv[2]), sys.argv[1])
processes = Processes()
folder = lambda: processes.ssh(sys.argv[1]).connection._folder
processes.run(command, on_start=lambda child: print(child.mark, folder(), flush=True))
"""


def test_what_a_killed_lastgood_left_must_be_found_by_its_mark(
    server: Server, processes: Processes, tmp_path: Path
) -> None:
    orphaned = mine("orphaned-one")
    argv = (sys.executable, "-c", _KILLED, server.host, str(tmp_path / "runs"), orphaned)
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout is not None
        mark, folder = killed.stdout.readline().split()
        assert within(60, tmp_path / "runs")
        killed.send_signal(signal.SIGKILL)
    assert running(orphaned)
    other = Child(0, 0, ("sh",), server.host, "0" * 32)
    assert processes.reap(other, 0)
    assert running(orphaned)
    assert processes.reap(Child(0, 0, ("sh",), server.host, mark), 0.2)
    assert gone(orphaned, 0)
    shutil.rmtree(folder)  # its maker is dead


def test_reaping_must_wait_for_what_ends_by_itself(server: Server, processes: Processes, tmp_path: Path) -> None:
    marks: list[str] = []
    script = f"sleep 1; touch {tmp_path}/done"
    running_one = threading.Thread(
        target=processes.run,
        args=(at(server, "sh", "-c", f"touch {tmp_path}/begun; {script}"),),
        kwargs={"on_start": lambda child: marks.append(child.mark)},
    )
    running_one.start()
    assert within(60, tmp_path / "begun")
    assert processes.reap(Child(0, 0, ("sh",), server.host, marks[0]), 20)
    assert (tmp_path / "done").exists()
    running_one.join()


def test_reaping_where_the_host_cannot_be_asked_must_not_say_gone(fresh: Server, processes: Processes) -> None:
    fresh.stop()
    assert not processes.reap(Child(0, 0, ("sh",), fresh.host, "a" * 32), 1)
