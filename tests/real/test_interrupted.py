import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from engine_proxy import EngineProxy
from operating import (
    ROLLBACK,
    Session,
    bad_release_in_production,
    begin,
    edit,
    lease_file,
    lines,
    says,
    says_no,
    stalled,
)
from shop import API, ENV, Shop

from lastgood.model.errors import Exit
from sandbox.run import run, wait_until
from sandbox.world import World

# A push stands still in the remote while there is a file `hold`, and is turned down while there is a file `refuse`.
SLOW = """\
#!/bin/sh
touch reached
while [ -e hold ]; do sleep 0.05; done
[ ! -e refuse ]
"""


@contextmanager
def in_docker(shop: Shop, step: str, word: str) -> Iterator[Session]:
    """A rollback that stands still inside the docker command of a step; the command goes on when the block ends."""
    with (
        stalled(shop, "docker", says(word)) as docker,
        begin(shop, *ROLLBACK, on=docker.path(shop.world.env)) as session,
    ):
        docker.reached()
        session.begun(step)
        yield session


@contextmanager
def in_the_gate(shop: Shop) -> Iterator[Session]:
    """A rollback whose new release is being watched."""
    with begin(shop, *ROLLBACK) as session:
        session.begun("1.verify")
        yield session


@contextmanager
def in_the_push(shop: Shop) -> Iterator[Session]:
    """A rollback whose push the remote has not answered yet; the remote takes it when the block ends."""
    remote = shop.world.remote
    (remote / "hold").touch()
    hook = remote / "hooks/pre-receive"
    hook.write_text(SLOW)
    hook.chmod(0o755)
    try:
        with begin(shop, *ROLLBACK) as session:
            wait_until((remote / "reached").exists, "the push came", within=60, every=0.01)
            yield session
    finally:
        (remote / "hold").unlink()


MIDDLES: dict[str, Callable[[Shop], AbstractContextManager[Session]]] = {
    "capture.local": lambda shop: in_docker(shop, "capture.local", "logs"),
    "1.pull.local": lambda shop: in_docker(shop, "1.pull.local", "pull"),
    "1.render.local": lambda shop: in_docker(shop, "1.render.local", "config"),
    "1.switch.local": lambda shop: in_docker(shop, "1.switch.local", "up"),
    "1.verify": in_the_gate,
    "1.record": in_the_push,
}
BEFORE_GIT = [step for step in MIDDLES if step != "1.record"]


def killed_in(shop: Shop, step: str) -> str:
    """A rollback that was killed in the middle of a step; returns the run's id."""
    bad_release_in_production(shop)
    shop.forget("good-1")
    with MIDDLES[step](shop) as session:
        run_id = session.run
        session.dies()
    started = [line.event["step"] for line in lines(shop) if line.kind == "step-started"]
    finished = [line.event["step"] for line in lines(shop) if line.kind in {"step-done", "step-failed"}]
    assert step in started
    assert step not in finished
    return run_id


def children(shop: Shop) -> list[dict[str, Any]]:
    return [line.event["child"] for line in lines(shop) if line.kind == "child-started"]


def compose_of(shop: Shop) -> int:
    """The process that the journal says switches containers."""
    return next(int(child["pid"]) for child in children(shop) if "up" in child["argv"])


def restored(shop: Shop) -> bool:
    """Whether production runs what it ran before and git says what it said before."""
    return shop.runs("http-500") and shop.world.pinned(API) == shop.tag("http-500") and len(shop.world.log()) == 3


@pytest.mark.parametrize("step", MIDDLES)
def test_after_a_kill_in_the_middle_of_a_step_resume_completes_the_run(shop: Shop, step: str) -> None:
    run_id = killed_in(shop, step)
    shop.does("resume", run_id, ends=Exit.DONE)
    assert shop.serves("good-1")
    assert len(shop.world.log()) == 4
    assert not lease_file(shop).exists()


@pytest.mark.parametrize("step", BEFORE_GIT)
def test_a_killed_run_is_shown_as_died_and_keeps_others_out_until_abort_puts_back_what_ran_before(
    shop: Shop, step: str
) -> None:
    run_id = killed_in(shop, step)
    shown = {one["run"]: one["state"] for one in shop.does("runs")["runs"]}
    assert shown[run_id] == "died"
    told = says_no(shop, *ROLLBACK, ends=Exit.LEASE_HELD)
    (said,) = [line for line in told.splitlines() if f"Run {run_id} was interrupted in" in line]
    assert step in said
    assert f"lastgood resume {run_id}" in told
    assert "already rolled back" not in told
    assert run_id in says_no(shop, *ROLLBACK, ends=Exit.LEASE_HELD, on=shop.another_machine())
    shop.does("abort", run_id, ends=Exit.DONE)
    assert restored(shop)
    assert not lease_file(shop).exists()


