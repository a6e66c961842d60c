from pathlib import Path

from operating import ROLLBACK, bad_release_in_production, begin, descends, edit, git, says_no
from shop import API, ENV, PIN, Shop

from lastgood.model.errors import Exit

NEIGHBOUR = f"envs/{ENV}/apps/{API}/alerts.yaml"
FROZEN = """\
#!/bin/sh
echo "main is frozen until Monday, ask Kim" >&2
exit 1
"""
# The first push meets a main that a colleague moved while it was under way; git lets no hook move a branch inside a
# push's quarantine, so the hook steps out of it.
RACE = """\
#!/bin/sh
unset GIT_QUARANTINE_PATH GIT_OBJECT_DIRECTORY GIT_ALTERNATE_OBJECT_DIRECTORIES
mkdir raced 2>/dev/null || exit 0
git update-ref refs/heads/main "$(git commit-tree -p main -m 'Meanwhile' 'main^{tree}')"
"""


def hook(shop: Shop, text: str) -> Path:
    """Puts a pre-receive hook into the remote."""
    path = shop.world.remote / "hooks/pre-receive"
    path.write_text(text)
    path.chmod(0o755)
    return path


def every_byte(folder: Path) -> dict[str, bytes]:
    """All files below a folder, git's own included."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_operator_s_dirty_checkout_on_another_branch_stays_as_it_is(shop: Shop) -> None:
    bad_release_in_production(shop)
    laptop = shop.world.laptop
    git(shop, "checkout", "-q", "-b", "half-done-work", at=laptop)
    (laptop / "README.md").write_text("half a sentence")
    (laptop / "staged.txt").write_text("to be committed")
    (laptop / "untracked.txt").write_text("a note")
    git(shop, "add", "staged.txt", at=laptop)
    before = every_byte(laptop)
    shop.rollback(ends=Exit.DONE)
    assert every_byte(laptop) == before
    assert shop.serves("good-1")


def test_unrelated_commits_during_the_run_stay_and_the_rollback_goes_on_top(shop: Shop) -> None:
    bad_release_in_production(shop)
    with begin(shop, *ROLLBACK) as run:
        run.begun("1.verify")
        with run.sleeping():
            unrelated = shop.world.commit({"docs/oncall.md": "Call Kim.\n"}, "Say whom to call")
        assert run.end().code == Exit.DONE
    assert shop.parents() == [unrelated]
    assert shop.changed() == [PIN]
    assert shop.world.show("docs/oncall.md") == "Call Kim.\n"
    assert shop.serves("good-1")


def test_another_file_of_the_service_changed_during_the_run_stays_too(shop: Shop) -> None:
    bad_release_in_production(shop)
    with begin(shop, *ROLLBACK) as run:
        run.begun("1.verify")
        with run.sleeping():
            unrelated = shop.world.commit({NEIGHBOUR: "page: kim\n"}, "Page Kim")
        assert run.end().code == Exit.DONE
    assert shop.parents() == [unrelated]
    assert shop.world.show(NEIGHBOUR) == "page: kim\n"
    assert shop.serves("good-1")


def test_a_branch_that_moves_under_the_very_push_gets_the_rollback_on_top(shop: Shop) -> None:
    bad_release_in_production(shop)
    hook(shop, RACE)
    shop.rollback(ends=Exit.DONE)
    assert [subject for _, subject in shop.world.log()[1:2]] == ["Meanwhile"]
    assert shop.serves("good-1")


def test_the_same_pin_moved_during_the_run_is_left_to_people(shop: Shop) -> None:
    bad_release_in_production(shop)
    with begin(shop, *ROLLBACK) as run:
        run.begun("1.verify")
        with run.sleeping():
            shop.commits("good-2")
            log = shop.world.log()
        ended = run.end()
    assert ended.code == Exit.NEEDS_HUMAN
    assert shop.tag("good-2") in ended.said
    assert shop.world.log() == log
    assert shop.world.serving(API) == shop.tag("good-1")


def test_with_the_remote_down_production_is_rolled_back_and_resume_settles_git_later(shop: Shop) -> None:
    bad_release_in_production(shop)
    shop.does("status", API, ENV)
    shop.world.break_remote()
    shop.rollback(ends=Exit.MITIGATED)
    assert shop.world.serving(API) == shop.tag("good-1")
    assert shop.world.pinned(API) == shop.tag("http-500")
    assert shop.does("status", API, ENV)["drift"]
    shop.world.mend_remote()
    assert shop.does("status", API, ENV)["drift"]
    shop.does("resume", ends=Exit.DONE)
    assert shop.serves("good-1")
    assert not shop.does("status", API, ENV)["drift"]


def test_a_repeated_rollback_settles_git_once_the_remote_is_back(shop: Shop) -> None:
    bad_release_in_production(shop)
    shop.does("status", API, ENV)
    shop.world.break_remote()
    shop.rollback(ends=Exit.MITIGATED)
    containers = shop.scene().containers
    shop.rollback(ends=Exit.MITIGATED)
    shop.world.mend_remote()
    shop.rollback(ends=Exit.DONE)
    assert shop.scene().containers == containers
    assert shop.serves("good-1")
    shop.rollback(ends=Exit.DONE)
    assert len(shop.world.log()) == 4


def test_where_a_push_is_required_nothing_begins_without_the_remote(shop: Shop) -> None:
    bad_release_in_production(shop)
    shop.does("status", API, ENV)
    edit(shop, "    hosts: [local]", "    hosts: [local]\n    push: required")
    shop.world.break_remote()
    says_no(shop, *ROLLBACK, ends=Exit.REFUSED)


def test_what_the_remote_s_hook_said_is_told_and_production_serves_all_the_same(shop: Shop) -> None:
    bad_release_in_production(shop)
    frozen = hook(shop, FROZEN)
    log = shop.world.log()
    done = shop.world.lastgood(*ROLLBACK, check=Exit.MITIGATED)
    assert "main is frozen until Monday, ask Kim" in done.stdout + done.stderr
    assert shop.world.log() == log
    assert shop.world.serving(API) == shop.tag("good-1")
    frozen.unlink()
    shop.does("resume", ends=Exit.DONE)
    assert shop.serves("good-1")


def test_every_earlier_commit_stays_in_the_history_of_main(shop: Shop) -> None:
    shipped = shop.ships("good-1", "good-2", "http-500")
    before = [commit for commit, _ in shop.world.log()]
    shop.rollback(ends=Exit.DONE)
    shop.rollback("--further", ends=Exit.DONE)
    assert shop.serves("good-1")
    assert descends(shop, *before, *(one.commit for one in shipped))
    assert [commit for commit, _ in shop.world.log()][2:] == before
