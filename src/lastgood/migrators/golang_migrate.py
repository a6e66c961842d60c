"""`kind: golang-migrate`: golang-migrate (github.com/golang-migrate/migrate) with its postgres drivers.

A migration is two files, `VERSION_NAME.up.sql` and `VERSION_NAME.down.sql`. The table has one row: the newest version
that is applied, and whether a step to it was begun and not ended; no row where nothing is applied.
"""

import re
import zlib
from collections.abc import Iterator
from typing import Final, NamedTuple

from lastgood.migrators import _plain, _tables
from lastgood.migrators._files import File, irreversible, top
from lastgood.model.schema import NOTHING, Migration, Migrations, SchemaState, Script

_TOOL: Final = "golang-migrate"
_TABLE: Final = "schema_migrations"
_COLUMNS: Final = {"version": "bigint", "dirty": "boolean"}
_FILE: Final = re.compile(r"([0-9]+)_(.*)\.(down|up)\.(.*)")
_ANY_CASE: Final = re.compile(_FILE.pattern, re.IGNORECASE)
_NIL: Final = -1
_MAX_FILE: Final = 2**64 - 1
_MAX_TABLE: Final = 2**63 - 1
_SALT: Final = 1486364155


class Options(_plain.Options, frozen=True, forbid_unknown_fields=True):
    """`table` is `x-migrations-table`, with its schema if it has one, where that is not `schema_migrations`."""


class _Half(NamedTuple):
    """One file: what its name says, and what is in it."""

    version: int
    name: str
    direction: str
    extension: str
    file: File


class GolangMigrate(_plain.PlainSql):
    """Implements `ports.Migrator`. What `x-multi-statement` does is not copied: files run whole, as by default."""

    def __init__(self, options: Options) -> None:
        self._options = options

    def table(self, columns: _tables.Columns, schema: str) -> str:
        """The table with `version` and `dirty`. Raises ValueError where more than one could be it."""
        key = _tables.key_of(self._options.table, schema, _TABLE)
        return _tables.find(columns, key, _TOOL, lambda has: has.items() >= _COLUMNS.items())

    def question(self, table: str) -> str:
        """Every row, of which there should be at most one."""
        return _tables.select(table, "pg_catalog.json_build_array(version, dirty)")

    def read(self, table: str, answer: str) -> SchemaState:
        """The row as facts. Raises ValueError where the answer cannot be read."""
        rows = _tables.decoded(answer, list[tuple[int, bool]])
        version, dirty = rows[0] if rows else (_NIL, False)
        doubt = ""
        if len(rows) > 1:
            doubt = f"{table} has {len(rows)} rows, and {_TOOL} keeps one"
        elif version < _NIL:
            doubt = f"{table} says version {version}, which {_TOOL} never writes"
        return SchemaState(table, NOTHING if version == _NIL else str(version), dirty=dirty, doubt=doubt)

    def migrations(self, files: dict[str, bytes]) -> Migrations:
        """The files by version, in numeric order. Raises ValueError for two files of one version and direction."""
        halves: dict[tuple[int, str], _Half] = {}
        problems: list[str] = []
        for file in top(files):
            half = _half(file)
            if half is None:
                problems += _almost(file)
                continue
            if (half.version, half.direction) in halves:
                message = f"duplicate migration file: {file.path}"
                raise ValueError(message)
            halves[half.version, half.direction] = half
            problems += _odd(half)
        versions = sorted({version for version, _ in halves})
        steps = tuple(_migration(halves.get((at, "up")), halves.get((at, "down")), problems) for at in versions)
        return Migrations(steps, tuple(problems))

    def locks(self, database: str, schema: str, table: str) -> tuple[int, ...]:
        """Of the command line, which takes the URL's path for the name, and of programs that have it built in."""
        return tuple(_lock(schema, table, name) for name in (f"/{database}", database))

    def noting(self, state: SchemaState, undone: tuple[str, ...], to: str) -> str:  # noqa: ARG002 - the port's signature
        """The one row, written anew as the tool does. Raises ValueError where `to` is no version of its."""
        return _row(state.table, to, dirty=False)

    def begun(self, state: SchemaState, undone: str, to: str) -> str:  # noqa: ARG002 - as above
        """The row that says that the step to `to` was begun; version -1 stands for nothing."""
        return f"BEGIN;\n{_row(state.table, to, dirty=True)}\nCOMMIT;"


def make(options: Options) -> GolangMigrate:
    """The member."""
    return GolangMigrate(options)


def _half(file: File) -> _Half | None:
    found = _FILE.fullmatch(file.path)
    if found is None or int(found[1]) > _MAX_FILE:  # the tool passes over what it cannot parse
        return None
    return _Half(int(found[1]), found[2], found[3], found[4], file)


def _almost(file: File) -> Iterator[str]:
    if _FILE.fullmatch(file.path):
        yield f"{file.path}: {_TOOL} passes over it, because its version is too large"
    elif _ANY_CASE.fullmatch(file.path):
        yield f"{file.path}: {_TOOL} passes over it, because `up` and `down` have to be lower case"


def _odd(half: _Half) -> Iterator[str]:
    path = half.file.path
    if half.name.endswith((".up", ".down")):
        yield f"{path}: {_TOOL} takes it for {_article(half)}: the last of the two words counts"
    if "." in half.extension or half.extension.endswith("~"):
        yield f"{path}: {_TOOL} takes it for {_article(half)}, whatever stands at the end of its name"
    if half.version > _MAX_TABLE:
        yield f"{path}: version {half.version} does not fit into {_TOOL}'s table"


def _article(half: _Half) -> str:
    return "an up migration" if half.direction == "up" else "a down migration"


def _migration(up: _Half | None, down: _Half | None, problems: list[str]) -> Migration:
    scripts = {half.direction: _script(half, problems) for half in (down, up) if half}
    reason = irreversible(*(script.sql for script in scripts.values() if script))
    one = up or down
    assert one  # noqa: S101 - a version is there because of one of its files
    return Migration(str(one.version), one.name, scripts.get("up"), scripts.get("down"), reason)


def _script(half: _Half, problems: list[str]) -> Script | None:
    try:
        return half.file.script(half.file.text())
    except ValueError as error:
        problems.append(f"{half.file.path}: {error}")
        return None


def _lock(schema: str, table: str, database: str) -> int:
    """As `GenerateAdvisoryLockId` in the tool's `database/util.go`."""
    return zlib.crc32(f"{schema}\0{table}\0{database}".encode()) * _SALT % 2**32


def _row(table: str, version: str, *, dirty: bool) -> str:
    number = _number(version) if version else _NIL
    truncate = f"TRUNCATE {table};"
    if number == _NIL and not dirty:
        return truncate
    return f"{truncate}\n{_tables.insert(table, 'version, dirty', f'{number}, {str(dirty).lower()}')}"


def _number(version: str) -> int:
    if re.fullmatch(r"[0-9]+", version) is None or int(version) > _MAX_TABLE:
        message = f"{version!r} is no version of {_TOOL}"
        raise ValueError(message)
    return int(version)
