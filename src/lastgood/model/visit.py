"""A visit of a page in a browser: what is done there, and what a browser saw. Texts in it are the page's own words."""

from typing import Literal, TypeAlias

import msgspec

from lastgood.model.command import Secret

Deed: TypeAlias = Literal["goto", "click", "fill", "press", "see", "not_see", "url"]


NO_TIME = "there was no time left for it"
"""The problem of a move that was given less than its patience, because the errand's seconds were over: nobody knows."""


class Move(msgspec.Struct, frozen=True):
    """One thing that a user does or looks for.

    `what` is an address for `goto`, a selector for `click` and `fill`, a text for `see` and `not_see`, what the address
    has to contain for `url`. `value` is what is filled in, or the key that is pressed where the last field was filled.
    """

    do: Deed
    what: str
    value: Secret = Secret("")


class Errand(msgspec.Struct, frozen=True):
    """What to do in a browser, in at most `seconds` altogether and `patience` seconds for each move.

    `hidden` are texts that must be seen nowhere: they are masked in every text, and covered in the picture.
    """

    moves: tuple[Move, ...]
    seconds: float = 8.0
    patience: float = 5.0
    hidden: tuple[Secret, ...] = ()


class Fault(msgspec.Struct, frozen=True):
    """An error in a script; `url` is the script's, or the page's own, empty where the browser does not tell.

    `promise` tells that it is a rejected promise that nothing waited for, which stops no script.
    """

    said: str
    url: str = ""
    promise: bool = False


class Missed(msgspec.Struct, frozen=True):
    """A request without a good answer: `status` is 400 or more, or 0 where there was none, as `because` says.

    `kind` is what it was for, in Chromium's words: `script`, `stylesheet`, `image`, `xhr`, `fetch`. Of the URL the
    query is left out: it may hold a secret.
    """

    url: str
    kind: str
    status: int = 0
    because: str = ""


class Visit(msgspec.Struct, frozen=True):
    """What a browser saw. `url` is where it came to, `status` that page's own; `elapsed` in seconds.

    `blank` tells that the page shows nothing once it has come to rest; None where its scripts kept it from being
    looked at. `text` is the beginning of what can be read on it. `picture` is a PNG of the window, empty where none
    could be taken. `faults` are errors that no script caught, `console` those that scripts told the console, `missed`
    the requests that failed; `more` counts what was left out of these three. `done` of the moves worked; `problem`
    says why the next one did not, empty where all did.
    """

    url: str
    status: int = 0
    title: str = ""
    blank: bool | None = None
    text: str = ""
    faults: tuple[Fault, ...] = ()
    console: tuple[Fault, ...] = ()
    missed: tuple[Missed, ...] = ()
    more: int = 0
    elapsed: float = 0.0
    picture: bytes = b""
    done: int = 0
    problem: str = ""
