"""`lastgood guard check`, as CI calls it: in a clone, on real changes."""

import pytest
from guardworld import CONFIG, PROD, STAGING, Deploy, digest, rolled_back, values

FILE = "quarantine.yaml"


def check(deploy: Deploy, *options: str, ends: int = 0) -> list[dict[str, object]]:
    """The breaches of the laptop's HEAD against origin/main."""
    deploy.git("fetch", "-q", "origin")
    done = deploy.lastgood("guard", "check", "--base", "origin/main", *options, "--json", ends=ends)
    found: list[dict[str, object]] = done.json["breaches"]
    return found


@pytest.fixture
def quarantined(deploy: Deploy) -> Deploy:
    """sha-2 is in quarantine in production; the laptop knows."""
    deploy.release("sha-2", "sha-3")
    deploy.add("sha-2")
    deploy.pull()
    return deploy


def test_a_change_that_pins_what_is_not_in_quarantine_must_pass(quarantined: Deploy) -> None:
    quarantined.commit({PROD: values("sha-4"), STAGING: values("sha-2")}, "bump")
    assert check(quarantined) == []


def test_a_change_that_pins_a_quarantined_release_must_fail_and_say_everything(quarantined: Deploy) -> None:
    quarantined.commit({PROD: values("sha-2")}, "bump")
    (breach,) = check(quarantined, ends=3)
    assert (breach["target"], breach["file"]) == ("shop-api/prod", PROD)
    assert breach["image"]["tag"] == "sha-2"  # type: ignore[index] # an image, as documented
    assert "loses orders" in str(breach["because"])
    assert "by " in str(breach["because"])
    assert breach["next"] == ["lastgood quarantine lift shop-api prod sha-2 --because REASON"]


def test_a_change_made_before_the_quarantine_must_fail_too(deploy: Deploy) -> None:
    deploy.release("sha-2", "sha-3")
    deploy.pull()
    deploy.commit({PROD: values("sha-2")}, "bump")
    assert check(deploy) == []
    deploy.add("sha-2")
    assert len(check(deploy, ends=3)) == 1


def test_a_revert_of_a_rollback_must_fail(deploy: Deploy) -> None:
    deploy.release("sha-2")
    back = deploy.ship({PROD: values("sha-1")}, rolled_back("sha-2", "sha-1"))
    deploy.pull()
    deploy.git("revert", "--no-edit", back)
    (breach,) = check(deploy, ends=3)
    assert "20261110-031500-7f3a" in str(breach["because"])
    deploy.lift("sha-2")
    assert check(deploy) == []


def test_a_rollback_that_was_merged_by_a_merge_commit_must_count(deploy: Deploy) -> None:
    deploy.release("sha-2")
    deploy.git("pull", "-q", "--ff-only", "origin", "main", at=deploy.colleague)
    deploy.git("checkout", "-q", "-b", "back", at=deploy.colleague)
    deploy.commit({PROD: values("sha-1")}, rolled_back("sha-2", "sha-1"), deploy.colleague)
    deploy.git("checkout", "-q", "main", at=deploy.colleague)
    deploy.git("merge", "-q", "--no-ff", "-m", "Merge back", "back", at=deploy.colleague)
    deploy.git("push", "-q", "origin", "main", at=deploy.colleague)
    deploy.pull()
    deploy.commit({PROD: values("sha-2")}, "bump")
    assert len(check(deploy, ends=3)) == 1


def test_what_was_verified_since_it_was_condemned_must_pass(deploy: Deploy) -> None:
    deploy.release("sha-2")
    deploy.ship({PROD: values("sha-1")}, rolled_back("sha-2", "sha-1"))
    deploy.release("sha-3")
    deploy.git("pull", "-q", "--ff-only", "origin", "main", at=deploy.colleague)
    (deploy.colleague / PROD).write_text(values("sha-2"))
    later = {"GIT_COMMITTER_DATE": "2030-01-01T00:00:00Z"}
    deploy.run("git", "commit", "-qam", rolled_back("sha-3", "sha-2", "r2"), at=deploy.colleague, env=later)
    deploy.git("push", "-q", "origin", "HEAD:main", at=deploy.colleague)
    deploy.release("sha-4")
    deploy.pull()
    deploy.commit({PROD: values("sha-2")}, "bump")
    assert check(deploy) == []
    deploy.commit({PROD: values("sha-3")}, "bump")
    assert len(check(deploy, ends=3)) == 1


def test_the_digest_must_decide_where_both_have_one(deploy: Deploy) -> None:
    deploy.ship({PROD: values("latest", digest("a"))}, "release")
    deploy.add(digest("a"))
    deploy.release("sha-3")
    deploy.pull()
    deploy.commit({PROD: values("latest", digest("b"))}, "moved on")
    assert check(deploy) == []
    deploy.commit({PROD: values("another-name", digest("a"))}, "by another name")
    assert len(check(deploy, ends=3)) == 1
    deploy.commit({PROD: values("latest")}, "no digest")
    assert len(check(deploy, ends=3)) == 1


