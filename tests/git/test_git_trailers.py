import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastgood.git.trailers import parse, render
from lastgood.model.release import Image, Trailers

DIGEST = "sha256:" + "a" * 64
FULL = Trailers(
    "run-1",
    Image("reg:5000/shop", "sha-2", DIGEST),
    Image("reg/shop", "sha-1"),
    (Image("reg/shop", "sha-2"), Image("reg/shop", "", DIGEST)),
)
images = st.builds(
    Image,
    st.from_regex(r"[a-z]{1,8}(\.[a-z]{2}(:[0-9]{2,4})?/[a-z]{1,5})?", fullmatch=True),
    st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True),
    st.sampled_from(["", DIGEST]),
)


@given(
    st.builds(Trailers, st.from_regex(r"[a-z0-9-]{1,20}", fullmatch=True), images, images, st.tuples(images, images))
)
def test_what_is_rendered_must_be_parsed_back(trailers: Trailers) -> None:
    message = render("Roll back shop", ("Because it answered 500.", "Kept: nothing."), trailers)
    assert parse(message.partition("\n\n")[2]) == trailers


def test_a_message_must_have_its_trailers_last() -> None:
    assert render("Roll back", ("why",), FULL).splitlines() == [
        "Roll back",
        "",
        "why",
        "",
        "Lastgood-Run: run-1",
        f"Lastgood-From: reg:5000/shop:sha-2@{DIGEST}",
        "Lastgood-To: reg/shop:sha-1",
        "Lastgood-Bad: reg/shop:sha-2",
        f"Lastgood-Bad: reg/shop@{DIGEST}",
    ]


def test_a_hostile_subject_must_stay_one_line() -> None:
    assert render("a\nLastgood-Run: x\x1b[31m", (), Trailers()) == "a Lastgood-Run: x\n"


@pytest.mark.parametrize(
    ("body", "run"),
    [
        ("Lastgood-Run: r\n", "r"),
        ("lastgood-run:r", "r"),
        ("text\n\nLastgood-Run: r\r\nOther: x\r\n", "r"),
        ("Lastgood-Run: r\n\nnot the last paragraph", ""),
        ("Lastgood-Run: r\nfree text in the same paragraph", ""),
        ("Lastgood-Run: r\nfree text\nSigned-off-by: a <b>", "r"),
        ("Lastgood-Run: \x1b[31mr", ""),
        ("", ""),
    ],
)
def test_only_a_last_paragraph_of_trailers_must_count(body: str, run: str) -> None:
    assert parse(body).run == run


def test_a_malformed_value_must_be_ignored_alone() -> None:
    found = parse("Lastgood-Run: r\nLastgood-To: @@\nLastgood-Bad: reg/a:1\nLastgood-Bad: a b\nLastgood-Bad: reg/c:3")
    assert found == Trailers("r", None, None, (Image("reg/a", "1"), Image("reg/c", "3")))
