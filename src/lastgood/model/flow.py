"""User flows: what customers have to be able to do, tried after a switch at the public address."""

import enum

import msgspec


class FlowState(enum.StrEnum):
    """How a flow went. What could not be tried is unknown, never passed."""

    PASSED = "passed"
    FAILED = "failed"
    UNKNOWN = "unknown"


class FlowRun(msgspec.Struct, frozen=True):
    """One try of a flow: `steps` are those that were taken, `because` why it ended other than passed.

    `signature` is alike for alike causes. `files` are evidence, by name. None of it holds a secret of the flow's.
    """

    state: FlowState
    steps: tuple[str, ...] = ()
    because: str = ""
    signature: str = ""
    files: dict[str, bytes] = {}


def passed(steps: tuple[str, ...]) -> FlowRun:
    """Every step went as it has to."""
    return FlowRun(FlowState.PASSED, steps)


def failed(steps: tuple[str, ...], because: str, signature: str, files: dict[str, bytes] | None = None) -> FlowRun:
    """A step did not go as it has to."""
    return FlowRun(FlowState.FAILED, steps, because, signature, files or {})


def untried(because: str) -> FlowRun:
    """It could not be tried, which says nothing about the release."""
    return FlowRun(FlowState.UNKNOWN, (), because)
