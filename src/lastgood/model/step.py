"""Steps: what a plan does, one frozen class each, each with its reason.

A step names digests, commits and stable names, never a container id. `id` is unique in its plan and stable, so that
the journal and `resume` can speak of it.
"""

from typing import TypeAlias

import msgspec

from lastgood.model.release import Image


class Runnable(msgspec.Struct, frozen=True):
    """An image that can be run: as pinned, plus what identifies its bytes on a host.

    `image.digest` is the manifest digest where one is known; `image_id` the engine's id where the image is on a host.
    At least one of them is set: what cannot be identified is never switched to.
    """

    image: Image
    image_id: str = ""


class CaptureStep(msgspec.Struct, frozen=True, tag="capture", tag_field="step"):
    """Keep what the present release shows (logs, inspect, rendered configuration; secrets redacted)."""

    id: str
    host: str
    because: str


class PullStep(msgspec.Struct, frozen=True, tag="pull", tag_field="step"):
    """Have the image on the host, by digest, with the host's own credentials; it may be there already."""

    id: str
    host: str
    image: Runnable
    because: str


class RenderStep(msgspec.Struct, frozen=True, tag="render", tag_field="step"):
    """Export the tree to be into the release's folder on the host and have Compose check it; nothing runs yet."""

    id: str
    host: str
    tree: str
    folder: str
    image: Runnable
    services: tuple[str, ...]
    marked: bool
    compose: tuple[str, ...]
    because: str


class SwitchStep(msgspec.Struct, frozen=True, tag="switch", tag_field="step"):
    """Make the service's containers run `image` with the configuration in `folder`.

    `marked` says whether the containers carry the run's id, so that any machine sees who put them there; a restored
    state carries none.
    """

    id: str
    host: str
    folder: str
    image: Runnable
    services: tuple[str, ...]
    scale: tuple[tuple[str, int], ...]
    marked: bool
    compose: tuple[str, ...]
    because: str


class RestartStep(msgspec.Struct, frozen=True, tag="restart", tag_field="step"):
    """Restart the service's containers as they are: same image, same configuration."""

    id: str
    host: str
    containers: tuple[str, ...]
    because: str


class VerifyStep(msgspec.Struct, frozen=True, tag="verify", tag_field="step"):
    """Prove it: every container of the service runs `image`, restarts stand still, and the gate passes.

    `gate` is False where only the state from before is restored: it is verified to run, not to be healthy.
    """

    id: str
    image: Runnable
    gate: bool
    because: str


class RecordStep(msgspec.Struct, frozen=True, tag="record", tag_field="step"):
    """One commit that pins what now runs, pushed as a fast-forward. `tree` is the tree rendered before the switch.

    `base` is the tip the tree was made from; on a tip moved by unrelated commits only `folder`'s change is redone.
    Empty `tree` means that git needs no change.
    """

    id: str
    tree: str
    base: str
    pin: Image
    because: str


EngineStep: TypeAlias = PullStep | SwitchStep | RestartStep
Step: TypeAlias = CaptureStep | PullStep | RenderStep | SwitchStep | RestartStep | VerifyStep | RecordStep
