"""`lastgood db`."""

from typing import TYPE_CHECKING

import click

from lastgood.cli.db_backups import backup, backups, restore, verify
from lastgood.cli.db_salvage import salvage
from lastgood.cli.options import target, verb
from lastgood.cli.session import Session

if TYPE_CHECKING:
    from lastgood.model.target import Group


@click.group("db")
def command() -> None:
    """The database of a service: where its schema stands, how it goes back, backups, and restoring one.

    \b
    Examples:
      lastgood db status shop-api prod
      lastgood db plan shop-api prod
      lastgood db backup shop-api prod --because "before the import"
      lastgood db restore shop-api prod shop-20261128T101502Z.dump
      lastgood db resolve shop-api prod
      lastgood db salvage put-back shop-api prod
    """  # noqa: D301 - \b is click's own mark for text that keeps its lines


@command.command("status")
@target
@click.option("--drift", is_flag=True, help="Compare the schema with what the migrations make in a throw-away server.")
@verb
def status(session: Session, service: str | None, env: str | None, drift: bool) -> int:
    """The schema's version, what it means, and which migrations the releases know. Touches nothing.

    \b
    Examples:
      lastgood db status shop-api prod
      lastgood db status shop-api prod --drift
    """  # noqa: D301 - \b is click's own mark for text that keeps its lines
    from lastgood.cli.text_db import database_text
    from lastgood.model.errors import Exit
    from lastgood.model.facts import Known

    chosen = session.target(service, env)
    if drift:
        from lastgood import resolving

        found = resolving.status(session.service, chosen, lambda said: session.note((f"  {said}",)))
    else:
        found = session.service.databases(chosen).status()
    session.answer("database", found, database_text(found))
    if found.restore:
        return int(Exit.IN_DOUBT)
    drifted = isinstance(found.drift, Known) and bool(found.drift.value.real)
    return int(Exit.NEEDS_HUMAN if found.dirty or found.doubt or drifted else Exit.DONE)


@command.command("resolve")
@target
@click.option("--set", "version", metavar="VERSION", help="Where several versions have this schema: it is this one.")
@click.option("--yes", is_flag=True, help="Set the version without a question.")
@verb
def resolve(session: Session, service: str | None, env: str | None, version: str | None, yes: bool) -> int:
    """Get out of a dirty version: find by the schema itself what was really applied, and set the version to that.

    The migrations are applied one by one to a throw-away database, and the schema after each is compared with the real
    one. Only a version whose schema it exactly is can be set; `--set none` means no migration at all.

    \b
    Examples:
      lastgood db resolve shop-api prod
      lastgood db resolve shop-api prod --set 42 --yes
    """  # noqa: D301 - \b is click's own mark for text that keeps its lines
    from lastgood.cli.resolve_db import resolved

    return resolved(session, session.target(service, env), version, yes=yes)


_TO = click.option(
    "--to",
    default="",
    metavar="VERSION|RELEASE",
    help="This version of the schema, or this release (tag, digest or commit), not the last good one. "
    "Where it could be both: version:NAME or release:NAME.",
)


def _goal(session: Session, chosen: "Group", to: str) -> str:
    """The release that `--to` means; an app of several services has no version."""
    return session.service.databases(chosen.first).goal(to) if to and len(chosen.members) == 1 else to


@command.command("plan")
@target
@_TO
@verb
def plan(session: Session, service: str | None, env: str | None, to: str) -> int:
    """How the schema would go back with the release: tried on a copy, with the SQL, locks, times and losses.

    Touches nothing but a copy of the database, which is thrown away.

    \b
    Examples:
      lastgood db plan shop-api prod
      lastgood db plan shop-api prod --to 41
    """  # noqa: D301 - \b is click's own mark for text that keeps its lines
    from lastgood.cli.verbs.rollback import show_plan
    from lastgood.run.planning import Wish

    chosen = session.group(service, env)
    return show_plan(session, chosen, Wish(to=_goal(session, chosen, to), down=True))


@command.command("down")
@target
@_TO
@click.option("--yes", is_flag=True, help="Do not ask, where nothing is lost.")
@click.option("--plan", "digest", metavar="DIGEST", help="Approve exactly this plan, without a question.")
@click.option("--take-over", is_flag=True, help="Take the lease from whoever holds it.")
@verb
def down(  # noqa: PLR0913, PLR0917 - one parameter per option
    session: Session,
    service: str | None,
    env: str | None,
    to: str,
    yes: bool,
    digest: str | None,
    take_over: bool,
) -> int:
    """Go back to the last good release and its schema: rehearse, ask, stop the writers, back up, go down, prove.

    `lastgood rollback` does this by itself where the older release does not work with the schema as it is. What is
    lost is accepted on a terminal only, by its name.

    \b
    Examples:
      lastgood db down shop-api prod
      lastgood db down shop-api prod --to sha-1a2b3c4
    """  # noqa: D301 - \b is click's own mark for text that keeps its lines
    from lastgood.cli.verbs.rollback import roll_back
    from lastgood.run.planning import Wish

    chosen = session.group(service, env)
    wish = Wish(to=_goal(session, chosen, to), down=True)
    return roll_back(session, chosen, wish, yes=yes, digest=digest, take_over=take_over)


for _each in (backup, backups, verify, restore, salvage):
    command.add_command(_each)
