"""What several releases know of one database's migrations, and where a way down leaves it."""

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import msgspec

from lastgood.database.choices import ALONE
from lastgood.database.desk import DatabaseDesk
from lastgood.database.releases import Sourced
from lastgood.model.descent import Descent
from lastgood.model.errors import Refused
from lastgood.model.release import Image
from lastgood.model.schema import NOTHING, SchemaState
from lastgood.plan.draft import Draft


class User(NamedTuple):
    """A service that uses the database, and how it is reached by what is configured for that one."""

    desk: DatabaseDesk
    draft: Draft


Knowing: TypeAlias = tuple[User, Image, Sourced]
"""A service, a release of it, and the migrations that this knows."""


def knows(one: Sourced, found: SchemaState) -> bool:
    """Whether a release knows all that is applied."""
    known = [each.version for each in one.migrations.steps]
    applied = found.applied if found.applied is not None else (found.version,)
    return all(each in known or each == NOTHING for each in applied)


def below(found: SchemaState, way: Descent) -> SchemaState:
    """What the migration tool says once the way is gone."""
    gone = {one.version for one in way.undone}
    applied = None if found.applied is None else tuple(one for one in found.applied if one not in gone)
    return msgspec.structs.replace(found, version=way.to, applied=applied)


def most(known: Sequence[Knowing]) -> Knowing:
    """The one that knows the most, and all that the others do. Raises Refused where they are not of one line."""
    best = max(known, key=lambda one: len(one[2].migrations.steps))
    mine = _files(best[2])
    for user, image, one in known:
        strange = sorted(version for version, sha in _files(one) - mine)
        if strange:
            raise Refused(
                "Services that use one database know different migrations.",
                because=(
                    f"{user.draft.target.service} {image.name} has {', '.join(strange)}",
                    f"{best[0].draft.target.service} {best[1].name} has not, or has others of that name",
                ),
                next=(ALONE, "go back service by service, and with the schema by hand"),
            )
    return best


def _files(one: Sourced) -> set[tuple[str, str]]:
    return {(each.version, each.up.sha256 if each.up else "") for each in one.migrations.steps}
