"""A message as text for where it goes. What others wrote stays quoted data there: no markup, no mention, no script.

Pure. Everything in a message but its kind and its ids counts as written by others.
"""

import html
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import msgspec

from lastgood.model.message import ASKED, Kind, Message

_NANO: Final = 1_000_000_000
_EXITS: Final = {
    0: "done and verified",
    1: "failed, the previous state is back",
    2: "the configuration cannot be used",
    3: "refused",
    4: "needs a person's consent",
    5: "in doubt",
    8: "needs a person",
    9: "mitigated, not resolved",
}
_SHORTER: Final = ((500, 12), (160, 6), (80, 3), (40, 1))
"""Letters of each clause, and so many clauses, with which a message is tried that has to be short."""
_NEXT: Final = {Kind.STOPPED: "To go on", Kind.CALLED: "To go on"}


def when(at: int) -> str:
    """A moment, Unix nanoseconds, for people anywhere."""
    return f"{datetime.fromtimestamp(at // _NANO, UTC):%Y-%m-%d %H:%M:%S} UTC"


def state(message: Message) -> str:
    """How the run stands by this message, in a word or a few."""
    if message.kind is Kind.BEGAN:
        return "under way"
    if message.exit is None:
        return "stopped half-way"
    return _EXITS.get(message.exit, f"ended with exit {message.exit}")


def title(message: Message) -> str:
    """One line: what, where, how it stands."""
    calling = " needs a person" if message.kind is Kind.CALLED else ""
    return f"lastgood{calling}: {message.action} of {message.target}: {state(message)}"


def weight(message: Message) -> str:
    """How it stands in one of Apprise's four words."""
    if message.kind is Kind.BEGAN:
        return "info"
    return "success" if message.exit == 0 else "warning" if message.kind is Kind.ENDED else "failure"


def facts(message: Message) -> tuple[tuple[str, str], ...]:
    """The known facts, named, those that are empty left out."""
    asked = message.run.startswith(ASKED)
    pairs = (
        ("for", message.who),
        ("ask" if asked else "run", message.run),
        ("time", when(message.at)),
        ("state", state(message)),
        ("ran before", message.running),
        ("goes back to", message.to),
        ("command by" if asked else "approved by", message.by),
        ("evidence", message.evidence),
    )
    return tuple((name, value) for name, value in pairs if value)


def plain(message: Message) -> str:
    """The whole message as lines of plain text."""
    lines = [title(message), message.what, *(f"- {each}" for each in message.because)]
    if message.risk:
        lines += ["At risk:", *(f"- {each}" for each in message.risk)]
    if message.next:
        lines += [f"{_NEXT.get(message.kind, 'Next')}:", *(f"  {each}" for each in message.next)]
    return "\n".join([*lines, *(f"{name}: {value}" for name, value in facts(message))])


def fitted(message: Message, most: int, shown: Callable[[str], str] = lambda text: text) -> str:
    """The message as `shown` makes it of plain text, in at most so many bytes of UTF-8.

    What was seen and what is at risk get shorter for that, and the commands to go on with do not, as far as it goes.
    """
    texts = (shown(plain(_shorter(message, *each))) for each in _SHORTER)
    fits = next((text for text in texts if len(text.encode()) <= most), None)
    return fits or cut(shown(plain(_shorter(message, *_SHORTER[-1]))), most)


def _shorter(message: Message, letters: int, clauses: int) -> Message:
    because, risk = (_fewer(several, letters, clauses) for several in (message.because, message.risk))
    return msgspec.structs.replace(message, what=_clipped(message.what, letters), because=because, risk=risk)


def _fewer(several: tuple[str, ...], letters: int, clauses: int) -> tuple[str, ...]:
    left = len(several) - clauses
    more = (f"and {left} more",) if left > 0 else ()
    return (*(_clipped(each, letters) for each in several[:clauses]), *more)


def _clipped(text: str, letters: int) -> str:
    # What was clipped before, to the longest, stays as it is.
    return text if len(text) <= letters + 2 else f"{text[:letters]} …"


def chat(text: str) -> str:
    """Text in which no chat finds a mention, a tag or a link with another text: `<`, `>` and `@` become wide ones."""
    return text.translate({ord("<"): "＜", ord(">"): "＞", ord("@"): "＠"})  # noqa: RUF001 - that they look alike is the point


def cut(text: str, most: int) -> str:
    """At most so many bytes of UTF-8, between two characters; that something is missing is seen."""
    raw = text.encode()
    return text if len(raw) <= most else raw[: most - 4].decode(errors="ignore") + " …"


def fenced(text: str) -> str:
    """A Markdown code block, without a language, whose fence is longer than any in the text (CommonMark, 4.5)."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text}\n{fence}"


def markdown(message: Message) -> str:
    """The message as Markdown in which everything that others wrote stands in code blocks."""
    said = "\n".join((message.what, *(f"- {each}" for each in message.because)))
    parts = [f"**{state(message)}**, {when(message.at)}", fenced(said)]
    if message.risk:
        parts += ["At risk:", fenced("\n".join(f"- {each}" for each in message.risk))]
    if message.next:
        parts += [f"{_NEXT.get(message.kind, 'Next')}:", fenced("\n".join(message.next))]
    named = "\n".join(f"{name}: {value}" for name, value in facts(message))
    return "\n\n".join([*parts, fenced(named)])


def markup(message: Message) -> str:
    """The message as HTML."""
    because = "".join(f"<li>{html.escape(each)}</li>" for each in message.because)
    risk = "".join(f"<li>{html.escape(each)}</li>" for each in message.risk)
    then = "".join(f"<li><code>{html.escape(each)}</code></li>" for each in message.next)
    known = "".join(f"<li>{html.escape(name)}: {html.escape(value)}</li>" for name, value in facts(message))
    return "".join(
        (
            f"<p><strong>{html.escape(state(message))}</strong>, {when(message.at)}</p>",
            f"<p>{html.escape(message.what)}</p>",
            f"<ul>{because}</ul>" if because else "",
            f"<p>At risk:</p><ul>{risk}</ul>" if risk else "",
            f"<p>{_NEXT.get(message.kind, 'Next')}:</p><ul>{then}</ul>" if then else "",
            f"<ul>{known}</ul>",
        )
    )
