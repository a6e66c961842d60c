"""What migration tools have in common."""

import msgspec

from lastgood.migrators import _tables
from lastgood.model.schema import Program, SchemaState


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`table` where the tool's has not the name that it has by itself.

    It is a bare name, then in the connection's current schema; `schema.name`; or either in SQL's double quotes.
    """

    table: str = ""

    def __post_init__(self) -> None:
        if self.table:
            _tables.parse(self.table)


class PlainSql:
    """A tool whose migrations are SQL, and which notes only what it has done."""

    def begun(self, state: SchemaState, undone: str, to: str) -> str:  # noqa: ARG002 - the port's signature
        """Nothing: the tool has no such note."""
        return ""

    def tool(self, state: SchemaState, undone: tuple[str, ...], to: str) -> Program | None:  # noqa: ARG002 - as above
        """Nothing: the SQL is run as it stands."""
        return None
