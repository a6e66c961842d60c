"""The steps of a run that are about a database: writers stopped, backup, the way down, the trial, the way back."""

from typing import TypeAlias, assert_never

from lastgood.database import booting, owntool
from lastgood.database.booting import Boot
from lastgood.database.choices import addressed
from lastgood.database.desk import DatabaseDesk
from lastgood.database.down import go_down
from lastgood.database.down import happened as went_down
from lastgood.database.owntool import Going
from lastgood.database.tables import recognised, state
from lastgood.model.command import Command
from lastgood.model.database import Failed, Format, Ran, Session, Swap
from lastgood.model.descent import Loss
from lastgood.model.duration import spoken
from lastgood.model.event import Failure, StepDone, StepFailed
from lastgood.model.facts import Fact, Known, No, Unclear, Unknown, Verdict, Yes
from lastgood.model.observed import State
from lastgood.model.step import (
    BackupStep,
    DownStep,
    LossyDownStep,
    ReloadStep,
    SalvageStep,
    StartStep,
    StopStep,
    TrialStep,
)
from lastgood.model.target import shown
from lastgood.observe.hosts import look_at
from lastgood.plan.lowered import FOUND, stopping, users
from lastgood.postgres import facts, kept, sessions
from lastgood.postgres.backup import Wanted, abandon, backup
from lastgood.postgres.client import Client
from lastgood.postgres.create import drop
from lastgood.postgres.quoting import derived
from lastgood.postgres.restore import restore_beside
from lastgood.postgres.swap import swap
from lastgood.postgres.untouched import next_number, untouched
from lastgood.run import bytool, salvage
from lastgood.run.desk import repository
from lastgood.run.doing import Doing, Outcome, seen

DatabaseStep: TypeAlias = (
    StopStep | StartStep | BackupStep | SalvageStep | DownStep | LossyDownStep | TrialStep | ReloadStep
)

_NANO = 1_000_000_000
_STOP_SECONDS = 60.0
_UP = frozenset({State.RUNNING, State.RESTARTING, State.PAUSED})
_TRIAL_SECONDS = 120.0


def perform(step: DatabaseStep, doing: Doing) -> Outcome:
    """Carry a step out and look whether it took effect. Raises LastgoodError as the parts of it do."""
    with addressed(_desk(doing).target):
        return _performed(step, doing)


def _performed(step: DatabaseStep, doing: Doing) -> Outcome:  # noqa: PLR0911 - one per kind of step
    match step:
        case StopStep():
            return stop(step, doing)
        case StartStep():
            return start(step, doing)
        case BackupStep():
            return back_up(step, doing)
        case SalvageStep():
            return salvage.perform(step, doing, _desk(doing), _client(doing))
        case DownStep() | LossyDownStep():
            return down(step, doing)
        case TrialStep():
            return trial(step, doing)
        case ReloadStep():
            return reload(step, doing)
        case _:
            assert_never(step)


def _desk(doing: Doing) -> DatabaseDesk:
    return doing.desk.database(doing.service)


def _client(doing: Doing) -> Client:
    """The database, by sessions that carry the run's name, whose processes are journalled."""
    desk = _desk(doing)
    named = Client(doing.tools.process, desk.secrets, desk.reach, mark=doing.run.id, on_start=doing.child)
    there = facts.overview(named)
    return named.of(there.value.name) if not isinstance(there, Unknown) and not desk.reach.name else named


def stop(step: StopStep, doing: Doing) -> Outcome:
    """Stop the writers, see that they have ended, and say who else is connected: what those write is in no backup."""
    found = _up(step, doing) if step.later else Known(step.containers)
    if isinstance(found, Unknown):
        return StepFailed(step.id, found.reason, Failure.IN_DOUBT)
    done = None
    if found.value:
        command = Command(("docker", "stop", "--", *found.value), host=step.host, timeout=_STOP_SECONDS)
        done = doing.tools.process.run(command, on_start=doing.child)
    up = _up(step, doing)
    if isinstance(up, Unknown):
        return StepFailed(step.id, up.reason, Failure.IN_DOUBT)
    if up.value:
        said = f"{', '.join(up.value)} still run" + ("" if done is None or done.ok else f": {done.why()}")
        return StepFailed(step.id, said, Failure.PREPARE)
    # A process that was killed over it has stopped somebody, of whom nothing is seen any more.
    before = found.value or (step.containers if stopping(doing.run) else ())
    said = f"{', '.join(before)} stopped" if before else "nobody of it runs"
    return StepDone(step.id, f"{said}{_others(_client(doing))}", {FOUND: " ".join(before)})


