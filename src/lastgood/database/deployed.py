"""The moment of a deploy: noted on the database's host, where everybody finds it, and what was written since."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from lastgood.database.desk import DatabaseDesk
from lastgood.model.command import Command
from lastgood.model.deployed import Deployed
from lastgood.model.descent import Loss
from lastgood.model.duration import spoken
from lastgood.model.errors import LastgoodError
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.schema import What
from lastgood.model.step import Runnable
from lastgood.model.text import sanitise
from lastgood.plan.choose import same_bytes
from lastgood.postgres.moments import moment, written

_SECONDS: Final = 5.0
_COUNT_SECONDS: Final = 120.0
_LATE: Final = 600.0
"""A moment that was noted later than that after the deploy says too little about what was written since."""


def place(desk: DatabaseDesk) -> str:
    """The file's path on the database's host: one for each target, about the release that runs."""
    return desk.target.place("databases", "deployed.json")


def read(desk: DatabaseDesk) -> Fact[Deployed]:
    """What was noted last. Unknown where nothing was, or it cannot be read."""
    path = place(desk)
    try:
        content = desk.files.read(path)
        if content is None:
            return Unknown("nobody noted the moment of the deploy")
        return Known(msgspec.json.decode(content, type=Deployed))
    except (OSError, LastgoodError, msgspec.MsgspecError) as error:
        return Unknown(f"what was noted at {path} cannot be read: {_why(error)}")


def note(desk: DatabaseDesk, image: Runnable) -> str:
    """Note this moment, unless `image` is what was noted last: a deploy has one moment. Never raises.

    Why it could not be noted; empty where it was, or is.
    """
    try:
        found = read(desk)
        if isinstance(found, Known) and same_bytes(found.value.release, image):
            return ""
        now = moment(desk.client("check"), timeout=_SECONDS)
        if isinstance(now, Unknown):
            return now.reason
        made = _made(desk, image)
        late = max(0.0, now.value.at - made) if made is not None else None
        desk.files.replace(place(desk), msgspec.json.encode(Deployed(image, now.value, late)))
    except (OSError, LastgoodError) as error:
        return _why(error)
    return ""


def _why(error: Exception) -> str:
    if isinstance(error, LastgoodError):
        return " ".join((error.what, *error.because))
    return sanitise(getattr(error, "strerror", None) or str(error))


def _made(desk: DatabaseDesk, image: Runnable) -> float | None:
    """When the oldest container that runs the image was made, in Unix seconds; None where that cannot be told."""
    ancestor = image.image_id or f"{image.image.repository}@{image.image.digest}"
    argv = ("docker", "ps", "--filter", f"ancestor={ancestor}", "--format", "{{.CreatedAt}}")
    times: list[float] = []
    for host in desk.target.hosts:
        done = desk.tools.process.run(Command(argv, host=host, timeout=_SECONDS))
        if not done.ok:
            return None
        try:
            times += [_at(line) for line in done.text.splitlines() if line.strip()]
        except ValueError:
            return None
    return min(times, default=None)


def _at(text: str) -> float:
    """`2026-11-28 13:45:25 +0000 UTC`, as docker prints it. Raises ValueError."""
    return datetime.strptime(" ".join(text.split()[:3]), "%Y-%m-%d %H:%M:%S %z").timestamp()


def since(desk: DatabaseDesk, running: Runnable | None, found: Sequence[Loss]) -> tuple[Loss, ...]:
    """The losses with how much of each was written since the release that runs was deployed, by the real database."""
    if not found:
        return ()
    noted = _noted(desk, running)
    return tuple(msgspec.structs.replace(loss, since=_since(desk, noted, loss)) for loss in found)


def _noted(desk: DatabaseDesk, running: Runnable | None) -> Fact[Deployed]:
    """The moment of the deploy of what runs. Unknown says why what is noted is not that."""
    found = read(desk)
    if isinstance(found, Unknown):
        return found
    release, late = found.value.release, found.value.late
    if running is None:
        return Unknown("no single release runs")
    if not same_bytes(release, running):
        return Unknown(f"what was noted last is the deploy of {release.image.name}, and {running.image.name} runs")
    if late is None:
        return Unknown("how long after the deploy it was noted is not known")
    if late > _LATE:
        return Unknown(f"it was noted only {spoken(late)} after the deploy")
    return found


def _since(desk: DatabaseDesk, noted: Fact[Deployed], loss: Loss) -> Fact[int]:
    if isinstance(noted, Unknown):
        return noted
    if loss.what is What.ROWS:
        return Unknown("which rows the down takes is not known one by one")
    columns = (loss.column,) if loss.column else ()
    found = written(desk.client("plan"), noted.value.moment, loss.relation, columns, timeout=_COUNT_SECONDS)
    if isinstance(found, Unknown):
        return found
    return Known(found.value.values[loss.column] if loss.column else found.value.rows)
