"""Past releases as text. Pure."""

from lastgood.cli.words import ago, table
from lastgood.model.release import short
from lastgood.model.report import History, Past


def history_text(history: History, now: int) -> tuple[str, ...]:
    """The releases, newest first; `now` in Unix seconds. `>` marks what runs, `*` what could be gone back to."""
    rows: list[tuple[str, ...]] = [("", "RELEASE", "COMMIT", "PINNED", "EVIDENCE", "IMAGE", "SUBJECT")]
    rows += [_row(past, now) for past in history.releases]
    back = "1 release" if history.reach == 1 else f"{history.reach} releases"
    end = "" if history.complete else "; older ones were not read"
    return (
        f"{history.target}: you can go back {back}{end}",
        *table(rows),
        "  > runs now   * can be gone back to",
        *(f"  ! {warning}" for warning in history.warnings),
    )


def _row(past: Past, now: int) -> tuple[str, ...]:
    release, evidence = past.release, past.evidence
    mark = ">" if past.runs else "*" if past.reachable else ""
    known = ", ".join((str(evidence.grade), *evidence.hints))
    when = ago(release.at, now)
    return mark, release.image.name, short(release.commit)[:8], when, known, past.where, release.subject
