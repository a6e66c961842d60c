"""What becomes of a database when a release goes back: each row of the table in docs/database.md."""

from typing import Any

import pytest
from copied import BLIND, FAILS, FILES, LOSS, SPEC, STARTS, TABLE, Copy, decided, files, untouched
from msgspec.structs import replace

from lastgood.model.errors import NeedsHuman, Refused
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.plan import Scope
from lastgood.model.schema import SchemaState
from lastgood.plan.draft import Schema
from tests.plans.builders import World, container, digest, history, image_id


def test_a_version_that_the_older_release_knows_must_stay_without_a_rehearsal(copy: Copy) -> None:
    copy.known["sha-two"] = files(*FILES)
    assert decided() == Schema("stays at version 3, which this release knows")
    assert copy.rehearsed == []


def test_a_database_without_any_migration_must_stay(copy: Copy) -> None:
    copy.state = SchemaState(TABLE, "", ())
    assert decided() == Schema("stays at version none, which this release knows")


@pytest.mark.parametrize(("applied", "stays"), [(("1", "2"), True), (("1", "3"), False)])
def test_where_the_tool_keeps_all_versions_the_older_release_must_know_each(
    copy: Copy, applied: tuple[str, ...], *, stays: bool
) -> None:
    copy.state = SchemaState(TABLE, applied[-1], applied)
    copy.known["sha-two"] = files("1_orders", "2_index")
    found = decided()
    assert untouched(found) is stays
    assert [one.version for one in found.descent.undone] == ["3"] if found.descent else stays


def test_a_release_that_starts_with_the_newer_schema_must_leave_it(copy: Copy) -> None:
    copy.before = STARTS
    found = decided()
    assert untouched(found)
    assert found.said == "stays at version 3: sha-two was seen to start with it, on a copy"
    assert found.rehearsed == (
        "backed up in 1.0 s (2.5 MB), restored in 2.0 s",
        "40 rows counted alike in the database and in its copy",
        "the older release with the schema as it is: starts: its HEALTHCHECK says healthy",
    )


@pytest.mark.usefixtures("copy")
def test_a_release_that_does_not_start_with_it_must_go_down_by_the_downs_of_the_one_that_runs() -> None:
    found = decided()
    assert found.said == "goes down from version 3 to 1, by the downs of the release that runs"
    assert found.descent is not None
    assert (found.descent.before, found.descent.to, found.descent.table) == ("3", "1", TABLE)
    assert [(one.version, one.sql.strip()) for one in found.descent.undone] == [
        ("3", "ALTER TABLE orders DROP COLUMN note;"),
        ("2", "DROP INDEX orders_id;"),
    ]
    assert (found.host, found.folder, found.losses) == ("local", "/backups", ())
    assert "the older release with the schema gone down: starts: its HEALTHCHECK says healthy" in found.rehearsed


@pytest.mark.parametrize("down", [False, True])
@pytest.mark.parametrize(
    ("pulled", "builtin", "because"),
    [
        (True, Known(value=False), "neither sha-two nor the container shop-api-api-1 has a HEALTHCHECK to tell by"),
        (True, Unknown("no such image"), "whether sha-two has one is unknown: no such image"),
        (False, Known(value=True), "whether sha-two has one is unknown until local has it"),
    ],
    ids=["none", "unreadable", "not on the host"],
)
def test_a_release_that_no_trial_can_judge_must_be_refused_before_anything_is_copied(
    copy: Copy, builtin: Fact[bool], because: str, *, pulled: bool, down: bool
) -> None:
    copy.health, copy.builtin = (), builtin
    with pytest.raises(Refused, match="does not know version 3") as refused:
        decided(down=down, pulled=pulled)
    assert because in refused.value.because[0]
    choices = refused.value.next if pulled else refused.value.next[1:]
    assert "HEALTHCHECK" in choices[0]
    assert choices[1].startswith("lastgood rollback shop-api prod --image-only ")
    assert choices[2].startswith("lastgood db backup shop-api prod")
    assert pulled or refused.value.next[0].startswith("docker pull ghcr.io")
    assert copy.rehearsed == []


def test_without_a_container_that_shows_how_the_service_is_configured_no_trial_can_judge(copy: Copy) -> None:
    strange = container("sha-bad", mine=False)
    with pytest.raises(Refused, match="cannot be tried") as refused:
        decided(world=World(history("sha-bad", "sha-two"), containers=(strange,)))
    assert "shows how it is configured" in refused.value.because[0]
    assert copy.rehearsed == []


@pytest.mark.parametrize(("health", "builtin"), [((), True), (("--health-cmd=true",), False)])
def test_a_healthcheck_of_the_image_or_of_the_container_must_be_enough(
    copy: Copy, health: tuple[str, ...], *, builtin: bool
) -> None:
    copy.health, copy.builtin = health, Known(value=builtin)
    assert decided().descent is not None


def test_where_the_copy_cannot_tell_whether_it_starts_it_must_go_down_and_say_so(copy: Copy) -> None:
    copy.before = copy.after = BLIND
    found = decided()
    assert found.descent is not None
    assert len([line for line in found.rehearsed if "unproven: neither its image" in line]) == 2


def test_what_the_rehearsal_lost_must_be_what_the_plan_loses_with_what_was_written_since_the_deploy(copy: Copy) -> None:
    copy.losses = (LOSS,)
    assert decided().losses == (replace(LOSS, since=Known(3)),)


