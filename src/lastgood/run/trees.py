"""The deploy repo's tree as it would be, built in lastgood's own copy: what is rendered is what is committed."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import takewhile

from lastgood.git.sealed import is_sealed
from lastgood.model.errors import PinUnreadable, Refused
from lastgood.model.observed import Observed
from lastgood.model.plan import FileChange, Scope
from lastgood.model.release import Image, Release, short
from lastgood.model.target import Target
from lastgood.plan.choose import Candidate
from lastgood.plan.draft import Tree
from lastgood.plan.running import Running
from lastgood.ports import CommitInfo, Tools


class Trees:
    """Builds one service's trees of a plan. `observed` names the tip that all of them are made from.

    For an app each service's change is put `onto` the tree that holds those of the services before it. `since` is the
    commit that a person named to take configuration alone back to.
    """

    def __init__(self, target: Target, tools: Tools, observed: Observed, since: str = "") -> None:
        self._target = target
        self._since = since
        self._tools = tools
        self._observed = observed
        self._tip = observed.tip.commit
        self._seen: list[CommitInfo] = []
        self._unseen = tools.repo.touching(target.folder or target.pin_file, self._tip)

    def newest(self) -> CommitInfo | None:
        """The newest commit to the folder, where it changed configuration alone."""
        found = next(self._touching(), None)
        return None if found and found.commit in {release.commit for release in self._observed.history} else found

    def of(self, candidate: Candidate, scope: Scope, onto: str = "", *, digest: bool) -> Tree:
        """The tree that pins `candidate`, with as much configuration as `scope` says.

        `onto` is the tree to begin with; empty means the tip's. `digest` makes a place for the digest in the pin.
        Raises PathConflict where later changes are in the way of reversing, PinUnreadable where the pin cannot be
        written.
        """
        release = candidate.release
        after = self._after(release)
        base = onto or self._tip
        config = self._config(base, after, scope, release)
        pin = Image(release.image.repository, release.image.tag, candidate.image.image.digest)
        if scope is Scope.CONFIG_ONLY:
            pin = self._read(self._pin_file(base))
        tree = self._pinned(config, pin, digest=digest and scope is not Scope.CONFIG_ONLY)
        return self._described(tree, () if scope is Scope.FULL else self._kept(release, after))

    def before(self, running: Running, onto: str = "") -> Tree | None:
        """The tree that runs now: the tip's, or, where git and runtime differ, the tip's with that release's folder.

        None where it is not known which release runs. `onto` is as in `of`.
        """
        if running.image is None or running.release is None:
            return None
        base = onto or self._tip
        if running.release.commit == self._observed.history[0].commit:
            return self._described(self._tools.repo.with_files(base, {}), ())
        return self._described(self._folder_as_in(running.release, base), ())

    def _after(self, release: Release) -> tuple[Release, ...]:
        """The releases newer than `release`, newest first: their beginning commits are what is reversed."""
        at = next(i for i, r in enumerate(self._observed.history) if r.commit == release.commit)
        return self._observed.history[:at]

    def _config(self, base: str, after: tuple[Release, ...], scope: Scope, release: Release) -> str:
        if scope is Scope.IMAGE_ONLY:
            return base
        if scope is Scope.FULL:
            return self._folder_as_in(release, base)
        tree = base
        for newer in after:
            tree = self._reversed(tree, newer)
        for commit in self._separate() if scope is Scope.CONFIG_ONLY and not after else ():
            tree = self._tools.repo.undo(tree, commit.commit, self._target.folder)
        return tree

    def _separate(self) -> Iterator[CommitInfo]:
        """The commits to the folder after the named one, newest first: configuration that came without a release."""
        if not self._since:
            return iter(())
        return takewhile(lambda each: not self._tools.repo.contains(self._since, each.commit), self._touching())

    def _reversed(self, tree: str, newer: Release) -> str:
        """`tree` without what the release's commit changed.

        The image is pinned afterwards in any case. So the line that names it must not get in the way: a later edit
        next to it is no conflict.
        """
        repo, path, folder = self._tools.repo, self._target.pin_file, self._target.folder
        content = self._pin_file(tree)
        theirs = repo.blob(newer.commit, path)
        if is_sealed(content):
            return repo.undo(tree, newer.commit, folder) if newer.mixed or newer.folder else tree
        if newer.mixed:
            with suppress(PinUnreadable):
                tree = repo.with_files(tree, {path: self._tools.pin.write(content, newer.image)})
            return repo.undo(tree, newer.commit, folder)
        if not newer.folder:
            return tree
        return repo.with_files(repo.undo(repo.with_files(tree, {path: theirs}), newer.commit, folder), {path: content})

    def _folder_as_in(self, release: Release, base: str) -> str:
        """`base` with the pin's folder as it was when the release was last pinned."""
        repo, last = self._tools.repo, release.last or release.commit
        changed = repo.changed(base, last, self._target.folder)
        return repo.with_files(base, {path: repo.blob(last, path) for path in changed})

    def _pin_file(self, tree: str) -> bytes:
        content = self._tools.repo.blob(tree, self._target.pin_file)
        if content is None:
            raise PinUnreadable(f"{self._target.pin_file} is not in git at {short(tree)}.")
        return content

    def _read(self, content: bytes) -> Image:
        with self._naming_the_file():
            return self._tools.pin.read(content)

    @contextmanager
    def _naming_the_file(self) -> Iterator[None]:
        """A pin knows lines and keys only; the reader has to know which file they are in."""
        try:
            yield
        except PinUnreadable as error:
            what = f"{self._target.pin_file}: {error.what}"
            raise PinUnreadable(what, because=error.because, next=error.next) from error

    def _pinned(self, tree: str, pin: Image, *, digest: bool) -> str:
        content = self._pin_file(tree)
        with self._naming_the_file():
            written = self._tools.pin.write(content, pin, add_digest=digest)
        if written != content and is_sealed(content):
            raise Refused(
                f"{self._target.pin_file} is encrypted by SOPS, so the image in it cannot be changed alone.",
                because=("its MAC covers the whole file: it would not decrypt any more",),
                next=("--full   # the whole folder as it was, this file too", "keep the pin in a file of its own"),
            )
        return self._tools.repo.with_files(tree, {self._target.pin_file: written})

    def _described(self, tree: str, kept: tuple[str, ...]) -> Tree:
        content = self._pin_file(tree)
        diff = self._tools.repo.diff(self._tip, tree, self._target.folder)
        changes = tuple(FileChange(path, lines) for path, lines in diff)
        pin = self._read(content)
        with self._naming_the_file():
            variables = self._tools.pin.variables(content)
        return Tree(tree, pin, self._services(tree, pin, variables), changes, kept)

    def _services(self, tree: str, pin: Image, variables: dict[str, str]) -> tuple[str, ...]:
        path = self._tools.engine.file(self._target)
        if not path:
            return ()  # the engine is the team's own script, which knows
        content = self._tools.repo.blob(tree, path)
        if content is None:
            raise Refused(
                f"{path} is not in git, so nothing says how {self._target.name} runs.", next=_name_it(self._target)
            )
        try:
            found = self._tools.engine.services(content, variables, pin.repository)
        except ValueError as error:
            raise Refused(f"{path} cannot be read.", because=(str(error),)) from error
        if not found:
            raise Refused(f"No service in {path} uses the image {pin.repository}.", next=_name_it(self._target))
        return found

    def _kept(self, release: Release, after: tuple[Release, ...]) -> tuple[str, ...]:
        """Later commits to the folder that change no pin: they stay, and the reader is told so."""
        reversed_ = {newer.commit for newer in after}
        newer = (
            takewhile(lambda c: c.commit != release.commit and c.at >= release.at, self._touching()) if after else ()
        )
        return tuple(f"{short(c.commit)} {c.subject}" for c in newer if c.commit not in reversed_)

    def _touching(self) -> Iterator[CommitInfo]:
        """Commits to the pin's folder, newest first; read once for all candidates, and only as far as needed."""
        yield from self._seen
        for commit in self._unseen:
            self._seen.append(commit)
            yield commit


def _name_it(target: Target) -> tuple[str, ...]:
    return (f"name it in lastgood.yaml: services.{target.service}.engine: {{kind: compose, file: …}}",)
