import json
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

from operating import ROLLBACK, edit, git, lines, says_no
from shop import API, COMPOSE, ENV, PIN, Shop

from lastgood.model.errors import Exit
from sandbox.run import wait_until

FOLDER = f"envs/{ENV}/apps/{API}"
SECRETS = f"{FOLDER}/.env"


def greeting(shop: Shop) -> str:
    """What customers are greeted with: configuration that only the running container knows."""
    parts = urlsplit(shop.world.url)
    connection = HTTPConnection(parts.hostname or "", parts.port or 80, timeout=5)
    connection.request("GET", "/api/orders")
    return str(json.loads(connection.getresponse().read())["greeting"])


def pinned_greeting(shop: Shop) -> str:
    return next(line for line in shop.world.show(PIN).splitlines() if "greeting:" in line).split()[1]


def colleague_edits(shop: Shop, old: str, new: str, message: str, path: str = PIN) -> str:
    text = shop.world.show(path)
    assert old in text
    return shop.world.commit({path: text.replace(old, new)}, message)


def a_release_with_its_configuration(shop: Shop, bad: str = "needs-greeting") -> str:
    """One commit pins a bad release and changes the greeting, which that release does not stand."""
    shop.ships("good-1")
    text = shop.world.show(PIN)
    changed = text.replace(shop.tag("good-1"), shop.tag(bad)).replace("greeting: hello", "greeting: goodbye")
    commit = shop.world.commit({PIN: changed}, f"{API}: release {bad} and say goodbye")
    shop.world.deploy(API)
    shop.fails_with(500)
    return commit


def test_configuration_of_the_bad_commit_goes_back_with_its_image(shop: Shop) -> None:
    a_release_with_its_configuration(shop)
    shop.rollback(ends=Exit.DONE)
    assert shop.serves("good-1")
    assert (pinned_greeting(shop), greeting(shop)) == ("hello", "hello")


def test_image_only_leaves_the_configuration(shop: Shop) -> None:
    a_release_with_its_configuration(shop)
    shop.rollback("--image-only", ends=Exit.DONE)
    assert shop.serves("good-1")
    assert (pinned_greeting(shop), greeting(shop)) == ("goodbye", "goodbye")


def test_config_only_leaves_the_image(shop: Shop) -> None:
    a_release_with_its_configuration(shop)
    shop.rollback("--config-only", ends=Exit.DONE)
    assert shop.serves("needs-greeting")
    assert (pinned_greeting(shop), greeting(shop)) == ("hello", "hello")


def test_configuration_of_later_commits_stays_and_is_listed(shop: Shop) -> None:
    a_release_with_its_configuration(shop)
    later = colleague_edits(shop, "owner: team-shop", "owner: team-night", "Hand over")
    plan = shop.does("plan", API, ENV)["plan"]
    assert plan["kept"] == [f"{later[:12]} Hand over"]
    shop.rollback(ends=Exit.DONE)
    assert shop.serves("good-1")
    assert pinned_greeting(shop) == "hello"
    assert "owner: team-night" in shop.world.show(PIN)


def test_full_takes_the_whole_folder_back(shop: Shop) -> None:
    a_release_with_its_configuration(shop)
    good = shop.world.show(PIN, "main^")
    colleague_edits(shop, "owner: team-shop", "owner: team-night", "Hand over")
    shop.world.commit({f"{FOLDER}/alerts.yaml": "page: kim\n"}, "Page Kim")
    shop.rollback("--full", ends=Exit.DONE)
    assert shop.serves("good-1")
    assert shop.world.show(PIN) == good
    assert shop.changed() == [f"{FOLDER}/alerts.yaml", PIN]
    assert greeting(shop) == "hello"


def test_a_later_change_of_the_same_lines_is_a_conflict_that_names_the_file(shop: Shop) -> None:
    a_release_with_its_configuration(shop)
    colleague_edits(shop, "greeting: goodbye", "greeting: farewell", "Say farewell")
    assert PIN in says_no(shop, *ROLLBACK, ends=Exit.REFUSED)