@pytest.mark.parametrize(
    ("down", "because"),
    [
        (None, "it has no down file"),
        ("", "its down file is empty"),
        ("-- nothing to do\n", "its down file is empty"),
        ("ALTER TABEL orders DROP note;", "its down cannot be read"),
        ("-- irreversible: merged by hand\nSELECT 1;", "merged by hand"),
        ("DO $$ BEGIN DELETE FROM orders; END $$;", "nobody can tell what its down does"),
    ],
    ids=["missing", "empty", "a comment", "unreadable", "irreversible", "runs code"],
)
def test_a_down_that_nobody_can_answer_for_must_be_refused_with_the_choices(
    copy: Copy, down: str | None, because: str
) -> None:
    copy.known["sha-bad"] = files(*FILES, _3=down)
    with pytest.raises(Refused, match="Migration 3 note cannot be undone") as refused:
        decided()
    assert because in " ".join(refused.value.because)
    assert [choice.partition("   # ")[0] for choice in refused.value.next] == [
        "lastgood rollback shop-api prod --image-only",
        "lastgood db restore shop-api prod BACKUP",
        "write a new migration that repairs it, and roll forward",
    ]


@pytest.mark.parametrize(
    "down", [None, "", "-- to do", "DROP TABEL x;", "-- irreversible: no\nSELECT 1;", "CALL undo();"]
)
@pytest.mark.parametrize(
    "how", [{"down": True}, {"spec": replace(SPEC, host="ssh://db.example")}], ids=["asked", "apart"]
)
def test_where_a_down_is_needed_in_any_case_it_must_be_refused_before_anything_is_copied(
    copy: Copy, how: dict[str, Any], down: str | None
) -> None:
    copy.known["sha-bad"] = files(*FILES, _3=down)
    with pytest.raises(Refused, match="Migration 3 note cannot be undone"):
        decided(**how)
    assert copy.rehearsed == []


def test_a_down_that_nobody_needs_must_not_matter(copy: Copy) -> None:
    copy.known["sha-bad"] = files(*FILES, _3=None)
    copy.before = STARTS
    assert untouched(decided())


def test_a_release_that_does_not_start_with_the_schema_gone_down_either_must_be_refused(copy: Copy) -> None:
    copy.after = FAILS
    with pytest.raises(Refused, match="does not start on a copy whose schema went down to 1") as refused:
        decided()
    assert refused.value.because == ("it ended with exit code 1",)


@pytest.mark.parametrize("scope", [Scope.IMAGE_ONLY, Scope.CONFIG_ONLY])
@pytest.mark.parametrize(
    ("state", "said"),
    [
        (SchemaState(TABLE, "3"), "it stays at version 3, as was asked for"),
        (SchemaState(TABLE, "3", dirty=True), "it stays at version 3, as was asked for"),
        (NeedsHuman("It cannot be read.", because=("permission denied",)), "(It cannot be read. permission denied)"),
        (SchemaState(TABLE, ""), "it stays at version none, as was asked for"),
    ],
    ids=["clean", "dirty", "unreadable", "empty"],
)
def test_whoever_asks_for_image_or_configuration_only_must_have_the_schema_left_alone(
    copy: Copy, scope: Scope, state: SchemaState | Exception, said: str
) -> None:
    copy.state = state
    found = decided(scope=scope)
    assert untouched(found)
    assert said in found.said
    assert copy.rehearsed == []


def test_whoever_asks_for_down_must_have_it_though_the_older_release_starts_with_it(copy: Copy) -> None:
    copy.before = STARTS
    found = decided(down=True)
    assert found.descent is not None
    assert found.descent.to == "1"
    assert [it.compatible for it in copy.rehearsed] == [False]


def test_whoever_asks_for_down_must_have_a_schema_left_that_the_release_knows(copy: Copy) -> None:
    copy.known["sha-two"] = files(*FILES)
    assert untouched(decided(down=True))


@pytest.mark.parametrize("what", ["database", "migrations"])
def test_whoever_asks_for_down_must_be_refused_where_it_cannot_be_told_how(copy: Copy, what: str) -> None:
    if what == "database":
        copy.tool = Refused("The database cannot be asked.")
    else:
        copy.known["sha-two"] = None
    with pytest.raises(Refused):
        decided(down=True)
    assert copy.rehearsed == []


@pytest.mark.parametrize(
    ("changed", "because"),
    [
        ({"container": "", "dsn": "env:DATABASE_URL"}, "on a server of its own"),
        ({"host": "ssh://db.example"}, "no container of the service runs on the database's host"),
    ],
    ids=["by DSN", "on another host"],
)
def test_a_release_that_cannot_be_kept_apart_must_never_be_started(
    copy: Copy, changed: dict[str, str], because: str
) -> None:
    decided(spec=replace(SPEC, **changed))
    (it,) = copy.rehearsed
    assert isinstance(it.older, Unknown)
    assert because in it.older.reason


def test_the_older_release_must_be_started_by_its_bytes_under_the_names_of_the_database(copy: Copy) -> None:
    decided()
    (it,) = copy.rehearsed
    assert isinstance(it.older, Known)
    assert it.older.value.image == image_id("sha-two")
    assert it.older.value.image != digest("sha-two")
    assert it.older.value.aliases == ("db", "shop-api-db-1")
