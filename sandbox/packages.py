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


def apt(*words: str, cwd: Path | None = None) -> None:
    """Runs apt-get, and once more with fresh lists where it fails; raises SandboxError when that is in vain.

    Several may want that at the same time, and apt turns down whoever comes while another fetches the lists.
    """
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "-o", "DPkg::Lock::Timeout=300", *words]
    if run(command, check=False, cwd=cwd, env=env, timeout=600).returncode:
        with paths.lock(paths.machine() / "apt.lock"):
            run(["apt-get", "-qq", "update"], check=False, env=env)
            run(command, cwd=cwd, env=env, timeout=600)


def install(*packages: str) -> None:
    """Installs Debian packages; raises SandboxError naming them when that cannot be done."""
    try:
        apt("install", "-y", "--no-install-recommends", *packages)
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
