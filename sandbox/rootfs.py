"""Root file systems out of Debian packages, without a base image and without Docker."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from sandbox import paths
from sandbox.packages import apt
from sandbox.run import SandboxError, run

LIBC = ("libc6", "busybox-static")
PYTHON = (
    *LIBC,
    *("zlib1g", "libexpat1", "libssl3", "libffi8", "libbz2-1.0", "liblzma5", "libuuid1", "libcrypt1"),
    *("python3.11-minimal", "libpython3.11-minimal", "libpython3.11-stdlib", "media-types"),
)
POSTGRES = (
    *LIBC,
    *("postgresql-15", "postgresql-client-15", "libpq5", "libaudit1", "libc-bin", "libcap-ng0", "libcap2"),
    *("libcom-err2", "libffi8", "libgcc-s1", "libgcrypt20", "libgmp10", "libgnutls30", "libgpg-error0"),
    *("libgssapi-krb5-2", "libhogweed6", "libicu72", "libidn2-0", "libk5crypto3", "libkeyutils1", "libkrb5-3"),
    *("libkrb5support0", "libldap-2.5-0", "liblz4-1", "liblzma5", "libnettle8", "libp11-kit0", "libpam0g"),
    *("libreadline8", "libsasl2-2", "libssl3", "libstdc++6", "libsystemd0", "libtasn1-6", "libtinfo6"),
    *("libunistring2", "libuuid1", "libxml2", "libxslt1.1", "libcrypt1", "libzstd1", "zlib1g", "tzdata"),
)
REGISTRY = ("libc6", "docker-registry")
WEB = ("busybox-static",)
NEEDLESS = (
    *("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/lintian", "usr/share/python3"),
    *("var/cache/ldconfig", "usr/lib/python3.11/test", "usr/lib/python3.11/pydoc_data", "usr/lib/python3.11/lib2to3"),
    *("usr/lib/postgresql/15/lib/bitcode", "usr/share/postgresql/15/man", "usr/lib/*/gconv"),
    *("usr/lib/postgresql/15/lib/llvmjit*", "usr/lib/python3.11/ensurepip", "usr/lib/python3.11/distutils"),
)
COMMANDS = ("sh", "ls", "cat", "mkdir", "id", "env", "sleep", "wget", "httpd", "rm")


def download() -> None:
    """Downloads every package named here, once, with one call of apt-get."""
    with paths.lock(paths.cache() / "packages.lock"):
        _download()


def _download() -> None:
    folder, wanted = _debs(), sorted({*PYTHON, *POSTGRES, *REGISTRY, *WEB})
    missing = [name for name in wanted if not any(folder.glob(f"{name}_*.deb"))]
    if not missing:
        return
    if not shutil.which("apt-get"):
        raise SandboxError("the sandbox makes its images out of Debian packages; run it on Debian 12 (no apt-get here)")
    folder.mkdir(parents=True, exist_ok=True)
    apt("download", *missing, cwd=folder)


def unpack(packages: Iterable[str], name: str) -> Path:
    """Unpacks packages into a fresh folder and leaves out what no container needs."""
    root = paths.cache() / "roots" / name
    shutil.rmtree(root, ignore_errors=True)
    for folder in ("tmp", "etc", "dev", "proc", "bin", "run", "usr/bin"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for package in packages:
        run(["dpkg", "-x", next(_debs().glob(f"{package}_*.deb")), root])
    _trim(root)
    _furnish(root)
    return root


def pack(root: Path, target: Path) -> None:
    """Packs a root file system into a tar file, as owned by root, and removes the folder."""
    part = target.with_suffix(".part")
    run(["tar", "-C", root, "--sort=name", "--owner=0", "--group=0", "--numeric-owner", "-cf", part, "."])
    shutil.rmtree(root)
    part.rename(target)


def _debs() -> Path:
    return paths.cache() / "debs"


def _trim(root: Path) -> None:
    for pattern in NEEDLESS:
        for found in root.glob(pattern):
            if found.is_dir() and not found.is_symlink():
                shutil.rmtree(found)
            else:
                found.unlink()


def _furnish(root: Path) -> None:
    (root / "tmp").chmod(0o1777)
    (root / "run").chmod(0o1777)
    (root / "etc/passwd").write_text("root:x:0:0:root:/:/bin/sh\npostgres:x:70:70::/tmp:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\npostgres:x:70:\n")
    if (root / "bin/busybox").exists():
        for command in COMMANDS:
            (root / "bin" / command).unlink(missing_ok=True)
            (root / "bin" / command).symlink_to("busybox")
