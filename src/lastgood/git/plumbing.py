"""Running git: one place for its environment, its time limits and its errors."""

from collections.abc import Mapping

from lastgood.git.names import clean
from lastgood.model.command import Command, Completed
from lastgood.model.errors import GitUnavailable
from lastgood.ports import Conversation, Process

LOCAL_SECONDS = 30.0
FETCH_SECONDS = 20.0
PUSH_SECONDS = 30.0

# `git rev-parse --local-env-vars`, and two more that could steer where objects and refs go. The operator may have set
# them for their own work (a git hook or alias does); ours must not end up in their repository.
_STEERING = (
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_CONFIG_COUNT",
    "GIT_CONFIG_PARAMETERS",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_QUARANTINE_PATH",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
)
_BY_USER = {"GIT_CONFIG_COUNT", "GIT_CONFIG_PARAMETERS"}
_ALWAYS = {
    "LC_ALL": "C",  # messages are classified by their English words
    "GIT_TERMINAL_PROMPT": "0",
    "GCM_INTERACTIVE": "never",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
}
# For what needs nothing of the operator's configuration: aliases, colours, filters and hooks cannot interfere.
_HERMETIC = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}


def configured(pairs: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """Configuration as environment (git-config(1), GIT_CONFIG_COUNT): values may be secret, so never in argv."""
    env = {"GIT_CONFIG_COUNT": str(len(pairs))}
    for index, (key, value) in enumerate(pairs):
        env[f"GIT_CONFIG_KEY_{index}"] = key
        env[f"GIT_CONFIG_VALUE_{index}"] = value
    return env


class Git:
    """git on one repository. `where` are the options that name it: `--git-dir=…`, or `-C …` for the operator's.

    `by_user` leaves in what the user tells git by environment (`GIT_CONFIG_COUNT`, `git -c`).
    """

    def __init__(self, process: Process, *where: str, by_user: bool = False) -> None:
        self._process = process
        self._where = where
        self._cleared = tuple(name for name in _STEERING if not (by_user and name in _BY_USER))

    def attempt(
        self,
        *args: str,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        hermetic: bool = True,
        cwd: str | None = None,
        timeout: float = LOCAL_SECONDS,
    ) -> Completed:
        """Run git and hand back what it left. `hermetic` keeps the operator's configuration out of it."""
        extra = {**_ALWAYS, **(_HERMETIC if hermetic else {}), **(env or {})}
        command = Command(self._argv(args, extra), cwd=cwd, env=tuple(extra.items()), timeout=timeout, stdin=stdin)
        return self._process.run(command)

    def talk(self, *args: str) -> Conversation:
        """Start a git command that answers questions, apart from the operator's configuration. Raises OSError."""
        extra = {**_ALWAYS, **_HERMETIC}
        return self._process.talk(Command(self._argv(args, extra), env=tuple(extra.items()), timeout=LOCAL_SECONDS))

    def _argv(self, args: tuple[str, ...], env: Mapping[str, str]) -> tuple[str, ...]:
        cleared = tuple(word for name in self._cleared if name not in env for word in ("-u", name))
        return ("env", *cleared, "git", *self._where, *args)

    def output(
        self, *args: str, stdin: bytes = b"", env: Mapping[str, str] | None = None, cwd: str | None = None
    ) -> bytes:
        """Standard output of a local git command; raises GitUnavailable, with git's words, where it failed."""
        done = self.attempt(*args, stdin=stdin, env=env, cwd=cwd)
        if not done.ok:
            raise GitUnavailable(f"git {args[0]} failed.", because=(why(done),))
        return done.stdout


def why(done: Completed, secrets: tuple[str, ...] = ()) -> str:
    """Why git failed, in one line fit to show: the first line that is no warning. `secrets` are left out."""
    if done.failure:
        return clean(done.failure)
    lines = [clean(line) for line in done.stderr.decode(errors="replace").splitlines()]
    told = [line for line in lines if line and not line.lower().startswith(("warning:", "hint:", "from "))]
    text = told[0] if told else f"exit status {done.status}"
    for secret in secrets:
        text = text.replace(secret, "***")
    return text.removeprefix("fatal: ").removeprefix("error: ")
