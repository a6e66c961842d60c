"""The images of the way back as text. Pure."""

from lastgood.cli.words import table
from lastgood.model.release import short
from lastgood.model.retention import Images, Needed, Protection

_MEGA = 1_000_000
_LIMITS = (
    "  a tag of ours protects from `docker image prune`, `docker system prune` and from losing the tag",
    "  nothing of ours protects from `prune --all`: it removes every image that no container uses, tagged or not",
)


def images_text(found: Images) -> tuple[str, ...]:
    """What is needed, newest first. `>` marks what runs."""
    rows: list[tuple[str, ...]] = [("", "RELEASE", "DIGEST", "HOSTS", "PROTECTED", "REGISTRY", "SIZE")]
    rows += [_row(one) for one in found.images]
    back = "1 release" if found.found == 1 else f"{found.found} releases"
    return (
        f"{found.target}: images to go back {back}" + (f" of {found.releases}" if found.found < found.releases else ""),
        *table(rows),
        *(f"  passed over: {lost}" for lost in found.lost),
        *(f"  no longer needed: {one.name} on {one.host}" for one in found.leftovers),
        *(f"  ! {warning}" for warning in found.warnings),
        *_LIMITS,
    )


def protection_text(result: Protection) -> tuple[str, ...]:
    """What was done, then how things are."""
    nothing = () if result.done or result.failed else ("  nothing had to be done",)
    return (
        *(f"  {said}" for said in (*result.done, *result.kept)),
        *(f"  ! {said}" for said in result.failed),
        *nothing,
        *images_text(result.now),
    )


def _row(one: Needed) -> tuple[str, ...]:
    protected = "yes" if one.hosts and one.protected == one.hosts else ", ".join(one.protected) or "no"
    size = f"{one.size / _MEGA:.0f} MB" if one.size is not None else ""
    digest = short(one.image.digest or one.image_id)
    return (
        ">" if one.runs else "",
        one.image.name,
        digest,
        ", ".join(one.hosts) or "none",
        protected,
        one.registry,
        size,
    )
