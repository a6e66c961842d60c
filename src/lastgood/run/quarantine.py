"""Putting releases into quarantine and letting them go: commits to the deploy repo, so that every machine sees it."""

from collections.abc import Callable
from functools import partial
from hashlib import sha256
from itertools import islice

import msgspec

from lastgood.config.quarantine import NAME, entries, written
from lastgood.git.names import clean
from lastgood.model.errors import ConfigError, Exit, GitUnavailable, Refused, UsageError
from lastgood.model.facts import Known, Unknown
from lastgood.model.forge import ProposalState
from lastgood.model.quarantine import Lifted, Quarantine, Quarantined
from lastgood.model.release import Image, Judgement, Release, short
from lastgood.model.report import QuarantineChange
from lastgood.model.target import Target
from lastgood.plan.evidence import from_trailers, known_digests, quarantine_of, quarantined_because
from lastgood.ports import Tools
from lastgood.run.offer import Offered, offer
from lastgood.run.propose import ask

_READ = 500


class Asked(msgspec.Struct, frozen=True):
    """What somebody wants: `release` is a tag, digest, commit or image; `at` is now, in Unix seconds."""

    release: str
    because: str
    by: str
    at: int
    everywhere: bool = False


class _Case(msgspec.Struct, frozen=True):
    target: Target
    asked: Asked
    image: Image
    releases: tuple[Release, ...]

    @property
    def env(self) -> str:
        return "" if self.asked.everywhere else self.target.env

    @property
    def words(self) -> str:
        return f"{self.target.service} {self.target.env} {self.asked.release}"


_Change = Callable[[_Case, tuple[Quarantined, ...]], tuple[Quarantined, ...] | str]


def add(target: Target, tools: Tools, judgements: tuple[Judgement, ...], asked: Asked) -> QuarantineChange:
    """Put a release into quarantine; done already is fine.

    Raises UsageError for a release that nobody knows, GitUnavailable where the remote does not answer, Refused where
    the file cannot be read. Where the branch takes no direct push, the change is proposed.
    """
    return _carry(target, tools, judgements, asked, "add", _added)


def lift(target: Target, tools: Tools, judgements: tuple[Judgement, ...], asked: Asked) -> QuarantineChange:
    """Let a release go, with a reason; the entry stays and says so. Raises as `add` does."""
    return _carry(target, tools, judgements, asked, "lift", _lifted)


def listed(target: Target, tools: Tools) -> tuple[Quarantined, ...]:
    """What is or was in quarantine for a target, as the last known tip and its history say.

    Raises Refused where the file cannot be read, GitUnavailable where there is no history at all.
    """
    with tools.repo.lock():
        tip = tools.repo.tip()
        kept = _entries(tools, tip)
        releases = _releases(target, tools, tip)
    held = quarantine_of(target.name, Known(kept), releases)
    own = tuple(e for e in kept if e.service == target.service and e.env in {"", target.env})
    return (*own, *(e for e in held.bad if held.standing(e.image) is e))


def _carry(  # noqa: PLR0913, PLR0917 - what is wanted, of what, by which rule
    target: Target, tools: Tools, judgements: tuple[Judgement, ...], asked: Asked, action: str, change: _Change
) -> QuarantineChange:
    if not clean(asked.because):
        raise UsageError("A quarantine is changed with a reason only.", next=("--because REASON",))
    with tools.repo.lock():
        remote = tools.repo.fetch()
        if isinstance(remote, Unknown):
            raise _unreachable(target, remote.reason)
        tip = tools.repo.tip()
        releases = _releases(target, tools, tip)
        kept = _entries(tools, tip)
        case = _Case(target, asked, _image(target, tools, asked.release, releases, judgements, kept), releases)
        said = QuarantineChange(action, target.name, case.image)
        found = offer(tools.repo, partial(_tree_on, tools, case, change, said), _message(case, action))
        return found if isinstance(found, QuarantineChange) else _ended(said, case, tools, found)


def _tree_on(tools: Tools, case: _Case, change: _Change, said: QuarantineChange, tip: str) -> "str | QuarantineChange":
    changed = change(case, _entries(tools, tip))
    if isinstance(changed, str):
        return msgspec.structs.replace(said, because=changed)
    return tools.repo.with_files(tip, {NAME: written(changed)})


def _ended(said: QuarantineChange, case: _Case, tools: Tools, offered: Offered) -> QuarantineChange:
    pushed, branch = offered.pushed, case.target.branch
    if pushed.ok:
        because = f"pushed as {short(offered.commit)} to {branch}"
        return msgspec.structs.replace(said, commit=offered.commit, because=because)
    if pushed.refused:
        return _proposed(said, case, tools, offered)
    raise _unreachable(case.target, pushed.because)


def _proposed(said: QuarantineChange, case: _Case, tools: Tools, offered: Offered) -> QuarantineChange:
    """The change on a branch of its own, and a proposal to merge it. Done twice, it is the same one."""
    base = case.target.branch
    name = _branch(case, said.action, tools)
    refusal = f"{base} takes no direct push ({offered.pushed.because})"
    pushed = tools.repo.propose_branch(offered.commit, name)
    if not pushed.ok and not pushed.held:  # what an earlier try has put there says the same: that one counts
        raise Refused(
            f"{base} does not take the change of the quarantine; nothing was changed.",
            because=(refusal, f"nor could the branch {name} be pushed: {pushed.because}"),
            next=(f"by a pull request that changes {NAME}, or as somebody who may push to {base}",),
        )
    asked = ask(tools.forge().propose if tools.forge else None, name, base, _message(case, said.action))
    return msgspec.structs.replace(
        said,
        commit=pushed.held or offered.commit,
        because=f"{refusal}; {asked.because}",
        exit=Exit.DONE if asked.state is ProposalState.MERGED else Exit.MITIGATED,
        link=asked.link or pushed.link,
        next=tuple(filter(None, (asked.then,))),
    )


