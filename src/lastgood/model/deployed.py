"""When a release began to run, in terms of its database: what was written since is told by that."""

import msgspec

from lastgood.model.database import Moment
from lastgood.model.step import Runnable


class Deployed(msgspec.Struct, frozen=True):
    """The moment at which a release was first seen to run, `late` seconds after its oldest container was made.

    `late` is None where that is not known.
    """

    release: Runnable
    moment: Moment
    late: float | None
