import itertools
from datetime import MAXYEAR, datetime, timedelta, timezone

import pytest
from gitworld import FOLDER, PIN, World, values

from lastgood.git.history import releases
from lastgood.git.repo import PAGE, BareRepo
from lastgood.model.errors import PinUnreadable, Refused
from lastgood.model.release import Image, Release
from lastgood.pins.values import Options, make

HOSTILE = "sub\x1b[31mject\r $(x) --force\n\nbody \x00 line\n\nLastgood-Run: \x1b]0;title\x07\n".replace("\x00", "\x01")


def all_releases(repo: BareRepo) -> list[Release]:
    return list(releases(repo, make(Options()), PIN, repo.tip()))


def tags(repo: BareRepo) -> list[str]:
    return [release.image.tag for release in all_releases(repo)]


def test_history_over_several_pages_must_be_whole_and_lazy(world: World) -> None:
    shipped = [world.ship({PIN: values(f"sha-{n}")}, f"ship {n}") for n in range(2, 2 + 2 * PAGE)]
    repo = world.repo()
    repo.fetch()
    seen = list(repo.touching(PIN, repo.tip()))
    assert [info.commit for info in seen][:-1] == shipped[::-1]
    assert [info.subject for info in seen[:2]] == [f"ship {2 * PAGE + 1}", f"ship {2 * PAGE}"]
    assert seen[-1].parent == ""
    assert [release.image.tag for release in itertools.islice(releases(repo, make(Options()), PIN, repo.tip()), 2)] == [
        f"sha-{2 * PAGE + 1}",
        f"sha-{2 * PAGE}",
    ]
    assert len(tags(repo)) == 2 * PAGE + 1


def test_commits_of_other_files_must_not_appear(world: World) -> None:
    world.ship({"envs/prod/apps/other/values.yaml": values("sha-9")}, "other")
    repo = world.repo()
    repo.fetch()
    assert [info.subject for info in repo.touching(PIN, repo.tip())] == ["first"]


def test_a_merge_must_count_as_one_commit_of_its_first_parent(world: World) -> None:
    world.git(world.colleague, "switch", "-q", "-c", "side")
    for tag in ("sha-2", "sha-3"):
        world.write({PIN: values(tag)})
        world.git(world.colleague, "commit", "-q", "-m", f"side {tag}")
    world.git(world.colleague, "switch", "-q", "main")
    world.ship({"README": b"meanwhile\n"}, "on main")
    world.git(world.colleague, "merge", "-q", "--no-ff", "-m", "merge side", "side")
    world.git(world.colleague, "push", "-q", "origin", "HEAD:main")
    repo = world.repo()
    repo.fetch()
    assert [info.subject for info in repo.touching(PIN, repo.tip())] == ["merge side", "first"]
    newest = all_releases(repo)[0]
    assert (newest.image.tag, newest.commit, newest.mixed) == ("sha-3", world.head(), False)
    tree = repo.undo(repo.tip(), repo.tip(), FOLDER)
    assert repo.blob(tree, PIN) == values("sha-1")


def test_releases_must_be_grouped_by_image_with_their_bounds(world: World) -> None:
    first = world.head()
    config = world.ship({PIN: values("sha-1", replicas=2)}, "scale")
    elsewhere = world.ship({"README": b"x\n"}, "elsewhere")
    second = world.ship({PIN: values("sha-2", replicas=3), f"{FOLDER}/app.conf": b"a\n"}, "second")
    last = world.ship({"README": b"y\n"}, "later")
    repo = world.repo()
    repo.fetch()
    new, old = all_releases(repo)
    assert (new.commit, new.image, new.last, new.until) == (second, Image("reg/shop", "sha-2"), last, None)
    assert (new.folder, new.mixed, new.author, new.subject) == ((f"{FOLDER}/app.conf",), True, "Ada", "second")
    assert (old.commit, old.last, old.until) == (first, elsewhere, new.at)
    assert config not in {new.commit, old.commit}


def test_a_commit_dated_in_milliseconds_must_have_a_time_that_everybody_can_show(world: World) -> None:
    world.write({PIN: values("sha-2")})
    tree = world.git(world.colleague, "write-tree")
    who = "CI <ci@example.org> 1795900000000 +0000"
    body = f"tree {tree}\nparent {world.head()}\nauthor {who}\ncommitter {who}\n\nrelease\n"
    commit = world.git(world.colleague, "hash-object", "-t", "commit", "-w", "--stdin", stdin=body.encode())
    world.git(world.colleague, "push", "-q", "origin", f"{commit}:main")
    repo = world.repo()
    repo.fetch()
    newest = all_releases(repo)[0]
    assert newest.commit == commit
    for hours in (-12, 14):
        assert datetime.fromtimestamp(newest.at, timezone(timedelta(hours=hours))).year == MAXYEAR


def test_a_missing_or_unreadable_pin_must_end_a_release(world: World) -> None:
    world.ship({PIN: None}, "service taken out")
    back = world.ship({PIN: values("sha-1")}, "and back")
    broken = world.ship({PIN: b"image: [\n"}, "broken")
    world.ship({PIN: values("sha-1", replicas=9)}, "repaired")
    repo = world.repo()
    repo.fetch()
    found = all_releases(repo)
    assert [(release.image.tag, release.subject) for release in found] == [
        ("sha-1", "repaired"),
        ("sha-1", "and back"),
        ("sha-1", "first"),
    ]
    assert found[1].last == back
    assert found[0].until is None
    assert found[1].until is not None
    assert repo.blob(broken, PIN) == b"image: [\n"


