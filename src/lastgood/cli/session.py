"""One command line's surroundings: its words, its deploy repo, its service, and how to answer."""

import os
import shlex
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from lastgood.cli import out
from lastgood.model.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from lastgood.config.load import Config
    from lastgood.journal.live import Live
    from lastgood.journal.store import Journal
    from lastgood.model.target import Group, Target
    from lastgood.service import Service
    from lastgood.wiring import Places


@dataclass(frozen=True)
class Session:
    """The options that every verb has, and the words of the command line without the program's name."""

    argv: tuple[str, ...]
    json: bool
    repo: str | None
    no_color: bool
    quiet: bool

    @property
    def interactive(self) -> bool:
        """Whether somebody can be asked: they see stderr and can type."""
        return sys.stdin.isatty() and sys.stderr.isatty()

    def answer(self, kind: str, value: object, said: Iterable[str]) -> None:
        """Print the result to stdout: `value` as JSON of that kind where asked for, else the lines."""
        if self.json:
            out.put(out.envelope(kind, value) + "\n")
        else:
            out.lines(said, colour=out.coloured(sys.stdout, off=self.no_color))

    def note(self, said: Iterable[str]) -> None:
        """Tell something beside the result, on stderr; nothing where `--quiet`."""
        if not self.quiet:
            out.lines(said, err=True, colour=self.colour_err)

    @property
    def colour_err(self) -> bool:
        """Whether to colour what goes to stderr."""
        return out.coloured(sys.stderr, off=self.no_color)

    def command(self, *words: str) -> str:
        """A command line to type: `lastgood` and words, quoted where they must be."""
        return shlex.join(("lastgood", *words))

    @cached_property
    def places(self) -> "Places":
        """Where lastgood keeps its own things."""
        from lastgood.wiring import Places

        return Places.of(os.environ)

    @cached_property
    def journal(self) -> "Journal":
        """The journal; it can be read without any deploy repo."""
        from lastgood.journal.store import Journal

        return Journal(f"{self.places.state}/journal.db")

    def found(self, run: str | None) -> str:
        """The id of the run whose id begins with `run`, or of the newest but checks. Raises UsageError without one."""
        found = self.journal.find(run) if run is not None else self.journal.newest()
        if found is None:
            raise UsageError("There is no run in the journal yet.", next=("lastgood status",))
        return found

    @cached_property
    def live(self) -> "Live":
        """Which runs are being carried out on this machine."""
        from lastgood.journal.live import Live

        return Live(self.places.state)

    @cached_property
    def service(self) -> "Service":
        """The service of the deploy repo at hand. Raises UsageError or ConfigError where there is none to be had."""
        return self.service_at(self.start())

    def start(self) -> str:
        """Where the search for the deploy repo begins: `--repo`, else LASTGOOD_REPO, else here. Raises UsageError."""
        given = self.repo or os.environ.get("LASTGOOD_REPO")
        if given and not os.path.isdir(given):  # noqa: PTH112 - pathlib would refuse a NUL by a ValueError
            raise UsageError(f"There is no folder {given!r}.", next=("lastgood status --repo PATH",))
        return given or os.getcwd()  # noqa: PTH109 - as above

    def service_at(self, start: str) -> "Service":
        """The service of the deploy repo around the folder `start`. Raises ConfigError."""
        from lastgood.service import Service

        repo, config = _configured(start, self.places)
        return Service(repo, config, self.places, os.environ)

    def target(self, service: str | None, env: str | None) -> "Target":
        """The one service that SERVICE and ENV name. Raises UsageError with the exact command that was meant."""
        found = self.group(service, env)
        if len(found.members) > 1:
            commands = tuple(self._replaced(found.service, member.service) for member in found.members)
            raise UsageError(f"{service} is an app; this looks at one service at a time.", next=commands)
        return found.first

    def group(self, service: str | None, env: str | None) -> "Group":
        """The service or the app that SERVICE and ENV name. Raises UsageError with the exact command that was meant."""
        config = self.service.config
        if service is None:
            raise UsageError("Which service?", because=_known(config), next=self._each(config))
        if env is None:
            env = self._only_env(config, service)
        if service in config.file.environments and env in config.file.services:
            raise UsageError("The service comes before the environment.", next=(self._swapped(service, env),))
        return self.service.group(service, env)

    def _only_env(self, config: "Config", service: str) -> str:
        if service not in config.file.services and service not in config.apps:
            self.service.target(service, next(iter(config.file.environments)))  # says what is near
        envs = config.envs(service if service in config.file.services else config.apps[service][0])
        if len(envs) != 1:
            commands = tuple(self.command(*self.argv, env) for env in envs)
            raise UsageError(f"Which environment of {service}?", because=(", ".join(envs),), next=commands)
        self.note((f"  environment {envs[0]}: the only one of {service}",))
        return envs[0]

    def _each(self, config: "Config") -> tuple[str, ...]:
        verb, *rest = self.argv
        return tuple(self.command(verb, s, e, *rest) for s in config.file.services for e in config.envs(s))

    def _swapped(self, service: str, env: str) -> str:
        words = {service: env, env: service}
        return self.command(*(words.get(word, word) for word in self.argv))

    def _replaced(self, old: str, new: str) -> str:
        return self.command(*(new if word == old else word for word in self.argv))


def _known(config: "Config") -> tuple[str, ...]:
    return (f"{config.path} has: {', '.join(config.file.services)}",)


def _configured(start: str, places: "Places") -> tuple[str, "Config"]:
    """The deploy repo around `start` and its configuration: of the working tree, else of the deploy branch."""
    from lastgood.config.find import NAME, SCRIPT, find
    from lastgood.wiring import committed, configured

    repo, path = find(start)
    if path is None:
        content = committed(repo, NAME)
        if content is None:
            raise ConfigError(
                f"There is no {NAME} in {repo}.",
                because=("neither in the folder nor on the remote's branch as last fetched",),
                next=(f"lastgood init --repo {shlex.quote(repo)}", "or name the deploy repo: --repo PATH"),
            )
        scripted = committed(repo, SCRIPT) is not None
        return repo, configured(content, f"{NAME} (of the deploy branch)", places, scripted=scripted)
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - pathlib brings nothing here
            content = file.read()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    return repo, configured(content, NAME, places, scripted=os.path.isfile(f"{repo}/{SCRIPT}"))  # noqa: PTH113 - as above
