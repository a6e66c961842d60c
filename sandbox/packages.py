"""Debian packages that the sandbox needs on this machine."""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sandbox import paths
from sandbox.run import SandboxError, run

PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
POLICY = Path("/usr/sbin/policy-rc.d")


def install(*packages: str) -> None:
    """Installs Debian packages; raises SandboxError naming them when that cannot be done."""
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
    try:
        if run(command, check=False, env=env, timeout=600).returncode:
            run(["apt-get", "update", "-qq"], check=False, env=env)
            run(command, env=env, timeout=600)
    except SandboxError as error:
        raise SandboxError(f"install these packages, then try again: {', '.join(packages)} ({error})") from error


def provide(programs: Mapping[str, str]) -> None:
    """Installs the packages of the programs that are missing; no service of theirs starts, now or at boot."""
    missing = sorted({package for program, package in programs.items() if not shutil.which(program, path=PATH)})
    if not missing:
        return
    with paths.lock(paths.machine() / "packages.lock"), _no_service_starts():
        print(f"sandbox: installing {', '.join(missing)}", flush=True)
        install(*missing)
    if "openssh-server" in missing and Path("/run/systemd/system").is_dir():
        run(["systemctl", "disable", "--quiet", "ssh"], check=False)


@contextmanager
def _no_service_starts() -> Iterator[None]:
    """Debian asks policy-rc.d before it starts a service (invoke-rc.d(8)); with the answer 101 it does not."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()
