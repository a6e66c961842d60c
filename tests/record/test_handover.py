"""The tar that is handed over: the same each time, whole or found out, and without secrets."""

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from lastgood.journal.store import Journal
from lastgood.model.chain import digest
from lastgood.model.errors import Exit, UsageError
from lastgood.model.event import Kept, RunEnded, Said
from lastgood.model.verified import Verdict, Verified
from lastgood.record import handover
from lastgood.record.keeper import RedactingKeeper
from lastgood.recording import packed, verified, verified_bundle
from lastgood.wiring import Places
from tests.journal.sample import begun

TOKEN = "ghp_" + "a1" * 18
NOBODY = Path("/nowhere/journal.db")


class Desk:
    """A machine with one run and its evidence."""

    def __init__(self, folder: Path) -> None:
        self.places = Places(str(folder), str(folder))
        self.journal = Journal(f"{folder}/journal.db")
        (folder / "machine").write_text("this-one")
        files = {"logs-api.txt": b"\x1b[2J one\n", "inspect.json": b'[{"Config": {"Env": ["A_TOKEN=hunter2-xyz"]}}]'}
        found = RedactingKeeper(f"{folder}/evidence/r").keep(files)
        events = (begun(), Kept("capture.local", "this-one", found.files), Said(f"git says {TOKEN}"))
        for at, event in enumerate((*events, RunEnded(Exit.DONE, "done")), start=1):
            self.journal.append("r", event, at)

    def packed(self) -> bytes:
        return packed(self.journal, self.places, "r")[0]

    def evidence(self, name: str) -> Path:
        return next(Path(f"{self.places.state}/evidence/r").glob(f"{name}*"))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def elsewhere(archive: bytes, head: str = "") -> Verified:
    """As somebody verifies it who has nothing but the file, and perhaps a hash."""
    return verified_bundle(archive, Journal(str(NOBODY)), None, head)


