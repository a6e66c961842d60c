"""What a way down loses, kept before it and put back after the way up, each kind of loss on a real server."""

import hashlib
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from salvaged import RUN, Shop, loss

from lastgood.database import salvaging
from lastgood.model.database import Fingerprint
from lastgood.model.errors import Exit, UsageError
from lastgood.model.salvage import PutBack, PuttingBack, Salvage
from lastgood.model.schema import What
from tests.postgres.pgworld import Server

BEFORE = """
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN code AS text CHECK (value <> '');
CREATE TABLE notes (id serial PRIMARY KEY, item text NOT NULL, note text, state text NOT NULL DEFAULT 'new',
  made timestamptz NOT NULL DEFAULT now(), token uuid DEFAULT gen_random_uuid());
INSERT INTO notes (id, item, note, state, made) SELECT n, 'i', CASE WHEN n <= 5 THEN E'l\\\\1\\t2\\n\\\\.\\n' || n END,
  CASE WHEN n = 6 THEN 'paid' ELSE 'new' END, '2020-02-29 12:00:00.123456+00' FROM generate_series(1, 9) n;
CREATE TABLE "Odd.name" ("Key ""1""!" int, k2 text, "Välue ;--" text, twice int GENERATED ALWAYS AS ("Key ""1""!" * 2)
  STORED, PRIMARY KEY (k2, "Key ""1""!"));
INSERT INTO "Odd.name" VALUES (1, 'a''b', 'x'), (2, 'a''b', NULL), (1, '@', '\\N'), (7, '', '');
CREATE TABLE parents (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name varchar(9));
CREATE TABLE kids (id serial PRIMARY KEY, of int NOT NULL REFERENCES parents, kid int REFERENCES kids, t code,
  twice int GENERATED ALWAYS AS (id * 2) STORED, j json, jb jsonb, b bytea, a text[], e mood, p point, x xml,
  r tstzrange, i interval, d date, n numeric, f float8, c char(5), yes boolean, z bit varying, tm time, m money);
INSERT INTO parents (name) VALUES ('ada'), ('bob');
INSERT INTO kids (of, kid, t, j, jb, b, a, e, p, x, r, i, d, n, f, c, yes, z, tm, m) VALUES
  (1, 2, 'x', '{"a":  1}', '{"a": [1, null]}', '\\x00ff5c0a', ARRAY['a,"b', NULL, ''], 'ok', '(1,2)', '<a> </a>',
   '[2020-01-01,infinity)', '-1 mon 3 days 04:05:06.7', '0044-03-15 BC', 'NaN', 0.1::float8 + 0.2, 'ab', true, B'0101',
   '23:59:59.999999', 12.34), (2, NULL, NULL, NULL, NULL, '', '{}', NULL, NULL, NULL, 'empty', NULL, 'infinity', 1e-20,
   '-Infinity', '', false, '', NULL, NULL);
CREATE TABLE cut (id int PRIMARY KEY, note text);
INSERT INTO cut VALUES (1, 'ab'), (2, 'abcdef'), (3, NULL), (4, 'abcxyz'), (5, 'abczzz');
CREATE TABLE rounded (id int PRIMARY KEY, price numeric(8, 3), b boolean);
INSERT INTO rounded VALUES (1, 1.005, true), (2, 2.000, NULL), (3, 2.991, false);
CREATE TABLE moods (id int PRIMARY KEY, e mood); INSERT INTO moods VALUES (1, 'happy'), (2, 'ok'), (3, 'happy');
CREATE TABLE deleted (id int PRIMARY KEY, note text, UNIQUE (note)); INSERT INTO deleted SELECT n, 'x' || n
  FROM generate_series(1, 6) n;
CREATE TABLE logs (id int PRIMARY KEY, note text) PARTITION BY RANGE (id);
CREATE TABLE logs_1 PARTITION OF logs FOR VALUES FROM (0) TO (10); INSERT INTO logs VALUES (1, 'a'), (2, 'b');
CREATE SCHEMA other; CREATE TABLE other.gone (id int PRIMARY KEY); INSERT INTO other.gone VALUES (1);
CREATE TABLE keyless (id int, note text); INSERT INTO keyless VALUES (1, 'a'), (1, 'a'), (2, NULL);
CREATE TABLE heap (id int); INSERT INTO heap VALUES (3), (3);
CREATE TABLE rekeyed (id int PRIMARY KEY, note text); INSERT INTO rekeyed VALUES (1, 'a'), (2, 'b');
CREATE TABLE computed (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) STORED); INSERT INTO computed
  VALUES (4);
"""


