"""`kind: portainer`: a Portainer that may deploy a stack anew whenever its git repository changes.

Whether a stack follows git (`AutoUpdate` in its API) is not to be seen from outside, but whose stack a container is
can be: Portainer keeps the files of its stacks below `/data/compose/NUMBER`, which Compose writes into the label
`com.docker.compose.project.working_dir` of each container.
"""

from collections.abc import Sequence

import msgspec

from lastgood.model.command import Command, Completed
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.observed import Container
from lastgood.model.rival import Harm, Seen
from lastgood.model.target import Target
from lastgood.rivals import _containers

_PROGRAMS = frozenset({"portainer", "portainer-ce", "portainer-ee", "agent"})
_STACKS = "/data/compose/"
_FOLDERS = (
    *("docker", "ps", "--all", "--no-trunc", "--format"),
    '{"name":{{json .Names}},"folder":{{json (.Label "com.docker.compose.project.working_dir")}}}',
)
_LIMIT = 10.0


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """There is nothing to set."""


class _Row(msgspec.Struct):
    name: str
    folder: str


class Portainer:
    """Implements `ports.Rival`."""

    def questions(self, target: Target) -> tuple[Command, ...]:  # noqa: ARG002 - the port's signature
        """Which containers run."""
        return _containers.questions()

    def follow_up(self, target: Target, answers: Sequence[Completed]) -> tuple[Command, ...]:  # noqa: ARG002 - as above
        """The Portainers' names, and from which folders Compose made the containers."""
        found = _containers.follow_up(answers, _PROGRAMS, ("PORTAINER",))
        return (*found, Command(_FOLDERS, timeout=_LIMIT)) if found else ()

    def read(self, target: Target, ours: tuple[Container, ...], answers: Sequence[Completed]) -> Fact[tuple[Seen, ...]]:  # noqa: ARG002 - as above
        """Each Portainer, and whether our containers are of a stack of its."""
        found = _containers.read(answers, _PROGRAMS, ("PORTAINER",))
        if isinstance(found, Unknown):
            return found
        portainers = [one for one in found.value if "portainer" in one.image]
        folders = _folders(next((one for one in answers if one.command.argv == _FOLDERS), None))
        return Known(tuple(_seen(one.name.removeprefix("/"), ours, folders) for one in portainers))


def make(options: Options) -> Portainer:  # noqa: ARG001 - every member is made alike
    """The member."""
    return Portainer()


def _seen(name: str, ours: tuple[Container, ...], folders: Fact[dict[str, str]]) -> Seen:
    if isinstance(folders, Known) and ours:
        stacks = {folders.value.get(c.name, "") for c in ours}
        if not any(folder.startswith(_STACKS) for folder in stacks):
            return Seen("portainer", name, "our containers are of no stack of its", Harm.NONE)
    pause, unpause = _containers.paused(name)
    said = "it may poll git and deploy our stack anew: that cannot be seen without an API token"
    return Seen("portainer", name, said, Harm.UNDOES, pause, unpause)


def _folders(answer: Completed | None) -> Fact[dict[str, str]]:
    if answer is None or not answer.ok:
        return Unknown(answer.why() if answer else "the containers' folders were not asked for")
    try:
        rows = [msgspec.json.decode(line, type=_Row) for line in answer.stdout.splitlines()]
    except msgspec.MsgspecError as error:
        return Unknown(f"docker ps: the answer cannot be read: {error}")
    return Known({row.name: row.folder for row in rows})
