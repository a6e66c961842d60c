"""What the migrations make of nothing: a throw-away database, and its schema after each of them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, TypeAlias

import msgspec

from lastgood.model.database import Failed, Fingerprint, Ran
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.schema import NOTHING, Migration, Script, Statement
from lastgood.postgres import scratch
from lastgood.postgres.asking import ask, execute, script
from lastgood.postgres.client import Client
from lastgood.postgres.fingerprint import fingerprint
from lastgood.postgres.quoting import elements, ident, literal
from lastgood.sql import Unparsed, body, parts, read, transactional

Note: TypeAlias = Callable[[str], None]
"""Is told what is done just now."""

_LONG: Final = 600.0
_USUAL: Final = '"$user", public'
_SURROUNDINGS: Final = """
SELECT json_build_object('path', current_setting('search_path'), 'user', current_user,
  'schemas', (SELECT coalesce(json_agg(nspname ORDER BY nspname), '[]') FROM pg_namespace
              WHERE nspname NOT IN ('public', 'information_schema') AND nspname !~ '^pg_'),
  'extensions', (SELECT coalesce(json_agg(json_build_object('name', extname, 'schema', nspname,
                   'version', extversion) ORDER BY e.oid), '[]')
                 FROM pg_extension e JOIN pg_namespace n ON n.oid = extnamespace WHERE extname <> 'plpgsql'))"""


class Extension(msgspec.Struct, frozen=True):
    """An extension that is installed, in which schema and version."""

    name: str
    schema: str
    version: str


class Around(msgspec.Struct, frozen=True):
    """What of the real database matters to whoever applies migrations: the search path as set, schemas, extensions."""

    path: str
    user: str
    schemas: tuple[str, ...]
    extensions: tuple[Extension, ...]


class Stage(msgspec.Struct, frozen=True):
    """A version, and the schema that its migration left."""

    version: str
    schema: Fingerprint


class Replayed(msgspec.Struct, frozen=True):
    """The schema before the first migration and after each one, as far as they could be applied.

    `stopped` says why one could not; empty where all were. `taken` is what was there before the first, in sentences.
    """

    stages: tuple[Stage, ...]
    stopped: str = ""
    taken: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stand:
    """Where migrations are replayed: like the database of `client`, without its tool's `table`. `run` names it."""

    client: Client
    table: str
    run: str
    note: Note

    def around(self) -> Fact[Around]:
        """What of the real database matters."""
        return ask(self.client, _SURROUNDINGS, Around)

    def schema(self, client: Client) -> Fact[Fingerprint]:
        """A schema without the tool's own table."""
        return fingerprint(client, without=(self.table,))


def statements(one: Script | None) -> tuple[Statement, ...]:
    """The statements of a script; none where there is no script, or it cannot be parsed."""
    try:
        return read(one.sql) if one else ()
    except Unparsed:
        return ()


def made(steps: Iterable[Migration], what: str) -> frozenset[str]:
    """The names of the schemas, or extensions, that the migrations make on their way up."""
    return frozenset(
        parts(one.name)[-1]
        for step in steps
        for statement in statements(step.up)
        for one in statement.makes
        if one.what == what
    )


def apply(client: Client, one: Script) -> Ran | Failed:
    """Run a script as its tool would: in one transaction where that can be."""
    try:
        found = read(one.sql)
    except Unparsed:  # the server says why
        return execute(client, one.sql, transaction=one.transaction, timeout=_LONG)
    if not one.transaction or transactional(found):
        return execute(client, one.sql, transaction=False, timeout=_LONG)
    return execute(client, "\n;\n".join(each.text for each in body(found)), timeout=_LONG)


def replay(stand: Stand, steps: Sequence[Migration], *, every: bool = True) -> Fact[Replayed]:
    """Apply the migrations to nothing, one by one; without `every`, only the last schema is taken.

    Schemas of the search path and of the tool's table that no migration makes are made first. Where a migration fails
    without them, so are the extensions that the real database has and none makes. Unknown where there is no throw-away
    database to be had, or it cannot be asked.
    """
    around = stand.around()
    if isinstance(around, Unknown):
        return around
    first = _replayed(stand, steps, around.value, (), every=every)
    extensions = tuple(one for one in around.value.extensions if one.name not in made(steps, "extension"))
    if isinstance(first, Unknown) or not first.value.stopped or not extensions:
        return first
    second = _replayed(stand, steps, around.value, extensions, every=every)
    if isinstance(second, Unknown):
        return first
    further = not second.value.stopped or len(second.value.stages) > len(first.value.stages)
    return second if further else first


