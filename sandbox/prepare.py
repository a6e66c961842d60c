"""Everything worlds need that is made once: engine, Compose, images, releases."""

import functools
from concurrent.futures import ThreadPoolExecutor

from sandbox import compose, engine, images, paths, rootfs, template


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
