"""Addresses of databases as variables for libpq, so that none of it stands in a command line. Pure.

Both of libpq's forms are read (PostgreSQL manual, 34.1.1), and what Go's lib/pq and golang-migrate add to the first:
`x-…` parameters, which are the tool's own, and settings of the session such as `search_path`.
"""

import re
from typing import Final
from urllib.parse import parse_qsl, unquote

_SCHEMES: Final = ("postgres", "postgresql", "pgx", "pgx4", "pgx5")
_VARIABLES: Final = {
    **{key: f"PG{key.upper()}" for key in ("host", "hostaddr", "port", "user", "password", "passfile", "service")},
    **{key: f"PG{key.upper()}" for key in ("sslmode", "sslcert", "sslkey", "sslrootcert", "sslcrl", "sslcrldir")},
    **{key: f"PG{key.upper()}" for key in ("sslsni", "sslcompression", "requirepeer", "gssencmode", "gsslib")},
    **{key: f"PG{key.upper()}" for key in ("krbsrvname", "options")},
    "dbname": "PGDATABASE",
    "database": "PGDATABASE",
    "channel_binding": "PGCHANNELBINDING",
    "client_encoding": "",  # ours: answers are read as UTF-8
    "application_name": "",  # ours: what was left behind is found by it
    "fallback_application_name": "",
    "connect_timeout": "PGCONNECT_TIMEOUT",
    "load_balance_hosts": "PGLOADBALANCEHOSTS",
    "require_auth": "PGREQUIREAUTH",
    "ssl_min_protocol_version": "PGSSLMINPROTOCOLVERSION",
    "ssl_max_protocol_version": "PGSSLMAXPROTOCOLVERSION",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
    # What makes no difference to a program that runs for some minutes, and has no variable.
    **dict.fromkeys(("keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count"), ""),
    **dict.fromkeys(("tcp_user_timeout", "binary_parameters", "disable_prepared_binary_result"), ""),
}
_REFUSED: Final = ("sslpassword", "replication", "sslinline")
_SETTING: Final = re.compile(r"(?a:[A-Za-z_][\w.]*)")
_PAIR: Final = re.compile(r"\s*(\w+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|((?:[^\s'\\]|\\.)*))(?:\s+|$)")


def variables(dsn: str) -> dict[str, str]:
    """The variables for libpq of an address. Raises ValueError, without any part of the address, where it is none."""
    scheme, separator, rest = dsn.partition("://")
    pairs = _from_url(rest) if separator and scheme in _SCHEMES else _from_pairs(dsn)
    found: dict[str, str] = {}
    options: list[str] = []
    for key, value in pairs:
        if key in _REFUSED:
            raise ValueError(f"the address of the database has `{key}`, which cannot be kept out of command lines")
        if key in _VARIABLES:
            found |= {_VARIABLES[key]: value} if _VARIABLES[key] else {}
        elif not key.startswith("x-"):
            options.append(option(key, value))
    if options:
        found["PGOPTIONS"] = " ".join(filter(None, (found.get("PGOPTIONS", ""), *options)))
    return found


def option(name: str, value: str) -> str:
    """A session's setting for PGOPTIONS. Raises ValueError where `name` cannot be one."""
    if not _SETTING.fullmatch(name):
        raise ValueError("the address of the database has a parameter that is no name of a setting")
    return f"-c{name}=" + re.sub(r"([\\\s])", r"\\\1", value)


def _from_url(rest: str) -> list[tuple[str, str]]:
    place, _, query = rest.partition("#")[0].partition("?")
    authority, _, path = place.partition("/")
    login, _, hosts = authority.rpartition("@")
    user, _, password = login.partition(":")
    ports = [_host_port(one) for one in hosts.split(",")] if hosts else []
    found = [
        ("host", ",".join(host for host, _ in ports)),
        ("port", ",".join(port for _, port in ports)),
        ("user", unquote(user)),
        ("password", unquote(password)),
        ("dbname", unquote(path)),
    ]
    # A plus is itself here, as for libpq; `parse_qsl` takes it for a space, as forms have it.
    said = parse_qsl(query.replace("+", "%2B"), keep_blank_values=True)
    return [(key, value) for key, value in found if value.strip(",")] + said


def _host_port(text: str) -> tuple[str, str]:
    found = re.fullmatch(r"(?:\[([^\]]*)\]|([^:\[\]]*))(?::(\d*))?", text)
    if not found:
        raise ValueError("the address of the database has a host that cannot be read")
    return unquote(found[1] if found[1] is not None else found[2]), found[3] or ""


def _from_pairs(dsn: str) -> list[tuple[str, str]]:
    pairs, at = [], 0
    while at < len(dsn.rstrip()):
        found = _PAIR.match(dsn, at)
        if not found:
            raise ValueError("the address of the database is neither postgres://… nor key=value pairs")
        text = found[2] if found[2] is not None else found[3]
        pairs.append((found[1], re.sub(r"\\(.)", r"\1", text)))
        at = found.end()
    if not pairs:
        raise ValueError("the address of the database is empty")
    return pairs
