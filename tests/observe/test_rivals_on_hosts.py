"""Every kind of rival is asked for on every host at once, each question once."""

from dataclasses import dataclass, field
from typing import cast

from lastgood import catalog
from lastgood.model.command import Command, Completed
from lastgood.model.facts import Known, Unknown
from lastgood.model.observed import HostView
from lastgood.model.target import Adapter, GateSpec, Push, Target, WalkBack
from lastgood.observe.rivals import seen
from lastgood.ports import Tools

NONE = Adapter("none", catalog.options("rivals", "cron")())
HOSTS = {host: HostView(Known(()), Known(())) for host in ("local", "ssh://two")}
TARGET = Target(
    *("shop", "prod", "/repo", "main", tuple(HOSTS), "/state", Push.BEST_EFFORT),
    *(NONE, NONE, "envs/prod/apps/shop/values.yaml", NONE, (), GateSpec(), WalkBack()),
)


@dataclass
class Host:
    """Answers every command with nothing, but a crontab with `line`; a host that is down answers not at all."""

    line: str = ""
    down: str = ""
    asked: list[Command] = field(default_factory=list)
    process: "Host" = field(init=False)

    def __post_init__(self) -> None:
        self.process = self

    def run(self, command: Command) -> Completed:
        self.asked.append(command)
        if command.host == self.down:
            return Completed(command, None, failure="killed after 10 s")
        said = self.line if command.argv[0] == "crontab" else ""
        return Completed(command, 0, said.encode())


def test_each_host_must_be_asked_each_question_once() -> None:
    world = Host()
    assert seen(TARGET, cast("Tools", world), HOSTS) == dict.fromkeys(HOSTS, Known(()))
    assert len(set(world.asked)) == len(world.asked)
    assert {command.host for command in world.asked} == set(HOSTS)


def test_a_host_that_does_not_answer_must_be_unknown_and_hide_no_other() -> None:
    found = seen(TARGET, cast("Tools", Host("@daily docker compose pull", down="ssh://two")), HOSTS)
    assert isinstance(found["ssh://two"], Unknown)
    assert [one.kind for one in getattr(found["local"], "value", ())] == ["cron"]
