"""`kind: command`: a program of the team's own, in the deploy repo; that it ends with 0 is what passing means."""

import shutil
from collections.abc import Sequence
from typing import Final

import msgspec

from lastgood.model.answers import line
from lastgood.model.command import Command, Completed, Secret
from lastgood.model.duration import Duration
from lastgood.model.flow import FlowRun, failed, passed, untried
from lastgood.model.secretive import concealed
from lastgood.ports import Browser, Stage

_CANNOT: Final = frozenset({126, 127})
"""POSIX, 2.8.2: what a shell says of a program that cannot be run, or is not there."""
_REFERENCES: Final = ("env:", "file:", "command:")
_LEAST: Final = 4


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`argv` is run in the deploy repo with `LASTGOOD_SERVICE`, `LASTGOOD_ENV`, `LASTGOOD_TAG`, `LASTGOOD_DIGEST` set.

    `env` adds variables; references to secrets among its values are resolved, and shown to nobody.
    """

    argv: tuple[str, ...]
    timeout: Duration = Duration(60)
    env: dict[str, str] = {}

    def __post_init__(self) -> None:
        """Refuse what cannot be run. Raises ValueError."""
        if not self.argv or not self.argv[0]:
            raise ValueError("argv names a program")
        if self.timeout <= 0:
            raise ValueError("timeout must be longer than nothing")


class CommandFlow:
    """One program."""

    def __init__(self, options: Options) -> None:
        self._options = options

    def missing(self, _browser: Browser | None) -> str:
        """That the program is not on this machine's PATH; one that is named by a path is looked for when it is run."""
        program = self._options.argv[0]
        return "" if "/" in program or shutil.which(program) else f"{line(program)} is not on this machine"

    def run(self, stage: Stage) -> FlowRun:
        """Run it once, and end it at its time limit."""
        plain = {name: value for name, value in self._options.env.items() if not value.startswith(_REFERENCES)}
        references = {name: value for name, value in self._options.env.items() if name not in plain}
        try:
            hidden = tuple((name, Secret(_secret(stage, reference))) for name, reference in references.items())
        except OSError as error:
            return untried(f"the secret cannot be had: {error}")
        done = stage.process.run(
            Command(
                self._options.argv,
                cwd=stage.repo,
                env=(*stage.names.items(), *plain.items()),
                secret_env=hidden,
                timeout=float(self._options.timeout),
            )
        )
        done = _discreet(done, [secret.reveal() for _, secret in hidden])
        if done.status in _CANNOT or (done.status is None and not done.elapsed):
            return untried(done.why())
        said = {"output.txt": done.stdout + done.stderr}
        if done.ok:
            return passed((f"{line(self._options.argv[0])} in {done.elapsed:.2f} s",))
        why = line(done.failure or _last(done.stderr) or _last(done.stdout) or f"exit status {done.status}")
        return failed((why,), f"{line(self._options.argv[0])}: {why}", f"exit {done.status}", said)


def _secret(stage: Stage, reference: str) -> str:
    found = stage.secrets.read(reference)
    if not found:
        raise OSError(f"{line(reference)} is not set")
    return found


def _discreet(done: Completed, secrets: Sequence[str]) -> Completed:
    """What the program said, without the secrets that it was given: programs repeat them."""
    known = [secret for secret in secrets if len(secret) >= _LEAST]
    stdout, stderr = (
        concealed(said.decode(errors="surrogateescape"), known).encode(errors="surrogateescape")
        for said in (done.stdout, done.stderr)
    )
    return msgspec.structs.replace(done, stdout=stdout, stderr=stderr)


def _last(output: bytes) -> str:
    lines = output.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""


def make(options: Options) -> CommandFlow:
    """The flow for these options."""
    return CommandFlow(options)
