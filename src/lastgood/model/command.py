"""Commands as values: argv lists that can be shown, compared and run; never a shell string."""

import shlex

import msgspec


class Secret:
    """A text that shows itself to nobody: not in a repr, and msgspec refuses to encode it (TypeError)."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself, for the one program that needs it."""
        return self._text

    def __repr__(self) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


class Command(msgspec.Struct, frozen=True):
    """One program call on one host.

    `host` is `local` or an ssh:// address. `env` is added to the clean environment that the process effect passes
    on (it never inherits variables that could steer Compose interpolation). `timeout` is in seconds; at its end the
    whole process group is killed. `stdin` is fed to the program. `secret_env` is environment too; its values are never
    shown.
    """

    argv: tuple[str, ...]
    host: str = "local"
    cwd: str | None = None
    env: tuple[tuple[str, str], ...] = ()
    timeout: float = 30.0
    stdin: bytes = b""
    secret_env: tuple[tuple[str, Secret], ...] = ()

    def variables(self) -> tuple[tuple[str, str], ...]:
        """Everything that is added to the environment, secrets revealed: for what starts the program, and only that."""
        return (*self.env, *((name, secret.reveal()) for name, secret in self.secret_env))

    def shown(self) -> str:
        """The command as a person would type it; secrets are `***`."""
        line = shlex.join(self.argv)
        prefix = "".join(f"{name}={shlex.quote(value)} " for name, value in self.env)
        prefix += "".join(f"{name}=*** " for name, _ in self.secret_env)
        return f"(cd {shlex.quote(self.cwd)} && {prefix}{line})" if self.cwd else prefix + line


class Completed(msgspec.Struct, frozen=True):
    """What a command left: its exit status, both outputs, and how long it took in seconds.

    `status` is None when it did not end by itself: `failure` then says why (not found, killed at the time limit).
    `loose` is True where it may still be running on its host all the same, because the host can no longer be asked.
    `cut` is True where the way to the host, and nothing that was run there, is why it did not end.
    """

    command: Command
    status: int | None
    stdout: bytes = b""
    stderr: bytes = b""
    elapsed: float = 0.0
    failure: str = ""
    loose: bool = False
    cut: bool = False

    @property
    def ok(self) -> bool:
        """True when the program ran to its end and reported success. A claim, not a proof of any effect."""
        return self.status == 0

    @property
    def text(self) -> str:
        """Standard output as text; undecodable bytes are replaced."""
        return self.stdout.decode(errors="replace")

    def why(self) -> str:
        """Why it did not work, in one line: the failure, or the last line it wrote to stderr."""
        lines = self.stderr.decode(errors="replace").strip().splitlines()
        said = lines[-1] if lines else f"exit status {self.status}"
        return f"{self.command.argv[0]}: {self.failure or said}"


class Child(msgspec.Struct, frozen=True):
    """A process that lastgood started: pid and kernel start time, so that a reused pid is never mistaken for it.

    On another `host` than `local` there is only `mark`: the value of LASTGOOD_CHILD in the environment of the process
    and of all that it starts; `pid` and `started` are 0 there.
    """

    pid: int
    started: int
    argv: tuple[str, ...]
    host: str = "local"
    mark: str = ""
