"""Tar archives that are unpacked nowhere but in their own folder."""

import errno
import io
import os
import shutil
from pathlib import Path, PurePosixPath


def checked(archive: bytes, folder: str) -> None:
    """Make sure that nothing in `archive` lands outside the folder it is unpacked into. Raises OSError.

    Names that are absolute or climb, files below a link of the archive's own, hard links and devices are refused. A
    symbolic link may point anywhere: it is content, and nothing is written through it.
    """
    import tarfile

    links: set[PurePosixPath] = set()
    try:
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            for member in tar:
                path = PurePosixPath(member.name)
                plain = member.isfile() or member.isdir() or member.issym()
                if path.is_absolute() or ".." in path.parts or not plain or links & {path, *path.parents}:
                    raise OSError(errno.EINVAL, f"the archive holds {member.name!r}, which is not unpacked", folder)
                if member.issym():
                    links.add(path)
    except (tarfile.TarError, EOFError) as error:
        raise OSError(errno.EINVAL, f"not a tar archive: {error}", folder) from error


def unpack(archive: bytes, folder: Path) -> None:
    """Unpack into the existing `folder`, synced and not writable for others. Raises OSError as `checked` does."""
    import tarfile

    checked(archive, str(folder))
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            path = folder / member.name
            if member.isdir():
                path.mkdir(parents=True, exist_ok=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            content = tar.extractfile(member) if member.isfile() else None
            if content is None:
                path.symlink_to(member.linkname)
                continue
            with path.open("wb") as file:
                shutil.copyfileobj(content, file)
                os.fchmod(file.fileno(), 0o755 if member.mode & 0o100 else 0o644)
                file.flush()
                os.fsync(file.fileno())


def packed(folder: str) -> bytes:
    """A tar of all that is in a folder. Raises OSError."""
    import tarfile

    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        for name in sorted(os.listdir(folder)):  # noqa: PTH208 - names are what the archive needs
            tar.add(f"{folder}/{name}", arcname=name)
    return content.getvalue()