DOWN = """
SELECT setval('notes_id_seq', 40);
ALTER TABLE notes DROP note, DROP state, DROP made, DROP token;
ALTER TABLE "Odd.name" DROP "Välue ;--";
DROP TABLE kids; DROP TABLE parents;
ALTER TABLE cut ALTER COLUMN note TYPE varchar(3) USING note::varchar(3);
ALTER TABLE rounded ALTER COLUMN price TYPE numeric(8, 2), DROP b;
ALTER TABLE moods ALTER COLUMN e TYPE text USING CASE WHEN e = 'happy' THEN 'ok' ELSE e::text END;
DROP TYPE mood;
DELETE FROM deleted WHERE id > 3;
DROP TABLE logs; DROP SCHEMA other CASCADE;
ALTER TABLE keyless DROP note; DROP TABLE heap;
ALTER TABLE rekeyed DROP note; ALTER TABLE rekeyed RENAME COLUMN id TO number;
ALTER TABLE computed DROP twice;
"""


AGAIN = """
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
ALTER TABLE notes ADD note text, ADD state text NOT NULL DEFAULT 'new', ADD made timestamptz NOT NULL DEFAULT now(),
  ADD token uuid DEFAULT gen_random_uuid();
ALTER TABLE "Odd.name" ADD "Välue ;--" text;
CREATE TABLE parents (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name varchar(9));
CREATE TABLE kids (more text DEFAULT 'm', id serial PRIMARY KEY, of int NOT NULL REFERENCES parents,
  kid int REFERENCES kids, t code,
  twice int GENERATED ALWAYS AS (id * 2) STORED, j json, jb jsonb, b bytea, a text[], e mood, p point, x xml,
  r tstzrange, i interval, d date, n numeric, f float8, c char(5), yes boolean, z bit varying, tm time, m money);
ALTER TABLE cut ALTER COLUMN note TYPE text;
ALTER TABLE rounded ALTER COLUMN price TYPE numeric(8, 3), ADD b boolean;
ALTER TABLE moods ALTER COLUMN e TYPE mood USING e::mood;
CREATE TABLE logs (id int PRIMARY KEY, note text) PARTITION BY RANGE (id);
CREATE TABLE logs_1 PARTITION OF logs FOR VALUES FROM (0) TO (10);
CREATE SCHEMA other; CREATE TABLE other.gone (id int PRIMARY KEY);
ALTER TABLE keyless ADD note text; CREATE TABLE heap (id int);
ALTER TABLE rekeyed RENAME COLUMN number TO id; ALTER TABLE rekeyed ADD note text;
ALTER TABLE computed ADD twice int GENERATED ALWAYS AS (id * 2) STORED;
"""


# Written by the newer release once it runs again, before anything is put back.
SINCE = """
UPDATE notes SET note = 'newer' WHERE id = 2; DELETE FROM notes WHERE id = 3;
UPDATE notes SET state = 'sent' WHERE id = 1;
UPDATE cut SET note = 'newer' WHERE id = 4; DELETE FROM cut WHERE id = 5;
INSERT INTO deleted VALUES (4, 'mine'), (9, 'x5');
"""


KIDS = "SELECT id, of, kid, t, twice, j, jb, b, a, e, p, x, r, i, d, n, f, c, yes, z, tm, m FROM kids ORDER BY id"


ALL = (
    *(loss(What.TABLE, "public", name) for name in ("heap", "kids", "logs", "logs_1", "parents")),
    loss(What.TABLE, "other", "gone"),
    loss(What.ROWS, "public", "deleted"),
    *(loss(What.COLUMN, "public", "notes", name) for name in ("note", "state", "made", "token")),
    loss(What.COLUMN, "public", "Odd.name", "Välue ;--"),
    *(loss(What.COLUMN, "public", *names) for names in (("keyless", "note"), ("rekeyed", "id"), ("rekeyed", "note"))),
    *(loss(What.COLUMN, "public", *names) for names in (("rounded", "b"), ("computed", "twice"))),
    *(loss(What.VALUES, "public", *names) for names in (("cut", "note"), ("moods", "e"), ("rounded", "price"))),
)