@contextmanager
def prepared(
    stand: Stand, steps: Sequence[Migration], around: Around, extensions: Sequence[Extension] = ()
) -> Iterator[Fact[Client]]:
    """A throw-away database as it was before the first migration; gone at the end."""
    stand.note("starting a throw-away database")
    try:
        there = scratch.make(stand.client, stand.run)
        yield (
            Unknown(there.reason)
            if isinstance(there, Failed)
            else _furnished(stand.client.at(there.reach), _schemas(stand, steps, around), around.path, extensions)
        )
    finally:
        scratch.remove(stand.client, stand.run)


def _replayed(
    stand: Stand, steps: Sequence[Migration], around: Around, extensions: Sequence[Extension], *, every: bool
) -> Fact[Replayed]:
    taken = [f"the schema {name} was there before the first migration" for name in _schemas(stand, steps, around)]
    taken += [f"the extension {one.name} was there before the first migration" for one in extensions]
    with prepared(stand, steps, around, extensions) as client:
        if isinstance(client, Unknown):
            return client
        found = _stages(stand, client.value, steps, every=every)
    return found if isinstance(found, Unknown) else Known(Replayed(*found, tuple(taken)))


def _stages(
    stand: Stand, client: Client, steps: Sequence[Migration], *, every: bool
) -> tuple[tuple[Stage, ...], str] | Unknown:
    """The schemas, and why not all of them."""
    stages: list[Stage] = []
    for at, version in enumerate((NOTHING, *(step.version for step in steps))):
        if at:
            stand.note(f"applying {version}, {at} of {len(steps)}")
            why = _applied(client, steps[at - 1])
            if why:
                return tuple(stages), why
        if every or at == len(steps):
            schema = stand.schema(client)
            if isinstance(schema, Unknown):
                return schema
            stages.append(Stage(version, schema.value))
    return tuple(stages), ""


def _applied(client: Client, step: Migration) -> str:
    """Why a migration cannot be applied; empty where it was."""
    if step.up is None:
        return f"migration {step.version} has no way up"
    done = apply(client, step.up)
    if isinstance(done, Ran):
        return ""
    return f"{step.up.path} cannot be applied to an empty database: {done.reason}"


def _schemas(stand: Stand, steps: Sequence[Migration], around: Around) -> tuple[str, ...]:
    """The schemas that the tool itself needs to be there before its first migration."""
    path = [around.user if name == "$user" else name for name in elements(around.path)]
    needed = dict.fromkeys((parts(stand.table)[0], *path))
    return tuple(name for name in needed if name in around.schemas and name not in made(steps, "schema"))


def _furnished(client: Client, schemas: Sequence[str], path: str, extensions: Sequence[Extension]) -> Fact[Client]:
    lines = [f"CREATE SCHEMA IF NOT EXISTS {ident(name)};" for name in schemas]
    for one in extensions:
        if not one.schema.startswith("pg_"):
            lines.append(f"CREATE SCHEMA IF NOT EXISTS {ident(one.schema)};")
        how = f"SCHEMA {ident(one.schema)} VERSION {literal(one.version)} CASCADE"
        lines.append(f"CREATE EXTENSION IF NOT EXISTS {ident(one.name)} {how};")
    if path != _USUAL:
        there = ask(client, _SURROUNDINGS, Around)
        if isinstance(there, Unknown):
            return there
        if there.value.path != path:  # a database beside the real one may have it already
            said = ", ".join(map(literal, elements(path))) or "''"
            lines.append(f"ALTER DATABASE {ident(client.reach.name)} SET search_path TO {said};")
    if not lines:
        return Known(client)
    done = script(client, "\n".join(lines), timeout=60.0)
    return Unknown(done.reason) if isinstance(done, Failed) else Known(client)
