"""A run that another laptop carried out, looked at from this one: told as the hosts have it, and nothing changed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lastgood.journal.store import Journal
from lastgood.model.chain import Line
from lastgood.model.errors import Exit
from lastgood.model.event import Event, Kept, KeptFile, Resumed, RunEnded, RunStarted, Said, StepStarted
from lastgood.model.plan import Facts
from tests.journal.sample import begun as sample

RUN = "20261122-174501-7f3a"
NOON = 1_795_348_800 * 10**9
KEPT = Kept("capture", "the-other-laptop", (KeptFile("logs-api.txt", "logs-api.0.txt", "0" * 64, 1),))
MORE = """\
  web: {kind: webhook, url: "http://127.0.0.1:9/"}
contacts: [{who: ann, by: web}]
"""


def begun() -> RunStarted:
    event = sample()
    return msgspec.structs.replace(
        event, plan=msgspec.structs.replace(event.plan, facts=Facts("pin", (("local", ()),)))
    )


@pytest.fixture
def there(deploy_repo: Path, tmp_path: Path) -> Callable[..., None]:
    """The other laptop writes down events in its own journal, and tells the host of the first so many."""
    config = deploy_repo / "lastgood.yaml"
    text = config.read_text().replace("{hosts: [local]}", f"{{hosts: [local], state: {tmp_path}/host}}")
    config.write_text(f"{text}notifiers:\n{MORE}")
    home = tmp_path / "other"

    def tell(*events: Event, first: int = 99) -> None:
        with Journal(f"{home}/journal.db") as journal:
            for at, event in enumerate(events):
                journal.append(RUN, event, NOON + at * 10**9)
            lines = journal.lines(RUN)
        (tmp_path / "host/runs").mkdir(parents=True, exist_ok=True)
        (tmp_path / f"host/runs/{RUN}.jsonl").write_bytes(b"".join(map(row, lines[:first])))

    return tell


def row(line: Line) -> bytes:
    """A line as it lies on a host."""
    fields = {name: getattr(line, name) for name in ("run", "seq", "at", "kind", "hash")}
    return msgspec.json.encode({**fields, "event": msgspec.Raw(line.event)}) + b"\n"


def here(tmp_path: Path) -> tuple[str, ...]:
    with Journal(f"{tmp_path}/home/.local/state/lastgood/journal.db") as journal:
        return journal.runs()


def test_a_run_of_another_laptop_is_read_from_its_hosts_and_stays_that_laptop_s(
    there: Callable[..., None], lastgood: Callable[..., Any], tmp_path: Path
) -> None:
    there(begun(), KEPT, Said("on"), RunEnded(Exit.NEEDS_HUMAN, "Nothing passed."))
    before = (tmp_path / f"host/runs/{RUN}.jsonl").read_bytes()
    assert lastgood("show", RUN, "--json").json["what"] == "Nothing passed."
    verified = lastgood("verify", RUN, "--json")
    assert (verified.code, verified.json["verdict"]) == (Exit.DONE, "whole")
    assert (verified.json["evidence"]["elsewhere"], verified.json["witnesses"][0]["lines"]) == (1, 4)
    bundle = lastgood("bundle", RUN, "--output", f"{tmp_path}/b.tar", "--json")
    assert (bundle.code, len(bundle.json["missing"])) == (Exit.DONE, 1)
    assert lastgood("postmortem", RUN).out.startswith("# Post-mortem: rollback of shop-api/prod")
    assert lastgood("checklist", RUN, "--json").json["run"] == RUN
    assert here(tmp_path) == ()
    assert lastgood("outbox", "--json").json["posts"] == []
    assert (tmp_path / f"host/runs/{RUN}.jsonl").read_bytes() == before


def test_what_a_person_says_here_of_a_run_of_another_laptop_is_told_to_the_hosts_and_calls_nobody(
    there: Callable[..., None], lastgood: Callable[..., Any], tmp_path: Path
) -> None:
    there(begun(), RunEnded(Exit.NEEDS_HUMAN, "Nothing passed."))
    said = lastgood("checklist", RUN, "--done", "team-told", "--json")
    points = {one["point"]["id"]: one["state"] for one in said.json["points"]}
    assert points["team-told"] == "done"
    assert (tmp_path / f"host/runs/{RUN}.jsonl").read_text().count('"kind":"ticked"') == 1
    assert lastgood("outbox", "--json").json["posts"] == []


def test_a_run_that_goes_on_elsewhere_is_told_as_far_as_it_has_come_each_time(
    there: Callable[..., None], lastgood: Callable[..., Any], tmp_path: Path
) -> None:
    there(begun(), StepStarted("1.pull"), first=1)
    first = lastgood("show", RUN, "--json").json
    assert (first["exit"], len(first["timeline"])) == (None, 1)
    there(Said("on"))
    assert len(lastgood("show", RUN, "--json").json["timeline"]) == 3
    assert lastgood("checklist", RUN, "--done", "team-told").code == Exit.REFUSED
    assert here(tmp_path) == ()
    assert (tmp_path / f"host/runs/{RUN}.jsonl").read_text().count("\n") == 3
    assert lastgood("outbox", "--json").json["posts"] == []


def test_what_another_laptop_made_of_a_run_that_stopped_here_is_told_with_it(
    there: Callable[..., None], lastgood: Callable[..., Any], tmp_path: Path
) -> None:
    with Journal(f"{tmp_path}/home/.local/state/lastgood/journal.db") as journal:
        journal.append(RUN, begun(), NOON)
    there(begun(), RunEnded(Exit.DONE, "It serves."))
    told = lastgood("postmortem", RUN, "--repo", ".", "--json").json
    assert told["status"] == "resolved"
    with Journal(f"{tmp_path}/home/.local/state/lastgood/journal.db") as journal:
        assert len(journal.entries(RUN)) == 1


def test_what_was_cut_off_from_the_record_here_is_not_taken_from_the_hosts_unseen(
    there: Callable[..., None], lastgood: Callable[..., Any], tmp_path: Path
) -> None:
    with Journal(f"{tmp_path}/home/.local/state/lastgood/journal.db") as journal:
        journal.append(RUN, begun(), NOON)
    there(begun(), Said("on"), RunEnded(Exit.DONE, "It serves."))
    cut = lastgood("verify", RUN, "--repo", ".", "--json")
    assert (cut.code, cut.json["verdict"], cut.json["lines"]) == (Exit.NEEDS_HUMAN, "broken", 1)
    assert "cut off" in cut.json["faults"][0]["what"]


@pytest.mark.parametrize("exit_", [Exit.IN_DOUBT, Exit.MITIGATED, Exit.NEEDS_HUMAN])
def test_what_another_laptop_went_on_with_is_no_cut(
    there: Callable[..., None], lastgood: Callable[..., Any], tmp_path: Path, exit_: Exit
) -> None:
    stopped = RunEnded(exit_, "It stopped.")
    with Journal(f"{tmp_path}/home/.local/state/lastgood/journal.db") as journal:
        journal.append(RUN, begun(), NOON)
        journal.append(RUN, stopped, NOON + 10**9)
    there(begun(), stopped, Resumed("bob@laptop", aborting=False, lease="token"), RunEnded(Exit.DONE, "It serves."))
    found = lastgood("verify", RUN, "--repo", ".", "--json")
    assert (found.code, found.json["verdict"], found.json["lines"]) == (Exit.DONE, "whole", 4)
    assert lastgood("postmortem", RUN, "--repo", ".", "--json").json["status"] == "resolved"


@pytest.mark.parametrize("run", [RUN, RUN[:8], "../../etc/passwd", "x"])
def test_a_run_that_nobody_knows_is_usage_and_says_who_was_asked(
    there: Callable[..., None], lastgood: Callable[..., Any], run: str
) -> None:
    assert there
    said = lastgood("show", run)
    assert said.code == Exit.USAGE
    assert ("here or on the hosts" in said.err) == (run == RUN)


def test_a_record_that_was_changed_on_its_only_host_is_not_told_as_one(
    there: Callable[..., None], lastgood: Callable[..., Any], tmp_path: Path
) -> None:
    there(begun(), Said("on"), RunEnded(Exit.NEEDS_HUMAN, "Nothing passed."))
    file = tmp_path / f"host/runs/{RUN}.jsonl"
    file.write_text(file.read_text().replace('"on"', '"off"'))
    for verb in ("verify", "show", "postmortem", "bundle"):
        said = lastgood(verb, RUN)
        assert said.code == Exit.REFUSED, verb
        assert "cannot be relied on" in said.err