def members(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {one.name: tar.extractfile(one).read() for one in tar}  # type: ignore[union-attr]


def tar(files: dict[str, bytes], kind: bytes = tarfile.REGTYPE) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name, data in files.items():
            one = tarfile.TarInfo(name)
            one.size, one.type = len(data), kind
            archive.addfile(one, io.BytesIO(data))
    return content.getvalue()


def test_the_same_record_must_give_the_same_bytes(desk: Desk) -> None:
    assert desk.packed() == desk.packed()


def test_a_bundle_must_hold_the_record_and_the_evidence_and_verify(desk: Desk) -> None:
    archive = desk.packed()
    names = {name.partition("/")[2].split(".")[0] for name in members(archive)}
    assert names == {"README", "manifest", "journal", "timeline", "evidence/logs-api", "evidence/inspect"}
    found = elsewhere(archive, desk.journal.head("r"))
    assert (found.verdict, found.lines, found.faults) == (Verdict.WHOLE, 4, ())
    assert (found.evidence.named, found.evidence.here) == (2, 2)
    assert elsewhere(archive).verdict is Verdict.UNPROVEN
    assert verified_bundle(archive, desk.journal, None).verdict is Verdict.WHOLE


def test_no_secret_may_be_handed_over_and_what_was_masked_must_be_told(desk: Desk) -> None:
    archive, manifest, _ = packed(desk.journal, desk.places, "r")
    assert TOKEN.encode() not in archive
    assert b"hunter2-xyz" not in archive
    assert manifest.masked == (1, 3)
    assert {one.name: one.redacted for one in manifest.files if one.name}["inspect.json"] is not None
    assert "lines 1, 3" in elsewhere(archive, desk.journal.head("r")).limits[0]


CHANGES: dict[str, Callable[[dict[str, bytes]], None]] = {
    "evidence changed": lambda files: files.update({_one(files, "logs-api"): b"other"}),
    "evidence gone": lambda files: files.pop(_one(files, "logs-api")) and None,
    "evidence added": lambda files: files.update({"lastgood-r/evidence/new.txt": b"x"}),
    "line gone": lambda files: edited(files, "journal", b"\n", b"", -1),
    "line changed": lambda files: edited(files, "journal", b'"at":2', b'"at":3', 1),
    "timeline changed": lambda files: files.update({_one(files, "timeline"): b"all went well"}),
    "climbing name": lambda files: files.update({"lastgood-r/../../x": b"x"}),
}  # fmt: skip


def edited(files: dict[str, bytes], part: str, old: bytes, new: bytes, count: int) -> None:
    name = _one(files, part)
    lines = files[name].replace(old, new, count) if count > 0 else b"\n".join(files[name].split(b"\n")[:-2]) + b"\n"
    files[name] = lines


def _one(files: dict[str, bytes], part: str) -> str:
    return next(name for name in files if f"/{part}" in name)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_whatever_is_changed_in_a_bundle_must_be_found_out(
    desk: Desk, change: Callable[[dict[str, bytes]], None]
) -> None:
    files = members(desk.packed())
    change(files)
    found = elsewhere(tar(files), desk.journal.head("r"))
    assert (found.verdict, found.exit) == (Verdict.BROKEN, Exit.NEEDS_HUMAN)


def again(files: dict[str, bytes], **changes: object) -> bytes:
    """The tar as somebody makes it who knows how: with a manifest that fits."""
    named = msgspec.json.decode(files["lastgood-r/manifest.json"], type=handover.Manifest)
    there = [one for one in named.files if f"lastgood-r/{one.path}" in files]
    hashed = tuple(msgspec.structs.replace(one, sha256=digest(files[f"lastgood-r/{one.path}"])) for one in there)
    manifest = msgspec.structs.replace(named, files=hashed, **changes)
    return tar({**files, "lastgood-r/manifest.json": msgspec.json.encode(manifest)})


def test_a_bundle_from_before_the_record_went_on_must_be_no_forgery_and_no_whole_record(desk: Desk) -> None:
    archive = desk.packed()
    desk.journal.append("r", Said("on"), 9)
    desk.journal.append("r", RunEnded(Exit.DONE, "settled"), 10)
    found = verified_bundle(archive, desk.journal, None)
    assert (found.verdict, found.faults, found.witnesses[0].lines) == (Verdict.UNPROVEN, (), 4)
    assert "lines 5 to 6 are known elsewhere and not in it: it was made before them, or was cut off" in found.limits
    assert verified_bundle(archive, desk.journal, None, alone=True).verdict is Verdict.UNPROVEN
    assert verified_bundle(desk.packed(), desk.journal, None).verdict is Verdict.WHOLE


def test_what_is_for_people_must_tell_what_the_journal_tells(desk: Desk) -> None:
    head = desk.journal.head("r")
    files = members(desk.packed())
    assert not [one for one in elsewhere(again(files), head).limits if "otherwise" in one]
    for part, old, new in (("timeline", b"exit 0", b"exit 1"), ("README", b"less", b"sh")):
        found = elsewhere(again({**files, _one(files, part): files[_one(files, part)].replace(old, new)}), head)
        assert found.verdict is Verdict.WHOLE
        assert [one.split()[0] for one in found.limits if "otherwise" in one] == [_one(files, part).split("/")[1]]


def test_evidence_that_was_left_out_without_a_word_must_be_found_out_and_else_be_named_as_unseen(desk: Desk) -> None:
    head = desk.journal.head("r")
    files = members(desk.packed())
    del files[_one(files, "logs-api")]
    found = elsewhere(again(files), head)
    assert (found.verdict, "logs-api.txt" in found.faults[0].what) == (Verdict.BROKEN, True)
    told = elsewhere(again(files, missing=("logs-api.txt is on another machine",)), head)
    assert (told.verdict, told.evidence.elsewhere) == (Verdict.WHOLE, 1)
    assert "one piece of evidence is not here: nobody looked whether it is as it was" in told.limits


def test_a_bundle_made_again_after_a_change_must_be_found_out_by_the_journal_or_a_hash(desk: Desk) -> None:
    head = desk.journal.head("r")
    files = handover.unpack(desk.packed()).files
    lines = msgspec.json.decode(files["manifest.json"], type=handover.Manifest)
    with Journal(f"{desk.places.state}/forged.db") as forged:
        forged.append("r", begun(), 1)
        forged.append("r", RunEnded(Exit.DONE, "nothing happened"), 2)
        archive = packed(forged, desk.places, "r")[0]
    assert lines.head == head
    assert elsewhere(archive).verdict is Verdict.UNPROVEN
    assert elsewhere(archive, head).verdict is Verdict.BROKEN
    assert verified_bundle(archive, desk.journal, None).verdict is Verdict.BROKEN


@pytest.mark.parametrize(
    "archive",
    [
        b"", b"garbage" * 999, tar({}), tar({"a/manifest.json": b"{}", "a/journal.jsonl": b""}),
        tar({"a/manifest.json": b""}, tarfile.SYMTYPE), tar({"a/x": b""}, tarfile.CHRTYPE),
        tar({"a/x": b"1", "b/x": b"2"}), tar({"a/manifest.json": b"[" * 9999, "a/journal.jsonl": b"\xff"}),
    ],
)  # fmt: skip
def test_what_is_no_bundle_must_be_refused_whatever_it_is(archive: bytes) -> None:
    with pytest.raises(UsageError, match="no bundle"):
        elsewhere(archive)


def test_evidence_that_is_gone_or_changed_must_be_found_out_here_and_be_named_in_the_bundle(desk: Desk) -> None:
    desk.evidence("logs-api").write_bytes(b"all fine")
    desk.evidence("inspect").unlink()
    found = verified(desk.journal, desk.places, "r", None)
    assert (found.verdict, [fault.line for fault in found.faults]) == (Verdict.BROKEN, [2, 2])
    archive, manifest, damaged = packed(desk.journal, desk.places, "r")
    assert len(manifest.missing) == len(damaged) == 2
    assert b"all fine" not in archive


def test_evidence_of_another_machine_must_be_told_and_be_no_fault(desk: Desk) -> None:
    Path(f"{desk.places.state}/machine").write_text("another")
    desk.evidence("logs-api").unlink()
    found = verified(desk.journal, desk.places, "r", None)
    assert (found.verdict, found.evidence.elsewhere, found.evidence.here) == (Verdict.WHOLE, 1, 1)
    assert "on another machine" in packed(desk.journal, desk.places, "r")[1].missing[0]
