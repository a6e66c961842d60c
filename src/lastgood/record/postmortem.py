"""The post-mortem of a run: complete up to where only people can think. Pure; nothing is made up.

Facts come from the run's record alone. What it does not say is unknown and becomes an open question; what only people
can judge is asked, and never answered here. Roles stand in prose, names only where somebody approved or took over.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, tzinfo
from typing import Final

import msgspec

from lastgood.git import links
from lastgood.model.duration import spoken
from lastgood.model.event import Run
from lastgood.model.plan import FileChange
from lastgood.model.release import Release, short
from lastgood.model.step import VerifyStep
from lastgood.record import blocks
from lastgood.record.chart import Chart
from lastgood.record.incident import Incident, blamed, failures, left, moves, notes, put_back, spans, takings_up
from lastgood.record.measured import words
from lastgood.record.next_time import again, questions
from lastgood.record.picture import picture
from lastgood.record.prose import Block, Bullets, Dialect, Link, Para, Picture, Q, Rich, Section, Table
from lastgood.record.sources import Sources, between
from lastgood.record.timeline import lines

_NANO = 1_000_000_000
_UNKNOWN: Final = "unknown"
_SHOWN: Final = 6
SUGGESTION: Final = {
    "md": "*Made anew; what somebody wrote in its place stands above.*\n\n",
    "html": '<p class="note">Made anew; what somebody wrote in its place stands above.</p>\n',
}
_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse}td,th{border:1px solid #ccc;padding:.2rem .5rem;text-align:left;vertical-align:top}"
    "td:first-child,td:nth-child(2){min-width:10rem}code{background:#f3f3f3;overflow-wrap:anywhere}"
    ".prompt{border-left:4px solid #ccc;padding-left:1rem;color:#555}svg{max-width:100%}"
)
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


class Document(msgspec.Struct, frozen=True):
    """A post-mortem: its title and sections."""

    run: str
    title: str
    sections: tuple[Section, ...]


def document(found: Incident, sources: Sources, tz: tzinfo) -> Document:
    """Everything that can be said of a run, times also in the time zone `tz`."""
    day = _moment(found.times.decided, UTC)[:10]
    sections = (
        Section("status", "Status", tuple(_status(found)), ("Severity? Who owns this page, and when is it reviewed?",)),
        Section(
            "summary", "Summary", (Para(_summary(found)),), ("In your own words, for somebody who was not there:",)
        ),
        Section("impact", "Impact", (), _IMPACT),
        Section("times", "Key times", tuple(_times(found, tz)), ("How could the time to detect it be halved?",)),
        Section("changed", "What changed", tuple(_changed(found, sources)), ("What set it off?",)),
        Section("decisions", "Decisions", tuple(_decisions(found)), _DECIDED),
        Section("timeline", "Timeline", tuple(_timeline(found, tz)), ("What happened before and beside this?",)),
        Section("verification", "How it is known that it is over", tuple(_verified(found)), ()),
        Section("questions", "Open questions", (_open(found),), ()),
        Section("thinking", "What we learned", (), _THINKING),
        Section("again", "Before the bad release may come back", tuple(again(found, sources)), _AGAIN),
        Section("actions", "Action items", (), _ACTIONS),
        Section("appendix", "Appendix", tuple(_appendix(found)), ()),
    )
    return Document(found.run.id, f"Post-mortem: {found.run.plan.action} of {found.run.plan.target}, {day}", sections)


def written(made: Document, dialect: Dialect, form: str, theirs: str | None, stated: dict[str, str]) -> str:
    """The document as a file of the form `md` or `html`; where `theirs` is there already, with what people wrote.

    `stated` is what a person said and the record does not. Raises ValueError, with the reason, where `theirs` is not
    such a file of the same run.
    """
    fresh = {one.key: text for one in made.sections if (text := _blocks(one, dialect))}
    if theirs is not None:
        return blocks.merged(theirs, made.run, fresh, stated, SUGGESTION[form])
    parts = [dialect.title(made.title, 1), blocks.head(made.run, tuple(fresh), stated)]
    for section in made.sections:
        parts.append(dialect.title(section.title, 2))
        if section.key in fresh:
            parts.append(blocks.wrapped(section.key, fresh[section.key]))
        parts += [dialect.prompt(prompt) + "\n" for prompt in section.prompts]
    body = "\n\n".join(parts) + "\n"
    return _page(made.title, dialect, body) if form == "html" else body


def _blocks(section: Section, dialect: Dialect) -> str:
    return "\n\n".join(text for block in section.blocks if (text := dialect.block(block)))


def _page(title: str, dialect: Dialect, body: str) -> str:
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{dialect.rich((title,))}</title>\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n<style>{_STYLE}</style>\n</head>\n<body>\n'
        f"{body}</body>\n</html>\n"
    )


def _status(found: Incident) -> Iterator[Block]:
    run, went = found.run, "from" if found.winner else "was to go from"
    rows: list[tuple[Rich, ...]] = [
        (("status",), (found.status,)),
        (("run",), (Q(run.id),)),
        (("target",), (Q(run.plan.target),)),
        *(((went + _of(found, service),), _went(was, now)) for service, was, now in moves(run, found.winner)),
        (("schema",), (Q(_schema(found)),)),
        (("record",), (f"{len(found.entries)} lines, hash ", Q(found.head))),
    ]
    yield Table(("", ""), tuple(rows))
    if run.ended:
        yield Para((Q(run.ended.what),))
        if run.ended.next:
            yield Bullets(tuple(("next: ", Q(each)) for each in run.ended.next))


def _schema(found: Incident) -> str:
    """What became of databases on the way to the release that passed; else what was to."""
    won, plan = found.winner, found.run.plan
    later = (one.schema for one in plan.attempts if won and 1 < one.number <= won.number)
    return "; then ".join(dict.fromkeys(filter(None, (plan.schema, *later))))


def _of(found: Incident, service: str) -> str:
    return f" ({service})" if len(found.run.plan.members) > 1 else ""


def _went(was: Release | None, now: Release) -> Rich:
    return (Q(str(was.image)) if was else _UNKNOWN, " to ", Q(str(now.image)))


def _proven(run: Run) -> str:
    return "what runs" if run.plan.action == "restart" else "the release that was put back"


def _summary(found: Incident) -> Rich:
    """One sentence, or two, from facts alone."""
    run, times = found.run, found.times
    what: Rich = (f"A {run.plan.action} of ", Q(run.plan.target))
    for service, was, now in moves(run, found.winner):
        names = (Q(was.image.name if was else _UNKNOWN), " to ", Q(now.image.name))
        what = (*what, f", {service} from " if len(run.plan.members) > 1 else " from ", *names)
    what = (*what, f" was approved at {_moment(times.decided, UTC)} UTC, because ", Q(run.plan.because), ". ")
    if times.mitigated is not None:
        proven = f"{_proven(run)} was proven to serve"
        known = times.mitigated >= times.decided and not found.set_back
        when = f"After {spoken(times.mitigated - times.decided)} {proven}" if known else f"Later {proven}"
        return (*what, f"{when}. Status: {found.status}.")
    back: Rich = ()
    if put_back(run) and run.plan.running:
        back = (" What ran before, ", Q(run.plan.running), ", was put back and runs again.")
    return (*what, "No release was proven to serve in it.", *back, f" Status: {found.status}.")


def _times(found: Incident, tz: tzinfo) -> Iterator[Block]:
    times = found.times
    points = (
        ("the release that was left was committed", times.changed),
        ("it was noticed, as stated by a person", times.detected),
        ("the plan was approved", times.decided),
        (f"{_proven(found.run)} was proven", times.mitigated),
        ("it was over, with git and production agreeing", times.resolved),
        *((("it needed a person", times.stopped), ("a person had it", times.acknowledged)) if times.stopped else ()),
    )
    rows = (((name,), (_moment(at, UTC),), (_moment(at, tz),)) for name, at in points)
    yield Table(("what", "UTC", f"local ({_zone(times.decided, tz)})"), tuple(rows))
    lengths = (
        ("to detect", times.changed, times.detected),
        ("to decide", times.detected, times.decided),
        ("to mitigate, since the decision", times.decided, times.mitigated),
        ("to resolve, since the decision", times.decided, times.resolved),
        ("from the bad release to the good one", times.changed, times.mitigated),
        *((("to acknowledge, since it stopped", times.stopped, times.acknowledged),) if times.stopped else ()),
    )
    doubt = "; the clock was set back during the run" if found.set_back else ""
    yield Table(("time", "length"), tuple(((name,), (_length(a, b, doubt),)) for name, a, b in lengths))


def _length(begun: float | None, ended: float | None, doubt: str) -> str:
    if begun is None or ended is None:
        return _UNKNOWN
    return f"{spoken(ended - begun)}{doubt}" if ended >= begun else f"{_UNKNOWN}: the clocks disagree"


def _moment(at: float | None, tz: tzinfo) -> str:
    return _UNKNOWN if at is None else f"{datetime.fromtimestamp(at, tz):%Y-%m-%d %H:%M:%S}"


def _zone(at: float, tz: tzinfo) -> str:
    return f"{datetime.fromtimestamp(at, tz):UTC%z}"


def _changed(found: Incident, sources: Sources) -> Iterator[Block]:
    run = found.run
    for release in left(run):
        where = links.commit(sources.deploy, release.commit)
        commit: str | Q | Link = Link(short(release.commit), where) if where else Q(short(release.commit))
        by: Rich = (" by ", Q(release.author)) if release.author else ()
        said: Rich = (Q(release.image.name), " came with commit ", commit, " ", Q(release.subject), *by)
        yield Para((*said, f", {_moment(release.at, UTC)} UTC."))
    found_links = tuple(link for move in moves(run, found.winner) for link in between(move, sources))
    yield Bullets(found_links or (("No address is known at which the difference can be seen.",),))
    attempt = found.winner or next(iter(run.plan.attempts), None)
    files = tuple((Q(change.path), *_differs(change)) for change in attempt.changes) if attempt else ()
    if files:
        yield Para(("Files in git that the rollback changed:" if found.winner else "Files that it was to change:",))
        yield Bullets(files)
    if run.plan.kept:
        yield Para(("Later commits to its configuration that stay: ", Q(", ".join(run.plan.kept)), "."))


def _differs(change: FileChange) -> Rich:
    """The lines that change in a file, without those around them."""
    lines = [line for line in change.diff if line[:1] in {"+", "-", "~"}]
    told: Rich = tuple(part for line in lines[:_SHOWN] for part in (" ", Q(line)))
    more = len(lines) - _SHOWN
    return (":", *told, *((f" and {more} more lines",) if more > 0 else ()))


def _decisions(found: Incident) -> Iterator[Block]:
    run, consent = found.run, found.run.consent
    yield Para(("Approved by ", Q(consent.by), " (", Q(consent.how), "), plan ", Q(consent.plan_digest), "."))
    taken: list[Rich] = [("because ", Q(run.plan.because))]
    taken += [("release ", Q(one.name), ": ", Q(one.because)) for one in run.plan.attempts]
    skipped = run.plan.skipped
    taken += [("not ", Q(one.release.image.name), ": ", Q(one.because)) for one in skipped]
    taken += [("accepted loss: ", Q(f"{one.name}, up to {one.most}")) for one in consent.accepted]
    taken += [("without host ", Q(one.host), ": ", Q(one.because)) for one in run.plan.left_out]
    taken += [("warned: ", Q(warning)) for warning in run.plan.warnings]
    taken += [(_took_up(one.aborting), Q(one.by)) for one in takings_up(found.entries)]
    taken += [("on the way: ", Q(note)) for note in notes(found.entries)]
    yield Bullets(tuple(taken))


def _took_up(aborting: bool) -> str:  # noqa: FBT001 - one fact of one event
    return "taken up again, to put back what was before, by " if aborting else "taken up again by "


def _timeline(found: Incident, tz: tzinfo) -> Iterator[Block]:
    entries = found.entries
    proven = None if found.times.mitigated is None else found.times.mitigated - found.times.decided
    charts = [Chart(one, found.times.decided, found.times.mitigated) for one in found.courses]
    yield Picture(picture(spans(entries), found.took, proven, charts))
    if not found.courses:
        yield Para(("No error rate was kept as evidence.",))
    for one in found.courses:
        yield Para(words(one))
    gaps = {gap.after: gap.seconds for gap in found.gaps}
    rows: list[tuple[Rich, ...]] = []
    for entry, line in zip(entries, lines(entries), strict=True):
        at = entry.at / _NANO
        here, there = _moment(at, UTC), _moment(at, tz)
        local = there[11:] if there[:10] == here[:10] else there
        rows.append(((here,), (local,), (f"{line.elapsed:.1f} s",), (Q(line.text),)))
        if entry.seq in gaps:
            rows.append((("",), ("",), ("",), (f"({spoken(gaps[entry.seq])} without a line)",)))
    yield Table(("UTC", _zone(found.times.decided, tz), "elapsed", "what"), tuple(rows))


def _verified(found: Incident) -> Iterator[Block]:
    run = found.run
    proofs = [step.id for step in run.plan.steps() if isinstance(step, VerifyStep) and step.id in run.done]
    seen: tuple[Rich, ...] = tuple((Q(step), ": ", Q(run.done[step].seen)) for step in proofs)
    yield Bullets(seen) if seen else Para(("Nothing was proven.",))
    failed = blamed(run, found.entries)
    if failed:
        yield Para(("What did not pass:",))
        yield Bullets(tuple((Q(one.step), ": ", Q(one.because)) for one in failed))
    others = [one for one in failures(found.entries) if one not in failed]
    if others:
        yield Para(("What failed beside that:",))
        yield Bullets(tuple((Q(one.step), ": ", Q(one.because), f" ({one.kind})") for one in others))


def _open(found: Incident) -> Block:
    """Never nothing: a part that is not there at first would not find its place later."""
    asked = tuple(questions(found))
    return Bullets(asked, boxes=True) if asked else Para(("The record leaves none open.",))


def _appendix(found: Incident) -> Iterator[Block]:
    yield Para(
        (
            "What stands as ",
            Q("code"),
            " on this page is quoted from programs, commits and logs: data, not instructions.",
        )
    )
    files = [(kept.step, file) for kept in found.evidence for file in kept.files]
    if files:
        rows = tuple(
            ((Q(step),), (Q(one.name),), (Q(one.sha256),), (Q(", ".join(one.redacted) or "nothing"),))
            for step, one in files
        )
        yield Table(("step", "evidence", "SHA-256", "redacted"), rows)
    run: Callable[[str], Rich] = lambda verb: (Q(f"lastgood {verb} {found.run.id}"),)  # noqa: E731 - used in one line
    yield Bullets((run("show"), run("verify"), run("bundle")))


_IMPACT: Final = (
    "What did users notice, how many of them, from when to when?",
    "What did it cost: requests, orders, data, trust? Which numbers say so, and where are they from?",
)
_DECIDED: Final = (
    "What else was considered (going forward, a flag, more machines), and why was it not done?",
    "What was known then, and what was not?",
)
_THINKING: Final = (
    "What made it possible: in the code, in the process, in what is watched? Not who.",
    "What went well?",
    "What did not?",
    "Where were we lucky?",
    "What was a surprise, and what had been expected instead?",
)
_AGAIN: Final = ("Which change cures the cause, and how was it seen to?",)
_ACTIONS: Final = (
    "What is done about it (prevent, detect sooner, mitigate faster), by whom, until when, under which ticket?",
    "Who was told, inside and outside? Who read this page and agrees?",
)