@dataclass(frozen=True)
class Story:
    """The large database salvaged, gone down, up again, written to since, and put back; with what it was on the way."""

    shop: Shop
    first: tuple[Fingerprint, dict[str, str]]
    kids: str
    made: Salvage
    then: tuple[Fingerprint, dict[str, str]]
    looked: PuttingBack
    since: dict[str, str]
    still: dict[str, str]
    back: PuttingBack


@pytest.fixture(scope="module")
def story(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Story:
    """Each test looks at one side of it."""
    server.sql("postgres", "CREATE DATABASE salvaged TEMPLATE template0")
    shop = Shop(server, server.client("salvaged", RUN), tmp_path_factory.mktemp("back ups"), BEFORE, DOWN, lost=ALL)
    first, kids = (shop.base.shape(), shop.tables()), shop.sql(KIDS)
    made = shop.salvaged()
    then = (shop.base.shape(), shop.tables())
    shop.down()
    shop.sql(AGAIN)
    shop.sql(SINCE)
    since = shop.tables()
    looked = shop.look()
    still = shop.tables()
    return Story(shop, first, kids, made, then, looked, since, still, shop.put_back())


# Of each part: put back, there already, kept as newer, without a row.
FATES = {
    "table other.gone": (1, 0, 0, 0),
    "table public.logs": (2, 0, 0, 0),
    "table public.logs_1": (0, 2, 0, 0),
    "table public.parents": (2, 0, 0, 0),
    "table public.kids": (2, 0, 0, 0),
    "rows public.deleted": (1, 0, 2, 0),
    "column public.Odd.name.Välue ;--": (3, 0, 0, 0),
    "column public.notes.note": (3, 0, 1, 1),
    "column public.notes.state": (1, 6, 1, 1),
    "column public.notes.made": (0, 0, 8, 1),
    "column public.notes.token": (0, 0, 8, 1),
    "column public.rounded.b": (2, 0, 0, 0),
    "values public.cut.note": (1, 0, 1, 1),
    "values public.moods.e": (2, 0, 0, 0),
    "values public.rounded.price": (2, 1, 0, 0),
}


LEFT = ("table public.heap", "column public.keyless.note", "column public.rekeyed.id", "column public.rekeyed.note")


def test_salvaging_changes_nothing_though_it_goes_the_way_down_to_see(story: Story) -> None:
    assert story.then == story.first


def test_every_loss_is_kept_in_a_file_that_only_we_read(story: Story) -> None:
    folder = Path(story.made.folder)
    assert {part.called for part in story.made.parts} == {loss.called for loss in story.shop.losses}
    for part in story.made.parts:
        if part.file:
            content = (folder / part.file).read_bytes()
            assert (len(content), hashlib.sha256(content).hexdigest()) == (part.size, part.sha256)
            assert content.count(b"\n") == part.rows
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.glob("*.copy")} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert sorted(path.suffix for path in folder.iterdir() if path.suffix != ".copy") == [".json"]
    assert [part.called for part in story.made.parts if not part.file] == ["column public.computed.twice"]


def test_only_what_changes_or_goes_is_kept(story: Story) -> None:
    folder, parts = Path(story.made.folder), {part.called: part for part in story.made.parts}
    assert (folder / parts["values public.cut.note"].file).read_text() == (
        "2\tabcdef\tabc\n4\tabcxyz\tabc\n5\tabczzz\tabc\n"
    )
    assert (folder / parts["rows public.deleted"].file).read_text() == "4\tx4\n5\tx5\n6\tx6\n"
    assert parts["column public.notes.note"].rows == 5


def test_a_look_touches_nothing_and_tells_what_would_come_back(story: Story) -> None:
    assert story.still == story.since
    assert (story.looked.happened, story.looked.exit) == (False, Exit.DONE)
    assert {one.name for one in story.looked.parts} == set(FATES)


@pytest.mark.parametrize("name", FATES)
def test_what_becomes_of_each_loss_is_told(story: Story, name: str) -> None:
    (found,) = (one for one in story.back.parts if one.name == name)
    assert found == PutBack(name, *FATES[name])


