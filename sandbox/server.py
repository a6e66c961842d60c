"""The first process of a simulated server. It runs inside the server's own namespaces; when it ends, all of it ends.

Run by `hosts.py` as a script of its own, below `unshare`; the settings come as one line of JSON on its input.
"""

import ctypes
import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

MS_BIND = 4096
CLONE_NEWNET = 0x40000000
CHUNK = 1 << 16
# Folders and never single files: the kernel drops a mount on a file when somebody outside replaces that file.
OWN = {"etc": "/etc", "lib": "/var/lib", "home": "/home", "srv": "/srv", "log": "/var/log"}
LIBC = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Becomes the server: folders first, then, when its network card is there, network, engine and sshd."""
    settings = json.loads(sys.stdin.readline())
    socket.sethostname(settings["name"])
    _folders(settings)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()  # the network card has arrived
    _network(settings["address"])
    _forward(settings["registry"], settings["outside"])
    subprocess.Popen(["/usr/sbin/sshd", "-E", "/var/log/sshd.log"], stdin=subprocess.DEVNULL)
    with Path("/var/log/dockerd.log").open("ab") as log:
        subprocess.Popen(_dockerd(settings), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    _reap()


def _dockerd(settings: dict[str, Any]) -> list[str]:
    group = ["--group", "docker", "--cgroup-parent", settings["cgroup"]]
    return ["dockerd", *group, "--exec-opt", "native.cgroupdriver=cgroupfs", "-H", "unix:///run/docker.sock"]


def _folders(settings: dict[str, Any]) -> None:
    """Gives the server folders and users of its own. All sources are opened before anything hides them."""
    folder = Path(settings["folder"])
    sources = {name: _open(folder / name) for name in OWN}
    sources["git"], sources["compose"] = _open(settings["git"]), _open(settings["compose"])
    for target in ("/run", "/tmp", "/opt"):
        _mount("tmpfs", target, "mode=0755" if target != "/tmp" else "mode=1777")
    for name, target in OWN.items():
        _bind(f"/proc/self/fd/{sources[name]}", target)
    _bind(f"/proc/self/fd/{sources['git']}", "/srv/git")
    _bind(f"/proc/self/fd/{sources['compose']}", f"{settings['plugins']}/docker-compose")
    if Path(settings["hidden"]).is_dir():
        _mount("tmpfs", settings["hidden"], "mode=0755")
    Path("/run/sshd").mkdir()
    for target, size in settings["disks"].items():
        Path(target).mkdir(exist_ok=True)
        _mount("tmpfs", target, f"size={size},uid={settings['user']},gid={settings['user']},mode=0755")
    for descriptor in sources.values():
        os.close(descriptor)


def _open(path: Path | str) -> int:
    return os.open(path, os.O_PATH | os.O_CLOEXEC)


def _mount(kind: str, target: str, options: str) -> None:
    _check(LIBC.mount(kind.encode(), target.encode(), kind.encode(), 0, options.encode()), target)


def _bind(source: str, target: str) -> None:
    _check(LIBC.mount(source.encode(), target.encode(), None, MS_BIND, None), target)


def _check(result: int, what: str) -> None:
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), what)


def _network(address: str) -> None:
    orders = f"link set lo up\naddr add {address}/24 dev eth0\nlink set eth0 up\n"
    subprocess.run(["ip", "-batch", "-"], input=orders, text=True, check=True)


def _forward(port: int, outside: int) -> None:
    """Offers 127.0.0.1:`port` of the machine's network inside, too; `outside` is that network's descriptor."""
    listener = socket.create_server(("127.0.0.1", port), backlog=128)
    threading.Thread(target=_accept, args=(listener, outside), daemon=True).start()


def _accept(listener: socket.socket, outside: int) -> None:
    while True:
        inner, _ = listener.accept()
        threading.Thread(target=_connect, args=(inner, listener.getsockname(), outside), daemon=True).start()


def _connect(inner: socket.socket, address: tuple[str, int], outside: int) -> None:
    """Joins a connection with one to the same address outside. A network namespace belongs to the single thread."""
    with inner:
        _check(LIBC.setns(outside, CLONE_NEWNET), "setns")
        outer = socket.socket()
        with outer:
            try:
                outer.connect(address)
            except OSError:
                inner.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return  # closing now resets the connection: nobody listens there
            back = threading.Thread(target=_pump, args=(outer, inner), daemon=True)
            back.start()
            _pump(inner, outer)
            back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(CHUNK):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        source.close()


def _reap() -> None:
    while True:
        try:
            os.wait()
        except ChildProcessError:
            time.sleep(0.1)


if __name__ == "__main__":
    main()
