"""`kind: alertmanager`: a silence for the services of a run while it goes on; it ends by itself in any case.

Operations: Alertmanager's API v2 (`/api/v2/silences`, `/api/v2/silence/ID`), seen on 0.25. A silence always names one
service, by equality, so it never silences everything. Posted again with its id, its start and its matchers it keeps its
id and gets the new end; with anything else it ends, and another one begins (`canUpdate` in `silence.go`).
"""

import contextlib
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final
from urllib.parse import quote

import msgspec

from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.message import Delivered, Delivery, Kind, Message
from lastgood.outside.talk import REFERENCE, URL, Talk, Trouble
from lastgood.ports import Outside

STATE: Final = True
_NANO: Final = 1_000_000_000
_ABOUT: Final = timedelta(seconds=5)
_MISSING: Final = 404
_LABEL: Final = r"^[a-zA-Z_][a-zA-Z0-9_]*$"


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`label` is the alerts' label with the service's name, `env_label` the one with the environment's, if any."""

    url: Annotated[str, msgspec.Meta(pattern=URL)]
    token: Annotated[str, msgspec.Meta(pattern=REFERENCE)] = ""
    label: Annotated[str, msgspec.Meta(pattern=_LABEL)] = "service"
    env_label: Annotated[str, msgspec.Meta(pattern=r"^([a-zA-Z_][a-zA-Z0-9_]*)?$")] = ""
    minutes: Annotated[int, msgspec.Meta(ge=1, le=60)] = 30


class _Status(msgspec.Struct):
    state: str = ""


class _Silence(msgspec.Struct):
    id: str
    createdBy: str = ""  # noqa: N815 - Alertmanager's own name
    comment: str = ""
    status: _Status = msgspec.field(default_factory=_Status)
    startsAt: datetime | None = None  # noqa: N815 - as above
    endsAt: datetime | None = None  # noqa: N815 - as above


class _Made(msgspec.Struct):
    silenceID: str  # noqa: N815 - as above


class Alertmanager:
    """The silences of one Alertmanager."""

    def __init__(self, options: Options, outside: Outside) -> None:
        self._options = options
        self._now = outside.now
        self._theirs = datetime.fromtimestamp(outside.now // _NANO, UTC)
        self._talk = Talk(outside, f"{options.url.rstrip('/')}/api/v2", options.token)

    def deliver(self, message: Message, ref: str, *, again: bool) -> Delivery:  # noqa: ARG002 - it always looks first
        """Silence the run's services when it begins, and lift that when it ends, however it ends.

        The time of a message that it begins is when the silence counts from: it is told anew while the run goes on.
        """
        try:
            if message.kind is not Kind.BEGAN:
                return self._lifted(message)
            return self._silenced(message)
        except Trouble as trouble:
            return trouble.failed()

    def check(self) -> Fact[str]:
        """Whether silences are read."""
        try:
            found = self._silences("lastgood-doctor")
        except Trouble as trouble:
            return Unknown(str(trouble))
        where = "" if self._options.env_label else " in every environment, since env_label is not set"
        said = f"silences are read ({len(found)} for a service that does not exist); writing shows when it does"
        return Known(f"{said}; a run silences its service{where}")

    def _silenced(self, message: Message) -> Delivery:
        begun = datetime.fromtimestamp(message.at // _NANO, UTC)
        end = begun + timedelta(minutes=self._options.minutes)
        left = end - datetime.fromtimestamp(self._now // _NANO, UTC)
        if left <= timedelta():  # unless the run goes on
            return Delivered("not needed any more", again=1)
        ids = [self._one(message, service, left) for service in message.services]
        return Delivered(f"silenced until {end:%H:%M} UTC", ",".join(ids), left.total_seconds() / 2)

    def _one(self, message: Message, service: str, left: timedelta) -> str:
        """A silence that ends after so long by Alertmanager's own clock: ours may be hours ahead, and stay so."""
        ours = next((one for one in self._silences(service) if _is(one, message.run)), None)
        end = self._theirs + left
        if ours and ours.endsAt and ours.endsAt >= end - _ABOUT:
            return ours.id
        begin = (ours and ours.startsAt) or self._theirs
        wanted = {self._options.label: service}
        if self._options.env_label:
            wanted[self._options.env_label] = message.env
        content = {
            "matchers": [{"name": n, "value": v, "isRegex": False, "isEqual": True} for n, v in wanted.items()],
            "startsAt": _written(begin),
            "endsAt": _written(end),
            "createdBy": _by(message.run),
            "comment": f"{message.action} of {message.target} by lastgood, run {message.run}",
        }
        known = {"id": ours.id} if ours else {}
        made = self._talk.read(self._talk.ask("POST", "/silences", content | known), _Made)
        return made.silenceID

    def _lifted(self, message: Message) -> Delivery:
        """Expire what this run silenced, found by who made it: an answer with its id may have been lost."""
        for service in message.services:
            for one in self._silences(service):
                if _is(one, message.run):
                    self._expire(one.id)
        return Delivered("silence lifted")

    def _expire(self, number: str) -> None:
        try:
            self._talk.ask("DELETE", f"/silence/{quote(number, safe='')}")
        except Trouble as trouble:
            if trouble.status != _MISSING:
                raise

    def _silences(self, service: str) -> list[_Silence]:
        from email.utils import parsedate_to_datetime

        wanted = quote(f'{self._options.label}="{service}"', safe="")
        answer = self._talk.ask("GET", f"/silences?filter={wanted}")
        found = self._talk.read(answer, list[_Silence])
        with contextlib.suppress(ValueError):  # without its clock, ours
            self._theirs = parsedate_to_datetime(answer.headers.get("date", "")).astimezone(UTC)
        return [one for one in found if one.status.state != "expired"]


def _is(one: _Silence, run: str) -> bool:
    return one.createdBy == _by(run)


def _by(run: str) -> str:
    return f"lastgood/{run}"


def _written(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def make(options: Options, outside: Outside) -> Alertmanager:
    """The Alertmanager at this address."""
    return Alertmanager(options, outside)
