"""What becomes of a database when a release goes back: each row of the table in docs/database.md."""

from types import SimpleNamespace
from typing import Any, Self, cast

import pytest
from msgspec.structs import replace

from lastgood.database import booting
from lastgood.database import drift as drifting
from lastgood.database.booting import Model
from lastgood.database.choices import ALONE
from lastgood.database.desk import DatabaseDesk
from lastgood.database.rehearsal import Rehearsing
from lastgood.database.releases import Sourced
from lastgood.database.tables import Tool, candidates
from lastgood.model.database import Difference
from lastgood.model.descent import Loss
from lastgood.model.errors import Exit, NeedsHuman, Refused
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.observed import Observed
from lastgood.model.plan import Scope
from lastgood.model.rehearsal import Booted, Rehearsal
from lastgood.model.release import Evidence, Image
from lastgood.model.schema import SchemaState, What
from lastgood.model.step import Runnable
from lastgood.model.target import DatabaseSpec
from lastgood.plan.choose import Candidate
from lastgood.plan.draft import Draft, Schema
from lastgood.plan.running import identify
from lastgood.ports import Migrator
from lastgood.run import schema
from tests.plans.builders import TARGET, World, container, digest, history, image, image_id

SPEC = DatabaseSpec(
    host="local", container="shop-api-db-1", name="shop", user="shop", password="", dsn="", schema="", migrator=None,
    migrations="migrations", repo="", branch="", in_image=False, backups="/backups", keep=7,
)  # fmt: skip
TABLE = '"public"."schema_migrations"'
GOLANG = candidates(None)["golang-migrate"]
TOOL = Tool("golang-migrate", GOLANG, TABLE)
FILES = {
    "1_orders": ("CREATE TABLE orders (id int);", "DROP TABLE orders;"),
    "2_index": ("CREATE INDEX orders_id ON orders (id);", "DROP INDEX orders_id;"),
    "3_note": ("ALTER TABLE orders ADD COLUMN note text;", "ALTER TABLE orders DROP COLUMN note;"),
}
STARTS = Known(Booted(healthy=True, said="its HEALTHCHECK says healthy", seconds=1.2))
FAILS = Known(Booted(healthy=False, said="it ended with exit code 1", seconds=0.4))
BLIND = Unknown("neither its image nor the container that runs has a HEALTHCHECK to tell by")
LOSS = Loss(What.COLUMN, "public.orders.note", 7, 20, Unknown("-"), "it is dropped", '"public"."orders"', '"note"')


def files(*names: str, **downs: str | None) -> dict[str, bytes]:
    """The files of these migrations; `_3="…"` gives another down, None none."""
    found: dict[str, bytes] = {}
    for name in names:
        up, down = FILES[name]
        other = downs.get(f"_{name[0]}", down)
        found[f"{name}.up.sql"] = up.encode()
        if other is not None:
            found[f"{name}.down.sql"] = other.encode()
    return found


