"""A host: engine, Compose, the state folder, room on its disks, and its clock."""

import secrets
from functools import partial

import msgspec

from lastgood.diagnose.case import Case, fail, guarded, ok, unknown, warn
from lastgood.diagnose.clocks import Reading
from lastgood.model.command import Command
from lastgood.model.errors import LastgoodError
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.observed import EngineHealth, HostView
from lastgood.model.report import Check
from lastgood.observe.together import together
from lastgood.plan import guards

_KIB = 1024
_LEAST = 1024**3
_DF_SECONDS = 10.0
_DF_FIELDS = 6
_INSTALL = "install the Compose plugin: https://docs.docker.com/compose/install/linux/"


def checks(case: Case, host: str) -> tuple[tuple[Check, ...], tuple[Reading, ...]]:
    """Everything about one host that the target runs on, and what its clock showed."""
    readings: list[Reading] = []
    looks = {
        f"{host}: engine": partial(_engine, case, host),
        f"{host}: disk": partial(_disks, case, host, readings),
    }
    found = together([partial(guarded, name, look) for name, look in looks.items()])
    return tuple(check for answers in found for check in answers), tuple(readings)


def _engine(case: Case, host: str) -> tuple[Check, ...]:
    if isinstance(case.seen, LastgoodError):
        return (unknown(f"{host}: engine", f"not looked at: {case.seen.what}"),)
    view = case.seen.hosts[host]
    if isinstance(view.containers, Unknown):
        return (fail(f"{host}: engine", f"the engine does not answer: {view.containers.reason}", "docker version"),)
    return (ok(f"{host}: engine", "Docker answers"), *_deployed_from(case, view, host))


def _deployed_from(case: Case, view: HostView, host: str) -> tuple[Check, ...]:
    """What a switch is made with: Compose, or the team's script in the server's checkout."""
    if view.checkout is None:
        return (_compose(view, host),)
    name, looks = f"{host}: checkout", guards.looks(case.target, host)
    unfit = guards.unfit(case.target, view.checkout)
    if unfit:
        return (fail(name, f"{case.target.checkout} cannot be deployed from: {'; '.join(unfit)}", *looks),)
    return (ok(name, f"{case.target.checkout} is on {case.target.branch}, with nobody's changes in it"),)


def _compose(view: HostView, host: str) -> Check:
    if view.compose:
        return ok(f"{host}: Compose", f"`{' '.join(view.compose)}` answers, version 2 or later")
    return fail(f"{host}: Compose", "no Docker Compose 2 or later answers", _INSTALL)


def _disks(case: Case, host: str, readings: list[Reading]) -> tuple[Check, ...]:
    state = guarded(f"{host}: state folder", partial(_state, case, host))
    health = _health(case, host, readings)
    places = [Known(case.target.state), health.root]
    return (*state, *(check for place in places for check in _room(case, host, place)))


def _state(case: Case, host: str) -> tuple[Check, ...]:
    """A lease can be made there: tried with a file of another name, which is removed again."""
    name, files = f"{host}: state folder", case.tools.files(host)
    path = f"{case.target.state.rstrip('/')}/leases/.doctor-{secrets.token_hex(8)}"
    try:
        made = files.create(path, b"")
        files.remove(path)
    except OSError as error:
        then = f"let the deploy user write to {case.target.state}, or set environments.{case.target.env}.state"
        return (fail(name, f"no lease can be made in {case.target.state}: {error.strerror or error}", then),)
    return (ok(name, f"leases can be made in {case.target.state}"),) if made else (unknown(name, f"{path} exists"),)


def _health(case: Case, host: str, readings: list[Reading]) -> EngineHealth:
    engine, clock = case.tools.engine, case.tools.clock
    before = clock.now()
    commands = [msgspec.structs.replace(command, host=host) for command in engine.health_questions()]
    health = engine.read_health([case.tools.process.run(command) for command in commands])
    if isinstance(health.clock, Known):
        readings.append(Reading(f"the engine on {host}", before, clock.now(), health.clock.value, health.clock.value))
    return health


def _room(case: Case, host: str, place: Fact[str]) -> tuple[Check, ...]:
    """Free space by `df -Pk` (POSIX: the fourth field is available KiB)."""
    name = f"{host}: disk"
    if isinstance(place, Unknown):
        return (unknown(name, f"where the engine keeps images is not known: {place.reason}"),)
    done = case.tools.process.run(Command(("df", "-Pk", "--", place.value), host=host, timeout=_DF_SECONDS))
    fields = done.text.splitlines()[-1].split() if done.ok and done.text else []
    if len(fields) < _DF_FIELDS or not fields[3].isdecimal():
        return (unknown(name, f"{place.value}: {done.why()}", f"df -h {place.value}"),)
    free = int(fields[3]) * _KIB
    if free < _LEAST:
        said = f"{free / _LEAST:.2f} GiB are left under {place.value}; a pull or the state folder may not fit"
        return (warn(name, said, "docker system df   # what takes the room", f"df -h {place.value}"),)
    return (ok(name, f"{free / _LEAST:.0f} GiB are free under {place.value}"),)
