import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from lastgood.model.text import sanitise


def test_plain_text_must_stay_as_it_is() -> None:
    assert sanitise("Grüße, 日本 → sha-1a2b 🎉") == "Grüße, 日本 → sha-1a2b 🎉"


def test_what_a_terminal_acts_upon_must_be_shown_as_escapes() -> None:
    assert sanitise("\x1b[2J\x07\x9b\x7f") == r"\x1b[2J\x07\x9b\x7f"
    assert sanitise("a\r\nb\tc") == r"a\r\nb    c"
    assert sanitise("user\u202egnp.exe\u2066\u200b\ufeff\u2028") == r"user\u202egnp.exe\u2066\u200b\ufeff\u2028"
    assert sanitise(b"\xff".decode(errors="surrogateescape")) == r"\udcff"


def test_lines_must_stay_lines_only_where_asked_for() -> None:
    assert sanitise("a\nb\x1bc", multiline=True) == "a\nb\\x1bc"


@given(st.text(st.characters()))
def test_nothing_harmful_must_be_left_of_any_text(text: str) -> None:
    clean = sanitise(text)
    assert not {unicodedata.category(char) for char in clean} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert sanitise(clean) == clean
    clean.encode()