class Copy:
    """Stands in for the database, the code repo and the copy: what they would say, and whether they were asked."""

    def __init__(self) -> None:
        self.state: SchemaState | Exception = SchemaState(TABLE, "3")
        self.tool: Tool | Exception = TOOL
        self.known: dict[str, dict[str, bytes] | None] = {"sha-bad": files(*FILES), "sha-two": files("1_orders")}
        self.before: Fact[Booted] = FAILS
        self.after: Fact[Booted] = STARTS
        self.losses: tuple[Loss, ...] = ()
        self.health: tuple[str, ...] = ("--health-cmd=true",)
        self.builtin: Fact[bool] = Known(value=False)
        self.drift: Fact[Difference] = Known(Difference())
        self.replayed = 0
        self.rehearsed: list[Rehearsing] = []
        self.made = False
        self.size = 2_500_000

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.made = False

    def recognised(self, *_: object) -> Tool:
        if isinstance(self.tool, Exception):
            raise self.tool
        return self.tool

    def asked(self, *_: object) -> SchemaState:
        if isinstance(self.state, Exception):
            raise self.state
        return self.state

    def written(self, _: DatabaseDesk, running: Runnable | None, losses: tuple[Loss, ...]) -> tuple[Loss, ...]:
        assert running
        assert running.image.tag == "sha-bad"
        return tuple(replace(loss, since=Known(3)) for loss in losses)

    def drifts(self, *_: object) -> Fact[Difference]:
        self.replayed += 1
        return self.drift

    def migrations(self, _: DatabaseDesk, __: Observed, image: Image, migrator: Migrator) -> Fact[Sourced]:
        found = self.known[image.tag]
        if found is None:
            return Unknown(f"it is not known which commit {image.tag} was built from")
        return Known(Sourced(migrator.migrations(found), f"migrations of {image.tag}"))

    def rehearse(self, it: Rehearsing) -> Rehearsal:
        """As the real one: a way down is looked for only where one is needed."""
        self.rehearsed.append(it)
        self.made = True
        if it.compatible and isinstance(self.before, Known) and self.before.value.healthy:
            return Rehearsal(2_500_000, 1.0, 2.0, 40, self.before)
        way = it.way()
        return Rehearsal(2_500_000, 1.0, 2.0, 40, self.before, way, 0.2, losses=self.losses, after=self.after)


@pytest.fixture
def copy(monkeypatch: pytest.MonkeyPatch) -> Copy:
    made = Copy()
    monkeypatch.setattr(schema, "recognised", made.recognised)
    monkeypatch.setattr(schema, "state", made.asked)
    monkeypatch.setattr(schema, "migrations", made.migrations)
    monkeypatch.setattr(schema, "Copies", lambda: made)
    monkeypatch.setattr(schema, "overview", lambda _: Known(SimpleNamespace(size=made.size)))
    monkeypatch.setattr(schema, "since", made.written)
    monkeypatch.setattr(drifting, "drift", made.drifts)
    monkeypatch.setattr(DatabaseDesk, "client", lambda _: None)
    monkeypatch.setattr(booting, "model", lambda *_: Known(Model({"DB_HOST": "db"}, made.health)))
    monkeypatch.setattr(booting, "checked", lambda *_: made.builtin)
    monkeypatch.setattr(booting, "aliases", lambda *_: Known(("db", "shop-api-db-1")))
    return made


def decided(
    *,
    scope: Scope = Scope.DEFAULT,
    down: bool = False,
    spec: DatabaseSpec = SPEC,
    world: World | None = None,
    pulled: bool = True,
) -> Schema:
    """Going back from sha-bad to sha-two."""
    seen = (world or World(history("sha-bad", "sha-two"))).observed()
    draft = Draft(TARGET, seen, identify(seen), scope)
    two = Runnable(image("sha-two", pinned_digest=True), image_id("sha-two") if pulled else "")
    candidate = Candidate(seen.history[1], Evidence(), two, ())
    desk = DatabaseDesk(TARGET, spec, cast("Any", SimpleNamespace(process=None)), cast("Any", None), cast("Any", None))
    return schema.decide(desk, draft, candidate, lambda _: None, down=down)


def untouched(found: Schema) -> bool:
    return found.descent is None and not found.losses


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


DRIFTS = Known(Difference(("index public.by_hand is there and was not",), ("columns of x stand in another order",)))


@pytest.mark.parametrize("down", [False, True])
def test_a_schema_that_is_not_what_its_migrations_make_must_not_go_down(copy: Copy, *, down: bool) -> None:
    copy.drift = DRIFTS
    with pytest.raises(Refused, match="is not what migrations of sha-bad make") as refused:
        decided(down=down)
    assert refused.value.because == ("index public.by_hand is there and was not",)
    assert [choice.partition("   # ")[0] for choice in refused.value.next] == [
        "lastgood db status shop-api prod --drift",
        "undo by hand what was done by hand, as told above",
        "lastgood rollback shop-api prod --image-only",
        "lastgood db restore shop-api prod BACKUP",
    ]
    assert len(copy.rehearsed) == (0 if down else 1)  # where it is needed in any case, nothing is copied


