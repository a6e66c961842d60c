"""Every kind of rival must be found, told apart from the harmless, and never guessed at."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
import pytest

from lastgood import catalog
from lastgood.effects.process import LocalProcess
from lastgood.model.command import Command, Completed
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.observed import Container, State
from lastgood.model.rival import Harm, Seen
from lastgood.model.target import Adapter, GateSpec, Push, Target, WalkBack
from lastgood.ports import Rival
from lastgood.rivals import _lines, cron, portainer, timer, watchtower
from sandbox import images, prepare
from sandbox.run import docker

KINDS = catalog.kinds("rivals")
NONE = Adapter("none", watchtower.Options())
CHECKOUT = "/opt/deploy"
TARGET = Target(
    *("shop-api", "prod", "/repo", "main", ("local",), "/state", Push.BEST_EFFORT),
    *(NONE, NONE, "envs/prod/apps/shop-api/values.yaml", NONE, (), GateSpec(), WalkBack()),
    checkout=CHECKOUT,
)
ID = "a" * 64
BY_TAG, BY_DIGEST = "r.example/shop-api:v1", "r.example/shop-api@sha256:" + "1" * 64


def container(name: str = "shop-api-1", image: str = BY_TAG) -> Container:
    return Container(name, "api", image, "sha256:" + "2" * 64, (), State.RUNNING)


Answering = Callable[[Command], tuple[int | None, str, str]]


def asked(rival: Rival, answering: Answering, ours: Sequence[Container] = (container(),)) -> Fact[tuple[Seen, ...]]:
    def ask(commands: Sequence[Command]) -> list[Completed]:
        given = [(command, answering(command)) for command in commands]
        return [
            Completed(c, status, out.encode(), err.encode(), failure=err if status is None else "")
            for c, (status, out, err) in given
        ]

    first = ask(rival.questions(TARGET))
    return rival.read(TARGET, tuple(ours), (*first, *ask(rival.follow_up(TARGET, first))))


def found(fact: Fact[tuple[Seen, ...]]) -> tuple[Seen, ...]:
    assert isinstance(fact, Known)
    return fact.value


def updater(image: str, *words: str, env: Sequence[str] = (), labels: dict[str, str] | None = None) -> Answering:
    """An engine with one updater, and `labels` on our container."""
    given = {"enable": "", "scope": "", "monitor": "", **(labels or {})}

    def answer(command: Command) -> tuple[int | None, str, str]:
        if "inspect" in command.argv:
            row = {"name": "/updater", "image": image, "paused": False, "command": list(words)}
            return 0, json.dumps({**row, "entry": ["/watchtower"], "labels": {}, "variables": list(env)}), ""
        if '"scope"' in command.argv[-1]:
            return 0, json.dumps({"name": "shop-api-1", **given}), ""
        if '"folder"' in command.argv[-1]:
            return 0, json.dumps({"name": "shop-api-1", "folder": given.get("folder", "/srv/shop")}), ""
        return 0, json.dumps({"id": ID, "image": image}), ""

    return answer


@pytest.mark.parametrize("kind", KINDS)
class TestEveryKind:
    def rival(self, kind: str) -> Rival:
        return dict(zip(KINDS, catalog.rivals(), strict=True))[kind]

    def test_an_empty_host_must_have_none(self, kind: str) -> None:
        assert asked(self.rival(kind), lambda _: (0, "", "")) == Known(())

    def test_no_answer_must_be_unknown_and_never_none(self, kind: str) -> None:
        assert isinstance(asked(self.rival(kind), lambda _: (None, "", "killed after 10 s")), Unknown)
        assert isinstance(self.rival(kind).read(TARGET, (), ()), Unknown)

    @pytest.mark.parametrize("junk", ["\x1b[2J\x00", "{}", "[1]", "a\n\nb=c\n=", "{" * 500, "=" * 4000])
    def test_garbage_must_be_answered_and_never_raise(self, kind: str, junk: str) -> None:
        fact = asked(self.rival(kind), lambda _: (0, junk, junk))
        assert isinstance(fact, Unknown | Known)
        assert all(one.said.isprintable() and one.name.isprintable() for one in getattr(fact, "value", ()))

    def test_questions_must_only_read(self, kind: str) -> None:
        allowed = {("docker", "ps"), ("crontab", "-l"), ("grep", "-r"), ("systemctl", "--no-pager"), ("id", "-u")}
        assert {command.argv[:2] for command in self.rival(kind).questions(TARGET)} <= allowed


WATCHTOWER = "containrrr/watchtower:1.7.1"


@pytest.mark.parametrize(
    "image",
    [
        WATCHTOWER,
        "ghcr.io/nicholas-fedor/watchtower",
        "beatkind/watchtower@sha256:" + "3" * 64,
        "r:5000/a/watchtower:x",
    ],
)
def test_a_watchtower_of_whatever_fork_must_be_named_and_paused(image: str) -> None:
    (one,) = found(asked(watchtower.Watchtower(), updater(image)))
    assert (one.kind, one.name, one.harm) == ("watchtower", "updater", Harm.UNDOES)
    assert one.pause == ("docker", "pause", "--", "updater")
    assert one.unpause == ("docker", "unpause", "--", "updater")
    assert "shop-api-1" in one.said


@pytest.mark.parametrize(
    ("words", "env", "labels"),
    [
        (("--monitor-only",), (), {}),
        ((), ("WATCHTOWER_MONITOR_ONLY=true",), {}),
        (("--label-enable",), (), {}),
        (("-e",), (), {"enable": "false"}),
        ((), (), {"enable": "false"}),
        ((), (), {"monitor": "true"}),
        (("--interval", "30", "other"), (), {}),
        (("--scope", "prod"), (), {"scope": "test"}),
        (("--scope=none",), (), {"scope": "test"}),
        ((), ("WATCHTOWER_SCOPE=prod",), {}),
        ((), ("WATCHTOWER_DISABLE_CONTAINERS=db,shop-api-1",), {}),
        (("--no-restart",), (), {}),
    ],
)
def test_a_watchtower_that_does_not_touch_ours_must_be_harmless(
    words: tuple[str, ...], env: tuple[str, ...], labels: dict[str, str]
) -> None:
    (one,) = found(asked(watchtower.Watchtower(), updater(WATCHTOWER, *words, env=env, labels=labels)))
    assert (one.harm, one.pause) == (Harm.NONE, ())


@pytest.mark.parametrize(
    ("words", "env", "labels"),
    [
        (("--monitor-only=false",), ("WATCHTOWER_MONITOR_ONLY=true",), {}),
        (("--label-enable",), (), {"enable": "true"}),
        (("-i", "30", "shop-api-1"), (), {}),
        (("--scope", "prod"), (), {"scope": "prod"}),
        (("--scope", "none"), (), {}),
        ((), ("WATCHTOWER_NOTIFICATION_URL",), {}),
    ],
)
def test_a_watchtower_that_touches_ours_must_never_pass_for_harmless(
    words: tuple[str, ...], env: tuple[str, ...], labels: dict[str, str]
) -> None:
    (one,) = found(asked(watchtower.Watchtower(), updater(WATCHTOWER, *words, env=env, labels=labels)))
    assert one.harm is Harm.UNDOES


def test_containers_that_run_by_digest_must_be_known_to_be_safe_from_watchtower() -> None:
    (one,) = found(asked(watchtower.Watchtower(), updater(WATCHTOWER), [container(image=BY_DIGEST)]))
    assert one.harm is Harm.NONE
    assert "by digest" in one.said


def test_a_watchtower_that_cleans_up_must_be_said_to_remove_the_way_back() -> None:
    seen = found(asked(watchtower.Watchtower(), updater(WATCHTOWER, "--cleanup")))
    assert [one.harm for one in seen] == [Harm.UNDOES, Harm.PRUNES]


@pytest.mark.parametrize(
    ("image", "env", "harm"),
    [
        ("crazymax/diun:latest", (), Harm.NONE),
        ("pyouroboros/ouroboros", (), Harm.UNDOES),
        ("getwud/wud", ("WUD_TRIGGER_SMTP_X_HOST",), Harm.NONE),
        ("getwud/wud", ("WUD_TRIGGER_DOCKERCOMPOSE_X_FILE",), Harm.UNDOES),
    ],
)
def test_those_that_only_notify_must_be_told_from_those_that_act(image: str, env: tuple[str, ...], harm: Harm) -> None:
    (one,) = found(asked(watchtower.Watchtower(), updater(image, env=env)))
    assert one.harm is harm


def test_a_portainer_must_be_said_to_be_unseen_where_the_stack_may_be_its() -> None:
    labels = {"folder": "/data/compose/7"}
    (one,) = found(asked(portainer.Portainer(), updater("portainer/portainer-ce", labels=labels)))
    assert one.harm is Harm.UNDOES
    assert "cannot be seen without an API token" in one.said
    (other,) = found(asked(portainer.Portainer(), updater("portainer/portainer-ce")))
    assert other.harm is Harm.NONE


@pytest.mark.parametrize(
    ("line", "harms"),
    [
        ("*/5 * * * * cd /opt/deploy && git pull -q", [Harm.UNDOES]),
        ("* * * * * /opt/deploy/scripts/compose/deploy-service.sh prod shop-api", [Harm.UNDOES]),
        ("@daily docker compose -f x.yaml pull", [Harm.UNDOES]),
        ("@daily root docker-compose -f x.yaml up -d", [Harm.UNDOES]),
        ("@daily docker run --rm containrrr/watchtower --run-once", [Harm.UNDOES]),
        ("0 3 * * * docker system prune -af", [Harm.PRUNES]),
        ("0 3 * * * docker image prune --all --force", [Harm.PRUNES]),
        ("0 3 * * * docker image prune -f", [Harm.PRUNES]),
        ("0 3 * * * docker rmi $(docker images -q)", [Harm.PRUNES]),
        ("0 3 * * * docker compose pull; docker system prune -a -f", [Harm.UNDOES, Harm.PRUNES]),
        ("0 3 * * * docker ps", []),
        ("0 3 * * * docker compose ps", []),
        ("0 3 * * * cd /opt/deploy-other && git pull", []),
        ("0 3 * * * cd /srv/wiki && git pull", []),
        ("0 3 * * * docker container prune -f", []),
    ],
)
def test_a_crontab_line_must_be_told_by_what_it_does(line: str, harms: list[Harm]) -> None:
    answers = {"crontab": (0, f"# comment: docker system prune -a\n{line}\n", ""), "grep": (1, "", "")}
    seen = found(asked(cron.Cron(), lambda command: answers[command.argv[0]]))
    assert [one.harm for one in seen] == harms
    assert all(one.name == "crontab line 2" and not one.pause for one in seen)


def test_a_line_about_all_images_must_be_told_from_one_about_untagged_ones() -> None:
    every = "every image that no container uses"
    assert every in _lines.judged("docker image prune -fa", TARGET)[0][1]
    assert "no tag" in _lines.judged("docker image prune --force --filter until=24h", TARGET)[0][1]


def test_a_secret_in_a_line_must_not_be_repeated() -> None:
    line = "docker compose pull && curl https://me:hunter2@x/ -d token=hunter2 --password hunter2"
    ((_, said),) = _lines.judged(line, TARGET)
    assert "hunter2" not in said


@pytest.mark.parametrize(
    ("crontab", "grep", "unknown"),
    [
        ((1, "", "no crontab for deploy"), (1, "", ""), ""),
        ((None, "", "not found: crontab"), (2, "", "grep: /etc/cron.d: No such file or directory"), ""),
        ((127, "", "sh: crontab: not found"), (1, "", ""), ""),
        ((1, "", "You (x) are not allowed to use this program"), (1, "", ""), "not allowed"),
        ((1, "", "no crontab for x"), (2, "", "grep: /etc/cron.d/x: Permission denied"), "Permission denied"),
        ((1, "", "no crontab for x"), (None, "", "killed after 10 s"), "killed after 10 s"),
    ],
)
def test_a_cron_that_is_not_there_must_be_told_from_one_that_cannot_be_read(
    crontab: tuple[int | None, str, str], grep: tuple[int | None, str, str], unknown: str
) -> None:
    fact = asked(cron.Cron(), lambda command: crontab if command.argv[0] == "crontab" else grep)
    assert fact == Known(()) if not unknown else isinstance(fact, Unknown) and unknown in fact.reason


def test_what_was_found_must_be_said_although_another_place_could_not_be_read() -> None:
    line = "/etc/cron.d/a:3:@daily root docker system prune -a\n"
    grep = (2, line, "grep: /etc/cron.d/b: Permission denied")
    seen = found(asked(cron.Cron(), lambda command: grep if command.argv[0] == "grep" else (1, "", "no crontab for x")))
    assert [one.name for one in seen] == ["/etc/cron.d/a line 3", "crontabs"]


def test_the_search_in_the_systems_crontabs_must_find_real_files(tmp_path: Path) -> None:
    (tmp_path / "deploy").write_text("MAILTO=x\n*/5 * * * * root cd /opt/deploy && git pull\n# docker system prune\n")
    (tmp_path / "other").write_text("@daily root logrotate\n")
    _, search = cron.Cron().questions(TARGET)
    places = tuple(word.replace("/etc/cron.d", str(tmp_path)) for word in search.argv if word != "/etc/crontab")
    done = LocalProcess().run(msgspec.structs.replace(search, argv=places))
    none = Completed(Command(("crontab", "-l")), 1, b"", b"no crontab for x")
    moved = Completed(search, done.status, done.stdout, done.stderr)
    (seen,) = [one for one in found(cron.Cron().read(TARGET, (), (none, moved))) if str(tmp_path) in one.name]
    assert seen.name == f"{tmp_path}/deploy line 2"


SHOWN = """Id=pull.timer
ActiveState=active
Triggers=pull.service

