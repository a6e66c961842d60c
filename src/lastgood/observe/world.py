"""One look at everything a plan is made from."""

from collections.abc import Callable, Iterable
from functools import partial
from itertools import islice

import msgspec

from lastgood.config.quarantine import quarantined_at
from lastgood.model.errors import GitUnavailable, PinUnreadable, Refused
from lastgood.model.facts import Fact, Known, Unknown, known_or
from lastgood.model.observed import Availability, HostView, Look, Observed, Tip
from lastgood.model.plan import Facts
from lastgood.model.release import Image, Judgement, Release
from lastgood.model.target import Target
from lastgood.observe import platforms, verdicts
from lastgood.observe.hosts import look_everywhere, pins_containers, probe
from lastgood.observe.together import Asked, together
from lastgood.plan.evidence import from_trailers, known_digests
from lastgood.plan.planner import facts
from lastgood.plan.running import identify
from lastgood.ports import Tools

# As many as the first and the second look into history hold.
_ASKED_AT_MOST = 72


def facts_now(target: Target, tools: Tools, repository: str) -> tuple[Facts, dict[str, HostView]]:
    """What a plan relies on of one service, looked at again just before it is done, and what the hosts showed."""
    hosts = Asked(partial(look_everywhere, target, tools, repository, brief=True))
    with tools.repo.lock():
        remote = tools.repo.fetch()
        tip = _tip(target, tools, remote)
    return facts(tip.pin, hosts.answer()), hosts.answer()


def observe(target: Target, tools: Tools, judgements: tuple[Judgement, ...], depth: int, lease: str = "") -> Observed:
    """Look at git, hosts, registry and health. `depth` bounds how many releases are read.

    `judgements` are those of this machine; what the hosts know from others comes to them.

    Raises GitUnavailable where there is no history at all, PinUnreadable where the newest pin cannot be read and
    nothing else can be known either.
    """
    theirs = Asked(partial(verdicts.elsewhere, target, tools, judgements))
    guess = _repository(target, tools)
    early = Asked(partial(look_everywhere, target, tools, guess)) if guess else None
    with tools.repo.lock():
        remote = tools.repo.fetch()
        tip = _tip(target, tools, remote)
        found = tuple(islice(tools.repo.releases(tools.pin, target.pin_file, tip.commit), depth + 1))
        quarantine = quarantined_at(tools.repo, tip.commit)
    repository = _name(tip, found)
    hosts = early.answer() if early and guess == repository else look_everywhere(target, tools, repository)
    history = found[:depth]
    judgements += theirs.answer()
    said = (*judgements, *from_trailers(target.name, history))
    seen = Observed(tip, history, len(found) <= depth and not tools.repo.shallow(), hosts, {}, (), judgements, lease)
    expected, looks = _expected(seen), Asked(partial(looks_at, tools, seen))
    seen = msgspec.structs.replace(seen, registry=_ask_registry(tools, history, said), quarantine=quarantine)
    # Where only the registry could tell which release it is that runs, the probes were asked for another one.
    looked = looks.answer() if _expected(seen) == expected else looks_at(tools, seen)
    return platforms.told(target, tools, msgspec.structs.replace(seen, looks=looked))


def _repository(target: Target, tools: Tools) -> str:
    """The repository that the last known tip pins, to ask the hosts while git fetches; empty where none is known."""
    try:
        content = tools.repo.blob(tools.repo.tip(), target.pin_file)
        return tools.pin.read(content).repository if content is not None else ""
    except (PinUnreadable, GitUnavailable):
        return ""


def _tip(target: Target, tools: Tools, remote: Fact[str]) -> Tip:
    commit = tools.repo.tip()
    return Tip(commit, pinned(target, tools, commit), remote)


def pinned(target: Target, tools: Tools, commit: str) -> Fact[Image]:
    """What a commit pins; Unknown where the pin file is missing or cannot be read there."""
    content = tools.repo.blob(commit, target.pin_file)
    if content is None:
        return Unknown(f"{target.pin_file} is not in git at {commit[:12]}")
    try:
        return Known(tools.pin.read(content))
    except PinUnreadable as error:
        return Unknown(f"{target.pin_file}: {error.what}")


def _name(tip: Tip, history: tuple[Release, ...]) -> str:
    if isinstance(tip.pin, Known):
        return tip.pin.value.repository
    if history:
        return history[0].image.repository
    stale = (f"the git remote does not answer: {tip.remote.reason}",) if isinstance(tip.remote, Unknown) else ()
    raise PinUnreadable("No release of this service can be read from git.", because=(tip.pin.reason, *stale))


def looks_at(tools: Tools, seen: Observed) -> tuple[Look, ...]:
    """Probe what runs, expecting the release that it is: a container switched by digest does not name its tag."""
    return probe(tools, _expected(seen), pins_containers(seen.hosts))


def _expected(seen: Observed) -> Image:
    try:
        running = identify(seen)
    except Refused:  # a host cannot be seen; the probes still say what customers get
        return Image("")
    return running.image.image if running.image else Image("")


def _ask_registry(
    tools: Tools, history: tuple[Release, ...], said: Iterable[Judgement]
) -> dict[str, Fact[Availability]]:
    """Ask for the newest distinct images, by tag and by the digests they are known to have run under."""
    known = tuple(said)
    wanted: dict[str, Image] = {}
    for image in tuple(dict.fromkeys(release.image for release in history))[:_ASKED_AT_MOST]:
        wanted[str(image)] = image
        for digest in known_digests(image, known)[:1]:
            by_digest = Image(image.repository, "", digest)
            wanted[str(by_digest)] = by_digest
    answers = together([_question(tools, image) for image in wanted.values()])
    return dict(zip(wanted, answers, strict=True))


def asked_too(tools: Tools, observed: Observed, release: Release) -> Observed:
    """`observed`, with what the registry says of one more release, where it was not asked for it."""
    if str(release.image) in observed.registry:
        return observed
    said = (*observed.judgements, *from_trailers("", observed.history))
    more = msgspec.structs.replace(observed, registry=observed.registry | _ask_registry(tools, (release,), said))
    return platforms.of_these(tools, more, (release.image,))


def tags_of(tools: Tools, observed: Observed) -> tuple[str, ...]:
    """The tags that the registry has for the newest release's repository; none where it did not tell."""
    pin = observed.tip.pin
    if isinstance(pin, Unknown):
        return ()
    return known_or(tools.registry.tags(tools.http, pin.value.repository, tools.credentials), ())


def _question(tools: Tools, image: Image) -> Callable[[], Fact[Availability]]:
    return partial(tools.registry.available, tools.registry_http, image, tools.credentials)
