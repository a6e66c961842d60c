"""Text from elsewhere, made harmless before a terminal shows it."""


def sanitise(text: str, *, multiline: bool = False) -> str:
    r"""`text` without anything a terminal would act upon; what is taken out stays visible as an escape (`\x1b`).

    Control characters (C0, C1), escape sequences, overrides of the writing direction, invisible characters and
    undecodable bytes (lone surrogates) are escaped; a tab becomes four spaces. Line ends are escaped as well, so that
    one value stays one line, unless `multiline` is set. Commit messages, container logs and host names go through
    this: each of them can be written by somebody who wants a reader to see something else.
    """
    if text.isprintable():
        return text
    return "".join(_harmless(char, multiline=multiline) for char in text)


def _harmless(char: str, *, multiline: bool) -> str:
    if char.isprintable() or (multiline and char == "\n"):
        return char
    return "    " if char == "\t" else char.encode("unicode_escape").decode("ascii")
