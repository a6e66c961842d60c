"""What is around a service: its hosts' load, memory and disks, and how the other services fare."""

from functools import partial

import msgspec

from lastgood.model.command import Command, Completed
from lastgood.model.errors import LastgoodError
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.gate import Sample
from lastgood.model.report import Health
from lastgood.model.situation import Disk, HostSeen, Neighbour
from lastgood.model.target import Target, shown
from lastgood.observe.hosts import look_everywhere, pins_containers, probe
from lastgood.observe.together import together
from lastgood.observe.world import pinned
from lastgood.plan.gate import UNJUDGED, signature
from lastgood.ports import Tools

_LIMIT = 5.0
_FIELDS = 6
_WRONG_RELEASE = ("http json", "http contains", "http slow")


def hosts(target: Target, tools: Tools) -> Fact[tuple[HostSeen, ...]]:
    """Every host of a target; Unknown where one cannot be looked at."""
    found = together([partial(_host, tools, host) for host in target.hosts])
    unseen = next((one for one in found if isinstance(one, Unknown)), None)
    return unseen or Known(tuple(one.value for one in found if isinstance(one, Known)))


def _host(tools: Tools, host: str) -> Fact[HostSeen]:
    """Linux' own figures (proc(5): loadavg, meminfo), free room by `df` (POSIX -P; -i is common to GNU and BusyBox)."""
    engine = [msgspec.structs.replace(one, host=host, timeout=_LIMIT) for one in tools.engine.health_questions()]
    asked = [
        Command(("cat", "/proc/loadavg", "/proc/meminfo"), host=host, timeout=_LIMIT),
        Command(("nproc",), host=host, timeout=_LIMIT),
        *engine,
    ]
    figures, count, *about = together([partial(tools.process.run, one) for one in asked])
    root = tools.engine.read_health(about).root
    places = ("/", root.value) if isinstance(root, Known) else ("/",)
    room = [Command(("df", option, "--", *places), host=host, timeout=_LIMIT) for option in ("-Pk", "-Pi")]
    space, inodes = together([partial(tools.process.run, one) for one in room])
    return read_host(shown(host), figures, count, space, inodes)


def read_host(host: str, figures: Completed, count: Completed, space: Completed, inodes: Completed) -> Fact[HostSeen]:
    """The answers as facts; Unknown where load or memory cannot be read. A disk that cannot be is left out."""
    for answer in (figures, count):
        if not answer.ok:
            return Unknown(f"{host}: {answer.why()}")
    try:
        load = float(figures.text.split()[0]) / max(1, int(count.text))
        memory = dict(line.split(":", 1) for line in figures.text.splitlines()[1:] if ":" in line)
        available = int(memory["MemAvailable"].split()[0]) / int(memory["MemTotal"].split()[0])
    except (ValueError, KeyError, IndexError, ZeroDivisionError):
        return Unknown(f"{host}: its load and memory cannot be read")
    free, nodes = _free(space), _free(inodes)
    return Known(HostSeen(host, load, available, tuple(Disk(path, free[path], nodes.get(path, 1.0)) for path in free)))


def _free(answer: Completed) -> dict[str, float]:
    """The free part by mount point: used and available are the third and fourth field; neither: no fixed number."""
    found = {}
    for line in answer.text.splitlines()[1:]:
        fields = line.split(None, _FIELDS - 1)
        if len(fields) == _FIELDS and fields[2].isdecimal() and fields[3].isdecimal():
            used, left = int(fields[2]), int(fields[3])
            found[fields[5]] = left / (used + left) if used + left else 1.0
    return found


def neighbour(target: Target, tools: Tools) -> Neighbour:
    """Another service at one look, by git as last fetched. Never raises; what cannot be looked at is unknown."""
    try:
        image = pinned(target, tools, tools.repo.tip())
        if isinstance(image, Unknown):
            return Neighbour(target.name, Health.UNKNOWN, image.reason)
        views = look_everywhere(target, tools, image.value.repository, brief=True)
        looks = probe(tools, image.value, pins_containers(views))
    except LastgoodError as error:
        return Neighbour(target.name, Health.UNKNOWN, error.what)
    unseen = next((view.containers.reason for view in views.values() if isinstance(view.containers, Unknown)), "")
    # That another release answers than the one pinned is drift; it answers.
    failing = tuple(look for look in looks if not look.ok and not look.signature.startswith(_WRONG_RELEASE))
    sample = Sample(0.0, {host: view.containers for host, view in views.items()}, failing)
    wrong = signature(sample)
    if wrong and wrong != UNJUDGED and not unseen:
        return Neighbour(target.name, Health.UNHEALTHY, failing[0].said if failing else wrong)
    if failing:
        return Neighbour(target.name, Health.UNHEALTHY, failing[0].said)
    return Neighbour(target.name, Health.UNKNOWN if unseen or not looks else Health.HEALTHY, unseen)
