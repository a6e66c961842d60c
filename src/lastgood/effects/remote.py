"""What the far end of an SSH connection is told: one constant program for its shell; all that differs is its input.

SSH carries one string, which the user's login shell reads (RFC 4254, 6.5), be it sh, csh or fish. So the string is the
same for every command and is read alike by all of them: it holds no quote, backslash, line break or `!` of its own.
Arguments, folder and environment come on standard input, before the program's own input: nothing has to be quoted, a
secret in the environment is in nobody's process list, and the length of a command line has no limit but the kernel's.
"""

import os
import re
from typing import Final

from lastgood.model.command import Command

MARK: Final = "LASTGOOD_CHILD"
"""The environment variable that tells a process of ours, and all that it starts, on its host."""

# As in effects.process, in the words of sh; a test holds both together. What is dropped comes first.
_DROPPED = "|".join(
    f"GIT_{name}"
    for name in (
        *("ALTERNATE_OBJECT_DIRECTORIES", "COMMON_DIR", "DIR", "GRAFT_FILE", "IMPLICIT_WORK_TREE", "INDEX_FILE"),
        *("NO_REPLACE_OBJECTS", "OBJECT_DIRECTORY", "PREFIX", "REPLACE_REF_BASE", "SHALLOW_FILE", "WORK_TREE"),
    )
)
_KEPT = (
    "PATH|HOME|USER|LOGNAME|LANG|LC_?*|TERM|TMPDIR|TZ|SSH_AUTH_SOCK|XDG_?*|GNUPGHOME|SSL_CERT_?*|DOCKER_HOST"
    "|DOCKER_CONTEXT|DOCKER_CONFIG|DOCKER_CERT_PATH|DOCKER_TLS_VERIFY|HTTP_PROXY|HTTPS_PROXY|NO_PROXY|http_proxy"
    "|https_proxy|no_proxy|GIT_?*|IFS|lg_n|lg_l"
)

# Input, line by line, its kind in the first letter: `m` token, `d` folder, `e` NAME=VALUE, `a` argument, `+` another
# line of the one before, `.` the end. Without that end nothing is run: the connection broke, or we died. At its end
# it says `lastgood:TOKEN:STATUS` on standard error: only that tells what the program said from what ssh says (255 is
# either), from a login shell that runs nothing, and from a connection that was lost.
_SCRIPT = (
    "command unset lg_n lg_l lg_k lg_v lg_d lg_m lg_s; lg_n=${IFS#??}; IFS=$lg_n; set -f; "
    'for lg_l in $(export -p); do case $lg_l in "export "*) lg_l=${lg_l#export }; lg_l=${lg_l%%=*}; '
    f'case $lg_l in {_DROPPED}) ;; {_KEPT}) continue;; esac; command unset "$lg_l" 2>/dev/null;; esac; done; '
    "IFS=; set --; lg_k=; lg_d=.; "
    "while read -r lg_l; do case $lg_l in +*) lg_v=$lg_v$lg_n${lg_l#+}; continue;; esac; "
    'case $lg_k in a) set -- "$@" "$lg_v";; e) export "$lg_v";; d) lg_d=$lg_v;; m) lg_m=$lg_v;; esac; '
    'lg_k=${lg_l%"${lg_l#?}"}; lg_v=${lg_l#?}; case $lg_k in .) break;; esac; done; '
    "case $lg_k in .) ;; *) exit 255;; esac; "
    'lg_s=folder; if cd "$lg_d" 2>/dev/null; then lg_s=absent; '
    'if command -v "$1" >/dev/null 2>&1; then command unset IFS PWD OLDPWD; "$@"; lg_s=$?; fi; fi; '
    'echo "lastgood:$lg_m:$lg_s" >&2'
)
PROGRAM: Final = f"exec sh -c '{_SCRIPT}' lastgood"
"""The command that every session is opened with."""

FIND: Final = (
    # One grep over all processes; it is not itself marked. What is found is signalled in the same breath.
    'for f in $(grep -ls "$1" /proc/[0-9]*/environ 2>/dev/null); do p=${f#/proc/}; p=${p%/environ}; echo "$p"; '
    '[ "$2" = 0 ] || kill -s "$2" "$p" 2>/dev/null; done; [ -r /proc/self/environ ] || exit 3'
)
"""sh script: `lastgood MARK SIGNAL` prints the numbers of the processes with the mark and signals them (0: does not).

Ends with 3 where the host shows no environment of processes, so that nothing can be said.
"""


def header(command: Command, token: str, mark: str) -> bytes:
    """What `PROGRAM` reads before the program's own input. Raises ValueError, with why, for what cannot be sent."""
    lines = [("m", token)]
    if command.cwd is not None:  # never `-`, nor an option
        lines.append(("d", command.cwd if command.cwd.startswith("/") else f"./{command.cwd}"))
    lines += [("a", argument) for argument in command.argv]
    for name, value in (*command.variables(), (MARK, mark)):
        if not re.fullmatch(r"(?a:[A-Za-z_]\w*)", name) or name.startswith("lg_"):
            raise ValueError(f"{name!r} cannot be the name of a variable")
        lines.append(("e", f"{name}={value}"))
    content = b"".join(kind.encode() + os.fsencode(text).replace(b"\n", b"\n+") + b"\n" for kind, text in lines)
    if b"\0" in content:
        raise ValueError("embedded null byte")
    return content + b".\n"


class Ending:
    """Recognises the line by which `PROGRAM` reports that, and how, it ended; `token` makes it unmistakable."""

    def __init__(self, token: str) -> None:
        self._begin = f"lastgood:{token}:"
        self._pattern = re.compile(self._begin.encode() + rb"(\w+)\n")

    def split(self, stderr: bytes) -> tuple[bytes, str]:
        """Standard error without the report, and the report: a status, `folder`, `absent`; empty where none came."""
        found = self._pattern.search(stderr)
        if not found:
            return stderr, ""
        return stderr[: found.start()] + stderr[found.end() :], found[1].decode()

    def without(self, line: str) -> str | None:
        """A line as it is to be shown; None where it was nothing but the report."""
        shown, report, _ = line.partition(self._begin)
        return None if report and not shown else shown
