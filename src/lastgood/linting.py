"""Putting the lint together: it works in any folder, and needs no configuration, no journal and no host."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from lastgood.effects.process import LocalProcess
from lastgood.effects.secrets import LocalSecrets
from lastgood.git.clone import Clone
from lastgood.model.database import Reach
from lastgood.model.errors import UsageError
from lastgood.model.lint import Finding, Linted, Mark
from lastgood.model.schema import Migration, Migrations

if TYPE_CHECKING:
    from lastgood.database.prove import Proofs
    from lastgood.ports import Migrator

_REFERENCES = ("env:", "file:", "command:")
# Where nothing can be told of what comes later, an old file is no excuse.
_ALWAYS = frozenset({"up-fails", "unreadable", "not-provable"})


@dataclass(frozen=True)
class Server:
    """Where migrations are proved: on a throw-away server of `image`, or beside the database that `dsn` refers to."""

    image: str = ""
    dsn: str = ""

    def __post_init__(self) -> None:
        if bool(self.image) == bool(self.dsn):
            raise UsageError(
                "--prove needs one PostgreSQL server, of the version that production runs.",
                because=("both --image and --dsn are given" if self.image else "neither --image nor --dsn is given",),
                next=(
                    "lastgood lint migrations --prove --image postgres:16",
                    "lastgood lint migrations --prove --dsn env:DATABASE_URL",
                ),
            )
        if self.dsn and not self.dsn.startswith(_REFERENCES):
            raise UsageError(
                "--dsn takes a reference, so that no password stands in a command line.",
                next=("--dsn env:NAME, file:PATH or command:ARGV",),
            )
        if self.image.startswith("-"):
            raise UsageError(f"{self.image!r} is no name of an image.", next=("--image postgres:16",))


@dataclass(frozen=True)
class Asked:
    """What to look at: the migrations in `folder` below `root`.

    `kind` is the tool's, recognised by the files where it is empty. With `base`, only what is found in files that
    changed since the change parted from it counts.
    """

    root: str
    folder: str
    kind: str = ""
    base: str = ""


def migrations(asked: Asked, server: Server | None = None, tell: Callable[[str], None] = lambda _: None) -> Linted:
    """What is found in the migrations; with a `server`, also by running them there, of which `tell` hears.

    Raises UsageError, ConfigError, GitUnavailable, Refused.
    """
    from lastgood.database.lint import lint

    shown = os.path.normpath(asked.folder)
    files = _files(asked)
    kind, migrator = _recognised(files, asked.kind, shown)
    fork, changed = _changed(asked) if asked.base else ("", None)
    try:
        found = migrator.migrations(files)
    except ValueError as error:
        unread = Finding(shown, 1, "unreadable", Mark.ERROR, f"{kind} refuses the folder: {error}")
        return Linted(shown, kind, 0, fork, (unread,))
    findings, proof = lint(found), None
    if server:
        proof, more = _proved(found, server, tell)
        findings += more
    if changed is not None:
        touched = _touched(migrator, changed, found)
        findings = tuple(one if _counts(one, touched, files) else _old(one) for one in findings)
    placed = sorted((_placed(one, shown, files) for one in findings), key=lambda one: (one.path, one.line))
    return Linted(shown, kind, len(found.steps), fork, tuple(placed), proof)


def _proved(found: Migrations, server: Server, tell: Callable[[str], None]) -> "Proofs":
    from lastgood.database.prove import prove
    from lastgood.postgres.client import Client

    process = LocalProcess()
    client = Client(process, LocalSecrets(process, os.environ), Reach(dsn=server.dsn), mark="prove")
    return prove(client, found, image=server.image, tell=tell)


def _files(asked: Asked) -> dict[str, bytes]:
    """The files by path below the folder; hidden folders are left out. Raises UsageError."""
    top = Path(asked.root, asked.folder)
    if not top.is_dir():
        raise UsageError(f"There is no folder {asked.folder!r}.", next=("lastgood lint migrations FOLDER",))
    files: dict[str, bytes] = {}
    try:
        for here, below, names in os.walk(top):
            below[:] = [name for name in below if not name.startswith(".")]
            paths = (Path(here, name) for name in names)
            files |= {path.relative_to(top).as_posix(): path.read_bytes() for path in paths if path.is_file()}
    except OSError as error:
        raise UsageError(f"{error.filename} cannot be read: {error.strerror}") from error
    return files


def _recognised(files: dict[str, bytes], kind: str, shown: str) -> tuple[str, "Migrator"]:
    """The tool and its kind: the given one, or the one that can do something with any of the files."""
    from lastgood import catalog
    from lastgood.database.tables import candidates
    from lastgood.model.target import Adapter

    if kind:
        return kind, catalog.migrator(Adapter(kind, catalog.options("migrators", kind)()))
    tools = candidates(None)
    fits = {name: sum(_reads(tool, *file) for file in files.items()) for name, tool in tools.items()}
    found = [name for name, count in fits.items() if count]
    if len(found) == 1:
        return found[0], tools[found[0]]
    if not found:
        raise UsageError(
            f"There is no migration in {shown} that any tool would read.",
            because=(f"{len(files)} files, tried as: {', '.join(tools)}",),
            next=("lastgood lint migrations FOLDER", "lastgood lint migrations --kind KIND, to hear what is wrong"),
        )
    raise UsageError(
        f"It is ambiguous which tool the migrations in {shown} are for.",
        because=tuple(f"{name} reads {fits[name]} of {len(files)} files" for name in found),
        next=tuple(f"--kind {name}" for name in found),
    )


def _reads(migrator: "Migrator", path: str, content: bytes) -> bool:
    """Whether a tool finds something to do in one file."""
    try:
        found = migrator.migrations({path: content})
    except ValueError:
        return False
    return any(step.up or step.down for step in found.steps)


def _changed(asked: Asked) -> tuple[str, frozenset[str]]:
    """The commit at which the change began, and the files of the folder that are not as they were."""
    clone = Clone(LocalProcess(), str(Path(asked.root, asked.folder)))
    fork = clone.fork(clone.commit(asked.base), clone.commit("HEAD"))
    return fork, clone.changed(fork)


def _touched(migrator: "Migrator", changed: frozenset[str], found: Migrations) -> frozenset[str]:
    """The changed paths, and those of the other directions of their migrations: a down may have been taken away."""
    versions = {step.version for path in changed for step in _named_by(migrator, path)}
    scripts = (side for step in found.steps if step.version in versions for side in (step.up, step.down) if side)
    return changed | {script.path for script in scripts}


def _named_by(migrator: "Migrator", path: str) -> tuple[Migration, ...]:
    """The migration that a file's name speaks of, whether the file is there or not."""
    try:
        return migrator.migrations({path: b""}).steps
    except ValueError:
        return ()


def _counts(one: Finding, touched: frozenset[str], files: dict[str, bytes]) -> bool:
    path = one.path or _named(one, files)
    return one.rule in _ALWAYS or not path or path in touched


def _old(one: Finding) -> Finding:
    return msgspec.structs.replace(one, mark=Mark.INFO)


def _named(one: Finding, files: dict[str, bytes]) -> str:
    """The file that a finding of no file begins with."""
    path = one.said.partition(": ")[0]
    return path if path in files else ""


def _placed(one: Finding, shown: str, files: dict[str, bytes]) -> Finding:
    """A finding with a path that an editor can follow, and a line."""
    named = "" if one.path else _named(one, files)
    said = one.said.removeprefix(f"{named}: ") if named else one.said
    path = one.path or named
    where = shown if one.rule == "unreadable" or not path else os.path.normpath(f"{shown}/{path}")
    return msgspec.structs.replace(one, path=where, line=max(one.line, 1), said=said)
