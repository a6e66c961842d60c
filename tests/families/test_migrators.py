"""Every migrator must read files, tables and answers as its tool does, and leave a table that the tool accepts.

A member's fixtures are in `migrators/<module>/`, lists of cases: `folders` (files → migrations), `tables` (a database's
columns → the tool's table), `states` (an answer → facts), `notes` (what was undone → SQL and argv), `locks`; and
`recorded`, the rows that the tool itself wrote going up and down. Members are found by themselves, and fail without.
"""

import hashlib
import importlib
import json
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lastgood.migrators
from lastgood import catalog
from lastgood.migrators import _tables
from lastgood.model.schema import Migration, Program, SchemaState, Script
from lastgood.ports import Migrator
from sandbox import images, paths, prepare
from sandbox.run import docker, run, wait_until

FIXTURES = Path(__file__).parent / "migrators"
MEMBERS = sorted(name for _, name, _ in pkgutil.iter_modules(lastgood.migrators.__path__) if not name.startswith("_"))
FAMILIES = ("folders", "tables", "states", "notes", "locks")
# What a migration may leave as the search path: our SQL has to find the tool's table all the same.
NOWHERE = "SET search_path = '';\n"
DEFAULT, ODD = None, ('odd "s.chema', "ta'b\"le.\\x :name ü")


def fixture(member: str, name: str) -> Any:
    path = FIXTURES / member / f"{name}.json"
    assert path.is_file(), f"migrators/{member}.py has no fixtures: write tests/families/migrators/{member}/{name}.json"
    return json.loads(path.read_text())


def cases(name: str) -> list[Any]:
    with_fixtures = [member for member in MEMBERS if (FIXTURES / member).is_dir()]
    found = [(member, case) for member in with_fixtures for case in fixture(member, name)]
    return [pytest.param(member, case, id=f"{member}: {case['about']}") for member, case in found]


def migrator_of(member: str, options: dict[str, Any] | None = None) -> Migrator:
    module = importlib.import_module(f"lastgood.migrators.{member}")
    made: Migrator = module.make(msgspec.convert(options or {}, module.Options))
    return made


@pytest.mark.parametrize("member", MEMBERS)
def test_a_migrator_must_have_fixtures_and_strict_options(member: str) -> None:
    assert all(fixture(member, name) for name in (*FAMILIES, "recorded"))
    assert member.replace("_", "-") in catalog.kinds("migrators")
    options = importlib.import_module(f"lastgood.migrators.{member}").Options
    assert options.__struct_config__.frozen
    assert options.__struct_config__.forbid_unknown_fields
    assert options().table == ""


def files_of(case: dict[str, Any]) -> dict[str, bytes]:
    latin = case.get("latin1", ())
    return {path: text.encode("latin1" if path in latin else "utf-8") for path, text in case["files"].items()}


def told(script: Script | None) -> str | None:
    return None if script is None else script.sql


@pytest.mark.parametrize(("member", "case"), cases("folders"))
def test_a_folder_must_be_read_as_the_tool_reads_it(member: str, case: dict[str, Any]) -> None:
    files, migrator = files_of(case), migrator_of(member)
    if "refused" in case:
        with pytest.raises(ValueError, match=case["refused"].replace(".", r"\.")):
            migrator.migrations(files)
        return
    read = migrator.migrations(files)
    assert [shown(step, wanted) for step, wanted in zip(read.steps, case["steps"], strict=True)] == case["steps"]
    problems = case.get("problems", [])
    assert [part if part in said else said for said, part in zip(read.problems, problems, strict=True)] == problems
    assert read.native is case.get("native", True)
    scripts = [script for step in read.steps for script in (step.up, step.down) if script]
    assert all(script.sha256 == hashlib.sha256(files[script.path]).hexdigest() for script in scripts)


def shown(step: Migration, wanted: dict[str, Any]) -> dict[str, Any]:
    """A step as the fixtures write it; what they leave out has to have its default."""
    found: dict[str, Any] = {
        "version": step.version,
        "name": step.name,
        "up": told(step.up),
        "down": told(step.down),
        "irreversible": step.irreversible,
        "transaction": [script is None or script.transaction for script in (step.up, step.down)],
    }
    defaults = {"irreversible": "", "transaction": [True, True]}
    return {key: value for key, value in found.items() if key in wanted or value != defaults.get(key)}


