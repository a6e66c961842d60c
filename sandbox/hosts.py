"""Simulated servers: each has its own network, folders, users, processes, Docker engine and OpenSSH server."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from sandbox import paths
from sandbox.network import Subnet
from sandbox.run import SandboxError, run, wait_until

USER = "deploy"
UID = 4242
SSH_PORT = 2222
STATE = "/var/lib/lastgood"
CHECKOUT = "/opt/axinova-deploy"
HOME = f"/home/{USER}"
PLUGINS = f"{HOME}/.docker/cli-plugins"
DISKS = {"/opt": "64m", STATE: "16m"}
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NAMESPACES = ("--mount", "--pid", "--net", "--uts", "--ipc")
GROUP = "lastgood-sandbox"
SERVER = Path(__file__).with_name("server.py")
PASSWD = f"""\
root:x:0:0:root:/root:/bin/sh
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
sshd:x:4200:65534::/run/sshd:/usr/sbin/nologin
{USER}:x:{UID}:{UID}::{HOME}:/bin/sh
"""
GROUPS = f"root:x:0:\nnogroup:x:65534:\ndocker:x:4243:{USER}\n{USER}:x:{UID}:\n"
ETC = (
    "alternatives",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "nsswitch.conf",
    "protocols",
    "services",
)
SHADOW = "".join(f"{line.split(':')[0]}:*:19000:0:99999:7:::\n" for line in PASSWD.splitlines())
SSHD = f"""\
Port {SSH_PORT}
HostKey /etc/ssh/ssh_host_ed25519_key
PidFile /run/sshd.pid
AuthorizedKeysFile /etc/ssh/authorized_keys
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
PermitRootLogin no
AllowUsers {USER}
MaxStartups 50
MaxSessions 50
LogLevel VERBOSE
SetEnv PATH={PATH}
Subsystem sftp internal-sftp
"""
LISTENS = "Server listening"
DROPS = """\
iptables -w -t raw {0} PREROUTING -i eth0 -j DROP
iptables -w -t raw {0} OUTPUT -o eth0 -j DROP"""
SKEW = """\
date=$(readlink -f "$(command -v date)")
[ -e /run/date ] || cp "$date" /run/date
umount "$date" 2>/dev/null
printf '#!/bin/sh\nexec /run/date -d "%d seconds" "$@"\n' "$0" > /run/skewed-date
chmod 755 /run/skewed-date
[ "$0" = 0 ] || mount --bind /run/skewed-date "$date"
"""
_KEEPERS: list["subprocess.Popen[bytes]"] = []  # kept, so that Python reaps them when they end


@dataclass(frozen=True)
class Site:
    """What the servers of one world share.

    Attributes:
        folder: Where the servers' own folders are.
        git: The folder that servers see as /srv/git.
        registry: The port of 127.0.0.1 that leads to the registry, outside and inside.
        compose: The Compose program.
        key: The public key that may log in.
        stock: A data folder that engines start from, or None for an empty one.
    """

    folder: Path
    git: Path
    registry: int
    compose: Path
    key: str
    stock: Path | None = None


@dataclass(frozen=True)
class Host:
    """One server that is up (or was).

    Attributes:
        name: Its host name.
        folder: Its folder on this machine.
        address: Its IPv4 address, reachable from this machine.
        init: Its first process, as this machine sees it; see `paths.identity`.
    """

    name: str
    folder: Path
    address: str
    init: str

    @classmethod
    def up(cls, site: Site, subnet: Subnet, number: int) -> "Host":
        """Starts a server; the first is number 0. Returns when its engine and its sshd answer."""
        name = f"server-{number + 1}"
        folder = site.folder / name
        _furnish(folder, site)
        with _unshare(folder, site, name, subnet.address(number)) as (init, go):
            subnet.plug(number, init)
            go.write(b"go\n")
        host = cls(name, folder, subnet.address(number), paths.identity(init))
        host._wait()
        return host

    @property
    def url(self) -> str:
        """The server as lastgood.yaml names it."""
        return f"ssh://{USER}@{self.address}:{SSH_PORT}"

    @property
    def known(self) -> str:
        """The server's line for known_hosts."""
        kind, key = (self.folder / "etc/ssh/ssh_host_ed25519_key.pub").read_text().split()[:2]
        return f"[{self.address}]:{SSH_PORT} {kind} {key}\n"

    @property
    def engine(self) -> str:
        """The server's engine, as DOCKER_HOST of this machine names it; no login is needed."""
        return f"unix://{self.outside('/run/docker.sock')}"

    def exec(
        self, *argv: str, user: str = USER, cwd: str = "/", check: bool = True, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command on the server, past its network and sshd; `user` is `deploy` or `root`."""
        return run(self._enter(user, cwd) + list(argv), check=check, env=_environment(user), stdin=stdin)

    def docker(self, *args: str, check: bool = True) -> str:
        """Runs the docker client against the server's engine and returns what it printed, stripped."""
        return run(["docker", "--host", self.engine, *args], check=check).stdout.strip()

    def processes(self) -> list[str]:
        """Returns the command lines of everything that runs on the server."""
        return self.exec("ps", "-e", "-o", "args=").stdout.splitlines()

    def outside(self, path: str) -> Path:
        """Returns a path of the server as this machine sees it: to look again and again without starting a program."""
        return Path(f"/proc/{self._pid()}/root{path}")

    def read(self, path: str) -> str:
        """Returns the text of a file on the server."""
        return self.exec("cat", path, user="root").stdout

    def write(self, path: str, text: str) -> None:
        """Writes a file on the server, as its ordinary user."""
        self.exec("sh", "-c", 'cat > "$0"', path, stdin=text)

    def logins(self) -> int:
        """Returns how many logins its sshd has accepted so far."""
        return self._log().count("Accepted publickey")

    def _log(self) -> str:
        log = self.folder / "log/sshd.log"
        return log.read_text(errors="replace") if log.exists() else ""

    def down(self) -> None:
        """Lets every packet to and from the server vanish, as when it or its network dies; doing so twice is fine."""
        self.exec("sh", "-c", f"{DROPS.format('-D')}\nset -e\n{DROPS.format('-I')}", user="root")

    def up_again(self) -> None:
        """Ends what `down` began."""
        self.exec("sh", "-c", DROPS.format("-D"), user="root", check=False)

    def drop_sessions(self) -> None:
        """Ends every SSH session there is, as a network that breaks in the middle; new logins are accepted."""
        self.exec("pkill", "-KILL", "-f", "^sshd: deploy", user="root", check=False)

    def stop_sshd(self) -> None:
        """Stops sshd and its sessions; everything else goes on, and connections are refused once it is gone."""
        gone = "pkill -KILL -x sshd; while pgrep -x sshd >/dev/null; do sleep 0.02; done"
        self.exec("sh", "-c", gone, user="root")

    def start_sshd(self) -> None:
        """Starts sshd again; returns when it listens, which it does after it has gone into the background."""
        before = self._log().count(LISTENS)
        self.exec("/usr/sbin/sshd", "-E", "/var/log/sshd.log", user="root")
        wait_until(lambda: self._log().count(LISTENS) > before, f"the sshd of {self.name} listens", every=0.02)

    def new_host_key(self) -> None:
        """Gives the server another host key, as a reinstallation or an attacker would."""
        self.stop_sshd()
        _host_key(self.folder / "etc/ssh")
        self.start_sshd()

    def fill_disk(self) -> None:
        """Fills the disks that the checkout and lastgood's state are on."""
        for disk in DISKS:
            self.exec("dd", "if=/dev/zero", f"of={disk}/filler", "bs=64k", "status=none", user="root", check=False)

    def free_disk(self) -> None:
        """Ends what `fill_disk` began."""
        self.exec("rm", "-f", *(f"{disk}/filler" for disk in DISKS), user="root")

    def skew_clock(self, seconds: int) -> None:
        """Lets `date` on the server be off by some seconds (0 ends that); what the kernel stamps stays right."""
        self.exec("sh", "-c", SKEW, str(seconds), user="root")

    def stop_engine(self) -> None:
        """Stops the engine in order, and its containers with it."""
        self.exec("pkill", "-TERM", "-x", "dockerd", user="root")
        wait_until(lambda: not any("dockerd" in one for one in self.processes()), f"the engine of {self.name} ends")

    def off(self) -> None:
        """Ends the server with everything on it, for good."""
        _end(self.folder)

    def _pid(self) -> int:
        """Returns the pid of its first process; raises SandboxError when it is off, for the pid may be another's."""
        pid = int(self.init.partition(":")[0])
        if paths.identity(pid) != self.init:
            raise SandboxError(f"the server {self.name} is off: {self._last_words()}")
        return pid

    def _enter(self, user: str, cwd: str) -> list[str]:
        into = ["nsenter", "--target", str(self._pid()), *NAMESPACES, "--wd=/", "--"]
        become = [] if user == "root" else ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--init-groups", "--"]
        return [*into, *become, "env", f"--chdir={cwd}", "--"]

    def _wait(self) -> None:
        def answers() -> bool:
            return run(["docker", "--host", self.engine, "version"], check=False, timeout=30).returncode == 0

        def listens() -> bool:
            return Path(self.engine.removeprefix("unix://")).exists()

        wait_until(listens, f"the engine of {self.name} listens", every=0.02)
        wait_until(answers, f"the engine of {self.name} answers")
        wait_until(lambda: LISTENS in self._log(), f"the sshd of {self.name} listens")

    def _last_words(self) -> str:
        log = self.folder / "log/init.log"
        return log.read_text(errors="replace")[-500:] if log.exists() else ""


def remove(folder: Path) -> None:
    """Ends every server below a folder and forgets it, whoever started it; doing so twice is fine."""
    for one in sorted(folder.glob("*")):
        _end(one)
    Subnet.release(folder)
    shutil.rmtree(folder, ignore_errors=True)


def _end(folder: Path) -> None:
    """Kills a server's first process, which takes the rest with it, and waits until they are gone."""
    with suppress(OSError, ValueError):
        keeper = (folder / "keeper").read_text()
        pid = int(keeper.split(":")[0])
        if keeper == paths.identity(pid):
            _thaw(folder)
            for child in _children(pid):
                os.kill(child, signal.SIGKILL)
            wait_until(lambda: paths.identity(pid) != keeper, f"{folder.name} ends", every=0.01)
    hierarchies = Path("/sys/fs/cgroup")
    for group in (*hierarchies.glob(_group(folder)), *hierarchies.glob(f"*/{_group(folder)}")):
        with suppress(SandboxError):
            wait_until(partial(_empty, group), f"{group} is empty", within=30, every=0.02)


def _thaw(folder: Path) -> None:
    """Lets what is paused go on: a frozen process cannot even be killed (cgroup version 1 and 2)."""
    for hierarchy in Path("/sys/fs/cgroup").iterdir():
        for group, _, files in os.walk(hierarchy / _group(folder)):  # groups of containers come and go meanwhile
            for name, text in (("freezer.state", "THAWED"), ("cgroup.freeze", "0")):
                if name in files:
                    with suppress(OSError):
                        Path(group, name).write_text(text)


def _group(folder: Path) -> str:
    return f"{GROUP}-{folder.parents[1].name}-{folder.name}"


def _empty(group: Path) -> bool:
    """Removes a control group and those below it; the kernel refuses while a process is still on its way out."""
    for one, _, _ in os.walk(group, topdown=False):
        with suppress(OSError):
            Path(one).rmdir()
    return not group.exists()


def _furnish(folder: Path, site: Site) -> None:
    for name in ("lib", "srv/git", "log", "etc/ssh", f"home/{USER}/.docker/cli-plugins"):
        (folder / name).mkdir(parents=True)
    run(["cp", "-a", *(f"/etc/{name}" for name in ETC if Path("/etc", name).exists()), folder / "etc"])
    (folder / "home" / USER / ".docker/cli-plugins/docker-compose").touch()
    (folder / "home" / USER / ".gitconfig").write_text("[safe]\n\tdirectory = *\n")
    run(["chown", "-R", f"{UID}:{UID}", folder / "home" / USER])
    for name, text in {"passwd": PASSWD, "group": GROUPS, "shadow": SHADOW, "hosts": "127.0.0.1 localhost\n"}.items():
        (folder / "etc" / name).write_text(text)
    (folder / "etc/shadow").chmod(0o600)
    (folder / "etc/ssh/sshd_config").write_text(SSHD)
    (folder / "etc/ssh/authorized_keys").write_text(site.key)
    _host_key(folder / "etc/ssh")
    if site.stock:
        copy_tree(site.stock, folder / "lib/docker")


def copy_tree(source: Path, target: Path) -> None:
    """Copies an engine's data folder: layers, which no engine ever changes, by hard link, and the rest for real."""
    target.mkdir(mode=0o711)
    run(["sh", "-c", 'cp -al "$0/overlay2" "$1" 2>/dev/null || cp -a "$0/overlay2" "$1"', source, target])
    run(["cp", "-a", *(one for one in sorted(source.iterdir()) if one.name != "overlay2"), target])


def _host_key(folder: Path) -> None:
    for old in folder.glob("ssh_host_*"):
        old.unlink()
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", folder / "ssh_host_ed25519_key"])


@contextmanager
def _unshare(folder: Path, site: Site, name: str, address: str) -> Iterator[tuple[int, IO[bytes]]]:
    """Starts a server's first process, which waits inside the block for its network card."""
    outside = os.open("/proc/self/ns/net", os.O_RDONLY)
    settings = {
        "name": name,
        "folder": str(folder),
        "git": str(site.git),
        "compose": str(site.compose),
        "plugins": PLUGINS,
        "hidden": str(paths.WORLDS),
        "disks": DISKS,
        "user": UID,
        "address": address,
        "registry": site.registry,
        "outside": outside,
        "cgroup": f"/{_group(folder)}",
    }
    with (folder / "log/init.log").open("wb") as log:
        keeper = subprocess.Popen(
            ["unshare", *NAMESPACES, "--fork", "--kill-child", "--mount-proc", sys.executable, "-I", SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd="/",
            env={"PATH": PATH},
            pass_fds=[outside],
            start_new_session=True,
        )
    os.close(outside)
    (folder / "keeper").write_text(paths.identity(keeper.pid))
    _KEEPERS.append(keeper)
    assert keeper.stdin  # noqa: S101 - for the type checker: they are pipes
    assert keeper.stdout  # noqa: S101 - as above
    with keeper.stdin as go, keeper.stdout as said:
        go.write(json.dumps(settings).encode() + b"\n")
        go.flush()
        if said.readline() != b"ready\n":
            raise SandboxError(f"the server {name} does not start: {(folder / 'log/init.log').read_text()[-500:]}")
        yield _children(keeper.pid)[0], go


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _environment(user: str) -> dict[str, str]:
    return {"PATH": PATH, "HOME": HOME if user == USER else "/root", "USER": user, "LOGNAME": user}
