"""From options to a Wish."""

from lastgood.model.errors import UsageError
from lastgood.model.plan import Scope
from lastgood.run.planning import Wish


def wished(  # noqa: PLR0913 - one parameter per option
    *, to: str, image_only: bool, config_only: bool, full: bool, further: bool, pin_digest: bool
) -> Wish:
    """What the options ask for. Raises UsageError where they contradict each other."""
    chosen = {"--image-only": image_only, "--config-only": config_only, "--full": full}
    given = [name for name, on in chosen.items() if on]
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)} contradict each other.", next=("give one of them",))
    scopes = {"--image-only": Scope.IMAGE_ONLY, "--config-only": Scope.CONFIG_ONLY, "--full": Scope.FULL}
    return Wish(to, scopes[given[0]] if given else Scope.DEFAULT, further, pin_digest)
