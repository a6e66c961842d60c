"""The JSON Schema of `lastgood.yaml`, for editors: `python -m lastgood.config.jsonschema > lastgood.schema.json`."""

import enum
import sys
from collections.abc import Callable
from typing import Final, TypeAlias, get_args

import msgspec
from msgspec import inspect

from lastgood import catalog
from lastgood.catalog import Family
from lastgood.config.load import DEFAULT_KINDS
from lastgood.config.outside import Told
from lastgood.config.schema import CdnFile, DatabaseFile, File, ServiceFile
from lastgood.config.telemetry import GENERAL
from lastgood.model.duration import Duration

Schema: TypeAlias = dict[str, object]

_DURATION: Final[Schema] = {
    "type": "string",
    "pattern": r"^\d+(\.\d+)?(ms|s|m|h)$",
    "description": "A length of time: 500ms, 2s, 10m, 1h.",
}
_SIMPLE: Final[dict[type, Schema]] = {
    inspect.StrType: {"type": "string"},
    inspect.BoolType: {"type": "boolean"},
    inspect.AnyType: {},
}
_OUTSIDE: Final[tuple[Family, ...]] = ("trackers", "notifiers")
_ADAPTERS: Final[dict[str, Family]] = {"engine": "engines", "pin": "pins", "registry": "registries"}


def schema() -> Schema:
    """JSON Schema (2020-12) of the file, with the options of every member that every family has."""
    whole = _struct(File)
    _properties(whole)["forge"] = _either([_member("forges", kind) for kind in catalog.kinds("forges")])
    for family in _OUTSIDE:
        _properties(whole)[family] = {"type": "object", "additionalProperties": _addressee(family)}
    sources = [_source(kind) for kind in catalog.kinds("telemetry")]
    _properties(whole)["telemetry"] = {"type": "object", "additionalProperties": _either(sources)}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "lastgood.yaml", **whole}


def _of(kind: inspect.Type) -> Schema:
    match kind:
        case inspect.Metadata(type=inner):
            return _of(inner)
        case inspect.StructType(cls=cls):
            special = _SPECIAL.get(cls)
            return special() if special else _struct(cls)
        case inspect.DictType(value_type=value):
            return {"type": "object", "additionalProperties": _of(value)}
        case (
            inspect.VarTupleType(item_type=item, min_length=least) | inspect.ListType(item_type=item, min_length=least)
        ):
            return {"type": "array", "items": _of(item)} | ({"minItems": least} if least else {})
        case inspect.UnionType(types=types):
            return _either([_of(one) for one in types if not isinstance(one, inspect.NoneType)])
        case _:
            return _plain(kind)


def _plain(kind: inspect.Type) -> Schema:
    match kind:
        case inspect.IntType(ge=least, le=most):
            limits = {"minimum": least, "maximum": most}
            return {"type": "integer"} | {key: limit for key, limit in limits.items() if limit is not None}
        case inspect.EnumType(cls=cls):
            return {"enum": [member.value for member in cls]}
        case inspect.LiteralType(values=values):
            return {"enum": list(values)}
        case inspect.CustomType(cls=cls) if cls is Duration:
            return dict(_DURATION)
        case _ if type(kind) in _SIMPLE:
            return dict(_SIMPLE[type(kind)])
        case _:
            raise TypeError(f"no option may be of type {kind}")


def _struct(cls: type[msgspec.Struct]) -> Schema:
    fields = msgspec.structs.fields(cls)
    required = [field.encode_name for field in fields if field.required]
    return {
        "type": "object",
        "description": _paragraph(cls.__doc__),
        "properties": {field.encode_name: _field(field) for field in fields},
        "additionalProperties": False,
    } | ({"required": required} if required else {})


def _field(field: msgspec.structs.FieldInfo) -> Schema:
    found = _of(inspect.type_info(field.type))
    default = field.default
    if default is msgspec.NODEFAULT or default is None or isinstance(default, msgspec.Struct):
        return found
    if isinstance(default, enum.Enum):
        default = default.value
    return found | {"default": _written(default) if isinstance(default, Duration) else default}


