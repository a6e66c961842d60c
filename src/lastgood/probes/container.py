"""`kind: container`: the engine's own view. Weaker than asking the service itself."""

import msgspec

from lastgood.model.observed import Container, Look, State
from lastgood.model.release import Image
from lastgood.ports import Http


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing to choose."""


class ContainerProbe:
    """Every container of the pin runs, and none says that it is unhealthy."""

    name = "container"

    def look(self, http: Http, image: Image, containers: tuple[Container, ...]) -> Look:  # noqa: ARG002 - another kind's food
        """Judge what was seen just now. Containers of others are ignored; one-shots that ended with 0 are fine.

        At least one container must be there and not have ended: a server that exits with 0 at start serves nobody.
        """
        mine = sorted((one for one in containers if one.mine), key=lambda one: one.name)
        if not mine:
            return Look(self.name, ok=False, said="there is no container", signature="container missing")
        for one in mine:
            wrong = _wrong(one)
            if wrong:
                return Look(self.name, ok=False, said=f"{one.name}: {wrong}", signature=f"container {wrong}")
        running = sum(one.state is State.RUNNING for one in mine)
        if not running:
            return Look(self.name, ok=False, said="every container has exited with 0", signature="container exited 0")
        return Look(self.name, ok=True, said="1 container runs" if running == 1 else f"{running} containers run")


def make(options: Options) -> ContainerProbe:  # noqa: ARG001 - every member of a family is made the same way
    """The probe; it has no options."""
    return ContainerProbe()


def _wrong(one: Container) -> str:
    """The kind of trouble, alike for alike causes; empty when there is none."""
    if one.oneshot_done:
        return ""
    if one.state is State.EXITED:
        return f"exited {one.exit_code}"
    if one.state is not State.RUNNING:
        return str(one.state)
    return "" if one.health in {"", "healthy"} else one.health
