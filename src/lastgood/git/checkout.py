"""The deploy repo's checkout on a server: how to look at it and bring it forward. Pure; nothing here can lose work.

Formats: git-status(1), porcelain version 2 with `-z`.
"""

from lastgood.git.names import branch_name, clean, object_id
from lastgood.model.command import Command, Completed
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.observed import Checkout

_LOCAL_SECONDS = 20.0
_FETCH_SECONDS = 60.0
_ENV = (("LC_ALL", "C"), ("GIT_TERMINAL_PROMPT", "0"), ("GIT_LITERAL_PATHSPECS", "1"))
_CHANGED = {"1": 8, "2": 9, "u": 10}  # kind of entry: how many blanks stand before its path
_RENAMED = "2"
_DETACHED, _INITIAL = "(detached)", "(initial)"  # where there is no branch, and where there is no commit yet


def look(folder: str) -> Command:
    """The read-only command whose answer `read` understands."""
    how = ("--porcelain=v2", "--branch", "--untracked-files=no", "-z")
    argv = ("git", "-C", folder, "status", *how)
    return Command(argv, env=(*_ENV, ("GIT_OPTIONAL_LOCKS", "0")), timeout=_LOCAL_SECONDS)


def read(answer: Completed) -> Fact[Checkout]:
    """What is checked out, and which files differ from it. Files that git does not know are none of its business."""
    if not answer.ok:
        return Unknown(clean(_fatal(answer) or answer.why()))
    branch = commit = ""
    dirty: list[str] = []
    entries = iter(answer.stdout.decode(errors="backslashreplace").split("\0"))  # they are journalled
    for entry in entries:
        if entry.startswith("# branch.oid "):
            commit = entry.removeprefix("# branch.oid ")
        elif entry.startswith("# branch.head "):
            branch = entry.removeprefix("# branch.head ")
        elif entry[:1] in _CHANGED:
            dirty.append(entry.split(" ", _CHANGED[entry[0]])[-1])
            if entry[0] == _RENAMED:
                next(entries, "")  # the path it had before
    if commit == _INITIAL:
        return Unknown("the checkout has no commit yet")
    if not commit:
        return Unknown("git status: the answer cannot be read")
    return Known(Checkout("" if branch == _DETACHED else branch, commit, tuple(dirty)))


def _fatal(answer: Completed) -> str:
    """What git could not do, in its own words: advice may follow, so that it is not always the last line."""
    lines = answer.stderr.decode(errors="replace").splitlines()
    return next((f"git: {line.removeprefix('fatal: ')}" for line in lines if line.startswith("fatal: ")), "")


def writable(folder: str) -> Command:
    """Ends with 0 where whoever runs it may bring the checkout forward: git only says so when it has to write."""
    return Command(("test", "-w", folder, "-a", "-w", f"{folder}/.git"), timeout=_LOCAL_SECONDS)


def fetch(folder: str, branch: str) -> Command:
    """Have the checkout know the remote's branch."""
    refs = f"refs/heads/{branch_name(branch)}"
    return Command(("git", "-C", folder, "fetch", "--quiet", "origin", refs), env=_ENV, timeout=_FETCH_SECONDS)


def forward(folder: str, commit: str) -> Command:
    """Fast-forward to a commit, or fail: never a merge, never a reset. `commit` is an id, or FETCH_HEAD."""
    wanted = commit if commit == "FETCH_HEAD" else object_id(commit)
    return Command(("git", "-C", folder, "merge", "--ff-only", "--quiet", wanted), env=_ENV, timeout=_LOCAL_SECONDS)


def committed(folder: str, path: str) -> Command:
    """Print a file as the checked out commit has it."""
    return Command(("git", "-C", folder, "cat-file", "blob", f"HEAD:{path}"), env=_ENV, timeout=_LOCAL_SECONDS)
