"""One tar of everything that was kept of a run, to hand over: the same record gives the same bytes.

`manifest.json` names every file with its SHA-256, `journal.jsonl` has the chained lines, `timeline.txt` tells them for
people, `evidence/` has the files. Secrets were taken out before any of it was written; lines of the journal that look
as if they hold one are masked here, and their hash still shows that they are the same lines.
"""

import io
import tarfile
from collections.abc import Collection, Iterator, Mapping, Sequence

import msgspec

from lastgood.model import chain
from lastgood.model.chain import Fault, Line
from lastgood.model.event import Entry, Kept, KeptFile, Resumed, RunStarted
from lastgood.record.kept import Piece
from lastgood.record.redact import redact
from lastgood.record.timeline import lines as timeline

_MANIFEST, _JOURNAL, _TIMELINE, _READ_ME = "manifest.json", "journal.jsonl", "timeline.txt", "README.txt"
_LARGEST = 64 * 1024 * 1024
_VERSION = 1
_ABOUT = """\
What lastgood recorded of run {run} ({target}).

timeline.txt    what happened, line by line, in UTC
journal.jsonl   the same for programs; each line is chained to the one before it by `hash`
evidence/       what was seen: logs, inspect, rendered configuration, what the gate judged
manifest.json   every file with its SHA-256, what was redacted in it, and what is not here

Files are as programs wrote them, secrets taken out: they may hold terminal escapes, so look with `less`.
To check all of it:   lastgood verify FILE.tar
"""


class Filed(msgspec.Struct, frozen=True):
    """A file of the bundle; `step` and `name` say what a piece of evidence is, `redacted` what was taken out of it."""

    path: str
    sha256: str
    size: int
    step: str = ""
    name: str = ""
    redacted: tuple[str, ...] = ()


class Manifest(msgspec.Struct, frozen=True):
    """What is in a bundle. `masked` are the lines that secrets were taken out of, `missing` says what is not in it."""

    lastgood_bundle: int
    run: str
    target: str
    lines: int
    head: str
    files: tuple[Filed, ...]
    masked: tuple[int, ...] = ()
    missing: tuple[str, ...] = ()


class Unpacked(msgspec.Struct, frozen=True):
    """A bundle as it was read: its lines and evidence as far as they can be, and what is wrong with it.

    `missing` is how many pieces of evidence it says it lacks.
    """

    run: str
    lines: tuple[Line, ...]
    files: dict[str, bytes]
    faults: tuple[Fault, ...]
    missing: int


class _Row(msgspec.Struct, frozen=True):
    run: str
    seq: int
    at: int
    kind: str
    event: msgspec.Raw
    hash: str
    covers: str = ""


def pack(
    target: str, lines: Sequence[Line], entries: Sequence[Entry], found: Sequence[Piece]
) -> tuple[bytes, Manifest]:
    """The tar, and what is in it. `found` is the run's evidence."""
    run = lines[0].run
    leases = {one.event.lease for one in entries if isinstance(one.event, RunStarted | Resumed)}
    masked = [_masked(line, leases) for line in lines]
    files = {
        _READ_ME: _about(run, target),
        _JOURNAL: b"".join(_row(line) for line in masked),
        _TIMELINE: _told(entries, leases),
    }
    filed = [Filed(name, chain.digest(content), len(content)) for name, content in files.items()]
    for piece in found:
        if piece.content is not None:
            path, file = _path(piece.file), piece.file
            files[path] = piece.content
            filed.append(Filed(path, file.sha256, file.size, piece.step, file.name, file.redacted))
    missing = (_absent(piece) for piece in found if piece.content is None)
    manifest = Manifest(
        _VERSION, run, target, len(lines), chain.seals(lines)[-1], tuple(filed),
        tuple(line.seq for line in masked if line.covers), tuple(missing),
    )  # fmt: skip
    files[_MANIFEST] = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
    return _tar(f"lastgood-{run}", files), manifest


def _about(run: str, target: str) -> bytes:
    return _ABOUT.format(run=run, target=target).encode()


def _told(entries: Sequence[Entry], leases: Collection[str]) -> bytes:
    told = "".join(f"{line.at}  {line.text}\n" for line in timeline(entries))
    return redact(told.encode(), leases)[0]


def _path(file: KeptFile) -> str:
    return f"evidence/{file.file}"


def _absent(piece: Piece) -> str:
    return piece.because or f"{piece.file.name}, kept for {piece.step}, is on another machine"


def _masked(line: Line, leases: Collection[str]) -> Line:
    """Without secrets, and without the token of the lease: who has that can act as the run did."""
    clean, kinds = redact(line.event, leases)
    if not kinds:
        return line
    try:  # what is masked inside a text leaves JSON; the rest is left out whole
        msgspec.json.decode(clean)
    except msgspec.DecodeError:
        clean = msgspec.json.encode({"event": line.kind, "redacted": kinds})
    return msgspec.structs.replace(line, event=clean, covers=chain.digest(line.event))


