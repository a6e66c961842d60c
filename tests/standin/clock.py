"""Time that passes only when somebody waits."""

from dataclasses import dataclass

NANO = 1_000_000_000


@dataclass
class Clock:
    """Implements `ports.Clock`; `at` is in Unix nanoseconds."""

    at: int

    def now(self) -> int:
        return self.at

    def monotonic(self) -> float:
        return self.at / NANO

    def sleep(self, seconds: float) -> None:
        self.at += round(seconds * NANO)
