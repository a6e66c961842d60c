"""The conformance suite of pins: it finds the members by itself, and fails for one without fixtures.

A member's fixtures are `pins/<module>.json`: `reads` are contents with the image they pin, what is pinned instead and
the exact result; `refuses` are contents and what the refusal must say. `latin1` marks content that is no UTF-8.
"""

import importlib
import json
import pkgutil
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import lastgood.pins
from lastgood.model.errors import PinUnreadable
from lastgood.model.release import Image
from lastgood.pins import compose, env_file, values
from lastgood.ports import Pin

FIXTURES = Path(__file__).parent / "pins"
MEMBERS = sorted(name for _, name, _ in pkgutil.iter_modules(lastgood.pins.__path__) if not name.startswith("_"))
DIGEST = "sha256:" + "c" * 64

tags = st.one_of(
    st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,40}", fullmatch=True),
    st.sampled_from(["1.10", "0123", "1e3", "yes", "null", "2024-01-01", "0x1f", "1_000", "_", "sha-abc", "0o17", "y"]),
)
line_ends = st.sampled_from(["\n", "\r\n"])
quotes = st.sampled_from(["", "'", '"'])
# Comments may hold anything but line breaks and what YAML forbids.
comments = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Zl", "Zp")), max_size=20)


def fixtures(member: str) -> dict[str, list[dict[str, Any]]]:
    path = FIXTURES / f"{member}.json"
    assert path.is_file(), f"pins/{member}.py has no fixtures: write tests/families/pins/{member}.json"
    loaded: dict[str, list[dict[str, Any]]] = json.loads(path.read_text())
    return loaded


def cases(kind: str) -> list[Any]:
    found = [
        (member, case)
        for member in MEMBERS
        if (FIXTURES / f"{member}.json").is_file()
        for case in fixtures(member)[kind]
    ]
    return [pytest.param(member, case, id=f"{member}: {case['name']}") for member, case in found]


def pin_of(member: str, options: dict[str, Any]) -> Pin:
    module = importlib.import_module(f"lastgood.pins.{member}")
    made: Pin = module.make(msgspec.convert(options, module.Options))
    return made


def content_of(case: dict[str, Any]) -> bytes:
    text: str = case["content"]
    return text.encode("latin-1" if case.get("latin1") else "utf-8")


def image_of(text: str) -> Image:
    repository, _, rest = text.partition("@")
    at = repository.rfind(":")
    return (
        Image(repository[:at], repository[at + 1 :], rest)
        if at > repository.rfind("/")
        else Image(repository, "", rest)
    )


@pytest.mark.parametrize("member", MEMBERS)
def test_a_member_must_have_fixtures_of_both_kinds_and_a_file_option(member: str) -> None:
    assert fixtures(member)["reads"]
    assert fixtures(member)["refuses"]
    options = importlib.import_module(f"lastgood.pins.{member}").Options
    assert options.__struct_config__.frozen
    assert options.__struct_config__.forbid_unknown_fields
    assert "file" in options.__struct_fields__


@pytest.mark.parametrize(("member", "case"), cases("reads"))
def test_a_pin_must_be_read_and_rewritten_byte_for_byte(member: str, case: dict[str, Any]) -> None:
    pin, content = pin_of(member, case["options"]), content_of(case)
    image, wanted = image_of(case["image"]), image_of(case["to"])
    assert pin.read(content) == image
    written = pin.write(content, wanted, add_digest=case.get("add_digest", False))
    assert written.decode() == case["written"]
    if "variables" in case:
        assert pin.variables(content) == case["variables"]


@pytest.mark.parametrize(("member", "case"), cases("reads"))
def test_pinning_what_is_pinned_must_change_nothing(member: str, case: dict[str, Any]) -> None:
    pin, content = pin_of(member, case["options"]), content_of(case)
    assert pin.write(content, image_of(case["image"])) == content


def attempt(pin: Pin, content: bytes, case: dict[str, Any]) -> None:
    if "variables" in case:
        pin.variables(content)
    elif "to" in case:
        pin.write(content, image_of(case["to"]), add_digest=case.get("add_digest", False))
    else:
        pin.read(content)


