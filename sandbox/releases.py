"""The catalogue: every release of the shop that the registry of a world holds."""

import hashlib
from dataclasses import dataclass

API = "shop-api"
WEB = "shop-web"


@dataclass(frozen=True)
class Release:
    """One release of one service.

    Attributes:
        service: The service.
        name: Its name in the catalogue.
        fault: The fault that was built in, if any.
        start_period: The HEALTHCHECK's, in seconds.
        migrations: How many of the migrations of `shop/migrations` it brings.
        strict: It does not start with a database that has more of them, as most migration tools have it.
    """

    service: str
    name: str
    fault: str = ""
    start_period: int = 5
    migrations: int = 1
    strict: bool = False

    @property
    def revision(self) -> str:
        """The commit the release was built from, 40 hex digits."""
        return hashlib.sha1(f"{self.service}/{self.name}".encode(), usedforsecurity=False).hexdigest()

    @property
    def tag(self) -> str:
        """The image tag, as CI names it after the commit."""
        return f"sha-{self.revision[:7]}"

    @property
    def answers(self) -> bool:
        """Whether the release is expected to work once it has started."""
        return self.fault in {"", "slow-start"}


RELEASES = (
    *(Release(API, f"good-{number}") for number in range(1, 5)),
    Release(API, "http-500", fault="http-500"),
    Release(API, "http-500-b", fault="http-500"),
    Release(API, "config-error", fault="config-error"),
    Release(API, "crash-loop", fault="crash-loop"),
    Release(API, "flaky", fault="flaky"),
    Release(API, "slow-start", fault="slow-start", start_period=20),
    Release(API, "needs-greeting", fault="needs-greeting"),
    Release(API, "strict-1", strict=True),
    Release(API, "strict-2", migrations=2, strict=True),
    Release(API, "index-500", fault="http-500", migrations=2, strict=True),
    Release(API, "notes-500", fault="http-500", migrations=3, strict=True),
    Release(API, "customers-500", fault="http-500", migrations=4, strict=True),
    Release(API, "flaky-notes", fault="flaky", migrations=3, strict=True),
    Release(API, "ledger-500", fault="http-500", migrations=6, strict=True),
    Release(WEB, "good-1"),
    Release(WEB, "good-2"),
    Release(WEB, "blank", fault="blank"),
)


def release(service: str, name: str) -> Release:
    """Returns a release by its name in the catalogue."""
    for found in RELEASES:
        if (found.service, found.name) == (service, name):
            return found
    known = ", ".join(found.name for found in RELEASES if found.service == service)
    raise KeyError(f"{service} has no release {name!r}; it has: {known or 'none'}")
