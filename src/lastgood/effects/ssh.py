"""Commands on another host by the user's own `ssh`, over one connection that all of them share."""

import contextlib
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from lastgood.effects.connection import Connection
from lastgood.effects.process import LocalProcess
from lastgood.effects.remote import FIND, PROGRAM, Ending, header
from lastgood.effects.talk import Conversation
from lastgood.model.command import Child, Command, Completed
from lastgood.model.text import sanitise

_AT_ONCE: Final = 8
"""Commands at a time: sshd allows 10 sessions in a connection (sshd_config, MaxSessions), and some are for asking."""
_ASKING: Final = 4.0
_TICK: Final = 0.2
_REFUSED: Final = b"mux_client_request_session: session request failed"  # mux.c


class SshProcess:
    """Implements `ports.Process` for `ssh://[user@]host[:port]`. Raises ValueError where that is no such address.

    `patience` is how long, in seconds, remote processes have between SIGTERM and SIGKILL. Nothing is connected before
    the first command; `close` ends the connection, and so does the end of this program.
    """

    def __init__(self, local: LocalProcess, address: str, *, patience: float = 3.0) -> None:
        self._local = local
        self._host = address
        self._patience = patience
        self.connection = Connection(local, address)
        self._slots = threading.BoundedSemaphore(_AT_ONCE)

    def run(
        self,
        command: Command,
        *,
        on_start: Callable[[Child], None] | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> Completed:
        """Run `command` on the host to its end; waiting for the connection is part of its time.

        `on_start` gets the child before anything happens on the host. A command that is not over in time, or whose
        caller is interrupted, is ended there too, which may take some seconds more. Where the connection is lost in
        the middle of one that was given `on_start`, the host is asked once more: `Completed.loose` is True where it
        did not say that nothing is left.
        """
        begun = time.monotonic()
        child = Child(0, 0, command.argv, self._host, secrets.token_hex(16))
        sent: list[Child] = []
        try:
            done, begun_there = self._attempt(command, child, on_start, on_line, sent)
        except BaseException:
            if sent:
                self.reap(child, 0)
            raise
        if begun_there and done.status is None:
            late = done.failure.startswith("killed")
            if late or on_start:
                left = 0.0 if late else begun + command.timeout - time.monotonic()
                done = msgspec.structs.replace(done, loose=not self.reap(child, max(0.0, left)))
        return msgspec.structs.replace(done, elapsed=time.monotonic() - begun)

    def talk(self, command: Command) -> Conversation:
        """Not offered over SSH: nothing needs it. Raises OSError."""
        raise OSError(f"{command.argv[0]}: programs on {self._host} cannot be kept to answer questions")

    def reap(self, child: Child, patience: float) -> bool:
        """Wait `patience` seconds for what carries the child's mark, then end it.

        True when nothing of it is left; False also where the host cannot be asked, which ends the waiting.
        """
        for number, seconds in (("0", patience), ("TERM", self._patience), ("KILL", 2.0)):
            alive = self._wait(child.mark, number, seconds)
            if not alive:
                return alive is not None
        return False

    def _wait(self, mark: str, number: str, seconds: float) -> bool | None:
        """Whether processes with the mark still live `seconds` after they were signalled; None where nobody knows."""
        end = time.monotonic() + seconds
        alive = self._marked(mark, number)
        while alive and (left := end - time.monotonic()) > 0:
            time.sleep(min(_TICK, left))
            alive = self._marked(mark, "0")
        return alive

    def _marked(self, mark: str, number: str) -> bool | None:
        command = Command(("sh", "-c", FIND, "lastgood", f"LASTGOOD_CHILD={mark}", number), timeout=_ASKING)
        asking = Child(0, 0, command.argv, self._host, secrets.token_hex(16))
        done, _ = self._attempt(command, asking, None, None, [])
        return bool(done.stdout) if done.ok else None

    def close(self) -> None:
        """End the connection; the next command makes a new one."""
        self.connection.close()

    def _attempt(
        self,
        command: Command,
        child: Child,
        on_start: Callable[[Child], None] | None,
        on_line: Callable[[str], None] | None,
        sent: list[Child],
    ) -> tuple[Completed, bool]:
        """Run it once; and whether it may have begun on the host. `sent` gets the child once that is possible."""
        deadline = time.monotonic() + command.timeout
        token = secrets.token_hex(8)
        try:
            stdin = header(command, token, child.mark) + command.stdin
        except ValueError as error:
            return Completed(command, None, failure=f"cannot be started: {error}"), False
        with self._slot(deadline) as free:
            why = self.connection.ready(deadline) if free else f"{self._host} is busy with {_AT_ONCE} other commands"
            if why:
                return Completed(command, None, failure=why, cut=True), False
            if on_start:
                on_start(child)
            sent.append(child)
            ending = Ending(token)
            while True:
                left = deadline - time.monotonic()
                placed = Command(self.connection.client((), PROGRAM), stdin=stdin, timeout=max(0.0, left))
                done = self._local.run(placed, on_line=_shown(on_line, ending))
                if left < _TICK or not _refused(done):
                    break
                time.sleep(_TICK)  # a server that allows fewer sessions than we use has one again when one ends
        return self._judged(command, done, ending)

    @contextlib.contextmanager
    def _slot(self, deadline: float) -> Iterator[bool]:
        free = self._slots.acquire(timeout=max(0.0, deadline - time.monotonic()))
        try:
            yield free
        finally:
            if free:
                self._slots.release()

    def _judged(self, command: Command, done: Completed, ending: Ending) -> tuple[Completed, bool]:
        """What the client's end says about the command's, and whether the command may have begun."""
        stderr, report = ending.split(done.stderr)
        if report.isdigit():
            return Completed(command, int(report), done.stdout, stderr), True
        begun, cut = not report, False
        if report:
            what = {"folder": f"no such folder: {command.cwd}", "absent": f"not found: {command.argv[0]}"}[report]
        elif done.status is None:
            what = f"killed after {command.timeout:g} s" if done.failure.startswith("killed") else done.failure
        else:
            what, begun = self._lost(stderr, done.status)
            cut = True
        return Completed(command, None, done.stdout, stderr, failure=what, cut=cut), begun

    def _lost(self, stderr: bytes, status: int) -> tuple[str, bool]:
        """What ssh itself, or the server's shell, says of a command that did not report its end."""
        said = sanitise((stderr.decode(errors="replace").strip().splitlines() or [""])[-1])
        if _REFUSED in stderr:
            return f"{self._host} allows no further session in a connection (sshd_config, MaxSessions)", False
        if status != 255:  # noqa: PLR2004 - ssh(1), EXIT STATUS: 255 if an error occurred, else the command's
            return f"{self._host} did not run the command: {said or f'exit status {status}'}", False
        return f"the connection to {self._host} was lost", True


def _refused(done: Completed) -> bool:
    """Whether the server opened no session, so that nothing of the command has reached it."""
    return done.status is not None and _REFUSED in done.stderr


def _shown(on_line: Callable[[str], None] | None, ending: Ending) -> Callable[[str], None] | None:
    if on_line is None:
        return None

    def hand_on(line: str) -> None:
        shown = ending.without(line)
        if shown is not None:
            on_line(shown)

    return hand_on
