"""docs/json.md is the contract: its kinds, fields and words are those that the code prints."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from lastgood.cli.carry import RunReport
from lastgood.cli.out import VERSION, Error
from lastgood.model import diagnosis, errors, lint, salvage
from lastgood.model.backups import BackupMade, Backups, Checked, Kept, Verification
from lastgood.model.chain import Fault
from lastgood.model.checklist import Checklist, Phase, Point, Standing, State
from lastgood.model.database import Backup, Difference
from lastgood.model.lint import Finding, Linted, Proof, Proved
from lastgood.model.message import Acknowledged, AskLine, OutboxReport, PostLine
from lastgood.model.observed import Container, Look
from lastgood.model.plan import Attempt, LeftOut, Member, NothingToDo, Part, Restore, ReversiblePlan, Scope
from lastgood.model.quarantine import Lifted, Quarantined
from lastgood.model.release import Evidence, Grade, Image, Release, Trailers
from lastgood.model.report import (
    Breach,
    Check,
    Guarded,
    GuardReport,
    Health,
    History,
    HookReport,
    Mark,
    Past,
    Planned,
    QuarantineChange,
    QuarantineList,
    RunLine,
    Status,
)
from lastgood.model.restoring import Loss, Restored, Restoring, Rows, Stopped
from lastgood.model.retention import Images, Leftover, Needed, Protection
from lastgood.model.revert import Built, Commit, Passed, Reverted, Reverting, Source, Suspect, Suspects, Undo
from lastgood.model.salvage import PutBack, PuttingBack, Salvage, Salvages
from lastgood.model.standing import Ahead, DatabaseStatus, Deviation, Resolution, Truth
from lastgood.model.step import Pinned, Runnable, Step
from lastgood.model.verified import Bundled, EvidenceCheck, Verdict, Verified, Witness
from lastgood.retelling import Retold

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/json.md").read_text()
TABLES: dict[str, type[msgspec.Struct]] = {
    "## `status`": Status,
    "## `history`": History,
    "A past:": Past,
    "## `plan`": Planned,
    "approve it. Where `plan.plan` is `reversible`:": ReversiblePlan,
    "An attempt:": Attempt,
    "A member:": Member,
    "A part:": Part,
    "A restore has `images`, a list of runnable, and `steps` and `because` like an attempt. Where `plan.plan` is "
    "`nothing`:": NothingToDo,
    "## `diagnosis`": diagnosis.Diagnosis,
    "A cause:": diagnosis.Finding,
    "## `images`": Images,
    "A needed image:": Needed,
    "A leftover:": Leftover,
    "## `protection`": Protection,
    "## `run`": RunReport,
    "A run line:": RunLine,
    "## `record`": Verified,
    "## `bundle`": Bundled,
    "## `postmortem`": Retold,
    "## `checklist`": Checklist,
    "A standing:": Standing,
    "A check. One that is `fail` makes the exit code 8:": Check,
    "## `database`": DatabaseStatus,
    "An ahead:": Ahead,
    "## `resolution`": Resolution,
    "A deviation:": Deviation,
    "## `lint`": Linted,
    "A finding:": Finding,
    "A proof:": Proof,
    "A proved:": Proved,
    "## `backup`": BackupMade,
    "## `backups`": Backups,
    "A kept:": Kept,
    "## `verification`": Verification,
    "## `restoring`": Restoring,
    "A loss:": Loss,
    "## `restored`": Restored,
    "## `salvages`": Salvages,
    "A salvage, which is also what its manifest `salvage.json` holds:": Salvage,
    "A part kept:": salvage.Part,
    "## `putting_back`": PuttingBack,
    "A put back:": PutBack,
    "## `quarantine`": QuarantineList,
    "A quarantined:": Quarantined,
    "## `quarantine_change`": QuarantineChange,
    "## `guard`": GuardReport,
    "A breach:": Breach,
    "## `hook`": HookReport,
    "## `outbox`": OutboxReport,
    "A post:": PostLine,
    "An ask:": AskLine,
    "## `ack`": Acknowledged,
    "## `reverting`": Reverting,
    "An undo:": Undo,
    "## `reverted`": Reverted,
    "## `suspects`": Suspects,
    "`said_by`. A suspect:": Suspect,
    "### Commit": Commit,
    "## `error`": Error,
    "### Dump": Backup,
    "### Image": Image,
    "### Runnable": Runnable,
    "### Release": Release,
    "### Evidence": Evidence,
    "### Container": Container,
    "### Look": Look,
}
PLAIN = {
    "## `statuses`": ["targets"],
    "## `settings`": ["target", "settings"],
    "## `runs`": ["runs", "asks"],
    "## `doctor`": ["checks"],
    "## `init`": ["file", "written", "text", "notes"],
}


def names(kind: type[msgspec.Struct]) -> list[str]:
    return [field.encode_name for field in msgspec.structs.fields(kind)]


def table(title: str) -> list[str]:
    """The first column of the first table below a line."""
    below = PAGE.split(f"\n{title}\n", 1)[1].split("| field |", 1)[1].split("\n\n", 1)[0]
    return re.findall(r"^\| `(\w+)` \|", below, re.MULTILINE)


def printed() -> Iterator[str]:
    """The kinds that the command line prints."""
    for file in (ROOT / "src/lastgood/cli").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                if name in {"answer", "envelope"}:
                    yield str(node.args[0].value)


def documents() -> list[dict[str, object]]:
    blocks = re.findall(r"^```json\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    return [json.loads(block) for block in blocks]


def fields(kind: str) -> list[str]:
    title = f"## `{kind}`"
    return ["version", "kind", *(names(TABLES[title]) if title in TABLES else PLAIN[title])]


def test_the_kinds_documented_must_be_those_printed() -> None:
    listed = re.findall(r"^\| `(\w+)` \| .*", PAGE.split("| kind |", 1)[1].split("\n\n", 1)[0], re.MULTILINE)
    headed = re.findall(r"^## `(\w+)`$", PAGE, re.MULTILINE)
    assert set(listed) == set(printed())
    assert listed == headed


@pytest.mark.parametrize(("title", "kind"), TABLES.items(), ids=[kind.__name__ for kind in TABLES.values()])
def test_every_field_must_be_documented_in_order(title: str, kind: type[msgspec.Struct]) -> None:
    assert table(title) == names(kind)


@pytest.mark.parametrize("kind", sorted(set(printed())))
def test_no_field_may_hide_what_each_document_begins_with(kind: str) -> None:
    assert fields(kind).count("version") == 1
    assert fields(kind).count("kind") == 1


@pytest.mark.parametrize(("title", "wanted"), PLAIN.items())
def test_every_field_of_a_plain_document_must_be_documented(title: str, wanted: list[str]) -> None:
    assert table(title) == wanted


def test_every_step_must_be_documented_with_its_fields() -> None:
    below = PAGE.split("| `step` |", 1)[1]
    told = {
        row[0]: set(re.findall(r"`(\w+)`", row[1]))
        for row in re.findall(r"^\| `([\w-]+)` \| [^|]*\| ([^|]*)\|", below, re.MULTILINE)
    }
    wanted = {
        kind.__struct_config__.tag: set(names(kind)) - {"id", "because", "host", "service"} for kind in get_args(Step)
    }
    assert told == wanted


def test_parts_that_are_told_in_a_sentence_must_be_whole() -> None:
    assert (names(Built), names(Source)) == (["image", "source"], ["revision", "said_by"])
    assert names(Passed) == ["commit", "because"]
    assert names(diagnosis.Evidence) == ["source", "said", "at"]
    assert names(diagnosis.Harmless) == ["action", "command", "because"]
    assert names(diagnosis.Destructive) == ["action", "command", "because", "scenario"]
    assert names(Restore) == ["images", "steps", "because"]
    assert names(Difference) == ["real", "order"]
    assert names(LeftOut) == ["host", "because"]
    assert (names(Checked), names(Stopped)) == (["at", "restored"], ["host", "name"])
    assert (names(Witness), names(Fault)) == (["where", "lines", "because"], ["line", "what"])
    assert names(Point) == ["phase", "id", "text", "check"]
    assert names(EvidenceCheck) == ["named", "here", "elsewhere"]
    assert names(salvage.Done) == ["at", "by", "parts"]
    assert names(Rows) == ["table", "now", "then"]
    assert names(Pinned) == ["service", "image"]
    assert all(f"`{name}`" in PAGE for kind in (Trailers, Guarded, Lifted) for name in names(kind))


def test_every_word_of_an_enumeration_must_be_documented() -> None:
    words = [*Scope, *Grade, *Health, *Mark, *Truth, *Verdict, *State, *Phase, *lint.Mark, *lint.Outcome]
    words += [*diagnosis.Scenario, *diagnosis.Source, *diagnosis.Confidence, *diagnosis.Action]
    assert [word.value for word in words if f"`{word.value}`" not in PAGE] == []


def test_every_error_must_be_documented() -> None:
    kinds = [
        name
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.LastgoodError) and kind is not errors.LastgoodError
    ]
    assert [name for name in kinds if f"`{name}`" not in PAGE] == []


def test_every_example_must_be_what_its_kind_prints() -> None:
    examples = [document for document in documents() if "kind" in document]
    assert {"status", "plan", "run", "runs", "doctor", "error"} <= {str(example["kind"]) for example in examples}
    for example in examples:
        wanted = fields(str(example["kind"]))
        assert example["version"] == VERSION
        assert [name for name in wanted if name in example] == list(example), example["kind"]
