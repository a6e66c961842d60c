"""A target whose hosts are folders of this machine, for what machines leave there for each other."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from lastgood.effects.files import LocalFiles
from lastgood.model.target import Target
from lastgood.ports import Files, Tools
from tests.standin.clock import NANO, Clock

NOW = 1_800_000_000


class Silent(LocalFiles):
    def read(self, path: str) -> bytes | None:
        raise OSError(5, "no answer", path)


@dataclass
class HostPlace:
    """A target on hosts; one that is called `silent` does not answer."""

    root: Path
    hosts: tuple[str, ...] = ("local",)
    clock: Clock = field(default_factory=lambda: Clock(NOW * NANO))

    @property
    def target(self) -> Target:
        given: dict[str, object] = {"name": "shop/prod", "service": "shop", "env": "prod", "hosts": self.hosts}
        given |= {"state": str(self.root), "place": Target.place}
        return cast("Target", type("Given", (), given)())

    @property
    def tools(self) -> Tools:
        return cast("Tools", self)

    @staticmethod
    def files(host: str) -> Files:
        return Silent() if host == "silent" else LocalFiles()

    @property
    def file(self) -> Path:
        """Where it lies on a host."""
        raise NotImplementedError

    def writes(self, *lines: bytes) -> None:
        """Somebody on the host writes the file."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_bytes(b"".join(line + b"\n" for line in lines))
