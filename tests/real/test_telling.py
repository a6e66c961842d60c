"""A rollback on the real engine, and those who are told of it: in time, once, and never in its way."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
from shop import API, ENV, Shop

from lastgood.effects.files import LocalFiles
from lastgood.journal.store import Journal
from lastgood.model.errors import Exit
from lastgood.run.lease import Lease
from tests.standin.notifiers import Silences, Sink
from tests.standin.services import Asked, Service

TOLD = """\
notifiers:
  hook: {{kind: webhook, url: "{hook}", token: "env:HOOK_TOKEN"}}
  dead: {{kind: webhook, url: "http://127.0.0.1:9/"}}
  slow: {{kind: webhook, url: "{slow}", token: "env:HOOK_TOKEN"}}
  quiet: {{kind: alertmanager, url: "{quiet}", token: "env:HOOK_TOKEN"}}
contacts: [{{who: ann, by: slow}}]
"""


class Slow(Sink):
    """Takes longer than anybody waits."""

    def __init__(self) -> None:
        super().__init__()
        self.trouble = "silent"


def told(sink: Sink) -> list[str]:
    return [key.strip('"').split("/")[1] for key in sink.taken]


def fates(shop: Shop) -> dict[tuple[str, str], str]:
    posts = shop.does("outbox")["posts"]
    return {(post["destination"], post["kind"]): post["fate"] for post in posts}


def test_those_to_be_told_must_hear_of_a_run_in_order_and_never_delay_it(shop: Shop) -> None:
    shop.ships("good-1", "good-2", "http-500")
    with Sink() as hook, Slow() as slow, Silences() as quiet:
        before: list[bool] = []

        def switched(_asked: Asked) -> bool:
            before.append(shop.runs("http-500"))
            return False

        hook.troubled = switched
        shop.configure("services:\n", TOLD.format(hook=hook.url, slow=slow.url, quiet=quiet.url) + "services:\n")
        shop.world.env["HOOK_TOKEN"] = Service.TOKEN
        _somebody_else_is_at_it(shop)
        begun = time.monotonic()
        shop.rollback(ends=Exit.DONE)
        assert shop.does("status", API, ENV)["asks"] == []  # which ends what was asked for
        assert time.monotonic() - begun < 60
        assert shop.serves("good-2")
        assert told(hook) == ["began", "ended"]
        assert before  # nobody was told before the switch
        assert not any(before)
        assert (len(quiet.made), quiet.active()) == (1, [])
        seen = fates(shop)
        assert seen["hook", "ended"] == "delivered"
        assert seen["dead", "began"] == "failed"
        assert seen["slow", "began"] in {"doubtful", "sending"}
        assert seen["quiet", "ended"] == "delivered"
        slow.trouble = ""
        shop.world.env["HOOK_TOKEN"] = ""
        _killed(shop)
        shop.world.env["HOOK_TOKEN"] = Service.TOKEN
        shop.does("outbox", "run", "--all", ends=Exit.MITIGATED)  # one of them is dead for good
        assert told(hook)[2:] == ["began", "stopped"]
        assert sorted(told(slow)) == ["began", "began", "called", "ended"]
        assert shop.does("ack", shop.latest_run())["target"] == f"{API}/{ENV}"
        assert Service.TOKEN.encode() not in next(state(shop).glob("outbox/*.db")).read_bytes()


def _somebody_else_is_at_it(shop: Shop) -> None:
    """Production is bad, nobody sits at a terminal, and a lease ran out; then a plan is not that of now any more."""
    settings = shop.does("status", API, ENV, "--explain")["settings"]
    folder = next(each["value"] for each in settings if each["setting"] == "environment.state")
    files, now = LocalFiles(), time.time_ns()
    name, path = f"{API}/{ENV}", f"{folder}/leases/{API}@{ENV}.json"
    files.create(path, msgspec.json.encode(Lease("t", "20261122-174501-7f3a", "cy@gone", now, now - 1, "rollback")))
    for _ in range(2):
        shop.rollback(ends=Exit.LEASE_HELD)
    files.remove(path)
    shop.does("rollback", API, ENV, "--plan", "0" * 64, ends=Exit.WORLD_MOVED)
    asks = shop.does("status", API, ENV)["asks"]
    assert [(ask["target"], ask["what"]) for ask in asks] == [
        (name, f"Somebody else acts on {name}."),
        (name, "The plan that was approved is not the plan of now."),
    ]
    waiting = [post["run"] for post in shop.does("outbox")["posts"] if post["kind"] == "called"]
    assert waiting == [asks[0]["id"]]  # for another plan there is time first


def state(shop: Shop) -> Path:
    return Path(shop.world.env["XDG_STATE_HOME"]) / "lastgood"


def runs(shop: Shop) -> set[str]:
    with Journal(str(state(shop) / "journal.db")) as journal:
        return set(journal.runs())


def _killed(shop: Shop) -> None:
    """A restart whose process is killed once its journal has begun."""
    known = runs(shop)
    words = [sys.executable, "-m", "lastgood", "restart", API, ENV]
    with subprocess.Popen(words, cwd=shop.world.laptop, env=shop.world.env, start_new_session=True) as running:
        while not runs(shop) - known and running.poll() is None:
            time.sleep(0.02)
        os.killpg(running.pid, signal.SIGKILL)
