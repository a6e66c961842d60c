"""Migration files, looked at before they are needed: is there an honest way back, and what would they lock?"""

from typing import Final

from lastgood.database import _lint_locks, _lint_pairs, _lint_undo
from lastgood.database._linted import Rule, pair
from lastgood.model.lint import Finding, Mark
from lastgood.model.schema import Migrations

_RULES: Final[tuple[Rule, ...]] = (*_lint_pairs.RULES, *_lint_undo.RULES, *_lint_locks.RULES)


def lint(migrations: Migrations) -> tuple[Finding, ...]:
    """All findings, by path and line. Files that do not parse are findings too; nothing is raised."""
    found = [Finding("", 0, "bad-file", Mark.ERROR, problem) for problem in migrations.problems]
    if not migrations.native:
        said = "the migrations are no SQL: only running them with their own tool tells what they do"
        return (*found, Finding("", 0, "not-sql", Mark.INFO, said))
    found.extend(_lint_pairs.gaps(migrations))
    for one in migrations.steps:
        read = pair(one)
        found.extend(finding for rule in _RULES for finding in rule(read))
    return tuple(sorted(found, key=_order))


def _order(finding: Finding) -> tuple[str, int, str, str]:
    return finding.path, finding.line, finding.rule, finding.said
