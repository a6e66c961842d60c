"""A file that people and the program write together: neither may lose what the other wrote."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastgood.record.blocks import head, merged, read_head, wrapped

HEAD = head("run-1", ("facts", "times"), {})
TEXT = f"# T\n\n{HEAD}\n\n{wrapped('facts', 'one')}\n\nmine\n\n{wrapped('times', 'noon')}\n"
NOTE = "(anew)\n"


def again(theirs: str, **fresh: str) -> str:
    return merged(theirs, "run-1", fresh, {}, NOTE)


def test_what_is_outside_must_stay_and_what_is_inside_be_made_anew() -> None:
    found = again(TEXT.replace("mine", "mine, changed"), facts="two", times="noon")
    assert found == TEXT.replace("mine", "mine, changed").replace(wrapped("facts", "one"), wrapped("facts", "two"))


def test_the_same_must_change_nothing() -> None:
    assert again(TEXT, facts="one", times="noon") == TEXT
    assert again(again(TEXT, facts="two", times="x"), facts="one", times="noon") == TEXT


def test_a_block_that_somebody_changed_must_stay_with_ours_below_it_once() -> None:
    found = again(TEXT.replace("one", "one, I think"), facts="two", times="noon")
    assert "one, I think\n" in found
    assert wrapped("facts", f"{NOTE}two") in found
    assert again(found, facts="two", times="noon") == found
    later = again(found, facts="three", times="noon")
    assert "one, I think\n" in later
    assert wrapped("facts", f"{NOTE}three") in later
    assert "two" not in later


def test_a_block_that_somebody_removed_must_stay_away_and_a_new_one_come() -> None:
    found = again(TEXT.replace(wrapped("times", "noon"), ""), facts="one", times="noon", more="new")
    assert "noon" not in found
    assert found.endswith(f"{wrapped('more', 'new')}\n")
    assert read_head(found) == ("run-1", ("facts", "times", "more"), {})
    assert again(found, facts="one", times="noon", more="new") == found


def test_line_ends_of_another_system_must_be_no_change_and_stay() -> None:
    theirs = TEXT.replace("\n", "\r\n")
    found = again(theirs, facts="two\nthree", times="noon", more="new")
    assert found == again(TEXT, facts="two\nthree", times="noon", more="new").replace("\n", "\r\n")
    assert again(theirs, facts="one", times="noon") == theirs
    mixed = TEXT.replace("mine\n", "mine\r\n")
    assert again(mixed, facts="two", times="noon") == mixed.replace(wrapped("facts", "one"), wrapped("facts", "two"))


def test_blanks_that_an_editor_takes_off_must_be_no_change() -> None:
    made = TEXT.replace(wrapped("facts", "one"), wrapped("facts", "one \n\nmore  "))
    theirs = "\n".join(line.rstrip() for line in made.split("\n"))
    assert again(theirs, facts="two", times="noon") == TEXT.replace(wrapped("facts", "one"), wrapped("facts", "two"))
    assert again(theirs, facts="one \n\nmore  ", times="noon") == theirs


def test_a_block_that_somebody_emptied_must_stay_empty() -> None:
    for left in ("\n", "\n\n", "\n   \n"):
        theirs = TEXT.replace(" -->\none\n", f" -->{left}")
        assert again(theirs, facts="two", times="noon") == theirs


@pytest.mark.parametrize(
    "broken",
    [
        TEXT.replace("<!-- lastgood:end facts -->", ""),
        TEXT.replace("<!-- lastgood:end facts -->", "<!-- lastgood:end times -->"),
        TEXT + wrapped("facts", "one"),
        TEXT.replace("mine", "<!-- lastgood:end times -->"),
        TEXT.replace("<!-- lastgood:begin facts", "<!-- lastgood:begin times"),
        TEXT.replace(" -->\none", " --> one"),
        TEXT.replace("run-1", "run-2"),
        TEXT.replace(HEAD, ""),
        "",
        "notes of my own",
    ],
)
def test_a_file_in_which_it_is_not_clear_whose_is_what_must_be_refused(broken: str) -> None:
    with pytest.raises(ValueError, match=r"comments|post-mortem"):
        again(broken, facts="two", times="noon")


@given(
    st.lists(st.text(max_size=40), min_size=3, max_size=3), st.text("ab*\n", max_size=20), st.text("ab*\n", max_size=20)
)
def test_no_word_of_people_may_be_lost(theirs: list[str], facts: str, times: str) -> None:
    if any("lastgood:" in one or "\r" in one for one in theirs):
        return
    text = f"{theirs[0]}{HEAD}{theirs[1]}{wrapped('facts', 'one')}{theirs[2]}{wrapped('times', 'noon')}"
    found = again(text, facts=facts, times=times)
    assert all(one in found for one in theirs)
    assert again(found, facts="one", times="noon") == text
