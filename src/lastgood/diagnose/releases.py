"""What could be gone back to: the pin, the Compose file, files that git does not hold, the images, the registry."""

from functools import partial

from lastgood.diagnose.case import Case, fail, guarded, ok, unknown, warn
from lastgood.model.errors import LastgoodError
from lastgood.model.facts import Known, Unknown
from lastgood.model.observed import Observed
from lastgood.model.report import Check, Past
from lastgood.plan import report
from lastgood.plan.running import Running, identify


def checks(case: Case) -> tuple[Check, ...]:
    """Everything about the target's releases. Where nothing could be seen, the reason is said once."""
    untracked = guarded(f"{case.name}: untracked files", partial(_untracked, case))
    if isinstance(case.seen, LastgoodError):
        return (unknown(f"{case.name}: releases", f"not looked at: {case.seen.what}", *case.seen.next), *untracked)
    looks = {
        "pin": partial(_pin, case, case.seen),
        "Compose file": partial(_compose_file, case, case.seen),
        "what runs": partial(_running, case, case.seen),
        "images": partial(_images, case, case.seen),
        "registry": partial(_registry, case, case.seen),
    }
    found = [guarded(f"{case.name}: {name}", look) for name, look in looks.items()]
    return (*(check for answers in found for check in answers), *untracked)


def _pin(case: Case, seen: Observed) -> tuple[Check, ...]:
    pin = seen.tip.pin
    if isinstance(pin, Known):
        return (ok(f"{case.name}: pin", f"{case.target.pin_file} pins {pin.value.name}"),)
    place = f"services.{case.target.service}.pin in lastgood.yaml"
    return (fail(f"{case.name}: pin", pin.reason, f"correct the file, or {place}"),)


def _compose_file(case: Case, seen: Observed) -> tuple[Check, ...]:
    """The file that says how the service runs is in git, and what it runs is what the pin pins."""
    name, tools = f"{case.name}: Compose file", case.tools
    path = tools.engine.file(case.target)
    content = tools.repo.blob(seen.tip.commit, path)
    if content is None:
        then = f"commit it, or set services.{case.target.service}.engine.file in lastgood.yaml"
        return (fail(name, f"{path} is not in git at {seen.tip.commit[:12]}", then),)
    if isinstance(seen.tip.pin, Unknown):
        return (unknown(name, f"whether {path} uses the pin's image: {seen.tip.pin.reason}"),)
    variables = tools.pin.variables(tools.repo.blob(seen.tip.commit, case.target.pin_file) or b"")
    repository = seen.tip.pin.value.repository
    try:
        services = tools.engine.services(content, variables, repository)
    except ValueError as error:
        return (fail(name, f"{path}: {error}", f"docker compose --file {path} config"),)
    if not services:
        then = f"let it say image: ${{IMAGE_REPOSITORY}}:${{IMAGE_TAG}} in {path}"
        return (fail(name, f"no service in {path} uses {repository}, the image that is pinned", then),)
    return (ok(name, f"{path} runs the pinned image as {', '.join(services)}"),)


def _running(case: Case, seen: Observed) -> tuple[Check, ...]:
    name, running = f"{case.name}: what runs", identify(seen)
    history = f"lastgood history {case.target.service} {case.target.env}"
    if not running.containers:
        return (warn(name, "no container of the service is there", f"lastgood status {case.target.service}"),)
    if running.release is None:
        images = ", ".join(sorted({container.image for container in running.containers}))
        said = f"{images} is not in git's history of the pin, so a rollback needs --to"
        return (fail(name, said, history),)
    if running.mixed:
        return (warn(name, "its containers run different images", f"lastgood status {case.target.service}"),)
    return (ok(name, f"{running.release.image.name}, found in git"), *_drift(case, seen, running))


def _drift(case: Case, seen: Observed, running: Running) -> tuple[Check, ...]:
    said = report.drift(seen, running)
    return (warn(f"{case.name}: drift", said, f"lastgood status {case.target.service}"),) if said else ()


def _images(case: Case, seen: Observed) -> tuple[Check, ...]:
    name = f"{case.name}: images"
    history = report.history(case.target, seen)
    reachable = {str(past.release.image): past for past in history.releases if past.reachable}
    if not reachable:
        return (_nowhere(case, name, history.releases, complete=history.complete),)
    here = [past for past in reachable.values() if past.where.startswith("host")]
    said = f"you can go back {_count(history.reach, 'release')}; {_count(len(here), 'image')} of them here"
    only = [past for past in here if _gone(past, seen)]
    if only:
        names = ", ".join(past.release.image.name for past in only)
        then = "push them to the registry again, or do not prune images on the host"
        return (warn(name, f"{said}; the registry no longer has {names}", then),)
    return (ok(name, said + ("" if history.complete else ", as far as was read")),)


def _nowhere(case: Case, name: str, releases: tuple[Past, ...], *, complete: bool) -> Check:
    history = f"lastgood history {case.target.service} {case.target.env}"
    if complete and len(releases) <= 1:
        return warn(name, "there is nothing earlier to go back to yet", history)
    return fail(name, f"none of {_count(len(releases), 'release')} that were read can be gone back to", history)


def _gone(past: Past, seen: Observed) -> bool:
    said = seen.registry.get(str(past.release.image))
    return isinstance(said, Known) and said.value.digest is None


def _registry(case: Case, seen: Observed) -> tuple[Check, ...]:
    """Asked with the operator's own login; where it did not tell, that is never taken for an answer."""
    name = f"{case.name}: registry"
    reasons = dict.fromkeys(said.reason for said in seen.registry.values() if isinstance(said, Unknown))
    told = sum(isinstance(said, Known) for said in seen.registry.values())
    if reasons:
        said = f"it told of {told} of {_count(len(seen.registry), 'image')}: {'; '.join(reasons)}"
        return (unknown(name, said, *_login(seen)),)
    return (ok(name, f"it answers, and told of {_count(told, 'image')}"),)


def _login(seen: Observed) -> tuple[str, ...]:
    """How to log in where no answer came: a name's first part is a host if it has a dot or a port (Docker's rule)."""
    silent = (name for name, said in seen.registry.items() if isinstance(said, Unknown))
    firsts = dict.fromkeys(name.partition("/")[0] if "/" in name else "" for name in silent)
    hosts = dict.fromkeys(first if "." in first or ":" in first or first == "localhost" else "" for first in firsts)
    return tuple(f"docker login {host}".rstrip() for host in hosts)


def _untracked(case: Case) -> tuple[Check, ...]:
    """Files that git does not hold are in the server's checkout; their content is not looked at."""
    target, name = case.target, f"{case.name}: untracked files"
    if not target.untracked:
        return ()
    if not target.checkout:
        then = f"set environments.{target.env}.checkout in lastgood.yaml"
        return (fail(name, f"{', '.join(target.untracked)}: no checkout is configured to take them from", then),)
    there = {f"{target.checkout}/{path}": path for path in target.untracked}
    missing = [there[path] for path in case.tools.files(target.hosts[0]).missing(tuple(there))]
    if missing:
        then = f"put them there, or take them out of services.{target.service}.untracked"
        return (fail(name, f"not in {target.checkout}: {', '.join(missing)}", then),)
    return (ok(name, f"{', '.join(target.untracked)} in {target.checkout}"),)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
