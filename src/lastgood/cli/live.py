"""Progress on stderr while a run goes on: a line that moves on a terminal, plain lines with times elsewhere.

Telling never stops a rollback: `out.put` lets a terminal go away.
"""

import shutil
import threading
import time
import unicodedata
from datetime import UTC, datetime
from typing import Protocol, Self

import click

from lastgood.cli import out
from lastgood.cli.text_plan import sentence
from lastgood.model.event import (
    Acked,
    ChildStarted,
    Entry,
    Judged,
    Kept,
    LogErrors,
    Resumed,
    RunEnded,
    RunStarted,
    Said,
    StepDone,
    StepFailed,
    StepStarted,
    Ticked,
)
from lastgood.model.plan import AnyPlan
from lastgood.model.step import AwaitStep, FreshStep, Step, VerifyStep, WatchStep
from lastgood.model.text import sanitise

_TICK = 0.1
_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


class Screen(Protocol):
    """Where progress is shown: lines that stay, and what is being done or waited for at the moment."""

    def line(self, word: str, text: str) -> None:
        """Show something that happened."""
        ...

    def busy(self, word: str, text: str) -> None:
        """Show what is being done."""
        ...

    def output(self, word: str, text: str) -> None:
        """Show a line that a program on the host wrote."""
        ...

    def close(self) -> None:
        """Leave the screen as it is."""
        ...


class Telling:
    """Turns journal entries and progress texts into lines. `run` is the run's id once it was begun."""

    def __init__(self, screen: Screen, plan: AnyPlan | None = None) -> None:
        self.run = ""
        self._screen = screen
        self._steps = _by_id(plan)
        self._step: Step | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._screen.close()

    def progress(self, text: str) -> None:
        """What is seen in between: the gate's reason to wait, or a line of a program's output."""
        waits = VerifyStep | AwaitStep | FreshStep | WatchStep
        show = self._screen.busy if isinstance(self._step, waits) else self._screen.output
        show(_word(self._step), sanitise(text))

    def entry(self, entry: Entry) -> None:
        """Show a journal entry that matters to a reader."""
        event, line = entry.event, self._line
        match event:
            case RunStarted(plan=plan):
                self.run, self._steps = entry.run, _by_id(plan)
                line("run", entry.run)
            case Resumed(aborting=aborting):
                self.run = entry.run
                line("run", f"{entry.run} taken up again" + (", to put back what was before" if aborting else ""))
            case StepStarted(step=step):
                self._step = self._steps.get(step)
                if self._step:
                    self._screen.busy(_word(self._step), sanitise(sentence(self._step)))
            case StepDone(step=step, seen=seen):
                line(self._named(step), seen)
            case StepFailed(step=step, because=because, kind=kind):
                line(self._named(step), f"FAILED: {because} ({kind})")
            case Judged(image=image, grade=grade, because=because):
                line("verdict", f"{image.name} is {grade}: {because}")
            case Said(text=text):
                line("note", text)
            case ChildStarted() | Kept() | LogErrors() | Ticked() | Acked() | RunEnded():
                pass

    def _line(self, word: str, text: str) -> None:
        self._screen.line(word, sanitise(text))

    def _named(self, step: str) -> str:
        found = self._steps.get(step)
        return _word(found) if found else step


def _by_id(plan: AnyPlan | None) -> dict[str, Step]:
    return {step.id: step for step in plan.steps()} if plan else {}


def _word(step: Step | None) -> str:
    return str(type(step).__struct_config__.tag) if step else ""


class Silent:
    """Shows nothing, for `--quiet`."""

    def line(self, word: str, text: str) -> None:
        """Nothing."""

    def busy(self, word: str, text: str) -> None:
        """Nothing."""

    def output(self, word: str, text: str) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class _Elapsed:
    """Seconds since it was made, as a column."""

    def __init__(self) -> None:
        self._begun = time.monotonic()

    def __str__(self) -> str:
        return f"{time.monotonic() - self._begun:6.1f}s"


class Plain:
    """A line with time and elapsed time for all that happens; what is waited for once each; no host output."""

    def __init__(self) -> None:
        self._elapsed = _Elapsed()
        self._told = ("", "")

    def line(self, word: str, text: str) -> None:
        """One line."""
        out.put(f"{datetime.now(UTC):%H:%M:%SZ} {self._elapsed}  {word:<8} {text}\n", err=True)

    def busy(self, word: str, text: str) -> None:
        """One line, unless it was the last thing that was done or waited for."""
        if (word, text) != self._told:
            self._told = (word, text)
            self.line(word, f"… {text}")

    def output(self, word: str, text: str) -> None:
        """Nothing: a log needs no progress bars."""

    def close(self) -> None:
        """Nothing is left open."""


class Moving:
    """A terminal: what happened stays, below it one line says what goes on, with the time running."""

    def __init__(self, *, colour: bool) -> None:
        self._elapsed = _Elapsed()
        self._colour = colour
        self._lock = threading.Lock()
        self._now = ("", "", False)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._tick, daemon=True)
        self._thread.start()

    def line(self, word: str, text: str) -> None:
        """One line that stays, above the moving one."""
        with self._lock:
            if self._now[0] == word:
                self._now = ("", "", False)
            shown = f"{self._style(word.ljust(8), fg='cyan')} {text}"
            out.put(f"\r\x1b[2K{self._elapsed}  {shown}\n", err=True)

    def busy(self, word: str, text: str) -> None:
        """What the moving line says."""
        with self._lock:
            self._now = (word, text, False)

    def output(self, word: str, text: str) -> None:
        """The same, dimmed: the last line that a program wrote."""
        with self._lock:
            self._now = (word, text, True)

    def close(self) -> None:
        """Stop moving and clear the moving line."""
        self._closed.set()
        self._thread.join()
        out.put("\r\x1b[2K", err=True)

    def _tick(self) -> None:
        frame = 0
        while not self._closed.wait(_TICK):
            frame = (frame + 1) % len(_FRAMES)
            with self._lock:
                self._draw(_FRAMES[frame])

    def _draw(self, frame: str) -> None:
        word, text, dim = self._now
        if not text:
            return
        before = f"{self._elapsed} {frame}{word:<8} "
        shown = _cut(text, shutil.get_terminal_size().columns - len(before) - 1)
        out.put(f"\r\x1b[2K{before}{self._style(shown, dim=True) if dim else shown}", err=True)

    def _style(self, text: str, *, fg: str | None = None, dim: bool | None = None) -> str:
        return click.style(text, fg=fg, dim=dim) if self._colour else text


def _cut(text: str, columns: int) -> str:
    """`text` cut to what fits: a wrapped line could not be drawn over. East Asian characters take two columns."""
    used = 0
    for at, char in enumerate(text):
        used += 2 if unicodedata.east_asian_width(char) in "WF" else 1
        if used > columns:
            return text[:at]
    return text
