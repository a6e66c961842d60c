"""What a person may do where something of a database stands in the way: the `next` of its errors."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from lastgood.model.errors import LastgoodError, NeedsHuman, Refused
from lastgood.model.target import DatabaseSpec, Target, shown
from lastgood.postgres.client import Client

_WHO: Final = "SERVICE ENV"
ALONE: Final = f"lastgood rollback {_WHO} --image-only   # leaves the schema as it is"
OTHERWISE: Final = f"lastgood db restore {_WHO} BACKUP   # the whole database as it was"
AGAIN: Final = "run it again, once that is seen to"


@contextmanager
def addressed(target: Target) -> Iterator[None]:
    """What errors of the block tell to do next is told with the target's own names."""
    try:
        yield
    except LastgoodError as error:
        error.next = tuple(one.replace(_WHO, f"{target.service} {target.env}") for one in error.next)
        raise


def by_hand(client: Client, sql: str) -> str:
    """The command that has the server answer a person, on the database's host. No secret is part of it."""
    reach = client.reach
    asked = f"psql -X -c {shlex.quote(sql)}"
    if not reach.container:
        return f"{asked} DSN   # on {shown(reach.host)}, with what {reach.dsn} has for DSN"
    user = f" -U {shlex.quote(reach.user)}" if reach.user else ""
    return f"docker exec {reach.container} {asked}{user} {shlex.quote(reach.name)}   # on {shown(reach.host)}"


def reading(spec: DatabaseSpec) -> str:
    """Where lastgood looks for migrations, for a person to see whether they are there."""
    where = "the folder of the image" if spec.in_image else "the folder of the code repo"
    return f"`database.migrations` in lastgood.yaml names {where} that they are in: {spec.migrations}"


def unanswered(client: Client, reason: str, what: str = "The database cannot be asked.") -> Refused:
    """That the server does not say what has to be known of it."""
    where = "`database` in lastgood.yaml says how it is reached"
    return Refused(what, because=(reason,), next=(by_hand(client, "SELECT 1"), where))


def unreadable(client: Client, table: str, reason: str) -> NeedsHuman:
    """That nobody can tell the schema's version from the migration tool's table."""
    user = client.reach.user or "the user of `database` in lastgood.yaml"
    grant, look = f"GRANT SELECT ON {table} TO {user};   # by its owner", by_hand(client, f"TABLE {table}")
    first = grant if "permission denied" in reason else look
    return NeedsHuman(f"What {table} says cannot be read.", because=(reason,), next=(first, ALONE))