def test_what_git_has_already_is_not_aborted(shop: Shop) -> None:
    run_id = killed_in(shop, "1.record")
    wait_until(lambda: len(shop.world.log()) == 4, "the push of the killed run arrives")
    before = shop.scene()
    shop.does("abort", run_id, ends=Exit.REFUSED)
    assert shop.scene() == before
    shop.does("resume", run_id, ends=Exit.DONE)
    assert shop.serves("good-1")


def test_a_push_that_never_arrived_is_made_once_by_resume(shop: Shop) -> None:
    bad_release_in_production(shop)
    refuse = shop.world.remote / "refuse"
    refuse.touch()
    with in_the_push(shop) as session:
        run_id = session.run
        session.dies()
    shop.does("resume", run_id, ends=Exit.MITIGATED)
    assert len(shop.world.log()) == 3
    refuse.unlink()
    shop.does("resume", run_id, ends=Exit.DONE)
    assert shop.serves("good-1")
    assert len(shop.world.log()) == 4


def test_a_switch_whose_client_was_killed_after_its_effect_is_not_repeated(shop: Shop) -> None:
    bad_release_in_production(shop)
    with (
        stalled(shop, "docker", says("up"), after=True) as docker,
        begin(shop, *ROLLBACK, on=docker.path(shop.world.env)) as session,
    ):
        docker.reached()
        run_id = session.run
        session.dies()
        switched = shop.scene().containers
    shop.does("resume", run_id, ends=Exit.DONE)
    assert shop.scene().containers == switched
    assert shop.serves("good-1")


def test_an_orphaned_compose_is_ended_before_resume_acts(shop: Shop) -> None:
    bad_release_in_production(shop)
    with (
        stalled(shop, "docker", says("up")) as docker,
        begin(shop, *ROLLBACK, on=docker.path(shop.world.env)) as session,
    ):
        docker.reached()
        run_id = session.run
        session.dies()
        child = compose_of(shop)
        assert Path(f"/proc/{child}").exists()
        shop.does("resume", run_id, ends=Exit.DONE)
        assert not Path(f"/proc/{child}").exists()
    assert shop.serves("good-1")


def test_an_orphaned_compose_that_still_works_is_awaited(shop: Shop) -> None:
    bad_release_in_production(shop)
    with begin(shop, *ROLLBACK) as session:
        run_id = session.begun("1.switch.local")
        wait_until(lambda: any("up" in child["argv"] for child in children(shop)), "Compose was started", every=0.01)
        session.dies()
    shop.does("resume", run_id, ends=Exit.DONE)
    assert shop.serves("good-1")


def test_do_kill_resume_then_undo_and_redo(shop: Shop) -> None:
    run_id = killed_in(shop, "1.switch.local")
    shop.does("resume", run_id, ends=Exit.DONE)
    shop.does("quarantine", "lift", API, ENV, shop.tag("http-500"), "--because", "tried again", ends=Exit.DONE)
    shop.rollback("--to", shop.tag("http-500"), ends=Exit.FAILED_RESTORED)
    assert shop.serves("good-1")
    shop.rollback(ends=Exit.DONE)
    assert shop.serves("good-1")


def test_a_killed_restart_is_completed_by_resume(shop: Shop) -> None:
    shop.ships("good-1")
    before = shop.running()[0].container
    with (
        stalled(shop, "docker", says("restart")) as docker,
        begin(shop, "restart", API, ENV, on=docker.path(shop.world.env)) as session,
    ):
        docker.reached()
        run_id = session.run
        session.dies()
    shop.does("resume", run_id, ends=Exit.DONE)
    assert shop.serves("good-1")
    assert shop.running()[0].container == before
    assert not lease_file(shop).exists()


def test_resume_itself_may_be_killed_and_resumed(shop: Shop) -> None:
    run_id = killed_in(shop, "1.switch.local")
    with begin(shop, "resume", run_id) as again:
        again.begun("1.verify")
        again.dies()
    shop.does("resume", ends=Exit.DONE)
    assert shop.serves("good-1")


def test_a_killed_abort_goes_on_as_an_abort(shop: Shop) -> None:
    run_id = killed_in(shop, "1.verify")
    with begin(shop, "abort", run_id) as abort:
        abort.begun("restore.switch.local")
        abort.dies()
    shop.does("resume", run_id, ends=Exit.DONE)
    assert restored(shop)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_says_that_it_is_in_doubt_and_is_resumed(shop: Shop, number: signal.Signals) -> None:
    bad_release_in_production(shop)
    with in_the_gate(shop) as session:
        session.gets(number)
        ended = session.end()
    assert ended.code == Exit.IN_DOUBT
    assert f"lastgood resume {session.run}" in ended.said
    assert f"lastgood abort {session.run}" in ended.said
    shop.does("resume", ends=Exit.DONE)
    assert shop.serves("good-1")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_is_aborted(shop: Shop, number: signal.Signals) -> None:
    bad_release_in_production(shop)
    with in_the_gate(shop) as session:
        session.gets(number)
        assert session.end().code == Exit.IN_DOUBT
    shop.does("abort", session.run, ends=Exit.DONE)
    assert restored(shop)


