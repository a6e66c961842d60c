"""What is known, and what is not: absence of data is a value with a reason, never a default."""

from typing import Generic, TypeAlias, TypeVar

import msgspec

T = TypeVar("T")


class Known(msgspec.Struct, Generic[T], frozen=True, tag="known", tag_field="fact"):
    """A fact that was looked up and found."""

    value: T


class Unknown(msgspec.Struct, frozen=True, tag="unknown", tag_field="fact"):
    """A fact that could not be looked up. `reason` is one clause for a human, for example `registry refused us`."""

    reason: str


Fact: TypeAlias = Known[T] | Unknown


def known_or(fact: "Fact[T]", default: T) -> T:
    """The value of `fact`, or `default` where it is unknown. For display and ordering only, never for a decision."""
    return fact.value if isinstance(fact, Known) else default


class Yes(msgspec.Struct, frozen=True, tag="yes", tag_field="verdict"):
    """Reality shows that a step took effect."""


class No(msgspec.Struct, frozen=True, tag="no", tag_field="verdict"):
    """Reality shows that a step did not take effect; it is safe to do it now."""


class Unclear(msgspec.Struct, frozen=True, tag="unclear", tag_field="verdict"):
    """Reality contradicts itself or could not be asked; a human has to look."""

    reason: str


Verdict: TypeAlias = Yes | No | Unclear
