"""What a statement's tree is asked for, and where the answers are put together.

The trees are protobuf messages of libpg_query. Nothing here imports them: enums are read by their names.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lastgood.model.schema import Doomed, Lock, Made, Mode, What
from lastgood.sql.names import spelled

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from postgast import pg_query_pb2 as pg


@dataclass
class Found:
    """What was found in one statement so far: the fields of `Statement`, growing."""

    doomed: list[Doomed] = field(default_factory=list)
    held: dict[str, Lock] = field(default_factory=dict)
    opaque: list[str] = field(default_factory=list)
    outside: str = ""
    control: str = ""
    masked: bool = False
    rewrites: list[str] = field(default_factory=list)
    makes: list[Made] = field(default_factory=list)

    def lose(self, what: What, name: str, because: str) -> None:
        """Something is taken away, or may be."""
        one = Doomed(what, name, because)
        if one not in self.doomed:
            self.doomed.append(one)

    def lock(self, relation: str, mode: Mode, because: str) -> None:
        """A relation is locked; of several locks on it the strongest counts."""
        held = self.held.get(relation)
        if held is None or held.mode < mode:
            self.held[relation] = Lock(relation, mode, because)
        elif held.mode == mode and because not in held.because.split(", "):
            self.held[relation] = Lock(relation, mode, f"{held.because}, {because}")

    def doubt(self, why: str) -> None:
        """Nobody can tell what the statement does."""
        if why not in self.opaque:
            self.opaque.append(why)

    def rewrite(self, relation: str) -> None:
        """A table is written anew, or may be."""
        if relation not in self.rewrites:
            self.rewrites.append(relation)

    def make(self, what: str, name: str, of: str = "") -> None:
        """Something is there afterwards that was not before."""
        self.makes.append(Made(what, name, of))


def kind(node: "Message") -> str:
    """The node's type: `DropStmt`."""
    return str(node.DESCRIPTOR.name)


def word(node: "Message", name: str) -> str:
    """The name of the value of a field that is an enum: `OBJECT_TABLE`."""
    number = getattr(node, name)
    enum = node.DESCRIPTOR.fields_by_name[name].enum_type
    found = enum.values_by_number.get(number)
    return str(found.name) if found is not None else str(number)


def inner(node: "pg.Node") -> "Message | None":
    """What a wrapping node holds; None where it holds nothing."""
    which = node.WhichOneof("node")
    found: Message | None = getattr(node, which) if which else None
    return found


def relation(node: "pg.RangeVar") -> str:
    """The name of a table as the statement has it: `shop.orders`."""
    return spelled(node.schemaname, node.relname)


def strings(nodes: "Iterable[pg.Node]") -> tuple[str, ...]:
    """The texts in a list of nodes, others left out."""
    return tuple(node.string.sval for node in nodes if node.HasField("string"))


def typed(node: "pg.TypeName") -> tuple[str, ...]:
    """A type's name in parts, without the schema of the built-in types."""
    names = strings(node.names)
    return names[1:] if len(names) > 1 and names[0] == "pg_catalog" else names


def named(node: "pg.Node") -> tuple[str, ...]:
    """The parts of a name, in whichever of the grammar's many ways it is given."""
    if node.HasField("string"):
        return (node.string.sval,)
    if node.HasField("list"):
        return tuple(part for item in node.list.items for part in named(item))
    if node.HasField("type_name"):
        return typed(node.type_name)
    if node.HasField("object_with_args"):
        return strings(node.object_with_args.objname)
    if node.HasField("range_var"):
        return tuple(part for part in (node.range_var.schemaname, node.range_var.relname) if part)
    return ()


def switched(options: "Iterable[pg.Node]", name: str) -> bool:
    """Whether an option of a statement is on: `(FULL)`, `(FULL true)`, but not `(FULL off)`."""
    for option in options:
        element = option.def_elem
        if element.defname == name:
            return not element.HasField("arg") or _on(element.arg)
    return False


def _on(value: "pg.Node") -> bool:
    if value.HasField("boolean"):
        return bool(value.boolean.boolval)
    if value.HasField("integer"):
        return bool(value.integer.ival)
    return str(value.string.sval).lower() not in ("off", "false", "none", "0")


def walk(node: "Message", *, but: frozenset[str] = frozenset()) -> "Iterator[Message]":
    """All nodes of a tree, without those of the types `but` and what is below them."""
    todo = [node]
    while todo:
        one = todo.pop()
        if kind(one) in but:
            continue
        yield one
        for described, value in one.ListFields():
            if described.message_type is not None:
                todo.extend(value if described.is_repeated else (value,))


def calls(node: "Message") -> Iterator[tuple[str, ...]]:
    """The names of all functions that are called in a tree."""
    for one in walk(node):
        if kind(one) == "FuncCall":
            yield strings(one.funcname)
