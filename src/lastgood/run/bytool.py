"""The step down where only the migration tool itself can take it: in a container configured as the service's."""

import posixpath

from lastgood.database import booting, owntool, trials
from lastgood.database.booting import Model
from lastgood.database.desk import DatabaseDesk
from lastgood.database.oneoff import OneOff
from lastgood.database.owntool import Going
from lastgood.database.tables import recognised, state
from lastgood.model.database import Failed
from lastgood.model.descent import KeptBackup
from lastgood.model.duration import spoken
from lastgood.model.errors import LastgoodError
from lastgood.model.event import Failure, StepDone, StepFailed
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.step import DownStep, LossyDownStep
from lastgood.model.target import shown
from lastgood.postgres import kept
from lastgood.postgres.client import Client
from lastgood.run.doing import Doing, Outcome, seen


def configured(host: str, doing: Doing) -> Fact[tuple[Model, tuple[str, ...]]]:
    """How the service's container on a host is configured, and its networks; it need not run."""
    there = seen(host, doing).containers
    if isinstance(there, Unknown):
        return Unknown(f"{shown(host)} cannot be seen: {there.reason}")
    mine = trials.configured(doing.tools.process, host, [one.name for one in there.value if one.mine])
    if isinstance(mine, Unknown):
        return mine
    name, model = mine.value
    networks = booting.networks(doing.tools.process, host, name)
    return networks if isinstance(networks, Unknown) else Known((model, networks.value))


def down(step: DownStep | LossyDownStep, going: Going, doing: Doing, desk: DatabaseDesk, client: Client) -> Outcome:
    """Take the schema down; version, schema and rows decide whether it is what the rehearsal reached."""
    there = configured(step.host, doing)
    if isinstance(there, Unknown):
        return StepFailed(step.id, there.reason, Failure.PREPARE)
    model, networks = there.value
    env = owntool.environment(client, model.env)
    own = going.own
    wanted = OneOff(doing.run.id, step.host, own.image, own.argv, own.folder, networks, env, owntool.LIMIT)
    ran = owntool.go_down(desk, client, going, wanted)
    if not isinstance(ran, Failed):
        took, to = spoken(ran.elapsed), going.way.to or "none"
        return StepDone(step.id, f"{own.argv[0]} took the schema to version {to}, in {took}, as on the copy")
    left = owntool.end(client, step.host, doing.run.id)
    kind = Failure.IN_DOUBT if left else Failure.PREPARE
    because = f"{ran.reason}; {left.reason}" if left else ran.reason
    return StepFailed(step.id, f"the way down failed: {because}; {_where(desk, client)}", kind)


def _where(desk: DatabaseDesk, client: Client) -> str:
    try:
        found = state(client, recognised(client, desk.spec.migrator))
    except LastgoodError as error:
        return f"which version the database is at is unknown: {' '.join((error.what, *error.because))}"
    return f"the database is at version {found.version or 'none'}"


def rows(step: DownStep | LossyDownStep, doing: Doing, client: Client) -> dict[str, int] | None:
    """The rows of each table as the run's backup counted them; None where it did not."""
    made = doing.run.done.get(step.backup.step) if isinstance(step.backup, KeptBackup) else None
    if made is None:
        return None
    path = made.details["path"]
    found = kept.backups(client, posixpath.dirname(path))
    mine = (one.rows for one in (found.value if isinstance(found, Known) else ()) if one.path == path)
    return next(mine, None)
