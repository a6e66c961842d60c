"""Events to bytes and back. What another version wrote is read whole or not at all."""

import msgspec

from lastgood.model.chain import Line
from lastgood.model.errors import Refused
from lastgood.model.event import Entry, Event, Judged, LogErrors, RunStarted

_DECODER: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


def encode(event: Event) -> bytes:
    """The event as JSON."""
    return msgspec.json.encode(event)


def kind_of(event: Event) -> str:
    """The event's tag, for example `step-done`."""
    return str(type(event).__struct_config__.tag)


def target_of(event: Event) -> str:
    """The `service/env` that an event alone speaks of; empty where only its run knows."""
    if isinstance(event, RunStarted):
        return event.plan.target
    return event.target if isinstance(event, Judged | LogErrors) else ""


def line(found: Entry) -> Line:
    """The entry as this version stores it, not chained yet."""
    return Line(found.run, found.seq, found.at, kind_of(found.event), encode(found.event))


def read(found: Line) -> Entry:
    """What a stored line says. Raises Refused as `entry` does."""
    return entry(found.run, found.seq, found.at, found.kind, found.event)


def entry(run: str, seq: int, at: int, kind: str, content: bytes) -> Entry:
    """One line of the journal. Raises Refused, naming kind or field, where it holds what this version cannot read."""
    try:
        event = _DECODER.decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _unreadable(run, seq, kind, str(error)) from error
    if msgspec.json.encode(event) != content:
        # A decoder drops fields that it does not know. A field of a newer version may change what the rest means.
        stranger = _stranger(msgspec.json.decode(content), msgspec.to_builtins(event), "$")
        if stranger:
            raise _unreadable(run, seq, kind, f"unknown field `{stranger}`")
    return Entry(run, seq, at, event)


def _stranger(raw: object, known: object, path: str) -> str:
    """Path of the first key in `raw` that is not in `known`; empty where there is none."""
    inside: list[tuple[object, object, str]] = []
    if isinstance(raw, dict) and isinstance(known, dict):
        missing = next((key for key in raw if key not in known), None)
        if missing is not None:
            return f"{path}.{missing}"
        inside = [(value, known[key], f"{path}.{key}") for key, value in raw.items()]
    elif isinstance(raw, list) and isinstance(known, list | tuple):
        inside = [(*pair, f"{path}[{at}]") for at, pair in enumerate(zip(raw, known, strict=True))]
    return next((found for each in inside if (found := _stranger(*each))), "")


def _unreadable(run: str, seq: int, kind: str, why: str) -> Refused:
    return Refused(
        f"The journal holds something that this lastgood cannot read: line {seq} of run {run}, a {kind!r} event.",
        because=(why,),
        next=("use the lastgood that wrote it (most likely a newer one), or upgrade this one",),
    )
