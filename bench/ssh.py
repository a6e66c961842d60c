"""Figure 5: the whole rollback over SSH on one server and on several, against Kamal and Swarm, and what each proves."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from math import inf, isfinite
from pathlib import Path
from statistics import median

from bench import phases
from bench.inside import Observer
from bench.peers import Kamal, Lastgood, Peer, Swarm
from bench.table import Figure, Row, spread, table
from sandbox.fleet import FleetWorld
from sandbox.fleet_setting import HOME_GO
from sandbox.run import SandboxError, run

EARLIER = "good-1"
GOOD = "good-2"
BAD = "http-500"
NEVER = "http-500-b"
NANO = 1e9
WINDOW = 2.0
NOTES = (
    f"Gates: lastgood's as configured (3 passes, stable window {WINDOW:g} s); Swarm's monitor, 5 s by default, all",
    "servers at once; Kamal waits for the first `healthy`. Kamal's own zero-downtime path needs the image of its",
    "proxy, which cannot be had here: not measured. First 200: the good version answers on every server, asked at the",
    "containers' own addresses. lastgood hands a published port over; the peers publish none and run old and new side",
    "by side. Less verify: the command without the step that watches the gate.",
)


@dataclass(frozen=True)
class Turn:
    """One rollback. Seconds from the command's start; `logins` for each server."""

    exit: int
    whole: float
    serving: float
    """Until the good version answered on every server; infinite where it did not."""
    logins: tuple[int, ...]
    after: tuple[str, ...]
    """What answered on each server right when the command ended."""
    said: str
    parts: dict[str, float] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        """Whether it did what was asked; on a machine that is much too busy, containers do not get healthy in time."""
        return self.exit == 0 and isfinite(self.serving)


def peers(world: FleetWorld) -> list[Peer]:
    """The contestants, ready, each with a good release running."""
    found = [Lastgood(world, "compose"), Lastgood(world, "script"), Kamal(world), Swarm(world)]
    for peer in found:
        peer.prepare(EARLIER)
        peer.release(GOOD)
    return found


@contextmanager
def joined(world: FleetWorld) -> Iterator[None]:
    """Lets the servers reach each other, as a swarm's must: this machine's engine drops what bridges forward."""
    bridge = (world.root / "hosts/bridge").read_text().strip()
    rule = ("DOCKER-USER", "-i", bridge, "-o", bridge, "-j", "ACCEPT")
    run(["iptables", "-w", "-I", *rule])
    try:
        yield
    finally:
        run(["iptables", "-w", "-D", *rule], check=False)


def measure(found: Sequence[Peer], rounds: int) -> dict[str, list[Turn]]:
    """Every contestant in every round, one after the other, each with the bad release running."""
    turns: dict[str, list[Turn]] = {peer.name: [] for peer in found}
    for number in range(rounds):
        for peer in found:
            peer.release(BAD)
            turn = one(peer, "500")
            turns[peer.name].append(turn)
            told = f"{turn.serving:.2f} s, {turn.whole:.2f} s" if turn.good else f"FAILED with {turn.exit}"
            print(f"  round {number + 1}: {peer.name}: {told}", flush=True)
    return turns


def one(peer: Peer, before: str, *, to: str = GOOD) -> Turn:
    """One rollback, begun while `before` answers everywhere."""
    world, good = peer.world, peer.world.tag(HOME_GO, GOOD)
    with ExitStack() as stack:
        eyes = [stack.enter_context(Observer(host, peer.labels)) for host in world.hosts]
        if not all(eye.wait((before,)) for eye in eyes):
            raise SandboxError(f"{peer.name}: not {before} everywhere, but {[eye.now for eye in eyes]}")
        logins = [host.logins() for host in world.hosts]
        for eye in eyes:
            eye.first.clear()
        begun = time.time_ns()
        done = peer.rollback(to)
        ended = time.time_ns()
        after = tuple("+".join(eye.now) or "-" for eye in eyes)
        used = tuple(host.logins() - old for host, old in zip(world.hosts, logins, strict=True))
        first = [eye.first.get(good, 0) if eye.wait((good,), 0.5) else 0 for eye in eyes]
    serving = (max(first) - begun) / NANO if all(first) else inf
    said = done.stdout + done.stderr
    return Turn(done.returncode, (ended - begun) / NANO, serving, used, after, said, _parts(peer, begun, ended))


def _parts(peer: Peer, begun: int, ended: int) -> dict[str, float]:
    """Where lastgood's time went, of its journal: start to first line, steps, last line to end."""
    if not isinstance(peer, Lastgood):
        return {}
    lines = phases.entries(Path(peer.laptop.env["XDG_STATE_HOME"]))
    if not lines or lines[0].at < begun:
        return {}
    found = {"start, observe, plan, lease": (lines[0].at - begun) / NANO}
    found |= {name: took for name, took in phases.phases(lines, lines[0].at).items() if name != phases.LEASE}
    return found | {"after the last line": (ended - lines[-1].at) / NANO}


def figures(count: int, turns: dict[str, list[Turn]]) -> list[Figure]:
    """The comparison, and where lastgood's time goes."""
    did = {name: [turn for turn in mine if turn.good] for name, mine in turns.items()}
    base = next(iter(did.values()))
    if not base:
        raise SandboxError(f"lastgood did not roll back: {next(iter(turns.values()))[0].said[-2000:]}")
    whole, serving = (median(getattr(turn, what) for turn in base) for what in ("whole", "serving"))
    rows = [Row(name, (*_cells(mine, whole, serving), f"{len(turns[name]) - len(mine)}")) for name, mine in did.items()]
    times = ("first 200", "min-max", "ratio", "command ends", "min-max", "ratio", "less verify")
    head = (*times, "logins per server", "failed")
    where = f"{count} server{'s' if count > 1 else ''}"
    title = f"5 The whole rollback over SSH, {where}, seconds from the command's start; ratio to lastgood with compose"
    raw = {name: [vars(turn) for turn in mine] for name, mine in turns.items()}
    parts = {name: [turn.parts for turn in mine] for name, mine in did.items() if mine and mine[0].parts}
    return [Figure(title, table(head, rows), {"turns": raw}, NOTES), _where(where, parts)]


