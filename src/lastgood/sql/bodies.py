"""Whether statements can run together in one transaction."""

from collections.abc import Sequence
from typing import Final

from lastgood.model.schema import Statement

_BEGINS: Final = ("BEGIN", "START TRANSACTION")
_WITHIN: Final = ("SAVEPOINT", "RELEASE SAVEPOINT", "ROLLBACK TO SAVEPOINT")


def body(statements: Sequence[Statement]) -> tuple[Statement, ...]:
    """The statements without a pair of BEGIN and COMMIT around all of them.

    A pair that says more (`ISOLATION LEVEL`, `AND CHAIN`) stays: without it they would mean something else.
    """
    if len(statements) > 1 and statements[0].control in _BEGINS and statements[-1].control == "COMMIT":
        return tuple(statements[1:-1])
    return tuple(statements)


def transactional(statements: Sequence[Statement]) -> str:
    """Why the `body` of these cannot run in one transaction, with the first line that says so; empty where it can."""
    for one in body(statements):
        if one.outside:
            return f"line {one.line}: {one.outside}"
        if one.control and one.control not in _WITHIN:
            return f"line {one.line}: {one.control} controls the transaction itself"
    return ""
