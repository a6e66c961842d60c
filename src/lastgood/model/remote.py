"""The address of a git remote, taken apart (git-clone(1), "GIT URLS")."""

import re
from typing import Final

import msgspec

_URL: Final = re.compile(r"(https?|ssh|git\+ssh|git)://(?:[^/@]*@)?(\[[0-9A-Fa-f:.]+\]|[^/:@\[\]]+)(?::(\d+))?/(.+)")
_SCP: Final = re.compile(r"(?:[^/@:]*@)?([^/:@\[\]]+):(?!//)/?(.+)")
_HOST: Final = re.compile(r"\[[0-9a-f:.]+\]|[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9])?")


class Remote(msgspec.Struct, frozen=True):
    """Where a repo is: `host` in lower case, `path` without slashes around it and without `.git`.

    `scheme` is `ssh` for the short form `git@host:path` as well; `port` is 0 where the address names none. A login
    in the address is left out.
    """

    scheme: str
    host: str
    port: int
    path: str

    @classmethod
    def parse(cls, address: str) -> "Remote | None":
        """The parts of an address; None for a folder on this machine, and for what is no address."""
        if not address.isprintable() or " " in address:
            return None
        if found := _URL.fullmatch(address):
            scheme, host, port, path = found[1].removeprefix("git+"), found[2], int(found[3] or 0), found[4]
        elif "://" not in address and (found := _SCP.fullmatch(address)):
            scheme, host, port, path = "ssh", found[1], 0, found[2]
        else:
            return None
        path = path.strip("/").removesuffix(".git").rstrip("/")
        host = host.lower()
        return cls(scheme, host, port, path) if path and _HOST.fullmatch(host) else None
