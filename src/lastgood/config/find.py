"""Where the deploy repo and its `lastgood.yaml` are."""

from pathlib import Path
from typing import Final

NAME: Final = "lastgood.yaml"
SCRIPT: Final = "scripts/compose/deploy-service.sh"


def find(start: str) -> tuple[str, str | None]:
    """The deploy repo around folder `start`, and the path of its configuration or None where it has none.

    Upwards from `start`, the first folder with a `lastgood.yaml` or a `.git` is the repo; a `.git` ends the search,
    so that a repo without configuration is never served by one that lies around it. Without either it is `start`.
    """
    here = Path(start).absolute()
    for folder in (here, *here.parents):
        if (folder / NAME).is_file():
            return str(folder), str(folder / NAME)
        if (folder / ".git").exists():
            return str(folder), None
    return str(here), None
