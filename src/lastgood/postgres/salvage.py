"""Salvages: what a way down would lose, brought out into files on the host first, and put back where there is room."""

import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from lastgood.model.command import Command, Completed
from lastgood.model.database import Column, Failed
from lastgood.model.descent import Loss
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.salvage import Part, PutBack, Salvage
from lastgood.model.text import sanitise
from lastgood.ports import Files
from lastgood.postgres import _putting, facts
from lastgood.postgres._seats import Seat, seats
from lastgood.postgres._taking import Shape, shaped, taking
from lastgood.postgres.asking import PSQL, UTF8, failure, restricts
from lastgood.postgres.backup import MARGIN, said, what_failed
from lastgood.postgres.client import Client

MANIFEST: Final = "salvage.json"
"""What makes a folder a salvage; it is written last."""
_WAIT: Final = 3000
_LONG: Final = 6 * 3600.0
# The way down renames or drops what tells rows apart: its rows are kept whole, then.
_STRANGE: Final = frozenset({"42P01", "42703", "3F000"})

# $1 the folder, $2 how many parts; the client's output is cut into `1.copy.part` and so on at the lines that no row can
# be. How many lines were cut is told, for not every awk says that a disk is full. The manifest of an earlier attempt
# goes first: from then on there is no salvage until there is a whole one.
_INTO: Final = r"""set -u; umask 077; d=$1; n=$2; shift 2
mkdir -p -- "$d" && rm -f -- "$d/salvage.json" && sync "$d" || exit 1
trap 'rm -f -- "$d"/*.copy.part' EXIT; trap "exit 1" HUP INT TERM
i=0; while [ "$i" -lt "$n" ]; do i=$((i + 1)); : > "$d/$i.copy.part" || exit 1; done
{ "$@"; echo "lastgood-client:$?" >&2; } | LC_ALL=C awk '
  BEGIN { d = ARGV[1]; ARGV[1] = ""; n = 1; f = d "/1.copy.part" }
  $0 == "\\." { close(f); printf "lastgood-part-%d:%.0f\n", n, c > "/dev/stderr"; n++; c = 0
    f = d "/" n ".copy.part"; next }
  { print > f; c++ }' "$d" || exit 1
i=0; while [ "$i" -lt "$n" ]; do i=$((i + 1)); p=$d/$i.copy.part; sync "$p" || exit 1
  printf 'lastgood-file-%d:%s %s %s\n' "$i" "$(wc -l < "$p")" "$(wc -c < "$p")" "$(sha256sum < "$p")" >&2; done
i=0; while [ "$i" -lt "$n" ]; do i=$((i + 1)); mv -f -- "$d/$i.copy.part" "$d/$i.copy" || exit 1; done
sync "$d"; trap - EXIT
"""
# $1 the folder, $2 the word that begins a line which stands for a file's content.
_FEED: Final = (
    'set -u; d=$1; m=$2; shift 2; { while IFS= read -r line; do case $line in "$m "*) cat -- "$d/${line#"$m "}" || '
    'exit 1;; *) printf \'%s\\n\' "$line";; esac; done; } | "$@"'
)
_SUM: Final = 'set -e; cd -- "$1"; shift; for f; do sha256sum < "$f"; done'
_LIST: Final = (
    'cd -- "$1" 2>/dev/null || { [ ! -e "$1" ] && exit 0; echo "$1 cannot be read" >&2; exit 1; }; '
    'for f in */salvage.json; do if [ -f "$f" ]; then printf "%s\\0" "$1/$f"; cat -- "$f" || exit 1; printf "\\0"; '
    "fi; done"
)


class Taken(msgspec.Struct, frozen=True):
    """What is brought out: the losses into `folder`; `down` is the SQL of the way down, `schema` first for it.

    Without it, whole tables are brought out where only the way down itself shows what goes.
    """

    losses: tuple[Loss, ...]
    folder: str
    down: str
    schema: str = ""


def needed(client: Client, losses: Sequence[Loss]) -> int | Failed:
    """Bytes that bringing the losses out may take: what their tables take, and some more."""
    there = seats(client, tuple(loss.relation for loss in losses))
    if isinstance(there, Unknown):
        return Failed(there.reason)
    return round(sum(seat.size for seat in there.value.values()) * MARGIN)


