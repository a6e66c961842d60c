"""Alembic's revision files: Python that is parsed and never run."""

import ast
import posixpath
import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from lastgood.migrators._files import File, irreversible
from lastgood.model.schema import Migration, Script

ILLEGAL: Final = frozenset("@-+:")
"""What Alembic does not allow in the name of a revision."""

_FILE: Final = re.compile(r"(?!\.\#|__init__).*\.py")
_VERSIONS: Final = "versions/"


class _Revision(NamedTuple):
    """One file: its revision and those it follows, none where it is the first."""

    path: str
    name: str
    after: tuple[str, ...]
    migration: Migration


def read_folder(files: dict[str, bytes]) -> tuple[tuple[Migration, ...], tuple[str, ...]]:
    """The revisions, each behind those it follows, and what is wrong with files and chain."""
    found: dict[str, _Revision] = {}
    problems: list[str] = []
    for file in _candidates(files):
        try:
            one = _revision(file)
            if one.name in found:
                raise ValueError(f"its revision {one.name} is that of {found[one.name].path} too")  # noqa: TRY301
        except ValueError as error:
            problems.append(f"{file.path}: {error}")
        else:
            found[one.name] = one
    ordered, circle = _ordered(found)
    problems += _chain_problems(found, circle)
    return tuple(one.migration for one in ordered), tuple(problems)


def _candidates(files: dict[str, bytes]) -> Iterator[File]:
    """The files of `versions/` where there is such a folder, else those of the folder itself, as Alembic lists them."""
    base = _VERSIONS if any(path.startswith(_VERSIONS) for path in files) else ""
    for path, content in sorted(files.items()):
        folder, name = posixpath.split(path)
        if folder == base.rstrip("/") and _FILE.fullmatch(name):
            yield File(path, content)


def _revision(file: File) -> _Revision:
    """Raises ValueError, with what cannot be told."""
    try:
        module = ast.parse(file.content)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        message = f"it cannot be parsed as Python: {error}"
        raise ValueError(message) from error
    values = dict(_assigned(module))
    name = _literal(values, "revision")
    if not isinstance(name, str) or not name:
        raise ValueError("it has no `revision` that can be read without running it")
    if ILLEGAL & set(name):
        message = f"its revision {name!r} has a character that Alembic does not allow"
        raise ValueError(message)
    return _Revision(file.path, name, _after(values), _migration(file, module, name))


def _assigned(module: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """The module's own assignments, in order."""
    for node in module.body:
        if isinstance(node, ast.Assign):
            yield from ((target.id, node.value) for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
            yield node.target.id, node.value


def _literal(values: dict[str, ast.expr], name: str) -> object:
    """The value that is written there; None where there is none. Raises ValueError where it would have to be run."""
    if name not in values:
        return None
    try:
        found: object = ast.literal_eval(values[name])
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError) as error:
        message = f"its `{name}` cannot be read without running it"
        raise ValueError(message) from error
    return found


def _after(values: dict[str, ast.expr]) -> tuple[str, ...]:
    found = _literal(values, "down_revision")
    parents = (found,) if isinstance(found, str) else found or ()
    if not isinstance(parents, Sequence) or not all(isinstance(one, str) and one for one in parents):
        message = f"its `down_revision` is {found!r}, which names no revision"
        raise ValueError(message)
    return tuple(parents)


def _migration(file: File, module: ast.Module, name: str) -> Migration:
    up, down = (_function(module, wanted) for wanted in ("upgrade", "downgrade"))
    title = (ast.get_docstring(module) or posixpath.basename(file.path)).split("\n", 1)[0].strip()
    reason = irreversible(file.content.decode(errors="replace")) or _refusal(down)
    return Migration(name, title, _script(file, up), _script(file, down), reason)


def _function(module: ast.Module, name: str) -> list[ast.stmt]:
    """What a function of the module does, without what does nothing: docstrings, `pass`, `...` and `return`."""
    bodies = [node.body for node in module.body if isinstance(node, ast.FunctionDef) and node.name == name]
    return [node for node in (bodies[-1] if bodies else ()) if not _idle(node)]


def _idle(node: ast.stmt) -> bool:
    constant = isinstance(node, ast.Expr | ast.Return) and isinstance(node.value, ast.Constant | None)
    return isinstance(node, ast.Pass) or constant


def _script(file: File, body: list[ast.stmt]) -> Script | None:
    return file.script("") if body else None


def _refusal(body: list[ast.stmt]) -> str:
    """What the function raises, where it does nothing else: `raise NotImplementedError("data was merged")`."""
    if not body or not isinstance(body[0], ast.Raise):
        return ""
    raised = body[0].exc
    if isinstance(raised, ast.Call) and raised.args:
        said = raised.args[0]
        if isinstance(said, ast.Constant) and isinstance(said.value, str) and said.value:
            return said.value
    return f"it raises {ast.unparse(raised)}" if raised else "it raises"


def _ordered(found: dict[str, _Revision]) -> tuple[list[_Revision], list[_Revision]]:
    """The revisions, each behind those it follows; and those that follow themselves, which come last."""
    done: dict[str, _Revision] = {}
    left = dict(sorted(found.items()))
    while ready := [one for one in left.values() if not set(one.after) & set(left)]:
        done.update((one.name, one) for one in ready)
        left = {name: one for name, one in left.items() if name not in done}
    return [*done.values(), *left.values()], list(left.values())


def _chain_problems(found: dict[str, _Revision], circle: list[_Revision]) -> Iterator[str]:
    if circle:
        yield f"the revisions {_names(circle)} follow one another in a circle"
    first = [one for one in found.values() if not one.after]
    if len(first) > 1:
        yield f"the revisions branch: {_names(first)} follow none"
    for one in found.values():
        following = [other for other in found.values() if one.name in other.after]
        if len(following) > 1:
            yield f"the revisions branch: {_names(following)} follow {one.name}"
        if len(one.after) > 1:
            yield f"{one.path}: the revisions branch: it merges {', '.join(one.after)}"
        lost = [name for name in one.after if name not in found]
        if lost:
            yield f"{one.path}: it follows {', '.join(lost)}, which is in no file"


def _names(revisions: list[_Revision]) -> str:
    return ", ".join(sorted(one.name for one in revisions))
