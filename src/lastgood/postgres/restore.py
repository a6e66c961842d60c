"""Dumps back into a database: never into the real one, always into one beside it."""

from typing import Final

import msgspec

from lastgood.model.command import Command
from lastgood.model.database import Failed, Format, Ran, Swap
from lastgood.model.facts import Unknown
from lastgood.postgres import facts, sessions
from lastgood.postgres.asking import PSQL, failure, script
from lastgood.postgres.client import Client
from lastgood.postgres.create import blueprint, create, dress, drop

_FROM: Final = 'f=$1; shift; exec "$@" < "$f"'
# What gzip cannot read is an error of the script too: else psql would take the end of a cut-off dump for its end.
_GUNZIP: Final = (
    'f=$1; shift; { gzip -dc < "$f" || echo "SELECT the_dump_is_cut_off;"; } | "$@"'  # the last one's status
)
# pg_restore takes turns at a file, not at its input: so the file comes into the container first.
_COPIED: Final = (
    'f=${TMPDIR:-/tmp}/lastgood-$1.dump; shift; umask 077; trap \'rm -f -- "$f"\' EXIT; trap "exit 1" HUP INT TERM; '
    'cat > "$f" && "$@" "$f"'
)
# Lines of plain SQL, outside of data, by which it would leave the database that it is given to, or run programs.
_STRAYS: Final = r"""
/^COPY .* FROM stdin;$/ { data = 1; next }
data { if ($0 == "\\.") data = 0; next }
/^\\(un)?restrict / { next }
/^\\[^.]/ || /^[ \t]*(CREATE|DROP|ALTER)[ \t]+DATABASE[ \t]/ { print NR ": " substr($0, 1, 80); exit }
"""
_LOOK: Final = 'if [ "$3" = gzip ]; then gzip -dc < "$2" | awk "$1"; else awk "$1" < "$2"; fi'


class Restored(msgspec.Struct, frozen=True):
    """A database made of a dump: its name and number, and the seconds that loading the dump took."""

    name: str
    number: int
    elapsed: float


def strays(client: Client, path: str, kind: Format) -> Failed | None:
    """Why a plain dump must not be given to psql: it would go to another database, or call psql's own commands."""
    if kind is Format.CUSTOM:
        return None
    done = client.on_host(_LOOK, _STRAYS, path, kind.value, timeout=600.0)
    if not done.ok:
        return Failed(f"{path} cannot be read: {done.why()}")
    return Failed(f"{path} does more than fill one database: line {done.text.strip()}") if done.text.strip() else None


def load(
    client: Client,
    path: str,
    kind: Format,
    *,
    jobs: int = 2,
    timeout: float = 6 * 3600.0,
) -> Ran | Failed:
    """Load a dump on the host into the client's own database, which should be empty; stops at the first error.

    `jobs` sessions load at the same time; in a container, more than one needs room for the dump in its `/tmp`.
    """
    stray = strays(client, path, kind)
    if stray:
        return stray
    try:
        command = _custom(client, path, jobs) if kind is Format.CUSTOM else _plain(client, path, kind)
    except (OSError, ValueError) as error:
        return Failed(str(error))
    done = client.run(msgspec.structs.replace(command, timeout=timeout), lasting=True)
    if done.ok:
        return Ran(done.text, done.elapsed)
    if done.status is None and client.reach.name:  # what was started in a container lives on
        sessions.reap(client, client.reach.name)
    return failure(done)


def restore_beside(  # noqa: PLR0913 - each has a name of its own
    client: Client, path: str, kind: Format, side: str, *, run: str, jobs: int = 2
) -> Restored | Failed:
    """Make the database `side` of a dump, beside the client's own and alike in all that a dump does not hold.

    Where it fails, `side` is dropped again. What was there under this name already is not touched: it is refused.
    """
    plan = blueprint(client)
    if isinstance(plan, Failed):
        return plan
    made = create(plan.maintenance, side, plan.like, plan.around, f"side {run}")
    if isinstance(made, Failed):
        return made
    there = client.of(side)
    ready = _ready(plan.maintenance, there, load(there, path, kind, jobs=jobs))
    dressed = ready if isinstance(ready, Failed) else dress(plan.maintenance, side, plan.around)
    if isinstance(dressed, Failed):
        drop(plan.maintenance, side)
        return dressed
    return ready


def swap_for(maintenance: Client, name: str, side: str, aside: str) -> Swap | Failed:
    """The swap that puts `side` in the place of `name`, which is kept as `aside`."""
    there = facts.databases(maintenance)
    if isinstance(there, Unknown):
        return Failed(there.reason)
    for one in (name, side):
        if one not in there.value:
            return Failed(f"there is no database {one}")
    if aside in there.value:
        return Failed(f"there is a database {aside} already")
    return Swap(name, side, aside, there.value[name], there.value[side])


def _ready(maintenance: Client, there: Client, loaded: Ran | Failed) -> Restored | Failed:
    """Statistics, which no dump holds: without them the first queries would be slow ones."""
    if isinstance(loaded, Failed):
        return loaded
    analysed = script(there, "ANALYZE;", timeout=3600.0)
    numbers = facts.databases(maintenance)
    if isinstance(analysed, Failed):
        return analysed
    if isinstance(numbers, Unknown):
        return Failed(numbers.reason)
    return Restored(there.reach.name, numbers.value[there.reach.name], loaded.elapsed)


def _custom(client: Client, path: str, jobs: int) -> Command:
    # An empty name is the environment's: given here, one with `=` in it would be read as an address.
    argv: tuple[str, ...] = ("pg_restore", "-w", "--exit-on-error", "-d", "")
    if jobs > 1 and not client.reach.container:
        return client.command(*argv, "-j", str(jobs), path)
    if jobs > 1:
        argv = ("sh", "-c", _COPIED, "lastgood", client.mark or "restore", *argv, "-j", str(jobs))
    command = client.command(*argv)
    return msgspec.structs.replace(command, argv=("sh", "-c", _FROM, "lastgood", path, *command.argv))


def _plain(client: Client, path: str, kind: Format) -> Command:
    command = client.command(*PSQL)
    reading = _GUNZIP if kind is Format.GZIP else _FROM
    return msgspec.structs.replace(command, argv=("sh", "-c", reading, "lastgood", path, *command.argv))
