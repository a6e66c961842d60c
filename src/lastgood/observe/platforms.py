"""Asks for the platforms of images that would have to be pulled, and only of those: each costs a request more."""

from functools import partial

import msgspec

from lastgood.model.errors import Refused
from lastgood.model.facts import Fact, Known
from lastgood.model.observed import Availability, Observed
from lastgood.model.release import Image
from lastgood.model.target import Target
from lastgood.observe.together import together
from lastgood.plan.choose import choose
from lastgood.plan.running import identify
from lastgood.ports import Tools

# Each round passes over what the round before found to be unfit; a history full of such images ends the search.
_ROUNDS = 4


def told(target: Target, tools: Tools, observed: Observed) -> Observed:
    """`observed`, with platforms wherever a release that would be chosen has to be pulled out of an index."""
    for _ in range(_ROUNDS):
        wanted = _wanted(target, observed)
        if not wanted:
            break
        observed = of_these(tools, observed, wanted)
    return observed


def of_these(tools: Tools, observed: Observed, images: tuple[Image, ...]) -> Observed:
    """`observed`, with the platforms of these images where the registry has an index and the hosts lack the image."""
    asked = tuple(image for image in images if _open(observed.registry.get(str(image))))
    answers = together([partial(tools.registry.platforms, tools.http, image, tools.credentials) for image in asked])
    more: dict[str, Fact[Availability]] = {
        str(image): Known(msgspec.structs.replace(_said(observed, image), platforms=answer.value))
        if isinstance(answer, Known)
        else Known(msgspec.structs.replace(_said(observed, image), index=False))  # asked once; it did not tell
        for image, answer in zip(asked, answers, strict=True)
    }
    return msgspec.structs.replace(observed, registry=observed.registry | more)


def _said(observed: Observed, image: Image) -> Availability:
    fact = observed.registry[str(image)]
    return fact.value if isinstance(fact, Known) else Availability(None)


def _open(fact: Fact[Availability] | None) -> bool:
    return isinstance(fact, Known) and fact.value.index and not fact.value.platforms


def _wanted(target: Target, observed: Observed) -> tuple[Image, ...]:
    """The images that would be pulled and whose platforms nobody has asked for yet."""
    try:
        running = identify(observed)
    except Refused:  # a host cannot be seen, so nothing will be chosen either
        return ()
    choice = choose(target.name, observed, running, target.short_lived, target.walk_back.releases)
    pulled = [c for c in choice.candidates if not c.image.image_id]
    named = [i for c in pulled for i in (c.release.image, Image(c.image.image.repository, "", c.image.image.digest))]
    return tuple(image for image in dict.fromkeys(named) if _open(observed.registry.get(str(image))))