def test_hostile_messages_and_names_must_come_through_as_data(world: World) -> None:
    name = "envs/prod/apps/shop/--force\n$(x)\x1b[31m\tü"
    world.ship({name: b"hostile\n", PIN: values("sha-2")}, HOSTILE)
    repo = world.repo()
    repo.fetch()
    newest = all_releases(repo)[0]
    assert newest.image.tag == "sha-2"
    assert newest.folder == (name,)
    assert newest.trailers.run == ""
    assert repo.blob(repo.tip(), name) == b"hostile\n"
    assert repo.blob(repo.tip(), name + "x") is None
    assert name in repo.changed(f"{newest.last}", next(iter(repo.touching(PIN, repo.tip()))).parent)
    tree = repo.with_files(repo.tip(), {name: b"other\n"})
    assert repo.diff(repo.tip(), tree, FOLDER) == ((name, ("@@ -1 +1 @@", "-hostile", "+other")),)
    assert [info.commit for info in repo.touching(name, repo.tip())] == [world.head()]
    assert repo.blob(repo.undo(tree, world.ship({name: b"n\n"}, "n"), FOLDER) if repo.fetch() is None else tree, name)


def test_names_that_are_not_utf8_must_not_break_anything(world: World) -> None:
    name = b"envs/prod/apps/shop/\xff".decode(errors="surrogateescape")
    world.ship({name: b"x\n", PIN: values("sha-2")}, "latin")
    repo = world.repo()
    repo.fetch()
    assert all_releases(repo)[0].folder == (f"{FOLDER}/\\xff",)
    assert repo.blob(repo.tip(), name) == b"x\n"
    undone = repo.undo(repo.tip(), repo.tip(), FOLDER)
    assert repo.blob(undone, name) is None


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../b", "", "./x", "a//b", ".git/config", "x\0y"])
def test_a_path_out_of_the_repository_must_be_refused(world: World, path: str) -> None:
    repo = world.repo()
    repo.fetch()
    with pytest.raises(Refused):
        repo.blob(repo.tip(), path)
    with pytest.raises(Refused):
        list(repo.touching(path, repo.tip()))
    with pytest.raises(Refused):
        repo.with_files(repo.tip(), {path: b""})


@pytest.mark.parametrize("name", ["--all", "HEAD", "main", "HEAD~1", "@{-1}", "x" * 40, "abc", "", "f" * 40, "dead\n"])
def test_a_name_that_is_no_hash_on_the_branch_must_mean_nothing(world: World, name: str) -> None:
    repo = world.repo()
    repo.fetch()
    assert repo.resolve(name) is None
    with pytest.raises(Refused):
        repo.blob(name if len(name) < 40 else name.upper(), PIN)


def test_a_hash_or_its_beginning_must_mean_the_commit_on_the_branch(world: World) -> None:
    first = world.head()
    world.ship({PIN: values("sha-2")}, "second")
    repo = world.repo()
    repo.fetch()
    assert repo.resolve(first) == first
    assert repo.resolve(first[:8]) == first
    assert repo.resolve(first[:10].upper()) == first
    stray = repo.commit(repo.tip(), first, "never pushed\n")
    assert repo.resolve(stray) is None
    assert repo.resolve(world.git(world.colleague, "rev-parse", "HEAD^{tree}")) is None


def test_a_trailer_must_be_found_only_as_a_trailer(world: World) -> None:
    world.ship({}, "quoting\n\nLastgood-Run: run-1\n\nthe end\n")
    repo = world.repo()
    repo.fetch()
    assert repo.find_trailer("Lastgood-Run", "run-1", 100) is None
    wanted = world.ship({}, "back\n\nLastgood-Run: run-1\nLastgood-To: reg/shop:sha-1\n")
    for number in range(3):
        world.ship({}, f"later {number}")
    repo.fetch()
    assert repo.find_trailer("Lastgood-Run", "run-1", 100) == wanted
    assert repo.find_trailer("Lastgood-Run", "run-1", 3) is None
    assert repo.find_trailer("Lastgood-Run", "run-", 100) is None
    with pytest.raises(Refused):
        repo.find_trailer("x,valueonly)%(trailers:key=y", "z", 10)


def test_what_is_no_file_must_be_none_and_content_must_come_byte_for_byte(world: World) -> None:
    repo = world.repo()
    world.ship({"empty": b"", "binary": bytes(range(256)), "newlines": b"\n\n"}, "files")
    repo.fetch()
    tip = repo.tip()
    found = tuple(repo.blob(tip, path) for path in ("binary", "missing", "empty", "envs", "newlines"))
    assert found == (bytes(range(256)), None, b"", None, b"\n\n")


def test_a_pin_that_became_a_link_must_be_no_release(world: World) -> None:
    (world.colleague / PIN).unlink()
    (world.colleague / PIN).symlink_to("elsewhere.yaml")
    world.ship({}, "linked")
    repo = world.repo()
    repo.fetch()
    assert [release.subject for release in all_releases(repo)] == ["first"]
    with pytest.raises(Refused, match="symbolic link"):
        repo.with_files(repo.tip(), {PIN: b"x"})
    content = repo.blob(repo.tip(), PIN)
    assert content is not None
    with pytest.raises(PinUnreadable):
        make(Options()).read(content)
