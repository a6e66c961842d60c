"""Where a code repo is: a clone on this machine, or an address that lastgood's own copy is fetched from."""

import hashlib
import re
from pathlib import Path

from lastgood.git.names import clean, without_secrets
from lastgood.git.revert import CodeRepo, default_branch
from lastgood.model.errors import GitUnavailable, Refused, UsageError
from lastgood.model.facts import Known
from lastgood.ports import Process

# As git tells an address from a path (url_is_local_not_ssh): a scheme, or `host:path` without a slash before the colon.
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://.|[^/:]+:", re.IGNORECASE)
_UNFIT = re.compile(r"[\x00-\x1f\x7f]|^-|^$|^[a-z0-9]+::", re.IGNORECASE)


def open_code(process: Process, where: str, base: str, branch: str, cache_dir: str) -> CodeRepo:
    """The code repo at `where`, a folder (relative ones from `base`) or an address; `branch` "" is the remote's own.

    Raises UsageError for what is neither, GitUnavailable where it is no repository, Refused where the remote does not
    say which branch is its own.
    """
    if _UNFIT.search(where) is not None:
        raise UsageError(f"{clean(where)!r} is neither a folder nor the address of a repo.")
    here = _by_address(where, cache_dir) if _ADDRESS.match(where) else _folder(Path(base, where))
    repo = CodeRepo(process, here, branch or _default(process, here, cache_dir), cache_dir)
    _ = repo.origin
    return repo


def _folder(path: Path) -> str:
    if not path.is_dir():
        raise UsageError(f"There is no folder {str(path)!r}.", next=("name a clone of the code repo: --repo PATH",))
    return str(path)


def _default(process: Process, here: str, cache_dir: str) -> str:
    found = default_branch(process, here, cache_dir)
    if isinstance(found, Known):
        return found.value
    raise Refused(
        "It is not known which branch of the code repo to revert on.",
        because=(f"the remote was asked for its HEAD: {found.reason}",),
        next=("--branch BRANCH",),
    )


def _by_address(url: str, cache_dir: str) -> str:
    """An empty repository that only names its remote, so that an address is read as a clone of it would be."""
    name = hashlib.sha256(url.encode(errors="surrogateescape")).hexdigest()[:32]
    folder = Path(cache_dir) / "sources" / f"{name}.git"
    quoted = url.replace("\\", "\\\\").replace('"', '\\"')
    try:
        for part in ("objects", "refs"):
            (folder / part).mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / "config").touch(mode=0o600)  # an address may hold a token
        (folder / "config").write_text(
            f'[core]\n\trepositoryformatversion = 0\n\tbare = true\n[remote "origin"]\n\turl = "{quoted}"\n',
            errors="surrogateescape",
        )
        (folder / "HEAD").write_text("ref: refs/heads/none\n")
    except OSError as error:
        raise GitUnavailable(f"{without_secrets(url)} cannot be kept in {cache_dir}.", because=(str(error),)) from error
    return str(folder)
