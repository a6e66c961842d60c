"""Addresses of databases become libpq's variables."""

import pytest

from lastgood.postgres.dsn import variables
from lastgood.postgres.quoting import derived, elements, ident, literal

ADDRESSES = {
    "postgres://shop:h%27ush%20@db.example:5433/shop?sslmode=verify-full&sslrootcert=/ca.pem": {
        "PGHOST": "db.example",
        "PGPORT": "5433",
        "PGUSER": "shop",
        "PGPASSWORD": "h'ush ",
        "PGDATABASE": "shop",
        "PGSSLMODE": "verify-full",
        "PGSSLROOTCERT": "/ca.pem",
    },
    "postgresql://db/shop": {"PGHOST": "db", "PGDATABASE": "shop"},
    "pgx5://shop@[2001:db8::1]:5432/shop": {
        "PGHOST": "2001:db8::1",
        "PGPORT": "5432",
        "PGUSER": "shop",
        "PGDATABASE": "shop",
    },
    "postgres://a:1,b:2/shop?target_session_attrs=read-write": {
        "PGHOST": "a,b",
        "PGPORT": "1,2",
        "PGDATABASE": "shop",
        "PGTARGETSESSIONATTRS": "read-write",
    },
    "postgres://%2Fvar%2Frun/shop": {"PGHOST": "/var/run", "PGDATABASE": "shop"},
    "postgres:///shop?host=/tmp&password=a+b": {"PGDATABASE": "shop", "PGHOST": "/tmp", "PGPASSWORD": "a+b"},
    "postgres://db/shop?x-migrations-table=versions&x-multi-statement=true": {"PGHOST": "db", "PGDATABASE": "shop"},
    "postgres://db/shop?search_path=tenant%20a,public&lock_timeout=5000": {
        "PGHOST": "db",
        "PGDATABASE": "shop",
        "PGOPTIONS": r"-csearch_path=tenant\ a,public -clock_timeout=5000",
    },
    "postgres://db/shop?options=-cjit%3Doff&search_path=a": {
        "PGHOST": "db",
        "PGDATABASE": "shop",
        "PGOPTIONS": "-cjit=off -csearch_path=a",
    },
    r"host=db user='a \'b' password=x\ y dbname = shop": {
        "PGHOST": "db",
        "PGUSER": "a 'b",
        "PGPASSWORD": "x y",
        "PGDATABASE": "shop",
    },
}


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_becomes_variables(address: str) -> None:
    assert variables(address) == ADDRESSES[address]


@pytest.mark.parametrize(
    "address",
    ["", "h'ush", "mysql://u:h'ush@db/x", "postgres://u:h'ush@[db/x", "postgres://db/x?sslpassword=h'ush", "host='db"],
)
def test_what_is_no_address_is_refused_without_being_shown(address: str) -> None:
    with pytest.raises(ValueError, match=r"address of the database") as told:
        variables(address)
    assert "h'ush" not in str(told.value)


def test_a_setting_with_a_name_that_could_be_something_else_is_refused() -> None:
    with pytest.raises(ValueError, match="no name of a setting"):
        variables("postgres://db/x?a%20-cb=1")


def test_texts_and_names_are_quoted() -> None:
    assert ident('a "b" $$;') == '"a ""b"" $$;"'
    assert literal("it's") == "'it''s'"
    assert literal("a\\'b") == "E'a\\\\''b'"
    for bad in ("", "a\0b"):
        with pytest.raises(ValueError, match="cannot be a name"):
            ident(bad)


def test_a_list_of_names_is_taken_apart_as_postgresql_does() -> None:
    assert elements('"a, ""b""", public,  c') == ('a, "b"', "public", "c")
    assert elements('""') == ("",)


def test_a_derived_name_fits_and_cuts_no_character() -> None:
    name = derived("ö" * 40, "_broken_20261128T101502")
    assert name.endswith("ö_broken_20261128T101502")
    assert len(name.encode()) <= 63
