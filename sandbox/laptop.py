"""An operator's laptop: a home with SSH key, known hosts and configuration, and a clone of the deploy repository."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox import setting
from sandbox.hosts import Host
from sandbox.run import run

CONFIG = """\
Host *
  IdentityFile {ssh}/id_ed25519
  IdentitiesOnly yes
  UserKnownHostsFile {ssh}/known_hosts
  GlobalKnownHostsFile none
"""
# OpenSSH looks the home folder up in the user database and not in $HOME.
PROGRAM = """\
#!/bin/sh
exec {ssh} -F {config} "$@"
"""


@dataclass(frozen=True)
class Laptop:
    """One laptop. It has no Docker engine; what it knows of the servers comes over SSH.

    Attributes:
        clone: The operator's clone, where lastgood runs.
        env: The environment that lastgood, Git and SSH run in.
    """

    clone: Path
    env: dict[str, str]

    @classmethod
    def create(cls, folder: Path, remote: Path, key: Path, servers: Sequence[Host]) -> "Laptop":
        """Sets a laptop up; `key` is the private key that the servers know."""
        env = setting.environment(folder)
        laptop = cls(folder / "axinova-deploy", env)
        ssh = laptop.home / ".ssh"
        ssh.mkdir(mode=0o700)
        shutil.copy(key, ssh / "id_ed25519")
        shutil.copy(key.with_suffix(".pub"), ssh / "id_ed25519.pub")
        (ssh / "config").write_text(CONFIG.format(ssh=ssh))
        laptop.trust(servers)
        env["DOCKER_HOST"] = f"unix://{laptop.home}/no-engine.sock"
        env["PATH"] = os.pathsep.join((laptop._program(), env["PATH"]))
        run(["git", "clone", "-q", remote, laptop.clone], env=env)
        return laptop

    @property
    def home(self) -> Path:
        """The operator's home folder, with `.ssh/` in it."""
        return Path(self.env["HOME"])

    def trust(self, servers: Sequence[Host]) -> None:
        """Writes known_hosts anew, with the keys that servers have now."""
        (self.home / ".ssh/known_hosts").write_text("".join(one.known for one in servers))

    def ssh(self, host: Host, *argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Runs a command on a server as the operator would by hand."""
        address = host.url.removeprefix("ssh://")
        options = ("-o", "BatchMode=yes", "-o", "ConnectTimeout=10")
        return run(["ssh", *options, f"ssh://{address}", *argv], check=check, env=self.env)

    def lastgood(
        self,
        *args: str,
        check: int | None = None,
        input: str | None = None,  # noqa: A002 - named as subprocess does
        timeout: float = 240,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Runs lastgood in the clone; raises AssertionError when the exit code is not `check`."""
        command = [sys.executable, "-m", "lastgood", *args]
        done = run(command, check=False, cwd=self.clone, env={**self.env, **(env or {})}, stdin=input, timeout=timeout)
        if check is not None and done.returncode != check:
            said = f"{done.stdout}\n{done.stderr}"
            raise AssertionError(f"lastgood {' '.join(args)} ended with {done.returncode}, not {check}:\n{said}")
        return done

    def _program(self) -> str:
        folder = self.home / "bin"
        folder.mkdir()
        program = folder / "ssh"
        program.write_text(PROGRAM.format(ssh=shutil.which("ssh"), config=self.home / ".ssh/config"))
        program.chmod(0o755)
        return str(folder)
