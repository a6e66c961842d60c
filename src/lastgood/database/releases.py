"""The migrations of a release: out of the commit that its image was built from, or out of the image itself."""

import io
import tarfile
from pathlib import PurePosixPath

import msgspec

from lastgood.database.desk import DatabaseDesk
from lastgood.model.command import Command
from lastgood.model.errors import LastgoodError, Refused
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.observed import Observed
from lastgood.model.release import Image, short
from lastgood.model.schema import Migrations
from lastgood.observe.sources import built
from lastgood.ports import Migrator

_PULL = 300.0
_COPY = 60.0
_MOST = 64 * 1024 * 1024


class Sourced(msgspec.Struct, frozen=True):
    """The migrations of a release, and where they were read: a sentence's end (`migrations at 1a2b3c of REPO`)."""

    migrations: Migrations
    where: str


def migrations(desk: DatabaseDesk, observed: Observed, image: Image, migrator: Migrator) -> Fact[Sourced]:
    """The migrations that the release `image` knows. Unknown says why they cannot be had; never raises."""
    try:
        files, where = _from_image(desk, image) if desk.spec.in_image else _from_commit(desk, observed, image)
        return Known(Sourced(migrator.migrations(files), where))
    except LastgoodError as error:
        return Unknown("; ".join((error.what.rstrip("."), *error.because)))
    except ValueError as error:
        return Unknown(str(error))


def _from_commit(desk: DatabaseDesk, observed: Observed, image: Image) -> tuple[dict[str, bytes], str]:
    source = built(desk.tools.process, observed, image).source
    if isinstance(source, Unknown):
        raise Refused(f"it is not known which commit {image.name} was built from", because=(source.reason,))
    repo = desk.code()
    with repo.lock():
        repo.fetch()  # the copy may have the commit already: a silent remote is no reason to stop
        commit = repo.named(source.value.revision)
        files = repo.files(commit, desk.spec.migrations)
    where = f"{desk.spec.migrations} at {short(commit)} of {repo.origin.shown or repo.origin.top}"
    if files is None:
        raise Refused(f"there is no folder {where}")
    return files, where


def _from_image(desk: DatabaseDesk, image: Image) -> tuple[dict[str, bytes], str]:
    """By a container that is made, never started, and removed again."""
    host, folder = desk.spec.host, desk.spec.migrations
    reference = f"{image.repository}@{image.digest}" if image.digest else str(image)
    made = desk.tools.process.run(Command(("docker", "create", "--", reference, "lastgood"), host=host, timeout=_PULL))
    if not made.ok:
        raise Refused(f"{image.name} cannot be looked into", because=(made.why(),))
    container = made.text.strip().splitlines()[-1]
    try:
        copied = desk.tools.process.run(
            Command(("docker", "cp", "--", f"{container}:{folder}", "-"), host=host, timeout=_COPY)
        )
    finally:
        desk.tools.process.run(Command(("docker", "rm", "--volumes", "--", container), host=host))
    if not copied.ok:
        raise Refused(f"there is no {folder} in {image.name}", because=(copied.why(),))
    return _unpacked(copied.stdout, PurePosixPath(folder).name), f"{folder} in the image {image.name}"


def _unpacked(content: bytes, top: str) -> dict[str, bytes]:
    """The plain files of a tar, by path below its folder `top`. Raises Refused for what is no tar, or too large."""
    files: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            for member in archive:
                path = member.name.removeprefix("./")
                if member.isfile() and path.startswith(f"{top}/") and member.size < _MOST:
                    taken = archive.extractfile(member)
                    files[path.removeprefix(f"{top}/")] = taken.read() if taken else b""
    except tarfile.TarError as error:
        raise Refused("what the image holds cannot be read", because=(str(error),)) from error
    return files
