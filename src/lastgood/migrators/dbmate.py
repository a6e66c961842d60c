"""`kind: dbmate`: dbmate (github.com/amacneil/dbmate).

A migration is one file, `VERSION_NAME.sql`, with an up and a down block. The table has a row for every version that is
applied. Versions are texts; dbmate goes by the names of the files.
"""

import re
from typing import Final

from lastgood.migrators import _plain, _tables
from lastgood.migrators._files import File, irreversible, span, top
from lastgood.model.schema import NOTHING, Migration, Migrations, SchemaState, Script

_TOOL: Final = "dbmate"
_TABLE: Final = "schema_migrations"
_FILE: Final = re.compile(r"([0-9]+)(.*)\.sql")
_SPACE: Final = r"[\t\n\f\r ]"  # what Go's `\s` is
_UP, _DOWN = (
    re.compile(rf"^--{_SPACE}*migrate:{word}(?:{_SPACE}*$|{_SPACE}+[^\t\n\f\r ]+)", re.MULTILINE)
    for word in ("up", "down")
)
_DIRECTIVE: Final = re.compile(rf"^--{_SPACE}*migrate:(?:up|down)")
_NOTHING_SAID: Final = re.compile(rf"{_SPACE}*(?:--.*)?")
# Rails has the same table, and this one beside it.
_RAILS: Final = "ar_internal_metadata"


class Options(_plain.Options, frozen=True, forbid_unknown_fields=True):
    """`table` is what `--migrations-table` says, where that is not `schema_migrations`."""


class Dbmate(_plain.PlainSql):
    """Implements `ports.Migrator`."""

    def __init__(self, options: Options) -> None:
        self._options = options

    def table(self, columns: _tables.Columns, schema: str) -> str:
        """The table whose only column is a text `version`. Raises ValueError where more than one could be it.

        One that stands beside Rails' own table is Rails', unless it is configured.
        """
        key = _tables.key_of(self._options.table, schema, _TABLE)
        if isinstance(key, str):
            columns = {at: has for at, has in columns.items() if (at[0], _RAILS) not in columns}
        return _tables.find(columns, key, _TOOL, _is_applied_set)

    def question(self, table: str) -> str:
        """Every version."""
        return _tables.select(table, "version")

    def read(self, table: str, answer: str) -> SchemaState:
        """The versions as facts, oldest first. Raises ValueError where the answer cannot be read."""
        applied = tuple(sorted(_tables.decoded(answer, list[str]), key=_as_in_file_names))
        return SchemaState(table, applied[-1] if applied else NOTHING, applied)

    def migrations(self, files: dict[str, bytes]) -> Migrations:
        """The files by their names, as the tool has them. Raises ValueError for two files of one version."""
        steps: dict[str, Migration] = {}
        paths: dict[str, str] = {}
        problems: list[str] = []
        for file in top(files):
            found = _FILE.fullmatch(file.path)
            if found is None:
                continue
            version = found[1]
            if version in steps:  # dbmate would apply both, note one, and undo the wrong one
                message = f"two files have the version {version}: {paths[version]} and {file.path}"
                raise ValueError(message)
            paths[version] = file.path
            steps[version] = _migration(version, found[2].lstrip("_"), file, problems)
        return Migrations(tuple(steps.values()), tuple(problems))

    def locks(self, database: str, schema: str, table: str) -> tuple[int, ...]:  # noqa: ARG002 - the port's signature
        """None: dbmate takes no lock in PostgreSQL."""
        return ()

    def noting(self, state: SchemaState, undone: tuple[str, ...], to: str) -> str:
        """The rows of `undone` deleted, as the tool does; that of `to` added where it is not there."""
        gone = [_tables.delete(state.table, "version", _tables.literal(one)) for one in undone]
        there = not to or to in set(state.applied or ()) - set(undone)
        added = [] if there else [_tables.insert(state.table, "version", _tables.literal(to))]
        return "\n".join(gone + added)


def make(options: Options) -> Dbmate:
    """The member."""
    return Dbmate(options)


def _is_applied_set(columns: dict[str, str]) -> bool:
    return list(columns) == ["version"] and columns["version"].startswith("character varying")


def _as_in_file_names(version: str) -> str:
    """Versions of different length sort as their files do: `10_a.sql` before `1_a.sql`."""
    return f"{version}_"


def _migration(version: str, name: str, file: File, problems: list[str]) -> Migration:
    try:
        text = file.text()
        up, down = _blocks(file, text)
    except ValueError as error:
        problems.append(f"{file.path}: {error}")
        return Migration(version, name, None, None)
    return Migration(version, name, up, down, irreversible(down.sql, text))


def _blocks(file: File, text: str) -> tuple[Script, Script]:
    """The up and the down block. Raises ValueError in the tool's words."""
    ups = list(_UP.finditer(text))
    if not ups:
        raise ValueError("dbmate requires each migration to define an up block with '-- migrate:up'")
    start = ups[0].start()
    if not all(_NOTHING_SAID.fullmatch(line) for line in text[:start].split("\n")):
        raise ValueError("dbmate does not support statements preceding the '-- migrate:up' block")
    downs = list(_DOWN.finditer(text, start))
    if not downs:
        raise ValueError("dbmate requires each migration to define a down block with '-- migrate:down'")
    if len(ups) > 1 or len(downs) > 1:
        # Newer ones read several pairs, but note the version once for each: the second time fails (seen with 2.36).
        raise ValueError("it has more than one up and one down block, which dbmate cannot carry out")
    middle = downs[0].start()
    return _script(file, text, start, middle), _script(file, text, middle, len(text))


def _script(file: File, text: str, start: int, end: int) -> Script:
    first = _DIRECTIVE.sub("", text[start:end].split("\n", 1)[0])
    pairs = (word.split(":") for word in first.split())
    options = {pair[0]: pair[1] for pair in pairs if len(pair) == len("kv")}
    return file.script(span(text, start, end), transaction=options.get("transaction") != "false")
