"""`lastgood verify` as it is typed."""

import contextlib
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from lastgood.cli.verbs import bundle, postmortem, show, verify
from lastgood.journal.store import Journal
from lastgood.model.errors import Exit
from lastgood.model.event import RunEnded, Said
from tests.journal.sample import begun

RUN = "20261122-174501-7f3a"


@pytest.fixture
def journal(deploy_repo: Path) -> Path:
    """A journal with one run, whose deploy repo is the one around here."""
    path = deploy_repo.parent / "home/.local/state/lastgood/journal.db"
    with Journal(str(path)) as journal:
        for at, event in enumerate((begun(), Said("on"), RunEnded(Exit.DONE, "done")), start=1):
            journal.append(RUN, event, at)
    return path


def test_a_record_that_fits_must_end_with_0_and_name_what_that_does_not_prove(
    lastgood: Callable[..., Any], journal: Path
) -> None:
    said = lastgood("verify", RUN[:8], "--here")
    assert said.code == Exit.DONE
    assert "is what was written down" in said.out
    assert "nobody else was asked" in said.out
    with Journal(str(journal)) as kept:
        assert (
            lastgood("verify", "--here", "--head", kept.head(RUN).upper(), "--json").json["witnesses"][0]["lines"] == 3
        )


def test_a_record_that_was_changed_must_end_with_8_and_name_the_line(
    lastgood: Callable[..., Any], journal: Path
) -> None:
    with contextlib.closing(sqlite3.connect(journal, isolation_level=None)) as db:
        db.execute("DROP TRIGGER no_update")
        db.execute("UPDATE events SET event = replace(event, 'on', 'off') WHERE seq = 2")
    said = lastgood("verify", "--here", "--json")
    assert said.code == Exit.NEEDS_HUMAN
    assert (said.json["kind"], said.json["verdict"], said.json["faults"][0]["line"]) == ("record", "broken", 2)


def test_who_cannot_be_asked_must_be_named_and_nothing_be_proven(lastgood: Callable[..., Any], journal: Path) -> None:
    assert journal.exists()
    said = lastgood("verify", "--repo", ".")
    assert said.code == Exit.NEEDS_HUMAN
    assert "nobody else knows the record" in said.out


def test_a_bundle_must_be_written_once_verified_and_never_overwrite(
    lastgood: Callable[..., Any], journal: Path, tmp_path: Path
) -> None:
    assert journal.exists()
    made = lastgood("bundle", "--json")
    file = Path(made.json["file"])
    assert (made.code, file.name, stat.S_IMODE(file.stat().st_mode)) == (0, f"lastgood-{RUN}.tar", 0o600)
    assert lastgood("bundle", "--output", str(file)).code == Exit.DONE
    assert lastgood("verify", str(file)).code == Exit.DONE
    other = tmp_path / "incident"
    assert f"next       lastgood verify {other}" in lastgood("bundle", "--output", str(other)).out
    assert lastgood("verify", str(other)).code == Exit.DONE
    file.write_bytes(file.read_bytes()[:-4000])
    before = file.read_bytes()
    refused = lastgood("bundle")
    assert (refused.code, file.read_bytes() == before) == (Exit.USAGE, True)
    assert "is there already" in refused.err
    for wrong in (str(tmp_path / "no/where.tar"), str(tmp_path), "\0", "x" * 300):
        assert lastgood("bundle", "--output", wrong).code == Exit.USAGE
    assert lastgood("verify", str(tmp_path / "gone.tar")).code == Exit.USAGE
    assert not list(file.parent.glob(".lastgood*"))


@pytest.mark.parametrize("head", ["zz", "a" * 63, "x" * 64, "\x1b[2J"])
def test_what_is_no_hash_must_be_usage(lastgood: Callable[..., Any], journal: Path, head: str) -> None:
    assert journal.exists()
    assert lastgood("verify", "--here", "--head", head).code == Exit.USAGE
    assert lastgood("verify", "--here", "--head", f"r/1/{'0' * 64}").code == Exit.NEEDS_HUMAN


def test_no_run_at_all_must_be_usage(lastgood: Callable[..., Any]) -> None:
    assert lastgood("verify").code == Exit.USAGE


def test_run_ids_must_be_completed(journal: Path) -> None:
    assert journal.exists()
    for verb in (bundle, postmortem, show, verify):
        found = verb.command.params[0].shell_complete(click.Context(verb.command), RUN[:6])
        assert [one.value for one in found] == [RUN]
        assert verb.command.params[0].shell_complete(click.Context(verb.command), "x") == []
