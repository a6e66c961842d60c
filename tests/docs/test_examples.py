"""What README and docs claim about configuration, commands and exit codes, held against the code."""

import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from lastgood import catalog
from lastgood.catalog import Family
from lastgood.cli.app import VERBS
from lastgood.config.load import load
from lastgood.config.schema import (
    BackupsFile,
    BrowserFile,
    CdnFile,
    ChecklistFile,
    ContactFile,
    DatabaseFile,
    EnvironmentFile,
    File,
    GateFile,
    MigrationsFile,
    PointFile,
    ServiceFile,
    SourceFile,
    WalkBackFile,
)
from lastgood.model.duration import Duration
from lastgood.model.errors import Exit

ROOT = Path(__file__).resolve().parents[2]
PAGES = (ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md")))
README = (ROOT / "README.md").read_text()
CONFIGURATION = (ROOT / "docs/configuration.md").read_text()
FILES = (
    File,
    EnvironmentFile,
    ServiceFile,
    GateFile,
    WalkBackFile,
    DatabaseFile,
    MigrationsFile,
    BackupsFile,
    SourceFile,
    CdnFile,
    ChecklistFile,
    PointFile,
    ContactFile,
    BrowserFile,
)
FAMILIES: tuple[Family, ...] = get_args(Family)


def fenced(text: str, language: str) -> list[str]:
    """The code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def examples() -> Iterator[tuple[str, str]]:
    """Every YAML block that is a `lastgood.yaml`, by page."""
    for page in PAGES:
        for block in fenced(page.read_text(), "yaml"):
            if re.search(r"^(?:environments|services):", block, re.MULTILINE):
                yield page.name, block


def section(text: str, title: str) -> str:
    """What stands below a heading of the second level."""
    return re.split(r"^##? ", text.split(f"\n{title}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def rows(text: str) -> Iterator[list[str]]:
    """The cells of every table row, head and rule left out."""
    for line in text.splitlines():
        if line.startswith("| ") and not re.fullmatch(r"[| -]+", line):
            yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def anchors(page: Path) -> set[str]:
    """The headings of a page, as GitHub links to them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}


def written(value: object) -> str:
    """A default as the file would have it; empty where it is nothing, or a mapping of its own."""
    if isinstance(value, Duration):
        return next(f"{value / size:g}{unit}" for unit, size in (("m", 60), ("s", 1)) if value % size == 0)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(value)}]" if value else ""
    return str(value) if isinstance(value, str | int) else ""


def documented(kind: type[msgspec.Struct]) -> list[str]:
    return [field.encode_name for field in msgspec.structs.fields(kind)]


@pytest.mark.parametrize(("page", "example"), list(examples()))
def test_every_configuration_shown_must_load(page: str, example: str) -> None:
    config = load(example.encode(), page)
    assert config.targets("")


def test_the_reader_must_see_a_short_and_a_whole_configuration() -> None:
    assert {"README.md", "configuration.md"} <= {page for page, _ in examples()}


@pytest.mark.parametrize("kind", FILES, ids=lambda kind: kind.__name__)
def test_every_key_of_the_file_must_be_documented(kind: type[msgspec.Struct]) -> None:
    missing = [name for name in documented(kind) if f"`{name}`" not in CONFIGURATION]
    assert missing == []


@pytest.mark.parametrize(("family", "kind"), [(family, kind) for family in FAMILIES for kind in catalog.kinds(family)])
def test_every_option_of_every_kind_must_be_documented(family: Family, kind: str) -> None:
    assert f"kind `{kind}`" in CONFIGURATION or f"`kind: {kind}`" in CONFIGURATION
    missing = [name for name in documented(catalog.options(family, kind)) if f"\n| `{name}` |" not in CONFIGURATION]
    assert missing == []


@pytest.mark.parametrize(
    "kind",
    [*FILES, *(catalog.options(f, k) for f in FAMILIES for k in catalog.kinds(f))],
    ids=lambda kind: kind.__module__,
)
def test_every_default_must_be_told_as_it_is(kind: type[msgspec.Struct]) -> None:
    told = {(cells[0].strip("`"), cells[1]) for cells in rows(CONFIGURATION) if len(cells) == 3}
    defaults = {field.encode_name: field.default for field in msgspec.structs.fields(kind)}
    wanted = {(name, f"`{written(value)}`") for name, value in defaults.items() if written(value)}
    assert wanted - told == set()


def test_the_readme_must_name_every_command_and_no_other() -> None:
    table = chain.from_iterable(re.findall(r"`([^`]+)`", cells[0]) for cells in rows(section(README, "## Commands")))
    named = {words.removeprefix("lastgood ").split()[0] for words in table}
    assert named - {"command"} == set(VERBS)


def test_the_readme_must_tell_every_exit_code_and_no_other() -> None:
    codes = {int(cells[0]) for cells in rows(section(README, "## Exit codes")) if cells[0].isdigit()}
    assert codes == {int(code) for code in Exit}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_must_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?![a-z]+:)([^)#]*)(?:#([^)]*))?\)", page.read_text())
    targets = [((page.parent / path) if path else page, anchor) for path, anchor in links]
    assert [str(path) for path, _ in targets if not path.exists()] == []
    assert [anchor for path, anchor in targets if anchor and anchor not in anchors(path)] == []


def test_the_picture_must_show_a_rollback_and_fetch_nothing() -> None:
    picture = (ROOT / "docs/rollback.svg").read_text()
    shown = re.sub(r"<[^>]+>", "", picture.replace("&#160;", " "))
    assert "serves sha-" in shown
    assert re.findall(r"https?://(?!www\.w3\.org|127\.0\.0\.1)[^\s\"<]+|@import|@font-face", picture) == []
