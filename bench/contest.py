"""Figures 1 and 2: how long until the last good release serves, and what customers notice meanwhile."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from bench.contestants import BAD, COMPOSE, CONTESTANTS, FLOOR, GOOD, LASTGOOD, Turn
from bench.prober import OK, Answer, Prober
from bench.table import Figure, Row, spread, table
from sandbox.releases import API
from sandbox.run import wait_until
from sandbox.world import HEALTH, World

NANO = 1e9
GOAL = 1.25
ERROR = 500
AFTERWARDS = 1.5
BEFOREHAND = 0.4


@dataclass(frozen=True)
class Result:
    """One turn of one contestant. Times in seconds, requests as counts."""

    name: str
    turn: Turn
    serving: float
    """From consent to the first 200 of the right version."""
    whole: float
    """The same from the start of the process."""
    known: float
    """From consent until the contestant said that it is done."""
    unanswered: int
    wrong: int
    bad: int


def measure(world: World, rounds: int) -> list[Result]:
    """Every contestant in every round, one after the other; each begins with the bad release running."""
    found = []
    for number in range(rounds):
        for name in CONTESTANTS:
            _break(world)
            found.append(_turn(world, name))
            print(f"  round {number + 1}: {name}: {found[-1].serving:.2f} s", flush=True)
    return found


def _break(world: World) -> None:
    """Puts the bad release into production again, the way it got there: shipped after a good one."""
    world.ship(API, GOOD)
    world.ship(API, BAD)
    wait_until(lambda: world.answer(API)[0] == ERROR, "the bad release answers 500")


def _turn(world: World, name: str) -> Result:
    right = world.tag(API, GOOD)
    with Prober(world.url + HEALTH[API]) as prober:
        time.sleep(BEFOREHAND)
        turn = CONTESTANTS[name](world)
        served = turn.served or prober.wait(right, turn.consent)
        time.sleep(AFTERWARDS)
    during = [one for one in prober.answers if one.due >= turn.consent]
    return Result(
        name,
        turn,
        serving=(served - turn.consent) / NANO,
        whole=(served - turn.begun) / NANO,
        known=(turn.ended - turn.consent) / NANO,
        unanswered=sum(one.unanswered for one in during),
        wrong=_wrong(during, right, served),
        bad=sum(one.status == ERROR for one in during),
    )


def _wrong(during: Sequence[Answer], right: str, served: int) -> int:
    """Answers to requests made after the first right one that came from another version, or failed in the app."""
    later = [one for one in during if one.due > served and not one.unanswered]
    return sum(one.status != OK or one.version != right for one in later)


def figures(results: Sequence[Result]) -> list[Figure]:
    """Tables of both figures."""
    return [_serving(results), _parts(results), _requests(results)]


def _of(results: Sequence[Result], name: str) -> list[Result]:
    return [one for one in results if one.name == name]


def _serving(results: Sequence[Result]) -> Figure:
    bare = median(one.serving for one in _of(results, COMPOSE))
    rows = []
    for name in CONTESTANTS:
        mine = _of(results, name)
        took = [one.serving for one in mine]
        share = f"{median(took) / bare:.2f} x"
        rows.append(Row(name, (*spread(took), share, _median(mine, "whole"), _median(mine, "known"))))
    ratio = median(one.serving for one in _of(results, LASTGOOD)) / bare
    verdict = f"goal: lastgood at most {GOAL} x (b): {ratio:.2f} x, {'met' if ratio <= GOAL else 'MISSED'}"
    head = ("median", "min-max", "of (b)", "from process start", "says it is done")
    return Figure(
        "1 Decision to last good serving, seconds from consent to the first right 200",
        table(head, rows),
        {"goal": GOAL, "ratio": ratio, "met": ratio <= GOAL, "serving": _raw(results, "serving")}
        | {"whole": _raw(results, "whole"), "known": _raw(results, "known")},
        (verdict, "by hand, reading and typing come on top: (a) is a script"),
    )


def _median(results: Sequence[Result], what: str) -> str:
    return f"{median(getattr(one, what) for one in results):.2f}"


def _raw(results: Sequence[Result], what: str) -> dict[str, list[float]]:
    return {name: [getattr(one, what) for one in _of(results, name)] for name in CONTESTANTS}


def _parts(results: Sequence[Result]) -> Figure:
    mine = _of(results, LASTGOOD)
    names = dict.fromkeys(name for one in mine for name in one.turn.parts)
    parts = {name: [one.turn.parts.get(name, 0.0) for one in mine] for name in names}
    parts["of that, consent to first right 200"] = [one.serving for one in mine]
    parts = {"start, observe, plan (before consent)": [one.whole - one.serving for one in mine]} | parts
    rows = [Row(name, spread(took)) for name, took in parts.items()]
    return Figure("1 Where lastgood's time goes, seconds", table(("median", "min-max"), rows), {"parts": parts}, ())


def _requests(results: Sequence[Result]) -> Figure:
    rows, raw = [], {}
    for name in CONTESTANTS:
        if name == FLOOR:
            continue
        mine = _of(results, name)
        counts = {what: [getattr(one, what) for one in mine] for what in ("unanswered", "wrong", "bad")}
        raw[name] = counts
        rows.append(Row(name, tuple(_counted(counts[what]) for what in ("unanswered", "wrong", "bad"))))
    head = ("lost", "wrong after the first right one", "500s of the bad release")
    note = (
        "lost: no answer within 2 s, or the proxy's 502/503/504 in its place; new connections, consent to 1.5 s after"
    )
    return Figure("2 Requests at 50 a second during the switch, median (min-max)", table(head, rows), raw, (note,))


def _counted(counts: Sequence[int]) -> str:
    return f"{median(counts):.0f} ({min(counts)}-{max(counts)})"
