"""`lastgood quarantine`, on a real remote."""

import json

from guardworld import PROD, REPOSITORY, STAGING, Deploy, digest, rolled_back, values

from lastgood.config.quarantine import entries

FILE = "quarantine.yaml"


def listed(deploy: Deploy, *words: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = deploy.lastgood("quarantine", "list", *words, "--json").json["entries"]
    return found


def test_a_quarantined_release_must_stand_in_git_for_everyone(deploy: Deploy) -> None:
    deploy.release("sha-2", "sha-3")
    before = deploy.main()
    done = deploy.add("sha-2", "--json").json
    assert done["commit"] == deploy.main()
    assert deploy.git("rev-parse", "main~1", at=deploy.remote) == before
    assert deploy.git("diff", "--name-only", "main~1", "main", at=deploy.remote) == FILE
    (entry,) = entries(deploy.at_main(FILE).encode())
    assert (entry.service, entry.env, str(entry.image)) == ("shop-api", "prod", f"{REPOSITORY}:sha-2")
    assert entry.because == "loses orders"
    assert entry.lifted is None
    body = deploy.git("log", "-1", "--format=%(trailers:key=Lastgood-Quarantine,valueonly)", "main", at=deploy.remote)
    assert body == f"add {REPOSITORY}:sha-2"
    assert deploy.git("status", "--porcelain") == ""
    assert [one["because"] for one in listed(deploy, "shop-api", "prod")] == ["loses orders"]


def test_adding_twice_must_change_nothing(deploy: Deploy) -> None:
    deploy.release("sha-2")
    deploy.add("sha-2")
    before = deploy.main()
    assert deploy.add("sha-2", "--json").json["commit"] == ""
    assert deploy.main() == before


def test_the_pinned_digest_must_be_kept_with_the_tag(deploy: Deploy) -> None:
    deploy.ship({PROD: values("sha-2", digest("sha-2"))}, "release")
    deploy.add(digest("sha-2"))
    (entry,) = entries(deploy.at_main(FILE).encode())
    assert str(entry.image) == f"{REPOSITORY}:sha-2@{digest('sha-2')}"


def test_a_commit_must_name_the_release_it_lies_in(deploy: Deploy) -> None:
    deploy.release("sha-2")
    later = deploy.ship({"README": "hello\n"}, "say hello")
    deploy.add(later[:10])
    (entry,) = entries(deploy.at_main(FILE).encode())
    assert entry.image.tag == "sha-2"


def test_a_release_that_nobody_knows_must_be_refused_unless_named_in_full(deploy: Deploy) -> None:
    before = deploy.main()
    refused = deploy.add("sha-9", "--json", ends=2).json
    assert "sha-1" in refused["because"][0]
    assert deploy.main() == before
    deploy.add(f"{REPOSITORY}:sha-9")
    assert entries(deploy.at_main(FILE).encode())[0].image.tag == "sha-9"
    deploy.add("ghcr.io/axinova/another:sha-9", ends=2)


def test_a_lift_must_keep_the_entry_and_the_reason(deploy: Deploy) -> None:
    deploy.release("sha-2")
    deploy.add("sha-2")
    deploy.lift("sha-2")
    (entry,) = entries(deploy.at_main(FILE).encode())
    assert entry.because == "loses orders"
    assert entry.lifted is not None
    assert entry.lifted.because == "was the database"
    before = deploy.main()
    assert "already" in deploy.lift("sha-2", "--json").json["because"]
    assert deploy.main() == before
    deploy.add("sha-2")
    assert [e.lifted is None for e in entries(deploy.at_main(FILE).encode())].count(True) == 1


def test_lifting_what_is_in_no_quarantine_must_change_nothing(deploy: Deploy) -> None:
    before = deploy.main()
    assert deploy.lift("sha-1", "--json").json["because"] == "it is not in quarantine"
    assert deploy.main() == before


def test_an_empty_reason_must_be_refused(deploy: Deploy) -> None:
    before = deploy.main()
    deploy.lastgood("quarantine", "add", "shop-api", "prod", "sha-1", "--because", " \n", ends=2)
    deploy.lastgood("quarantine", "add", "shop-api", "prod", "sha-1", ends=2)
    assert deploy.main() == before


def test_what_holds_everywhere_must_be_lifted_everywhere(deploy: Deploy) -> None:
    deploy.add("sha-1", "--everywhere")
    (entry,) = entries(deploy.at_main(FILE).encode())
    assert entry.env == ""
    refused = deploy.lift("sha-1", "--json", ends=3).json
    assert refused["next"] == ["lastgood quarantine lift shop-api prod sha-1 --everywhere --because REASON"]
    deploy.lift("sha-1", "--everywhere")
    assert entries(deploy.at_main(FILE).encode())[0].lifted is not None


def test_what_a_rollback_condemned_must_be_listed_and_can_be_lifted(deploy: Deploy) -> None:
    deploy.release("sha-2")
    deploy.ship({PROD: values("sha-1")}, rolled_back("sha-2", "sha-1"))
    (known,) = listed(deploy)
    assert known["run"] == "20261110-031500-7f3a"
    assert known["image"] == {"repository": REPOSITORY, "tag": "sha-2", "digest": digest("sha-2")}
    deploy.lift("sha-2")
    (entry,) = entries(deploy.at_main(FILE).encode())
    assert entry.lifted is not None
    assert entry.run == "20261110-031500-7f3a"
    assert [one["lifted"] is None for one in listed(deploy)] == [False]
    again = rolled_back("sha-2", "sha-1", "20261210-031500-aaaa")
    deploy.ship({PROD: values("sha-2")}, "once more")
    when = {"GIT_COMMITTER_DATE": "2030-01-01T00:00:00Z"}
    deploy.git("pull", "-q", "--ff-only", "origin", "main", at=deploy.colleague)
    (deploy.colleague / PROD).write_text(values("sha-1"))
    deploy.run("git", "commit", "-qam", again, at=deploy.colleague, env=when)
    deploy.git("push", "-q", "origin", "HEAD:main", at=deploy.colleague)
    assert {one["run"] for one in listed(deploy) if one["lifted"] is None} == {"20261210-031500-aaaa"}
    deploy.lift("sha-2")
    assert [one for one in listed(deploy) if one["lifted"] is None] == []


def test_hostile_words_must_stay_words(deploy: Deploy) -> None:
    nasty = 'it\'s "bad": {x}\n\x1b[31m- service: evil\nLastgood-Bad: reg/x:1 \u2028 \u00e9 \U0001f4a5'
    deploy.lastgood("quarantine", "add", "shop-api", "prod", "sha-1", "--because", nasty)
    (entry,) = entries(deploy.at_main(FILE).encode())
    assert entry.service == "shop-api"
    assert "\u00e9 \U0001f4a5" in entry.because
    assert "\x1b" not in deploy.at_main(FILE)
    body = deploy.git("log", "-1", "--format=%(trailers:key=Lastgood-Bad)", "main", at=deploy.remote)
    assert body == ""
    deploy.lastgood("quarantine", "add", "shop-api", "prod", "--because", "x", "--", "--force", ends=2)
    deploy.lastgood("quarantine", "add", "shop-api", "prod", "--because", "x", "../x", ends=2)


def test_a_branch_that_moves_meanwhile_must_keep_the_others_commits(deploy: Deploy) -> None:
    hook = deploy.remote / "hooks/pre-receive"
    hook.write_text(
        "#!/bin/sh\nunset GIT_QUARANTINE_PATH GIT_OBJECT_DIRECTORY GIT_ALTERNATE_OBJECT_DIRECTORIES\n"
        "mkdir raced 2>/dev/null || exit 0\n"
        "git -c user.name=K -c user.email=k@k update-ref refs/heads/main "
        "\"$(git -c user.name=K -c user.email=k@k commit-tree -p main -m Meanwhile 'main^{tree}')\"\n"
    )
    hook.chmod(0o755)
    deploy.add("sha-1")
    subjects = deploy.git("log", "--format=%s", "main", at=deploy.remote).splitlines()
    assert subjects[:2] == ["Quarantine sha-1 of shop-api/prod", "Meanwhile"]


def test_a_protected_branch_must_be_told_and_nothing_changed(deploy: Deploy) -> None:
    hook = deploy.remote / "hooks/pre-receive"
    hook.write_text("#!/bin/sh\necho main is frozen >&2\nexit 1\n")
    hook.chmod(0o755)
    before = deploy.main()
    refused = deploy.add("sha-1", "--json", ends=3).json
    assert "does not take the change of the quarantine" in refused["what"]
    assert deploy.main() == before


def test_a_remote_that_is_away_must_be_told(deploy: Deploy) -> None:
    deploy.lastgood("quarantine", "list")
    deploy.remote.rename(deploy.root / "away")
    assert deploy.add("sha-1", "--json", ends=3).json["error"] == "GitUnavailable"
    assert "does not answer" in deploy.lastgood("quarantine", "list", "--json").json["warnings"][0]


def test_a_file_that_cannot_be_read_must_not_be_changed_nor_taken_for_empty(deploy: Deploy) -> None:
    deploy.ship({FILE: "quarantine:\n  - service: shop-api\n    imaeg: x\n"}, "typo")
    before = deploy.main()
    for words in (("add", "shop-api", "prod", "sha-1", "--because", "x"), ("list",)):
        refused = deploy.lastgood("quarantine", *words, "--json", ends=3).json
        assert refused["because"][0].startswith("quarantine.yaml:3 $.quarantine[0].imaeg: unknown key")
    assert deploy.main() == before


def test_the_file_must_be_sorted_and_stable(deploy: Deploy) -> None:
    deploy.release("sha-2", "sha-3")
    for tag in ("sha-3", "sha-2"):
        deploy.add(tag)
    deploy.add("sha-1", env="staging")
    text = deploy.at_main(FILE)
    assert text.startswith("# Releases that must not come back by themselves.")
    assert [e.image.tag for e in entries(text.encode())] == ["sha-2", "sha-3", "sha-1"]
    assert STAGING not in text
    assert json.dumps("loses orders") in text
