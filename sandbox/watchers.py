"""Programs that watch services, for tests: Prometheus out of its Debian package, Traefik out of the proxy's image."""

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sandbox import images, paths
from sandbox.run import SandboxError, docker, run, status, wait_until

_OK = 200


def ensure() -> Path:
    """Returns a folder that holds `prometheus` and `traefik`; nothing is installed. The engine must have the images."""
    folder = paths.cache() / f"watchers-{paths.fingerprint(Path(__file__), images.TRAEFIK)}"
    with paths.lock(paths.cache() / "watchers.lock"):
        if not folder.exists():
            print("sandbox: unpacking Prometheus and Traefik", flush=True)
            _make(folder)
    return folder


def _make(folder: Path) -> None:
    part = folder.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    command = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", "prometheus"]
    if run(command, cwd=part, check=False, timeout=600).returncode:
        run(["apt-get", "-qq", "update"], check=False)
        run(command, cwd=part, timeout=600)
    (package,) = part.glob("*.deb")
    run(["dpkg", "-x", package, part / "package"])
    (part / "package/usr/bin/prometheus").rename(part / "prometheus")
    shutil.rmtree(part / "package")
    package.unlink()
    container = docker("create", "--label", f"{paths.LABEL}=1", images.TRAEFIK_PART.image)
    docker("cp", f"{container}:/traefik", part / "traefik")
    docker("rm", container)
    part.rename(folder)


@contextmanager
def running(argv: Sequence[str | Path], folder: Path, ready: str) -> Iterator[None]:
    """Runs a program for a while; `ready` is the URL that it answers with 200 once it is. Its output is in `folder`."""
    said = folder / "output.txt"
    with said.open("wb") as output:
        words = [str(word) for word in argv]
        process = subprocess.Popen(words, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        wait_until(lambda: _answers(process, ready, said), f"{words[0]} answers", within=30)
        yield
    finally:
        process.kill()
        process.wait()


def _answers(process: "subprocess.Popen[bytes]", url: str, said: Path) -> bool:
    if process.poll() is not None:
        raise SandboxError(f"it ended at once: {said.read_text(errors='replace')[-500:]}")
    return status(url) == _OK
