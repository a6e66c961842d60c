"""How a Watchtower is set up, and which containers it would touch."""

import msgspec

from lastgood.model.command import Completed
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.observed import Container
from lastgood.model.rival import Harm, Seen
from lastgood.rivals import _containers
from lastgood.rivals._containers import Found

_LABEL = "com.centurylinklabs.watchtower"
_KEYS = {"enable": f"{_LABEL}.enable", "scope": f"{_LABEL}.scope", "monitor": f"{_LABEL}.monitor-only"}
LABELS = (
    '{"name":{{json .Names}}'
    + "".join(f',"{key}":{{{{json (.Label "{label}")}}}}' for key, label in _KEYS.items())
    + "}"
)
# Flags with a letter of their own, and the variable that does the same (containrrr.dev/watchtower/arguments).
_SWITCHES = {
    "monitor-only": ("-m", "WATCHTOWER_MONITOR_ONLY"),
    "label-enable": ("-e", "WATCHTOWER_LABEL_ENABLE"),
    "cleanup": ("-c", "WATCHTOWER_CLEANUP"),
    "no-pull": ("", "WATCHTOWER_NO_PULL"),
    "no-restart": ("", "WATCHTOWER_NO_RESTART"),
    "run-once": ("-R", "WATCHTOWER_RUN_ONCE"),
    "label-take-precedence": ("", "WATCHTOWER_LABEL_TAKE_PRECEDENCE"),
}
_SCOPE, _DISABLED = "WATCHTOWER_SCOPE", "WATCHTOWER_DISABLE_CONTAINERS"
VALUES = (*(variable for _, variable in _SWITCHES.values()), _SCOPE, _DISABLED)
# Flags that take no value; every other one takes the next word unless it is written with `=`.
_BARE = frozenset(
    {
        *(f"--{name}" for name in _SWITCHES),
        *(letter for letter, _ in _SWITCHES.values() if letter),
        *("--debug", "-d", "--trace", "--include-stopped", "-S", "--include-restarting", "--revive-stopped"),
        *("--remove-volumes", "--rolling-restart", "--no-startup-message", "--http-api-update", "--http-api-metrics"),
        *("--http-api-periodic-polls", "--enable-lifecycle-hooks", "--tlsverify", "-v", "--no-color", "--health-check"),
        "--notification-report",
    }
)
_TRUE = frozenset({"1", "t", "true"})


class _Labels(msgspec.Struct):
    name: str
    enable: str
    scope: str
    monitor: str


class _Setup(msgspec.Struct):
    """What it was told: switches that are on, and the names it is to watch or to leave alone."""

    on: frozenset[str]
    scope: str
    only: tuple[str, ...]
    never: tuple[str, ...]


def labels(answer: Completed | None) -> Fact[dict[str, dict[str, str]]]:
    """The labels that Watchtower chooses by, per container name."""
    if answer is None or not answer.ok:
        return Unknown(answer.why() if answer else "the containers' labels were not asked for")
    try:
        rows = [msgspec.json.decode(line, type=_Labels) for line in answer.stdout.splitlines()]
    except msgspec.MsgspecError as error:
        return Unknown(f"docker ps: the answer cannot be read: {error}")
    return Known({row.name: {"enable": row.enable, "scope": row.scope, "monitor": row.monitor} for row in rows})


def seen(one: Found, ours: tuple[Container, ...], known: Fact[dict[str, dict[str, str]]]) -> tuple[Seen, ...]:
    """What it means for `ours`; what it does not touch is said to be harmless, with the reason."""
    name, setup = one.name.removeprefix("/"), _setup(one)
    idle = _idle(one, setup)
    if idle:
        return (Seen("watchtower", name, idle, Harm.NONE),)
    if isinstance(known, Unknown):
        return (_active(name, f"it may replace our containers: {known.reason}"),)
    watched = [c for c in ours if _watches(setup, c.name, known.value.get(c.name, {}))]
    if not watched:
        return (Seen("watchtower", name, "it does not watch our containers", Harm.NONE),)
    cleans = (Seen("watchtower", name, "it removes the old image after an update (--cleanup)", Harm.PRUNES),)
    return (_judged(name, watched), *(cleans if "cleanup" in setup.on else ()))


def _judged(name: str, watched: list[Container]) -> Seen:
    """Until the switch containers run by tag; after it by digest, which Watchtower never replaces."""
    moving = sorted(c.name for c in watched if not _fixed(c.image))
    if not moving:
        return Seen("watchtower", name, "our containers run by digest, for which it finds nothing newer", Harm.NONE)
    said = f"it replaces {', '.join(moving)} when the tag it runs by is moved; what runs by digest it leaves alone"
    return _active(name, said)


def _fixed(reference: str) -> bool:
    return "@sha256:" in reference or reference.startswith("sha256:")


def _active(name: str, said: str) -> Seen:
    pause, unpause = _containers.paused(name)
    return Seen("watchtower", name, said, Harm.UNDOES, pause, unpause)


def _idle(one: Found, setup: _Setup) -> str:
    """Why it changes nothing at all; empty where it may."""
    if one.paused:
        return "it is paused"
    if "no-restart" in setup.on:
        return "it pulls images and restarts nothing (--no-restart)"
    if "monitor-only" in setup.on and "label-take-precedence" not in setup.on:
        return "it only notifies (--monitor-only)"
    return ""


def _watches(setup: _Setup, name: str, label: dict[str, str]) -> bool:
    enabled, monitored = label.get("enable", "").lower(), label.get("monitor", "").lower()
    if (enabled and enabled not in _TRUE) or monitored in _TRUE:
        return False
    if "monitor-only" in setup.on and not monitored:  # with --label-take-precedence only a label's `false` overrules
        return False
    if "label-enable" in setup.on and not enabled:
        return False
    if name in setup.never or (setup.only and name not in setup.only):
        return False
    scope = label.get("scope", "")
    return not setup.scope or scope == setup.scope or (setup.scope == "none" and scope in {"", "none"})


def _setup(one: Found) -> _Setup:
    words, values = one.words, one.settings
    flags, names = _flags(words)
    on = frozenset(
        name for name, (letter, variable) in _SWITCHES.items() if _on(flags, name, letter, values.get(variable, ""))
    )
    never = (flags.get("--disable-containers") or flags.get("-x") or values.get(_DISABLED, "")).replace(",", " ")
    return _Setup(on, flags.get("--scope", values.get(_SCOPE, "")), names, tuple(never.split()))


def _on(flags: dict[str, str], name: str, letter: str, variable: str) -> bool:
    given = flags.get(f"--{name}", flags.get(letter) if letter else None)
    return (given if given is not None else variable).lower() in _TRUE


def _flags(words: tuple[str, ...]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Flags with their values, and the other words: container names, the program itself left out."""
    flags: dict[str, str] = {}
    names: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        key, equals, value = word.partition("=")
        if not word.startswith("-"):
            names.append(word.removeprefix("/"))
        elif equals:
            flags[key] = value
        elif word in _BARE or not rest:
            flags[word] = "true"
        else:
            flags[word] = rest.pop(0)
    return flags, tuple(name for name in names if name != "watchtower")
