"""A program that answers questions for as long as it is kept: one start for many answers."""

import contextlib
import os
import selectors
import subprocess

_CHUNK = 65536


class Conversation:
    """Implements `ports.Conversation`. The program ends when its standard input closes, so also when we die.

    `timeout` bounds each single answer, in seconds.
    """

    def __init__(self, process: "subprocess.Popen[bytes]", timeout: float) -> None:
        self._process = process
        self._timeout = timeout
        self._buffer = bytearray()
        if process.stdin is None or process.stdout is None:
            message = "a conversation needs both pipes"
            raise ValueError(message)
        self._to, self._from = process.stdin, process.stdout
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._from, selectors.EVENT_READ)

    def say(self, question: bytes) -> None:
        """Hand the program a question. Raises OSError where it has gone."""
        self._to.write(question)
        self._to.flush()

    def line(self) -> bytes:
        """The answer up to its next line end, which is left out. Raises OSError where none comes."""
        while (end := self._buffer.find(b"\n")) < 0:
            self._more()
        return self._take(end + 1)[:-1]

    def exactly(self, count: int) -> bytes:
        """The next `count` bytes of the answer. Raises OSError where they do not come."""
        while len(self._buffer) < count:
            self._more()
        return self._take(count)

    def _take(self, count: int) -> bytes:
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken

    def _more(self) -> None:
        if not self._selector.select(self._timeout):
            message = f"no answer within {self._timeout:g} s"
            raise TimeoutError(message)
        chunk = os.read(self._from.fileno(), _CHUNK)
        if not chunk:
            message = "the program ended"
            raise BrokenPipeError(message)
        self._buffer += chunk

    def close(self) -> None:
        """End it."""
        self._selector.close()
        for stream in (self._to, self._from):
            with contextlib.suppress(OSError):
                stream.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=1)
            return
        self._process.kill()
        self._process.wait()