def test_what_nobody_wrote_to_since_is_as_it_was(story: Story) -> None:
    now, then = story.shop.tables(), story.first[1]
    for name in ("parents", "rounded", "moods", "logs", "other.gone", "computed"):
        assert now[name] == then[name], name
    assert story.shop.sql(KIDS) == story.kids
    assert story.shop.sql("SELECT DISTINCT more FROM kids") == "m"
    odd = 'SELECT k2, "Key ""1""!", twice, "Välue ;--", "Välue ;--" IS NULL FROM "Odd.name" ORDER BY k2 COLLATE "C", 2'
    assert story.shop.sql(odd).splitlines() == ["|7|14||f", r"@|1|2|\N|f", "a'b|1|2|x|f", "a'b|2|4||t"]


def test_what_was_written_since_stays(story: Story) -> None:
    sql = story.shop.sql
    assert sql("SELECT note FROM notes WHERE id = 2") == "newer"
    assert sql("SELECT id, state FROM notes WHERE state <> 'new' ORDER BY 1").splitlines() == ["1|sent", "6|paid"]
    whole = r"SELECT note = E'l\\1\t2\n\\.\n' || id FROM notes WHERE id IN (1, 4, 5)"
    assert sql(whole).split() == ["t"] * 3
    assert sql("SELECT id, note FROM cut ORDER BY 1").splitlines() == ["1|ab", "2|abcdef", "3|", "4|newer"]
    assert sql("SELECT id, note FROM deleted ORDER BY 1").splitlines() == [
        "1|x1", "2|x2", "3|x3", "4|mine", "6|x6", "9|x5",
    ]  # fmt: skip


def test_sequences_give_out_no_number_that_came_back_and_are_not_lowered(story: Story) -> None:
    sql = story.shop.sql
    assert sql("BEGIN; INSERT INTO parents (name) VALUES ('new') RETURNING id; ROLLBACK") == "3"
    assert sql("BEGIN; INSERT INTO kids (of) VALUES (1) RETURNING id; ROLLBACK") == "3"
    assert sql("BEGIN; INSERT INTO notes (item) VALUES ('new') RETURNING id; ROLLBACK") == "41"


def test_what_cannot_be_told_apart_is_left_with_the_way_by_hand(story: Story) -> None:
    assert story.back.exit is Exit.NEEDS_HUMAN
    assert [line.partition(": ")[0] for line in story.back.because] == [*LEFT, "column public.computed.twice"]
    assert len(story.back.by_hand) == len(LEFT)
    for line in story.back.by_hand:
        subprocess.run(("sh", "-c", line.removeprefix("on local: ")), check=True)
    assert story.shop.sql("SELECT id FROM heap").split() == ["3", "3"]
    numbers = [n for n, part in enumerate(story.made.parts, 1) if part.called == "column public.keyless.note"]
    assert story.shop.sql(f"SELECT * FROM salvaged_{numbers[0]} ORDER BY 1, 2").splitlines() == ["1|a", "1|a", "2|"]  # noqa: S608 - a number


def test_done_twice_it_changes_nothing_and_newer_values_go_only_where_a_person_names_them(story: Story) -> None:
    shop, before = story.shop, story.shop.tables()
    again = shop.put_back()
    assert shop.tables() == before
    assert sum(one.back for one in again.parts) == 0
    name = "column public.notes.made"
    assert f"--overwrite '{name}'" in again.next[-1]
    assert next(one.back for one in shop.put_back(name).parts if one.name == name) == 8
    assert shop.sql("SELECT DISTINCT made AT TIME ZONE 'UTC' FROM notes") == "2020-02-29 12:00:00.123456"
    assert shop.tables() | {"notes": ""} == before | {"notes": ""}
    with pytest.raises(UsageError, match="No values of table public"):
        shop.put_back("table public.logs")


def test_it_stays_and_is_marked_with_when_it_was_put_back_and_by_whom(story: Story) -> None:
    (kept,) = salvaging.listed(story.shop.desk).salvages
    assert msgspec.structs.replace(kept, done=None) == story.made
    assert kept.done is not None
    assert kept.done.by == "ada"
