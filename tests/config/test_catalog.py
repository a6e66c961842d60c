"""The catalog: a kind is a file, and an unknown kind is told what there is."""

import sys
from pathlib import Path
from typing import Final

import pytest

import lastgood
from lastgood import catalog
from lastgood.catalog import Family
from lastgood.model.errors import ConfigError

FAMILIES: Final[tuple[Family, ...]] = ("engines", "pins", "registries", "probes")
MEMBERS = [(family, kind) for family in FAMILIES for kind in catalog.kinds(family)]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_kinds_must_be_the_folders_files(family: Family) -> None:
    files = (Path(lastgood.__file__).parent / family).glob("[a-z]*.py")
    assert catalog.kinds(family) == tuple(sorted(file.stem.replace("_", "-") for file in files))


@pytest.mark.parametrize(("family", "kind"), MEMBERS)
def test_every_member_must_have_strict_frozen_options_and_a_maker(family: Family, kind: str) -> None:
    options = catalog.options(family, kind)
    assert options.__struct_config__.frozen
    assert options.__struct_config__.forbid_unknown_fields
    assert callable(catalog.load(family, kind).make)


@pytest.mark.parametrize("kind", catalog.kinds("pins"))
def test_every_pin_must_say_which_file_it_is_in(kind: str) -> None:
    assert "file" in catalog.options("pins", kind).__struct_fields__


def test_an_unknown_kind_must_be_told_the_nearest_and_all_there_are() -> None:
    with pytest.raises(ConfigError) as raised:
        catalog.load("pins", "value")
    assert raised.value.what == "there is no pin kind 'value'; did you mean values?"
    assert raised.value.because == ("there are: compose, env-file, values",)


@pytest.mark.parametrize("kind", ["", "_yaml", "env_file", "../x", "os.path", "a\nb", "--force", "Http", "http.x"])
def test_a_hostile_kind_must_not_reach_an_import(kind: str) -> None:
    with pytest.raises(ConfigError):
        catalog.load("pins", kind)


def test_a_member_that_lacks_a_dependency_must_not_be_called_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "needy.py").write_text("import no_such_dependency\n")
    import lastgood.probes

    monkeypatch.setattr(lastgood.probes, "__path__", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "lastgood.probes.needy", raising=False)
    with pytest.raises(ModuleNotFoundError, match="no_such_dependency"):
        catalog.load("probes", "needy")
