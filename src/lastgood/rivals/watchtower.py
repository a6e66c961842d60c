"""`kind: watchtower`: Watchtower and its forks, Ouroboros, What's Up Docker and Diun.

Facts of Watchtower from its documentation (containrrr.dev/watchtower/arguments and /container-selection) and its
source, which the forks nickfedor/watchtower and beatkind/watchtower share: an image reference that is a bare id is
refused as pinned; one with a digest is pulled by that digest, which never changes, so its container is never replaced.
`enable=false` on a container wins over everything; with `--label-enable` only `enable=true` counts; names on the
command line are the only ones watched; a scope is compared with the container's, `none` means without a scope.
"""

from collections.abc import Sequence

import msgspec

from lastgood.model.command import Command, Completed
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.observed import Container
from lastgood.model.rival import Harm, Seen
from lastgood.model.target import Target
from lastgood.rivals import _containers, _watchtower
from lastgood.rivals._containers import Found

_PROGRAMS = frozenset({"watchtower", "ouroboros", "wud", "whats-up-docker", "diun"})
_LABELS = ("docker", "ps", "--no-trunc", "--format", _watchtower.LABELS)
_LIMIT = 10.0
_WUD_ACTS = ("WUD_TRIGGER_DOCKER_", "WUD_TRIGGER_DOCKERCOMPOSE_")


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """There is nothing to set."""


class Watchtower:
    """Implements `ports.Rival`."""

    def questions(self, target: Target) -> tuple[Command, ...]:  # noqa: ARG002 - the port's signature
        """Which containers run."""
        return _containers.questions()

    def follow_up(self, target: Target, answers: Sequence[Completed]) -> tuple[Command, ...]:  # noqa: ARG002 - as above
        """How the updaters are set up, and the labels by which Watchtower chooses among containers."""
        found = _containers.follow_up(answers, _PROGRAMS, _watchtower.VALUES)
        return (*found, Command(_LABELS, timeout=_LIMIT)) if found else ()

    def read(self, target: Target, ours: tuple[Container, ...], answers: Sequence[Completed]) -> Fact[tuple[Seen, ...]]:  # noqa: ARG002 - as above
        """Each updater with what it means for `ours`."""
        found = _containers.read(answers, _PROGRAMS, _watchtower.VALUES)
        if isinstance(found, Unknown):
            return found
        labels = _watchtower.labels(next((one for one in answers if one.command.argv == _LABELS), None))
        return Known(tuple(seen for one in found.value for seen in _seen(one, ours, labels)))


def make(options: Options) -> Watchtower:  # noqa: ARG001 - every member is made alike
    """The member."""
    return Watchtower()


def _seen(one: Found, ours: tuple[Container, ...], labels: Fact[dict[str, dict[str, str]]]) -> tuple[Seen, ...]:
    name, program = one.name.removeprefix("/"), _containers.program(one.image)
    if program == "watchtower":
        return _watchtower.seen(one, ours, labels)
    if program == "diun":
        return (Seen("watchtower", name, "Diun only notifies of new images", Harm.NONE),)
    if program == "ouroboros":
        return (_stopped(name, "Ouroboros replaces containers whose tag was moved"),)
    if any(variable.startswith(_WUD_ACTS) for variable in one.settings):
        return (_stopped(name, "What's Up Docker has a trigger that replaces containers"),)
    return (Seen("watchtower", name, "What's Up Docker only notifies: no trigger that acts is set", Harm.NONE),)


def _stopped(name: str, said: str) -> Seen:
    pause, unpause = _containers.paused(name)
    return Seen("watchtower", name, said, Harm.UNDOES, pause, unpause)
