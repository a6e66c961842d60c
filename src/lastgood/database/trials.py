"""Whether a release can be tried out of traffic at all: without a HEALTHCHECK nobody could tell how it fares."""

from collections.abc import Sequence

from lastgood.database import booting
from lastgood.database.booting import Model
from lastgood.model.errors import Refused
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.step import Runnable
from lastgood.model.target import Target, shown
from lastgood.ports import Process


def configured(process: Process, host: str, containers: Sequence[str]) -> Fact[tuple[str, Model]]:
    """The container that shows how the service is configured: the first that has a HEALTHCHECK, else the first."""
    first: Fact[tuple[str, Model]] = Unknown(f"no container of the service on {shown(host)} shows how it is configured")
    for at, name in enumerate(containers):
        found = booting.model(process, host, name)
        if isinstance(found, Known) and found.value.health:
            return Known((name, found.value))
        if not at:
            first = found if isinstance(found, Unknown) else Known((name, found.value))
    return first


def untriable(process: Process, host: str, containers: Sequence[str], image: Runnable) -> str:
    """Why a trial of the image on the host could not say whether it works, as a clause; empty where it could.

    `containers` are the service's there: a trial is configured as they are, and takes their HEALTHCHECK where the image
    has none.
    """
    mine = configured(process, host, containers)
    if isinstance(mine, Unknown):
        return mine.reason
    name, model = mine.value
    if model.health:
        return ""
    if not image.image_id:
        return (
            f"{name} has no HEALTHCHECK, and whether {image.image.name} has one is unknown until {shown(host)} has it"
        )
    own = booting.checked(process, host, image.image_id)
    if isinstance(own, Unknown):
        return f"{name} has no HEALTHCHECK, and whether {image.image.name} has one is unknown: {own.reason}"
    return "" if own.value else f"neither {image.image.name} nor the container {name} has a HEALTHCHECK to tell by"


def check(  # noqa: PLR0913, PLR0917 - what is tried, where, and for whom
    process: Process, target: Target, host: str, containers: Sequence[str], image: Runnable, version: str
) -> None:
    """Raise Refused where a trial could not say anything: the backup would be put back at the cost of a downtime.

    `version` is the one that the schema is at, and that the release does not know.
    """
    why = untriable(process, host, containers, image)
    if not why:
        return
    name, words = image.image, f"{target.service} {target.env}"
    pull = (f"docker pull {name.repository}@{name.digest}   # on {shown(host)}",)
    raise Refused(
        f"{name.name} does not know version {version} of the schema, and cannot be tried before traffic comes to it.",
        because=(why, "going down without that trial would stop the writers only to put the backup back"),
        next=(
            *(() if image.image_id else pull),
            f"give {target.service} a HEALTHCHECK, in its image or as `healthcheck` in Compose, and deploy that",
            f"lastgood rollback {words} --image-only   # leaves the schema as it is",
            f"lastgood db backup {words}, go down by the migration tool, then the line above   # by hand",
        ),
    )
