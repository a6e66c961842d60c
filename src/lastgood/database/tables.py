"""Which migration tool a database is moved by, and what its table says."""

from dataclasses import dataclass
from typing import TypeAlias

from lastgood import catalog
from lastgood.database.choices import ALONE, unanswered, unreadable
from lastgood.model.errors import NeedsHuman, Refused
from lastgood.model.facts import Unknown
from lastgood.model.schema import SchemaState
from lastgood.model.target import Adapter
from lastgood.ports import Migrator
from lastgood.postgres.asking import told
from lastgood.postgres.client import Client
from lastgood.postgres.facts import searched


@dataclass(frozen=True)
class Tool:
    """A database's migration tool: its kind, the member of the family, and its table, quoted and with its schema."""

    kind: str
    migrator: Migrator
    table: str


Columns: TypeAlias = dict[tuple[str, str], tuple[tuple[str, str], ...]]


def recognised(client: Client, adapter: Adapter | None) -> Tool:
    """The tool of the database. `adapter` is the configured one; None asks the tables of the database.

    Raises Refused where no tool's table is there, or the database cannot be asked; NeedsHuman where several could be
    it.
    """
    found = searched(client)
    if isinstance(found, Unknown):
        raise unanswered(client, found.reason)
    schema, tables = found.value
    if schema is None:
        raise Refused(
            "The database has no schema that is searched.",
            because=("current_schema() is NULL: no schema of the search path exists",),
            next=("set `schema` of the database in lastgood.yaml",),
        )
    typed = {key: tuple((one.name, one.type) for one in each) for key, each in tables.items()}
    return _one(candidates(adapter), typed, schema)


def candidates(adapter: Adapter | None) -> dict[str, Migrator]:
    """The migrators that may be it, by kind."""
    if adapter is not None:
        return {adapter.kind: catalog.migrator(adapter)}
    every = (Adapter(kind, catalog.options("migrators", kind)()) for kind in catalog.kinds("migrators"))
    return {one.kind: catalog.migrator(one) for one in every}


def _one(tools: dict[str, Migrator], typed: Columns, schema: str) -> Tool:
    found = [Tool(kind, one, table) for kind, one in tools.items() if (table := _table(one, typed, schema))]
    if len(found) == 1:
        return found[0]
    if not found:
        raise Refused(
            "The database has no table of a migration tool.",
            because=(f"looked for: {', '.join(tools)}", f"among {len(typed)} tables"),
            next=("services.S.database.migrator: {kind: KIND, table: NAME}", "was any migration run here?"),
        )
    raise NeedsHuman(
        "It is ambiguous which migration tool the database is moved by.",
        because=tuple(f"{one.kind} by {one.table}" for one in found),
        next=("services.S.database.migrator: KIND", ALONE),
    )


def _table(migrator: Migrator, typed: Columns, schema: str) -> str:
    try:
        return migrator.table(typed, schema)
    except ValueError as error:
        raise NeedsHuman(
            "It is ambiguous which table the migration tool uses.",
            because=(str(error),),
            next=("services.S.database.migrator: {kind: KIND, table: NAME}", ALONE),
        ) from error


def state(client: Client, tool: Tool) -> SchemaState:
    """What the tool's table says. Raises NeedsHuman where it cannot be read, or says what cannot be."""
    return read(client, tool, answer(client, tool))


def answer(client: Client, tool: Tool) -> str:
    """What the tool's table says, in the database's own words. Raises NeedsHuman where it cannot be had."""
    said = told(client, tool.migrator.question(tool.table))
    if isinstance(said, Unknown):
        raise unreadable(client, tool.table, said.reason)
    return said.value


def read(client: Client, tool: Tool, said: str) -> SchemaState:
    """An `answer` as facts. Raises NeedsHuman where it says what cannot be."""
    try:
        return tool.migrator.read(tool.table, said)
    except ValueError as error:
        raise unreadable(client, tool.table, str(error)) from error
