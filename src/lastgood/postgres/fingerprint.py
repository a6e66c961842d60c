"""A schema in normal form, and what is different between two of them."""

from collections.abc import Iterable, Iterator
from typing import Final

from lastgood.model.database import Difference, Fingerprint
from lastgood.model.facts import Fact
from lastgood.postgres._catalogue import question
from lastgood.postgres.asking import ask
from lastgood.postgres.client import Client

_LONGEST: Final = 200


def fingerprint(client: Client, *, without: tuple[str, ...] = (), grants: bool = False) -> Fact[Fingerprint]:
    """The schema of a database. Tables in `without`, quoted and with their schema, are left out with all they own.

    Roles are part of it only with `grants`. Comments, owners and storage are not.
    """
    return ask(client, question(without, grants=grants), Fingerprint, timeout=120.0)


def difference(a: Fingerprint, b: Fingerprint) -> Difference:
    """How `b` differs from `a`. What a missing table had (its columns, constraints, indexes) is not told again."""
    gone, new = a.parts.keys() - b.parts.keys(), b.parts.keys() - a.parts.keys()
    said = [f"{name} is missing" for name in sorted(gone) if not _inside(name, gone)]
    said += [f"{name} is there and was not" for name in sorted(new) if not _inside(name, new)]
    for name in sorted(a.parts.keys() & b.parts.keys()):
        if a.parts[name] != b.parts[name]:
            said.append(f"{name} was {_cut(a.parts[name])}, and is {_cut(b.parts[name])}")
    said += _enums(a.values, b.values)
    order = [
        f"columns of {name} stand in another order: {', '.join(b.order[name])}"
        for name in sorted(a.order.keys() & b.order.keys())
        if a.order[name] != b.order[name] and sorted(a.order[name]) == sorted(b.order[name])
    ]
    return Difference(tuple(said), tuple(order))


def _inside(name: str, others: Iterable[str]) -> bool:
    """Whether a part belongs to a table that is itself among the others."""
    kind, _, rest = name.partition(" ")
    if kind not in {"column", "constraint", "trigger", "policy", "rule"}:
        return False
    owners = (other.partition(" ")[2] for other in others if other.startswith(("table ", "view ")))
    return any(rest.startswith(f"{owner}.") for owner in owners)


def _enums(a: dict[str, tuple[str, ...]], b: dict[str, tuple[str, ...]]) -> Iterator[str]:
    yield from (f"enum {name} is missing" for name in sorted(a.keys() - b.keys()))
    yield from (f"enum {name} is there and was not" for name in sorted(b.keys() - a.keys()))
    for name in sorted(a.keys() & b.keys()):
        less = [value for value in a[name] if value not in b[name]]
        more = [value for value in b[name] if value not in a[name]]
        if less:
            yield f"enum {name} has {_number(len(less))} less: {_listed(less)}"
        if more:
            yield f"enum {name} has {_number(len(more))} more: {_listed(more)}"
        if a[name] != b[name] and not less and not more:
            yield f"enum {name} has its values in another order: {_listed(b[name])}"


def _number(count: int) -> str:
    return "one value" if count == 1 else f"{count} values"


def _listed(values: Iterable[str]) -> str:
    return ", ".join(f'"{value}"' for value in values)


def _cut(text: str) -> str:
    plain = " ".join(text.split()) or "plain"
    return f'"{plain}"' if len(plain) <= _LONGEST else f'"{plain[: _LONGEST - 1]}…"'
