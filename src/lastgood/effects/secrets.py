"""Secrets by reference, as `lastgood.yaml` names them: the value itself is never written anywhere."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from lastgood.model.command import Command
from lastgood.model.text import sanitise
from lastgood.ports import Process

_TIMEOUT: Final = 10.0
_LONGEST: Final = 64 * 1024


class LocalSecrets:
    """Implements `ports.Secrets` from the operator's environment, files and programs (`gh auth token`, `pass show x`).

    What failed is told by its reference, never by what it said: a program may have printed half a secret.
    """

    def __init__(self, process: Process, env: Mapping[str, str]) -> None:
        self._process = process
        self._env = env

    def read(self, reference: str) -> str | None:
        """The secret without its last line end; None where the variable is not set, or is empty.

        Raises OSError, with a reason that holds nothing of the secret, where the file or program does not give one.
        """
        kind, _, rest = reference.partition(":")
        match kind:
            case "env" if rest:
                return self._env.get(rest) or None
            case "file" if rest:
                return _one(_file(rest, reference), reference)
            case "command" if rest:
                return _one(self._command(rest, reference), reference)
        raise OSError("a reference to a secret is env:NAME, file:PATH or command:ARGV")

    def _command(self, text: str, reference: str) -> bytes:
        """Run the program itself: the text is split as a shell would, and no shell is asked."""
        try:
            argv = tuple(shlex.split(text))
        except ValueError:
            argv = ()
        if not argv:
            raise OSError(f"{sanitise(reference)} is no command line")
        done = self._process.run(Command(argv, timeout=_TIMEOUT))
        if not done.ok:
            how = done.failure or f"exit status {done.status}"
            raise OSError(f"{sanitise(reference)} failed: {sanitise(how)}")
        return done.stdout


def _file(path: str, reference: str) -> bytes:
    try:
        with Path(path).expanduser().open("rb") as file:
            return file.read(_LONGEST + 1)
    except RuntimeError:
        raise OSError(f"{sanitise(reference)} cannot be read: there is no such user") from None
    except OSError as error:
        raise OSError(f"{sanitise(reference)} cannot be read: {(error.strerror or 'error').lower()}") from None


def _one(content: bytes, reference: str) -> str:
    """One line of text, as a secret is. Anything else is a mistake, or a login page."""
    try:
        text = content.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        text = ""
    if not text or len(content) > _LONGEST or not text.isprintable():
        raise OSError(f"{sanitise(reference)} does not give one line of text")
    return text
