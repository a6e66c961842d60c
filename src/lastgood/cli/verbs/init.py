"""`lastgood init`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lastgood.cli.options import verb
from lastgood.cli.session import Session

if TYPE_CHECKING:
    from lastgood.config.draft import Proposal


@click.command("init")
@click.option("--print", "only_print", is_flag=True, help="Only show the proposal; write nothing.")
@verb
def command(session: Session, only_print: bool) -> int:
    """Look at the deploy repo, propose a lastgood.yaml, and write it where there is none. Never overwrites.

    \b
    Examples:
      lastgood init --print
      lastgood init --repo ~/deploy
    """  # noqa: D301 - \b is click's own mark for text that keeps its lines
    from lastgood.config.find import NAME, find

    repo, _ = find(session.start())
    path = Path(repo) / NAME
    proposal = _proposed(repo)
    written = not only_print and _written(path, proposal.text)
    value = {"file": str(path), "written": written, "text": proposal.text, "notes": proposal.notes}
    end = f"{path} is written; look at it, then commit it." if written else "Nothing was written."
    notes = (f"  - {note}" for note in proposal.notes)
    advice = ("  next       lastgood doctor",) if written else ()
    session.answer("init", value, (*(f"  {line}" for line in proposal.text.splitlines()), "", *notes, end, *advice))
    return 0


def _proposed(repo: str) -> "Proposal":
    from lastgood.config.detect import propose
    from lastgood.wiring import tracked

    return propose(tracked(repo), lambda path: _content(Path(repo) / path))


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:  # a link that leads nowhere, a submodule, a file that was deleted: all are no file to look at
        return None


def _written(path: Path, text: str) -> bool:
    """Write a new file. Raises Refused where there is one already or it cannot be written."""
    from lastgood.model.errors import Refused

    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        why = f"{path} is there already and is never overwritten."
        raise Refused(why, next=("lastgood init --print", "lastgood doctor")) from None
    except OSError as error:
        raise Refused(f"{path} cannot be written.", because=(error.strerror or str(error),)) from error
    return True
