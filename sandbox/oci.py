"""Images made and pushed without an engine: layers, configuration and manifest, over the registry's HTTP API."""

import gzip
import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sandbox.run import Answer, SandboxError, fetch

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
ARCHITECTURES = {"aarch64": "arm64", "x86_64": "amd64"}
EPOCH = 1_735_689_600  # 2025-01-01: a fixed time keeps digests the same in every build


@dataclass(frozen=True)
class Layer:
    """A packed layer and the digest of what it unpacks to."""

    packed: bytes
    diff_id: str

    @classmethod
    def of_tar(cls, tar: bytes) -> "Layer":
        """Packs a tar file."""
        return cls(gzip.compress(tar, compresslevel=1, mtime=0), digest(tar))

    @classmethod
    def of_files(cls, files: Mapping[str, bytes], *, executable: Sequence[str] = ()) -> "Layer":
        """Packs files given by path and content, with fixed times and owners."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for path, content in sorted(files.items()):
                entry = tarfile.TarInfo(path)
                entry.size, entry.mtime = len(content), EPOCH
                entry.mode = 0o755 if path in executable else 0o644
                tar.addfile(entry, io.BytesIO(content))
        return cls.of_tar(buffer.getvalue())


@dataclass(frozen=True)
class Image:
    """An image: layers and the configuration of its containers, in the engine's own words."""

    layers: Sequence[Layer]
    settings: Mapping[str, Any] = field(default_factory=dict)

    def configuration(self) -> bytes:
        """Returns the image's configuration file."""
        document = {
            "architecture": ARCHITECTURES.get(platform.machine(), "amd64"),
            "os": "linux",
            "created": "2025-01-01T00:00:00Z",
            "config": dict(self.settings),
            "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in self.layers]},
            "history": [{"created": "2025-01-01T00:00:00Z", "created_by": "sandbox"} for _ in self.layers],
        }
        return json.dumps(document, sort_keys=True).encode()

    def manifest(self) -> bytes:
        """Returns the image's manifest, whose digest is the image's digest."""
        document = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": _descriptor(CONFIG, self.configuration()),
            "layers": [_descriptor(LAYER, layer.packed) for layer in self.layers],
        }
        return json.dumps(document, sort_keys=True).encode()


def digest(content: bytes) -> str:
    """Returns a content's digest as registries write it."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def push(registry: str, repository: str, tag: str, image: Image) -> str:
    """Pushes an image and returns its digest."""
    for blob in (*(layer.packed for layer in image.layers), image.configuration()):
        _push_blob(registry, repository, blob)
    return put_manifest(registry, repository, tag, image.manifest())


def put_manifest(registry: str, repository: str, tag: str, manifest: bytes) -> str:
    """Points a tag at a manifest whose blobs are there, and returns the manifest's digest."""
    url = f"{registry}/v2/{repository}/manifests/{tag}"
    _expect(fetch("PUT", url, manifest, {"Content-Type": MANIFEST}), 201)
    return digest(manifest)


def get_manifest(registry: str, repository: str, reference: str) -> bytes:
    """Returns the manifest a tag or digest names."""
    url = f"{registry}/v2/{repository}/manifests/{reference}"
    return _expect(fetch("GET", url, headers={"Accept": MANIFEST}), 200).body


def delete_manifest(registry: str, repository: str, reference: str) -> None:
    """Deletes the manifest with a digest, and so every tag that points at it."""
    _expect(fetch("DELETE", f"{registry}/v2/{repository}/manifests/{reference}"), 202)


def _descriptor(kind: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": kind, "size": len(content), "digest": digest(content)}


def _push_blob(registry: str, repository: str, blob: bytes) -> None:
    name = digest(blob)
    if fetch("HEAD", f"{registry}/v2/{repository}/blobs/{name}").status == 200:  # noqa: PLR2004
        return
    started = _expect(fetch("POST", f"{registry}/v2/{repository}/blobs/uploads/"), 202)
    place = started.headers["location"]
    place = place if place.startswith("http") else registry + place
    joint = "&" if "?" in place else "?"
    _expect(fetch("PUT", f"{place}{joint}digest={name}", blob, {"Content-Type": "application/octet-stream"}), 201)


def _expect(answer: Answer, status: int) -> Answer:
    if answer.status != status:
        raise SandboxError(f"the registry answered {answer.status} instead of {status}: {answer.body[:300]!r}")
    return answer
