"""Containers on a host whose image is an updater's: which there are, and how they are set up.

The engine's format language (https://docs.docker.com/engine/cli/formatting/) gives out names of variables, and values
only of those that a member asks for: an updater's environment holds its notification addresses, which are secrets.
"""

import re
from collections.abc import Sequence

import msgspec

from lastgood.model.command import Command, Completed
from lastgood.model.facts import Fact, Known, Unknown

_LIMIT = 10.0
_LIST = ("docker", "ps", "--no-trunc", "--format", '{"id":{{json .ID}},"image":{{json .Image}}}')
_ID = re.compile(r"[0-9a-f]{64}")
_REFERENCE = re.compile(r"(?P<path>[^@:]*(?::\d+/[^@:]+)?)(?::[^/@]*)?(?:@.*)?", re.DOTALL)


class _Row(msgspec.Struct):
    id: str
    image: str


class Found(msgspec.Struct):
    """An updater's container: `variables` by name, with a value only where it was asked for."""

    name: str
    image: str
    paused: bool
    command: list[str] | None
    entry: list[str] | None
    variables: list[str] | None
    labels: dict[str, str] | None

    @property
    def words(self) -> tuple[str, ...]:
        """The words it was started with, the program itself included where the entry point names it."""
        return (*(self.entry or ()), *(self.command or ()))

    @property
    def settings(self) -> dict[str, str]:
        """Variables as a mapping; empty text where the value was not asked for."""
        pairs = (one.partition("=") for one in self.variables or ())
        return {name: value for name, _, value in pairs}


def questions() -> tuple[Command, ...]:
    """Which containers run. One that is stopped does nothing."""
    return (Command(_LIST, timeout=_LIMIT),)


def follow_up(answers: Sequence[Completed], programs: frozenset[str], values: Sequence[str]) -> tuple[Command, ...]:
    """How to look closer at those whose image's last name is one of `programs`."""
    ids = [row.id for row in _rows(answers) if program(row.image) in programs and _ID.fullmatch(row.id)]
    return (_inspect(ids, values),) if ids else ()


def read(answers: Sequence[Completed], programs: frozenset[str], values: Sequence[str]) -> Fact[tuple[Found, ...]]:
    """What is there; Unknown where the engine did not tell."""
    listed = next((one for one in answers if one.command.argv == _LIST), None)
    if listed is None or not listed.ok:
        return Unknown(listed.why() if listed else "the host's containers were not asked for")
    wanted = follow_up(answers, programs, values)
    if not wanted:
        return Known(()) if _readable(listed) else Unknown("docker ps: the answer cannot be read")
    answer = next((one for one in answers if one.command.argv == wanted[0].argv), None)
    if answer is None or not answer.ok:
        return Unknown(answer.why() if answer else "they were listed but not looked at")
    try:
        return Known(tuple(msgspec.json.decode(line, type=Found) for line in answer.stdout.splitlines()))
    except msgspec.MsgspecError as error:
        return Unknown(f"docker container inspect: the answer cannot be read: {error}")


def paused(name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """How to pause a container and let it go on."""
    return ("docker", "pause", "--", name), ("docker", "unpause", "--", name)


def _inspect(ids: Sequence[str], values: Sequence[str]) -> Command:
    asked = " ".join(f'"{name}"' for name in values)
    value = f"{{{{if eq $name {asked}}}}}{{{{json .}}}}{{{{else}}}}{{{{json $name}}}}{{{{end}}}}"
    each = '{{range $at, $_ := .Config.Env}}{{with .}}{{$name := index (split . "=") 0}}'
    variables = f"[{each}{{{{if $at}}}},{{{{end}}}}{value}{{{{end}}}}{{{{end}}}}]"
    fields = (
        '"name":{{json .Name}},"image":{{json .Config.Image}},"paused":{{json .State.Paused}}',
        '"command":{{json .Config.Cmd}},"entry":{{json .Config.Entrypoint}},"labels":{{json .Config.Labels}}',
        f'"variables":{variables}',
    )
    return Command(
        ("docker", "container", "inspect", "--format", f"{{{','.join(fields)}}}", "--", *ids), timeout=_LIMIT
    )


def _rows(answers: Sequence[Completed]) -> tuple[_Row, ...]:
    listed = next((one for one in answers if one.command.argv == _LIST and one.ok), None)
    if listed is None or not _readable(listed):
        return ()
    return tuple(msgspec.json.decode(line, type=_Row) for line in listed.stdout.splitlines())


def _readable(listed: Completed) -> bool:
    try:
        return all(msgspec.json.decode(line, type=_Row) for line in listed.stdout.splitlines())
    except msgspec.MsgspecError:
        return False


def program(image: str) -> str:
    """The last part of an image's name: forks keep it, whoever's registry they are in."""
    found = _REFERENCE.fullmatch(image)
    return found["path"].rpartition("/")[2] if found else ""
