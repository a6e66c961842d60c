"""What `lastgood doctor` asks the Docker engine beyond what runs: its clock, and where it keeps images.

Fields: SystemInfo of the Engine API (https://docs.docker.com/reference/api/engine/), `SystemTime` in RFC 3339 with
nanoseconds and `DockerRootDir`.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from lastgood.model.command import Command, Completed
from lastgood.model.facts import Known, Unknown
from lastgood.model.observed import EngineHealth

_INFO = ("docker", "info")
_FORMAT = '{"clock":{{json .SystemTime}},"root":{{json .DockerRootDir}}}'
_LIMIT = 10.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _Info(msgspec.Struct):
    clock: str
    root: str


def questions() -> tuple[Command, ...]:
    """The one read-only command."""
    return (Command((*_INFO, "--format", _FORMAT), timeout=_LIMIT),)


def read(answers: Sequence[Completed]) -> EngineHealth:
    """Its answer as facts. An engine that does not answer leaves empty fields, which are Unknown."""
    answer = next((one for one in answers if one.command.argv[:2] == _INFO), None)
    if answer is None or not answer.ok:
        reason = Unknown(answer.why() if answer else "the engine was not asked")
        return EngineHealth(reason, reason)
    try:
        info = msgspec.json.decode(answer.stdout, type=_Info)
        clock = (datetime.fromisoformat(info.clock) - _EPOCH) if info.clock else None
    except (msgspec.MsgspecError, ValueError, TypeError) as error:
        reason = Unknown(f"docker info: the answer cannot be read: {error}")
        return EngineHealth(reason, reason)
    return EngineHealth(
        Known(round(clock.total_seconds() * 1_000_000) * 1000) if clock else Unknown("the engine tells no time"),
        Known(info.root) if info.root else Unknown("the engine does not tell where it keeps images"),
    )
