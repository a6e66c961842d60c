"""`kind: browser`: what a customer does on pages, in a headless Chromium."""

import re
from typing import Final

import msgspec

from lastgood.model.answers import line
from lastgood.model.command import Secret
from lastgood.model.duration import Duration
from lastgood.model.facts import Unknown
from lastgood.model.flow import FlowRun, failed, passed, untried
from lastgood.model.visit import NO_TIME, Deed, Errand, Fault, Move, Visit
from lastgood.ports import Browser, Stage

_DEEDS: Final = ("goto", "click", "fill", "press", "see", "not_see", "url")
_REFERENCE: Final = re.compile(r"(?:env|file|command):\S.*", re.DOTALL)
_START: Final = 5.0
_LONGEST: Final = 120.0
_TOLD: Final = 3
_SAID: Final = 80
_ALIKE: Final = {"not within": "late", "it is at": "elsewhere"}
"""Problems whose words vary between alike failures, by how they begin."""


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing that a customer does or looks for; `value` goes with `fill`, and may be a reference to a secret.

    `goto` is a path or URL, `click` and `fill` are selectors as Playwright has them (CSS, `text=Buy`), `press` is a key
    for the field that was filled last, `see` and `not_see` are texts, `url` is what the address has to contain.
    """

    goto: str = ""
    click: str = ""
    fill: str = ""
    press: str = ""
    see: str = ""
    not_see: str = ""
    url: str = ""
    value: str | None = None

    def __post_init__(self) -> None:
        """Refuse what is no one step. Raises ValueError."""
        if sum(bool(getattr(self, deed)) for deed in _DEEDS) != 1:
            raise ValueError(f"a step has exactly one of {', '.join(_DEEDS)}")
        if bool(self.fill) != (self.value is not None):
            raise ValueError("value says what fill fills in, and goes with nothing else")

    @property
    def deed(self) -> Deed:
        """What is done."""
        return next(deed for deed in _DEEDS if getattr(self, deed))

    @property
    def what(self) -> str:
        """The address, selector, key or text as it was written."""
        found: str = getattr(self, self.deed)
        return found

    @property
    def shown(self) -> str:
        """The step by its name; what is filled in is shown to nobody."""
        return f"{self.deed} {line(self.what)}"


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`base` is the public address, `timeout` the time that each step may take.

    With `fail_on_console_errors` an error in a script of that address, caught or told to the console, fails it.
    """

    base: str
    steps: tuple[Step, ...]
    timeout: Duration = Duration(10)
    fail_on_console_errors: bool = False

    def __post_init__(self) -> None:
        """Refuse what could never pass. Raises ValueError."""
        if not self.base.startswith(("http://", "https://")):
            raise ValueError(f"{self.base!r} is not an http:// or https:// URL")
        if not self.steps or not self.steps[0].goto:
            raise ValueError("the first step is goto")
        if self.timeout <= 0:
            raise ValueError("timeout must be longer than nothing")


class _NoValue(Exception):
    """The pin lacks what a step names."""


class BrowserFlow:
    """One declared way through the pages."""

    def __init__(self, options: Options) -> None:
        self._options = options

    def missing(self, browser: Browser | None) -> str:
        """That there is no browser, with the command that mends it."""
        return browser.missing() if browser else "no browser looks"

    def run(self, stage: Stage) -> FlowRun:
        """Go the way in a new browser, up to the first step that does not work."""
        missing = self.missing(stage.browser)
        if stage.browser is None or missing:
            return untried(missing)
        try:
            errand = self._errand(stage)
        except OSError as error:
            return untried(f"the secret cannot be had: {error}")
        except _NoValue as error:
            return failed((), f"the pin has no {error}", f"no {error}")
        except ValueError as error:  # an address that is none, as it was written or with what the pin has in it
            return untried(line(str(error)))
        found = stage.browser.visit(errand)
        return untried(found.reason) if isinstance(found, Unknown) else self._judged(found.value)

    def _errand(self, stage: Stage) -> Errand:
        """What to do, everything filled in. Raises OSError, _NoValue."""
        moves, hidden = list[Move](), list[Secret]()
        for step in self._options.steps:
            value = step.what if step.press else step.value or ""
            if step.fill and _REFERENCE.fullmatch(value):
                hidden.append(Secret(_secret(stage, value)))
                moves.append(Move(step.deed, step.what, hidden[-1]))
            else:
                what = "" if step.press else _filled(stage, step.what)
                address = _joined(self._options.base, what) if step.goto else what
                moves.append(Move(step.deed, address, Secret(_filled(stage, value))))
        patience = float(self._options.timeout)
        seconds = min(_LONGEST, _START + patience * len(moves))
        return Errand(tuple(moves), seconds=seconds, patience=patience, hidden=tuple(hidden))

    def _judged(self, visit: Visit) -> FlowRun:
        steps = [step.shown for step in self._options.steps]
        taken = tuple(steps[: visit.done])
        if visit.done < len(steps):
            at, why = steps[visit.done], visit.problem
            if why in ("", NO_TIME):  # a busy machine here says nothing about the release
                return untried(f"{at}: {NO_TIME}")
            seen = f'; the page reads "{line(visit.text[:_SAID])}"' if visit.text else ""
            kind = next((kind for begin, kind in _ALIKE.items() if why.startswith(begin)), why)
            return failed((*taken, f"{at}: {why}"), f"{at}: {why}{seen}", f"{at}: {kind}", _files(visit))
        errors = self._errors(visit) if self._options.fail_on_console_errors else []
        if errors:
            told = "; ".join(line(one.said) for one in errors[:_TOLD])
            return failed(taken, f"errors in the page's scripts: {told}", "console errors", _files(visit))
        return passed(taken)

    def _errors(self, visit: Visit) -> list[Fault]:
        """Errors in scripts of the address itself: what others serve is not the release's doing."""
        own = "/".join(self._options.base.split("/")[:3])
        return [one for one in (*visit.faults, *visit.console) if f"{one.url}/".startswith(f"{own}/")]


def _secret(stage: Stage, reference: str) -> str:
    found = stage.secrets.read(reference)
    if not found:
        raise OSError(f"{line(reference)} is not set")
    return found


def _filled(stage: Stage, text: str) -> str:
    image = stage.image
    for name, value in {"tag": image.tag, "digest": image.digest, "repository": image.repository}.items():
        mark = f"{{{name}}}"
        if mark in text and not value:
            raise _NoValue(name)
        text = text.replace(mark, value)
    return text


def _joined(base: str, path: str) -> str:
    from urllib.parse import urljoin

    return urljoin(base, path)


def _files(visit: Visit) -> dict[str, bytes]:
    """How the page looked when it failed, and what the browser saw."""
    told = msgspec.json.format(msgspec.json.encode(msgspec.structs.replace(visit, picture=b"")), indent=2)
    return {"page.json": told} | ({"page.png": visit.picture} if visit.picture else {})


def make(options: Options) -> BrowserFlow:
    """The flow for these options."""
    return BrowserFlow(options)
