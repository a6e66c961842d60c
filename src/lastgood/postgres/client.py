"""PostgreSQL's own programs, where they are to be run, with everything that is secret in the environment only."""

from collections.abc import Callable
from typing import Final

import msgspec

from lastgood.model.command import Child, Command, Completed, Secret
from lastgood.model.database import Reach
from lastgood.ports import Process, Secrets
from lastgood.postgres.dsn import option, variables
from lastgood.postgres.quoting import ident

APPLICATION: Final = "lastgood"
"""How our sessions call themselves, followed by the run's own mark: what was left behind is found by it."""

# In a container the image's own variables say who may come in, as its entry point made the server.
_INSIDE: Final = (
    'f=${POSTGRES_USER_FILE:-}; u=${POSTGRES_USER:-}; if [ -z "$u" ] && [ -r "$f" ]; then read -r u < "$f"; fi; '
    "f=${POSTGRES_PASSWORD_FILE:-}; w=${POSTGRES_PASSWORD:-}; "
    'if [ -z "$w" ] && [ -r "$f" ]; then read -r w < "$f"; fi; '
    'export PGUSER="${PGUSER:-${u:-postgres}}" PGPASSWORD="${PGPASSWORD:-$w}"; '
    'command -v "$1" >/dev/null 2>&1 || for d in /usr/lib/postgresql/*/bin /opt/*/postgresql/bin; do '
    'if [ -x "$d/$1" ]; then PATH=$d:$PATH; fi; done; exec "$@"'
)
_QUICK: Final = 30.0


class Client:
    """One database, and the programs to reach it with.

    `mark` is the run's: it becomes part of the sessions' application name (at most 50 bytes). `on_start` is handed
    every process that may outlive us. Secrets are read anew for each command, and not kept.
    """

    def __init__(
        self,
        process: Process,
        secrets: Secrets,
        reach: Reach,
        *,
        mark: str = "",
        on_start: Callable[[Child], None] | None = None,
    ) -> None:
        self.process = process
        self.secrets = secrets
        self.reach = reach
        self.mark = mark
        self.on_start = on_start
        self.restricts: bool | None = None  # what `asking` found out about psql

    @property
    def application(self) -> str:
        """What our sessions call themselves."""
        return f"{APPLICATION}-{self.mark}" if self.mark else APPLICATION

    def of(self, name: str) -> "Client":
        """The same server's database `name`, with no schema of its own."""
        return self.at(msgspec.structs.replace(self.reach, name=name, schema=""))

    def at(self, reach: Reach) -> "Client":
        """Another database, with the same effects and the same mark."""
        return Client(self.process, self.secrets, reach, mark=self.mark, on_start=self.on_start)

    def command(
        self,
        *argv: str,
        stdin: bytes = b"",
        timeout: float = _QUICK,
        env: tuple[tuple[str, str], ...] = (),
    ) -> Command:
        """A program of PostgreSQL's, told where the database is.

        Raises OSError where a secret cannot be had, ValueError where it is no address.
        """
        plain, secret = self._environment()
        plain += env
        if self.reach.container:
            names = dict.fromkeys(name for name, _ in (*plain, *secret))
            passed = tuple(word for name in names for word in ("-e", name))
            inside = ("--", self.reach.container, "sh", "-c", _INSIDE, "lastgood")
            argv = ("docker", "exec", "-i", *passed, *inside, *argv)
        return Command(argv, self.reach.host, env=plain, timeout=timeout, stdin=stdin, secret_env=secret)

    def run(self, command: Command, *, lasting: bool = False) -> Completed:
        """Run a command; `lasting` ones are told to `on_start`."""
        return self.process.run(command, on_start=self.on_start if lasting else None)

    def on_host(self, script: str, *arguments: str, timeout: float = _QUICK) -> Completed:
        """Run a constant program for the host's `sh`."""
        argv = ("sh", "-c", script, "lastgood", *arguments)
        env = (("LC_ALL", "C"),)  # the words of the tools tell what happened
        return self.process.run(Command(argv, self.reach.host, env=env, timeout=timeout))

    def address(self) -> dict[str, str]:
        """The variables for libpq, secrets among them. Raises OSError and ValueError as `command`."""
        reach = self.reach
        found = variables(self._secret(reach.dsn)) if reach.dsn else {}
        if reach.container:  # the server's own socket
            for name in ("PGHOST", "PGHOSTADDR", "PGPORT", "PGSSLMODE", "PGSERVICE"):
                found.pop(name, None)
        found |= {name: value for name, value in (("PGDATABASE", reach.name), ("PGUSER", reach.user)) if value}
        if reach.password:
            found["PGPASSWORD"] = self._secret(reach.password)
        if reach.schema:
            path = option("search_path", f"{ident(reach.schema)}, public")
            found["PGOPTIONS"] = f"{found.get('PGOPTIONS', '')} {path}".strip()
        return found

    def _environment(self) -> tuple[tuple[tuple[str, str], ...], tuple[tuple[str, Secret], ...]]:
        found = self.address()
        known = {"PGDATABASE": self.reach.name, "PGUSER": self.reach.user}
        plain = {
            "LC_ALL": "C",
            "PGAPPNAME": self.application,
            "PGCONNECT_TIMEOUT": found.pop("PGCONNECT_TIMEOUT", "10"),
        }
        plain |= {name: found.pop(name) for name, value in known.items() if value}
        return tuple(plain.items()), tuple((name, Secret(value)) for name, value in found.items())

    def _secret(self, reference: str) -> str:
        value = self.secrets.read(reference)
        if value is None:
            raise OSError(f"{reference} is not set")
        return value
