import msgspec
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
    told = msgspec.structs.replace(trailers, bad=tuple(dict.fromkeys(trailers.bad)))  # once each: it is a set
    assert parse(message.partition("\n\n")[2]) == told


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


def test_an_app_s_commit_must_be_read_by_each_of_its_services_for_itself() -> None:
    api = Trailers("run-1", Image("reg/api", "a3"), Image("reg/api", "a2"), (Image("reg/api", "a3"),))
    web = Trailers("run-1", Image("reg/web", "w3"), Image("reg/web", "w2"))
    message = render("Roll back shop", ("why",), api, web)
    assert message.count("Lastgood-Run: run-1") == 1
    body = message.partition("\n\n")[2]
    assert parse(body, "reg/api") == api
    found = parse(body, "reg/web")
    assert (found.run, found.went_from, found.went_to) == ("run-1", web.went_from, web.went_to)
    assert all(one.repository == "reg/api" for one in found.bad), "whose image it is, its repository tells"


def test_where_an_app_s_commit_says_nothing_of_a_service_it_must_know_nothing() -> None:
    api = Trailers("run-1", Image("reg/api", "a3"), Image("reg/api", "a2"))
    web = Trailers("run-1", Image("reg/web", "w3"), Image("reg/web", "w2"))
    found = parse(render("Roll back shop", (), api, web).partition("\n\n")[2], "reg/worker")
    assert (found.went_from, found.went_to) == (None, None)


def test_a_pin_before_the_switch_must_say_what_is_tried_and_which_step_made_it() -> None:
    trying = Trailers("run-1", trying=Image("reg/shop", "sha-1"), step="run-1/1.pin")
    message = render("Pin shop/prod to sha-1", ("It is deployed next, and judged then.",), trying)
    assert parse(message.partition("\n\n")[2], "reg/shop") == trying
    assert "Lastgood-To" not in message


def test_hostile_values_of_several_services_must_stay_each_on_its_own_line() -> None:
    hostile = Trailers("run\nLastgood-To: reg/x:1", step="1.pin\x1b[2J\nLastgood-Bad: reg/y:2")
    found = parse(render("s", (), hostile, Trailers("run-1")).partition("\n\n")[2])
    assert (found.went_to, found.bad) == (None, ())
