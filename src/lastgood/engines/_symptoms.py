"""Why containers fail, asked of Docker: the end of each log, and what the engine notes of the last start and exit.

Formats as in `_docker`. `docker logs` writes the container's two streams to its own two; a program in the middle
keeps the end, so that an endless log costs no more than what is read of it.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from lastgood.model.command import Command, Completed, Secret
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.observed import Container
from lastgood.model.situation import Symptom

_LIMIT: Final = 10.0
_LINES: Final = "1000"
_FAILED: Final = "lastgood-docker-logs-failed"
_TAIL: Final = '{ docker logs --timestamps --tail "$2" -- "$1" 2>&1 || printf "\\n%s\\n" "$4"; } | tail -c "$3"'
_INSPECT: Final = ("docker", "container", "inspect", "--format")
_FORMAT: Final = (
    '{"name":{{json .Name}},"error":{{json .State.Error}},"oom":{{json .State.OOMKilled}},'
    '"created":{{json .Created}},"env":{{json .Config.Env}}}'
)


class _Row(msgspec.Struct):
    name: str
    error: str
    oom: bool
    created: str
    env: list[str] | None


def questions(containers: Sequence[Container], cap: int) -> tuple[Command, ...]:
    """The end of each log, `cap` bytes of it, and one look at all containers. The environment tells what to mask."""
    if not containers:
        return ()
    names = tuple(one.name for one in containers)
    logs = (("sh", "-c", _TAIL, "logs", name, _LINES, str(cap), _FAILED) for name in names)
    look = Command((*_INSPECT, _FORMAT, "--", *names), timeout=_LIMIT)
    return (look, *(Command(argv, timeout=_LIMIT) for argv in logs))


def read(answers: Sequence[Completed]) -> Fact[tuple[Symptom, ...]]:
    """The answers as facts; a log that cannot be read is Unknown, and hides nothing else."""
    look = next((answer for answer in answers if answer.command.argv[: len(_INSPECT)] == _INSPECT), None)
    if look is None:
        return Known(())
    try:
        rows = [msgspec.json.decode(line, type=_Row) for line in look.stdout.splitlines()] if look.ok else []
    except msgspec.DecodeError as error:
        return Unknown(f"docker container inspect: the answer cannot be read: {error}")
    if not rows:
        return Unknown(look.why())
    logs = {answer.command.argv[4]: _log(answer) for answer in answers if answer.command.argv[:1] == ("sh",)}
    return Known(tuple(_symptom(row, logs) for row in rows))


def _symptom(row: _Row, logs: dict[str, Fact[bytes]]) -> Symptom:
    name = row.name.removeprefix("/")
    pairs = (entry.partition("=") for entry in row.env or ())
    variables = tuple((key, Secret(value)) for key, _, value in pairs)
    return Symptom(name, row.error, row.oom, _seconds(row.created), logs.get(name, Unknown("not asked")), variables)


def _log(answer: Completed) -> Fact[bytes]:
    if not answer.ok:
        return Unknown(answer.why())
    text = answer.stdout.rstrip()
    if not text.endswith(_FAILED.encode()):
        return Known(answer.stdout)
    said = text.removesuffix(_FAILED.encode()).strip().rpartition(b"\n")[2].decode(errors="replace")
    return Unknown(f"docker logs: {said or 'it failed'}")


def _seconds(text: str) -> int:
    try:
        return int(datetime.fromisoformat(text).timestamp())
    except ValueError:
        return 0
