"""The server's checkout, which the team's deploy script runs from: brought forward, never reset.

While git cannot take the pin, its file alone is written there; what was written is known by its hash, and taken back
only if nobody changed it since.
"""

import hashlib
import shlex
from typing import TypeAlias

import msgspec

from lastgood.git import checkout as git
from lastgood.model.command import Command, Completed
from lastgood.model.event import Failure, Run, StepDone, StepFailed
from lastgood.model.facts import Unknown
from lastgood.model.observed import Checkout
from lastgood.model.release import short
from lastgood.model.step import CheckoutStep, SyncStep
from lastgood.model.target import Target, shown
from lastgood.ports import Tools

Written: TypeAlias = dict[str, dict[str, set[str]]]
_WROTE = "wrote "
"""In a step's details, before the path of a file that was written: the SHA-256 of what was."""


def forward(step: CheckoutStep, target: Target, tools: Tools, run: Run) -> StepDone | StepFailed:
    """Make the checkout say what the step wants. What cannot be done leaves it as it is."""
    place = _Place(step.host, target, tools)
    written = _written(run, step.host, tools)
    refused = place.refusal(written)
    if refused:
        return StepFailed(step.id, refused, Failure.PREPARE, next=place.looks())
    commit = run.done[step.pin].details["commit"] if step.pin else step.base
    why = place.brought(commit, written) if commit else "git does not have the pin yet"
    wanted = {path: tools.repo.blob(step.tree, path) or b"" for path in step.files}
    different = {path: content for path, content in wanted.items() if place.content(path) != content}
    if not why and not different:
        return StepDone(step.id, f"the checkout on {shown(step.host)} is at {short(commit)}", {"commit": commit})
    if not why:
        return StepFailed(
            step.id,
            f"the checkout on {shown(step.host)} is at {short(commit)} and pins something else",
            Failure.PREPARE,
        )
    for path, content in different.items():
        tools.files(step.host).replace(place.path(path), content)
    details = {f"{_WROTE}{path}": hashlib.sha256(content).hexdigest() for path, content in wanted.items()}
    return StepDone(step.id, f"{', '.join(step.files)} written on {shown(step.host)}, nothing else: {why}", details)


def sync(step: SyncStep, target: Target, tools: Tools, run: Run) -> StepDone | StepFailed:
    """Bring the checkout to what the branch says, once git has it."""
    place = _Place(step.host, target, tools)
    written = _written(run, step.host, tools)
    why = place.refusal(written) or place.brought("FETCH_HEAD", written)
    if why:
        return StepFailed(step.id, f"the checkout on {shown(step.host)}: {why}", Failure.UNSETTLED, next=place.looks())
    return StepDone(step.id, f"the checkout on {shown(step.host)} is at the branch")


def _written(run: Run, host: str, tools: Tools) -> dict[str, set[str]]:
    """What this run has written into the host's checkout, or may have before it was killed: hashes by path."""
    found: dict[str, set[str]] = {}
    for step in run.plan.steps():
        if not isinstance(step, CheckoutStep) or step.host != host or step.id not in run.steps:
            continue
        for path, known in step.ours:
            found.setdefault(path, set()).add(known)
        details = run.done[step.id].details if step.id in run.done else _meant(step, tools)
        for key, value in details.items():
            if key.startswith(_WROTE):
                found.setdefault(key.removeprefix(_WROTE), set()).add(value)
    return found


def left(run: Run, tools: Tools) -> Written:
    """What a run has left in the checkouts of its hosts, by host: hashes by path."""
    hosts = dict.fromkeys(step.host for step in run.plan.steps() if isinstance(step, CheckoutStep))
    return {host: _written(run, host, tools) for host in hosts}


def known(seen: Checkout, target: Target, tools: Tools, host: str, written: dict[str, set[str]]) -> Checkout:
    """The checkout, with what earlier runs wrote there, and nobody changed since, told apart from what others did."""
    place = _Place(host, target, tools)
    hashes = {path: place.hash(path) for path in seen.dirty if path in written}
    ours = tuple((path, value) for path, value in hashes.items() if value in written[path])
    dirty = tuple(path for path in seen.dirty if path not in dict(ours))
    return msgspec.structs.replace(seen, dirty=dirty, ours=ours)


def _meant(step: CheckoutStep, tools: Tools) -> dict[str, str]:
    """What a step that was begun would have said of its files, had it come to an end."""
    contents = ((path, tools.repo.blob(step.tree, path)) for path in step.files)
    return {f"{_WROTE}{path}": hashlib.sha256(content).hexdigest() for path, content in contents if content is not None}


class _Place:
    """One host's checkout."""

    def __init__(self, host: str, target: Target, tools: Tools) -> None:
        self._host = host
        self._target = target
        self._tools = tools

    def _run(self, command: Command) -> Completed:
        return self._tools.process.run(msgspec.structs.replace(command, host=self._host))

    def path(self, name: str) -> str:
        """Where a file of the deploy repo is on the host."""
        return f"{self._target.checkout.rstrip('/')}/{name}"

    def content(self, name: str) -> bytes | None:
        """A file's bytes. Raises OSError."""
        return self._tools.files(self._host).read(self.path(name))

    def looks(self) -> tuple[str, ...]:
        """What a person does to see what is there."""
        folder = shlex.quote(self._target.checkout)
        there = "" if self._host == "local" else f"ssh {self._host} "
        return (f"{there}git -C {folder} status", f"{there}git -C {folder} diff")

    def refusal(self, written: dict[str, set[str]]) -> str:
        """Why the checkout must not be touched; empty where it may be."""
        seen = git.read(self._run(git.look(self._target.checkout)))
        if isinstance(seen, Unknown):
            return f"it cannot be seen: {seen.reason}"
        if seen.value.branch != self._target.branch:
            return f"it is on {seen.value.branch or 'no branch'}, not on {self._target.branch}"
        theirs = [path for path in seen.value.dirty if path not in written or self.hash(path) not in written[path]]
        return f"somebody changed {', '.join(sorted(theirs))} there" if theirs else ""

    def hash(self, path: str) -> str:
        """The SHA-256 of a file; that of nothing where it is missing."""
        return hashlib.sha256(self.content(path) or b"").hexdigest()

    def brought(self, commit: str, written: dict[str, set[str]]) -> str:
        """Fast-forward to a commit; why that cannot be done, empty where it was."""
        fetched = self._run(git.fetch(self._target.checkout, self._target.branch))
        if not fetched.ok:
            return fetched.why()
        files = self._tools.files(self._host)
        ours = {path: self.content(path) for path in written}
        for path in written:  # ours, and unchanged: it has to go before git puts the commit's own in its place
            before = self._run(git.committed(self._target.checkout, path))
            if not before.ok:
                return before.why()
            files.replace(self.path(path), before.stdout)
        moved = self._run(git.forward(self._target.checkout, commit))
        if moved.ok:
            return ""
        for path, content in ours.items():  # a deploy must not find the release that was left
            files.replace(self.path(path), content or b"")
        return moved.why()
