"""`python -m sandbox.picture docs/rollback.svg`: a real rollback in a real terminal, as the README shows it."""

import io
import shutil
import socket
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pexpect  # type: ignore[import-untyped] # it ships no types
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from sandbox.run import SandboxError
from sandbox.world import World

SERVICE: Final = "shop-api"
COMMAND: Final = ("rollback", SERVICE, "prod")
COLUMNS: Final = 110
_ERASE: Final = "\x1b[2K"
_COLOURS: Final = (
    *((72, 79, 88), (255, 123, 114), (63, 185, 80), (210, 153, 34)),
    *((88, 166, 255), (188, 140, 255), (57, 197, 207)),
)
_THEME: Final = TerminalTheme(
    (22, 27, 34),
    (201, 209, 217),
    [*_COLOURS, (177, 186, 196)],
)
# Rich's own format fetches fonts from a server whenever somebody looks at the README. This one takes what is there.
_SVG: Final = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg" xml:space="preserve">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; \
font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width; }}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; \
font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Takes the picture and writes it to the file that is named."""
    words = sys.argv[1:] if argv is None else argv
    if len(words) != 1:
        print("usage: python -m sandbox.picture docs/rollback.svg", file=sys.stderr)
        return 2
    try:
        with World.up() as world:
            for name in ("good-1", "good-2", "http-500"):
                world.ship(SERVICE, name)
            said = _anonymous(_recorded(world), world)
    except SandboxError as error:
        print(f"picture: {error}", file=sys.stderr)
        return 1
    Path(words[0]).write_text(drawn(screen(said), "lastgood " + " ".join(COMMAND)), encoding="utf-8")
    return 0


def _recorded(world: World) -> str:
    """Rolls back in a pseudo-terminal, says yes, and returns everything that reached the screen."""
    env = {key: value for key, value in world.env.items() if not key.startswith("XDG_")}
    program = shutil.which("lastgood", path=env["PATH"]) or "lastgood"
    terminal = pexpect.spawn(
        program,
        list(COMMAND),
        cwd=str(world.laptop),
        env={**env, "TERM": "xterm-256color"},
        dimensions=(60, COLUMNS),
        encoding="utf-8",
        timeout=60,
    )
    if terminal.expect([r"\[y/N\] ", pexpect.EOF]):
        raise SandboxError(f"nothing was asked: {terminal.before}")
    asked = str(terminal.before) + str(terminal.after)
    terminal.sendline("y")
    terminal.expect(pexpect.EOF, timeout=120)
    terminal.close()
    if terminal.exitstatus:
        raise SandboxError(f"the rollback ended with {terminal.exitstatus}: {asked}{terminal.before}")
    return asked + str(terminal.before)


def _anonymous(said: str, world: World) -> str:
    """The text with the operator's home folder as people write it; raises SandboxError when more would show."""
    home = world.env["HOME"]
    shown = said.replace(home, "~")
    for private in (str(world.root), str(Path.cwd()), socket.gethostname()):
        if private in shown:
            raise SandboxError(f"the picture would show {private}")
    return shown


def screen(said: str, columns: int = COLUMNS) -> Text:
    """What a terminal that wide shows in the end: erased lines are gone, longer ones go on below."""
    lines = [line.rstrip("\r").rpartition(_ERASE)[2] for line in said.strip("\r\n").split("\n")]
    while lines and not Text.from_ansi(lines[-1]).plain.strip():
        lines.pop()
    return Text("\n").join(part for line in lines for part in _folded(Text.from_ansi(line), columns))


def _folded(line: Text, columns: int) -> Iterator[Text]:
    yield from line.divide(range(columns, len(line), columns))


def drawn(text: Text, title: str) -> str:
    """The text as an SVG of a terminal window."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), color_system="standard")
    console.print(text, soft_wrap=True, highlight=False)
    return console.export_svg(title=title, theme=_THEME, code_format=_SVG)


if __name__ == "__main__":
    sys.exit(main())
