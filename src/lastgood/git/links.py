"""Addresses at which people look at a repo on a host of git: what is between two commits, and one commit. Pure.

Shapes: GitHub ("Comparing commits"), GitLab ("Compare revisions"), Gitea and Forgejo (`compare`), Bitbucket Cloud
(`branches/compare/NEWER%0DOLDER`). Of other hosts no address is known, and none is made up.
"""

import re
from typing import Final
from urllib.parse import quote

from lastgood.model.remote import Remote

_ID: Final = re.compile(r"[0-9a-f]{7,64}")
_WHOLE: Final = re.compile(r".+\.[a-z]{2,}")
"""A host's whole name. `github-work` and `github.com-work` are entries of ssh_config(5), which no browser knows."""
_COMPARE: Final = {
    "github": "{page}/compare/{older}...{newer}",
    "gitlab": "{page}/-/compare/{older}...{newer}",
    "gitea": "{page}/compare/{older}...{newer}",
    "bitbucket.org": "{page}/branches/compare/{newer}%0D{older}",
}
_COMMIT: Final = {
    "github": "{page}/commit/{newer}",
    "gitlab": "{page}/-/commit/{newer}",
    "gitea": "{page}/commit/{newer}",
    "bitbucket.org": "{page}/commits/{newer}",
}
_NAMES: Final = (("github", "github"), ("gitlab", "gitlab"), ("codeberg.org", "gitea"), ("gitea", "gitea"),
                 ("forgejo", "gitea"), ("bitbucket.org", "bitbucket.org"))  # fmt: skip


def compare(address: str, older: str, newer: str) -> str:
    """Where to see what `newer` has and `older` has not; empty where that is not known of the remote's host."""
    return _made(address, _COMPARE, older, newer)


def commit(address: str, one: str) -> str:
    """Where to see a commit; empty where that is not known of the remote's host."""
    return _made(address, _COMMIT, one, one)


def _made(address: str, shapes: dict[str, str], older: str, newer: str) -> str:
    remote = Remote.parse(address)
    if remote is None or not _ID.fullmatch(older) or not _ID.fullmatch(newer):
        return ""
    if remote.scheme == "ssh" and not _WHOLE.fullmatch(remote.host):
        return ""
    shape = next((shapes[kind] for part, kind in _NAMES if part in remote.host), "")
    # A port belongs to git's ssh, so only that of an http address is kept.
    port = f":{remote.port}" if remote.port and remote.scheme in {"http", "https"} else ""
    host = {"ssh.github.com": "github.com", "altssh.gitlab.com": "gitlab.com"}.get(remote.host, remote.host)
    scheme = "http" if remote.scheme == "http" else "https"
    return shape.format(page=f"{scheme}://{host}{port}/{quote(remote.path)}", older=older, newer=newer)
