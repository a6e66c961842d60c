"""Deploys that run on a host at this moment: found among its processes, and ended where somebody consented.

Facts of the formats: proc(5), /proc/PID/cmdline (arguments, each ended by NUL) and /proc/PID/stat.
"""

import posixpath
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import PurePosixPath

from lastgood.model.command import Command
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.observed import Deploying
from lastgood.model.target import Target
from lastgood.ports import Tools

_LIMIT = 10.0
_PROJECT = ("-p", "--project-name")
_TICKS = 100  # USER_HZ, the same on every Linux that Docker runs on
_BEGAN = 21  # in stat(5)'s fields after the program's name, counted from 0 at field 1
_PARENT = 3
# The checkout ($1) as the kernel names it; one line for each process that may be a deploy: pid, tab, the folder that it
# works in, tab, its arguments set apart by \1; then uptime and all stats.
_LOOK = r"""
printf '%s\n' "$(readlink -f -- "$1" 2>/dev/null)"
for file in $(grep -ls -e deploy-service.sh -e compose /proc/[0-9]*/cmdline); do
  pid=${file#/proc/}; pid=${pid%/cmdline}
  at=$(readlink "/proc/$pid/cwd" 2>/dev/null | tr '\t\n' '  ')
  words=$(tr '\000\n' '\001 ' <"$file" 2>/dev/null) && printf '%s\t%s\t%s\n' "$pid" "${at% }" "$words"
done
echo
cut -d ' ' -f 1 /proc/uptime
cat /proc/[0-9]*/stat 2>/dev/null
exit 0
"""
_END = r"""
kill -s TERM -- "$@" 2>/dev/null
for second in 1 2 3 4 5 6 7 8 9 10; do
  kill -s 0 -- "$@" 2>/dev/null || exit 0
  sleep 1
done
kill -s KILL -- "$@" 2>/dev/null
exit 0
"""


def running(target: Target, tools: Tools, host: str) -> Fact[tuple[Deploying, ...]]:
    """The deploys of the target that run on a host."""
    done = tools.process.run(Command(("sh", "-c", _LOOK, "lastgood", target.checkout), host=host, timeout=_LIMIT))
    if not done.ok:
        return Unknown(done.why())
    try:
        return Known(read(target, done.text))
    except ValueError:
        return Unknown("what the host says of its processes cannot be read")


def read(target: Target, text: str) -> tuple[Deploying, ...]:
    """The answer as facts. Raises ValueError where it is none."""
    listed, _, rest = text.partition("\n\n")
    uptime, _, stats = rest.partition("\n")
    began = {fields[0]: fields for fields in _stats(stats)}
    found: list[Deploying] = []
    checkout, *lines = listed.split("\n")  # and at nothing else: the words are other people's
    for line in lines:
        pid, _, told = line.partition("\t")
        folder, _, words = told.partition("\t")
        argv = tuple(word for word in words.split("\1") if word)
        if pid in began and is_deploy(target, argv, folder, checkout):
            seconds = max(0.0, float(uptime) - int(began[pid][_BEGAN]) / _TICKS)
            found.append(Deploying(int(pid), " ".join(argv), seconds, _descendants(pid, began)))
    below = {pid for one in found for pid in one.children}
    return tuple(one for one in found if one.pid not in below)


def is_deploy(target: Target, argv: Sequence[str], folder: str = "", checkout: str = "") -> bool:
    """Whether a command line deploys the target: the team's script for it, or Compose changing its project.

    A script counts where the configuration names a checkout that it could be of: by its path, which is below the
    `folder` that the process works in, or below none that is known. `checkout` is where that really is, if known.
    """
    for at, word in enumerate(argv):
        if PurePosixPath(word).name == "deploy-service.sh":
            meant = list(argv[at + 1 : at + 3]) == [target.env, target.service]
            return bool(target.checkout) and meant and not _elsewhere(word, folder, checkout)
    acts = not {"up", "pull", "down", "restart", "stop"}.isdisjoint(argv)
    project = getattr(target.engine.options, "project", target.service)
    return acts and _is_compose(argv) and project in _projects(argv)


def _elsewhere(script: str, folder: str, checkout: str) -> bool:
    """Whether a script is certainly of another checkout; one whose path goes through a link may be of any."""
    if not folder or not checkout or script.startswith("/") or "/" not in script:
        return False
    return not PurePosixPath(posixpath.normpath(f"{folder}/{script}")).is_relative_to(checkout)


def _is_compose(argv: Sequence[str]) -> bool:
    names = [PurePosixPath(word).name for word in argv[:2]]
    return "docker-compose" in names or (names[:1] == ["docker"] and "compose" in argv)


def _projects(argv: Sequence[str]) -> set[str]:
    """The Compose projects that a command line names."""
    given = {after for word, after in pairwise(argv) if word in _PROJECT}
    return given | {word.removeprefix("--project-name=") for word in argv if word.startswith("--project-name=")}


def stop(tools: Tools, host: str, found: Sequence[Deploying]) -> None:
    """End deploys with all that they started; what does not end by itself within 10 s is killed."""
    pids = dict.fromkeys(str(pid) for one in found for pid in (one.pid, *one.children))
    tools.process.run(Command(("sh", "-c", _END, "lastgood", *pids), host=host, timeout=3 * _LIMIT))


def _stats(text: str) -> Iterator[list[str]]:
    """Fields of each line; the program's name, which may hold anything, is taken out."""
    for line in text.split("\n"):
        pid, opened, rest = line.partition(" (")
        fields = [pid, "", *rest.rpartition(") ")[2].split()]
        if opened and pid.isdecimal() and len(fields) > _BEGAN:
            yield fields


def _descendants(pid: str, stats: dict[str, list[str]]) -> tuple[int, ...]:
    below = [other for other, fields in stats.items() if fields[_PARENT] == pid]
    return tuple(int(one) for one in below) + tuple(n for one in below for n in _descendants(one, stats))
