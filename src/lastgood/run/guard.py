"""The guard: does a change pin what is in quarantine, or what its CI has not passed? Reads only."""

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

import msgspec

from lastgood import catalog
from lastgood.config.find import NAME as CONFIG
from lastgood.config.load import load
from lastgood.config.quarantine import NAME, readable
from lastgood.config.schema import SourceFile
from lastgood.git.clone import Clone
from lastgood.model.errors import ConfigError, PinUnreadable
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.quarantine import Quarantined
from lastgood.model.release import Image, short
from lastgood.model.report import Breach, Guarded, GuardReport
from lastgood.model.target import Target
from lastgood.plan.evidence import quarantine_of, quarantined_because

# Whether CI passed for the commit that an image was built from: Known(empty) where it did, Known(what is wrong).
Green = Callable[[str, Target], Fact[str]]
_SOURCE = re.compile(r"sha-([0-9a-f]{7,40})")


@dataclass(frozen=True)
class Change:
    """What is looked at: from where `base` and `head` part up to `head`; without `base`, all of `head`.

    `tip` is the newest commit known of the branch that the change is for: what is in quarantine there counts too.
    """

    clone: Clone
    head: str
    base: str
    tip: str

    @cached_property
    def targets(self) -> tuple[Target, ...]:
        """Every target that the change or its branch configures: a change cannot hide a pin by forgetting it."""
        found: dict[tuple[str, str, str], Target] = {}
        for commit in dict.fromkeys((self.head, self.tip)):
            for target in self._configured(commit):
                found.setdefault((target.service, target.env, target.pin_file), target)
        if not found:
            raise ConfigError(f"There is no {CONFIG} at {short(self.head)}.", next=("lastgood init",))
        return tuple(found.values())

    def source(self, service: str) -> SourceFile | None:
        """Where a service's code is, as configured; None where that is not said."""
        for commit in dict.fromkeys((self.head, self.tip)):
            text = self.clone.blob(commit, CONFIG)
            with suppress(ConfigError):  # at the head it was read before; of the branch `warnings` says it
                known = load(text, CONFIG).file.services if text is not None else {}
                if service in known:
                    return known[service].source
        return None

    def _configured(self, commit: str) -> tuple[Target, ...]:
        text = self.clone.blob(commit, CONFIG)
        if text is None:
            return ()
        try:
            return load(text, CONFIG).targets(self.clone.repo)
        except ConfigError:
            if commit == self.head:
                raise
            return ()  # the branch's own cannot be read, so nothing is deployed by it; `warnings` says so

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """What of the branch could not be read, where the change mends it."""
        found = []
        if isinstance(read := self.entries(self.tip), Unknown):
            found.append(f"the branch's quarantine could not be read: {read.reason}")
        try:
            text = self.clone.blob(self.tip, CONFIG)
            load(text, CONFIG) if text is not None else None
        except ConfigError as error:
            found.append(f"the branch's configuration could not be read: {error.what}")
        return tuple(found)

    def entries(self, commit: str) -> Fact[tuple[Quarantined, ...]]:
        """What the file has at a commit."""
        return readable(self.clone.blob(commit, NAME))

    @cached_property
    def kept(self) -> tuple[Quarantined, ...]:
        """What is in quarantine at the head or at the branch's tip; an entry that either lifted is lifted."""
        found: dict[Quarantined, Quarantined] = {}
        for commit in (self.tip, self.head):
            read = self.entries(commit)
            for entry in read.value if isinstance(read, Known) else ():
                same = _unlifted(entry)
                found[same] = entry if entry.lifted else found.get(same, entry)
        return tuple(found.values())

    def pin(self, target: Target, commit: str) -> Fact[Image] | None:
        """What a commit pins; None where it has no such file."""
        content = self.clone.blob(commit, target.pin_file)
        if content is None:
            return None
        try:
            return Known(catalog.pin(target.pin).read(content))
        except PinUnreadable as error:
            return Unknown(error.what)


