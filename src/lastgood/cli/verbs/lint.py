"""`lastgood lint`."""

import os
from functools import partial

import click

from lastgood.cli.options import verb
from lastgood.cli.session import Session
from lastgood.model.errors import Exit, UsageError

_REPO = "The folder that FOLDER is in; else the one you are in."


@click.group("lint")
def command() -> None:
    """Look at files before they are needed: for CI of the code repo. Needs no lastgood.yaml.

    \b
    Example:
      lastgood lint migrations
    """  # noqa: D301 - \b is click's own mark for text that keeps its lines


@command.command("migrations")
@click.argument("folder", default="migrations")
@click.option("--kind", default="", metavar="KIND", help="The migration tool; else the files tell it.")
@click.option("--base", default="", metavar="REV", help="Only files that changed since then make it fail.")
@click.option("--prove", is_flag=True, help="Run every migration up, down and up again, with rows in the tables.")
@click.option("--image", default="", metavar="IMAGE", help="Prove on a throw-away server of this image.")
@click.option("--dsn", default="", metavar="REFERENCE", help="Prove beside this database: env:NAME, file:PATH, …")
@partial(verb, repo_help=_REPO)
def migrations(  # noqa: PLR0913 - one parameter per option
    session: Session, folder: str, *, kind: str, base: str, prove: bool, image: str, dsn: str
) -> int:
    """Find migrations without an honest way back, and those that would lock production; exit 3 for errors.

    FOLDER is `migrations` where none is given. With --prove the downs are tried on a real PostgreSQL: what they forget
    or lose is found. Nothing of that stays.

    \b
    Examples:
      lastgood lint migrations
      lastgood lint migrations db/migrations --base origin/main
      lastgood lint migrations --prove --image postgres:16
    """  # noqa: D301 - \b is click's own mark for text that keeps its lines
    from lastgood import linting
    from lastgood.cli.text_lint import annotations, lint_text

    if (image or dsn) and not prove:
        raise UsageError("--image and --dsn say where to --prove.", next=(session.command(*session.argv, "--prove"),))
    asked = linting.Asked(session.repo or ".", folder, kind, base)
    server = linting.Server(image, dsn) if prove else None
    found = linting.migrations(asked, server, lambda line: session.note((line,)))
    session.answer("lint", found, lint_text(found))
    if os.environ.get("GITHUB_ACTIONS") == "true":
        session.note(annotations(found))
    return Exit.REFUSED if found.failed else Exit.DONE
