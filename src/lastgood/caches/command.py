"""`kind: command`: any other cache, purged by a program of the team.

It is run on this machine, in the deploy repo, without a shell. Exit status 0 is taken for a purge that was accepted;
what customers get is looked at all the same.
"""

from typing import Annotated, Final

import msgspec

from lastgood.model.command import Command, Completed, Secret
from lastgood.model.duration import Duration
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.text import sanitise
from lastgood.outside.talk import Trouble, secret
from lastgood.ports import Edge

_LONGEST: Final = 60.0
_SAID: Final = 200
_REFERENCES: Final = ("env:", "file:", "command:")


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`run` is program and arguments, `secrets` are variables with references to what they hold."""

    run: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    secrets: dict[str, str] = {}
    timeout: Duration = Duration(10)

    def __post_init__(self) -> None:
        """Refuse what could not be run, or would hold a rollback up. Raises ValueError."""
        if not self.run[0] or self.run[0].startswith("-"):
            raise ValueError("run begins with a program")
        if not all(one.startswith(_REFERENCES) for one in self.secrets.values()):
            raise ValueError("a secret is a reference and not the secret itself: env:NAME, file:PATH or command:ARGV")
        if not 0 < self.timeout <= _LONGEST:
            raise ValueError("timeout is at most 60s")


class Program:
    """A program that purges."""

    def __init__(self, options: Options, edge: Edge) -> None:
        self._options = options
        self._edge = edge

    def shown(self) -> str:
        """The command line, secrets masked."""
        return self._command({name: Secret("") for name in self._options.secrets}).shown()

    def purge(self) -> Fact[str]:
        """Run it to its end, or to its time limit."""
        try:
            found = {name: secret(self._edge, reference) for name, reference in self._options.secrets.items()}
        except Trouble as trouble:
            return Unknown(str(trouble))
        done = self._edge.process.run(self._command({name: Secret(value) for name, value in found.items()}))
        if not done.ok:
            return Unknown(_clean(done.why(), found))
        return Known(f"{self._options.run[0]} reports success")

    def check(self) -> Fact[str]:
        """Whether there is such a program, and its secrets can be had; nothing of it is run."""
        try:
            for reference in self._options.secrets.values():
                secret(self._edge, reference)
        except Trouble as trouble:
            return Unknown(str(trouble))
        program = self._options.run[0]
        look = ("test", "-x", program) if "/" in program else ("which", program)
        found: Completed = self._edge.process.run(Command(look, cwd=self._edge.folder, timeout=_LONGEST / 6))
        if found.ok:
            return Known(f"{program} is there")
        return Unknown(f"there is no program {program}" if found.status else found.why())

    def passed(self, headers: dict[str, str]) -> bool:  # noqa: ARG002 - the port's signature
        """Not to be told."""
        return True

    def _command(self, secrets: dict[str, Secret]) -> Command:
        return Command(
            self._options.run,
            cwd=self._edge.folder,
            timeout=float(self._options.timeout),
            secret_env=tuple(secrets.items()),
        )


def _clean(text: str, secrets: dict[str, str]) -> str:
    for known in secrets.values():
        text = text.replace(known, "***")
    return sanitise(text[:_SAID])


def make(options: Options, edge: Edge) -> Program:
    """The program that these options name."""
    return Program(options, edge)
