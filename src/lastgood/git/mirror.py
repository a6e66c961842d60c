"""lastgood's own bare copy of the deploy repo: made, seeded from the operator's clone, fetched, pushed from.

Its refs: `refs/heads/B` is the remote's branch as last seen; `refs/lastgood/incoming/B` what a fetch just brought,
before it was found to add to the history; `refs/lastgood/seed/B` the operator's own view of the branch, used until
the remote has answered once.
"""

import hashlib
import re
import shlex
from pathlib import Path

from lastgood.git.names import clean
from lastgood.git.origin import Origin
from lastgood.git.plumbing import FETCH_SECONDS, PUSH_SECONDS, Git, configured, why
from lastgood.model.command import Completed
from lastgood.model.errors import GitUnavailable
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.ports import Process, Pushed

_FETCH = (
    "fetch",
    "--quiet",
    "--no-tags",
    "--no-write-fetch-head",
    "--no-auto-maintenance",
    "--no-recurse-submodules",
    "--no-prune",
)
_PUSH = ("push", "--porcelain", "--no-verify", "--no-follow-tags", "--no-recurse-submodules", "--no-signed")
_REMOTE = "lastgood"
# No hook of anybody's runs in the copy, and commits that nothing refers to yet are not cleaned away.
_QUIET = (("core.hooksPath", "/dev/null"), ("gc.auto", "0"))
# The first fetch of a long history takes its time, as does the first graph; every later one is quick.
_FIRST_FETCH_SECONDS = 120.0
_GRAPH_SECONDS = 120.0
# What git says of a branch that others have pushed to, in `push --porcelain` (transport.c, send-pack, receive-pack).
_MOVED = ("non-fast-forward", "fetch first", "needs force", "stale info", "cannot lock ref", "failed to update ref")

_SYMREF = re.compile(r"^ref: refs/heads/(\S+)\tHEAD$", re.MULTILINE)
# Forges answer the push of a new branch with where a pull request for it can be opened.
_LINK = re.compile(r"^remote:.*?(https?://[\x21-\x7e]+)", re.MULTILINE)


def location(cache_dir: str, origin: Origin) -> Path:
    """Where the copy of this deploy repo is kept: the same place for every clone and branch of one remote."""
    name = hashlib.sha256((origin.url or f"local:{origin.folder}").encode(errors="surrogateescape")).hexdigest()
    return Path(cache_dir) / "repos" / f"{name[:32]}.git"


