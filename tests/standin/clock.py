"""Time that passes only when somebody waits."""

from collections.abc import Callable
from dataclasses import dataclass

NANO = 1_000_000_000


@dataclass
class Clock:
    """Implements `ports.Clock`; `at` is in Unix nanoseconds, `wrong` by how much the clock on the wall is off then."""

    at: int
    wrong: Callable[[int], int] = lambda _: 0

    def now(self) -> int:
        return self.at + self.wrong(self.at)

    def monotonic(self) -> float:
        return self.at / NANO

    def sleep(self, seconds: float) -> None:
        self.at += round(seconds * NANO)