def test_a_conflict_does_not_stand_in_the_way_of_the_image_alone(shop: Shop) -> None:
    a_release_with_its_configuration(shop)
    colleague_edits(shop, "greeting: goodbye", "greeting: farewell", "Say farewell")
    shop.rollback("--image-only", ends=Exit.DONE)
    assert shop.serves("good-1")
    assert pinned_greeting(shop) == "farewell"


def test_what_the_switch_rendered_is_exactly_what_was_committed(shop: Shop) -> None:
    a_release_with_its_configuration(shop)
    shop.rollback(ends=Exit.DONE)
    rendered = next(
        line.event["details"]["folder"]
        for line in lines(shop)
        if line.kind == "step-done" and line.event["step"] == "1.render.local"
    )
    tree = Path(rendered) / "tree"
    files = {str(path.relative_to(tree)): path for path in tree.rglob("*") if not path.is_dir()}
    listed = [entry.split(maxsplit=3) for entry in git(shop, "ls-tree", "-r", "main").splitlines()]
    assert sorted(files) == sorted(path for *_, path in listed)
    for mode, _, blob, path in listed:
        assert git(shop, "hash-object", str(files[path])) == blob
        assert bool(files[path].stat().st_mode & 0o100) == (mode == "100755")


def an_untracked_variable(shop: Shop) -> None:
    """The server's checkout has a `.env` that git does not hold, and the Compose file needs it."""
    (shop.world.checkout / SECRETS).write_text("SIGNATURE=robin\n")
    signed = "GREETING: ${CONFIG_GREETING}-${SIGNATURE}"
    shop.commits("good-1")
    colleague_edits(shop, "GREETING: ${CONFIG_GREETING}", signed, "Sign the greeting", COMPOSE)
    shop.ships("http-500")
    shop.fails_with(500)


def test_an_untracked_env_file_that_the_configuration_names_is_honoured(shop: Shop) -> None:
    an_untracked_variable(shop)
    edit(shop, "engine: {kind: compose,", f'engine: {{kind: compose, env_files: ["{SECRETS}"],')
    edit(shop, "    probes:", f'    untracked: ["{SECRETS}"]\n    probes:')
    shop.rollback(ends=Exit.DONE)
    assert shop.serves("good-1")
    assert greeting(shop) == "hello-robin"


def test_a_variable_that_nothing_sets_is_named_before_anything_is_switched(shop: Shop) -> None:
    an_untracked_variable(shop)
    assert "SIGNATURE" in says_no(shop, *ROLLBACK, ends=Exit.REFUSED)


def an_untracked_mount(shop: Shop) -> str:
    """The Compose file mounts a file that only the server's checkout has; returns its path in the repository."""
    mounted = f"{FOLDER}/prices.json"
    (shop.world.checkout / mounted).write_text("{}")
    shop.commits("good-1")
    mount = "volumes: [./prices.json:/prices.json:ro]\n    depends_on: [db]"
    colleague_edits(shop, "depends_on: [db]", mount, "Mount the prices", COMPOSE)
    shop.ships("http-500")
    shop.fails_with(500)
    return mounted


def test_a_mount_that_git_does_not_hold_is_named_before_anything_is_switched(shop: Shop) -> None:
    mounted = an_untracked_mount(shop)
    assert mounted in says_no(shop, *ROLLBACK, ends=Exit.REFUSED)


def test_an_untracked_mount_that_the_configuration_names_is_honoured(shop: Shop) -> None:
    mounted = an_untracked_mount(shop)
    edit(shop, "    probes:", f'    untracked: ["{mounted}"]\n    probes:')
    shop.rollback(ends=Exit.DONE)
    wait_until(lambda: shop.serves("good-1"), "good-1 serves")