@pytest.mark.parametrize(("member", "case"), cases("refuses"))
def test_what_cannot_be_read_or_written_must_be_refused_with_its_place(member: str, case: dict[str, Any]) -> None:
    pin, content = pin_of(member, case["options"]), content_of(case)
    with pytest.raises(PinUnreadable) as raised:
        attempt(pin, content, case)
    assert case["says"] in " ".join((raised.value.what, *raised.value.because))


@pytest.mark.parametrize("member", MEMBERS)
@pytest.mark.parametrize(
    "content", [b"\xff\xfe\x00", b"\x00", b"{" * 3000, b"a" * 2_000_000, b"&a [*a, *a]", b"!!python/x"]
)
def test_garbage_must_be_refused_and_nothing_else(member: str, content: bytes) -> None:
    pin = pin_of(member, fixtures(member)["reads"][0]["options"])
    with pytest.raises(PinUnreadable):
        pin.read(content)


@pytest.mark.parametrize("member", MEMBERS)
@given(content=st.binary(max_size=200))
def test_any_bytes_must_be_read_or_refused(member: str, content: bytes) -> None:
    pin = pin_of(member, fixtures(member)["reads"][0]["options"])
    try:
        told = str(pin.read(content))
        pin.variables(content)
    except PinUnreadable as error:
        told = error.what
    assert told


def only_the_line_changed(pin: Pin, content: bytes, number: int, tag: str) -> None:
    before = pin.read(content)
    after = Image(before.repository, tag, DIGEST if before.digest else "")
    written = pin.write(content, after)
    assert pin.read(written) == after
    old, new = content.split(b"\n"), written.split(b"\n")
    assert len(old) == len(new)
    assert {at for at, pair in enumerate(zip(old, new, strict=True)) if pair[0] != pair[1]} <= {number}
    assert pin.read(pin.write(written, before)) == before


@given(old=tags, new=tags, quote=quotes, end=line_ends, comment=comments)
def test_a_new_tag_in_values_must_change_its_line_only(old: str, new: str, quote: str, end: str, comment: str) -> None:
    gap, last = 1 + len(comment) % 3, len(new) % 2 == 0
    assume(quote or old not in {"null", "~"})
    tag = f"{' ' * 2 * gap}tag:{' ' * gap}{quote}{old}{quote}{' ' * gap}#{comment}"
    lines = [f"#{comment}", "a: 'b'", f"image: # {comment}", f"{' ' * 2 * gap}repository: reg:5000/shop", tag]
    text = end.join([*lines, *([] if last else ["z: [1, 2]", f"# {comment}", ""])])
    only_the_line_changed(values.make(values.Options()), text.encode(), 4, new)


@given(old=tags, new=tags, quote=quotes, end=line_ends, comment=comments)
def test_a_new_tag_in_a_compose_file_must_change_its_line_only(
    old: str, new: str, quote: str, end: str, comment: str
) -> None:
    image = f"    image: {quote}reg:5000/shop:{old}{quote} #{comment}"
    text = end.join(["services:", "  db: {image: x}", f"  api: #{comment}", image, "    ports: []", ""])
    only_the_line_changed(compose.make(compose.Options(service="api")), text.encode(), 3, new)


@given(old=tags, new=tags, quote=quotes, end=line_ends, comment=comments)
def test_a_new_tag_in_an_env_file_must_change_its_line_only(
    old: str, new: str, quote: str, end: str, comment: str
) -> None:
    lines = [f"#{comment}", "IMAGE_REPOSITORY=reg/shop", f"IMAGE_TAG={quote}{old}{quote} #{comment}", "X=1", ""]
    only_the_line_changed(env_file.make(env_file.Options()), end.join(lines).encode(), 2, new)


@pytest.mark.parametrize(
    ("member", "options"),
    [
        ("values", {"key": ""}),
        ("values", {"key": "a..b"}),
        ("values", {"unknown": 1}),
        ("compose", {}),
        ("compose", {"service": ""}),
        ("env_file", {"image": "A", "tag": "B"}),
        ("env_file", {"tag": "not a name"}),
        ("env_file", {"tag": ""}),
        ("env_file", {"tag": "A", "digest": "A"}),
    ],
)
def test_options_that_contradict_themselves_must_be_refused(member: str, options: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        pin_of(member, options)
