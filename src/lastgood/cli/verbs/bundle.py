"""`lastgood bundle`."""

import click

from lastgood.cli.completing import acted
from lastgood.cli.options import verb
from lastgood.cli.session import Session


@click.command("bundle")
@click.argument("run", required=False, shell_complete=acted)
@click.option("--output", metavar="FILE", help="Write it there; else to lastgood-RUN.tar here.")
@verb
def command(session: Session, run: str | None, output: str | None) -> int:
    """Everything that was kept of a run in one tar, to hand over: journal, timeline, evidence, and their hashes.

    Secrets were taken out before any of it was written; what was taken out where is listed. The same record gives the
    same file. RUN may be the beginning of an id; without it, the newest run.

    \b
    Examples:
      lastgood bundle
      lastgood bundle 20261122-174501-7f3a --output /tmp/incident.tar
    """  # noqa: D301 - \b is click's own mark for text that keeps its lines
    from lastgood.cli.records import record
    from lastgood.cli.text_record import bundled_text
    from lastgood.cli.writing import write_new
    from lastgood.recording import bundled, packed

    found = record(session, run)
    archive, manifest, damaged = packed(found.journal, session.places, found.run)
    file = output or f"lastgood-{found.run}.tar"
    write_new(file, archive)
    result = bundled(file, archive, manifest, damaged)
    session.answer("bundle", result, bundled_text(result))
    return int(result.exit)
