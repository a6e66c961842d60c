"""`db plan --to` and `db down --to`: a version of the schema or a release, each with a clear answer."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from lastgood.database.desk import DatabaseDesk
from lastgood.database.releases import Sourced
from lastgood.database.tables import Tool, candidates
from lastgood.model.errors import NeedsHuman, Refused, UsageError
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.observed import Observed
from lastgood.model.release import Image
from lastgood.model.schema import SchemaState
from lastgood.model.target import DatabaseSpec
from lastgood.ports import Migrator
from lastgood.run import goals
from lastgood.run.goals import goal
from tests.plans.builders import TARGET, World, history

SPEC = DatabaseSpec(
    host="local", container="shop-api-db-1", name="shop", user="shop", password="", dsn="", schema="", migrator=None,
    migrations="migrations", repo="", branch="", in_image=False, backups="/backups", keep=7,
)  # fmt: skip
TABLE = '"public"."schema_migrations"'
RELEASES = ("sha-bad", "sha-three", "sha-two", "sha-dos", "sha-one")
WORLD = World(history(*RELEASES))


class Team:
    """Stands in for the code repo and the database: what each release's migrations end with, and the version now."""

    def __init__(self) -> None:
        self.newest = {"sha-bad": 5, "sha-three": 3, "sha-two": 2, "sha-dos": 2, "sha-one": 1}
        self.state = SchemaState(TABLE, "5")
        self.commits: dict[str, str] = {}

    def migrations(self, _: DatabaseDesk, __: Observed, image: Image, migrator: Migrator) -> Fact[Sourced]:
        if image.tag not in self.newest:
            return Unknown(f"it is not known which commit {image.tag} was built from")
        files = {f"{at}_x.up.sql": b"SELECT 1;" for at in range(1, self.newest[image.tag] + 1)}
        return Known(Sourced(migrator.migrations(files), f"migrations of {image.tag}"))


@pytest.fixture
def team(monkeypatch: pytest.MonkeyPatch) -> Team:
    made = Team()
    tool = Tool("golang-migrate", candidates(None)["golang-migrate"], TABLE)
    monkeypatch.setattr(goals, "recognised", lambda *_: tool)
    monkeypatch.setattr(goals, "state", lambda *_: made.state)
    monkeypatch.setattr(goals, "migrations", made.migrations)
    monkeypatch.setattr(DatabaseDesk, "client", lambda _: None)
    return made


def meant(team: Team, to: str, world: World = WORLD) -> str:
    """The tag of the release that `to` stands for, or what it is left as."""
    repo = SimpleNamespace(resolve=team.commits.get)
    tools, nothing = cast("Any", SimpleNamespace(process=None, repo=repo)), cast("Any", None)
    seen = world.observed()
    found = goal(DatabaseDesk(TARGET, SPEC, tools, nothing, nothing), seen, to)
    return next((one.image.tag for one in seen.history if one.commit == found), f"as it is: {found}")


@pytest.mark.parametrize(
    ("to", "tag"),
    [("3", "sha-three"), ("0003", "sha-three"), ("version:2", "sha-two"), ("1", "sha-one")],
)
def test_a_version_must_mean_the_newest_release_that_ends_with_it(team: Team, to: str, tag: str) -> None:
    assert meant(team, to) == tag


@pytest.mark.parametrize("to", ["sha-two", "sha256:abc", "1a2b3c4", "release:3", "no-such"])
def test_what_is_no_version_must_be_left_to_the_choice_of_a_release(team: Team, to: str) -> None:
    assert meant(team, to) == f"as it is: {to.removeprefix('release:')}"


def test_a_number_that_names_a_release_only_must_be_that_release(team: Team) -> None:
    team.commits["20261128"] = "c" * 40
    assert meant(team, "20261128") == "as it is: 20261128"


@pytest.mark.parametrize("to", ["9", "version:nine", "0"])
def test_a_version_that_there_is_not_must_be_named_with_those_that_there_are(team: Team, to: str) -> None:
    with pytest.raises(UsageError, match="There is no version") as unknown:
        meant(team, to)
    assert unknown.value.because == ("in migrations of sha-bad there are: 1, 2, 3, 4, 5",)
    assert unknown.value.next == ("lastgood db status shop-api prod",)


@pytest.mark.parametrize("to", ["4", "5", "version:5"])
def test_a_version_that_is_not_below_the_present_one_must_be_refused(team: Team, to: str) -> None:
    team.state = SchemaState(TABLE, "4")
    with pytest.raises(UsageError, match="not below the present one") as above:
        meant(team, to)
    assert above.value.because == ("the schema is at version 4",)


def test_a_name_that_is_a_version_and_a_release_must_be_asked_about(team: Team) -> None:
    team.commits["3"] = "c" * 40
    with pytest.raises(UsageError, match="is a version of the schema, and names a release") as both:
        meant(team, "3")
    assert both.value.next == (
        "lastgood db plan shop-api prod --to version:3",
        "lastgood db plan shop-api prod --to release:3",
    )
    assert meant(team, "version:3") == "sha-three"
    assert meant(team, "release:3") == "as it is: 3"


def test_a_version_that_no_release_ends_with_must_be_refused_with_what_each_ends_with(team: Team) -> None:
    del team.newest["sha-one"]
    with pytest.raises(Refused, match="No release that can be gone back to ends with version 4") as refused:
        meant(team, "4")
    assert refused.value.because[:4] == (
        "sha-three: ends with version 3",
        "sha-two: ends with version 2",
        "sha-dos: ends with version 2",
        "sha-one: it is not known which commit sha-one was built from",
    )


def test_a_release_without_any_migration_must_be_meant_by_none(team: Team) -> None:
    team.newest["sha-one"] = 0
    assert meant(team, "version:none") == "sha-one"


def test_a_dirty_schema_must_call_a_human_before_any_release_is_looked_for(team: Team) -> None:
    team.state = SchemaState(TABLE, "4", dirty=True)
    with pytest.raises(NeedsHuman, match="dirty at version 4"):
        meant(team, "3")


def test_where_the_versions_cannot_be_had_that_must_be_said(team: Team) -> None:
    del team.newest["sha-bad"]
    with pytest.raises(Refused, match="not known which versions") as refused:
        meant(team, "version:3")
    assert refused.value.because == ("it is not known which commit sha-bad was built from",)
    assert meant(team, "sha-two") == "as it is: sha-two"
