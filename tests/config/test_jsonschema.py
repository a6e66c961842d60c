"""The published schema must say what the loader does."""

import json
import subprocess
import sys
from typing import Any

import msgspec
import pytest

from lastgood import catalog
from lastgood.catalog import Family
from lastgood.config.jsonschema import schema
from lastgood.config.schema import DatabaseFile, EnvironmentFile, File, GateFile, ServiceFile, WalkBackFile


def at(*path: str) -> dict[str, Any]:
    found: Any = schema()
    for step in path:
        found = found[step]
    assert isinstance(found, dict)
    return found


SERVICE = ("properties", "services", "additionalProperties", "properties")


@pytest.mark.parametrize(
    ("path", "struct"),
    [
        ((), File),
        (("properties", "environments", "additionalProperties"), EnvironmentFile),
        (("properties", "services", "additionalProperties"), ServiceFile),
        ((*SERVICE, "gate"), GateFile),
        ((*SERVICE, "walk_back"), WalkBackFile),
        ((*SERVICE, "database"), DatabaseFile),
    ],
)
def test_every_key_of_the_file_must_be_in_the_schema_and_no_other(
    path: tuple[str, ...], struct: type[msgspec.Struct]
) -> None:
    found = at(*path)
    assert tuple(found["properties"]) == struct.__struct_fields__
    assert found["additionalProperties"] is False


@pytest.mark.parametrize(
    ("family", "found"),
    [
        ("engines", at(*SERVICE, "engine")),
        ("pins", at(*SERVICE, "pin")),
        ("registries", at(*SERVICE, "registry")),
        ("probes", at(*SERVICE, "probes", "items")),
        ("forges", at("properties", "forge")),
    ],
)
def test_every_kind_must_be_there_with_its_own_options(family: Family, found: dict[str, Any]) -> None:
    shapes = {shape["properties"]["kind"]["const"]: shape for shape in found.get("oneOf", [found])}
    assert tuple(shapes) == catalog.kinds(family)
    for kind, shape in shapes.items():
        assert set(shape["properties"]) == {"kind", *catalog.options(family, kind).__struct_fields__}


def test_the_kind_must_be_required_unless_it_is_the_default() -> None:
    required = {shape["properties"]["kind"]["const"]: shape["required"] for shape in at(*SERVICE, "pin")["oneOf"]}
    assert required == {"compose": ["kind", "service"], "env-file": ["kind"], "values": []}


def test_durations_must_be_texts_with_a_readable_default() -> None:
    walk_back = at(*SERVICE, "walk_back", "properties", "time")
    assert (walk_back["type"], walk_back["default"]) == ("string", "10m")


def test_it_must_be_printed_as_json_by_the_module() -> None:
    done = subprocess.run([sys.executable, "-m", "lastgood.config.jsonschema"], capture_output=True, check=True)
    assert json.loads(done.stdout) == json.loads(json.dumps(schema()))
