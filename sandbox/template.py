"""The storage of a registry that holds every release of the shop, made once and linked into every world."""

import hashlib
import json
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sandbox import images, oci, paths, rootfs
from sandbox.registry import Registry
from sandbox.releases import API, RELEASES, WEB, Release
from sandbox.run import docker, run

HERE = Path(__file__).parent
DRIVER = "pg8000==1.31.6"
SECOND = 1_000_000_000
MIGRATIONS = sorted((HERE / "shop/migrations").glob("*.sql"))
SOURCES = ("template.py", "releases.py", "oci.py", "rootfs.py", "shop/api.py", "shop/web.sh")


def folder() -> Path:
    """Returns where the storage is, or will be."""
    return paths.cache() / f"registry-{paths.fingerprint(*(HERE / name for name in SOURCES), *MIGRATIONS)}"


def digest(service: str, tag: str) -> str:
    """Returns the digest a release was built with."""
    digests: dict[str, str] = json.loads((folder() / "digests.json").read_text())
    return digests[f"{service}:{tag}"]


def ensure() -> Path:
    """Makes sure the storage exists and the engine holds its base layers; returns the storage's folder."""
    with paths.lock(paths.cache() / "template.lock"):
        if not folder().exists():
            print("sandbox: building the releases of the shop", flush=True)
            bases = {API: _python(), WEB: _web()}
            images.ensure()
            _fill(bases)
        _warm()
    return folder()


def _fill(bases: dict[str, oci.Layer]) -> None:
    part = folder().with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    with Registry.temporary(part) as registry:
        digests = {
            f"{release.service}:{release.tag}": oci.push(
                registry.url, release.service, release.tag, _image(release, bases[release.service])
            )
            for release in RELEASES
        }
    (part / "digests.json").write_text(json.dumps(digests))
    part.rename(folder())


def _warm() -> None:
    """Pulls each release once, and keeps it by a name of ours.

    So no world has to pull the base layers again; and none that goes takes an image along that another one is pulling
    at that very moment, of which the engine would then have the name and nothing else.
    """
    kept = {release: f"{images.PREFIX}/{release.service}:{folder().name}-{release.tag}" for release in RELEASES}
    form = "{{.Repository}}:{{.Tag}}"
    there = docker("image", "ls", "--filter", f"reference={images.PREFIX}/*", "--format", form).splitlines()
    missing = [(release, name) for release, name in kept.items() if name not in there]
    if not missing:
        return
    images.ensure()
    with Registry.temporary(folder()) as registry, ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda one: _keep(registry, *one), missing))


def _keep(registry: Registry, release: Release, name: str) -> None:
    pulled = f"{registry.host}/{release.service}:{release.tag}"
    docker("pull", "--quiet", pulled)
    docker("tag", pulled, name)
    docker("image", "rm", pulled)


def _image(release: Release, base: oci.Layer) -> oci.Image:
    layer, command, path = _api(release) if release.service == API else _web_files(release)
    settings = {
        "Env": ["PATH=/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE=1"],
        "Cmd": command,
        "Healthcheck": _healthcheck(path, release.start_period),
        "Labels": {
            "org.opencontainers.image.revision": release.revision,
            "org.opencontainers.image.title": release.service,
            f"{paths.LABEL}": "1",
        },
    }
    return oci.Image((base, layer), settings)


def _healthcheck(url: str, start_period: int) -> dict[str, object]:
    return {
        "Test": ["CMD", "/bin/wget", "-q", "-O", "/dev/null", url],
        "Interval": SECOND,
        "Timeout": 2 * SECOND,
        "StartPeriod": start_period * SECOND,
        "Retries": 3,
    }


def _api(release: Release) -> tuple[oci.Layer, list[str], str]:
    about = {"version": release.tag, "fault": release.fault, "migrations": release.migrations if release.strict else 0}
    files = {"app/api.py": (HERE / "shop/api.py").read_bytes(), "app/release.json": json.dumps(about).encode()}
    brought = [one for one in MIGRATIONS if int(one.name[:6]) <= release.migrations]
    files |= {f"migrations/{one.name}": one.read_bytes() for one in brought}
    command = ["/usr/bin/python3.11", "-u", "/app/api.py"]
    return oci.Layer.of_files(files), command, "http://127.0.0.1:8080/api/health"


def _web_files(release: Release) -> tuple[oci.Layer, list[str], str]:
    script = f"document.querySelector('main').textContent = 'shop {release.tag}';\n"
    asset = f"assets/app.{hashlib.sha256(script.encode()).hexdigest()[:8]}.js"
    page = (
        f'<!doctype html>\n<title>shop</title>\n<meta name="version" content="{release.tag}">\n'
        f'<main></main>\n<script src="/{asset}"></script>\n'
    )
    files = {"srv/index.html": page, "srv/version.json": json.dumps({"version": release.tag}), f"srv/{asset}": script}
    if release.fault == "blank":
        del files[f"srv/{asset}"]
    contents = {name: text.encode() for name, text in files.items()}
    contents["web.sh"] = (HERE / "shop/web.sh").read_bytes()
    command = ["/bin/sh", "/web.sh"]
    return oci.Layer.of_files(contents), command, "http://127.0.0.1/version.json"


def _python() -> oci.Layer:
    rootfs.download()
    root = rootfs.unpack(rootfs.PYTHON, "python")
    library = root / "usr/lib/python3.11"
    run([sys.executable, "-m", "pip", "install", "-qq", "--no-compile", "--target", library, DRIVER])
    _compile(root)
    return _layer(root)


def _compile(root: Path) -> None:
    """Compiles the library, so that a container starts in a tenth of a second less; without it, it still starts."""
    if sys.version_info[:2] == (3, 11):
        options = ("-q", "-j", str(os.cpu_count() or 1), "--invalidation-mode", "unchecked-hash", "-p", "/", "-s", root)
        run([sys.executable, "-m", "compileall", *options, root / "usr/lib/python3.11"], check=False)


def _web() -> oci.Layer:
    return _layer(rootfs.unpack(rootfs.WEB, "web"))


def _layer(root: Path) -> oci.Layer:
    tar = root.with_suffix(".tar")
    rootfs.pack(root, tar)
    try:
        return oci.Layer.of_tar(tar.read_bytes())
    finally:
        tar.unlink()
