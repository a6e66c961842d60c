"""SQL that puts rows and values back where they were, or looks what that would do. Pure."""

from collections.abc import Mapping, Sequence
from typing import Final

from lastgood.model.database import Column
from lastgood.model.salvage import Part
from lastgood.model.schema import What
from lastgood.postgres._seats import Cell, Seat
from lastgood.postgres._taking import SETTINGS, source
from lastgood.postgres.quoting import ident, literal

DONE: Final = "lastgood-done"
"""The last line of what the script prints, once everything has taken effect."""
_BACK: Final = "what is put back does not stay as it was: a trigger or a rule changes it"


def unfit(part: Part, there: Mapping[str, Seat]) -> str:
    """Why a part cannot be put back into the database as it is now; empty where it can."""
    seat = there.get(part.relation)
    name = part.name
    if seat is None:
        return f"{name}: there is no table {part.relation}"
    now = {one.name: one for one in seat.columns}
    for one in part.columns:
        why = _other(one, now.get(one.name))
        if why:
            return f"{name}: {ident(one.name)} of {part.relation} {why}"
    if part.column and now[part.column].always:
        return f"{name}: {ident(part.column)} is an identity that is always generated"
    if not any(set(key) <= set(part.keys) for key in seat.keys):
        return f"{name}: {', '.join(map(ident, part.keys))} tells no rows of {part.relation} apart any more"
    return ""


def _other(was: Column, now: Cell | None) -> str:
    if now is None:
        return "is not there"
    if now.type != was.type:
        return f"was {was.type}, and is {now.type} now"
    return "is generated now" if now.generated else ""


def ordered(parts: Sequence[Part], there: Mapping[str, Seat]) -> tuple[Part, ...]:
    """Whole rows before single values, and rows that others refer to before those."""
    left = [part for part in parts if not part.column]
    done: list[Part] = []
    while left:
        waiting = {there[part.relation].spelled for part in left}
        free = [part for part in left if not waiting & set(there[part.relation].parents)]
        done += free or left  # they refer to each other in a circle: the constraints say whether that can be
        left = [part for part in left if part not in done]
    return (*done, *(part for part in parts if part.column))


def putting(  # noqa: PLR0913 - what, where, for good or not, and within which limits
    parts: Sequence[Part],
    there: Mapping[str, Seat],
    mark: str,
    *,
    really: bool,
    over: frozenset[str] = frozenset(),
    wait: int,
    secret: str,
) -> str:
    """A script that does it in one transaction, or only looks. Its first line of output has what became of each part.

    A line `MARK FILE` in it stands for that file's content. The parts are in the order of `ordered`; `wait` are
    milliseconds for a lock; with `secret` psql obeys nothing that would be in the data. Newer values are lost in those
    parts that are called as `over` says.
    """
    names = ", ".join(dict.fromkeys(part.relation for part in parts))
    lock = f"LOCK TABLE {names} IN SHARE ROW EXCLUSIVE MODE;\nSET CONSTRAINTS ALL DEFERRED;\n" if really else ""
    tied = f"\\restrict {secret}\n" if secret else ""
    return "".join(
        (
            tied,
            SETTINGS,
            f"BEGIN;\nSET LOCAL lock_timeout = {wait};\n",
            lock,
            *(_loaded(at, part, there[part.relation], mark) for at, part in enumerate(parts)),
            *(
                _one(at, part, there[part.relation], really=really, over=part.called in over)
                for at, part in enumerate(parts)
            ),
            "SET CONSTRAINTS ALL IMMEDIATE;\n" if really else "",
            _told(parts),
            "COMMIT;\n" if really else "ROLLBACK;\n",
            f"SELECT '{DONE}';\n",
        )
    )


def _table(at: int) -> str:
    return f"pg_temp.lastgood_{at}"


def _loaded(at: int, part: Part, seat: Seat, mark: str) -> str:
    """The file's rows in a table of their own, each with its fate to be."""
    names = [f"c{place}" for place in range(len(part.columns))]
    each = [f"{ident(one.name)} AS {name}" for one, name in zip(part.columns, names, strict=True)]
    if part.what is What.VALUES:
        each, names = [*each, "NULL::text AS was"], [*names, "was"]
    fate = "gone" if part.column else "back"
    many = f"(SELECT count(*) FROM {_table(at)})"  # noqa: S608 - our own name
    said = f"{part.file} has not the rows that were noted"
    return (
        f"CREATE TEMPORARY TABLE lastgood_{at} ON COMMIT DROP AS SELECT {', '.join(each)} "  # noqa: S608 - quoted names
        f"FROM {source(part.relation, seat)} WITH NO DATA;\n"
        f"COPY {_table(at)} ({', '.join(names)}) FROM STDIN;\n{mark} {part.file}\n\\.\n"
        f"{_raising(f'{many} <> {part.rows}', said)}"
        f"ALTER TABLE {_table(at)} ADD fate text DEFAULT '{fate}';\nANALYZE {_table(at)};\n"
    )


def _one(at: int, part: Part, seat: Seat, *, really: bool, over: bool) -> str:
    return _values(at, part, seat, really=really, over=over) if part.column else _rows(at, part, seat, really=really)


def _by(part: Part) -> str:
    places = {one.name: at for at, one in enumerate(part.columns)}
    return " AND ".join(f"t.{ident(name)} = s.c{places[name]}" for name in part.keys)