def _up(step: StopStep, doing: Doing) -> Fact[tuple[str, ...]]:
    """The containers of the service that run on the host."""
    there = seen(step.host, doing).containers
    if isinstance(there, Unknown):
        return Unknown(f"{shown(step.host)} cannot be seen: {there.reason}")
    return Known(tuple(one.name for one in there.value if one.mine and one.state in _UP))


def _others(client: Client) -> str:
    """Who is connected to the database beside us, as the end of a sentence."""
    found = sessions.sessions(client)
    if isinstance(found, Unknown):
        return f"; whether others are connected is unknown: {found.reason}"
    others = [f"{one.application or 'no name'} (pid {one.pid})" for one in found.value if not _ours(one, client)]
    return f"; still connected, and able to write: {', '.join(others)}" if others else ""


def _ours(one: Session, client: Client) -> bool:
    return one.application == client.application


def start(step: StartStep, doing: Doing) -> Outcome:
    """Start the writers again, and see them up: whether they are healthy was no question of the state from before."""
    salvage.ended(step, doing, lambda: _client(doing))
    stopped = doing.run.done.get(step.stop)
    names = tuple((stopped.details.get(FOUND, "") if stopped else "").split()) or step.containers
    done = doing.tools.process.run(Command(("docker", "start", "--", *names), host=step.host, timeout=_STOP_SECONDS))
    there = seen(step.host, doing).containers
    if isinstance(there, Unknown):
        return StepFailed(step.id, f"{shown(step.host)} cannot be seen: {there.reason}", Failure.IN_DOUBT)
    up = {one.name for one in there.value if one.state in _UP}
    down = [name for name in names if name not in up]
    if down:
        said = "" if done.ok else f": {done.why()}"
        return StepFailed(step.id, f"{', '.join(down)} on {shown(step.host)} did not come up{said}", Failure.IN_DOUBT)
    return StepDone(step.id, f"{', '.join(names)} run again on {shown(step.host)}{_cut_off(doing)}")


def _cut_off(doing: Doing) -> str:
    """Take away what a backup of the run left that was cut off; why it may still lie there, as the end of a sentence.

    Nobody would look for it later, and it may be as large as the database.
    """
    begun = (each for each in doing.run.plan.steps() if isinstance(each, BackupStep) and each.service == doing.service)
    step = next((each for each in begun if each.id in doing.run.steps and each.id not in doing.run.done), None)
    if step is None:
        return ""
    client = _client(doing)
    parts = kept.unfinished(client, step.folder)
    if isinstance(parts, Unknown):
        return f"; whether a backup that was not made left something is unknown: {parts.reason}"
    mine = [part.removesuffix(".part") for part in parts.value if doing.run.id in part]
    said = "; ".join(filter(None, (abandon(client, path, client.reach.name) for path in mine)))
    return f"; of the backup that was not made, {said}" if said else ""


