"""Whether a registry has an image for the hosts' platforms. Nothing is said where either is not known."""

from lastgood.model.observed import Availability, Observed

# What an engine also runs where there is nothing for its own architecture (containerd's `platforms.Only`).
_ALSO = {"amd64": {"386"}, "arm64": {"arm"}}


def unfit(served: Availability, observed: Observed) -> str:
    """The first host's platform that nothing is served for; empty where all can be served, or it cannot be told.

    Variants (`linux/arm/v7`) are left alone: an engine does not tell which of them it runs.
    """
    wanted = sorted({view.platform for view in observed.hosts.values() if view.platform})
    return next((one for one in wanted if served.platforms and not _fits(one, served.platforms)), "")


def _fits(platform: str, served: tuple[str, ...]) -> bool:
    system, _, architecture = platform.partition("/")
    fine = {architecture, *_ALSO.get(architecture, ())}
    return any(words[0] == system and words[1] in fine for one in served if len(words := one.split("/")) > 1)
