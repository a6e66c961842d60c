"""One service's database, and what it is worked on with."""

from collections.abc import Callable
from dataclasses import dataclass

from lastgood.git.revert import CodeRepo
from lastgood.model.database import Reach
from lastgood.model.errors import UsageError
from lastgood.model.target import DatabaseSpec, Target, shown
from lastgood.ports import Files, Secrets, Tools
from lastgood.postgres.client import Client


@dataclass(frozen=True)
class DatabaseDesk:
    """The target, its database as configured, and the effects.

    `code` opens the code repo whose commits the releases are built from; it raises UsageError, GitUnavailable, Refused.
    """

    target: Target
    spec: DatabaseSpec
    tools: Tools
    secrets: Secrets
    code: Callable[[], CodeRepo]

    @property
    def reach(self) -> Reach:
        """How the database is reached."""
        spec = self.spec
        return Reach(spec.name, spec.host, spec.container, spec.user, spec.password, spec.dsn, spec.schema)

    def client(self, mark: str = "") -> Client:
        """The database, and the programs to reach it with. `mark` becomes part of what our sessions call themselves."""
        return Client(self.tools.process, self.secrets, self.reach, mark=mark)

    @property
    def files(self) -> Files:
        """The files of the host that the database's programs are on; backups lie there."""
        return self.tools.files(self.spec.host)

    @property
    def shown(self) -> str:
        """The database as people call it: `shop in shop-api-db-1 on 203.0.113.7`."""
        name = self.spec.name or "the database"
        place = f"in {self.spec.container}" if self.spec.container else f"by {self.spec.dsn}"
        return f"{name} {place} on {shown(self.spec.host)}"


def configured(target: Target) -> DatabaseSpec:
    """The database of a target. Raises UsageError where the configuration names none."""
    if target.database is None:
        raise UsageError(
            f"lastgood.yaml names no database of {target.service}.",
            next=(f"services.{target.service}.database: {{container: {target.service}-db-1, name: NAME}}",),
        )
    return target.database
