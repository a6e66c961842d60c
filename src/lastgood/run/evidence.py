"""What a run keeps as evidence besides what the bad release showed: what was rendered, and what was judged.

None of it may stand in the way of a rollback: what cannot be had is left out, and a disk that takes no more is said.
"""

from collections.abc import Callable, Sequence
from functools import partial

import msgspec

from lastgood.judge.fresh import Sight
from lastgood.model.command import Completed
from lastgood.model.event import Event, Judged, KeptFile, LogErrors, RunEnded, Said, StepDone, StepFailed
from lastgood.model.facts import Known, Unknown
from lastgood.model.gate import Failed, Passed, Sample
from lastgood.model.observed import HostView
from lastgood.model.step import FreshStep, RenderStep, VerifyStep
from lastgood.model.telemetry import Span
from lastgood.model.text import sanitise
from lastgood.observe import telemetry
from lastgood.observe.together import together
from lastgood.ports import Evidence, Keeper
from lastgood.run.doing import Doing

_NANO = 1_000_000_000
_BEFORE = 30 * 60
_PATIENCE = 2.0


class Witnessed:
    """A keeper that has what it kept written down in the journal, with hashes: later changes show."""

    def __init__(self, keeper: Keeper, tell: Callable[[Evidence], None]) -> None:
        self._keeper = keeper
        self._tell = tell

    def keep(self, files: dict[str, bytes]) -> Evidence:
        """Keep files and tell what was kept. Raises OSError."""
        found = self._keeper.keep(files)
        self._tell(found)
        return found

    def kept(self, file: KeptFile) -> bytes | None:
        """What is in a file that was kept."""
        return self._keeper.kept(file)

    def clean(self, text: str, named: str = "") -> str:
        """As the keeper does."""
        return self._keeper.clean(text, named)


def discreet(event: Event, keeper: Keeper, named: str = "") -> Event:
    """The event, its words without secrets: programs repeat them in what they say.

    Commands, names and signatures stay, for they are gone by, and so does what is `named` anyhow: a plan's own words.
    """
    clean = partial(keeper.clean, named=named)
    match event:
        case StepDone(seen=seen):
            return msgspec.structs.replace(event, seen=clean(seen))
        case StepFailed(because=because) | Judged(because=because):
            return msgspec.structs.replace(event, because=clean(because))
        case Said(text=text):
            return Said(clean(text))
        case LogErrors(found=found):
            told = ((one, clean(one.signature), clean(one.example)) for one in found)
            return msgspec.structs.replace(
                event, found=tuple(msgspec.structs.replace(one, signature=s, example=e) for one, s, e in told)
            )
        case RunEnded(because=because):
            return msgspec.structs.replace(event, because=tuple(map(clean, because)))
        case _:
            return event


def keep_rendered(step: RenderStep, doing: Doing, answers: Sequence[Completed]) -> None:
    """Keep what the engine made of the release's files."""
    found = {f"rendered-{step.id}-{at}.json": one.stdout for at, one in enumerate(answers, 1) if one.ok and one.stdout}
    keep(doing, found)


def keep_sample(step: VerifyStep, doing: Doing, decision: Passed | Failed, sample: Sample) -> None:
    """Keep what the gate saw last and how it decided, with logs and inspect of the containers that it judged.

    A `check` keeps none: nothing is changed by one, and they are many. Nor does a look between two hosts that passed,
    for the next host is waiting.
    """
    if doing.run.plan.action == "check" or (isinstance(decision, Passed) and not step.probed):
        return
    told = msgspec.json.format(msgspec.json.encode({"decision": decision, "sample": sample}), indent=2)
    wanted = [
        (_placed(name, host, sample), msgspec.structs.replace(command, host=host))
        for host, containers in sample.containers.items()
        if isinstance(containers, Known)
        for name, command in doing.tools.engine.evidence(doing.target, HostView(containers, Unknown("not asked")))
    ]
    # Of what passed, the step that watches it keeps the whole course.
    outside = from_outside(step.id, doing) if isinstance(decision, Failed) else dict
    answers = together([partial(doing.tools.process.run, command) for _, command in wanted])
    found = {name: a.stdout + a.stderr for (name, _), a in zip(wanted, answers, strict=True) if a.ok}
    keep(doing, {f"gate-{step.id}.json": told, **found, **outside()})


def from_outside(step: str, doing: Doing) -> Callable[[], dict[str, bytes]]:
    """Ask what watches the service from outside, beginning now; what is handed back gives the files, 2 s on at most.

    It is about half an hour before the run until now. A `check` asks nobody, as it keeps nothing.
    """
    if doing.tools.telemetry is None or doing.run.plan.action == "check":
        return dict
    span = Span(doing.run.started // _NANO - _BEFORE, doing.tools.clock.now() // _NANO)
    try:
        asking = telemetry.Asking(doing.tools, span, _PATIENCE)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with it, a rollback goes on
        doing.tell(f"telemetry cannot be asked: {type(error).__name__}: {sanitise(str(error))}")
        return dict
    return lambda: telemetry.files(step, span, asking.answers())


def keep_sights(step: FreshStep, doing: Doing, sights: Sequence[Sight]) -> None:
    """Keep what the CDN gave, and what was there round it."""
    keep(doing, {f"cdn-{step.id}.json": msgspec.json.format(msgspec.json.encode(sights), indent=2)})


def _placed(name: str, host: str, sample: Sample) -> str:
    """A file's name, with the host in it where there are several."""
    if len(sample.containers) == 1:
        return name
    stem, _, ending = name.rpartition(".")
    return f"{stem}-{host}.{ending}"


def keep(doing: Doing, files: dict[str, bytes]) -> None:
    """Keep files by name; that they cannot be kept is said."""
    if not files:
        return
    try:
        doing.keeper.keep(files)
    except OSError as error:
        doing.tell(f"evidence cannot be kept: {sanitise(error.strerror or str(error))}")
