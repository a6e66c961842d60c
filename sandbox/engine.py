"""The Docker engine: the one that answers is used as it is, otherwise one is installed and started."""

import functools
import hashlib
import os
import shlex
import shutil
import signal
import subprocess
from pathlib import Path

from sandbox import packages, paths
from sandbox.run import SandboxError, docker, run, wait_until

SOCKET = "unix:///var/run/docker.sock"
PACKAGES = ("docker.io", "iptables")


def ensure() -> None:
    """Makes sure an engine answers, and notes that this clone uses it."""
    with paths.lock(paths.machine() / "engine.lock"):
        if not answers():
            _require_root()
            _install()
            _start()
        _note().parent.mkdir(parents=True, exist_ok=True)
        _note().write_text(f"{paths.ROOT}\n")


def answers() -> bool:
    """Tells whether an engine answers the docker client now."""
    if not shutil.which("docker"):
        return False
    return run(["docker", "version", "--format", "{{.Server.Version}}"], check=False, timeout=30).returncode == 0


def address() -> str:
    """Returns the engine's address as DOCKER_HOST wants it; asks the client only where the environment changed."""
    return _address(*(os.environ.get(name, "") for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "HOME")))


@functools.cache
def _address(*_environment: str) -> str:
    return docker("context", "inspect", "--format", "{{.Endpoints.docker.Host}}")


def socket() -> str:
    """Returns the path of the engine's socket, for containers that watch the engine."""
    host = address()
    if not host.startswith("unix://"):
        raise SandboxError(f"the engine at {host} is not on this machine; unset DOCKER_HOST to use a local one")
    return host.removeprefix("unix://")


def others() -> bool:
    """Tells whether another clone that still exists uses the sandbox's engine or images."""
    notes = (paths.machine() / "users").glob("*")
    clones = {note.read_text().strip() for note in notes}
    return any(Path(clone, "sandbox").is_dir() for clone in clones if clone != str(paths.ROOT))


def leave() -> str | None:
    """Forgets this clone; ends the engine if the sandbox started it and nobody uses it. Returns why it stays."""
    with paths.lock(paths.machine() / "engine.lock"):
        _note().unlink(missing_ok=True)
        if others():
            return "another clone of this project uses the sandbox's engine and images"
        reason = _end()
        if reason is None:
            shutil.rmtree(paths.machine(), ignore_errors=True)
        return reason


def _note() -> Path:
    clone = hashlib.sha256(str(paths.ROOT).encode()).hexdigest()[:12]
    return paths.machine() / "users" / clone


def _require_root() -> None:
    host = os.environ.get("DOCKER_HOST")
    if host and host != SOCKET:
        raise SandboxError(f"no Docker engine answers at DOCKER_HOST={host}; start it, or unset DOCKER_HOST")
    if os.getuid() != 0:
        raise SandboxError("no Docker engine answers; install and start one (Debian: docker.io), or run this as root")


def _install() -> None:
    if shutil.which("dockerd") and shutil.which("docker") and shutil.which("iptables"):
        return
    print("sandbox: installing the Docker engine (docker.io, iptables)", flush=True)
    packages.install(*PACKAGES)


def _start() -> None:
    print("sandbox: starting the Docker engine", flush=True)
    if Path("/run/systemd/system").is_dir():
        run(["systemctl", "start", "docker"], check=False)
    elif not answers():
        _spawn()
    try:
        wait_until(answers, "the Docker engine answers", within=120, every=0.2)
    except SandboxError as error:
        raise SandboxError(f"the Docker engine does not start: {_last_words()}") from error


def _spawn() -> None:
    home = paths.machine() / "engine"
    home.mkdir(parents=True, exist_ok=True)
    with (home / "dockerd.log").open("wb") as log:
        folders: list[str | Path] = ["--data-root", home / "data", "--exec-root", home / "exec"]
        subprocess.Popen(
            ["dockerd", *folders, "--pidfile", home / "pid", "-H", SOCKET],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            start_new_session=True,
        )


def _last_words() -> str:
    log = paths.machine() / "engine" / "dockerd.log"
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return lines[-1] if lines else "see `journalctl -u docker`"


def _own_pid() -> int | None:
    try:
        pid = int((paths.machine() / "engine" / "pid").read_text())
        command = Path(f"/proc/{pid}/comm").read_text().strip()
    except (OSError, ValueError):
        return None
    return pid if command == "dockerd" else None


def _ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def _end() -> str | None:
    """Ends the sandbox's own engine, if there is one. Returns why it must stay."""
    if not (paths.machine() / "engine").exists():
        return None
    if not answers():
        _start()
    pid = _own_pid()
    if pid is None:
        return f"another engine runs, so {paths.machine()} cannot be looked into; remove it by hand if nobody needs it"
    listings = (["ps", "-aq"], ["image", "ls", "-q"], ["volume", "ls", "-q"])
    if any(docker("--host", SOCKET, *listing) for listing in listings):
        return "the engine that the sandbox started holds containers, images or volumes of somebody else"
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: _ended(pid), "the engine ends", within=30, every=0.1)
    while run(["umount", paths.machine() / "engine" / "data"], check=False).returncode == 0:
        continue
    _forget_network()
    return None


def _forget_network() -> None:
    """Removes the bridge and the packet filter's rules, which an engine leaves behind when it ends."""
    if shutil.which("ip"):
        run(["ip", "link", "delete", "docker0"], check=False)
    for table in ("nat", "filter"):
        iptables = ["iptables", "-w", "-t", table]
        rules = [shlex.split(line) for line in run([*iptables, "-S"], check=False).stdout.splitlines()]
        for rule in rules:
            if rule[0] == "-A" and any(word == "docker0" or word.startswith("DOCKER") for word in rule):
                run([*iptables, "-D", *rule[1:]], check=False)
        for chain in (rule[1] for rule in rules if rule[0] == "-N" and rule[1].startswith("DOCKER")):
            run([*iptables, "-X", chain], check=False)
