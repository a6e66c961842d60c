"""A real PostgreSQL server in a container, a database for each test, and words to speak to them."""

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from lastgood.effects.files import LocalFiles
from lastgood.effects.process import LocalProcess
from lastgood.effects.secrets import LocalSecrets
from lastgood.model.database import Backup, Failed, Ran, Reach
from lastgood.model.facts import Fact, Known
from lastgood.postgres import backup
from lastgood.postgres.client import Client
from sandbox import images

T = TypeVar("T")

LABEL = "lastgood-test-postgres"
FILES = LocalFiles()
PASSWORD = "h'ush hush"  # noqa: S105 - of a server that nobody can reach


def docker(*argv: str, check: bool = True, stdin: str = "") -> str:
    done = subprocess.run(("docker", *argv), input=stdin, capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, done.stderr
    return done.stdout.strip()


@dataclass(frozen=True)
class Server:
    """A container; `small` is a folder of this machine with 6 MiB of room, `folder` one that both see."""

    container: str
    folder: Path
    small: Path

    def client(self, name: str, mark: str = "", process: LocalProcess | None = None, **reach: str) -> Client:
        process = process or LocalProcess(patience=0.3)
        secrets = LocalSecrets(process, {"DB_PASSWORD": PASSWORD})
        return Client(process, secrets, Reach(name, container=self.container, user="shop", **reach), mark=mark)

    def sql(self, database: str, text: str) -> str:
        command = ("exec", "-i", self.container, "psql", "-X", "-q", "-At", "-v", "ON_ERROR_STOP=1", "-U", "shop")
        return docker(*command, database, stdin=text)

    def sessions(self, application: str) -> int:
        question = f"SELECT count(*) FROM pg_stat_activity WHERE application_name = '{application}'"  # noqa: S608
        return int(self.sql("postgres", question))

    @contextmanager
    def connected(self, database: str, text: str) -> Iterator[subprocess.Popen[str]]:
        """A client that runs `text` and stays connected, until it is sent away."""
        argv = ("docker", "exec", "-i", self.container, "psql", "-X", "-q", "-At", "-U", "shop", database)
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        with subprocess.Popen(argv, text=True, **pipes) as process:  # type: ignore[call-overload]
            process.stdin.write(f"{text}\n\\echo there\n")
            process.stdin.flush()
            while process.stdout.readline().strip() != "there":
                assert process.poll() is None
            yield process
            process.kill()


def start(folder: Path, small: Path) -> Server:
    """`folder` is seen by the server under the same path.

    Nobody works there but the test: what autovacuum commits in between cannot be told from what others do.
    """
    container = docker(
        *("run", "--detach", "--network", "none", "--label", f"{LABEL}=1", "--volume", f"{folder}:{folder}"),
        *("--tmpfs", "/tiny:size=1m,mode=1777", images.DATABASE.image, "-c", "autovacuum=off"),
    )
    server = Server(container, folder, small)
    docker("exec", container, "sh", "-c", "until pg_isready -q; do sleep 0.05; done")
    hba = 'f=$PGDATA/pg_hba.conf; h=$(cat "$f"); { echo "host all careful all scram-sha-256"; echo "$h"; } > "$f"'
    docker("exec", container, "sh", "-c", hba)
    quoted = PASSWORD.replace("'", "''")
    server.sql("postgres", f"CREATE ROLE careful SUPERUSER LOGIN PASSWORD '{quoted}'; SELECT pg_reload_conf()")
    return server


def known(fact: Fact[T]) -> T:
    assert isinstance(fact, Known), fact
    return fact.value


def ran(outcome: Ran | Failed) -> str:
    assert isinstance(outcome, Ran), outcome
    return outcome.output.strip()


def failed(outcome: object) -> Failed:
    assert isinstance(outcome, Failed), outcome
    return outcome


def until(holds: Callable[[], bool], seconds: float = 60.0) -> bool:
    """Whether it holds within `seconds`."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def saved(client: Client, folder: Path, stamp: str = "20261128T100000Z", **fields: object) -> Backup:
    wanted = backup.Wanted(str(folder), 1_800_000_000, "a test", **fields)  # type: ignore[arg-type]
    made = backup.backup(client, FILES, wanted, stamp)
    assert isinstance(made, Backup), made
    return made


@contextmanager
def meanwhile(work: Callable[[], None]) -> Iterator[threading.Event]:
    """Do `work` again and again in a thread, until the end of the block."""
    stop, begun = threading.Event(), threading.Event()

    def again() -> None:
        while not stop.is_set():
            work()
            begun.set()

    thread = threading.Thread(target=again)
    thread.start()
    begun.wait(60)
    try:
        yield begun
    finally:
        stop.set()
        thread.join()
