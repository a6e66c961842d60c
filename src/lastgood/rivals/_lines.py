"""Command lines that others wrote: what they would do to a rollback, as far as their words tell."""

import re

from lastgood.model.rival import Harm
from lastgood.model.target import Target
from lastgood.model.text import sanitise

# Where `grep -E` is to look: all that `judged` could recognise, so that other people's lines stay where they are.
WORDS = "docker|podman|deploy-service|watchtower|git[^|;&]*(pull|fetch|reset)"

_LONGEST = 160
_DEPLOYS = re.compile(r"\bdeploy-service(?:\.sh)?\b")
_COMPOSE = re.compile(r"\bdocker(?:\s+[^;&|]*?\s|\s+|-)compose\b[^;&|]*?\s(?:pull|up|restart|down|build)\b")
_GIT = re.compile(r"\bgit\b[^;&|]*?\s(?:pull|fetch|reset|checkout)\b")
_UPDATER = re.compile(r"\bwatchtower\b")
_PRUNE = re.compile(r"\bdocker\s+(?P<what>system|image)\s+prune\b(?P<options>[^;&|]*)")
_REMOVE = re.compile(r"\bdocker\s+(?:rmi\b|image\s+(?:rm|remove)\b)")
_ALL = re.compile(r"\s(?:--all\b(?!=false)|-[a-z]*a[a-z]*\b)")
# A password in a stranger's command line is no business of ours, and would end up on a screen.
_SECRET = re.compile(r"(?i)((?:pass|token|secret|key|pwd)[\w-]*[=\s:]+|://[^/\s:@]*:)[^\s@]+")


def judged(line: str, target: Target) -> tuple[tuple[Harm, str], ...]:
    """What the line would do; empty where nothing in it concerns a rollback."""
    return tuple((harm, f"{said}: {shown(line)}") for harm, said in (*_undoes(line, target), *_prunes(line)))


def shown(line: str) -> str:
    """The line as a reader may see it: short, without what looks like a secret."""
    text = sanitise(_SECRET.sub(r"\1…", " ".join(line.split())))
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _undoes(line: str, target: Target) -> tuple[tuple[Harm, str], ...]:
    here = bool(target.checkout) and re.search(rf"{re.escape(target.checkout)}(?![\w-])", line) is not None
    if _DEPLOYS.search(line):
        return ((Harm.UNDOES, "it deploys"),)
    if here and _GIT.search(line):
        return ((Harm.UNDOES, "it changes the checkout"),)
    if _COMPOSE.search(line):
        return ((Harm.UNDOES, "it works with Compose" + (" in the checkout" if here else ", maybe on our service")),)
    if here:
        return ((Harm.UNDOES, "it works in the checkout"),)
    return ((Harm.UNDOES, "it runs Watchtower"),) if _UPDATER.search(line) else ()


def _prunes(line: str) -> tuple[tuple[Harm, str], ...]:
    found = _PRUNE.search(line)
    if found and _ALL.search(found["options"]):
        return ((Harm.PRUNES, "it removes every image that no container uses, tagged or not"),)
    if found:
        return ((Harm.PRUNES, "it removes images that have no tag, as those pulled by digest"),)
    return ((Harm.PRUNES, "it removes images"),) if _REMOVE.search(line) else ()
