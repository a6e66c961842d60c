"""Starts a release where no traffic comes: without ports, labels or volumes, and ends it again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from lastgood.model.command import Command, Completed
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.rehearsal import Booted
from lastgood.model.secretive import looks_secret
from lastgood.model.text import sanitise
from lastgood.ports import Clock, Process
from lastgood.postgres.scratch import LABEL
from lastgood.record.redact import redact, secrets

_POLL: Final = 0.3
_LONGEST: Final = 200
_NANO: Final = 1_000_000_000
_TESTS: Final = frozenset({"CMD", "CMD-SHELL"})  # https://docs.docker.com/reference/dockerfile/#healthcheck
# What says where a database is, and how to get in: all that a release is given where it must not reach anything else.
_DATABASE_WORDS: Final = ("DATABASE", "POSTGRES", "PG", "DB_", "SQL")


class _Health(msgspec.Struct, rename="pascal"):
    test: tuple[str, ...] | None = None
    interval: int = 0
    timeout: int = 0
    retries: int = 0
    start_period: int = 0


class _Config(msgspec.Struct, rename="pascal"):
    env: tuple[str, ...] | None = None
    healthcheck: _Health | None = None


class _Probed(msgspec.Struct, rename="pascal"):
    output: str = ""


class _Status(msgspec.Struct, rename="pascal"):
    status: str = ""
    log: tuple[_Probed, ...] | None = None


class _State(msgspec.Struct, rename="pascal"):
    status: str
    exit_code: int = 0
    health: _Status | None = None


@dataclass(frozen=True)
class Model:
    """What a running container of the service shows of how it is configured. `env` holds secrets: never shown."""

    env: dict[str, str]
    health: tuple[str, ...]

    def apart(self, aliases: Sequence[str]) -> "Model":
        """Only what says where the database is, and what is no secret."""
        kept = {
            name: value
            for name, value in self.env.items()
            if not looks_secret(name, value) or _of_database(name, value, aliases)
        }
        without = secrets(self.env.items()) - secrets(kept.items())
        return Model({n: v for n, v in kept.items() if not any(one in v for one in without)}, self.health)


def _of_database(name: str, value: str, aliases: Sequence[str]) -> bool:
    named = any(name.upper().startswith(word) or f"_{word}" in name.upper() for word in _DATABASE_WORDS)
    return named or any(f"@{alias}:" in value or f"@{alias}/" in value for alias in aliases)


def model(process: Process, host: str, container: str) -> Fact[Model]:
    """How a container of the service is configured, beyond its image."""
    form = "{{json .Config}}"
    mine = _json(process, host, ("container", "inspect", "--format", form, "--", container), _Config)
    named = process.run(
        Command(("docker", "container", "inspect", "--format", "{{.Image}}", "--", container), host=host)
    )
    if isinstance(mine, Unknown) or not named.ok:
        return mine if isinstance(mine, Unknown) else Unknown(named.why())
    image = _json(process, host, ("image", "inspect", "--format", form, "--", named.text.strip()), _Config)
    if isinstance(image, Unknown):
        return image
    builtin = set(image.value.env or ())
    added = [each for each in mine.value.env or () if each not in builtin and "=" in each and "\n" not in each]
    return Known(Model(dict(each.split("=", 1) for each in added), _flags(mine.value.healthcheck)))


def checked(process: Process, host: str, image: str) -> Fact[bool]:
    """Whether an image has a HEALTHCHECK of its own; `NONE` is none."""
    own = _json(process, host, ("image", "inspect", "--format", "{{json .Config}}", "--", image), _Config)
    return own if isinstance(own, Unknown) else Known(_tests(own.value.healthcheck))


def _tests(health: _Health | None) -> bool:
    """Whether there is something that is run: `NONE`, or no test, inherits or disables."""
    return health is not None and bool(health.test and health.test[0] in _TESTS)


def networks(process: Process, host: str, container: str) -> Fact[tuple[str, ...]]:
    """The networks that a container is in, by name."""
    form = "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}}\n{{end}}"
    done = process.run(Command(("docker", "container", "inspect", "--format", form, "--", container), host=host))
    found = tuple(done.text.split())
    if not done.ok:
        return Unknown(done.why())
    return Known(found) if found else Unknown(f"{container} is in no network")


def aliases(process: Process, host: str, container: str) -> Fact[tuple[str, ...]]:
    """The names that others reach a container by, its own among them."""
    form = "{{range .NetworkSettings.Networks}}{{range .Aliases}}{{.}}\n{{end}}{{end}}{{slice .Name 1}}"
    done = process.run(Command(("docker", "container", "inspect", "--format", form, "--", container), host=host))
    return Known(tuple(dict.fromkeys(done.text.split()))) if done.ok else Unknown(done.why())


def _flags(health: _Health | None) -> tuple[str, ...]:
    """The HEALTHCHECK of a container as options of `docker run`; empty where there is none that can be said so."""
    if health is None or not health.test or not _tests(health):
        return ()
    import shlex

    words = health.test[1:]
    command = words[0] if health.test[0] == "CMD-SHELL" else shlex.join(words)
    times = {"interval": health.interval, "timeout": health.timeout, "start-period": health.start_period}
    lengths = tuple(f"--health-{name}={value / _NANO:g}s" for name, value in times.items() if value)
    return (f"--health-cmd={command}", *lengths, *((f"--health-retries={health.retries}",) if health.retries else ()))


@dataclass(frozen=True)
class Boot:
    """What to start for a run: `image` (an id or reference) on `host` in `networks`, for `limit` seconds at most."""

    run: str
    host: str
    image: str
    networks: tuple[str, ...]
    model: Model
    limit: float


def boot(process: Process, clock: Clock, wanted: Boot) -> Fact[Booted]:
    """Start it, wait for its HEALTHCHECK, remove it. Unknown where health cannot be told: then it is not healthy."""
    name = f"lastgood-trial-{wanted.run}"
    remove(process, wanted.host, wanted.run)
    try:
        started = _start(process, wanted, name)
        if not started.ok:
            return Unknown(f"it could not be started: {started.why()}")
        return _watch(process, clock, wanted, name)
    finally:
        remove(process, wanted.host, wanted.run)


def remove(process: Process, host: str, run: str) -> Completed:
    """Remove what `boot` started for a run; fine where there is nothing."""
    return process.run(Command(("docker", "rm", "--force", "--volumes", "--", f"lastgood-trial-{run}"), host=host))


def _start(process: Process, wanted: Boot, name: str) -> Completed:
    own = checked(process, wanted.host, wanted.image)
    first, *others = wanted.networks
    how = ("--detach", "--pull", "never", "--name", name, "--label", f"{LABEL}={wanted.run}", "--network", first)
    health = () if isinstance(own, Known) and own.value else wanted.model.health
    argv = ("docker", "create", *how[1:], *health, "--env-file", "/dev/stdin", "--", wanted.image)
    made = process.run(Command(argv, host=wanted.host, stdin=_env_file(wanted.model.env), timeout=60.0))
    for network in others if made.ok else ():
        joined = process.run(Command(("docker", "network", "connect", "--", network, name), host=wanted.host))
        if not joined.ok:
            return joined
    return process.run(Command(("docker", "start", "--", name), host=wanted.host, timeout=60.0)) if made.ok else made


def _env_file(env: Mapping[str, str]) -> bytes:
    """On standard input, so that no secret of it stands in a command line."""
    return "".join(f"{name}={value}\n" for name, value in env.items()).encode()


def _watch(process: Process, clock: Clock, wanted: Boot, name: str) -> Fact[Booted]:
    begun = clock.monotonic()
    while True:
        seen = _json(process, wanted.host, ("container", "inspect", "--format", "{{json .State}}", "--", name), _State)
        if isinstance(seen, Unknown):
            return seen
        took = clock.monotonic() - begun
        verdict = _verdict(seen.value, took)
        if verdict is None and took > wanted.limit:
            verdict = Known(Booted(healthy=False, said=f"not healthy within {wanted.limit:g} s", seconds=took))
        if isinstance(verdict, Known) and not verdict.value.healthy:
            return Known(msgspec.structs.replace(verdict.value, said=_with_log(process, wanted, name, verdict.value)))
        if verdict is not None:
            return verdict
        clock.sleep(_POLL)


def _verdict(state: _State, took: float) -> Fact[Booted] | None:
    if state.status in {"exited", "dead"}:
        return Known(Booted(healthy=False, said=f"it ended with exit code {state.exit_code}", seconds=took))
    if state.health is None:
        return Unknown("neither its image nor the container that runs has a HEALTHCHECK to tell by")
    if state.health.status == "healthy":
        return Known(Booted(healthy=True, said="its HEALTHCHECK says healthy", seconds=took))
    if state.health.status == "unhealthy":
        return Known(Booted(healthy=False, said="its HEALTHCHECK says unhealthy", seconds=took))
    return None


def _with_log(process: Process, wanted: Boot, name: str, booted: Booted) -> str:
    """What it said last, secrets masked."""
    done = process.run(Command(("docker", "logs", "--tail", "3", "--", name), host=wanted.host))
    masked, _ = redact(done.stdout + done.stderr, secrets(wanted.model.env.items()))
    lines = [line.strip() for line in masked.decode(errors="replace").splitlines() if line.strip()]
    return f"{booted.said}; its log: {sanitise(lines[-1])[:_LONGEST]}" if lines else booted.said


def _json(process: Process, host: str, argv: tuple[str, ...], kind: type[msgspec.Struct]) -> Fact:  # type: ignore[type-arg]
    done = process.run(Command(("docker", *argv), host=host))
    if not done.ok:
        return Unknown(done.why())
    try:
        return Known(msgspec.json.decode(done.stdout, type=kind))
    except msgspec.MsgspecError as error:
        return Unknown(f"docker {argv[0]} {argv[1]} cannot be read: {error}")