@pytest.mark.parametrize("how", ["starts", "only the image"])
def test_drift_must_not_matter_where_nothing_goes_down(copy: Copy, how: str) -> None:
    copy.drift, copy.before = DRIFTS, STARTS
    assert untouched(decided(scope=Scope.DEFAULT if how == "starts" else Scope.IMAGE_ONLY))
    assert copy.replayed == 0


@pytest.mark.parametrize(
    ("drift", "said"),
    [
        (Known(Difference(("extension pg_trgm is there and was not",))), "the schema is what its migrations make"),
        (Unknown("1_a cannot be applied"), "whether the schema is what its migrations make is unknown: 1_a cannot be"),
    ],
    ids=["an extension", "unknown"],
)
def test_what_is_no_drift_or_cannot_be_told_must_be_said(copy: Copy, drift: Fact[Difference], said: str) -> None:
    copy.drift = drift
    found = decided()
    assert found.descent is not None
    assert found.rehearsed[0].startswith(said)
    assert copy.replayed == 1


def test_a_version_that_the_release_which_runs_does_not_know_must_be_refused(copy: Copy) -> None:
    copy.state = SchemaState(TABLE, "9")
    with pytest.raises(Refused, match="does not know") as refused:
        decided()
    assert "9" in refused.value.because[0]


def test_downs_that_cannot_be_had_must_be_refused(copy: Copy) -> None:
    copy.known["sha-bad"] = None
    with pytest.raises(Refused, match="downs of the release that runs cannot be had"):
        decided()


@pytest.mark.usefixtures("copy")
def test_where_no_single_image_runs_no_down_must_be_gone() -> None:
    mixed = World(history("sha-bad", "sha-two"), containers=(container("sha-bad"), container("sha-two", 2)))
    with pytest.raises(Refused, match="no single image runs"):
        decided(world=mixed)


def test_a_database_that_cannot_be_asked_must_be_left_and_that_be_said(copy: Copy) -> None:
    copy.tool = Refused("The database cannot be asked.", because=("connection refused",))
    found = decided()
    assert untouched(found)
    assert found.said == (
        "database schema untouched; whether this release works with it is unproven: "
        "The database cannot be asked. connection refused"
    )


def test_an_older_release_whose_migrations_cannot_be_had_must_leave_the_schema_and_say_so(copy: Copy) -> None:
    copy.known["sha-two"] = None
    found = decided()
    assert untouched(found)
    assert "unproven: which migrations it knows is not known: it is not known which commit sha-two" in found.said
    assert copy.rehearsed == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"dirty": True}, "dirty at version 3"),
        ({"doubt": "the table has two rows"}, "at a version that cannot be believed"),
    ],
    ids=["dirty", "doubt"],
)
@pytest.mark.parametrize("down", [False, True])
def test_a_dirty_schema_must_call_a_human(copy: Copy, given: dict[str, Any], said: str, *, down: bool) -> None:
    copy.state = SchemaState(TABLE, "3", **given)
    with pytest.raises(NeedsHuman, match=said) as needed:
        decided(down=down)
    assert needed.value.exit is Exit.NEEDS_HUMAN
    assert [choice.partition("   # ")[0] for choice in needed.value.next] == [
        "lastgood db status shop-api prod",
        "lastgood db resolve shop-api prod",
        "lastgood rollback shop-api prod --image-only",
    ]


@pytest.mark.parametrize("down", [False, True])
@pytest.mark.parametrize("which", ["tool", "state"], ids=["ambiguous", "unreadable"])
def test_a_state_that_nobody_can_tell_must_call_a_human(copy: Copy, which: str, *, down: bool) -> None:
    setattr(copy, which, NeedsHuman("It cannot be told.", because=("permission denied",), next=(ALONE,)))
    with pytest.raises(NeedsHuman, match="cannot be told") as needed:
        decided(down=down)
    assert needed.value.next == ("lastgood rollback shop-api prod --image-only   # leaves the schema as it is",)
    if not down:
        assert untouched(decided(scope=Scope.IMAGE_ONLY))


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