class Mirror:
    """The copy and its remote. Everything here that changes the copy is called with the repo's lock held."""

    def __init__(self, process: Process, origin: Origin, branch: str, cache_dir: str) -> None:
        self.path = location(cache_dir, origin)
        self.git = Git(process, f"--git-dir={self.path}")
        self._origin = origin
        self._branch = branch
        self._head = f"refs/heads/{branch}"
        self._incoming = f"refs/lastgood/incoming/{branch}"
        self._seed = f"refs/lastgood/seed/{branch}"
        self._tip = ""

    def make(self) -> None:
        """Create the copy where there is none. Raises GitUnavailable."""
        if (self.path / "HEAD").exists() and (self.path / "objects").is_dir():
            return
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise GitUnavailable(f"{self.path} cannot be created.", because=(str(error),)) from error
        self.git.output("init", "--bare", "--quiet", "--template=")

    def tip(self) -> str:
        """The branch's newest commit here as of the last fetch or push, or the empty text."""
        if not self._tip and (self.path / "HEAD").exists():
            refs = self._refs()
            self._tip = refs.get(self._head) or refs.get(self._seed) or ""
        return self._tip

    def shallow(self) -> bool:
        """Whether the copy's history was cut off (gitrepository-layout(5), `shallow`)."""
        try:
            return (self.path / "shallow").stat().st_size > 0
        except FileNotFoundError:
            return False

    def fetch(self) -> Fact[str]:
        """Bring the branch up to date; Unknown where the remote did not answer.

        Raises GitUnavailable where it did and the branch is gone, or no longer contains what was seen on it before.
        """
        self.make()
        before = self._refs()
        self._tip = ""
        if not self._origin.url:
            self._from_operator(f"refs/heads/{self._branch}", f"+{self._seed}")
            self._index()
            return Unknown("no remote is configured")
        if self._head not in before and not self._operator_is_shallow():
            self._seed_from_operator()
        done = self._fetch_remote(first=self._head not in before)
        if not done.ok:
            self._without_remote(done)
        if not done.ok or self._advance(before.get(self._head, "")):
            self._index()
        return Known(self._origin.shown) if done.ok else Unknown(why(done, self._origin.secrets))

    def push(self, commit: str) -> Pushed:
        """Offer `commit` to the remote's branch; never forced, so it only ever adds."""
        if not self._origin.url:
            return Pushed(ok=False, because="no remote is configured")
        done = self._networked(*_PUSH, _REMOTE, f"{commit}:{self._head}", timeout=PUSH_SECONDS)
        if done.ok:
            self.git.output("update-ref", self._head, commit)
            self._tip = commit
            return Pushed(ok=True)
        return _refusal(done, self._origin.secrets)

    def propose(self, commit: str, branch: str) -> Pushed:
        """Put `commit` on the remote as branch `branch`, if that is new there; never forced, nothing is moved.

        The lease is an empty one (git-push(1), `--force-with-lease=REF:`): it asks the remote itself, in the moment of
        the push, that there be no such branch. It alone would let nothing but a creation through.
        """
        if not self._origin.url:
            return Pushed(ok=False, because="no remote is configured")
        ref = f"refs/heads/{branch}"
        lease = f"--force-with-lease={ref}:"
        done = self._networked(*_PUSH, lease, _REMOTE, f"{commit}:{ref}", timeout=PUSH_SECONDS)
        if done.ok:
            link = _LINK.search(done.stderr.decode(errors="replace"))
            return Pushed(ok=True, link=link[1] if link else "")
        found = _refusal(done, self._origin.secrets)
        return self._proposed_before(commit, branch) or found if found.moved else found

    def _proposed_before(self, commit: str, branch: str) -> Pushed | None:
        """What the remote has under the name, where it has something: ours from before is fine, another's is not."""
        ref = f"refs/heads/{branch}"
        done = self._networked("ls-remote", "--refs", _REMOTE, ref, timeout=FETCH_SECONDS)
        there = dict(reversed(line.partition("\t")[::2]) for line in done.text.splitlines()) if done.ok else {}
        held = there.get(ref, "")
        if held == commit:
            return Pushed(ok=True)
        if not held:
            return None
        return Pushed(ok=False, refused=True, because=f"branch {branch} is there already, at {held}", held=held)

    def operator_env(self) -> dict[str, str]:
        """The environment in which git reaches the remote and signs as the operator's own would."""
        remote = ((f"remote.{_REMOTE}.url", self._origin.url), (f"remote.{_REMOTE}.pushurl", self._origin.push_url))
        # A missing identity is an error, not a guess from the machine's name.
        ours = (*_QUIET, ("user.useConfigOnly", "true"))
        return configured((*self._origin.settings, *(item for item in remote if item[1]), *ours))

    def default_branch(self) -> Fact[str]:
        """The branch that the remote's HEAD names (git-ls-remote(1), `--symref`); Unknown where it does not answer."""
        if not self._origin.url:
            return Unknown("no remote is configured")
        self.make()
        done = self._networked("ls-remote", "--symref", _REMOTE, "HEAD", timeout=FETCH_SECONDS)
        if not done.ok:
            return Unknown(why(done, self._origin.secrets))
        named = _SYMREF.search(done.text)
        return Known(named[1]) if named else Unknown("the remote's HEAD names no branch")

    def _refs(self) -> dict[str, str]:
        listed = self.git.output(
            "for-each-ref", "--format=%(refname) %(objectname)", self._head, self._seed, self._incoming
        )
        return dict(line.split(" ", 1) for line in listed.decode(errors="surrogateescape").splitlines())

    def _networked(self, *args: str, timeout: float) -> Completed:
        return self.git.attempt(*args, env=self.operator_env(), hermetic=False, timeout=timeout)

    def _fetch_remote(self, *, first: bool) -> Completed:
        deepen = ("--unshallow",) if self.shallow() else ()
        timeout = _FIRST_FETCH_SECONDS if first or deepen else FETCH_SECONDS
        return self._networked(*_FETCH, *deepen, _REMOTE, f"+{self._head}:{self._incoming}", timeout=timeout)

    def _advance(self, old: str) -> bool:
        """Take over what a fetch brought, if it adds to what was there; False where nothing new came."""
        new = self._refs()[self._incoming]
        if old == new:
            return False
        if old and not self.is_ancestor(old, new):
            raise self._rewritten(old, new)
        self.git.output("update-ref", self._head, new)
        return True

    def _rewritten(self, old: str, new: str) -> GitUnavailable:
        here = f"git --git-dir={shlex.quote(str(self.path))}"
        return GitUnavailable(
            f"The history of {self._branch} was rewritten on the remote.",
            because=(f"seen before: {old}", f"now: {new}, which does not contain it"),
            next=(
                f"{here} log --oneline {new}..{old}   # what was taken out",
                f"{here} update-ref {shlex.quote(self._head)} {new}   # to go on with the rewritten history",
            ),
        )

    def is_ancestor(self, older: str, newer: str) -> bool:
        """Whether `older` is `newer` or in its history."""
        done = self.git.attempt("merge-base", "--is-ancestor", older, newer)
        if done.status not in {0, 1}:
            raise GitUnavailable("The history could not be followed.", because=(why(done),))
        return done.status == 0

    def _without_remote(self, done: Completed) -> None:
        """The remote did not give the branch: see what the operator's clone knows of it, if that is all there is."""
        if "couldn't find remote ref" in done.text + done.stderr.decode(errors="replace"):
            raise GitUnavailable(
                f"The remote has no branch {self._branch}.",
                because=(f"{self._origin.shown} answered",),
                next=("set `branch` in lastgood.yaml to the deploy branch",),
            )
        if self._head in self._refs():
            # The operator may have pulled since: what their clone saw on the remote is taken where it only adds.
            self._from_operator(self._tracking, self._head)
        else:
            self._seed_from_operator()

    @property
    def _tracking(self) -> str:
        return f"refs/remotes/{self._origin.remote}/{self._branch}"

    def _seed_from_operator(self) -> None:
        if not self._from_operator(self._tracking, f"+{self._seed}"):
            self._from_operator(f"refs/heads/{self._branch}", f"+{self._seed}")

    def _from_operator(self, theirs: str, ours: str) -> bool:
        """Copy a branch out of the operator's clone, which is only read. False where it has none that can be had."""
        refspec = f"+{theirs}:{ours.removeprefix('+')}" if ours.startswith("+") else f"{theirs}:{ours}"
        done = self.git.attempt(
            *(*_FETCH, "--update-shallow", "--", self._origin.folder, refspec),
            env=configured(_QUIET),
            hermetic=False,  # the operator's safe.directory decides whether their clone may be read
        )
        return done.ok

    def _operator_is_shallow(self) -> bool:
        return (Path(self._origin.folder) / "shallow").exists()

    def _index(self) -> None:
        """Write the changed-path graph after commits came in: `git log -- path` then takes milliseconds, not seconds.

        Its failure is no error: git reads history without it, only more slowly.
        """
        self.git.attempt("commit-graph", "write", "--reachable", "--changed-paths", "--split", timeout=_GRAPH_SECONDS)


def _refusal(done: Completed, secrets: tuple[str, ...]) -> Pushed:
    """Sort out a failed push by its porcelain line (git-push(1)): `!`, refs, and the reason in parentheses."""
    line = next((text for text in done.text.splitlines() if text.startswith("!\t")), "")
    summary = clean(line.rpartition("\t")[2])
    if not summary or "remote failure" in summary:
        return Pushed(ok=False, because=why(done, secrets))
    if any(word in summary for word in _MOVED):
        return Pushed(ok=False, moved=True, because=summary)
    said = [clean(text) for text in done.stderr.decode(errors="replace").splitlines() if text.startswith("remote:")]
    words = [text.removeprefix("remote:").strip() for text in said]
    return Pushed(ok=False, refused=True, because=": ".join((summary, " ".join(word for word in words if word))))
