"""Throw-away databases are alike, out of reach of anything, and gone afterwards."""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from pgworld import Server, docker, failed, known, ran, saved

from lastgood.model.database import Format, Scratch
from lastgood.model.facts import Unknown
from lastgood.postgres import facts, scratch
from lastgood.postgres.asking import execute
from lastgood.postgres.client import Client
from lastgood.postgres.fingerprint import difference, fingerprint
from lastgood.postgres.restore import load


@pytest.fixture
def made(orders: Client) -> Iterator[Scratch]:
    run = f"t{os.getpid()}-{orders.mark}"
    ran(execute(orders, "GRANT SELECT ON orders TO careful"))
    found = scratch.make(orders, run)
    assert isinstance(found, Scratch), found
    yield found
    assert scratch.remove(orders, run) is None


def test_a_backup_is_restored_into_a_throw_away_server(orders: Client, made: Scratch, folder: Path) -> None:
    there = orders.at(made.reach)
    ran(load(there, saved(orders, folder).path, Format.CUSTOM))
    assert known(facts.counts(there)) == {"public.orders": 90}
    same = difference(known(fingerprint(orders, grants=True)), known(fingerprint(there, grants=True)))
    assert same.real == ()
    mine, theirs = known(facts.overview(orders)), known(facts.overview(there))
    assert (theirs.version, theirs.name, theirs.owner, theirs.locale) == (
        mine.version,
        mine.name,
        mine.owner,
        mine.locale,
    )
    shown = docker("inspect", "--format", "{{.HostConfig.NetworkMode}} {{.Mounts}}", made.container)
    assert shown == "none []"
    assert made.run in known(scratch.leftovers(orders))
    assert scratch.remove(orders, made.run) is None
    assert scratch.remove(orders, made.run) is None
    assert made.run not in known(scratch.leftovers(orders))
    assert isinstance(facts.overview(there), Unknown)
    assert known(facts.overview(orders)).name == mine.name


def test_a_server_that_does_not_start_leaves_nothing(orders: Client) -> None:
    run = f"unlucky-{os.getpid()}"
    refused = failed(scratch.make(orders, run, network="no-such-network"))
    assert "the throw-away server does not start" in refused.reason
    assert run not in known(scratch.leftovers(orders))


def test_without_a_container_it_is_a_database_of_the_same_server(
    server: Server, orders: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    (tmp_path / "psql").write_text(
        '#!/bin/sh\no=; for n in $(env | grep -o "^PG[A-Z]*"); do o="$o -e $n"; done\n'
        f'exec docker exec -i $o {server.container} psql "$@"\n'
    )
    (tmp_path / "psql").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    outside = orders.at(msgspec.structs.replace(orders.reach, container=""))
    found = scratch.make(outside, "r2")
    assert isinstance(found, Scratch)
    assert (found.reach.name, found.container) == (f"{orders.reach.name}_scratch_r2", "")
    assert known(facts.counts(outside.at(found.reach))) == {}
    assert known(scratch.leftovers(outside)) == ("r2",)
    assert scratch.remove(outside, "r2") is None
    assert known(scratch.leftovers(outside)) == ()
    assert known(facts.overview(outside)).name == orders.reach.name
