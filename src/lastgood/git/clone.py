"""Any clone, read only: what the guard asks of a change. Works where CI checked it out, whoever owns the folder."""

from lastgood.git import trailers
from lastgood.git.names import clean, file_path, moment
from lastgood.git.plumbing import Git, why
from lastgood.model.errors import GitUnavailable, Refused, UsageError
from lastgood.model.release import Image, Release
from lastgood.ports import Process

_PLAIN = ("100644", "100755")
_FORMAT = "--format=%H%x00%ct%x00%b"
_LOG_SECONDS = 120.0


class Clone:
    """The clone around folder `repo`. Methods raise GitUnavailable where git does not answer."""

    def __init__(self, process: Process, repo: str) -> None:
        self.repo = repo
        # `safe.directory`, which CI needs for folders of another owner, is in the user's own configuration.
        self._git = Git(process, "-C", repo, "-c", "log.showSignature=false", "-c", "log.mailmap=false", by_user=True)

    def commit(self, rev: str) -> str:
        """The full id of the commit that `rev` means. Raises UsageError where there is none."""
        found = self.known(rev)
        if not found:
            raise UsageError(f"There is no commit {clean(rev)!r} in {self.repo}.", next=("git fetch origin",))
        return found

    def known(self, rev: str) -> str:
        """As `commit`, but the empty text where there is none."""
        asked = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{rev}^{{commit}}")
        done = self._git.attempt(*asked, hermetic=False)
        if done.status not in {0, 1}:
            raise GitUnavailable(f"{self.repo} is no clone that can be read.", because=(why(done),))
        return done.text.strip() if done.ok else ""

    def whole(self) -> None:
        """Raise Refused where the clone's history is cut off: what is not seen is not known to be absent."""
        if self._output("rev-parse", "--is-shallow-repository").strip() == b"true":
            raise Refused(
                "The history of this clone is cut off, so not everything that is in quarantine can be seen.",
                because=("it is a shallow clone",),
                next=(f"git -C {self.repo} fetch --unshallow", "GitHub Actions: actions/checkout with fetch-depth: 0"),
            )

    def fork(self, base: str, head: str) -> str:
        """The commit that a change of `base` up to `head` began at. Raises Refused where they have none in common."""
        done = self._git.attempt("merge-base", base, head, hermetic=False)
        if done.status not in {0, 1}:
            raise GitUnavailable("The history could not be followed.", because=(why(done),))
        if not done.ok:
            raise Refused(f"{base[:12]} and {head[:12]} have no commit in common.", next=("git fetch origin",))
        return done.text.split()[0]

    def changed(self, since: str) -> frozenset[str]:
        """The files below the folder, by path below it, that are not as they were at a commit, in no commit even."""
        compared = ("diff", "--name-only", "--no-renames", "--no-ext-diff", "--relative", "-z", since, "--", ".")
        found = self._output(*compared) + self._output("ls-files", "--others", "-z", "--", ".")
        return frozenset(path.decode(errors="surrogateescape") for path in found.split(b"\0") if path)

    def blob(self, commit: str, path: str) -> bytes | None:
        """A plain file at a commit, or None where it is not there."""
        listed = self._output("ls-tree", "-z", "--full-tree", commit, "--", file_path(path)).split(b"\0")[0]
        mode, _, rest = listed.decode(errors="surrogateescape").partition(" ")
        if mode not in _PLAIN:
            return None
        return self._output("cat-file", "blob", rest.split("\t")[0].split(" ")[1])

    def judged(self, tip: str, path: str) -> tuple[Release, ...]:
        """The commits up to `tip` that changed `path` and judge releases by their trailers; merged ones as well."""
        how = ("--full-history", "--no-color", "-z", "--encoding=UTF-8", "--grep=^Lastgood-Run:", _FORMAT)
        fields = self._output("log", *how, tip, "--", file_path(path)).decode(errors="replace").split("\0")[:-1]
        triples = zip(fields[::3], fields[1::3], fields[2::3], strict=True)
        return tuple(Release(c, Image(""), moment(at), trailers=trailers.parse(body)) for c, at, body in triples)

    def _output(self, *args: str) -> bytes:
        done = self._git.attempt(*args, hermetic=False, timeout=_LOG_SECONDS)
        if not done.ok:
            raise GitUnavailable(f"git {args[0]} failed.", because=(why(done),))
        return done.stdout
