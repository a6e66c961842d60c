"""What becomes of the databases in every round of a rollback: each database by itself, from round to round."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import NamedTuple

from lastgood.database.desk import DatabaseDesk
from lastgood.model.errors import LastgoodError, Refused
from lastgood.model.target import DatabaseSpec, Target
from lastgood.plan.choose import Candidate, same_bytes
from lastgood.plan.draft import UNTOUCHED, Draft, Schema, Schemas
from lastgood.run.lineage import User
from lastgood.run.schema import Course


class _Shared(NamedTuple):
    """A database, and the numbers of the drafts whose services use it."""

    course: Course
    users: tuple[int, ...]


def decide_all(  # noqa: PLR0913 - what it is decided with
    desk: Callable[[Target], DatabaseDesk],
    drafts: Sequence[Draft],
    rounds: Sequence[Sequence[Candidate]],
    tell: Callable[[str], None],
    *,
    down: bool,
    others: Sequence[Target] = (),
) -> Schemas:
    """What becomes of the databases of all services, round by round, as far as the way can be told.

    `others` are services that stay as they are. Raises as `Course.next` where the first round cannot be, or would take
    a database down under one of the others; what a later one needs and cannot have ends the rounds.
    """
    decided: list[tuple[Schema, ...]] = []
    with ExitStack() as stack:
        every = [_shared(desk, drafts, users, stack, tell, down=down) for users in _together(drafts)]
        lowered = False
        for candidates in rounds:
            try:
                found = _round(drafts, every, candidates, looked=lowered)
                _alone(drafts, found, others)
            except LastgoodError as error:
                if not decided:
                    raise
                return Schemas(tuple(decided), _ends(decided, candidates, error))
            decided.append(found)
            lowered = lowered or any(schema.descent for schema in found)
    return Schemas(tuple(decided))


def _alone(drafts: Sequence[Draft], found: Sequence[Schema], others: Sequence[Target]) -> None:
    """Raise Refused where a database would go down under somebody who is not judged together with it."""
    for draft, schema in zip(drafts, found, strict=True):
        spec = draft.target.database
        if schema.descent is None or spec is None:
            continue
        for target in (*(one.target for one in drafts), *others):
            other = target.database
            if other is None or _which(other) != _which(spec) or target.env != draft.target.env:
                continue
            if target in others:
                raise _under(draft.target, target, schema, "stays as it is", "roll back the app that has both")
            if _means(other) != _means(spec):
                raise _under(draft.target, target, schema, "has different migrations in it", "go back by hand")


def _under(target: Target, other: Target, schema: Schema, why: str, then: str) -> Refused:
    return Refused(
        f"The schema would go down under {other.service}, which uses the same database and {why}.",
        because=(f"{target.service}: {schema.said}",),
        next=(then, "--image-only: leave the schema as it is, where the older release works with it"),
    )


def _ends(decided: Sequence[object], candidates: Sequence[Candidate], error: LastgoodError) -> str:
    name = ", ".join(candidate.release.image.name for candidate in candidates)
    tried = "1 release is" if len(decided) == 1 else f"{len(decided)} releases are"
    return f"only {tried} tried, and not {name}: {' '.join((error.what, *error.because))}"


def _round(
    drafts: Sequence[Draft], every: Sequence[_Shared], candidates: Sequence[Candidate], *, looked: bool
) -> tuple[Schema, ...]:
    found = [UNTOUCHED] * len(drafts)
    for shared in every:
        if not looked and all(_stays(drafts[at], candidates[at]) for at in shared.users):
            schemas: Sequence[Schema] = [Schema("stays: nobody who uses it moves")] * len(shared.users)
        else:
            schemas = shared.course.next([candidates[at] for at in shared.users])
        for at, schema in zip(shared.users, schemas, strict=True):
            found[at] = schema
    return tuple(found)


def _stays(draft: Draft, candidate: Candidate) -> bool:
    return draft.running.image is not None and same_bytes(candidate.image, draft.running.image)


def _together(drafts: Sequence[Draft]) -> list[tuple[int, ...]]:
    """The numbers of the drafts that use one database by the same means, for each database that is configured."""
    found: dict[tuple[object, ...], list[int]] = {}
    for number, draft in enumerate(drafts):
        spec = draft.target.database
        if spec is not None:
            found.setdefault((*_which(spec), *_means(spec)), []).append(number)
    return [tuple(users) for users in found.values()]


def _which(spec: DatabaseSpec) -> tuple[str, ...]:
    """What tells one database from another, as far as the configuration says."""
    return (spec.host, spec.container, spec.dsn, spec.name)


def _means(spec: DatabaseSpec) -> tuple[str, str]:
    """What moves its schema. Services that differ in that each know one part of a database only."""
    migrator = spec.migrator
    return (f"{migrator.kind} {migrator.options}" if migrator else "", spec.schema)


def _shared(  # noqa: PLR0913 - what it is decided with
    desk: Callable[[Target], DatabaseDesk],
    drafts: Sequence[Draft],
    users: tuple[int, ...],
    stack: ExitStack,
    tell: Callable[[str], None],
    *,
    down: bool,
) -> _Shared:
    mine = [User(desk(drafts[at].target), drafts[at]) for at in users]
    return _Shared(Course(mine, stack, tell, down=down), users)
