"""`kind: goose`: goose (github.com/pressly/goose) with migrations in SQL.

A migration is one file, `VERSION_NAME.sql`, with sections `-- +goose Up` and `-- +goose Down`. The table has a row for
every time that a version was applied or, long ago, undone; version 0 is the base, and always there.
"""

import re
from pathlib import PurePosixPath
from typing import Final

from lastgood.migrators import _plain, _tables
from lastgood.migrators._files import File, irreversible, top
from lastgood.migrators._goose_file import DOWN, UP, sections
from lastgood.model.schema import NOTHING, Migration, Migrations, SchemaState

_TOOL: Final = "goose"
_TABLE: Final = "goose_db_version"
_COLUMNS: Final = {"version_id": "bigint", "is_applied": "boolean"}
_NUMBER: Final = re.compile(r"[+-]?[0-9]+")
_MAX: Final = 2**63 - 1
_BASE: Final = 0
# `DefaultLockID` of goose's `lock` package. The command line takes no lock; programs that have goose built in may.
_LOCK: Final = 4097083626


class Options(_plain.Options, frozen=True, forbid_unknown_fields=True):
    """`table` is what `-table` says, where that is not `goose_db_version`."""


class Goose(_plain.PlainSql):
    """Implements `ports.Migrator`."""

    def __init__(self, options: Options) -> None:
        self._options = options

    def table(self, columns: _tables.Columns, schema: str) -> str:
        """The table with `id`, `version_id` and `is_applied`. Raises ValueError where more than one could be it."""
        key = _tables.key_of(self._options.table, schema, _TABLE)
        return _tables.find(columns, key, _TOOL, lambda has: "id" in has and has.items() >= _COLUMNS.items())

    def question(self, table: str) -> str:
        """Every row, in the order in which they were written."""
        return _tables.select(table, "pg_catalog.json_build_array(version_id, is_applied)", order="id")

    def read(self, table: str, answer: str) -> SchemaState:
        """The versions whose latest row says that they are applied, in the order in which they were.

        The last one is what goose calls the version of the database. Raises ValueError where the answer cannot be read.
        """
        latest: dict[int, bool] = {}
        for version, there in _tables.decoded(answer, list[tuple[int, bool]]):
            latest.pop(version, None)
            latest[version] = there
        applied = tuple(str(version) for version, there in latest.items() if there and version != _BASE)
        doubt = "" if latest else f"{table} has no row, not even that of version {_BASE}, with which {_TOOL} begins"
        return SchemaState(table, applied[-1] if applied else NOTHING, applied, doubt=doubt)

    def migrations(self, files: dict[str, bytes]) -> Migrations:
        """The files by version, in numeric order. Raises ValueError for two files of one version."""
        found: dict[int, File] = {}
        problems: list[str] = []
        for file in top(files):
            if not _is_migration(file.path):
                continue
            try:
                version = _version(file.path)
            except ValueError as error:
                problems += [f"{file.path}: {error}"] if file.path.endswith(".sql") else []
                continue
            if version in found:
                message = f"found duplicate migration version {version}: {found[version].path} and {file.path}"
                raise ValueError(message)
            found[version] = file
        steps = tuple(_migration(version, file, problems) for version, file in sorted(found.items()))
        return Migrations(steps, tuple(problems))

    def locks(self, database: str, schema: str, table: str) -> tuple[int, ...]:  # noqa: ARG002 - the port's signature
        """The one that a program with goose built in may take."""
        return (_LOCK,)

    def noting(self, state: SchemaState, undone: tuple[str, ...], to: str) -> str:
        """All rows of `undone` deleted, as the tool does; one of `to` added where it is not applied.

        The row of version 0 has to be there when no other is, or goose fails. Raises ValueError for no versions of its.
        """
        lines = [_tables.delete(state.table, "version_id", str(_number(one))) for one in undone]
        if not to:
            lines.append(_base(state.table))
        elif to not in set(state.applied or ()) - set(undone):
            lines.append(_tables.insert(state.table, "version_id, is_applied", f"{_number(to)}, true"))
        return "\n".join(lines)


def make(options: Options) -> Goose:
    """The member."""
    return Goose(options)


def _base(table: str) -> str:
    there = f"SELECT FROM {table} WHERE version_id OPERATOR(pg_catalog.=) {_BASE}"
    return f"INSERT INTO {table} (version_id, is_applied) SELECT {_BASE}, true WHERE NOT EXISTS ({there});"


def _is_migration(path: str) -> bool:
    return path.endswith((".sql", ".go")) and not path.endswith("_test.go")


def _version(path: str) -> int:
    """The number before the first underscore. Raises ValueError where goose passes over the file, or refuses it."""
    number, underscore, _ = path.partition("_")
    if not underscore or _NUMBER.fullmatch(number) is None or abs(int(number)) > _MAX:
        raise ValueError("its name does not begin with a number and an underscore")
    if int(number) <= _BASE:
        raise ValueError("migration version must be greater than zero")
    return int(number)


def _migration(version: int, file: File, problems: list[str]) -> Migration:
    name = PurePosixPath(file.path).stem.partition("_")[2]
    if file.path.endswith(".go"):
        problems.append(f"{file.path}: it is Go, and only the program that it is compiled into can tell and run it")
        return Migration(str(version), name, None, None)
    try:
        text = file.text()
        read = sections(text)
    except ValueError as error:
        problems.append(f"{file.path}: {error}")
        return Migration(str(version), name, None, None)
    problems += [f"{file.path}: {section}: {why}" for section, why in read.refused.items()]
    up, down = (
        None if sql is None or section in read.refused else file.script(sql, transaction=read.transaction)
        for section, sql in ((UP, read.up), (DOWN, read.down))
    )
    return Migration(str(version), name, up, down, irreversible(read.down or "", text))


def _number(version: str) -> int:
    if re.fullmatch(r"[0-9]+", version) is None or not _BASE < int(version) <= _MAX:
        message = f"{version!r} is no version of {_TOOL}"
        raise ValueError(message)
    return int(version)