def take(client: Client, wanted: Taken) -> tuple[Part, ...] | Failed:
    """Bring the losses out, into files that are synced and checksummed. Changes nothing in the database.

    Where it failed, there is no salvage in the folder; it can be done again. `Failed.locked` where a lock was not had.
    """
    there = seats(client, tuple(loss.relation for loss in wanted.losses))
    if isinstance(there, Unknown):
        return Failed(there.reason)
    missing = [loss.relation for loss in wanted.losses if loss.relation not in there.value]
    if missing:
        return Failed(f"there is no table {missing[0]}")
    short = _short(client, wanted, there.value)
    if short:
        return short
    made = _brought(client, wanted, there.value, shaped(wanted.losses, there.value, sifting=bool(wanted.down)))
    if isinstance(made, Failed) and made.sqlstate in _STRANGE:
        return _brought(client, wanted, there.value, shaped(wanted.losses, there.value, sifting=False))
    return made


def _short(client: Client, wanted: Taken, there: Mapping[str, Seat]) -> Failed | None:
    room, size = facts.free(client, wanted.folder), round(sum(seat.size for seat in there.values()) * MARGIN)
    if isinstance(room, Unknown):
        return Failed(room.reason)
    return (
        Failed(f"{wanted.folder} has {room.value} bytes free, and {size} may be needed") if room.value < size else None
    )


def _brought(
    client: Client, wanted: Taken, there: Mapping[str, Seat], shapes: tuple[Shape, ...]
) -> tuple[Part, ...] | Failed:
    secret = secrets.token_hex(8) if restricts(client) else ""
    script = taking(shapes, there, wanted.down, schema=wanted.schema, wait=_WAIT, secret=secret)
    try:
        command = client.command(*PSQL, stdin=script.encode(), env=UTF8, timeout=_LONG)
    except (OSError, ValueError) as error:
        return Failed(str(error))
    many = sum(shape.filed for shape in shapes)
    argv = ("sh", "-c", _INTO, "lastgood", wanted.folder, str(many), *command.argv)
    done = client.run(msgspec.structs.replace(command, argv=argv), lasting=True)
    if not done.ok or said(done, "lastgood-client:") != "0":
        return what_failed(client, done, wanted.folder)
    parts = tuple(_part(done, number, shape) for number, shape in enumerate(shapes, 1))
    return next((part for part in parts if isinstance(part, Failed)), None) or _whole(parts)


def _whole(parts: Sequence[Part | Failed]) -> tuple[Part, ...]:
    return tuple(part for part in parts if isinstance(part, Part))


def _part(done: Completed, number: int, shape: Shape) -> Part | Failed:
    """What the file of a shape holds, as it was read back: as many rows as came."""
    loss = shape.loss
    column = loss.column[1:-1].replace('""', '"')
    columns = tuple(Column(one.name, one.type) for one in shape.columns)
    if not shape.filed:
        return Part(loss.what, loss.name, loss.relation, column, columns, (), 0, 0, "", "", shape.note)
    rows, file = said(done, f"lastgood-part-{number}:"), (said(done, f"lastgood-file-{number}:") or "").split()
    if rows is None or len(file) < 3 or file[0] != rows:  # noqa: PLR2004 - rows, bytes, checksum
        return Failed(f"{loss.called} was not written whole: of {rows or 'unknown'} rows {(file or ['none'])[0]}")
    return Part(
        loss.what, loss.name, loss.relation, column, columns, shape.keys, int(rows), int(file[1]), file[2],
        f"{number}.copy", shape.note,
    )  # fmt: skip


def keep(files: Files, salvage: Salvage) -> Failed | None:
    """Write the manifest, with which the folder becomes a salvage; None where that is done. Replaces an earlier one."""
    try:
        files.replace(f"{salvage.folder}/{MANIFEST}", msgspec.json.encode(salvage) + b"\n")
    except OSError as error:
        return Failed(f"the manifest cannot be written: {error.strerror or error}")
    return None