def _properties(shape: Schema) -> Schema:
    properties = shape["properties"]
    if not isinstance(properties, dict):
        raise TypeError("a struct's schema has properties")
    return properties


def _database() -> Schema:
    """A database, with the migrators there are: by name alone, or with their options."""
    shape = _struct(DatabaseFile)
    kinds = catalog.kinds("migrators")
    members = [_member("migrators", kind) for kind in kinds]
    _properties(shape)["migrator"] = _either([{"enum": ["", *kinds]}, *members])
    return shape


def _service() -> Schema:
    """A service, with its adapters as the kinds there are."""
    shape = _struct(ServiceFile)
    properties = _properties(shape)
    for name, family in _ADAPTERS.items():
        properties[name] = _either([_member(family, kind) for kind in catalog.kinds(family)])
    properties["probes"] = {
        "type": "array",
        "items": _either([_member("probes", kind) for kind in catalog.kinds("probes")]),
    }
    properties["flows"] = {"type": "array", "items": _either([_flow(kind) for kind in catalog.kinds("flows")])}
    properties["cdn"] = _either([_cdn(kind) for kind in catalog.kinds("caches")])
    return shape


def _cdn(kind: str) -> Schema:
    """A cache of a kind, with what all of them have."""
    shape = _member("caches", kind)
    _properties(shape).update(_properties(_struct(CdnFile)))
    return shape


def _member(family: Family, kind: str) -> Schema:
    """One kind's options. `kind` may be left out where it is the family's default."""
    shape = _struct(catalog.options(family, kind))
    properties, required = shape["properties"], shape.get("required", [])
    if not isinstance(properties, dict) or not isinstance(required, list):
        raise TypeError("a struct's schema has properties")
    needed = [] if DEFAULT_KINDS.get(family) == kind else ["kind"]
    return shape | {"properties": {"kind": {"const": kind}, **properties}, "required": [*needed, *required]}


def _flow(kind: str) -> Schema:
    """A user flow of a kind, with what all of them have."""
    member = _member("flows", kind)
    general = {"name": {"type": "string"}, "tries": {"type": "integer", "minimum": 1, "maximum": 20, "default": 2}}
    _properties(member).update(general)
    required = member["required"]
    return member | {"required": ["name", *required]} if isinstance(required, list) else member


def _addressee(family: Family) -> Schema:
    """A tracker or notifier of any kind, with what all of them have."""
    members = [_member(family, kind) for kind in catalog.kinds(family)]
    kinds = {"type": "array", "items": {"enum": list(get_args(Told))}}
    for member in members:
        _properties(member).update({"on": kinds, "envs": {"type": "array", "items": {"type": "string"}}})
    return _either(members)


def _source(kind: str) -> Schema:
    """A source of telemetry, with what all of them have."""
    shape = _member("telemetry", kind)
    _properties(shape).update({key: {"type": "array", "items": {"type": "string"}} for key in GENERAL})
    return shape


def _either(options: list[Schema]) -> Schema:
    return options[0] if len(options) == 1 else {"oneOf": options}


def _paragraph(doc: str | None) -> str:
    """The first paragraph of a docstring, on one line."""
    return " ".join((doc or "").split("\n\n")[0].split())


def _written(duration: Duration) -> str:
    """A duration as one would write it: `10m`, not `600s`."""
    if 0 < duration < 1:
        return f"{duration * 1000:g}ms"
    for size, unit in ((3600, "h"), (60, "m")):
        if duration and duration % size == 0:
            return f"{duration // size:g}{unit}"
    return f"{float(duration):g}s"


_SPECIAL: Final[dict[type, Callable[[], Schema]]] = {ServiceFile: _service, DatabaseFile: _database}


if __name__ == "__main__":
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(schema()), indent=2).decode() + "\n")
