"""What a run learned of bad releases, where its pins were committed before that was known: into the quarantine."""

from functools import partial

from lastgood.config.quarantine import NAME, entries, written
from lastgood.git.trailers import render
from lastgood.model.event import Run
from lastgood.model.quarantine import Quarantine, Quarantined
from lastgood.model.release import Image, Trailers
from lastgood.plan.verdicts import condemned
from lastgood.run.desk import Desk
from lastgood.run.offer import Offered, offer

_NANO = 1_000_000_000


def condemn(desk: Desk, run: Run) -> str:
    """Put what the run has shown to be bad into quarantine, once; why that cannot be done, empty where it is so.

    The rollback commit of an engine that is pinned afterwards says it by its trailers; this one's was made before.
    """
    bad = condemned(run)
    if not bad:
        return ""
    names = ", ".join(f"{service} {image.name}" for service, image in bad)
    text = render(
        f"Quarantine {names}", (f"{run.plan.target} was rolled back by run {run.id}.",), Trailers(step=run.id)
    )
    found = offer(desk.shared.repo, partial(_tree_on, desk, run, bad), text)
    if found is None or found.pushed.ok:
        return ""
    return f"the quarantine of {names} was not taken: {found.pushed.because}"


def _tree_on(desk: Desk, run: Run, bad: tuple[tuple[str, Image], ...], tip: str) -> "str | Offered | None":
    repo, env, at = desk.shared.repo, desk.group.env, desk.shared.clock.now() // _NANO
    kept = entries(repo.blob(tip, NAME))
    because, by = "shown to be bad when it was rolled back", run.consent.by
    new = tuple(
        Quarantined(service, env, image, because, by, at, run.id)
        for service, image in bad
        if not Quarantine(service, env, kept).standing(image)
    )
    return repo.with_files(tip, {NAME: written((*kept, *new))}) if new else None
