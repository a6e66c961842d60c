"""Quarantine: releases that must not come back by themselves, and who lifted that."""

import msgspec

from lastgood.model.release import Image


class Lifted(msgspec.Struct, frozen=True):
    """Who let a quarantined release go again, when (Unix seconds, UTC) and why."""

    by: str
    at: int
    because: str


class Quarantined(msgspec.Struct, frozen=True):
    """One entry: `image` must not be pinned for `service` in `env`, or anywhere where `env` is empty.

    `at` is in Unix seconds, UTC. `run` is the run that learned it, empty where a person said so. A lifted entry stays
    as the record of both.
    """

    service: str
    env: str
    image: Image
    because: str
    by: str
    at: int
    run: str = ""
    lifted: Lifted | None = None

    def about(self, service: str, env: str, image: Image) -> bool:
        """Whether the entry is about this image of this service there, lifted or not."""
        return self.service == service and self.env in ("", env) and self.image.same(image)


class Quarantine(msgspec.Struct, frozen=True):
    """What holds for one target: the file's entries, and what rollback commits condemned (`bad`) or proved since."""

    service: str = ""
    env: str = ""
    entries: tuple[Quarantined, ...] = ()
    bad: tuple[Quarantined, ...] = ()

    def standing(self, image: Image) -> Quarantined | None:
        """Why `image` is in quarantine; None where it is not, or not any more."""
        for entry in self.entries:
            if entry.lifted is None and entry.about(self.service, self.env, image):
                return entry
        lift = self.lift(image)
        since = lift.at if lift else 0
        return next((e for e in self.bad if e.at > since and e.image.same(image)), None)

    def lift(self, image: Image) -> Lifted | None:
        """The newest lift that is about `image`."""
        lifts = [e.lifted for e in self.entries if e.lifted and e.about(self.service, self.env, image)]
        return max(lifts, key=lambda lift: lift.at, default=None)
