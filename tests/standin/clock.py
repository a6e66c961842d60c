"""Time that passes only when somebody waits."""

NANO = 1_000_000_000


class Clock:
    """Implements `ports.Clock`; `at` is in Unix nanoseconds."""

    def __init__(self, at: int) -> None:
        self.at = at

    def now(self) -> int:
        return self.at

    def monotonic(self) -> float:
        return self.at / NANO

    def sleep(self, seconds: float) -> None:
        self.at += round(seconds * NANO)
