"""What goes wrong between here and a host is told apart, holds nobody, and is never taken for an answer."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest
from remotely import at, gone, mine, running, together, within
from sshd import Server

from lastgood.effects.hosts import Processes
from lastgood.model.command import Child, Command, Completed
from tests.standin.held import LONG, not_held


def failure(server: Server, processes: Processes) -> str:
    done = processes.run(at(server, "true"))
    assert done.status is None
    assert not done.loose
    return done.failure


def test_a_host_key_that_changed_must_be_told_from_one_that_is_unknown(fresh: Server) -> None:
    def asked() -> str:
        processes = Processes()
        try:
            return failure(fresh, processes)
        finally:
            processes.close()

    (fresh.folder / "known_hosts").write_text("")
    assert "host key is not known" in asked()
    fresh.trust()
    fresh.make_key("host_key")
    fresh.restart()
    assert "host key has CHANGED" in asked()
    assert fresh.logins() == 0


def test_a_key_that_is_not_accepted_must_be_told_without_a_question(fresh: Server, processes: Processes) -> None:
    fresh.make_key("id")
    assert "login is refused" in failure(fresh, processes)


def test_a_host_that_is_not_there_must_be_told_once_for_all_who_ask(fresh: Server, processes: Processes) -> None:
    fresh.stop()
    answers = {answer.failure for answer in together(5, processes, at(fresh, "true"))}
    assert answers == {"ssh://shop cannot be reached: connection refused"}
    unknown = processes.run(Command(("true",), host="ssh://no-such-name.invalid"))
    assert "the name no-such-name.invalid is not known" in unknown.failure


def test_without_an_ssh_program_that_must_be_said(
    server: Server, processes: Processes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "there is no ssh program on this machine" in failure(server, processes)


def test_a_host_that_takes_connections_and_is_silent_must_not_hold_anybody(fresh: Server, processes: Processes) -> None:
    fresh.signal_listener(signal.SIGSTOP)
    with not_held():
        done = processes.run(at(fresh, "true", timeout=1))
    assert "no answer from ssh://shop" in done.failure
    with not_held():
        answers = together(5, processes, at(fresh, "true", timeout=20))
    assert {answer.failure for answer in answers} == {"ssh://shop cannot be reached: no answer"}


def test_a_connection_that_breaks_in_the_middle_must_be_told_and_the_next_command_make_a_new_one(
    fresh: Server, processes: Processes, tmp_path: Path
) -> None:
    answers: list[Completed] = []
    script = f"touch {tmp_path}/begun; until [ -e {tmp_path}/cut ]; do sleep 0.02; done"
    command = at(fresh, "sh", "-c", script, mine("cut-off-one"))
    children: list[Child] = []
    asking = threading.Thread(target=lambda: answers.append(processes.run(command, on_start=children.append)))
    asking.start()
    assert within(60, tmp_path / "begun")
    fresh.signal_sessions(signal.SIGKILL)
    (tmp_path / "cut").touch()
    asking.join()
    assert (answers[0].status, answers[0].failure) == (None, "the connection to ssh://shop was lost")
    assert not answers[0].loose
    assert gone(mine("cut-off-one"), 0)
    assert processes.run(at(fresh, "true")).ok
    assert fresh.logins() == 2


def test_what_may_still_run_on_a_host_that_vanished_must_be_called_loose(
    fresh: Server, processes: Processes, tmp_path: Path
) -> None:
    answers: list[Completed] = []
    command = at(fresh, "sh", "-c", f"touch {tmp_path}/begun; sleep {LONG:.0f}", mine("loose-one"))
    asking = threading.Thread(target=lambda: answers.append(processes.run(command, on_start=lambda _: None)))
    asking.start()
    assert within(60, tmp_path / "begun")
    fresh.stop()
    asking.join()
    assert (answers[0].status, answers[0].loose) == (None, True)
    assert running(mine("loose-one"))
    for pid in running(mine("loose-one")):
        os.kill(pid, signal.SIGKILL)


def test_a_frozen_host_must_hold_a_command_no_longer_than_its_time(fresh: Server, processes: Processes) -> None:
    assert processes.run(at(fresh, "true")).ok
    fresh.signal_sessions(signal.SIGSTOP)
    with not_held():
        done = processes.run(at(fresh, "true", timeout=1))
    assert (done.status, done.failure, done.loose) == (None, "killed after 1 s", True)
    fresh.signal_sessions(signal.SIGCONT)
    assert processes.run(at(fresh, "true")).ok


def test_a_server_with_fewer_sessions_must_be_waited_for(fresh: Server, processes: Processes) -> None:
    fresh.restart("MaxSessions 2\n")
    answers = together(6, processes, at(fresh, "sleep", "0.2"))
    assert [answer.failure for answer in answers] == [""] * 6
    assert fresh.logins() == 1


def test_an_account_that_may_run_nothing_must_not_look_as_if_it_had(fresh: Server, processes: Processes) -> None:
    fresh.restart("ForceCommand echo this account is for backups only >&2\n")
    done = processes.run(at(fresh, "true"))
    assert done.status is None
    assert "did not run the command: this account is for backups only" in done.failure


def test_a_closed_connection_must_leave_no_process_and_no_folder(fresh: Server) -> None:
    processes = Processes()
    assert processes.run(at(fresh, "true")).ok
    folder = Path(processes.ssh(fresh.host).connection._folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert fresh.sessions()
    processes.close()
    processes.close()
    assert not folder.exists()
    end = time.monotonic() + 120
    while fresh.sessions() and time.monotonic() < end:
        time.sleep(0.02)
    assert not fresh.sessions()
    assert processes.run(at(fresh, "true")).ok
    processes.close()


def test_a_conversation_with_a_host_must_be_refused(server: Server, processes: Processes) -> None:
    with pytest.raises(OSError, match="cannot be kept to answer"):
        processes.talk(at(server, "cat"))