def _values(at: int, part: Part, seat: Seat, *, really: bool, over: bool) -> str:
    """Values go where nobody has written since: what is there is what it would be if nobody had."""
    value, mine = f"s.c{len(part.columns) - 1}", f"t.{ident(part.column)}"
    rows, by = source(part.relation, seat), _by(part)
    made, free = _left(at, part) if part.what is What.VALUES else ("", _untouched(part, seat))
    said = (
        f"{made}UPDATE {_table(at)} s SET fate = CASE WHEN {mine}::text IS NOT DISTINCT FROM {value}::text THEN 'same' "  # noqa: S608 - quoted names
        f"WHEN {'TRUE' if over else free} THEN 'back' ELSE 'newer' END FROM {rows} t WHERE {by};\n"
    )
    if not really:
        return said
    differs = f"{mine}::text IS DISTINCT FROM {value}::text"
    return (
        f"{said}UPDATE {rows} t SET {ident(part.column)} = {value} FROM {_table(at)} s "  # noqa: S608 - quoted names
        f"WHERE {by} AND s.fate = 'back';\n{_stays(at, rows, by, differs)}{_raised(part, seat)}"
    )


def _untouched(part: Part, seat: Seat) -> str:
    """Nothing, or what the column is filled with by itself."""
    cell = seat.cell(part.column)
    given = [] if cell is None else [one for one in (cell.default, cell.missing and literal(cell.missing)) if one]
    mine = f"t.{ident(part.column)}"
    kind = cell.type if cell else "text"
    return " OR ".join((f"{mine} IS NULL", *(f"{mine}::text = (({one})::{kind})::text" for one in given)))


def _left(at: int, part: Part) -> tuple[str, str]:
    """What the way down left, read as the type that the column has now: `1.01` is `1.010` in another."""
    kind, name = part.columns[-1].type, f"pg_temp.lastgood_as_{at}"
    body = f"BEGIN RETURN (given::{kind})::text; EXCEPTION WHEN OTHERS THEN RETURN given; END"
    made = f"CREATE FUNCTION {name}(given text) RETURNS text LANGUAGE plpgsql STABLE AS {literal(body)};\n"
    return made, f"t.{ident(part.column)}::text IS NOT DISTINCT FROM {name}(s.was)"


def _rows(at: int, part: Part, seat: Seat, *, really: bool) -> str:
    """Rows go where their key is free."""
    rows, by = source(part.relation, seat), _by(part)
    every = [(ident(one.name), f"c{place}") for place, one in enumerate(part.columns)]
    mine, kept = ", ".join(f"t.{name}::text" for name, _ in every), ", ".join(f"s.{cell}::text" for _, cell in every)
    said = (
        f"UPDATE {_table(at)} s SET fate = CASE WHEN ROW({mine}) IS NOT DISTINCT FROM ROW({kept}) THEN 'same' "  # noqa: S608 - quoted names
        f"ELSE 'newer' END FROM {rows} t WHERE {by};\n"
    )
    if not really:
        return said
    names, cells = ", ".join(name for name, _ in every), ", ".join(cell for _, cell in every)
    differs = f"ROW({mine}) IS DISTINCT FROM ROW({kept})"
    return (
        f"{said}INSERT INTO {part.relation} ({names}) OVERRIDING SYSTEM VALUE SELECT {cells} FROM {_table(at)} "  # noqa: S608 - quoted names
        f"WHERE fate = 'back' ON CONFLICT DO NOTHING;\n"
        f"UPDATE {_table(at)} s SET fate = 'newer' WHERE fate = 'back' "
        f"AND NOT EXISTS (SELECT FROM {rows} t WHERE {by});\n"
        f"{_stays(at, rows, by, differs)}{_raised(part, seat)}"
    )


def _stays(at: int, rows: str, by: str, differs: str) -> str:
    found = f"EXISTS (SELECT FROM {_table(at)} s JOIN {rows} t ON {by} WHERE s.fate = 'back' AND {differs})"
    return _raising(found, _BACK)


def _raised(part: Part, seat: Seat) -> str:
    """Sequences give out no number that is back; none is lowered."""
    names = {one.name for one in part.columns}
    return "".join(
        _do(
            f"PERFORM setval({literal(sequence)}, top) FROM (SELECT max({ident(column)})::bigint AS top "  # noqa: S608 - quoted names
            f"FROM {part.relation}) AS used, {sequence} AS q "
            "WHERE top > q.last_value OR (top = q.last_value AND NOT q.is_called);"
        )
        for column, sequence in seat.sequences
        if column in names
    )


def _raising(condition: str, said: str) -> str:
    return _do(f"IF {condition} THEN RAISE EXCEPTION USING MESSAGE = {literal(said)}, ERRCODE = 'LG003'; END IF;")


def _do(body: str) -> str:
    return f"DO {literal(f'BEGIN {body} END')};\n"


def _told(parts: Sequence[Part]) -> str:
    each = (
        f"'{at}', (SELECT coalesce(json_object_agg(fate, many), '{{}}') "  # noqa: S608 - our own names
        f"FROM (SELECT fate, count(*) AS many FROM {_table(at)} GROUP BY fate) AS fates)"
        for at in range(len(parts))
    )
    return f"SELECT json_build_object({', '.join(each)});\n"
