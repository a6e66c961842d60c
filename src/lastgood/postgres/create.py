"""Databases beside the real one: made alike, dressed in what a dump does not hold, and dropped again."""

from typing import Final

import msgspec

from lastgood.model.database import Failed, Grant, Overview, Ran, Setting, Surroundings
from lastgood.model.facts import Fact, Unknown
from lastgood.postgres import facts
from lastgood.postgres.asking import ask, script
from lastgood.postgres.client import Client
from lastgood.postgres.quoting import elements, ident, literal

MARKER: Final = "lastgood "
"""How the comment on a database of ours begins; nothing without it is ever dropped."""

# guc.h, GUC_LIST_QUOTE: the value is a list of names, which SET takes one by one.
_LISTS: Final = frozenset(
    {
        *("search_path", "temp_tablespaces", "local_preload_libraries"),
        *("session_preload_libraries", "shared_preload_libraries", "unix_socket_directories"),
    }
)


class Blueprint(msgspec.Struct, frozen=True):
    """What is needed to make a database like another one; `maintenance` is the database to say it in."""

    maintenance: Client
    like: Overview
    around: Surroundings


def blueprint(client: Client) -> Blueprint | Failed:
    """How the client's own database is made."""
    maintenance, like = facts.maintenance(client), facts.overview(client)
    if isinstance(maintenance, Unknown):
        return Failed(maintenance.reason)
    if isinstance(like, Unknown):
        return Failed(like.reason)
    around = facts.surroundings(client, like.value.name)
    if isinstance(around, Unknown):
        return Failed(around.reason)
    return Blueprint(maintenance.value, like.value, around.value)


def create(maintenance: Client, name: str, like: Overview, around: Surroundings | None, comment: str) -> Ran | Failed:
    """Make an empty database that stores and sorts as `like` does, with the same owner and tablespace.

    `comment`, after the marker, says whose it is. Without `around` it is the asking user's, in the default place.
    """
    words = [f"CREATE DATABASE {ident(name)} TEMPLATE template0", f"ENCODING {literal(like.locale.encoding)}"]
    words += [f"LC_COLLATE {literal(like.locale.collate)}", f"LC_CTYPE {literal(like.locale.ctype)}"]
    if like.locale.provider == "i":
        words += ["LOCALE_PROVIDER icu", f"ICU_LOCALE {literal(like.locale.icu or '')}"]
        words += [f"ICU_RULES {literal(like.locale.rules)}"] if like.locale.rules else []
    elif like.locale.provider == "b":
        words += ["LOCALE_PROVIDER builtin", f"BUILTIN_LOCALE {literal(like.locale.icu or '')}"]
    if around:
        words += [f"OWNER {ident(around.owner)}", f"TABLESPACE {ident(around.tablespace)}"]
    marked = f"COMMENT ON DATABASE {ident(name)} IS {literal(f'{MARKER}{comment}')}"
    return script(maintenance, f"{' '.join(words)};\n{marked};", timeout=300.0)


def dress(maintenance: Client, name: str, around: Surroundings) -> Ran | Failed:
    """Give a database the settings, grants and connection limit of another, once it is filled."""
    target = f"DATABASE {ident(name)}"
    lines = [f"ALTER {target} CONNECTION LIMIT {around.limit};"]
    lines += [_setting(name, one) for one in around.settings]
    if around.grants is not None:
        owner = ident(around.owner)
        lines.append(f"REVOKE ALL ON {target} FROM PUBLIC; REVOKE ALL ON {target} FROM {owner};")
        lines += [_grant(target, one) for one in around.grants]
    return script(maintenance, "\n".join(lines), timeout=60.0, transaction=True)


def drop(maintenance: Client, name: str) -> Ran | Failed:
    """Drop a database of ours with everybody in it; fine where it is gone. Refused where its comment says otherwise."""
    there = comments(maintenance)
    if isinstance(there, Unknown):
        return Failed(there.reason)
    if not there.value.get(name, MARKER).startswith(MARKER):
        return Failed(f"the database {name} is not one that lastgood made, and is not dropped")
    return script(maintenance, f"DROP DATABASE IF EXISTS {ident(name)} WITH (FORCE);", timeout=300.0)


def comments(maintenance: Client) -> Fact[dict[str, str]]:
    """What the comments on the server's databases say, by name; empty where one has none."""
    question = "SELECT json_object_agg(datname, coalesce(shobj_description(oid, 'pg_database'), '')) FROM pg_database"
    return ask(maintenance, question, dict[str, str])


def _setting(name: str, one: Setting) -> str:
    whose = f"ROLE {ident(one.role)} IN DATABASE {ident(name)}" if one.role else f"DATABASE {ident(name)}"
    value = literal(one.value)
    if one.name in _LISTS:
        value = ", ".join(map(literal, elements(one.value))) or "''"
    parts = ".".join(map(ident, one.name.split(".")))
    return f"ALTER {whose} SET {parts} TO {value};"


def _grant(target: str, one: Grant) -> str:
    whom = ident(one.role) if one.role else "PUBLIC"
    words = {"CREATE": "CREATE", "CONNECT": "CONNECT", "TEMPORARY": "TEMPORARY"}
    return f"GRANT {words[one.privilege]} ON {target} TO {whom}{' WITH GRANT OPTION' if one.grantable else ''};"
