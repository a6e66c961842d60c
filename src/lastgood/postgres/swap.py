"""Two databases trade names, in one transaction; what of it has happened is asked from the server's own numbers."""

from typing import Final

from lastgood.model.database import Failed, Ran, Swap, SwapState
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.postgres.asking import ask, script
from lastgood.postgres.client import Client
from lastgood.postgres.create import MARKER
from lastgood.postgres.quoting import ident, literal

# Nobody comes in any more, and who is in goes. Looking every 10 ms is quicker than RENAME, which looks every 100 ms.
_CLOSE: Final = """
ALTER DATABASE {live} WITH ALLOW_CONNECTIONS false;
ALTER DATABASE {side} WITH ALLOW_CONNECTIONS false;
DO $lastgood$ BEGIN
  FOR i IN 1..500 LOOP
    PERFORM pg_stat_clear_snapshot();
    PERFORM pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datid IN ({old}, {new}) AND pid <> pg_backend_pid() AND backend_type = 'client backend';
    EXIT WHEN NOT FOUND;
    PERFORM pg_sleep(0.01);
  END LOOP;
END $lastgood$;
"""
# The comment goes with the name: it is about what the database is to people. The other one gets ours.
_RENAME: Final = """
BEGIN;
DO {comment_goes};
COMMENT ON DATABASE {live} IS {comment};
ALTER DATABASE {live} RENAME TO {aside};
ALTER DATABASE {side} RENAME TO {live};
COMMIT;
"""
_OPEN: Final = """
ALTER DATABASE {live} WITH ALLOW_CONNECTIONS true;
ALTER DATABASE {other} WITH ALLOW_CONNECTIONS true;
"""


def state(maintenance: Client, wanted: Swap) -> Fact[SwapState]:
    """How far the swap has come. UNCLEAR: the names are neither those before nor those after, or one is gone."""
    question = (
        "SELECT coalesce(json_object_agg(oid::bigint, json_build_array(datname, datallowconn)), '{}') "  # noqa: S608
        f"FROM pg_database WHERE oid IN ({wanted.old}, {wanted.new})"
    )
    found = ask(maintenance, question, dict[int, tuple[str, bool]])
    if isinstance(found, Unknown):
        return found
    old, new = found.value.get(wanted.old, ("", False)), found.value.get(wanted.new, ("", False))
    opened = old[1] and new[1]
    if (old[0], new[0]) == (wanted.name, wanted.side):
        return Known(SwapState.BEFORE if opened else SwapState.CLOSED)
    if (old[0], new[0]) == (wanted.aside, wanted.name):
        return Known(SwapState.DONE if opened else SwapState.RENAMED)
    return Known(SwapState.UNCLEAR)


def swap(maintenance: Client, wanted: Swap) -> Ran | Failed:
    """Carry the swap out from where it stands, ending everybody's session in both databases; done twice is fine.

    Where names could not be changed, both databases are open again as before. `wanted.back` swaps back.
    """
    now = state(maintenance, wanted)
    if isinstance(now, Unknown):
        return Failed(now.reason)
    match now.value:
        case SwapState.UNCLEAR:
            return Failed(f"{wanted.name} and {wanted.side} are not the databases that were to be swapped")
        case SwapState.DONE:
            return Ran("", 0.0)
        case SwapState.RENAMED:
            return script(maintenance, _opening(wanted.name, wanted.aside), timeout=30.0)
        case SwapState.BEFORE | SwapState.CLOSED:
            return _whole(maintenance, wanted)


def reopen(maintenance: Client, wanted: Swap) -> Ran | Failed:
    """Let everybody in again where a swap stopped half-way, under whichever names the databases have now."""
    now = state(maintenance, wanted)
    if isinstance(now, Unknown):
        return Failed(now.reason)
    if now.value is SwapState.UNCLEAR:
        return Failed(f"{wanted.name} and {wanted.side} are not the databases that were to be swapped")
    other = wanted.side if now.value in {SwapState.BEFORE, SwapState.CLOSED} else wanted.aside
    return script(maintenance, _opening(wanted.name, other), timeout=30.0)


def _whole(maintenance: Client, wanted: Swap) -> Ran | Failed:
    done = script(maintenance, statements(wanted), timeout=60.0, lasting=True)
    if isinstance(done, Failed):
        again = reopen(maintenance, wanted)
        if isinstance(again, Failed):
            return Failed(
                f"{done.reason}; and nobody can connect, because {again.reason}", done.sqlstate, in_doubt=True
            )
    return done


def statements(wanted: Swap) -> str:
    """What a swap does, in SQL for psql."""
    said = f"shobj_description({wanted.old}, 'pg_database')"
    goes = f"BEGIN EXECUTE format('COMMENT ON DATABASE %I IS %L', {literal(wanted.side)}, {said}); END"
    words = {
        "live": ident(wanted.name),
        "side": ident(wanted.side),
        "aside": ident(wanted.aside),
        "comment_goes": literal(goes),
        "comment": literal(f"{MARKER}aside: was {wanted.name}"),
        "old": wanted.old,
        "new": wanted.new,
    }
    return (_CLOSE + _RENAME).format(**words) + _opening(wanted.name, wanted.aside)


def _opening(live: str, other: str) -> str:
    return _OPEN.format(live=ident(live), other=ident(other))
