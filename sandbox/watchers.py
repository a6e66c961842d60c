"""Programs that watch services, for tests: Prometheus and Alertmanager of Debian, Traefik out of the proxy's image."""

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sandbox import images, packages, paths
from sandbox.run import SandboxError, docker, run, status, wait_until

_OK = 200
_TEMPLATES = b"/usr/share/prometheus/alertmanager"
"""Where Debian's Alertmanager looks for its templates, which it does not start without."""
_HERE = b"./" * 12 + b".templates"
"""In place of that: a folder beside its configuration, of a name that is as long."""


def ensure() -> Path:
    """Returns a folder that holds `prometheus`, `alertmanager` and `traefik`. The engine must have the images.

    Nothing is installed. `alertmanager` is started by the function of that name.
    """
    folder = paths.cache() / f"watchers-{paths.fingerprint(Path(__file__), images.TRAEFIK)}"
    with paths.lock(paths.cache() / "watchers.lock"):
        if not folder.exists():
            print("sandbox: unpacking Prometheus, Alertmanager and Traefik", flush=True)
            _make(folder)
    return folder


def _make(folder: Path) -> None:
    part = folder.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    packages.apt("download", "prometheus", "prometheus-alertmanager", cwd=part)
    for package in part.glob("*.deb"):
        run(["dpkg", "-x", package, part / "package"])
        package.unlink()
    (part / "package/usr/bin/prometheus").rename(part / "prometheus")
    _alertmanager(part / "package", part)
    shutil.rmtree(part / "package")
    container = docker("create", "--label", f"{paths.LABEL}=1", images.TRAEFIK_PART.image)
    docker("cp", f"{container}:/traefik", part / "traefik")
    docker("rm", container)
    part.rename(folder)


def _alertmanager(package: Path, folder: Path) -> None:
    program = (package / "usr/bin/prometheus-alertmanager").read_bytes()
    (folder / "alertmanager").write_bytes(program.replace(_TEMPLATES, _HERE))
    (folder / "alertmanager").chmod(0o755)
    (package / "usr/share/prometheus/alertmanager").rename(folder / ".templates")


@contextmanager
def alertmanager(folder: Path, port: int) -> Iterator[str]:
    """Runs an Alertmanager that tells nobody, in an empty folder; its address."""
    programs = ensure()
    (folder / "alertmanager.yml").write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
    (folder / ".templates").symlink_to(programs / ".templates")
    url = f"http://127.0.0.1:{port}"
    argv = (
        *(programs / "alertmanager", "--config.file=alertmanager.yml", "--storage.path=data"),
        *("--cluster.listen-address=", f"--web.listen-address={url[7:]}"),
    )
    with running(argv, folder, f"{url}/-/ready"):
        yield url


@contextmanager
def running(argv: Sequence[str | Path], folder: Path, ready: str) -> Iterator[None]:
    """Runs a program for a while; `ready` is the URL that it answers with 200 once it is. Its output is in `folder`."""
    said = folder / "output.txt"
    with said.open("wb") as output:
        words = [str(word) for word in argv]
        process = subprocess.Popen(words, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        wait_until(lambda: _answers(process, ready, said), f"{words[0]} answers")
        yield
    finally:
        process.kill()
        process.wait()


def _answers(process: "subprocess.Popen[bytes]", url: str, said: Path) -> bool:
    if process.poll() is not None:
        raise SandboxError(f"it ended at once: {said.read_text(errors='replace')[-500:]}")
    return status(url) == _OK