Id=off.timer
ActiveState=inactive
Triggers=x.service
"""
STARTS = """Id=pull.service
ExecStart={ path=/bin/sh ; argv[]=/bin/sh -c cd /opt/deploy && git pull ; ignore_errors=no ; pid=0 }
"""


def systemd(uid: str) -> Answering:
    def answer(command: Command) -> tuple[int | None, str, str]:
        if command.argv[0] == "id":
            return 0, uid, ""
        return 0, SHOWN if "*.timer" in command.argv else STARTS, ""

    return answer


def test_a_timer_that_pulls_must_be_stopped_by_root_and_only_reported_to_others() -> None:
    (one,) = found(asked(timer.Timer(), systemd("0\n")))
    assert (one.name, one.harm) == ("pull.timer", Harm.UNDOES)
    assert (one.pause, one.unpause) == (
        ("systemctl", "stop", "--", "pull.timer"),
        ("systemctl", "start", "--", "pull.timer"),
    )
    (other,) = found(asked(timer.Timer(), systemd("1000\n")))
    assert other == msgspec.structs.replace(one, pause=(), unpause=())


@pytest.mark.parametrize("said", ["System has not been booted with systemd as init system (PID 1). Can't operate."])
def test_a_host_without_systemd_must_have_no_timers(said: str) -> None:
    assert asked(timer.Timer(), lambda _: (1, "", said)) == Known(())
    assert asked(timer.Timer(), lambda _: (None, "", "not found: systemctl")) == Known(())
    assert isinstance(asked(timer.Timer(), lambda _: (1, "", "Failed to connect to bus: denied")), Unknown)


@pytest.fixture
def real_watchtower() -> Iterator[str]:
    """A container whose image is called Watchtower, set up as one; the engine cannot tell the difference."""
    prepare.ensure()
    name, image = f"lastgood-watchtower-{os.getpid()}", f"127.0.0.1:1/containrrr/watchtower:t{os.getpid()}"
    docker("tag", images.REGISTRY.image, image)
    env = ("--env", "WATCHTOWER_SCOPE=prod", "--env", "WATCHTOWER_NOTIFICATION_URL=slack://hunter2", "--env", "EMPTY=")
    try:
        docker("run", "--detach", "--name", name, "--label", "dev.lastgood.sandbox=1", *env, image)
        yield name
    finally:
        docker("rm", "--force", name, check=False)
        docker("image", "rm", image, check=False)


def test_a_real_container_must_be_seen_paused_and_let_go_on(real_watchtower: str) -> None:
    rival, process = watchtower.Watchtower(), LocalProcess()
    answers = [process.run(command) for command in rival.questions(TARGET)]
    answers += [process.run(command) for command in rival.follow_up(TARGET, answers)]
    assert not any(b"hunter2" in answer.stdout for answer in answers)

    def state() -> str:
        shown = ("docker", "inspect", "--format", "{{.State.Status}}", real_watchtower)
        return subprocess.run(shown, check=True, capture_output=True, text=True).stdout.strip()

    ours = container("not-there-so-no-label")
    (one,) = [one for one in found(rival.read(TARGET, (ours,), answers)) if one.name == real_watchtower]
    assert one.harm is Harm.NONE  # its scope is not ours
    pause, unpause = ("docker", "pause", "--", one.name), ("docker", "unpause", "--", one.name)
    assert process.run(Command(pause)).ok
    assert state() == "paused"
    assert process.run(Command(unpause)).ok
    assert state() == "running"
