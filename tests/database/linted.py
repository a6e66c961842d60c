"""Migration files as a team has them, and what is found in them."""

import hashlib
from dataclasses import dataclass, field

from lastgood.model.lint import Finding
from lastgood.model.schema import Migration, Script


@dataclass(frozen=True)
class Case:
    says: str
    up: str | None
    down: str | None
    found: tuple[str, ...] = ()
    irreversible: str = ""
    transaction: bool = True
    said: tuple[str, ...] = field(default=())
    """Texts that what is said, with what to do, must have in it."""


def script(name: str, sql: str | None, *, transaction: bool = True) -> Script | None:
    if sql is None:
        return None
    return Script(name, sql, hashlib.sha256(sql.encode()).hexdigest(), transaction)


def migration(case: Case) -> Migration:
    up = script("8_x.up.sql", case.up, transaction=case.transaction)
    down = script("8_x.down.sql", case.down, transaction=case.transaction)
    return Migration("8", "x", up, down, case.irreversible)


def short(finding: Finding) -> str:
    return f"{finding.path}:{finding.line} {finding.mark} {finding.rule}"
