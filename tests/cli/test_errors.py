"""Whatever is typed, the answer is a sentence, the right exit code, and nothing touched."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from lastgood.service import Service
from tests.cli.conftest import Said

Lastgood = Callable[..., Said]
HOSTILE = ("--force", "../x", "../../etc/passwd", "$(reboot)", "a\nb", "\x1b[2J", "", "x" * 5000, "-", "\udcff")


@pytest.mark.parametrize("name", HOSTILE, ids=repr)
@pytest.mark.parametrize("verb", ["status", "history", "plan", "rollback", "check", "restart"])
def test_a_hostile_service_name_must_be_a_usage_error(lastgood: Lastgood, verb: str, name: str) -> None:
    said = lastgood(verb, name, "prod", "--no-color")
    assert said.code == 2
    assert "Traceback" not in said.err
    assert "internal error" not in said.err
    assert "\x1b" not in said.err
    assert said.out == ""


@pytest.mark.parametrize("name", HOSTILE, ids=repr)
def test_a_hostile_environment_must_be_a_usage_error(lastgood: Lastgood, name: str) -> None:
    said = lastgood("plan", "shop-api", name)
    assert (said.code, said.out) == (2, "")
    assert "internal error" not in said.err


@pytest.mark.parametrize("name", HOSTILE, ids=repr)
@pytest.mark.parametrize("verb", ["show", "resume", "abort"])
def test_a_hostile_run_must_be_a_usage_error(lastgood: Lastgood, verb: str, name: str) -> None:
    said = lastgood(verb, name)
    assert (said.code, said.out) == (2, "")
    assert "internal error" not in said.err


@pytest.mark.parametrize("name", HOSTILE, ids=repr)
def test_a_hostile_plan_digest_must_be_a_usage_error(lastgood: Lastgood, name: str) -> None:
    assert lastgood("rollback", "shop-api", "prod", "--plan", name).code == 2


def test_a_hostile_name_must_leave_json_alone_on_stdout(lastgood: Lastgood) -> None:
    said = lastgood("status", "a\n\udcff\x1b[2J", "prod", "--json")
    assert said.json["kind"] == "error"
    assert (said.json["exit"], said.code, said.err) == (2, 2, "")


def test_swapped_arguments_must_get_the_right_command_to_type(lastgood: Lastgood) -> None:
    said = lastgood("rollback", "prod", "shop-api", "--to", "it's", "--yes")
    assert said.code == 2
    assert "lastgood rollback shop-api prod --to 'it'\"'\"'s' --yes" in said.err


def test_a_misspelt_service_must_get_the_nearest_one(lastgood: Lastgood) -> None:
    assert "did you mean shop-api?" in lastgood("plan", "shop-apo", "prod").err


def test_a_misspelt_command_must_get_the_nearest_one(lastgood: Lastgood) -> None:
    said = lastgood("rolback")
    assert said.code == 2
    assert "did you mean rollback?" in said.err


@pytest.mark.parametrize("verb", ["status", "history"])
def test_where_one_service_is_looked_at_an_app_must_get_the_commands_for_its_services(
    verb: str, lastgood: Lastgood
) -> None:
    said = lastgood(verb, "shop", "prod")
    assert said.code == 2
    assert f"lastgood {verb} shop-api prod" in said.err
    assert f"lastgood {verb} shop-web prod" in said.err


@pytest.mark.parametrize("verb", ["plan", "rollback", "restart", "check"])
def test_an_app_must_be_planned_as_one(verb: str, lastgood: Lastgood) -> None:
    said = lastgood(verb, "shop", "prod")
    assert said.code == 3, "nothing was shipped"
    assert "No release of this service can be read from git" in said.err


def test_an_environment_left_out_must_be_asked_for_where_there_are_two(lastgood: Lastgood) -> None:
    said = lastgood("plan", "shop-api", "--to", "sha-1")
    assert said.code == 2
    assert "lastgood plan shop-api --to sha-1 staging" in said.err


def test_an_environment_left_out_must_be_said_where_there_is_one(lastgood: Lastgood) -> None:
    assert "environment prod: the only one of shop-web" in lastgood("plan", "shop-web").err


def test_a_service_left_out_must_be_a_usage_error_without_a_terminal(lastgood: Lastgood) -> None:
    said = lastgood("rollback")
    assert said.code == 2
    assert "lastgood rollback shop-web prod" in said.err


def test_scopes_must_not_be_combined(lastgood: Lastgood) -> None:
    said = lastgood("plan", "shop-api", "prod", "--full", "--image-only")
    assert said.code == 2
    assert "--image-only and --full contradict each other" in said.err


def test_a_missing_configuration_must_name_the_folder_and_the_next_command(
    lastgood: Lastgood, deploy_repo: Path
) -> None:
    (deploy_repo / "lastgood.yaml").unlink()
    said = lastgood("status")
    assert said.code == 2
    assert f"lastgood init --repo {deploy_repo}" in said.err


def test_a_broken_configuration_must_name_the_line(lastgood: Lastgood, deploy_repo: Path) -> None:
    (deploy_repo / "lastgood.yaml").write_text("environments:\n  prod: {host: [local]}\nservices: {a: {}}\n")
    said = lastgood("status")
    assert said.code == 2
    assert "lastgood.yaml:2 $.environments.prod.host: unknown key; did you mean hosts?" in said.err


def test_a_configuration_that_only_the_remote_branch_has_must_be_used(lastgood: Lastgood, deploy_repo: Path) -> None:
    subprocess.run(("git", "update-ref", "refs/remotes/origin/main", "HEAD"), check=True)
    subprocess.run(("git", "rm", "-q", "lastgood.yaml"), check=True)
    assert not (deploy_repo / "lastgood.yaml").exists()
    assert "There is no service 'nope' in lastgood.yaml (of the deploy branch)" in lastgood("plan", "nope", "prod").err


def test_a_repo_that_is_not_there_must_be_said(lastgood: Lastgood) -> None:
    said = lastgood("status", "--repo", "/nowhere")
    assert said.code == 2
    assert "'/nowhere'" in said.err


def test_nothing_to_ask_must_be_a_refusal_and_no_traceback(lastgood: Lastgood) -> None:
    said = lastgood("plan", "shop-web", "prod", "--json")
    assert said.code == said.json["exit"]
    assert said.code in (2, 3)
    assert "Traceback" not in said.err


def test_a_defect_must_be_one_sentence_and_exit_8(lastgood: Lastgood, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Service, "plan", lambda *_: 1 / 0)
    said = lastgood("plan", "shop-api", "prod")
    assert said.code == 8
    assert "internal error: ZeroDivisionError" in said.err
    assert "Traceback" not in said.err


def test_an_interrupt_before_anything_was_done_must_say_so(lastgood: Lastgood, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Service, "plan", interrupted)
    said = lastgood("rollback", "shop-api", "prod", "--yes")
    assert said.code == 3
    assert "nothing was touched" in said.err


def test_init_must_never_overwrite(lastgood: Lastgood, deploy_repo: Path) -> None:
    before = (deploy_repo / "lastgood.yaml").read_bytes()
    assert lastgood("init").code == 3
    assert (deploy_repo / "lastgood.yaml").read_bytes() == before


def test_init_must_write_what_loads(lastgood: Lastgood, deploy_repo: Path) -> None:
    (deploy_repo / "lastgood.yaml").unlink()
    values = deploy_repo / "envs/prod/apps/shop-api/values.yaml"
    values.parent.mkdir(parents=True)
    values.write_text("image:\n  repository: ghcr.io/axinova/shop-api\n  tag: sha-1\n")
    subprocess.run(("git", "add", "-A"), check=True)
    assert lastgood("init", "--print", "--json").json["written"] is False
    assert not (deploy_repo / "lastgood.yaml").exists()
    assert lastgood("init").code == 0
    assert lastgood("status", "shop-api", "prod", "--explain").code == 0


def test_explain_must_say_where_each_setting_is_from(lastgood: Lastgood) -> None:
    settings = lastgood("status", "shop-api", "prod", "--explain", "--json").json["settings"]
    assert {"setting": "environment.branch", "value": "main", "from": "default"} in settings
    assert any(s["setting"] == "probes[0].url" and s["from"].startswith("lastgood.yaml $.") for s in settings)


def test_the_schema_must_be_a_json_schema(lastgood: Lastgood) -> None:
    assert lastgood("schema").json["title"] == "lastgood.yaml"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_must_be_a_script_for_the_shell(lastgood: Lastgood, shell: str) -> None:
    said = lastgood("completion", shell)
    assert said.code == 0
    assert f"_LASTGOOD_COMPLETE={shell}_complete" in said.out


@pytest.mark.parametrize(
    "verb",
    [
        *("status", "history", "plan", "rollback", "check", "restart", "runs", "show", "resume", "abort"),
        *("doctor", "init", "schema", "completion"),
    ],
)
def test_help_of_every_verb_must_show_an_example(lastgood: Lastgood, verb: str) -> None:
    said = lastgood(verb, "--help")
    assert said.code == 0
    assert f"  lastgood {verb}" in said.out
    assert "Example" in said.out
