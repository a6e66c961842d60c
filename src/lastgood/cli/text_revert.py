"""Code rollback as text. Pure."""

from collections.abc import Iterator

from lastgood.cli.words import ago, field, table
from lastgood.model.facts import Unknown
from lastgood.model.release import short
from lastgood.model.revert import Built, Commit, Reverted, Reverting, Suspect, Suspects

_LINES = 60


def reverting_text(made: Reverting, now: int, *, diff: bool) -> tuple[str, ...]:
    """What a revert would do; with `diff`, every line that changes. `now` in Unix seconds."""
    count = "1 commit" if len(made.undos) == 1 else f"{len(made.undos)} commits"
    remote = f"the remote does not answer: {made.remote.reason}" if isinstance(made.remote, Unknown) else ""
    return (
        f"Revert {count} on {made.branch} of {made.repo}" if made.undos else f"Nothing to revert on {made.branch}",
        *field("reverts", *(_line(undo.commit, now) for undo in made.undos)),
        *field("passed", *(f"{short(each.commit.commit)}: {each.because}" for each in made.passed)),
        *field("on top of", short(made.tip)),
        *field("changes", *_changes(made, diff=diff)),
        *(f"  ! {warning}" for warning in (*made.warnings, *filter(None, (remote,)))),
    )


def _line(commit: Commit, now: int) -> str:
    merge = "merge, " if commit.is_merge else ""
    return f'{short(commit.commit)} "{commit.subject}"  ({merge}{commit.author}, {ago(commit.at, now)})'


def _changes(made: Reverting, *, diff: bool) -> tuple[str, ...]:
    if not diff:
        return tuple(change.path for change in made.changes[:_LINES]) + _more(len(made.changes))
    return tuple(line for change in made.changes for line in (change.path, *(f"  {each}" for each in change.diff)))


def _more(count: int) -> tuple[str, ...]:
    return (f"and {count - _LINES} more files",) if count > _LINES else ()


def reverted_text(done: Reverted) -> tuple[str, ...]:
    """How a revert went."""
    return (
        done.what,
        *field("because", *done.because),
        *field("commits", *done.commits),
        *field("next", *done.next),
    )


def suspects_text(found: Suspects, now: int) -> tuple[str, ...]:
    """The commits between the good and the bad release; `now` in Unix seconds."""
    count = len(found.suspects)
    more = "" if found.complete else ", and more"
    return (
        f"{found.target}: {count} {'commit' if count == 1 else 'commits'} between the good and the bad release{more}",
        *field("good", _built(found.good)),
        *field("bad", _built(found.bad)),
        *field("code", f"{found.branch} of {found.repo}"),
        *(table(_rows(found.suspects, now)) if found.suspects else ()),
        *(f"  ! {note}" for note in found.notes),
        *field("next", *found.next),
    )


def _built(what: Built) -> str:
    if isinstance(what.source, Unknown):
        return f"{what.image.name}, built from an unknown commit: {what.source.reason}"
    return f"{what.image.name}, built from {short(what.source.value.revision)} ({what.source.value.said_by})"


def _rows(suspects: tuple[Suspect, ...], now: int) -> Iterator[tuple[str, ...]]:
    yield ("COMMIT", "WHEN", "AUTHOR", "FILES", "SUBJECT")
    for each in suspects:
        commit = each.commit
        merge = f"[merge: --mainline {each.mainline}] " if each.mainline else ""
        yield short(commit.commit), ago(commit.at, now), commit.author, str(each.files), merge + commit.subject
