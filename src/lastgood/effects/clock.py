"""Time from the machine's own clocks."""

import time


class SystemClock:
    """Implements `ports.Clock` on this machine."""

    def now(self) -> int:
        """Unix nanoseconds, UTC."""
        return time.time_ns()

    def monotonic(self) -> float:
        """Seconds on a clock that never jumps."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait `seconds`; a negative length is none. Returns early by raising KeyboardInterrupt only."""
        time.sleep(max(0.0, seconds))
