"""Runs that wait to be taken up again."""

from collections.abc import Sequence

from lastgood.model.errors import UsageError


def only(runs: Sequence[str], what: str) -> str:
    """The one run of these. Raises UsageError, with `what` they are, where there is none, or more than one."""
    if len(runs) != 1:
        said = f"No run is {what}." if not runs else f"{len(runs)} runs are {what}: {', '.join(runs)}."
        raise UsageError(said, next=("lastgood runs",))
    return runs[0]
