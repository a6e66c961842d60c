"""Everything worlds need that is made once: engine, Compose, images, releases."""

import functools
import os
from concurrent.futures import ThreadPoolExecutor

from sandbox import compose, engine, images, packages, paths, rootfs, stock, template, watchers
from sandbox.run import SandboxError


@functools.cache
def ensure() -> None:
    """Makes sure all of it is there; does nothing the second time."""
    paths.cache().mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor() as pool:
        packages = pool.submit(_packages)
        engine.ensure()
        links = pool.submit(compose.ensure)
        packages.result()
        parts = pool.submit(images.ensure)
        template.ensure()
        parts.result()
        links.result()


def _packages() -> None:
    if not template.folder().exists():
        rootfs.download()


@functools.cache
def ensure_servers() -> None:
    """Makes sure of what simulated servers need, and tests of what watches: programs, and the engines' first folder."""
    ensure()
    if os.getuid() != 0:
        raise SandboxError("simulated servers need root, for namespaces and network cards")
    packages.provide(stock.PROGRAMS)
    ensure_browser()
    stock.ensure()
    watchers.ensure()


@functools.cache
def ensure_browser() -> None:
    """Makes sure of a Chromium, which brings a font; Playwright comes with the other Python packages."""
    packages.provide({"chromium": "chromium"})