@pytest.mark.parametrize("member", ["dbmate", "goose"])
def test_a_statement_must_stand_in_the_line_of_its_file(member: str) -> None:
    for case in fixture(member, "folders"):
        if "steps" not in case:
            continue
        for step in migrator_of(member).migrations(files_of(case)).steps:
            for script in filter(None, (step.up, step.down)):
                lines = case["files"][script.path].split("\n")
                kept = enumerate(script.sql.split("\n"))
                assert all(line in {"", lines[at].removesuffix("\r"), lines[at]} for at, line in kept)


@pytest.mark.parametrize(("member", "case"), cases("tables"))
def test_the_table_must_be_told_by_its_columns(member: str, case: dict[str, Any]) -> None:
    columns = {(one["schema"], one["name"]): tuple(map(tuple, one["columns"])) for one in case["tables"]}
    migrator, schema = migrator_of(member, case.get("options")), case.get("schema", "public")
    if "refused" in case:
        with pytest.raises(ValueError, match=r"table") as raised:
            migrator.table(columns, schema)
        assert case["refused"] in str(raised.value)
    else:
        assert migrator.table(columns, schema) == case["is"]


@pytest.mark.parametrize(("member", "case"), cases("states"))
def test_what_the_database_says_must_become_facts(member: str, case: dict[str, Any]) -> None:
    migrator = migrator_of(member)
    if "refused" in case:
        with pytest.raises(ValueError, match=case["refused"]):
            migrator.read("t", case["answer"])
        return
    state = migrator.read("t", case["answer"])
    applied = tuple(case["applied"]) if "applied" in case else None
    assert state == SchemaState("t", case["version"], applied, dirty=case.get("dirty", False), doubt=state.doubt)
    assert (case["doubt"] in state.doubt) if "doubt" in case else not state.doubt


@pytest.mark.parametrize(("member", "case"), cases("notes"))
def test_what_was_undone_must_be_noted_as_the_tool_notes_it(member: str, case: dict[str, Any]) -> None:
    migrator = migrator_of(member, case.get("options"))
    table = case.get("table", '"public"."schema_migrations"')
    state = msgspec.convert({"table": table, **case["state"]}, SchemaState)
    undone, to = tuple(case["undone"]), case["to"]
    if "refused" in case:
        with pytest.raises(ValueError, match=case["refused"]):
            migrator.noting(state, undone, to)
    elif "tool refused" in case:
        with pytest.raises(ValueError, match=case["tool refused"]):
            migrator.tool(state, undone, to)
    else:
        assert migrator.noting(state, undone, to) == case["sql"]
        program = msgspec.convert(case["tool"], Program) if "tool" in case else None
        assert migrator.tool(state, undone, to) == program
    if "begun" in case:
        assert migrator.begun(state, undone[0], to) == case["begun"]


@pytest.mark.parametrize(("member", "case"), cases("locks"))
def test_every_lock_that_the_tool_may_take_must_be_known(member: str, case: dict[str, Any]) -> None:
    keys = migrator_of(member).locks(case["database"], case["schema"], case["table"])
    pinned = [key if wanted is not None else None for key, wanted in zip(keys, case["keys"], strict=True)]
    assert pinned == case["keys"]
    assert len(set(keys)) == len(keys)


names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=15)


@given(schema=names, table=names)
def test_a_quoted_name_must_be_read_as_it_was(schema: str, table: str) -> None:
    assert _tables.parse(_tables.quoted(schema, table)) == (schema, table)


