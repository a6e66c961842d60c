"""Programs on this machine: each in a session of its own, in a clean environment, with a hard end."""

import contextlib
import os
import re
import selectors
import signal
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO, NamedTuple

from lastgood.effects.talk import Conversation
from lastgood.model.command import Child, Command, Completed

# What programs need to find their way, their logins and their servers. Nothing else is passed on: Compose lets the
# environment beat every env file, so an operator's stray IMAGE_TAG would silently win over the deploy repo.
#
# Of GIT_*, the names left out are set while git runs a hook: they say which repository the hook is of, not the one
# that a command is meant for (`git rev-parse --local-env-vars`, less GIT_CONFIG*, by which users configure).
_PASSED = re.compile(
    r"PATH|HOME|USER|LOGNAME|LANG|LC_\w+|TERM|TMPDIR|TZ|SSH_AUTH_SOCK|XDG_\w+|GNUPGHOME|SSL_CERT_\w+"
    r"|DOCKER_(?:HOST|CONTEXT|CONFIG|CERT_PATH|TLS_VERIFY)|HTTPS?_PROXY|NO_PROXY|https?_proxy|no_proxy"
    r"|GIT_(?!(?:ALTERNATE_OBJECT_DIRECTORIES|COMMON_DIR|DIR|GRAFT_FILE|IMPLICIT_WORK_TREE|INDEX_FILE"
    r"|NO_REPLACE_OBJECTS|OBJECT_DIRECTORY|PREFIX|REPLACE_REF_BASE|SHALLOW_FILE|WORK_TREE)\Z)\w+"
)
_TICK = 0.05
_CHUNK = 65536


class LocalProcess:
    """Implements `ports.Process` on this machine.

    `keep` bytes of the beginning and as many of the end of each output are kept. `patience` is how long, in seconds,
    a program has between SIGTERM and SIGKILL once its time is up or the operator pressed Ctrl-C.
    """

    def __init__(self, *, keep: int = 16 * 1024 * 1024, patience: float = 3.0) -> None:
        self._keep = keep
        self._patience = patience

    def run(
        self,
        command: Command,
        *,
        on_start: Callable[[Child], None] | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> Completed:
        """Run `command` to its end.

        `on_start` gets the child before any of its output is read, `on_line` each line of both outputs as it comes,
        in this thread. What they raise, and KeyboardInterrupt, is raised again once the child's group is ended.
        """
        begun = time.monotonic()
        started = _start(command)
        if isinstance(started, str):
            return Completed(command, None, failure=started)
        running = _Running(started, command.stdin, self._keep, on_line)
        patience = 0.0  # a child that nobody could take note of must not do anything
        try:
            if on_start:
                on_start(Child(started.pid, _started(started.pid), command.argv))
            patience = self._patience
            in_time = running.until(begun + command.timeout)
        finally:
            running.end(patience)
        status, failure = (started.returncode, "") if in_time else (None, f"killed after {command.timeout:g} s")
        return Completed(command, status, *running.outputs(), time.monotonic() - begun, failure)

    def talk(self, command: Command) -> Conversation:
        """Start a program that answers questions until it is closed; `command.timeout` bounds each answer.

        Raises OSError where it cannot be started.
        """
        return Conversation(
            subprocess.Popen(
                command.argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=command.cwd,
                env=environment(command.variables()),
                start_new_session=True,
            ),
            command.timeout,
        )

    def reap(self, child: Child, patience: float) -> bool:
        """Wait `patience` seconds for an orphan, then end its group; True when nothing of it is left.

        Only a process with the child's pid and start time is signalled. So False also means that the child itself is
        gone and others of its group live on: nothing tells for certain whose they are.
        """
        gone = _gone_within(child, patience)
        for number, seconds in ((signal.SIGTERM, self._patience), (signal.SIGKILL, 10.0)):
            if not gone and _is(child):
                _signal(child.pid, number)
                gone = _gone_within(child, seconds)
        return gone


def _start(command: Command) -> subprocess.Popen[bytes] | str:
    """The running program, or why it cannot run."""
    if command.host != "local":
        return f"{command.host} is not this machine"
    if command.cwd is not None and not Path(command.cwd).is_dir():
        return f"no such folder: {command.cwd}"
    try:
        return subprocess.Popen(
            command.argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=command.cwd,
            env=environment(command.variables()),
            start_new_session=True,
            bufsize=0,
        )
    except FileNotFoundError:
        return f"not found: {command.argv[0]}"
    except (OSError, ValueError) as error:  # ValueError: a NUL or a lone surrogate in an argument
        return f"cannot be started: {error}"


def environment(added: tuple[tuple[str, str], ...] = ()) -> dict[str, str]:
    """What a program of ours gets of this process's environment, and `added`."""
    return {name: value for name, value in os.environ.items() if _PASSED.fullmatch(name)} | dict(added)


class _Running:
    """A program being fed and listened to, in the calling thread, so that Ctrl-C interrupts it."""

    def __init__(
        self, process: subprocess.Popen[bytes], stdin: bytes, keep: int, on_line: Callable[[str], None] | None
    ) -> None:
        self._process = process
        self._stdin = memoryview(stdin)
        self._kept = (_Kept(keep), _Kept(keep))
        self._lines = (_Lines(on_line), _Lines(on_line))
        self._selector = selectors.DefaultSelector()
        self._add(process.stdin, selectors.EVENT_WRITE, self._write)
        self._add(process.stdout, selectors.EVENT_READ, partial(self._read, index=0))
        self._add(process.stderr, selectors.EVENT_READ, partial(self._read, index=1))

    def _add(self, stream: IO[bytes] | None, event: int, move: Callable[[int], bool]) -> None:
        if stream is not None:
            os.set_blocking(stream.fileno(), False)
            self._selector.register(stream, event, (stream, move))

    def until(self, deadline: float) -> bool:
        """Exchange until the program has ended (True) or the monotonic clock has passed `deadline` (False)."""
        while True:
            ended = _has_ended(self._process.pid)
            left = deadline - time.monotonic()
            moved = self._exchange(max(0.0, min(left, _TICK)))
            # What a background child of the program still holds open is not waited for once it is silent.
            if ended and not moved:
                for lines in self._lines:
                    lines.close()
                return True
            if left <= 0:
                return ended

    def _exchange(self, patience: float) -> bool:
        """Move what can be moved; False when there was nothing within `patience` seconds."""
        if not self._selector.get_map():
            time.sleep(min(patience, _TICK / 20))
            return False
        events = self._selector.select(patience)
        for key, _ in events:
            stream, move = key.data
            if move(stream.fileno()):
                self._selector.unregister(stream)
                stream.close()
        return bool(events)

    def _write(self, descriptor: int) -> bool:
        try:
            self._stdin = self._stdin[os.write(descriptor, self._stdin[:_CHUNK]) :]
        except BrokenPipeError:  # it does not want the rest
            return True
        return not self._stdin

    def _read(self, descriptor: int, index: int) -> bool:
        chunk = os.read(descriptor, _CHUNK)
        self._kept[index].add(chunk)
        self._lines[index].add(chunk)
        return not chunk

    def end(self, patience: float) -> None:
        """End the whole group unless the program has ended by itself, and let go of it."""
        killing = not _has_ended(self._process.pid)
        self._lines = (_Lines(None), _Lines(None))
        try:
            if killing:
                _signal(self._process.pid, signal.SIGTERM)
                self.until(time.monotonic() + patience)
        finally:
            if killing:  # before it is waited for: until then nobody else can get the group's number
                _signal(self._process.pid, signal.SIGKILL)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=5)
            self._close()

    def _close(self) -> None:
        self._selector.close()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    def outputs(self) -> tuple[bytes, bytes]:
        """What it wrote to its standard output and to its standard error."""
        return self._kept[0].value(), self._kept[1].value()


