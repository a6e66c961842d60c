"""Where there is room for what is to be done, and whether a backup would share its database's fate."""

from typing import Final

from lastgood.database.desk import DatabaseDesk
from lastgood.model.command import Command, Completed
from lastgood.model.database import Overview
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.postgres import facts

# The device of a folder, or of the next one above it that is there; and that of the root. The kernel's numbers are the
# same in every container.
_DEVICE: Final = (
    'd=$1; while [ ! -d "$d" ] && [ "$d" != / ]; do d=${d%/*}; d=${d:-/}; done; '
    'command -v stat >/dev/null 2>&1 && exec stat -c %d "$d" /; exec busybox stat -c %d "$d" /'
)


def same_disk(desk: DatabaseDesk, there: Overview) -> Fact[bool]:
    """Whether the folder for backups is on the disk that the database's files are on."""
    if not there.folder:
        return Unknown("the user may not know where the server keeps its files")
    client = desk.client()
    folder = _device(client.on_host(_DEVICE, desk.spec.backups))
    if not client.reach.container:
        inside = facts.free_inside(client, there.folder)  # says so where the server is another machine
        data = inside if isinstance(inside, Unknown) else _device(client.on_host(_DEVICE, there.folder))
    else:
        data = _device(client.run(client.command("sh", "-c", _DEVICE, "lastgood", there.folder)))
    if isinstance(data, Known) and client.reach.container and data.value[0] == data.value[1]:
        root = engine_root(desk)  # in the container's own layer, which lies where the engine keeps containers
        data = root if isinstance(root, Unknown) else _device(client.on_host(_DEVICE, root.value))
    if isinstance(folder, Unknown):
        return folder
    return data if isinstance(data, Unknown) else Known(folder.value[0] == data.value[0])


def engine_root(desk: DatabaseDesk) -> Fact[str]:
    """The folder that the engine of the database's host keeps containers in."""
    argv = ("docker", "info", "--format", "{{.DockerRootDir}}")
    done = desk.tools.process.run(Command(argv, desk.spec.host))
    found = done.text.strip()
    return Known(found) if done.ok and found else Unknown(done.why())


def room_to_try(desk: DatabaseDesk, there: Overview, size: int) -> str:
    """Why a throw-away database of `size` bytes would have too little room; empty where nothing says so."""
    client = desk.client()
    if not client.reach.container:
        free = facts.free_inside(client, there.folder)
    else:
        root = engine_root(desk)
        free = root if isinstance(root, Unknown) else facts.free(client, root.value)
    if isinstance(free, Known) and free.value < size:
        return f"a database of {size} bytes is to be made to try it in, and {free.value} bytes are free for that"
    return ""


def _device(done: Completed) -> Fact[tuple[str, str]]:
    words = done.text.split()
    return Known((words[0], words[1])) if done.ok and len(words) > 1 else Unknown(done.why())