def _row(line: Line) -> bytes:
    row = _Row(line.run, line.seq, line.at, line.kind, msgspec.Raw(line.event), line.hash, line.covers)
    return msgspec.json.encode(row) + b"\n"


def _tar(folder: str, files: Mapping[str, bytes]) -> bytes:
    """A tar (POSIX.1-2001, pax) whose bytes depend on names and contents only."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in sorted(files):
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size, member.mode = len(files[name]), 0o600
            tar.addfile(member, io.BytesIO(files[name]))
    return content.getvalue()


def unpack(archive: bytes) -> Unpacked:
    """Read a bundle, in memory alone. What is wrong with it is told in `faults`. Raises ValueError where it is none."""
    members = list(_members(archive))
    files = dict(members)
    if len(files) < len(members):
        message = "it holds two files of one name"
        raise ValueError(message)
    try:
        manifest = msgspec.json.decode(files[_MANIFEST], type=Manifest)
        rows = [msgspec.json.decode(row, type=_Row) for row in files[_JOURNAL].splitlines()]
    except (KeyError, msgspec.MsgspecError, UnicodeError) as error:
        message = f"it is no bundle of lastgood: {error}"
        raise ValueError(message) from error
    lines = tuple(Line(r.run, r.seq, r.at, r.kind, bytes(r.event), r.hash, r.covers) for r in rows)
    return Unpacked(manifest.run, lines, files, tuple(_faults(manifest, lines, files)), len(manifest.missing))


def _members(archive: bytes) -> Iterator[tuple[str, bytes]]:
    """The plain files of the one folder that a bundle has, by their names in it. Raises ValueError."""
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:") as tar:
            for member in tar:
                if not member.isreg() or member.size > _LARGEST or member.issparse():
                    message = f"it holds {member.name!r}, which is no file of a bundle"
                    raise ValueError(message)
                found = tar.extractfile(member)
                yield member.name.partition("/")[2], found.read() if found else b""
    except (tarfile.TarError, EOFError) as error:
        message = f"it is no tar archive: {error}"
        raise ValueError(message) from error


def _faults(manifest: Manifest, lines: Sequence[Line], files: Mapping[str, bytes]) -> Iterator[Fault]:
    """Whether the manifest, the files and the record are about each other."""
    named = {one.path: one for one in manifest.files}
    for path, one in named.items():
        if path not in files:
            yield Fault(0, f"{path} is named in the manifest and is not there")
        elif chain.digest(files[path]) != one.sha256:
            yield Fault(0, f"{path} is not what the manifest names")
    yield from (Fault(0, f"{path} is not named in the manifest") for path in sorted(files.keys() - {*named, _MANIFEST}))
    head = chain.seals(lines)[-1] if lines else ""
    if (manifest.lines, manifest.head) != (len(lines), head):
        yield Fault(0, "the manifest is about other lines than those of the journal in it")
    if tuple(line.seq for line in lines if line.covers) != manifest.masked:
        yield Fault(0, "the manifest names other masked lines than those of the journal in it")
    yield from (Fault(line.seq, f"line {line.seq} is of another run") for line in lines if line.run != manifest.run)


def unnamed(found: Unpacked, entries: Sequence[Entry]) -> tuple[Fault, ...]:
    """Evidence in a bundle that is not what the journal in it names, and what is named, and lacks without a word."""
    pieces = [file for e in entries if isinstance(e.event, Kept) for file in e.event.files]
    known = {_path(file): file.sha256 for file in pieces}
    wrong = [
        f"{name} is not what the journal names"
        for name in sorted(found.files)
        if name.startswith("evidence/") and known.get(name) != chain.digest(found.files[name])
    ]
    lacking = [file.name for file in pieces if _path(file) not in found.files]
    if len(lacking) > found.missing:
        wrong.append(f"evidence that the journal names is not there, and the manifest does not say so: {lacking[0]}")
    return tuple(Fault(0, what) for what in wrong)


def retold(found: Unpacked, target: str, entries: Sequence[Entry]) -> tuple[str, ...]:
    """What is for people in a bundle, where it tells otherwise than the journal in it; lines with masks count not.

    It is no fault: another version may have other words.
    """
    files = found.files
    theirs = files.get(_TIMELINE, b"").split(b"\n")
    ours = dict(zip((entry.seq for entry in entries), _told(entries, ()).split(b"\n"), strict=False))
    whole = [line.seq for line in found.lines if not line.covers and line.seq in ours]
    like = len(theirs) == len(found.lines) + 1 and all(theirs[seq - 1] == ours[seq] for seq in whole)
    other = [] if like or not entries or entries[0].seq != 1 else [_TIMELINE]
    other += [] if files.get(_READ_ME) == _about(found.run, target) else [_READ_ME]
    said = "tells it otherwise than this lastgood does: another version wrote it, or somebody changed it"
    return tuple(f"{name} {said}" for name in other)
