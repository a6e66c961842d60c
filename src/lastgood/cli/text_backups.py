"""Backups and restores as text. Pure."""

from collections.abc import Iterator

from lastgood.cli.text_db import size
from lastgood.cli.words import ago, field, moment, table
from lastgood.model.backups import BackupMade, Backups, Checked, Kept, Verification
from lastgood.model.database import Backup
from lastgood.model.duration import spoken
from lastgood.model.facts import Fact, Unknown
from lastgood.model.restoring import Restored, Restoring, Rows
from lastgood.model.target import shown

_MANY = 20


def made_text(made: BackupMade) -> tuple[str, ...]:
    """A new backup: how large, how long it took, where, and its checksum."""
    one = made.backup
    how = "restored and counted" if made.checked.restored else "read to its end"
    return (
        f"{made.target}: backed up {made.database}",
        *field("path", f"{one.path} on {shown(one.host)}"),
        *field("size", f"{size(one.size)} of {size(one.database_size)}, in {spoken(one.seconds)}"),
        *field("rows", _rows(one.rows)),
        *field("schema", one.schema_version),
        *field("sha256", one.sha256),
        *field("checked", how),
        *field("let go", *made.removed),
        *(f"  ! {warning}" for warning in made.warnings),
    )


def backups_text(found: Backups, now: int) -> tuple[str, ...]:
    """The backups that are kept, newest first."""
    return tuple(_listed(found, now))


def _listed(found: Backups, now: int) -> Iterator[str]:
    yield f"{found.target}: {found.database}, backups of it: {len(found.backups)}, of which {found.keep} are kept"
    yield from field("folder", found.folder)
    if found.backups:
        yield from table(
            [
                ("name", "made", "size", "schema", "server", "rows", "checked", "why"),
                *(_row(one, now) for one in found.backups),
            ]
        )
    yield from field("now", found.busy)
    yield from (f"  ! {path} was never finished" for path in found.unfinished)


def _row(kept: Kept, now: int) -> tuple[str, ...]:
    one = kept.backup
    return (
        one.path.rpartition("/")[2],
        f"{moment(one.at)} ({ago(one.at, now)})",
        size(one.size),
        one.schema_version or "-",
        version(one),
        str(sum(one.rows.values())) if one.rows is not None else "not counted",
        _checked(kept.checked),
        one.why,
    )


def version(one: Backup) -> str:
    """The server that a backup was made on: `PostgreSQL 15.18`."""
    return f"PostgreSQL {one.number // 10000}.{one.number % 10000}"


def _checked(found: Fact[Checked]) -> str:
    if isinstance(found, Unknown):
        return "unknown"
    return f"{moment(found.value.at)}, {'restored' if found.value.restored else 'read'}"


def _rows(rows: dict[str, int] | None) -> str:
    return "not counted" if rows is None else f"{sum(rows.values())}, of {len(rows)} table{'s' * (len(rows) != 1)}"


def verification_text(found: Verification) -> tuple[str, ...]:
    """What was seen of a dump."""
    return (
        f"{found.target}: {found.path} is {'good' if found.good else 'NOT good'}",
        *field("seen", *found.seen),
        *field("wrong", *found.problems),
        *field("took", spoken(found.seconds)),
    )


def restoring_text(plan: Restoring, now: int) -> tuple[str, ...]:
    """What a restore would do, and what it takes out of use."""
    stops = [f"{one.name} on {shown(one.host)}" for one in plan.stops]
    return (
        f"{plan.target}: restore {plan.database} from {plan.source}",
        *field("database", plan.shown),
        *field("lost", *loss_lines(plan, now)),
        *field("kept", f"{plan.database} as it is now, under the name {plan.aside}"),
        *field("stops", *(stops or ["nothing: who is connected is sent away at the moment of the swap"])),
        *(f"  ! {warning}" for warning in plan.warnings),
    )


def loss_lines(plan: Restoring, now: int) -> tuple[str, ...]:
    """What is out of use afterwards, in sentences: always everything written since, and by number what is known."""
    loss = plan.loss
    since = f"{moment(loss.since)} ({ago(loss.since, now)})" if loss.since else "it was made, and nobody noted when"
    first = f"everything written to {plan.database} since {since}"
    if plan.back:
        first = f"everything written to {plan.database} since {plan.source} was put aside"
    rows = [_loss(one) for one in loss.rows[:_MANY]]
    more = [f"and {len(loss.rows) - _MANY} more tables"] if len(loss.rows) > _MANY else []
    return (first, *rows, *more, *([f"rows: {loss.uncounted}"] if loss.uncounted else []))


def _loss(one: Rows) -> str:
    now = f"{one.now} rows now" if one.now is not None else "not there now"
    then = f"{one.then} afterwards" if one.then is not None else "unknown or gone afterwards"
    return f"{one.table}: {now}, {then}"


def restored_text(found: Restored) -> tuple[str, ...]:
    """How a restore ended."""
    from lastgood.cli import out

    return (
        *out.block(f"{found.target}: {found.what}", found.because, found.next),
        *field("rows", _rows(found.rows) if found.rows is not None else ""),
        *field("took", spoken(found.seconds)),
    )
