"""lastgood, killed at one of its effects: `dbcrash.py FILE 'before N' WORDS…`.

Effects are the files that it writes and removes on the server, and the programs that change something there. Each is
noted in FILE with its number. `during N` kills while the program goes on, `record` never. `argv` notes every program.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lastgood.__main__ import main
from lastgood.effects.files import LocalFiles
from lastgood.effects.process import LocalProcess
from lastgood.model.command import Command, Completed

WORDS = {
    "docker stop": "stop the service",
    "docker start": "start the service",
    "pg_restore -w": "load the dump",
    "pg_dump -Fc": "dump",
    "CREATE DATABASE": "make the database",
    "RENAME TO": "swap",
    "CONNECTION LIMIT": "dress the database",
    "DROP DATABASE": "drop the database",
    'ln -- "$1" "$2"': "name the dump",
}
FILE, HOW = Path(sys.argv[1]), sys.argv[2]
_number = 0


def effect(name: str, act: Callable[[], Any]) -> Any:
    global _number  # noqa: PLW0603 - one count for all
    _number += 1
    with FILE.open("a") as file:
        file.write(f"{name}\n")
    if f"before {_number}" == HOW:
        die()
    if f"during {_number}" == HOW:
        threading.Timer(0.08, die).start()
    return act()


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def patch() -> None:
    run = LocalProcess.run

    def watched(self: LocalProcess, command: Command, **fields: Any) -> Completed:
        if HOW == "argv":
            with FILE.open("a") as file:
                file.write("\0".join(command.argv) + "\n")
        said = " ".join(command.argv) + command.stdin.decode(errors="replace")
        name = next((name for word, name in WORDS.items() if word in said), "")
        return effect(name, lambda: run(self, command, **fields)) if name else run(self, command, **fields)

    LocalProcess.run = watched  # type: ignore[method-assign]
    for method in ("create", "replace", "remove"):
        wrap(method)


def wrap(method: str) -> None:
    original = getattr(LocalFiles, method)

    def watched(self: LocalFiles, path: str, *content: bytes) -> Any:
        if "host-state" not in path:
            return original(self, path, *content)
        kind = next(name for name in ("leases", "databases", "backups") if name in path)
        return effect(f"{method} {kind}", lambda: original(self, path, *content))

    setattr(LocalFiles, method, watched)


if __name__ == "__main__":
    FILE.write_text("")
    patch()
    sys.argv = ["lastgood", *sys.argv[3:]]
    sys.exit(main())
