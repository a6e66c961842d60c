"""A migration tool's own program, run once in a container of a release: made for that, named by its run, and removed.

Nothing but the program is started: an image's own entry point may migrate up before anything else. The container has no
ports, volumes or labels of the service. Its environment goes in on standard input, so no secret is in a command line.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from lastgood.model.command import Command, Completed
from lastgood.model.database import Failed
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.text import sanitise
from lastgood.postgres.scratch import LABEL
from lastgood.record.redact import redact, secrets

Runs = Callable[[Command], Completed]

_QUICK: Final = 60.0
_TAIL: Final = 400
_LONGEST: Final = 300
_LOCKED: Final = "lock timeout"
# `docker wait` ends only when the container has; the state afterwards tells whether it was the program or its end.
_STATE: Final = "{{.State.Status}} {{.State.ExitCode}}"
_ADDRESSES: Final = "{{range .NetworkSettings.Networks}}{{.IPAddress}}\n{{.GlobalIPv6Address}}\n{{end}}"


def named(run: str) -> str:
    """The name of a run's container."""
    return f"lastgood-tool-{run}"


@dataclass(frozen=True)
class OneOff:
    """What to run: `argv` of an image (an id or reference) on `host`, in `networks`, for `limit` seconds at most.

    `name` is a run's. `env` holds secrets and is never shown. `folder` is where it starts, empty for the image's own;
    with `scratch` the container is marked as a rehearsal's, and goes with that.
    """

    name: str
    host: str
    image: str
    argv: tuple[str, ...]
    folder: str
    networks: tuple[str, ...]
    env: Mapping[str, str]
    limit: float
    scratch: bool = False

    @property
    def container(self) -> str:
        """The container's name."""
        return named(self.name)


@dataclass(frozen=True)
class Ended:
    """How it ended: exit code, standard output, the last it said with secrets masked, and the seconds it took."""

    code: int
    output: str
    said: str
    elapsed: float

    @property
    def failed(self) -> Failed | None:
        """Why it did not work, `locked` where a lock was not to be had in time; None where it says that it did."""
        if self.code == 0:
            return None
        reason = f"it ended with exit code {self.code}" + (f": {self.said}" if self.said else "")
        return Failed(reason, "55P03" if _LOCKED in self.said else "")


def once(runs: Runs, wanted: OneOff) -> Ended | Failed:
    """Run it to its end. The container stays: `remove` it, after its sessions' addresses were asked for if need be."""
    remove(runs, wanted.host, wanted.container)  # where it cannot be, its name is taken
    made = _made(runs, wanted)
    if not made.ok:
        return Failed(f"{wanted.argv[0]} could not be started: {_masked(made.why(), wanted.env)}")
    return awaited(runs, wanted)


def awaited(runs: Runs, wanted: OneOff) -> Ended | Failed:
    """How a container that was started ended, once it has. `Failed.in_doubt` where it runs on, or cannot be seen."""
    waited = runs(Command(("docker", "wait", "--", wanted.container), host=wanted.host, timeout=wanted.limit))
    seen = state(runs, wanted.host, wanted.container)
    if isinstance(seen, Unknown):
        return Failed(f"how {wanted.argv[0]} ended cannot be told: {seen.reason}", in_doubt=True)
    status, code = seen.value or ("gone", 0)
    if status not in {"exited", "dead"}:
        why = waited.failure or status
        return Failed(f"{wanted.argv[0]} did not end within {wanted.limit:g} s ({why})", in_doubt=True)
    logs = runs(Command(("docker", "logs", "--tail", "100000", "--", wanted.container), host=wanted.host))
    said = _masked(_last(logs), wanted.env) if logs.ok else ""
    return Ended(code, logs.text, said, waited.elapsed)


def state(runs: Runs, host: str, container: str) -> Fact[tuple[str, int] | None]:
    """The state of a container by name, as Docker calls it, and its exit code; None where there is none."""
    argv = ("docker", "container", "ls", "--all", "--filter", f"name=^/{container}$", "--format", "{{.ID}}")
    there = runs(Command(argv, host=host))
    if not there.ok:
        return Unknown(there.why())
    if not there.text.strip():
        return Known(None)
    done = runs(Command(("docker", "container", "inspect", "--format", _STATE, "--", container), host=host))
    words = done.text.split()
    if not done.ok or len(words) != len(("status", "code")):
        return Unknown(done.why())
    return Known((words[0], int(words[1])))


def addresses(runs: Runs, host: str, container: str) -> tuple[str, ...]:
    """The addresses of a container that runs; none where it does not."""
    done = runs(Command(("docker", "container", "inspect", "--format", _ADDRESSES, "--", container), host=host))
    return tuple(done.text.split()) if done.ok else ()


def remove(runs: Runs, host: str, container: str) -> Completed:
    """End and remove a container; fine where there is none."""
    return runs(Command(("docker", "rm", "--force", "--volumes", "--", container), host=host, timeout=_QUICK))


def _made(runs: Runs, wanted: OneOff) -> Completed:
    first, *others = wanted.networks
    label = ("--label", f"{LABEL}={wanted.name}") if wanted.scratch else ()
    folder = ("--workdir", wanted.folder) if wanted.folder else ()
    program, *words = wanted.argv
    argv = (
        *("docker", "create", "--pull", "never", "--name", wanted.container, *label, "--network", first),
        *("--no-healthcheck", "--restart", "no", *folder, "--entrypoint", program, "--env-file", "/dev/stdin"),
        *("--", wanted.image, *words),
    )
    env = "".join(f"{name}={value}\n" for name, value in wanted.env.items()).encode()
    done = runs(Command(argv, host=wanted.host, stdin=env, timeout=_QUICK))
    for network in others if done.ok else ():
        joined = runs(Command(("docker", "network", "connect", "--", network, wanted.container), host=wanted.host))
        if not joined.ok:
            return joined
    return (
        runs(Command(("docker", "start", "--", wanted.container), host=wanted.host, timeout=_QUICK))
        if done.ok
        else done
    )


def _last(logs: Completed) -> str:
    """The error itself: programs in Python put it last, unless a hint of SQLAlchemy's stands below it."""
    lines = [line.strip() for line in (logs.stdout + logs.stderr).decode(errors="replace").splitlines()[-_TAIL:]]
    lines = [line for line in lines if line and not line.startswith(("(Background on this error", "[SQL:"))]
    named = [line for line in lines if "rror" in line.split(":", 1)[0] or _LOCKED in line]
    return (named or lines or [""])[-1]


def _masked(text: str, env: Mapping[str, str]) -> str:
    masked, _ = redact(text.encode(), secrets(env.items()))
    return sanitise(masked.decode(errors="replace"))[:_LONGEST]
