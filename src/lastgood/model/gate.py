"""The gate's values: samples go in, a decision comes out."""

from typing import TypeAlias

import msgspec

from lastgood.model.facts import Fact
from lastgood.model.observed import Container, Look


class Sample(msgspec.Struct, frozen=True):
    """One look at everything, `at` seconds after the gate began: the pin's containers per host, and every probe."""

    at: float
    containers: dict[str, Fact[tuple[Container, ...]]]
    looks: tuple[Look, ...]


class GateLimits(msgspec.Struct, frozen=True):
    """The gate's numbers after defaults and HEALTHCHECK were worked in; lengths in seconds. `because` says whence."""

    passes: int
    interval: float
    window: float
    limit: float
    because: str = ""


class Passed(msgspec.Struct, frozen=True, tag="passed", tag_field="gate"):
    """The gate passed: enough passes in a row over the whole stable window."""

    because: str


class Failed(msgspec.Struct, frozen=True, tag="failed", tag_field="gate"):
    """The gate failed. `signature` is alike for alike causes, so that two releases can be seen to fail the same way."""

    because: str
    signature: str


class Waiting(msgspec.Struct, frozen=True, tag="waiting", tag_field="gate"):
    """Not decided yet; `because` is what is missing."""

    because: str


GateDecision: TypeAlias = Passed | Failed | Waiting