def test_ctrl_c_during_the_switch_leaves_no_compose_behind(shop: Shop) -> None:
    bad_release_in_production(shop)
    with in_docker(shop, "1.switch.local", "up") as session:
        session.gets(signal.SIGINT)
        assert session.end().code == Exit.IN_DOUBT
        child = compose_of(shop)
        assert not Path(f"/proc/{child}").exists()
    shop.does("resume", ends=Exit.DONE)
    assert shop.serves("good-1")


@pytest.mark.parametrize("failure", [EngineProxy.dies, EngineProxy.freezes])
def test_an_engine_that_stops_answering_during_the_gate_leaves_the_run_in_doubt(
    shop: Shop, failure: Callable[[EngineProxy], None]
) -> None:
    bad_release_in_production(shop)
    edit(shop, "limit: 25s", "limit: 4s")
    edit(shop, "window: 1s", "window: 3s")
    with EngineProxy.before(shop.world.env["DOCKER_HOST"]) as engine:
        with begin(shop, *ROLLBACK, on=engine.env) as session:
            run_id = session.begun("1.verify")
            failure(engine)
            ended = session.end()
        assert ended.code == Exit.IN_DOUBT
        assert f"lastgood resume {run_id}" in ended.said
    shop.does("resume", run_id, ends=Exit.DONE)
    assert shop.serves("good-1")


def test_an_engine_that_dies_during_the_switch_leaves_the_run_in_doubt(shop: Shop) -> None:
    bad_release_in_production(shop)
    with EngineProxy.before(shop.world.env["DOCKER_HOST"]) as engine, stalled(shop, "docker", says("up")) as docker:
        with begin(shop, *ROLLBACK, on=engine.env | docker.path(shop.world.env)) as session:
            docker.reached()
            run_id = session.run
            engine.dies()
            docker.go()
            assert session.end().code == Exit.IN_DOUBT
        assert run_id in {one["run"] for one in shop.does("runs")["runs"]}
    shop.does("resume", run_id, ends=Exit.DONE)
    assert shop.serves("good-1")


def test_resume_without_an_engine_stays_in_doubt_and_touches_nothing(shop: Shop) -> None:
    run_id = killed_in(shop, "1.switch.local")
    before = shop.scene()
    shop.does("resume", run_id, ends=Exit.IN_DOUBT, on={"DOCKER_HOST": "unix:///nonexistent/docker.sock"})
    assert shop.scene() == before
    shop.does("resume", run_id, ends=Exit.DONE)
    assert shop.serves("good-1")


def mounted(world: World, place: Path, options: str, *words: str) -> tuple[int, str]:
    """Runs lastgood where a small filesystem of its own is mounted at `place`; nobody else sees that mount."""
    place.mkdir(parents=True, exist_ok=True)
    script = 'mount -t tmpfs -o "$1" tmpfs "$2" && { [ -e "$2/full" ] || dd if=/dev/zero of="$2/full" bs=4k; true; }'
    inside = f'{script} 2>/dev/null; shift 2; exec "$@"'
    argv = ["unshare", "--mount", "sh", "-c", inside, "sh", options, str(place), "lastgood", *words]
    done = run(argv, check=False, cwd=world.laptop, env=world.env)
    return done.returncode, done.stdout + done.stderr


def test_where_the_journal_s_disk_is_full_nothing_is_done(shop: Shop) -> None:
    bad_release_in_production(shop)
    before = shop.scene()
    code, said = mounted(shop.world, Path(shop.world.env["XDG_STATE_HOME"]), "size=128k", *ROLLBACK)
    assert code == Exit.REFUSED
    assert "journal" in said
    assert shop.scene() == before
    assert not lease_file(shop).exists()
    shop.rollback(ends=Exit.DONE)
    assert shop.serves("good-1")


def test_where_no_lease_can_be_written_nothing_is_done(shop: Shop) -> None:
    bad_release_in_production(shop)
    before = shop.scene()
    code, said = mounted(shop.world, shop.world.root / "host-state", "ro,size=128k", *ROLLBACK)
    assert code == Exit.REFUSED
    assert str(lease_file(shop)) in said
    assert shop.scene() == before
    shop.rollback(ends=Exit.DONE)
    assert shop.serves("good-1")