def _branch(case: _Case, action: str, tools: Tools) -> str:
    """A name that the same change of the same file has, whenever and by whomever it is tried."""
    before = tools.repo.blob(tools.repo.tip(), NAME) or b""
    what = "\n".join((action, case.target.service, case.env, str(case.image), sha256(before).hexdigest()))
    return f"lastgood/quarantine-{sha256(what.encode(errors='replace')).hexdigest()[:12]}"


def _unreachable(target: Target, because: str) -> GitUnavailable:
    return GitUnavailable(
        "The quarantine is kept in git, and the remote does not take it now; nothing was changed.",
        because=(because,),
        next=(f"git -C {target.repo} ls-remote origin {target.branch}",),
    )


def _added(case: _Case, kept: tuple[Quarantined, ...]) -> tuple[Quarantined, ...] | str:
    service, env, asked = case.target.service, case.env, case.asked
    standing = Quarantine(service, env, kept).standing(case.image)
    if standing:
        return f"it is in quarantine already: {quarantined_because(standing)}"
    return (*kept, Quarantined(service, env, case.image, clean(asked.because), asked.by, asked.at))


def _lifted(case: _Case, kept: tuple[Quarantined, ...]) -> tuple[Quarantined, ...] | str:
    ours = [e for e in kept if e.lifted is None and _is_meant(case, e)]
    if any(not e.env for e in ours) and not case.asked.everywhere:
        raise Refused(
            f"{case.image.name} of {case.target.service} is in quarantine in every environment.",
            next=(f"lastgood quarantine lift {case.words} --everywhere --because REASON",),
        )
    held = quarantine_of(case.target.name, Known(kept), case.releases)
    bad = [e for e in held.bad if e.image.same(case.image) and e.at > _since(held, e)]
    if not ours and not bad:
        before = held.lift(case.image)
        return f"it was lifted by {before.by} already: {before.because}" if before else "it is not in quarantine"
    # The clock that dated the rollback's commit may be ahead of ours.
    at = max(case.asked.at, *(e.at for e in (*ours, *bad)))
    end = Lifted(case.asked.by, at, clean(case.asked.because))
    known = [msgspec.structs.replace(e, env=case.env) for e in bad]
    ended = tuple(msgspec.structs.replace(e, lifted=end) for e in (*ours, *known))
    return (*(e for e in kept if e not in ours), *ended)


def _is_meant(case: _Case, entry: Quarantined) -> bool:
    if case.asked.everywhere:
        return entry.service == case.target.service and entry.image.same(case.image)
    return entry.about(case.target.service, case.target.env, case.image)


def _since(held: Quarantine, entry: Quarantined) -> int:
    lift_ = held.lift(entry.image)
    return lift_.at if lift_ else 0


def _entries(tools: Tools, commit: str) -> tuple[Quarantined, ...]:
    try:
        return entries(tools.repo.blob(commit, NAME))
    except ConfigError as error:
        raise Refused(
            "The quarantine cannot be read, so it is not changed.",
            because=(error.what,),
            next=(f"mend {NAME} in the deploy repo",),
        ) from error


def _releases(target: Target, tools: Tools, tip: str) -> tuple[Release, ...]:
    return tuple(islice(tools.repo.releases(tools.pin, target.pin_file, tip), _READ))


def _image(  # noqa: PLR0913, PLR0917 - all places where a release may be known from
    target: Target,
    tools: Tools,
    name: str,
    releases: tuple[Release, ...],
    judgements: tuple[Judgement, ...],
    kept: tuple[Quarantined, ...],
) -> Image:
    """The image that `name` means, with its digest where that is known for sure. Raises UsageError."""
    said = (*judgements, *from_trailers(target.name, releases))
    commit = tools.repo.resolve(name)
    began = next(tools.repo.releases(tools.pin, target.pin_file, commit), None) if commit else None
    known = [release.image for release in releases] + ([began.image] if began else [])
    known += [e.image for e in kept if e.service == target.service]
    written_out = _written_out(name, {image.repository for image in known})
    for image in (*([written_out] if written_out else []), *known):
        digests = (image.digest,) if image.digest else known_digests(image, said)
        if name in {image.tag, *digests} - {""} or (began and image == began.image) or image == written_out:
            digest = name if name in digests else next(iter(digests), "")
            return Image(image.repository, image.tag, digest)
    raise _nobody_knows(name, releases)


def _written_out(name: str, repositories: set[str]) -> Image | None:
    """`repository:tag` in full: a release that this environment never had can be kept out of it as well."""
    try:
        image = Image.parse(name)
    except ValueError:
        return None
    return image if image.repository in repositories and (image.tag or image.digest) else None


def _nobody_knows(name: str, releases: tuple[Release, ...]) -> UsageError:
    newest = tuple(dict.fromkeys(release.image.name for release in releases))[:8]
    return UsageError(
        f"No release {name!r} in the history of this pin.",
        because=(f"releases in git, newest first: {', '.join(newest)}",),
        next=("give a tag, a digest or a commit of the deploy branch", "or the image in full: REPOSITORY:TAG"),
    )


def _message(case: _Case, action: str) -> str:
    where = f"{case.target.service} everywhere" if case.asked.everywhere else case.target.name
    subject = f"Quarantine {case.image.name} of {where}"
    if action == "lift":
        subject = f"Lift the quarantine of {case.image.name} of {where}"
    body = (subject, clean(case.asked.because), f"Lastgood-Quarantine: {action} {case.image}")
    return "\n\n".join(body) + "\n"
