"""What changed of a service in git, newest first: images, configuration's keys, other files."""

import re
from itertools import islice

from lastgood.model.errors import LastgoodError, PinUnreadable
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.release import Image
from lastgood.model.situation import Change
from lastgood.model.target import Target
from lastgood.ports import CommitInfo, Tools

_MOST = 6
_SHOWN = 20
_KEY = re.compile(r"[+-]\s*(?:- )?(?:export\s+)?[\"']?([A-Za-z_][\w.-]{0,80})[\"']?\s*[:=]")
_OF_THE_PIN = frozenset({"tag", "digest", "repository", "image"})


def changes(target: Target, tools: Tools, tip: str) -> Fact[tuple[Change, ...]]:
    """The newest commits below `tip` that touched the pin's folder, read out of the copy of the deploy repo."""
    try:
        commits = tuple(islice(tools.repo.touching(target.folder or target.pin_file, tip), _MOST))
        return Known(tuple(_change(target, tools, commit) for commit in commits))
    except LastgoodError as error:
        return Unknown(error.what)


def _change(target: Target, tools: Tools, commit: CommitInfo) -> Change:
    before = _pinned(target, tools, commit.parent) if commit.parent else None
    after = _pinned(target, tools, commit.commit)
    image = after is not None and (before is None or not before.same(after))
    lines = tools.repo.diff(commit.parent, commit.commit, target.folder) if commit.parent else ()
    touched = [line for path, found in lines for line in found if _configures(line, at_pin=path == target.pin_file)]
    keys = dict.fromkeys(found[1] for line in touched if (found := _KEY.match(line)))
    return Change(
        at=commit.at,
        commit=commit.commit,
        parent=commit.parent,
        subject=commit.subject,
        author=commit.author,
        image=image,
        before=before.name if before and image else "",
        after=after.name if after and image else "",
        keys=tuple(keys)[:_SHOWN],
        added=tuple(line[1:] for line in touched if line.startswith("+"))[:_SHOWN],
        removed=tuple(line[1:] for line in touched if line.startswith("-"))[:_SHOWN],
        files=tuple(path for path, _ in lines if path != target.pin_file)[:_SHOWN],
    )


def _configures(line: str, *, at_pin: bool) -> bool:
    """Whether a diff line changes configuration; the pin's own keys do not."""
    if not line.startswith(("+", "-")) or line.startswith(("+++", "---")):
        return False
    key = _KEY.match(line)
    return not (at_pin and key and key[1].lower() in _OF_THE_PIN)


def _pinned(target: Target, tools: Tools, commit: str) -> Image | None:
    content = tools.repo.blob(commit, target.pin_file)
    try:
        return tools.pin.read(content) if content is not None else None
    except PinUnreadable:
        return None
