"""A service's `database`, with what it leaves out filled in."""

from collections.abc import Callable
from typing import Final

from lastgood.config.document import Document, Place
from lastgood.config.rules import check_absolute, check_host, check_relative, check_secret
from lastgood.config.schema import AdapterFile, DatabaseFile, EnvironmentFile, ServiceFile
from lastgood.model.target import Adapter, DatabaseSpec

_SECRETS: Final = ("password", "dsn")


def database(
    where: EnvironmentFile, what: ServiceFile, names: dict[str, str], adapter: Callable[[AdapterFile], Adapter]
) -> DatabaseSpec | None:
    """The database of one target, None where the file names none. `adapter` makes the migrator of its settings."""
    given = what.database
    if given is None:
        return None
    service, env = names["service"], names["env"]
    source = what.source
    return DatabaseSpec(
        host=given.host or where.hosts[0],
        container="" if given.dsn else given.container or f"{service}-db-1",
        name=given.name,
        user=given.user,
        password=given.password,
        dsn=given.dsn,
        schema=given.schema,
        migrator=adapter(_settings(given)) if given.migrator else None,
        migrations=given.migrations.image or given.migrations.folder,
        repo=given.migrations.repo or (source.repo if source else ""),
        branch=source.branch if source and not given.migrations.repo else "",
        in_image=bool(given.migrations.image),
        backups=given.backups.folder or f"{where.state}/backups/{env}/{service}",
        keep=given.backups.keep,
    )


def _settings(given: DatabaseFile) -> AdapterFile:
    return {"kind": given.migrator} if isinstance(given.migrator, str) else given.migrator


def check_database(document: Document, place: Place, given: DatabaseFile | None) -> None:
    """Texts that reach hosts, git and programs there. Raises ConfigError."""
    if given is None:
        return
    if given.host:
        check_host(document, (*place, "host"), given.host)
    for name in _SECRETS:
        check_secret(document, (*place, name), getattr(given, name))
    if given.container.startswith("-") or given.name.startswith("-"):
        raise document.error(place, "names of containers and databases do not begin with '-'")
    if given.migrations.image:
        check_absolute(document, (*place, "migrations", "image"), given.migrations.image)
    else:
        check_relative(document, (*place, "migrations", "folder"), given.migrations.folder)
    if given.backups.folder:
        check_absolute(document, (*place, "backups", "folder"), given.backups.folder)