def _cells(mine: Sequence[Turn], whole: float, serving: float) -> tuple[str, ...]:
    if not mine:
        return ("-",) * 8
    first, ends = [turn.serving for turn in mine], [turn.whole for turn in mine]
    rest = [turn.whole - turn.parts["verify"] for turn in mine if turn.parts]
    logins = " ".join(_range([turn.logins[at] for turn in mine]) for at in range(len(mine[0].logins)))
    ratios = (f"{median(first) / serving:.2f} x", f"{median(ends) / whole:.2f} x")
    less = f"{median(rest):.2f}" if rest else "-"
    return (*spread(first), ratios[0], *spread(ends), ratios[1], less, logins)


def _range(counts: Sequence[int]) -> str:
    return f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)}-{max(counts)}"


def _where(where: str, parts: dict[str, list[dict[str, float]]]) -> Figure:
    names = list(dict.fromkeys(name for turns in parts.values() for turn in turns for name in turn))
    rows = [
        Row(name, tuple(cell for turns in parts.values() for cell in spread([turn.get(name, 0.0) for turn in turns])))
        for name in names
    ]
    head = tuple(word for name in parts for word in (name, "min-max"))
    note = ("steps of one kind are added up over servers, and overlap",)
    return Figure(f"5 Where lastgood's time goes, {where}, seconds", table(head, rows), {"parts": parts}, note)


@dataclass(frozen=True)
class Trouble:
    """Something that goes wrong, and what a peer made of it."""

    name: str
    cause: Callable[[Peer], None]
    to: str
    before: str


def _ordinary(peer: Peer) -> None:
    peer.release(BAD)


def _again(peer: Peer) -> None:
    """Nothing happens: the last rollback is asked for a second time."""


def _pruned(peer: Peer) -> None:
    peer.release(GOOD)  # the trouble before may have left something else
    peer.release(BAD)
    peer.forget(GOOD, len(peer.world.hosts) - 1)


def _unhealthy(peer: Peer) -> None:
    peer.release(GOOD)
    peer.leave_behind(NEVER)
    peer.release(BAD)


TROUBLES = (
    Trouble("ordinary", _ordinary, GOOD, "500"),
    Trouble("asked for a second time", _again, GOOD, ""),
    Trouble("stopped containers and the image pruned on the last server", _pruned, GOOD, "500"),
    Trouble("the release before never becomes healthy", _unhealthy, NEVER, "500"),
)


def facts(found: Sequence[Peer]) -> Iterator[Figure]:
    """What each ends with, in each trouble: its exit code, and what answers on each server when it has ended."""
    raw: dict[str, dict[str, object]] = {}
    proofs: dict[str, tuple[bool, ...]] = {}
    for trouble in TROUBLES:
        for peer in found:
            try:
                trouble.cause(peer)
                turn = one(peer, trouble.before or peer.world.tag(HOME_GO, GOOD), to=trouble.to)
            except SandboxError as error:  # on a machine that is much too busy
                print(f"  {trouble.name}: {peer.name}: {error}", flush=True)
                continue
            raw.setdefault(trouble.name, {})[peer.name] = vars(turn) | {"said": turn.said[-600:]}
            if trouble.cause is _ordinary:
                proofs[peer.name] = (
                    turn.exit == 0,
                    set(turn.after) == {peer.world.tag(HOME_GO, GOOD)},
                    *peer.recorded(),
                )
            print(f"  {trouble.name}: {peer.name}: exit {turn.exit}, then {turn.after}", flush=True)
    yield _troubles(found, raw)
    names = ("exit 0", "only the good one answers, on every server", "git says what runs", "a record on every server")
    rows = [Row(name, tuple(_yes(proofs.get(p.name), at) for p in found)) for at, name in enumerate(names)]
    title = "5 After an ordinary rollback, checked by the benchmark when the command has ended"
    yield Figure(title, table([peer.name for peer in found], rows), {"proofs": proofs}, ())


def _troubles(found: Sequence[Peer], raw: dict[str, dict[str, object]]) -> Figure:
    world = found[0].world
    names = {world.tag(HOME_GO, name): "good" for name in (GOOD, EARLIER)}
    rows = [Row(name, tuple(_told(turns.get(peer.name), names) for peer in found)) for name, turns in raw.items()]
    note = "exit code; what answers on every server then; seconds. FALSE: exit 0 while not only a good one answers."
    title = f"5 What is reported and what serves, {len(world.hosts)} servers"
    return Figure(title, table([peer.name for peer in found], rows), {"troubles": raw}, (note,))


def _yes(proof: tuple[bool, ...] | None, at: int) -> str:
    return "not tried" if proof is None else "yes" if proof[at] else "no"


def _told(turn: object, names: dict[str, str]) -> str:
    if not isinstance(turn, dict):
        return "not tried"
    after = ["+".join(names.get(one, one) for one in there.split("+")) for there in turn["after"]]
    shown = after[0] if len(set(after)) == 1 else " ".join(after)
    false = " FALSE" if turn["exit"] == 0 and set(after) != {"good"} else ""
    return f"{turn['exit']}; {shown}; {turn['whole']:.0f} s{false}"
