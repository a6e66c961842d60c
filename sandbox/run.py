"""Commands and HTTP requests, with failures told in one sentence."""

import http.client
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit


class SandboxError(Exception):
    """Something of the sandbox could not be set up or did not answer."""


def run(  # noqa: PLR0913 - as subprocess.run has them
    argv: Sequence[str | Path],
    *,
    check: bool = True,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    timeout: float = 300,
) -> subprocess.CompletedProcess[str]:
    """Runs a command and captures what it says; raises SandboxError when it fails and `check` holds."""
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(
            words,
            cwd=cwd,
            env=env,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError as error:
        raise SandboxError(f"cannot run {words[0]!r}: {error.strerror}; install it, or put it on PATH") from error
    except subprocess.TimeoutExpired as error:
        raise SandboxError(f"`{' '.join(words)}` did not finish within {timeout:g} s") from error
    if check and done.returncode:
        raise SandboxError(_complaint(words, done))
    return done


def _complaint(words: list[str], done: subprocess.CompletedProcess[str]) -> str:
    said = (done.stderr.strip() or done.stdout.strip()).splitlines()[-4:]
    return f"`{' '.join(words)}` failed with exit code {done.returncode}: {' / '.join(said) or 'it said nothing'}"


def docker(*args: str | Path, check: bool = True, timeout: float = 120) -> str:
    """Runs the docker client and returns what it printed, stripped."""
    return run(["docker", *args], check=check, timeout=timeout).stdout.strip()


@dataclass(frozen=True)
class Answer:
    """An HTTP answer; header names are lower-case."""

    status: int
    headers: dict[str, str]
    body: bytes


def fetch(
    method: str, url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None, timeout: float = 30
) -> Answer:
    """Makes one HTTP request; raises OSError or http.client.HTTPException when no answer comes."""
    parts = urlsplit(url)
    path = parts.path or "/"
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=timeout)
    try:
        connection.request(method, f"{path}?{parts.query}" if parts.query else path, body, dict(headers or {}))
        answer = connection.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, found, answer.read())
    finally:
        connection.close()


def status(url: str, timeout: float = 2) -> int | None:
    """Returns the status code of a GET request, or None when nobody answers."""
    try:
        return fetch("GET", url, timeout=timeout).status
    except (OSError, http.client.HTTPException):
        return None


def wait_until(holds: Callable[[], bool], what: str, within: float = 90, every: float = 0.05) -> None:
    """Waits until a condition holds; raises SandboxError naming it when it does not in time."""
    end = time.monotonic() + within
    while not holds():
        if time.monotonic() > end:
            raise SandboxError(f"{what}: not within {within:g} s")
        time.sleep(every)
