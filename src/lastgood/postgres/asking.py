"""Questions and scripts by psql, and what the server said when it did not like one."""

import re
import secrets
from typing import Final, TypeVar

import msgspec

from lastgood.model.command import Completed
from lastgood.model.database import Failed, Ran
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.text import sanitise
from lastgood.postgres.client import Client
from lastgood.postgres.quoting import ident

T = TypeVar("T")

PSQL: Final = ("psql", "-X", "-q", "-A", "-t", "-w", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=verbose", "-f", "-")
UTF8: Final = (("PGCLIENTENCODING", "UTF8"),)

# Psql reads a backslash outside of texts as a command of its own, of which some run programs. From the versions of
# August 2025 on it can be told not to (CVE-2025-8714): by major version, the first minor one.
_RESTRICTS: Final = {13: 22, 14: 19, 15: 14, 16: 10, 17: 6}
_VERSION: Final = re.compile(r"\) (\d+)(?:\.(\d+))?")
_ERROR: Final = re.compile(
    r"psql:<stdin>:(?P<line>\d+): (?P<severity>[^:\n]+):  (?P<state>[0-9A-Z]{5}): (?P<message>.*?)"
    r"(?=\n[A-Z]+(?: [A-Z]+| \d+)?:  ?|\npsql:|\Z)",
    re.DOTALL,
)
_MORE: Final = re.compile(r"^(DETAIL|HINT):  (.*)$", re.MULTILINE)
# Classes after which nobody knows what became of a commit: connection lost, server going down, crash.
_IN_DOUBT: Final = ("08", "57P", "XX", "40003")


def ask(client: Client, sql: str, type_: type[T], *, timeout: float = 30.0) -> Fact[T]:
    """The answer to a read-only SELECT of one row and one column, JSON, as `type_`. Unknown says why there is none."""
    said = told(client, sql, timeout=timeout)
    if isinstance(said, Unknown):
        return said
    try:
        return Known(msgspec.json.decode(said.value, type=type_, strict=False))
    except msgspec.MsgspecError as error:
        return Unknown(f"psql: the answer cannot be read: {error}")


def told(client: Client, sql: str, *, timeout: float = 30.0) -> Fact[str]:
    """What a read-only SELECT answers, as psql prints it, without the last line end."""
    ran = script(client, sql, timeout=timeout, before="SET default_transaction_read_only = on;\n")
    return Unknown(ran.reason) if isinstance(ran, Failed) else Known(ran.output.removesuffix("\n"))


def execute(  # noqa: PLR0913 - each limit has a name of its own
    client: Client,
    sql: str,
    *,
    lock_timeout: float = 0.0,
    statement_timeout: float = 0.0,
    transaction: bool = True,
    timeout: float = 600.0,
    schema: str = "",
    lasting: bool = False,
) -> Ran | Failed:
    """Run a script, in one transaction unless told otherwise; it must not hold BEGIN or COMMIT of its own then.

    The limits are in seconds, 0 is none: for each lock, each statement, and all of it. `schema` is put first on the
    search path. Psql's own commands are not obeyed, where it is new enough to be told so. A lock not had in time is
    `Failed` with `locked`; nothing of a transaction that failed remains. `lasting` as for `script`.
    """
    limits = {"lock_timeout": lock_timeout, "statement_timeout": statement_timeout}
    before = "".join(f"SET {name} = {round(seconds * 1000)};\n" for name, seconds in limits.items() if seconds)
    before += f"SET search_path = {ident(schema)}, public;\n" if schema else ""
    if restricts(client):
        before += f"\\restrict {secrets.token_hex(8)}\n"  # nobody knows the key that would lift it
    return script(client, sql, timeout=timeout, before=before, transaction=transaction, lasting=lasting)


def script(  # noqa: PLR0913 - each is a choice of its own
    client: Client,
    sql: str,
    *,
    timeout: float,
    before: str = "",
    transaction: bool = False,
    lasting: bool = False,
) -> Ran | Failed:
    """Run a script after the statements `before`, which are not counted as lines of it.

    One that changes production is `lasting`: the client's `on_start` hears of it before it begins, and where the way
    to its host is lost it is waited for, or ended, rather than left to run when nobody reckons with it any more.
    """
    # The last statement may lack its semicolon: COMMIT must not become a part of it.
    begin, commit = ("BEGIN;\n", "\n;\nCOMMIT;\n") if transaction else ("", "\n;\n")
    # The dialect that the migrators' SQL is for, whatever the database's own settings are.
    before = "SET standard_conforming_strings = on;\nSET client_min_messages = warning;\n" + before
    head = before + begin
    try:
        stdin = (head + sql + commit).encode()
        command = client.command(*PSQL, stdin=stdin, timeout=timeout, env=UTF8)
    except (OSError, ValueError) as error:
        return Failed(_why(error))
    done = client.run(command, lasting=lasting)
    if done.ok:
        return Ran(done.text, done.elapsed)
    return failure(done, lines_before=head.count("\n"))


def restricts(client: Client) -> bool:
    """Whether the psql that would be used knows how to leave backslashes alone; each client is told once."""
    if client.restricts is None:
        client.restricts = _says_so(client)
    return bool(client.restricts)


def _says_so(client: Client) -> bool | None:
    try:
        done = client.run(client.command("psql", "--version"))
    except (OSError, ValueError):
        return None  # the script fails for the same reason, and says it
    found = _VERSION.search(done.text)
    if not done.ok or not found:
        return None
    major, minor = int(found[1]), int(found[2] or 0)
    return minor >= _RESTRICTS.get(major, 0) if major >= min(_RESTRICTS) else False


def failure(done: Completed, *, lines_before: int = 0) -> Failed:
    """Why a program of PostgreSQL's did not work, with the server's own code where psql printed it."""
    said = done.stderr.decode(errors="replace")
    found = _ERROR.search(said)
    if found is None:
        return Failed(_last_words(done, said), in_doubt=_may_have_begun(done))
    more = dict(_MORE.findall(said[found.end() :]))
    lost = "connection to server was lost" in said or found["state"].startswith(_IN_DOUBT)
    return Failed(
        sanitise(found["message"]),
        found["state"],
        max(0, int(found["line"]) - lines_before),
        sanitise(more.get("DETAIL", "")),
        sanitise(more.get("HINT", "")),
        in_doubt=done.status is None or lost,
    )


def _last_words(done: Completed, said: str) -> str:
    """The program's own words. The tools put a hint or a query below what matters, so `error:` is looked for first."""
    lines = [line for line in said.strip().splitlines() if line.strip()]
    errors = [line for line in lines if "error:" in line]
    if done.failure or not lines:
        return sanitise(done.why())
    return sanitise((errors or lines)[-1].strip())


def _may_have_begun(done: Completed) -> bool:
    """Where there was no connection, or it was lost, the exit status is the same: the words tell which."""
    said = done.stderr
    return done.status is None or (b"connection to server" in said and b"lost" in said)


def _why(error: OSError | ValueError) -> str:
    return sanitise(getattr(error, "strerror", None) or str(error))