class _Kept:
    """The beginning and the end of what may be huge. Where something is missing in between, the text says so."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._head = bytearray()
        self._tail = bytearray()
        self._dropped = 0

    def add(self, chunk: bytes) -> None:
        room = self._limit - len(self._head)
        self._head += chunk[:room]
        self._tail += chunk[room:]
        if len(self._tail) > 2 * self._limit:
            self._trim()

    def _trim(self) -> None:
        excess = max(0, len(self._tail) - self._limit)
        del self._tail[:excess]
        self._dropped += excess

    def value(self) -> bytes:
        self._trim()
        gap = f"\n[{self._dropped} bytes left out]\n".encode() if self._dropped else b""
        return bytes(self._head) + gap + bytes(self._tail)


class _Lines:
    """Cuts a stream into lines for a listener; a line that does not end is handed on in pieces."""

    def __init__(self, listener: Callable[[str], None] | None) -> None:
        self._listener = listener
        self._rest = b""

    def add(self, chunk: bytes) -> None:
        if self._listener is None:
            return
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            self._listener(line.removesuffix(b"\r").decode(errors="replace"))
        if len(self._rest) >= _CHUNK:
            self.close()

    def close(self) -> None:
        rest, self._rest = self._rest, b""
        if rest and self._listener:
            self._listener(rest.decode(errors="replace"))


class _Stat(NamedTuple):
    """From /proc/PID/stat, proc(5): fields 3 (state), 5 (process group) and 22 (start time in clock ticks)."""

    state: str
    group: int
    started: int

    @property
    def lives(self) -> bool:
        return self.state not in "ZX"


def _stat(pid: int | str) -> _Stat | None:
    try:
        content = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = content.rpartition(b") ")[2].split()  # the name before it may hold anything, spaces and brackets too
    return _Stat(fields[0].decode(), int(fields[2]), int(fields[19]))


def _started(pid: int) -> int:
    """When a child that was not waited for yet began; such a one always has its entry in /proc."""
    found = _stat(pid)
    return found.started if found else 0


def _has_ended(pid: int) -> bool:
    """Whether our own child has ended; it is left to be waited for, so that its number stays taken."""
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


def _signal(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)


def _is(child: Child) -> bool:
    found = _stat(child.pid)
    return found is not None and found.lives and found.started == child.started


def _gone(child: Child) -> bool:
    found = _stat(child.pid)
    if found and found.started != child.started:
        return True  # the kernel gives a number away only when no process has it as its group any more
    if found and found.lives:
        return False
    others = (_stat(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return not any(other and other.lives and other.group == child.pid for other in others)


def _gone_within(child: Child, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not _gone(child):
        if time.monotonic() >= end:
            return False
        time.sleep(_TICK)
    return True
