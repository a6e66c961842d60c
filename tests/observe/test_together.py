import threading

import pytest

from lastgood.observe.together import Asked, together


def test_questions_must_be_asked_at_the_same_time_and_answered_in_their_order() -> None:
    both = threading.Barrier(2, timeout=60)

    def ask(name: str) -> str:
        both.wait()
        return name

    assert together([lambda: ask("first"), lambda: ask("second")]) == ["first", "second"]


def test_a_single_question_must_stay_in_the_thread_that_asks() -> None:
    assert together([threading.current_thread]) == [threading.current_thread()]


def test_no_question_must_have_no_answer() -> None:
    assert together([]) == []


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_what_a_question_raises_must_be_raised_in_the_thread_that_asked(error: type[BaseException]) -> None:
    def fail() -> str:
        raise error

    with pytest.raises(error):
        together([fail, lambda: "fine"])
    with pytest.raises(error):
        Asked(fail).answer()


def test_a_question_that_fails_must_not_keep_the_others_from_being_asked() -> None:
    asked = threading.Event()

    def fail() -> None:
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - the very error of the question
        together([fail, asked.set])
    assert asked.wait(60)