def test_an_entry_that_is_removed_or_rewritten_must_be_refused(quarantined: Deploy) -> None:
    text = quarantined.at_main(FILE)
    quarantined.commit({FILE: "quarantine: []\n", PROD: values("sha-2")}, "sneak it in")
    found = check(quarantined, ends=3)
    assert {str(breach["file"]) for breach in found} == {FILE, PROD}
    quarantined.commit({FILE: None, PROD: values("sha-3")}, "no file")
    assert "removed or rewritten" in str(check(quarantined, ends=3)[0]["because"])
    quarantined.commit({FILE: text.replace("sha-2", "sha-0")}, "another release")
    assert [breach["file"] for breach in check(quarantined, ends=3)] == [FILE]


def test_a_lift_with_a_reason_in_the_same_change_must_pass(quarantined: Deploy) -> None:
    lifted = '    lifted: {because: "safe", by: "kim", at: "2026-11-22T21:00:00Z"}\n'
    text = quarantined.at_main(FILE) + "\n" + lifted
    quarantined.commit({FILE: text, PROD: values("sha-2")}, "lift")
    assert check(quarantined) == []
    quarantined.commit({FILE: text.replace('"safe"', '" "')}, "no reason")
    (unreadable, *_) = check(quarantined, ends=3)
    assert "lifted.because: it is empty" in str(unreadable["because"])


def test_a_change_must_not_hide_a_pin_by_forgetting_its_service(quarantined: Deploy) -> None:
    other = CONFIG.replace("{probes", "{pin: {file: elsewhere.yaml}, probes")
    assert other != CONFIG
    quarantined.commit({"lastgood.yaml": other, PROD: values("sha-2")}, "hide")
    assert [breach["file"] for breach in check(quarantined, ends=3)] == [PROD]
    quarantined.commit({"lastgood.yaml": None}, "hide better")
    assert [breach["file"] for breach in check(quarantined, ends=3)] == [PROD]


def test_without_a_base_every_pin_must_be_looked_at(quarantined: Deploy) -> None:
    assert quarantined.lastgood("guard", "check", "--json").json["pins"][0]["image"]["tag"] == "sha-3"
    quarantined.ship({PROD: values("sha-2")}, "somebody without a guard")
    quarantined.pull()
    done = quarantined.lastgood("guard", "check", "--json", ends=3).json
    assert len(done["pins"]) == 2
    assert [breach["target"] for breach in done["breaches"]] == ["shop-api/prod"]


def test_a_pin_that_cannot_be_read_must_fail(quarantined: Deploy) -> None:
    quarantined.commit({PROD: "image: [\n"}, "typo")
    assert "cannot be read" in str(check(quarantined, ends=3)[0]["because"])


def test_a_clone_whose_history_is_cut_off_must_be_refused(quarantined: Deploy) -> None:
    shallow = quarantined.root / "shallow"
    quarantined.git("clone", "-q", "--depth", "1", f"file://{quarantined.remote}", str(shallow), at=quarantined.root)
    done = quarantined.lastgood("guard", "check", "--json", at=shallow, ends=3).json
    assert "fetch-depth: 0" in done["next"][1]


@pytest.mark.parametrize("rev", ["--force", "no-such", "$(touch owned)", "HEAD:lastgood.yaml"])
def test_what_is_no_commit_must_be_a_usage_error(deploy: Deploy, rev: str) -> None:
    done = deploy.lastgood("guard", "check", f"--base={rev}", "--json", ends=2).json
    assert done["error"] == "UsageError"
    assert not (deploy.laptop / "owned").exists()


def test_a_commit_whose_ci_nobody_knows_must_not_be_green(quarantined: Deploy) -> None:
    quarantined.commit({PROD: values("sha-0123abc"), STAGING: values("v4")}, "bump")
    assert check(quarantined) == []
    said = {str(breach["target"]): str(breach["because"]) for breach in check(quarantined, "--require-green", ends=3)}
    assert said["shop-api/prod"].startswith("whether CI passed for 0123abc is unknown")
    assert "its tag is not sha-COMMIT" in said["shop-api/staging"]


def test_a_branch_whose_quarantine_cannot_be_read_must_take_only_what_mends_it(quarantined: Deploy) -> None:
    good = quarantined.at_main(FILE)
    quarantined.commit({STAGING: values("sha-3")}, "bump")
    quarantined.ship({FILE: "quarantine: [\n"}, "typo")
    (breach,) = check(quarantined, ends=3)
    assert "the branch's quarantine cannot be read" in str(breach["because"])
    quarantined.git("reset", "-q", "--hard", "origin/main")
    quarantined.commit({FILE: good}, "mend")
    assert check(quarantined) == []
    assert "could not be read" in quarantined.lastgood("guard", "check", "--base", "origin/main").out


def test_a_broken_configuration_must_be_refused_and_may_be_mended(quarantined: Deploy) -> None:
    quarantined.commit({"lastgood.yaml": "services: 1\n"}, "typo")
    quarantined.git("fetch", "-q")
    assert (
        quarantined.lastgood("guard", "check", "--base", "origin/main", "--json", ends=2).json["error"] == "ConfigError"
    )
    quarantined.push("HEAD:main")
    quarantined.commit({"lastgood.yaml": CONFIG}, "mend")
    assert check(quarantined) == []