def salvages(client: Client, folder: str) -> Fact[tuple[tuple[Salvage, ...], tuple[str, ...]]]:
    """The salvages in the folders below `folder`, newest first; and the paths of manifests that cannot be read."""
    done = client.on_host(_LIST, folder)
    if not done.ok:
        return Unknown(done.why())
    pieces = done.stdout.split(b"\0")[:-1]
    found: list[Salvage] = []
    strange: list[str] = []
    for path, content in zip(pieces[::2], pieces[1::2], strict=False):
        try:
            found.append(msgspec.json.decode(content, type=Salvage))
        except msgspec.MsgspecError:
            strange.append(sanitise(path.decode(errors="replace")))
    return Known((tuple(sorted(found, key=lambda one: one.at, reverse=True)), tuple(strange)))


def put_back(
    client: Client, salvage: Salvage, *, really: bool, over: frozenset[str] = frozenset()
) -> tuple[PutBack, ...] | Failed:
    """Put back what can be, in one transaction; or look what that would do. What has no key is left out.

    Values written since are kept, but in the parts that are called as `over` says.

    `Failed.sqlstate` is `LG004` where the database is not ready for it, `LG003` where what is kept is not what was
    noted, or would not stay; nothing was changed then.
    """
    parts = tuple(part for part in salvage.parts if part.keys)
    there = seats(client, tuple(part.relation for part in parts))
    if isinstance(there, Unknown):
        return Failed(there.reason)
    unfit = [why for part in parts if (why := _putting.unfit(part, there.value))]
    if unfit:
        return Failed("; ".join(unfit), "LG004")
    wrong = _damaged(client, salvage.folder, parts)
    if wrong or not parts:
        return wrong or ()
    return _put(client, salvage.folder, _putting.ordered(parts, there.value), there.value, really=really, over=over)


def _damaged(client: Client, folder: str, parts: Sequence[Part]) -> Failed | None:
    done = client.on_host(_SUM, folder, *(part.file for part in parts), timeout=_LONG)
    if not done.ok:
        return Failed(f"what is kept in {folder} cannot be read: {done.why()}", "LG003")
    sums = [line.split()[0] for line in done.text.splitlines()]
    wrong = [part.file for part, found in zip(parts, sums, strict=False) if part.sha256 != found]
    return Failed(f"{folder}/{wrong[0]} is not what was kept: its checksum is another", "LG003") if wrong else None


def _put(  # noqa: PLR0913 - as `put_back`, with what was found
    client: Client,
    folder: str,
    parts: tuple[Part, ...],
    there: Mapping[str, Seat],
    *,
    really: bool,
    over: frozenset[str],
) -> tuple[PutBack, ...] | Failed:
    mark, secret = f"@{secrets.token_hex(16)}", secrets.token_hex(8) if restricts(client) else ""
    script = _putting.putting(parts, there, mark, really=really, over=over, wait=_WAIT, secret=secret)
    try:
        command = client.command(*PSQL, stdin=script.encode(), env=UTF8, timeout=_LONG)
    except (OSError, ValueError) as error:
        return Failed(str(error))
    done = client.run(_fed(command, folder, mark))
    lines = done.text.splitlines()
    if not done.ok:
        return failure(done)
    if lines[-1:] != [_putting.DONE]:
        return Failed(
            sanitise(done.stderr.decode(errors="replace").strip()) or "it ended before its end", in_doubt=really
        )
    fates = msgspec.json.decode(lines[0], type=dict[str, dict[str, int]])
    return tuple(_fate(part, fates[str(at)]) for at, part in enumerate(parts))


def _fed(command: Command, folder: str, mark: str) -> Command:
    argv = ("sh", "-c", _FEED, "lastgood", folder, mark, *command.argv)
    return msgspec.structs.replace(command, argv=argv)


def _fate(part: Part, found: Mapping[str, int]) -> PutBack:
    return PutBack(part.called, *(found.get(word, 0) for word in ("back", "same", "newer", "gone")))


def stamped(folder: str, run: str) -> str:
    """Where the salvage of a run is, in the folder for backups."""
    return f"{within(folder)}/{re.sub('[^A-Za-z0-9_.-]', '_', run)}"


def within(folder: str) -> str:
    """Where the salvages are, in the folder for backups."""
    return f"{folder.rstrip('/')}/salvage"
