"""From options to a Wish."""

from typing import Unpack

from lastgood.cli.verbs.plan import Wanted
from lastgood.model.errors import UsageError
from lastgood.model.plan import Scope
from lastgood.run.planning import Wish

_SCOPES = {"image_only": Scope.IMAGE_ONLY, "config_only": Scope.CONFIG_ONLY, "full": Scope.FULL}


def wished(**wanted: Unpack[Wanted]) -> Wish:
    """What the options ask for. Raises UsageError where they contradict each other."""
    asked = dict(wanted)
    given = [name for name in _SCOPES if asked[name]]
    if len(given) > 1:
        said = " and ".join(f"--{name.replace('_', '-')}" for name in given)
        raise UsageError(f"{said} contradict each other.", next=("give one of them",))
    if wanted["down"] and given and given != ["full"]:
        raise UsageError(
            f"--{given[0].replace('_', '-')} and --down contradict each other.", next=("give one of them",)
        )
    return Wish(
        wanted["to"],
        _SCOPES[given[0]] if given else Scope.DEFAULT,
        wanted["further"],
        wanted["pin_digest"],
        wanted["stop_deploy"],
        wanted["down"],
    )
