"""Any migrations with right downs are proved, and whichever statement a down lacks, just that one is found."""

from dataclasses import dataclass, field

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from proving import Proved, pairs

from lastgood.database._proof_bench import Bench
from lastgood.model.lint import Outcome

TYPES = ("int", "text", "varchar(12)", "numeric(8,2)", "timestamptz", "uuid", "jsonb", "boolean", "text[]", "date")
Step = tuple[str, str]


@dataclass
class Schema:
    """What is there so far, by name. `used` is what the migration at work has touched: each thing once."""

    columns: dict[str, str] = field(default_factory=dict)
    tables: list[str] = field(default_factory=list)
    indexes: dict[str, str] = field(default_factory=dict)
    enums: dict[str, list[str]] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    made: int = 0

    def name(self, kind: str) -> str:
        self.made += 1
        return f"{kind}{self.made}"

    def free(self, names: object) -> list[str]:
        return [name for name in names if name not in self.used]  # type: ignore[attr-defined] # any iterable of names


def create(draw: st.DrawFn, schema: Schema) -> Step:
    table = schema.name("t")
    schema.used |= {table, f"{table}.note"}
    schema.tables.append(table)
    schema.columns[f"{table}.note"] = "text"
    parent = draw(st.sampled_from(["", *(one for one in schema.tables if one not in schema.used)]))
    more = f", parent int REFERENCES {parent}" if parent else ""
    return f"CREATE TABLE {table} (id int PRIMARY KEY, note text{more})", f"DROP TABLE {table}"


def add(draw: st.DrawFn, schema: Schema) -> Step | None:
    if not (tables := schema.free(schema.tables)):
        return None
    table, type_, column = draw(st.sampled_from(tables)), draw(st.sampled_from(TYPES)), schema.name("c")
    schema.columns[f"{table}.{column}"] = type_
    schema.used.add(f"{table}.{column}")
    return f"ALTER TABLE {table} ADD {column} {type_}", f"ALTER TABLE {table} DROP {column}"


def drop(draw: st.DrawFn, schema: Schema) -> Step | None:
    if not (columns := schema.free(name for name in schema.columns if name not in schema.indexes.values())):
        return None
    chosen = draw(st.sampled_from(columns))
    table, column = chosen.split(".")
    type_ = schema.columns.pop(chosen)
    return f"ALTER TABLE {table} DROP {column}", f"ALTER TABLE {table} ADD {column} {type_}"


def index(draw: st.DrawFn, schema: Schema) -> Step | None:
    if not (columns := schema.free(name for name, kind in schema.columns.items() if kind != "jsonb")):
        return None
    chosen, name = draw(st.sampled_from(columns)), schema.name("i")
    schema.indexes[name] = chosen
    schema.used |= {chosen, name}
    table, column = chosen.split(".")
    return f"CREATE INDEX {name} ON {table} ({column})", f"DROP INDEX {name}"


def unindex(draw: st.DrawFn, schema: Schema) -> Step | None:
    if not (names := schema.free(schema.indexes)):
        return None
    name = draw(st.sampled_from(names))
    chosen = schema.indexes.pop(name)
    schema.used.add(chosen)
    table, column = chosen.split(".")
    return f"DROP INDEX {name}", f"CREATE INDEX {name} ON {table} ({column})"


def enum(_: st.DrawFn, schema: Schema) -> Step:
    name = schema.name("e")
    schema.enums[name] = ["a", "b"]
    schema.used.add(name)
    return f"CREATE TYPE {name} AS ENUM ('a', 'b')", f"DROP TYPE {name}"


def grow(draw: st.DrawFn, schema: Schema) -> Step | None:
    if not (names := schema.free(schema.enums)):
        return None
    name = draw(st.sampled_from(names))
    before, new = ", ".join(f"'{one}'" for one in schema.enums[name]), schema.name("v")
    schema.enums[name].append(new)
    schema.used.add(name)
    return f"ALTER TYPE {name} ADD VALUE '{new}'", f"DROP TYPE {name}; CREATE TYPE {name} AS ENUM ({before})"


def default(draw: st.DrawFn, schema: Schema) -> Step | None:
    texts = [name for name, kind in schema.columns.items() if kind == "text"]
    if not (columns := schema.free(name for name in texts)):
        return None
    chosen = draw(st.sampled_from(columns))
    schema.columns[chosen] = "text DEFAULT 'x'"
    schema.used.add(chosen)
    table, column = chosen.split(".")
    change = f"ALTER TABLE {table} ALTER {column}"
    return f"{change} SET DEFAULT 'x'", f"{change} DROP DEFAULT"


@st.composite
def histories(draw: st.DrawFn) -> list[list[Step]]:
    """Migrations of one to three statements, each with what undoes it."""
    schema = Schema()
    made: list[list[Step]] = [[create(draw, schema), enum(draw, schema)]]
    for _ in range(draw(st.integers(1, 2))):
        schema.used.clear()
        makers = draw(
            st.lists(st.sampled_from([create, add, drop, index, unindex, grow, default]), min_size=1, max_size=3)
        )
        steps = [step for maker in makers if (step := maker(draw, schema))]
        made.append(steps or [enum(draw, schema)])
    return made


def written(history: list[list[Step]], lacking: tuple[int, int] | None = None) -> list[tuple[str, str | None]]:
    """As files: downs undo in reverse; one statement of them is left out where `lacking` says which."""
    files: list[tuple[str, str | None]] = []
    for at, steps in enumerate(history):
        downs = [down for place, (_, down) in enumerate(steps) if (at, place) != lacking]
        files.append((";\n".join(up for up, _ in steps), ";\n".join(reversed(downs)) or "SELECT 1"))
    return files


@settings(
    max_examples=4,
    deadline=None,
    phases=(Phase.generate,),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(history=histories(), data=st.data())
def test_right_downs_must_be_proved_and_the_one_that_lacks_a_statement_found(
    bench: Bench, history: list[list[Step]], data: st.DataObject
) -> None:
    places = [(at, place) for at, steps in enumerate(history) for place in range(len(steps))]
    lacking = data.draw(st.sampled_from([None, *places]))
    found = Proved(bench, pairs(*written(history, lacking)))
    wanted = [Outcome.FAILED if lacking and at == lacking[0] else Outcome.PROVED for at in range(len(history))]
    assert found.outcomes == wanted, (lacking, found.findings)
    assert {path[:1] for path, _ in found.errors} == ({str(lacking[0] + 1)} if lacking else set())