def change(clone: Clone, base: str, head: str, branch: str) -> Change:
    """The change from `base` (may be empty) to `head`, for `branch`. Raises UsageError, Refused."""
    clone.whole()
    last = clone.commit(head or "HEAD")
    if base:
        tip = clone.commit(base)
        return Change(clone, last, clone.fork(tip, last), tip)
    return Change(clone, last, "", clone.known(f"refs/remotes/origin/{branch}") or last)


def check(what: Change, green: Green | None) -> GuardReport:
    """Look at every pin that the change changes. Raises ConfigError where the configuration cannot be read."""
    pins: list[Guarded] = []
    breaches = [*_file(what)]
    for target in what.targets:
        now = what.pin(target, what.head)
        if now is None or (what.base and now == what.pin(target, what.base)):
            continue
        if isinstance(now, Unknown):
            breaches.append(Breach(target.name, target.pin_file, None, f"the pin cannot be read: {now.reason}"))
            continue
        pins.append(Guarded(target.name, target.pin_file, now.value))
        breaches += _breaches(what, target, now.value, green)
    return GuardReport(what.head, what.base, tuple(pins), tuple(breaches), what.warnings)


def _file(what: Change) -> Iterator[Breach]:
    """The file itself: it must be readable, and entries end by being lifted, not by being removed or rewritten."""
    now = what.entries(what.head)
    if isinstance(now, Unknown):
        yield Breach("", NAME, None, f"the quarantine cannot be read: {now.reason}", (f"mend {NAME}",))
        return
    there = what.entries(what.tip)
    if isinstance(there, Unknown) and what.clone.blob(what.base, NAME) == what.clone.blob(what.head, NAME):
        yield Breach("", NAME, None, f"the branch's quarantine cannot be read: {there.reason}", (f"mend {NAME}",))
    before = what.entries(what.base) if what.base else Known(())
    left = {_unlifted(entry) for entry in now.value}
    # A change that mends a file nobody could read is welcome; what it had can only be seen by people.
    for entry in before.value if isinstance(before, Known) else ():
        if entry.lifted is None and entry not in left:
            where = f"{entry.service}/{entry.env}" if entry.env else entry.service
            because = (
                f"its quarantine entry was removed or rewritten without being lifted ({quarantined_because(entry)})"
            )
            yield Breach(where, NAME, entry.image, because, (_lifting(entry.service, entry.env, entry.image),))


def _breaches(what: Change, target: Target, image: Image, green: Green | None) -> Iterator[Breach]:
    judged = {
        release.commit: release for c in (what.tip, what.head) for release in what.clone.judged(c, target.pin_file)
    }
    held = quarantine_of(target.name, Known(what.kept), judged.values()).standing(image)
    if held:
        because = f"{image.name} is in quarantine: {quarantined_because(held)}"
        lift = _lifting(target.service, target.env if held.env else "", image, target.env)
        yield Breach(target.name, target.pin_file, image, because, (lift,))
    wrong = _not_green(target, image, green) if green else ""
    if wrong:
        yield Breach(target.name, target.pin_file, image, wrong)


def _not_green(target: Target, image: Image, green: Green) -> str:
    """Why the image is not known to be built from a commit that passed; empty where it is."""
    source = _SOURCE.fullmatch(image.tag)
    if source is None:
        return f"which commit {image.name} was built from is unknown: its tag is not sha-COMMIT"
    said = green(source[1], target)
    if isinstance(said, Unknown):
        return f"whether CI passed for {source[1][:12]} is unknown: {said.reason}"
    return f"CI has not passed for {source[1][:12]}: {said.value}" if said.value else ""


def _lifting(service: str, env: str, image: Image, any_env: str = "ENV") -> str:
    name = image.tag or image.digest
    where = f"{service} {env} {name}" if env else f"{service} {any_env} {name} --everywhere"
    return f"lastgood quarantine lift {where} --because REASON"


def _unlifted(entry: Quarantined) -> Quarantined:
    return msgspec.structs.replace(entry, lifted=None)
