"""The operator's repository, which is only read: where its remote is, and how its owner's git reaches and signs."""

import os
from collections import Counter

import msgspec

from lastgood.git.names import is_relative, secrets_of, without_secrets
from lastgood.git.plumbing import Git, why
from lastgood.model.errors import GitUnavailable
from lastgood.ports import Process

# What lets git reach a remote, name the user and sign. One value each: the last one counts, as in git.
_SINGLE = ("user.", "author.", "committer.", "gpg.", "commit.gpgsign", "core.sshcommand", "core.gitproxy", "ssh.")
# Lists, where each entry adds to those before it.
_LISTED = ("credential.", "url.", "http.", "protocol.")
_BATCH_SSH = ("core.sshCommand", "ssh -o BatchMode=yes -o ConnectTimeout=10")
_TRUE = {"", "true", "yes", "on", "1"}


class Setting(msgspec.Struct, frozen=True):
    """One entry of git's configuration. The key's first and last part are lower case."""

    key: str
    value: str


class Origin(msgspec.Struct, frozen=True):
    """What the operator's repository says. `url` is empty where there is no remote; `remote` is the remote's name.

    `top` is the folder that relative addresses start from, `folder` the repository itself (shared by its worktrees).
    `settings` are what git must be told in lastgood's own copy to act as it would in the operator's repository.
    """

    top: str
    folder: str
    remote: str
    url: str
    push_url: str
    settings: tuple[tuple[str, str], ...]
    sign: bool

    @property
    def shown(self) -> str:
        """The remote's address without secrets."""
        return without_secrets(self.url)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must be left out of anything git says about the remote."""
        return (*secrets_of(self.url), *secrets_of(self.push_url))


def read_origin(process: Process, repo: str) -> Origin:
    """Ask the operator's repository at `repo`, a folder in it.

    Raises GitUnavailable where `repo` is no repository, or has several remotes and none is called `origin`.
    """
    theirs = Git(process, "-C", repo, by_user=True)
    top, folder = _places(theirs, repo)
    settings = _settings_of(theirs)
    own = _settings_of(Git(process, "--git-dir=/dev/null"))
    remote = _remote(settings)
    rewrites = [item for item in settings if item.key.startswith("url.")]
    url = _absolute(_last(settings, f"remote.{remote}.url"), top, rewrites)
    push_url = _absolute(_last(settings, f"remote.{remote}.pushurl"), top, rewrites)
    sign = _last(settings, "commit.gpgsign", "false").lower() in _TRUE
    return Origin(top, folder, remote, url, push_url, _carried(settings, own), sign)


def _settings_of(git: Git) -> list[Setting]:
    """All of the configuration that git sees, in its own order, includes followed."""
    done = git.attempt("config", "--list", "-z", hermetic=False)
    if not done.ok:
        raise GitUnavailable("The git configuration cannot be read.", because=(why(done),))
    entries = done.stdout.decode(errors="surrogateescape").split("\0")[:-1]
    # An entry without a newline is a bare key, which git takes for true.
    return [Setting(key, value if newline else "true") for key, newline, value in (e.partition("\n") for e in entries)]


def _places(theirs: Git, repo: str) -> tuple[str, str]:
    done = theirs.attempt("rev-parse", "--path-format=absolute", "--git-common-dir", "--show-cdup", hermetic=False)
    if not done.ok:
        raise GitUnavailable(
            f"{repo} is not a git repository that can be read.",
            because=(why(done),),
            next=("run lastgood inside a clone of the deploy repo",),
        )
    folder, _, up = done.text.rstrip("\n").partition("\n")
    is_bare = folder == os.path.realpath(repo)
    return (folder if is_bare else os.path.normpath(os.path.join(repo, up))), folder  # noqa: PTH118 - plain text work


def _remote(settings: list[Setting]) -> str:
    named = (item.key for item in settings if item.key.startswith("remote.") and item.key.endswith(".url"))
    remotes = list(dict.fromkeys(key.removeprefix("remote.").removesuffix(".url") for key in named))
    if "origin" in remotes or not remotes:
        return "origin" if remotes else ""
    if len(remotes) > 1:
        raise GitUnavailable(
            "The deploy repo has several remotes and none is called origin.",
            because=tuple(remotes),
            next=("git remote rename NAME origin",),
        )
    return remotes[0]


def _last(settings: list[Setting], key: str, default: str = "") -> str:
    return next((item.value for item in reversed(settings) if item.key == key), default)


def _absolute(url: str, top: str, rewrites: list[Setting]) -> str:
    """`url`, with a relative path made absolute, unless git would rewrite it by `url.*.insteadOf` anyway."""
    prefixes = tuple(item.value for item in rewrites if item.key.endswith("insteadof"))
    if not url or not is_relative(url) or url.startswith(prefixes):
        return url
    return os.path.normpath(os.path.join(top, url))  # noqa: PTH118 - plain text work


def _carried(settings: list[Setting], own: list[Setting]) -> tuple[tuple[str, str], ...]:
    """What the copy must be told: entries that only the operator's repository sees (its own, `includeIf`, `git -c`)."""
    single = {item.key: item.value for item in settings if item.key.startswith(_SINGLE)}
    known = Counter(own)
    listed: list[tuple[str, str]] = []
    for item in settings:
        if not item.key.startswith(_LISTED):
            continue
        if known[item] > 0:
            known[item] -= 1
        else:
            listed.append((item.key, item.value))
    # GIT_SSH ranks below core.sshCommand in git, so ours must not hide it.
    asks = () if "core.sshcommand" in single or "GIT_SSH" in os.environ else (_BATCH_SSH,)
    return (*asks, *single.items(), *listed)