def back_up(step: BackupStep, doing: Doing) -> Outcome:
    """Back up while nobody writes, and read the backup through."""
    desk, client = _desk(doing), _client(doing)
    why = f"run {doing.run.id}, before the schema goes down"
    besides = salvage.needed(client, step, doing)
    if isinstance(besides, Failed):
        return StepFailed(step.id, f"no backup: {besides.reason}", Failure.PREPARE)
    version = state(client, recognised(client, desk.spec.migrator)).version  # an earlier attempt may have moved it
    wanted = Wanted(step.folder, doing.tools.clock.now() // _NANO, why, version, besides=besides)
    made = backup(client, desk.files, wanted, _stamp(step, doing))
    if isinstance(made, Failed):
        return StepFailed(step.id, f"no backup: {made.reason}", Failure.PREPARE)
    good = kept.verify(client, made.path, made.sha256)
    if isinstance(good, Failed):
        return StepFailed(step.id, f"the backup is not good: {good.reason}", Failure.PREPARE)
    said = f"{made.path} on {shown(made.host)}, {made.size} bytes in {spoken(made.seconds)}, read through"
    number = next_number(client)
    since = {"number": str(number.value)} if isinstance(number, Known) else {}
    return StepDone(step.id, said, {"path": made.path, "sha256": made.sha256, "version": version} | since)


def _stamp(step: BackupStep, doing: Doing) -> str:
    """What tells the backup from all others of the run: a process that was killed over it may have finished its own."""
    number, before = step.id.partition(".")[0], len(doing.run.children)
    return "-".join((doing.run.id, *(() if number == "1" else (number,)), *((f"again{before}",) if before else ())))


def down(step: DownStep | LossyDownStep, doing: Doing) -> Outcome:
    """Take the schema down; what the database says afterwards decides."""
    desk, client = _desk(doing), _client(doing)
    losses = _losses(step)
    if step.descent.own:
        going = Going(step.descent, step.descent.own, losses, step.host, doing.run.id)
        return bytool.down(step, going, doing, desk, client)
    ran = go_down(desk, client, step.descent, losses)
    to = step.descent.to or "none"
    match went_down(desk, client, step.descent):
        case Yes():
            took = spoken(ran.elapsed) if isinstance(ran, Ran) else "an unknown time"
            return StepDone(step.id, f"the schema is at version {to}, in {took}")
        case No():
            because = ran.reason if isinstance(ran, Failed) else "the schema did not move"
            return StepFailed(step.id, f"the schema stays where it is: {_blocked(client, ran, because)}")
        case Unclear(reason):
            said = f"{ran.reason}; {reason}" if isinstance(ran, Failed) else reason
            if isinstance(facts.overview(client), Unknown):  # it may have gone down: whoever comes back asks again
                return StepFailed(step.id, said, Failure.IN_DOUBT)
            return StepFailed(step.id, said, Failure.RELEASE if step.descent.whole else Failure.PREPARE)


def _losses(step: DownStep | LossyDownStep) -> tuple[Loss, ...]:
    return step.losses if isinstance(step, LossyDownStep) else ()


def _blocked(client: Client, ran: Ran | Failed, because: str) -> str:
    """With those who may hold what was waited for: whoever has a transaction open, else whoever is connected."""
    if not isinstance(ran, Failed) or not ran.locked:
        return because
    others = sessions.sessions(client)
    if isinstance(others, Unknown):
        return f"{because}; who holds the lock is unknown: {others.reason}"
    there = [one for one in others.value if not _ours(one, client)]
    holding = [one for one in there if one.begun] or there
    named = (f"pid {o.pid} of {o.user} ({o.application or 'no name'}): {o.query}" for o in holding)
    return "; ".join((because, *named))


def happened(step: DownStep | LossyDownStep, doing: Doing) -> Verdict:
    """Whether the database went down, from the database alone."""
    if step.descent.own:
        desk, client = _desk(doing), _client(doing)
        going = Going(step.descent, step.descent.own, _losses(step), step.host, doing.run.id)
        rows = bytool.rows(step, doing, client)
        return owntool.happened(desk, client, going, rows, waiting=not doing.run.aborting)
    return went_down(_desk(doing), _client(doing), step.descent)


def trial(step: TrialStep, doing: Doing) -> Outcome:
    """Start the image beside nothing that routes to it, against the real database, before any traffic comes."""
    wanted = _trying(step, doing)
    if isinstance(wanted, Unknown):
        return StepFailed(step.id, wanted.reason, Failure.PREPARE)
    booted = booting.boot(doing.tools.process, doing.tools.clock, wanted.value)
    if isinstance(booted, Unknown):
        return StepFailed(step.id, f"whether it starts is unknown: {booted.reason}", Failure.PREPARE)
    if not booted.value.healthy:
        return StepFailed(step.id, f"it does not start with this schema: {booted.value.said}", Failure.PREPARE)
    return StepDone(step.id, f"it starts with this schema: {booted.value.said}, after {spoken(booted.value.seconds)}")


def _trying(step: TrialStep, doing: Doing) -> Fact[Boot]:
    """What is started: configured as the service's container is, and in its networks."""
    there = bytool.configured(step.host, doing)
    if isinstance(there, Unknown):
        return there
    model, networks = there.value
    image = step.image.image_id or f"{step.image.image.repository}@{step.image.image.digest}"
    return Known(Boot(doing.run.id, step.host, image, networks, model, _TRIAL_SECONDS))


def reload(step: ReloadStep, doing: Doing) -> Outcome:
    """The database as it was backed up, through a side database and a swap of names; nothing where it never left that.

    Everything of it can be done again: what of it has happened is asked from the server.
    """
    hindered = _untried(doing) or _working(step, doing) or _writing(step, doing)
    if hindered:
        return StepFailed(step.id, hindered, Failure.IN_DOUBT)
    desk, client = _desk(doing), _client(doing)
    maintenance, ended = facts.maintenance(client), sessions.reap(client, client.reach.name)
    for asked in (maintenance, ended):
        if isinstance(asked, Unknown):
            return StepFailed(step.id, asked.reason, Failure.IN_DOUBT)
    if step.backup not in doing.run.done or isinstance(maintenance, Unknown):
        return StepFailed(step.id, "there is no backup of this run to go back to", Failure.IN_DOUBT)
    backup = doing.run.done[step.backup].details
    path, version = backup["path"], backup["version"]
    # Outside of a transaction a migration may be undone and not be noted: there the version alone proves nothing.
    whole = all(way.whole for way in step.descents)
    if (whole or _untouched(step, doing, client)) and _is_at(desk, client, version):
        return StepDone(step.id, f"the schema never left version {version or 'none'}")
    kept_as = _swapped(client, maintenance.value, path, doing.run.id)
    if isinstance(kept_as, Failed) or not _is_at(desk, client, version):
        why = kept_as.reason if isinstance(kept_as, Failed) else "the database is at another version"
        return StepFailed(step.id, f"the backup {path} is not back: {why}", Failure.IN_DOUBT)
    return StepDone(step.id, f"restored from {path}; what it was is kept as {kept_as}")


def _writing(step: ReloadStep, doing: Doing) -> str:
    """Who runs that could have written since the backup, although everybody was stopped; or why that is not known."""
    for service in users(doing.run, step.service):
        target, tools = doing.desk.of(service)
        for host in doing.run.plan.hosts:
            there = look_at(target, tools, host, repository(doing.run.plan, service), brief=True).containers
            if isinstance(there, Unknown):
                return f"{shown(host)} cannot be seen: {there.reason}"
            up = [one.name for one in there.value if one.mine and one.state in _UP]
            if up:
                return f"{', '.join(up)} on {shown(host)} runs again: what is written there is in no backup"
    return ""


def _working(step: ReloadStep, doing: Doing) -> str:
    """End the migration tool, should it still be at work. Why it may be, else empty."""
    own = any(way.own for way in step.descents)
    left = owntool.end(_client(doing), step.host, doing.run.id) if own else None
    return left.reason if left else ""


def _untried(doing: Doing) -> str:
    """Remove the release that a trial which was cut off left running: it must not meet what is put back.

    Why it may still be there, else empty.
    """
    for step in doing.run.plan.steps():
        if isinstance(step, TrialStep) and step.id in doing.run.steps:
            removed = booting.remove(doing.tools.process, step.host, doing.run.id)
            if not removed.ok and "No such container" not in removed.why():
                return f"the release that was tried may still run on {shown(step.host)}: {removed.why()}"
    return ""


def _untouched(step: ReloadStep, doing: Doing, client: Client) -> bool:
    """Whether the server shows that nothing was changed since the backup."""
    made = doing.run.done.get(step.backup)
    if made is None or "number" not in made.details:
        return False
    nothing = untouched(client, int(made.details["number"]))
    return isinstance(nothing, Known) and nothing.value


def _is_at(desk: DatabaseDesk, client: Client, version: str) -> bool:
    found = state(client, recognised(client, desk.spec.migrator))
    return found.version == version and not found.dirty and not found.doubt


def _swapped(client: Client, maintenance: Client, path: str, run: str) -> str | Failed:
    """The name under which the database that was in use is kept."""
    name = client.reach.name
    side, aside = derived(name, f"_side_{run}"), derived(name, f"_broken_{run}")
    names = facts.databases(maintenance)
    if isinstance(names, Unknown):
        return Failed(names.reason)
    if aside not in names.value:
        if side in names.value:  # of a process that was killed
            drop(maintenance, side)
        made = restore_beside(client, path, Format.CUSTOM, side, run=run)
        if isinstance(made, Failed):
            return made
        names = facts.databases(maintenance)
        if isinstance(names, Unknown):
            return Failed(names.reason)
    old, new = names.value[aside if aside in names.value else name], names.value[side if side in names.value else name]
    ran = swap(maintenance, Swap(name, side, aside, old, new))
    return ran if isinstance(ran, Failed) else aside
