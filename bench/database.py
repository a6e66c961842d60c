"""Figure 6: a large database backed up, restored, rehearsed and taken down, against PostgreSQL's programs by hand."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from bench import phases
from bench.bigdata import BigShop, Orders, Sessions
from bench.contestants import HERE
from bench.table import Figure, Row, spread, table
from lastgood.model.event import StepStarted
from sandbox.releases import API
from sandbox.run import SandboxError, run

GOAL_BACKUP = 1.15
GOAL_SWAP = 0.2
NANO = 1e9
TARGET = (API, "prod")
_DUMP = 'docker exec "$1" pg_dump -Fc -U shop shop > "$2"; sync "$2"'
_RESTORE = 'docker exec "$1" createdb -U shop again; docker exec -i "$1" pg_restore -e -U shop -d again < "$2"'
_RESTORE_BY_TWO = (
    'docker exec "$1" createdb -U shop again; docker cp -q "$2" "$1:/tmp/again.dump"; '
    'docker exec "$1" pg_restore -e -j 2 -U shop -d again /tmp/again.dump; docker exec -u 0 "$1" rm -f /tmp/again.dump'
)
DUMP, BACKUP = "pg_dump -Fc, synced", "lastgood db backup"
ONE, TWO, RESTORE = "pg_restore", "pg_restore -j 2", "lastgood db restore"
COPY, REHEARSAL = "pg_dump, then pg_restore", "lastgood db plan"
HAND, ROLLBACK = "by hand: stop, pg_dump, down, deploy", "lastgood rollback"
DOWNTIME = "no writes by hand"
NO_WRITES, SWAP = "no writes, lastgood", "swap"
NOTES = (
    "lastgood's backup is read back, listed and hashed, and its rows are counted in the dump's own snapshot. Its",
    "restore looks at the dump, counts, keeps the former database and stops the writers for the swap; `db plan` makes",
    "a backup, restores it into a throw-away server, compares all rows, and goes down and starts the older release",
    "there. The rollback rehearses in the same way, then stops the writers, dumps, goes down, tries the older release,",
    "switches. No writes: from the stop of the bad release to the first order taken. The rollback by hand is typed",
    "without a moment's thought and rehearses nothing. Swap: longest time without a new session, one each 2 ms.",
)


@dataclass
class Found:
    """Seconds of each contestant, one for each round, in the order of their first turn."""

    size: int
    took: dict[str, list[float]] = field(default_factory=dict)
    parts: dict[str, list[float]] = field(default_factory=dict)

    def add(self, name: str, seconds: float) -> None:
        """One more turn."""
        self.took.setdefault(name, []).append(seconds)
        print(f"  {name}: {seconds:.2f} s", flush=True)

    def middle(self, name: str) -> float:
        """The median of one contestant."""
        return median(self.took[name])


def measure(shop: BigShop, rounds: int) -> Found:
    """Every contestant in every round, one after the other."""
    found = Found(shop.size())
    dump = shop.world.root / "by-hand.dump"
    for _ in range(rounds):
        found.add(DUMP, shop.shell(_DUMP, shop.container, dump))
        found.add(BACKUP, shop.lastgood("db", "backup", *TARGET))
        for name, script in ((ONE, _RESTORE), (TWO, _RESTORE_BY_TWO)):
            found.add(name, shop.shell(script, shop.container, dump))
            shop.sql("DROP DATABASE again WITH (FORCE)", "postgres")
        found.add(COPY, found.took[DUMP][-1] + found.took[ONE][-1])
        _restore(shop, found)
        shop.breaks()
        found.add(REHEARSAL, shop.lastgood("db", "plan", *TARGET))
        _by_hand(shop, found, dump)
        shop.breaks()
        _rollback(shop, found)
    return found


def _restore(shop: BigShop, found: Found) -> None:
    with Sessions(shop) as sessions:
        words = ("--yes", "--accept-loss", "shop")
        found.add(RESTORE, shop.lastgood("db", "restore", *TARGET, shop.dumps()[-1].name, *words))
    found.add(SWAP, sessions.gap())
    kept = shop.sql("SELECT datname FROM pg_database WHERE datname LIKE 'shop\\_%'", "postgres").split()
    for name in kept:
        shop.sql(f'DROP DATABASE "{name}" WITH (FORCE)', "postgres")


def _by_hand(shop: BigShop, found: Found, dump: Path) -> None:
    """The runbook: the bad release is stopped, dumped, taken down, and the good one is deployed."""
    with Orders(shop) as orders:
        begun = time.monotonic()
        shop.shell('docker stop -t 10 "$1" >/dev/null', f"{shop.world.project(API)}-api-1")
        shop.shell(_DUMP, shop.container, dump)
        shop.migrate("down", 1)
        run([HERE / "runbook.sh", shop.world.tag(API, "strict-1")], cwd=shop.world.checkout, env=shop.world.env)
        ended = time.monotonic()
        time.sleep(1)
    run(["git", "checkout", "--quiet", "--", "."], cwd=shop.world.checkout, env=shop.world.env)
    found.add(HAND, ended - begun)
    found.add(DOWNTIME, orders.first(begun) - begun)


def _rollback(shop: BigShop, found: Found) -> None:
    with Orders(shop) as orders:
        found.add(ROLLBACK, shop.lastgood("rollback", *TARGET, "--yes"))
        time.sleep(1)
    if shop.version() != "1" or shop.world.serving(API) != shop.world.tag(API, "strict-1"):
        raise SandboxError("lastgood rollback did not end on the older release with its schema")
    lines = phases.entries(Path(shop.world.env["XDG_STATE_HOME"]))
    begun = next(one.at for one in lines if isinstance(one.event, StepStarted) and one.event.step.startswith("1.stop"))
    stopped = time.monotonic() - (time.time_ns() - begun) / NANO
    found.add(NO_WRITES, orders.first(stopped) - stopped)
    for name, seconds in phases.phases(lines, lines[0].at).items():
        found.parts.setdefault(name, []).append(seconds)


def figures(found: Found) -> list[Figure]:
    """The table, and where the rollback's time goes."""
    against = {BACKUP: DUMP, TWO: ONE, RESTORE: ONE, REHEARSAL: COPY, ROLLBACK: HAND, NO_WRITES: DOWNTIME}
    rows = [Row(name, (*spread(took), _ratio(found, name, against.get(name)))) for name, took in found.took.items()]
    head = ("median", "min-max", "of by hand")
    backup, swap = found.middle(BACKUP) / found.middle(DUMP), found.middle(SWAP)
    verdicts = (
        f"goal: backup at most {GOAL_BACKUP} x: {backup:.2f} x, {_met(backup <= GOAL_BACKUP)}",
        f"goal: swap under {GOAL_SWAP * 1000:.0f} ms: {swap * 1000:.0f} ms, {_met(swap < GOAL_SWAP)}",
    )
    title = f"6 A database of {found.size / (1 << 30):.2f} GiB, seconds"
    raw = {"size": found.size, "took": found.took}
    parts = [Row(name, spread(took)) for name, took in found.parts.items()]
    return [
        Figure(title, table(head, rows), raw, (*verdicts, *NOTES)),
        Figure(
            "6 Where the time of lastgood's rollback goes after consent, seconds",
            table(("median", "min-max"), parts),
            {"parts": found.parts},
            (),
        ),
    ]


def _ratio(found: Found, name: str, against: str | None) -> str:
    return f"{found.middle(name) / found.middle(against):.2f} x" if against else ""


def _met(holds: bool) -> str:  # noqa: FBT001 - the one thing it says
    return "met" if holds else "MISSED"