@pytest.mark.parametrize("member", MEMBERS)
@pytest.mark.parametrize("table", ["a.b.c", ".a", "a.", '"', 'a"b', '""', "a b", "x" * 64, "ü" * 32, '"a"b', '"\0"'])
def test_what_is_no_name_of_a_table_must_be_refused(member: str, table: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        migrator_of(member, {"table": table})


@pytest.mark.parametrize("options", [{"command": []}, {"command": [""]}, {"folder": "app"}])
def test_a_program_that_cannot_be_started_must_be_refused(options: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        migrator_of("alembic", options)


paths_of_files = st.one_of(
    st.from_regex(r"[0-9]{1,3}_[a-z]{0,2}\.(up|down|sql|py|go)(\.sql)?", fullmatch=True), st.text(max_size=8)
)
contents = st.one_of(
    st.binary(max_size=40),
    st.lists(
        st.sampled_from(
            [
                *("-- migrate:up", "-- migrate:down", "-- +goose Up", "-- +goose Down", "-- +goose StatementBegin"),
                *("-- +goose StatementEnd", "SELECT 1;", "SELECT", "", "revision = 'a'", "down_revision = 'a'"),
                *("def downgrade():", "    raise", "-- irreversible: x"),
            ]
        ),
        max_size=8,
    ).map(lambda lines: "\n".join(lines).encode()),
)


@pytest.mark.parametrize("member", MEMBERS)
@given(files=st.dictionaries(paths_of_files, contents, max_size=5))
def test_any_folder_must_be_read_or_refused_in_words(member: str, files: dict[str, bytes]) -> None:
    try:
        read = migrator_of(member).migrations(files)
    except ValueError as error:
        assert "duplicate" in str(error) or "two files" in str(error)  # noqa: PT017 - most folders are not refused
        return
    versions = [step.version for step in read.steps]
    assert len(set(versions)) == len(versions)
    assert all(script.path in files for step in read.steps for script in (step.up, step.down) if script)


@pytest.mark.parametrize("member", MEMBERS)
@given(
    answer=st.one_of(
        st.text(max_size=20), st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps)
    )
)
def test_any_answer_must_be_read_or_refused(member: str, answer: str) -> None:
    migrator = migrator_of(member)
    try:
        state = migrator.read("t", answer)
    except ValueError:
        return
    assert state.table == "t"


@dataclass(frozen=True)
class Server:
    """A PostgreSQL of its own, in a container without a network."""

    container: str

    def sql(self, database: str, text: str) -> str:
        """What psql prints, stripped. Raises SandboxError where a statement fails."""
        psql = ("psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-v", "name=wrong", "-U", "shop", "-d", database)
        return run(["docker", "exec", "--interactive", self.container, *psql], stdin=text).stdout.strip()

    def columns(self, database: str) -> _tables.Columns:
        """(name, type) of the columns of every table."""
        found = self.sql(
            database,
            """SELECT json_agg(json_build_array(n.nspname, c.relname, (SELECT json_agg(json_build_array(attname,
                 format_type(atttypid, atttypmod)) ORDER BY attnum) FROM pg_attribute
                 WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped)))
               FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
               WHERE relkind = 'r' AND nspname NOT IN ('pg_catalog', 'information_schema')""",
        )
        return {(schema, table): tuple(map(tuple, has)) for schema, table, has in json.loads(found)}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    prepare.ensure()
    options = ("--detach", "--network", "none", "--label", f"{paths.LABEL}=1")
    container = docker("run", *options, images.DATABASE.image)
    try:
        one = Server(container)
        ready = ("docker", "exec", container, "psql", "-U", "shop", "-d", "shop", "-c", "SELECT 1")
        wait_until(lambda: run(ready, check=False).returncode == 0, "PostgreSQL answers")
        yield one
    finally:
        docker("rm", "--force", "--volumes", container, check=False)


@dataclass(frozen=True)
class Table:
    """A tool's table in a database of its own, with what the tool wrote to it."""

    server: Server
    database: str
    migrator: Migrator
    name: str
    recorded: dict[str, Any]

    def fill(self, state: str) -> None:
        """Have the rows that the tool left in `state`."""
        rows = [", ".join(map(literal, row)) for row in self.recorded[state]]
        inserts = [_tables.insert(self.name, self.recorded["columns"], row) for row in rows]
        self.server.sql(self.database, "\n".join([f"TRUNCATE {self.name};", *inserts]))

    def state(self) -> SchemaState:
        """What the migrator reads, wherever the search path leads."""
        return self.migrator.read(
            self.name, self.server.sql(self.database, NOWHERE + self.migrator.question(self.name))
        )

    def rows(self) -> list[list[Any]]:
        """The rows, in the order of the first column."""
        columns = self.recorded["columns"]
        query = f"SELECT COALESCE(json_agg(json_build_array({columns}) ORDER BY 1), '[]') FROM {self.name}"  # noqa: S608
        return sorted(json.loads(self.server.sql(self.database, query)))

    def note(self, sql: str) -> None:
        """Run it as it will be: at the end of a transaction that went somewhere else."""
        self.server.sql(self.database, f"BEGIN;\n{NOWHERE}{sql}\nCOMMIT;")


def literal(value: Any) -> str:
    return _tables.literal(value) if isinstance(value, str) else json.dumps(value)


@pytest.fixture(scope="module", params=[(member, at) for member in MEMBERS for at in (DEFAULT, ODD)], ids=str)
def table(request: pytest.FixtureRequest, server: Server) -> Table:
    member, at = request.param
    recorded = fixture(member, "recorded")
    schema, name = at or (recorded["schema"], recorded["table"])
    quoted = _tables.quoted(schema, name)
    migrator = migrator_of(member, {"table": quoted} if at else None)
    database = f"{member}_{'odd' if at else 'default'}"
    server.sql("shop", f"CREATE DATABASE {database} TEMPLATE template0;")
    server.sql(
        database,
        f"""CREATE SCHEMA IF NOT EXISTS {_tables._identifier(schema)};
            CREATE TABLE {quoted} ({recorded["create"]});
            CREATE SCHEMA others;
            CREATE TABLE others.schema_migrations (version bigint PRIMARY KEY, inserted_at timestamp);""",
    )
    assert migrator.table(server.columns(database), "public") == quoted
    return Table(server, database, migrator, quoted, recorded)


def test_the_tools_own_table_must_be_read_and_left_as_the_tool_leaves_it(table: Table) -> None:
    versions, applied = table.recorded["versions"], table.recorded.get("applied")
    table.fill("up")
    state = table.state()
    assert state == SchemaState(table.name, versions[-1], tuple(applied) if applied else None)
    table.note(table.migrator.noting(state, (versions[-1],), versions[-2]))
    assert table.rows() == table.recorded["down"]
    state = table.state()
    assert (state.version, state.doubt) == (versions[-2], "")
    table.note(table.migrator.noting(state, tuple(reversed(versions[:-1])), ""))
    assert table.rows() == table.recorded["nothing"]
    assert (table.state().version, table.state().doubt) == ("", "")


def test_several_at_once_must_be_noted_as_one_by_one(table: Table) -> None:
    versions = table.recorded["versions"]
    table.fill("up")
    table.note(table.migrator.noting(table.state(), tuple(reversed(versions)), ""))
    assert table.rows() == table.recorded["nothing"]


def test_a_version_that_was_not_noted_must_be_noted(table: Table) -> None:
    versions = table.recorded["versions"]
    table.fill("down")
    table.note(table.migrator.noting(table.state(), (), versions[-1]))
    assert table.rows() == table.recorded["up"]


def test_what_was_begun_must_be_seen_as_dirty_by_whoever_looks(table: Table) -> None:
    versions = table.recorded["versions"]
    table.fill("up")
    state = table.state()
    begun = table.migrator.begun(state, versions[-1], versions[-2])
    table.server.sql(table.database, NOWHERE + begun)
    assert table.rows() == table.recorded.get("begun", table.recorded["up"])
    assert table.state().dirty is ("begun" in table.recorded)
    table.server.sql(table.database, NOWHERE + table.migrator.begun(state, versions[0], ""))
    assert table.rows() == table.recorded.get("begun to nothing", table.recorded["up"])
    table.note(table.migrator.noting(state, tuple(reversed(versions)), ""))
    assert table.rows() == table.recorded["nothing"]


def test_a_transaction_that_fails_must_leave_the_table_as_it_was(table: Table) -> None:
    versions = table.recorded["versions"]
    table.fill("up")
    noting = table.migrator.noting(table.state(), (versions[-1],), versions[-2])
    table.server.sql(table.database, f"BEGIN;\n{noting}\nROLLBACK;")
    assert table.rows() == table.recorded["up"]


def test_operators_of_others_must_not_be_found(server: Server) -> None:
    """A user who may create things in `public` could otherwise have a superuser's DELETE run their function."""
    migrator = migrator_of("dbmate")
    server.sql("shop", "CREATE DATABASE t_trap TEMPLATE template0;")
    server.sql(
        "t_trap",
        """CREATE TABLE schema_migrations (version varchar PRIMARY KEY);
           INSERT INTO schema_migrations VALUES ('1'), ('2');
           CREATE FUNCTION all_equal(varchar, varchar) RETURNS boolean LANGUAGE sql AS 'SELECT true';
           CREATE OPERATOR = (LEFTARG = varchar, RIGHTARG = varchar, FUNCTION = all_equal);""",
    )
    state = SchemaState('"public"."schema_migrations"', "2", ("1", "2"))
    server.sql("t_trap", migrator.noting(state, ("2",), "1"))
    assert server.sql("t_trap", "SELECT version FROM schema_migrations") == "1"
