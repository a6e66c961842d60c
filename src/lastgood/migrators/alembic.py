"""`kind: alembic`: Alembic (alembic.sqlalchemy.org).

A migration is a Python file that names itself and its predecessor. The table has a row for every newest revision: one,
unless the revisions branch. Only Alembic itself can run them, where their program and its packages are.
"""

from typing import Final

from lastgood.migrators import _plain, _tables
from lastgood.migrators._alembic_files import ILLEGAL, read_folder
from lastgood.model.schema import NOTHING, Migrations, Program, SchemaState

_TOOL: Final = "Alembic"
_TABLE: Final = "alembic_version"
_BASE: Final = "base"


class Options(_plain.Options, frozen=True, forbid_unknown_fields=True):
    """`table` is its `version_table`, with `version_table_schema` before it, where that is not `alembic_version`.

    `command` is what starts the tool in the release's image: `[poetry, run, alembic]`, `[alembic, -c, db/alembic.ini]`.
    `folder` is an absolute path in that image to start it in, where it is not the image's own working directory.
    """

    command: tuple[str, ...] = ("alembic",)
    folder: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.command or not self.command[0]:
            raise ValueError("`command` names the program to start, for example `[alembic]`")
        if self.folder and not self.folder.startswith("/"):
            raise ValueError("`folder` is an absolute path in the release's image, for example `/app`")


class Alembic:
    """Implements `ports.Migrator`."""

    def __init__(self, options: Options) -> None:
        self._options = options

    def table(self, columns: _tables.Columns, schema: str) -> str:
        """The table with `version_num`. Raises ValueError where more than one could be it."""
        key = _tables.key_of(self._options.table, schema, _TABLE)
        return _tables.find(columns, key, _TOOL, lambda has: "version_num" in has)

    def question(self, table: str) -> str:
        """Every row, of which there is at most one where the revisions do not branch."""
        return _tables.select(table, "version_num")

    def read(self, table: str, answer: str) -> SchemaState:
        """The revision as a fact. Raises ValueError where the answer cannot be read."""
        heads = sorted(_tables.decoded(answer, list[str]))
        doubt = f"{table} has more than one revision ({', '.join(heads)}): the revisions branch" if heads[1:] else ""
        return SchemaState(table, ", ".join(heads) or NOTHING, doubt=doubt)

    def migrations(self, files: dict[str, bytes]) -> Migrations:
        """The revisions along their chain. A branch, a gap or a circle in it is among the problems. Raises nothing.

        The scripts have no SQL; one is missing where its function does nothing.
        """
        steps, problems = read_folder(files)
        return Migrations(steps, problems, native=False)

    def locks(self, database: str, schema: str, table: str) -> tuple[int, ...]:  # noqa: ARG002 - the port's signature
        """None: Alembic takes no advisory lock."""
        return ()

    def noting(self, state: SchemaState, undone: tuple[str, ...], to: str) -> str:  # noqa: ARG002 - as above
        """The one row written anew. Only where `tool` was not run: it does so itself."""
        gone = f"DELETE FROM {state.table};"  # noqa: S608 - the name is quoted
        return f"{gone}\n{_tables.insert(state.table, 'version_num', _tables.literal(to))}" if to else gone

    def begun(self, state: SchemaState, undone: str, to: str) -> str:  # noqa: ARG002 - as above
        """Nothing: Alembic notes only what it has done."""
        return ""

    def tool(self, state: SchemaState, undone: tuple[str, ...], to: str) -> Program:  # noqa: ARG002 - as above
        """`alembic downgrade TO`, and its offline mode. Raises ValueError where a version is none there."""
        for one in (state.version, to):
            if ILLEGAL & set(one) or one.lower() in {_BASE, "head", "heads", "current"}:
                message = f"{one!r} is no revision of {_TOOL}"
                raise ValueError(message)
        down = (*self._options.command, "downgrade")
        preview = (*down, f"{state.version}:{to or _BASE}", "--sql")
        return Program((*down, to or _BASE), preview, self._options.folder)


def make(options: Options) -> Alembic:
    """The member."""
    return Alembic(options)
