"""Independent questions at the same time. Threads, not asyncio: that alone would cost the start-up budget."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from lastgood.model.facts import Fact, Known, Unknown

T = TypeVar("T")


class Asked(Generic[T]):
    """A question under way in a thread of its own."""

    def __init__(self, question: Callable[[], T]) -> None:
        self._question = question
        self._result: list[T] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self._thread.start()

    def _ask(self) -> None:
        try:
            self._result.append(self._question())
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that asked
            self._error = error

    def within(self, seconds: float) -> T | None:
        """The answer if it comes in time, else None; raises what the question raised."""
        self._thread.join(seconds)
        return None if self._thread.is_alive() else self.answer()

    def answer(self) -> T:
        """Wait for the answer; raises what the question raised."""
        self._thread.join()
        if self._error:
            raise self._error
        return self._result[0]


def answer_by(asked: Asked[T], end: float) -> Fact[T]:
    """The answer by a moment of `time.monotonic`. A defect in one question must not take the others' answers away."""
    try:
        found = asked.within(max(0.0, end - time.monotonic()))
    except Exception as error:  # noqa: BLE001 - as said
        return Unknown(f"{type(error).__name__}: {error}")
    return Unknown("no answer in time") if found is None else Known(found)


def together(questions: Sequence[Callable[[], T]]) -> list[T]:
    """Ask all questions at once; answers in the order of the questions. Raises the first error.

    A single question stays in the thread that asks, so that Ctrl-C reaches the program it runs.
    """
    if len(questions) == 1:
        return [questions[0]()]
    asked = [Asked(question) for question in questions]
    return [one.answer() for one in asked]
