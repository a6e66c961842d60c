"""The network that joins this machine with the servers of one world: a bridge, and a cable to each server."""

import random
from dataclasses import dataclass
from pathlib import Path

from sandbox.run import SandboxError, run

NAME = "bridge"
FIRST = 11


@dataclass(frozen=True)
class Subnet:
    """A /24 out of a range that is kept for benchmarks and routed nowhere (RFC 2544), so it hides nobody's network."""

    net: int
    block: int

    @classmethod
    def claim(cls, folder: Path) -> "Subnet":
        """Takes a subnet nobody has, and notes it in a folder; the bridge, which only one can create, decides."""
        for _ in range(50):
            found = cls(random.choice((18, 19)), random.randrange(256))  # noqa: S311 - no secret
            if run(["ip", "link", "add", found.bridge, *found._mac, "type", "bridge"], check=False).returncode == 0:
                (folder / NAME).write_text(found.bridge)
                found._begin()
                return found
        raise SandboxError("no network of 198.18.0.0/15 is free, or root is needed to create bridges")

    @staticmethod
    def release(folder: Path) -> None:
        """Removes the bridge that was noted in a folder, if any."""
        note = folder / NAME
        if note.exists():
            run(["ip", "link", "delete", note.read_text()], check=False)

    @property
    def bridge(self) -> str:
        """The bridge's name."""
        return f"lgs{self.net}x{self.block}"

    @property
    def _prefix(self) -> str:
        return f"198.{self.net}.{self.block}"

    @property
    def _mac(self) -> tuple[str, str]:
        """A hardware address of its own: a bridge takes that of a cable, and loses it with the cable."""
        return "address", f"02:4c:47:00:{self.net:02x}:{self.block:02x}"

    def address(self, number: int) -> str:
        """Returns a server's address, counting from 0."""
        return f"{self._prefix}.{FIRST + number}"

    def plug(self, number: int, process: int) -> None:
        """Puts a cable between the bridge and the network of a process, where it is called eth0."""
        card = f"{self.bridge}x{number}"
        _ip(f"link add {card} type veth peer name eth0 netns {process}", f"link set {card} master {self.bridge} up")

    def _begin(self) -> None:
        _ip(f"addr add {self._prefix}.1/24 dev {self.bridge}", f"link set {self.bridge} up")


def _ip(*orders: str) -> None:
    run(["ip", "-batch", "-"], stdin="".join(f"{order}\n" for order in orders))
