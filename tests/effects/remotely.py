"""Words for tests of commands on a host."""

import contextlib
import os
import threading
import time
from pathlib import Path

from sshd import Server

from lastgood.effects.hosts import Processes
from lastgood.model.command import Command, Completed


def at(server: Server, *argv: str, **fields: object) -> Command:
    return Command(argv, host=server.host, **fields)  # type: ignore[arg-type]


def together(count: int, processes: Processes, command: Command) -> list[Completed]:
    answers: list[Completed] = []
    threads = [threading.Thread(target=lambda: answers.append(processes.run(command))) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def within(seconds: float, path: Path) -> bool:
    """Whether the file comes to be within `seconds`."""
    end = time.monotonic() + seconds
    while not path.exists() and time.monotonic() < end:
        time.sleep(0.01)
    return path.exists()


def mine(needle: str) -> str:
    """An argument that no process of another test process has, be it the same test in another clone."""
    return f"{needle}-{os.getpid()}"


def running(needle: str) -> list[int]:
    """Live processes with `needle` as an argument."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if needle.encode() in entry.read_bytes().split(b"\0"):
                found.append(int(entry.parent.name))
    return found


def gone(needle: str, seconds: float = 60) -> bool:
    end = time.monotonic() + seconds
    while running(needle) and time.monotonic() < end:
        time.sleep(0.02)
    return not running(needle)


def hold(server: Server, needle: str, seconds: float = 60, **fields: object) -> Command:
    """A command that sleeps; `needle` finds it and its child in the list of processes."""
    script = f"sh -c 'sleep {seconds}; :' {needle} & wait"
    return at(server, "sh", "-c", script, needle, **fields)
